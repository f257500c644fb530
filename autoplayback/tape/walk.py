"""One pass over a value that isn't plain: into a private tree of plain values and extensions, which `pack` takes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any, Final

from autoplayback.tape import plans
from autoplayback.tape.names import type_name
from autoplayback.tape.wire import ATOMS, STRICT, Code, Ext, pack, packb

Handles = Callable[[object], "int | None"]

_all_atoms: Final = ATOMS.issuperset
_all_strings: Final = frozenset({str}).issuperset


class TooLarge(Exception):
    """The document would be over the size limit."""


class TooMany(Exception):
    """The value is a web of more objects than a request should wait for."""


OBJECTS: Final = 200_000
"""Containers and instances that one value may hold, plain data and tables of rows not counted. An application handed around as
an argument is such a web: walking it would cost a request seconds, so it becomes one opaque leaf."""


class Walk:
    """Numbers the containers it passes, as a reader will number them in the order in which they begin in the document.

    A second visit of a container becomes a REF to its number. Beyond `depth` a container is left for later and stands in the
    document as a PART. Any failure ends the walk; CarefulWalk then finds out where it is.
    """

    careful = False
    __slots__ = ("count", "depth", "handles", "keep", "level", "limit", "numbers", "opaque", "parts", "referring", "room")

    def __init__(self, handles: Handles | None, depth: int, limit: int) -> None:
        self.handles = handles
        self.depth = depth
        self.limit = limit
        self.room = limit
        """Bytes that extensions may still take."""
        self.level = 0
        self.count = 0
        self.numbers: dict[int, int] = {}
        """By the identity of a container its number, or the complement of its part's."""
        self.keep: list[Any] = []
        """What was numbered, alive until the end: an identity must not be given to another object meanwhile."""
        self.parts: list[Any] = []
        self.referring = False
        self.opaque: list[str] = []

    def document(self, value: Any) -> bytes:
        """The whole document of `value`."""
        root = self.value(value)
        if not self.referring and not self.parts:
            document = pack(root)
            if len(document) > self.limit and not self.careful:
                raise TooLarge(f"over {self.limit} bytes")
            return document
        trees = [root]
        for part in self.parts:  # grows while it is walked
            del self.numbers[id(part)]
            self.level = 0
            trees.append(self.value(part))
        return pack(Ext(Code.GRAPH, pack(trees)))

    def value(self, value: Any) -> Any:
        """`value` as something that `pack` takes."""
        kind = type(value)
        if kind in ATOMS:
            return value
        return (plans.known.get(kind) or plans.plan(kind))(self, value)

    def items(self, values: list[Any]) -> list[Any]:
        """The members of a container, given in a list of our own."""
        self.spend(len(values))
        if _all_atoms(map(type, values)):
            return values
        value = self.value
        return [item if type(item) in ATOMS else value(item) for item in values]

    def fields(self, state: dict[Any, Any]) -> Any:
        """A dict of our own, as a numbered map."""
        self.count += 1
        if not _all_strings(map(type, state)):
            return self.odd_fields(state.items())
        if _all_atoms(map(type, state.values())):
            return state
        value = self.value
        return {key: item if type(item) in ATOMS else value(item) for key, item in state.items()}

    def odd_fields(self, pairs: Any) -> Ext:
        """The items of a dict whose keys aren't all strings. The caller has numbered it."""
        return self.packed(Code.MAP, self.items(list(chain.from_iterable(pairs))))

    def enter(self, value: Any) -> Ext | None:
        """Numbers a container which begins here; gives what stands for it instead, where it was met before or is too deep.

        Whoever gets None lowers `level` at the container's end.
        """
        identity = id(value)
        number = self.numbers.get(identity)
        if number is not None:
            self.referring = True
            return Ext(Code.REF, pack(number)) if number >= 0 else Ext(Code.PART, pack(~number))
        self.keep.append(value)
        if len(self.keep) > OBJECTS:
            raise TooMany
        if self.level >= self.depth:
            self.numbers[identity] = ~len(self.parts)
            self.parts.append(value)
            return Ext(Code.PART, pack(len(self.parts) - 1))
        self.numbers[identity] = self.count
        self.count += 1
        self.level += 1
        return None

    def packed(self, code: int, content: Any) -> Ext:
        """An extension around content that went through this walk."""
        return self.extension(code, packb(content, None, STRICT))

    def extension(self, code: int, data: bytes) -> Ext:
        """An extension of packed data."""
        self.spend(len(data))
        return Ext(code, data)

    def spend(self, size: int) -> None:
        """Takes (at least) so many bytes of the document; beyond the size limit the walk is given up."""
        self.room -= size
        if self.room < 0:
            raise TooLarge(f"over {self.limit} bytes")

    def tagged(self, kind: str, type_: str, value: Any, extra: Any = None) -> Ext:
        """A TAGGED of content that went through this walk."""
        return self.packed(Code.TAGGED, [kind, type_, value] if extra is None else [kind, type_, value, extra])

    def leaf(self, kind: str, type_: str, value: Any = None, extra: Any = None) -> Ext:
        """A TAGGED without an identity worth keeping, of content still to be walked."""
        self.count += 1
        return self.tagged(kind, type_, self.value(value), self.value(extra))

    def opaque_leaf(self, value: Any, reason: str = "") -> Ext:
        """The inert leaf for what can't be encoded."""
        name = type_name(type(value))
        self.opaque.append(name)
        self.count += 1
        return self.tagged("opaque", name, reason)


class CarefulWalk(Walk):
    """The same for values that a plain walk failed on: looks at each atom, and makes an opaque leaf of just what fails."""

    careful = True
    __slots__ = ()

    def value(self, value: Any) -> Any:
        """`value` as something that `pack` takes."""
        kind = type(value)
        if kind in ATOMS:
            return self.atom(value)
        count, level, parts, room = self.count, self.level, len(self.parts), self.room
        try:
            return plans.plan(kind)(self, value)
        except RecursionError:
            raise  # the whole walk is tried again with less depth
        except Exception as error:
            self._forget(count, parts)
            self.count, self.level, self.room = count, level, room
            return self.opaque_leaf(value, f"{type(error).__name__} while it was encoded")

    def atom(self, value: Any) -> Any:
        """An atom which MessagePack may not be able to hold."""
        if type(value) is int:
            if not -(1 << 63) <= value < 1 << 64:
                return self.extension(Code.INT, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))
        elif type(value) is str or type(value) is bytes:
            if len(value) > self.room:
                return self.opaque_leaf(value, "too large")
            self.room -= len(value)
            if type(value) is str:
                try:
                    value.encode()
                except UnicodeEncodeError:
                    return self.extension(Code.STR, value.encode("utf-8", "surrogatepass"))
        return value

    def items(self, values: list[Any]) -> list[Any]:
        """The members of a container, given in a list of our own."""
        self.spend(len(values))
        return [self.value(item) for item in values]

    def fields(self, state: dict[Any, Any]) -> Any:
        """A dict of our own, as a numbered map."""
        self.count += 1
        if _all_strings(map(type, state)) and all(self.atom(key) is key for key in state):
            return {key: self.value(item) for key, item in state.items()}
        return self.odd_fields(state.items())

    def _forget(self, count: int, parts: int) -> None:
        """Takes back the numbers given meanwhile, for a value which doesn't make it into the document."""
        self.numbers = {identity: number for identity, number in self.numbers.items() if ~parts < number < count}
        del self.parts[parts:]
