"""Values as short text for people, close to what Python's repr would show."""

from __future__ import annotations

from typing import Any, Final

from autoplayback.tape.inert import Tagged

_CONSTRUCTED: Final = frozenset({"object", "record", "namedtuple", "pydantic"})
_DEPTH: Final = 12


def render(inert: Any, limit: int = 200) -> str:
    """One line of at most `limit` characters; what is left out shows as `…`."""
    writer = _Writer(limit)
    writer.value(inert, 0)
    text = "".join(writer.pieces)
    return text if len(text) <= limit else text[: max(limit - 1, 0)] + "…"


def apart(one: Any, other: Any, limit: int = 200) -> tuple[str, str]:
    """Two unlike values, each rendered; of long texts, or bytes, what stands around the first place in which they differ."""
    if type(one) is type(other) and isinstance(one, (str, bytes)) and max(len(one), len(other)) > limit - 2:
        start = first_unlike(one, other) - limit // 3
        if start > 0:
            near = [side[min(start, max(0, len(side) - limit + 4)) :] for side in (one, other)]
            return f"…{render(near[0], limit - 1)}", f"…{render(near[1], limit - 1)}"
    return render(one, limit), render(other, limit)


def first_unlike(one: str | bytes, other: str | bytes) -> int:
    """Where two texts differ first; the length of the shorter one where it is the beginning of the other."""
    low, high = 0, min(len(one), len(other))
    if one[:high] == other[:high]:
        return high
    while high - low > 1:  # slices are compared at the speed of C
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low


class _Writer:
    """Writes until the limit is reached, so that a huge value costs no more than a small one."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.length = 0
        self.pieces: list[str] = []

    def add(self, text: str) -> None:
        self.pieces.append(text)
        self.length += len(text)

    @property
    def full(self) -> bool:
        return self.length > self.limit

    def value(self, inert: Any, depth: int) -> None:
        if self.full:
            return
        if isinstance(inert, (str, bytes)):
            self.add(_quoted(inert, self.limit))
        elif depth > _DEPTH:
            self.add("…")
        elif isinstance(inert, list):
            self.items("[", inert, "]", depth)
        elif isinstance(inert, dict):
            self.pairs("{", inert.items(), ": ", "}", depth)
        elif isinstance(inert, Tagged):
            self.tagged(inert, depth)
        elif isinstance(inert, int) and not isinstance(inert, bool) and inert.bit_length() > 2000:
            self.add(hex(inert))
        else:
            self.add(repr(inert))

    def items(self, start: str, items: list[Any], end: str, depth: int) -> None:
        self.add(start)
        for i, item in enumerate(items):
            if self.full:
                return
            if i:
                self.add(", ")
            self.value(item, depth + 1)
        self.add(end)

    def pairs(self, start: str, pairs: Any, between: str, end: str, depth: int) -> None:
        self.add(start)
        for i, (key, value) in enumerate(pairs):
            if self.full:
                return
            if i:
                self.add(", ")
            if between == "=":
                self.add(str(key))
            else:
                self.value(key, depth + 1)
            self.add(between)
            self.value(value, depth + 1)
        self.add(end)

    def tagged(self, node: Tagged, depth: int) -> None:
        kind, value, name = node.kind, node.value, node.type.rpartition(":")[2]
        if kind == "tuple" and not name and isinstance(value, list):
            self.items("(", value, ",)" if len(value) == 1 else ")", depth)
        elif kind == "set" and not name and isinstance(value, list) and value:
            self.items("{", value, "}", depth)
        elif kind == "dict" and isinstance(value, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in value):
            self.pairs(f"{name}({{" if name else "{", value, ": ", "})" if name else "}", depth)
        elif kind in _CONSTRUCTED and isinstance(value, dict):
            self.pairs(f"{name}(", value.items(), "=", ")", depth)
        elif kind == "enum" and isinstance(value, list) and value:
            self.add(f"{name}.{value[0]}" if value[0] else f"{name}({value[1:]})")
        elif kind == "exception" and isinstance(value, dict) and isinstance(value.get("args"), list):
            self.items(f"{name}(", value["args"], ")", depth)
        elif kind in ("class", "function", "module"):
            self.add(name)
        elif kind == "method":
            self.value(value, depth + 1)
            self.add(f".{node.type}")
        elif kind == "handle":
            self.add(f"<{name} #{value}>")
        elif kind == "opaque":
            self.add(f"<{name}: not recorded, {value}>" if value and isinstance(value, str) else f"<{name}: not recorded>")
        elif kind == "ref":
            self.add("<cycle>")
        else:
            self.add(f"{name or kind}(")
            if value is not None:
                self.value(value, depth + 1)
            self.add(")")


def _quoted(value: str | bytes, limit: int) -> str:
    """The repr of a string, without looking at more of it than will be shown."""
    return repr(value) if len(value) <= limit else repr(value[:limit])[:-1] + "…"
