"""From a Python value to its document, at the call and on the caller's thread.

Two ways lead to the same format. What is plain all through (the usual JSON-like data) goes to ormsgpack as it stands, once a
look over its types, at C speed, has shown that nothing would lose its type or its sharing. Everything else is first walked
into a private tree (see `wire` for why private).
"""

from __future__ import annotations

from collections.abc import Callable
from gc import get_referents
from itertools import chain, compress
from sys import getrefcount
from typing import Any, Final

from autoplayback.tape import plans
from autoplayback.tape.wire import ATOMS, DEPTH, Code, Ext, pack

Handles = Callable[[object], "int | None"]

_PLAIN: Final = frozenset({*ATOMS, list, dict})
_CONTAINERS: Final = frozenset({list, dict})
_STRINGS: Final = frozenset({str})
_PLAIN_DEPTH: Final = 48
"""Deeper than this the walk takes over: ormsgpack recurses on the C stack of a thread whose size we don't know."""

LIMIT: Final = 256 * 1024 * 1024
"""Bytes: a value that surely needs more becomes an opaque leaf instead of a pause of the service."""


class Encoder:
    """Encodes the values of one tape; may be used from any thread.

    `handles` gives the id of a live intercepted object. Never raises: what can't be encoded is an inert leaf, whose type is
    added to `opaque`.
    """

    __slots__ = ("handles", "limit", "opaque")

    def __init__(self, handles: Handles | None = None, limit: int = LIMIT) -> None:
        self.handles = handles
        self.limit = limit
        self.opaque: list[str] = []

    def encode(self, value: Any) -> bytes:
        """The document of any value."""
        kind = type(value)
        try:
            if kind in ATOMS:
                if (kind is not str and kind is not bytes) or len(value) <= self.limit:
                    return pack(value)
            elif kind in _CONTAINERS and is_plain(value, self.limit):
                return pack(value)
        except Exception:  # not plain after all: an integer over 64 bits, a lone surrogate, a change in mid-look
            pass
        return self._walked(value)

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """The document `[positional list, keyword map]`."""
        value = [list(args), kwargs]
        try:
            if ATOMS.issuperset(map(type, args)) and (not kwargs or ATOMS.issuperset(map(type, kwargs.values()))):
                document = pack(value)
                if len(document) <= self.limit:
                    return document
            elif is_plain(value, self.limit):
                return pack(value)
        except Exception:
            pass
        return self._walked(value)

    def _walked(self, value: Any) -> bytes:
        """The thorough way, tried again with more care where it fails: each retry gives up a little speed or depth."""
        for careful, depth in ((False, DEPTH), (True, DEPTH), (True, 4)):
            walk = Walk(self, careful, depth)
            try:
                document = walk.document(value)
            except Exception:
                continue
            self.opaque.extend(walk.opaque)
            return document
        name = plans.type_name(type(value))
        self.opaque.append(name)
        return pack(Ext(Code.TAGGED, pack(["opaque", name, "could not be encoded"])))


def is_plain(value: Any, limit: int) -> bool:
    """Whether a list or dict holds nothing but plain values, each container once.

    Looks a level at a time: `get_referents` gives all that the containers of a level hold (of a dict with string keys only the
    values: string keys are plain already). A container seen twice must have more references than one that isn't, so only
    then are identities compared.
    """
    level, seen, nodes, shared = [value], [[value]], 1, False
    for _ in range(_PLAIN_DEPTH):
        inside = get_referents(*level)
        if ATOMS.issuperset(map(type, inside)):
            break
        types = set(map(type, inside))
        if not types <= _PLAIN:
            return False
        nodes += len(inside)
        if nodes > limit:
            return False
        level = inside if types <= _CONTAINERS else list(compress(inside, map(_CONTAINERS.__contains__, map(type, inside))))
        seen.append(level)
        shared = shared or max(map(getrefcount, level)) > (_ALONE if level is inside else _ALONE + 1)
        del inside
    else:
        return False
    if shared:
        identities = [identity for level in seen for identity in map(id, level)]
        return len(set(identities)) == len(identities)
    return True


def _references_of_one_held_once() -> int:
    """What `getrefcount` says, through `map`, of an object which one container and one list of ours hold."""
    inside = get_referents([[]])
    holder = [[]]
    inside = get_referents(holder)
    return max(map(getrefcount, inside))


_ALONE: Final = _references_of_one_held_once()


class Walk:
    """One pass over one value: turns it into a private tree of plain values and extensions, numbering containers as it goes.

    The numbers are those a reader gives the containers of the document in the order in which they begin; a second visit
    of one becomes a REF to its number. Beyond `depth` a container is left for later and stands in the document as a PART.
    """

    __slots__ = ("careful", "count", "depth", "encoder", "graph", "keep", "level", "limit", "numbers", "opaque", "parts", "taken")

    def __init__(self, encoder: Encoder, careful: bool = False, depth: int = DEPTH) -> None:
        self.encoder = encoder
        self.careful = careful
        self.depth = depth
        self.limit = encoder.limit
        self.level = 0
        self.count = 0
        self.taken = 0
        """Bytes packed so far inside extensions."""
        self.numbers: dict[int, int] = {}
        self.keep: list[Any] = []
        """What was numbered, alive until the end: an identity must not be given to another object meanwhile."""
        self.parts: list[Any] = []
        self.graph = False
        self.opaque: list[str] = []

    def document(self, value: Any) -> bytes:
        """The whole document of `value`."""
        root = self.value(value)
        if not self.graph and not self.parts:
            return pack(root)
        parts, done = [root], 0
        while done < len(self.parts):
            part = self.parts[done]
            self.numbers.pop(id(part), None)
            self.level = 0
            parts.append(self.value(part))
            done += 1
        return pack(Ext(Code.GRAPH, pack(parts)))

    def value(self, value: Any) -> Any:
        """`value` as something that `pack` takes."""
        kind = type(value)
        if kind in ATOMS:
            return self.atom(value) if self.careful else value
        start, keep, level = self.count, len(self.keep), self.level
        try:
            return plans.plan(kind)(self, value)
        except Exception as error:
            if not self.careful or (isinstance(error, RecursionError) and self.depth > 4):
                raise
            self._forget(start, keep)
            self.level = level
            return self.leaf_opaque(value, f"{type(error).__name__} while encoding")

    def atom(self, value: Any) -> Any:
        """An atom which MessagePack may not be able to hold."""
        if type(value) is int and not -(1 << 63) <= value < 1 << 64:
            return Ext(Code.INT, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))
        if type(value) is str:
            try:
                value.encode()
            except UnicodeEncodeError:
                return Ext(Code.STR, value.encode("utf-8", "surrogatepass"))
        return value

    def enter(self, value: Any) -> Ext | None:
        """Numbers a container which begins here; gives what stands for it instead, where it was met before or is too deep.

        Whoever gets None calls `leave` at the container's end.
        """
        number = self.numbers.get(id(value))
        if number is not None:
            self.graph = True
            return Ext(Code.REF, pack(number)) if number >= 0 else Ext(Code.PART, pack(~number))
        self.keep.append(value)
        if self.level >= self.depth:
            self.parts.append(value)
            self.numbers[id(value)] = -len(self.parts)
            return Ext(Code.PART, pack(len(self.parts) - 1))
        self.numbers[id(value)] = self.count
        self.count += 1
        self.level += 1
        return None

    def leave(self, result: Any) -> Any:
        """Ends what `enter` began."""
        self.level -= 1
        return result

    def items(self, values: Any) -> list[Any]:
        """The members of a container, in a list which isn't numbered."""
        values = list(values)
        if not self.careful and ATOMS.issuperset(map(type, values)):
            return values
        value = self.value
        if self.careful:
            return [value(v) for v in values]
        return [v if type(v) in ATOMS else value(v) for v in values]

    def fields(self, state: dict[Any, Any]) -> Any:
        """A dict which is ours, as a numbered map."""
        self.count += 1
        if _STRINGS.issuperset(map(type, state)) and (not self.careful or all(self.atom(key) is key for key in state)):
            if not self.careful and ATOMS.issuperset(map(type, state.values())):
                return state
            value = self.value
            if self.careful:
                return {k: value(v) for k, v in state.items()}
            return {k: v if type(v) in ATOMS else value(v) for k, v in state.items()}
        return self.packed(Code.MAP, self.items(chain.from_iterable(state.items())))

    def packed(self, code: int, content: list[Any]) -> Ext:
        """An extension around packed content; over the size limit the whole value is given up."""
        data = pack(content)
        self.taken += len(data)
        return Ext(code, data)

    def tagged(self, kind: str, type_: str, value: Any, extra: Any = None) -> Ext:
        """A TAGGED of content that went through this walk already."""
        return self.packed(Code.TAGGED, [kind, type_, value] if extra is None else [kind, type_, value, extra])

    def leaf(self, kind: str, type_: str, value: Any = None) -> Ext:
        """A TAGGED which holds one atom (or what is walked here) and has no identity worth keeping."""
        self.count += 1
        return self.tagged(kind, type_, value if type(value) in ATOMS and not self.careful else self.value(value))

    def leaf_opaque(self, value: Any, reason: str = "") -> Ext:
        """The inert leaf for what can't be encoded."""
        name = plans.type_name(type(value))
        self.opaque.append(name)
        self.count += 1
        return self.tagged("opaque", name, reason)

    def handle(self, value: Any) -> Ext:
        """A live intercepted object, by its id on this tape."""
        handles = self.encoder.handles
        id_ = None if handles is None else handles(value)
        if id_ is None:
            return self.leaf_opaque(value, "a live object that isn't part of this tape")
        return self.leaf("handle", plans.type_name(type(value)), id_)

    def _forget(self, start: int, keep: int) -> None:
        """Takes back the numbers given since `start`, for a value which didn't make it into the document."""
        self.numbers = {identity: number for identity, number in self.numbers.items() if number < start}
        self.count = start


def isdata(value: Any) -> bool:
    """Whether a value is encoded as data, rather than being a live object that would become an opaque leaf."""
    kind = type(value)
    return kind in _PLAIN or plans.is_data(kind)
