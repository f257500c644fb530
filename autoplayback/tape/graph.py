"""Reads documents with references: a plain Python reader of MessagePack which numbers containers as the encoder did."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Final

from autoplayback.errors import TapeError
from autoplayback.tape.reading import NESTED, Builder, extension, raw_extension
from autoplayback.tape.rows import expanded
from autoplayback.tape.wire import Code

_FIXED: Final = {
    0xCA: struct.Struct(">f"), 0xCB: struct.Struct(">d"),
    0xCC: struct.Struct(">B"), 0xCD: struct.Struct(">H"), 0xCE: struct.Struct(">I"), 0xCF: struct.Struct(">Q"),
    0xD0: struct.Struct(">b"), 0xD1: struct.Struct(">h"), 0xD2: struct.Struct(">i"), 0xD3: struct.Struct(">q"),
}
_CONSTANTS: Final = {0xC0: None, 0xC2: False, 0xC3: True}
_LENGTHS: Final = {  # first byte: (what, bytes of the length)
    0xD9: ("str", 1), 0xDA: ("str", 2), 0xDB: ("str", 4),
    0xC4: ("bin", 1), 0xC5: ("bin", 2), 0xC6: ("bin", 4),
    0xDC: ("array", 2), 0xDD: ("array", 4), 0xDE: ("map", 2), 0xDF: ("map", 4),
    0xC7: ("ext", 1), 0xC8: ("ext", 2), 0xC9: ("ext", 4),
}
_FIXEXT: Final = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}
UNFINISHED: Final[Any] = object()
"""In place of a container that is still being read."""


@dataclass(frozen=True, slots=True)
class Reference:
    """In the place of a container that stands elsewhere: its number, or the complement of its part's number."""

    number: int


class GraphReader:
    """One read of one document: its containers by number, with References where the document has them."""

    def __init__(self, document: bytes, builder: Builder) -> None:
        self.data = document
        self.at = 0
        self.end = len(document)
        self.builder = builder
        self.nodes: list[Any] = []
        self.parts: list[Any] = []
        """The root's tree, then those of the parts."""
        self.level = 0

    def read(self) -> Any:
        """The root's tree."""
        code = self._graph_header()
        if code != Code.GRAPH:
            raise TapeError("not a graph")
        count = self._header("array")
        if not 1 <= count <= self.end - self.at:
            raise TapeError("a graph without a root")
        for _ in range(count):
            self.parts.append(self.value())
        if self.at != self.end:
            raise TapeError("a graph longer than its parts")
        return self.parts[0]

    def target(self, reference: Reference) -> Any:
        """The container that a reference means."""
        number = reference.number
        if number < 0:
            if ~number + 1 >= len(self.parts):
                raise TapeError("a reference to a part that isn't there")
            found = self.parts[~number + 1]
        elif number < len(self.nodes):
            found = self.nodes[number]
        else:
            raise TapeError("a reference to a container that isn't there")
        if isinstance(found, Reference):
            raise TapeError("a reference to a reference")
        return found

    def value(self) -> Any:
        """The next value."""
        first = self._byte()
        if first < 0x80:
            return first
        if first >= 0xE0:
            return first - 256
        if first < 0x90:
            return self._map(first & 15)
        if first < 0xA0:
            return self._array(first & 15)
        if first < 0xC0:
            return self._take(first & 31).decode()
        if first in _CONSTANTS:
            return _CONSTANTS[first]
        if first in _FIXED:
            form = _FIXED[first]
            return form.unpack(self._take(form.size))[0]
        if first in _FIXEXT:
            return self._extension(_FIXEXT[first])
        if first in _LENGTHS:
            what, size = _LENGTHS[first]
            length = int.from_bytes(self._take(size), "big")
            if what == "str":
                return self._take(length).decode()
            if what == "bin":
                return self._take(length)
            if what == "array":
                return self._array(length)
            return self._map(length) if what == "map" else self._extension(length)
        raise TapeError(f"not MessagePack: byte {first:#x}")

    def _byte(self) -> int:
        if self.at >= self.end:
            raise TapeError("cut short")
        self.at += 1
        return self.data[self.at - 1]

    def _take(self, length: int) -> bytes:
        start = self.at
        if length > self.end - start:
            raise TapeError("cut short")
        self.at = start + length
        return self.data[start:self.at]

    def _deeper(self) -> None:
        self.level += 1
        if self.level > NESTED:
            raise TapeError("nested too deeply")

    def _items(self, length: int, into: list[Any]) -> list[Any]:
        if length > self.end - self.at:
            raise TapeError("cut short")
        self._deeper()
        for _ in range(length):
            into.append(self.value())  # noqa: PERF401  one at a time: a reference may lead here meanwhile
        self.level -= 1
        return into

    def _array(self, length: int) -> list[Any]:
        made: list[Any] = []
        self.nodes.append(made)
        return self._items(length, made)

    def _map(self, length: int) -> dict[str, Any]:
        if length * 2 > self.end - self.at:
            raise TapeError("cut short")
        made: dict[str, Any] = {}
        self.nodes.append(made)
        self._deeper()
        for _ in range(length):
            key = self.value()
            if type(key) is not str:
                raise TapeError("a map's key must be a string")
            made[key] = self.value()
        self.level -= 1
        return made

    def _graph_header(self) -> int:
        first = self._byte()
        if first in _FIXEXT:
            length = _FIXEXT[first]
        elif first in _LENGTHS and _LENGTHS[first][0] == "ext":
            length = int.from_bytes(self._take(_LENGTHS[first][1]), "big")
        else:
            raise TapeError("not a graph")
        code = self._byte()
        if length > self.end - self.at:
            raise TapeError("cut short")
        self.end = self.at + length
        return code

    def _header(self, what: str) -> int:
        first = self._byte()
        if 0x90 <= first < 0xA0:
            return first & 15
        if first in _LENGTHS and _LENGTHS[first][0] == what:
            return int.from_bytes(self._take(_LENGTHS[first][1]), "big")
        raise TapeError("an extension doesn't hold an array")

    def _extension(self, length: int) -> Any:
        code = self._byte()
        if length > self.end - self.at:
            raise TapeError("cut short")
        if code >= 64:
            data = self._take(length)
            made = raw_extension(self.builder, code - 256 if code > 127 else code, data)
            if code == Code.BYTEARRAY:
                self.nodes.append(made)
            return made
        stop = self.at + length
        if code in (Code.REF, Code.PART):
            number = self.value()
            if self.at != stop or type(number) is not int or number < 0:
                raise TapeError("a reference that isn't a number")
            return Reference(number if code == Code.REF else ~number)
        number = len(self.nodes)
        self.nodes.append(UNFINISHED)
        content = self._items(self._header("array"), [])
        if self.at != stop:
            raise TapeError("an extension longer than its content")
        if code == Code.MANY:
            return self._many(number, content)
        made = extension(self.builder, code, content)
        self.nodes[number] = made
        return made

    def _many(self, number: int, content: list[Any]) -> list[Any]:
        """A table: its containers are numbered as if each item stood there as an extension of its own."""
        made: list[Any] = []
        self.nodes[number:] = [made]
        for code, inner in expanded(content):
            item = inner if code is None else extension(self.builder, code, inner)
            self.nodes.append(item)
            if code == Code.TAGGED:
                self.nodes.append(inner[2])
            made.append(item)
        return made
