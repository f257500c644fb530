"""Inert values as JSON that people read: bounded, never ambiguous about type, cut around what differs."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from typing import Any

from autoplayback.config import paths
from autoplayback.equalizer.differ import MISSING, RawDifference
from autoplayback.equalizer.sameness import fingerprint
from autoplayback.equalizer.verdict import Difference
from autoplayback.tape.model import Call
from autoplayback.tape.render import first_unlike
from autoplayback.tape.values import Tagged, named, render

_LONGEST = 400
"""Characters of a text in a difference."""
_LONGEST_PLACE = 600
_BEFORE = 60
"""Characters, or bytes, shown before the first that differs."""


def shown(value: Any, *, longest: int = _LONGEST, most: int = 400, depth: int = 12) -> Any:
    """A value as JSON: plain data as itself, everything else as a text such as `Decimal('1.20')`; at most `most` nodes."""
    left = [most]
    return _shown(value, longest, left, depth)


def _shown(value: Any, longest: int, left: list[int], depth: int) -> Any:
    left[0] -= 1
    if value is None or isinstance(value, (bool, int)):
        return value if not isinstance(value, int) or abs(value) < 2**53 or isinstance(value, bool) else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return cut(value, longest)
    if isinstance(value, dict):
        if depth <= 0 or left[0] <= 0:
            return f"{{… {len(value):,} entr{'y' if len(value) == 1 else 'ies'}}}"
        made: dict[str, Any] = {}
        for key, child in value.items():
            if left[0] <= 0:
                made["…"] = f"{len(value) - len(made):,} more entries"
                break
            made[cut(str(key), 200)] = _shown(child, longest, left, depth - 1)
        return made
    if isinstance(value, list):
        if depth <= 0 or left[0] <= 0:
            return f"[… {len(value):,} item{'s' * (len(value) != 1)}]"
        items: list[Any] = []
        for child in value:
            if left[0] <= 0:
                items.append(f"… {len(value) - len(items):,} more items")
                break
            items.append(_shown(child, longest, left, depth - 1))
        return items
    if isinstance(value, Tagged) and isinstance(value.value, dict) and depth > 0 and value.kind != "exception":
        fields = _shown(value.value, longest, left, depth)
        if isinstance(fields, dict):
            return {"": value.type or value.kind, **fields}
    return render(value, longest)


def cut(text: str, longest: int = _LONGEST) -> str:
    """A text, or its beginning with its length said; lone surrogates escaped, as no UTF-8 report could hold them."""
    if len(text) > longest:
        text = f"{text[:longest]}… ({len(text):,} characters)"
    return text.encode("utf-8", "backslashreplace").decode()


def difference(raw: RawDifference) -> Difference:
    """A difference as the reports have it."""
    kind = "extra" if raw.recorded is MISSING else "missing" if raw.replayed is MISSING else "changed"
    one, other = raw.recorded, raw.replayed
    if kind == "changed":
        one, other = _near(one, other)
    longest = _LONGEST if one is raw.recorded else 4 * _LONGEST  # what stands around a difference is cut to its length already
    recorded = None if one is MISSING else shown(one, longest=longest, most=60)
    replayed = None if other is MISSING else shown(other, longest=longest, most=60)
    if kind == "changed" and recorded == replayed and type(recorded) is type(replayed):
        # The same to look at: what differs is the type, or lies beyond where it was cut.
        recorded, replayed = _typed(raw.recorded, recorded), _typed(raw.replayed, replayed)
    return Difference(_place(raw.parts), recorded, replayed, kind, _digest(raw.replayed))


def _place(parts: tuple[paths.Part, ...]) -> str:
    """A place as a path; a very long one (of a value nested thousands deep) by its ends and a digest."""
    whole = paths.render(parts)
    if len(whole) <= _LONGEST_PLACE:
        return whole
    digest = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{whole[:200]} … {whole[-200:]} ({len(parts):,} steps, {digest})"


def _near(one: Any, other: Any) -> tuple[Any, Any]:
    """Two long texts, or bytes, without what they have in common far before the first place that differs."""
    texts = [_text(one), _text(other)]
    if type(texts[0]) is not type(texts[1]) or not isinstance(texts[0], (str, bytes)) or max(map(len, texts)) <= _LONGEST:
        return one, other
    start = first_unlike(*texts) - _BEFORE
    if start <= 0:
        return one, other
    return _beginning_at(texts[0], start), _beginning_at(texts[1], start)


def _beginning_at(text: str | bytes, start: int) -> str:
    if isinstance(text, bytes):
        return f"… {render(text[start:], _LONGEST)} (from byte {start:,} of {len(text):,})"
    more = f"… ({len(text):,} characters)" if len(text) > start + _LONGEST else ""
    return f"… {text[start : start + _LONGEST]}{more}"


def _text(value: Any) -> Any:
    return value.value if isinstance(value, Tagged) and value.kind in ("str", "bytes", "bytearray") else value


def _digest(value: Any) -> str:
    """Names a value; empty for one that can't be named (it is too deep)."""
    if value is MISSING:
        return "missing"
    whole = fingerprint(value)
    if isinstance(whole, int):
        return ""
    return hashlib.sha256(whole if isinstance(whole, bytes) else whole.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _typed(value: Any, text: Any) -> str:
    name = (value.type or value.kind) if isinstance(value, Tagged) else type(value).__name__
    return f"({name}) {text}"


def brief(value: Any, longest: int = 80) -> str:
    """A shown value within a sentence."""
    text = _whole(value)
    return text if len(text) <= longest else f"{text[:longest]}…"


def briefly(difference: Difference, longest: int = 80) -> tuple[str, str]:
    """Both values of a difference within a sentence: where they are long, cut around the first place in which they differ."""
    one, other = _whole(difference.recorded), _whole(difference.replayed)
    if difference.kind != "changed" or max(len(one), len(other)) <= longest:
        return brief(difference.recorded, longest), brief(difference.replayed, longest)
    start = first_unlike(one, other) - longest // 3
    if start <= 1:
        return brief(difference.recorded, longest), brief(difference.replayed, longest)
    return _around(one, start, longest), _around(other, start, longest)


def first(differences: Sequence[Difference], count: int) -> str:
    """The reason `different`: the first difference in a sentence, and how many more there are."""
    difference = differences[0]
    more = f", and {count - 1} more" if count > 1 else ""
    recorded, replayed = briefly(difference)
    if difference.kind == "missing":
        return f"{difference.at} is missing: recorded {recorded}{more}"
    if difference.kind == "extra":
        return f"{difference.at} was not there: replayed {replayed}{more}"
    return f"{difference.at}: recorded {recorded}, replayed {replayed}{more}"


def _around(text: str, start: int, longest: int) -> str:
    start = min(start, max(0, len(text) - longest))
    return f"…{text[start : start + longest]}{'…' if len(text) > start + longest else ''}"


def _whole(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return str(value) if not isinstance(value, str) or value[-1:] == ")" else repr(value)


def called(call: Call, longest: int = 120) -> str:
    """The arguments of a call as its caller might have written them, each cut to `longest` characters."""
    # A function without a readable signature has its arguments under their positions.
    return ", ".join(
        render(value, longest) if name.isdigit() else f"{name}={render(value, longest)}"
        for name, value in named(call.arguments, call.target.parameters).items()
    )
