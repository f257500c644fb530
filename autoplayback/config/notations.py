"""The small notations that strings of the config and flags of the command line are written in.

Each function turns one text into its value or raises `NotationError`, which knows where in the text the fault stands, so
that a column of the file can be named. Paths have a room of their own: `config.paths`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_SPAN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)?\s*")
_SHARE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(%)?\s*")
_CONDITION = re.compile(r"\s*([^\s=!<>~]+)\s*(?:(!=|<=|>=|=|<|>|~)\s*(.*?))?\s*", re.DOTALL)


class NotationError(ValueError):
    """A text which isn't in its notation; `offset` counts the characters before the fault."""

    def __init__(self, reason: str, offset: int = 0) -> None:
        self.reason, self.offset = reason, offset
        super().__init__(reason)


def span(text: str) -> float:
    """Seconds of a length of time: `7d`, `90m`, `200ms`, or a bare number of seconds."""
    found = _SPAN.fullmatch(text)
    if not found:
        raise NotationError(f"{text!r} is no length of time; write a number and one of {', '.join(SECONDS)}, such as 7d")
    return float(found[1]) * SECONDS[found[2] or "s"]


def moment(text: str, now: int) -> int:
    """Nanoseconds since the epoch of a date, a time (`2026-11-01T12:00`, local where it names no zone), or `7d` before `now`."""
    if _SPAN.fullmatch(text):
        return now - int(span(text) * 1e9)
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError:
        raise NotationError(f"{text!r} is no moment; write 7d (that long ago), 2026-11-01 or 2026-11-01T12:30") from None
    return int(when.timestamp() * 1_000_000) * 1000


def when(text: str) -> None:
    """Checks a moment whose `now` isn't known yet."""
    moment(text, 0)


def share(text: str) -> tuple[float, bool]:
    """A number and whether it is a share: `0.5%` is (0.005, True), `3` is (3.0, False)."""
    found = _SHARE.fullmatch(text)
    if not found:
        raise NotationError(f"{text!r} is neither a number nor a share such as 0.5%")
    return (float(found[1]) / 100, True) if found[2] else (float(found[1]), False)


def allowance(text: str) -> tuple[float, bool]:
    """Like `share`, or a length of time: `20%` is (0.2, True), `200ms` is (0.2, False)."""
    return share(text) if text.rstrip().endswith("%") else (span(text), False)


def split_target(text: str) -> tuple[str, str]:
    """Module and qualified name of `module:qualname`, the notation of Python's entry points."""
    module, colon, qualname = text.partition(":")
    if not colon:
        raise NotationError(f"{text!r} has no colon between module and name{_with_colon(text)}")
    _dotted(module, "module", 0)
    return module, qualname


def _with_colon(text: str) -> str:
    """The same with a colon where one is likely: before the first class (by its capital), else before the last part."""
    parts = text.split(".")
    if len(parts) < 2 or not all(parts):
        return "; write package.module:function, or package.module:Class.method"
    split = next((index for index, part in enumerate(parts) if index and part[0].isupper()), len(parts) - 1)
    return f"; did you mean {'.'.join(parts[:split])}:{'.'.join(parts[split:])}?"


def reference(text: str) -> tuple[str, str]:
    """`module:qualname` of exactly one thing."""
    module, qualname = split_target(text)
    glob = next((index for index, sign in enumerate(qualname) if sign in "*?["), None)
    if glob is not None:
        raise NotationError(f"{qualname!r}: one thing is meant here, without a glob", len(module) + 1 + glob)
    _dotted(qualname, "name", len(module) + 1)
    return module, qualname


def moved(text: str) -> None:
    """A module, or a class or field in one: `old.module`, `old.module:Name`, `old.module:Name.field`."""
    if ":" in text:
        reference(text)
    else:
        _dotted(text, "module", 0)


def target(text: str) -> tuple[str, str]:
    """`module:qualname` with a glob allowed in its last part: `orders.repo:Repo.load_*`."""
    module, qualname = split_target(text)
    offset = len(module) + 1
    *owners, last = qualname.split(".")
    for owner in owners:
        if any(sign in owner for sign in "*?["):
            raise NotationError(f"{qualname!r}: a glob may stand in the last part only", offset + qualname.index(owner))
    plain = re.sub(r"\[[^\]]*\]|[*?]", "x", last)
    _dotted(".".join([*owners, plain]) if last else qualname, "name", offset)
    return module, qualname


def application(text: str) -> tuple[str, str, bool]:
    """Module, name and whether it is a factory: `shop.web:app`, `shop:create_app()`, the notation of gunicorn."""
    module, qualname = split_target(text)
    factory = qualname.endswith("()")
    name = qualname.removesuffix("()")
    if "(" in name:
        raise NotationError(f"{qualname!r}: a factory is called without arguments here: {name.partition('(')[0]}()",
                            len(module) + 1 + name.index("("))
    _dotted(name, "name", len(module) + 1)
    return module, name, factory


def _dotted(text: str, what: str, offset: int) -> None:
    position = offset
    for part in text.split("."):
        if not part.isidentifier():
            bad = next((i for i in range(len(part)) if not part[: i + 1].isidentifier()), 0)
            reason = f"the {what} has an empty part" if not part else f"{part!r} is no Python name"
            raise NotationError(f"{reason} in the {what} {text!r}" if text else f"the {what} is missing", position + bad)
        position += len(part) + 1


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on a tape: `customer=acme,globex`, `duration > 5`, `path ~ /api/*`, or a bare `error`."""

    key: str
    operator: str
    """One of `= != < <= > >= ~`, or empty: the key only has to be there and true."""
    values: tuple[str, ...] = ()
    """Any of them will do (`=`, `~`), or none of them may be it (`!=`)."""

    def holds(self, value: Any) -> bool:
        """Whether a scalar fulfils it. What isn't there (None) fulfils `!=` and nothing else, unless compared with `null`."""
        if not self.operator:
            return bool(value)
        if self.operator == "=":
            return any(_same(value, wanted) for wanted in self.values)
        if self.operator == "!=":
            return not any(_same(value, wanted) for wanted in self.values)
        if self.operator == "~":
            return value is not None and any(fnmatchcase(_text(value), wanted) for wanted in self.values)
        return value is not None and _ORDER[self.operator](value, self.values[0])


def condition(text: str) -> Condition:
    """`KEY`, or `KEY OPERATOR VALUE[,VALUE...]`; spaces around the operator don't count."""
    found = _CONDITION.fullmatch(text)
    if not found:
        raise NotationError(f"{text!r} is no condition; write KEY=VALUE (also != < <= > >= ~)", 0)
    key, operator, rest = found[1], found[2] or "", found[3]
    if not operator:
        return Condition(key, "")
    values = tuple(value.strip() for value in rest.split(",")) if operator in ("=", "!=", "~") else (rest,)
    if operator not in ("=", "!=", "~") and not rest:
        raise NotationError(f"{text!r} compares with nothing", len(text))
    return Condition(key, operator, values)


def filter_condition(text: str) -> Condition:
    """A condition with an operator, as `--where` wants it."""
    found = condition(text)
    if not found.operator:
        raise NotationError(f"{text!r} has no operator; write KEY=VALUE (also != < <= > >= ~)", len(text))
    return found


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _same(value: Any, wanted: str) -> bool:
    if value is None:
        return wanted in ("", "null")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = _number(wanted)
        return number is not None and number == value
    return _text(value) == (wanted.lower() if isinstance(value, bool) else wanted)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, str], bool]:
    def holds(value: Any, wanted: str) -> bool:
        if isinstance(value, (int, float)):
            number = _number(wanted)
            if number is None and _SPAN.fullmatch(wanted):
                number = span(wanted)
            return number is not None and compare(value, number)
        number, own = _number(wanted), _number(str(value))
        return compare(own, number) if number is not None and own is not None else compare(str(value), wanted)

    return holds


_ORDER: dict[str, Callable[[Any, str], bool]] = {
    "<": _ordered(lambda a, b: bool(a < b)),
    "<=": _ordered(lambda a, b: bool(a <= b)),
    ">": _ordered(lambda a, b: bool(a > b)),
    ">=": _ordered(lambda a, b: bool(a >= b)),
}
