"""Reads tapes from FORMAT.md alone: this script imports a zstd and a MessagePack library and nothing of autoplayback.

    python independent_reader.py FILE.tapes        prints each tape as a line of JSON

Values become JSON: what JSON has not is `{"": [kind, type, value, extra]}`; references stay as they are, by number.
"""

from __future__ import annotations

import json
import struct
import sys
from typing import Any

import ormsgpack
import zstandard

GRAPH, TUPLE, SET, FROZENSET, MAP, TAGGED, REF, PART, MANY, INT, STR, BYTEARRAY = 0, 1, 2, 3, 4, 5, 6, 7, 8, 64, 65, 66
SEQUENCES = {TUPLE: "tuple", SET: "set", FROZENSET: "frozenset"}


class Document:
    """One value: a small MessagePack reader that numbers containers."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.count = 0

    def read(self) -> Any:
        """The value as JSON-able data."""
        tree = self.value()
        assert self.at == len(self.data), "bytes after the value"
        return tree

    def value(self) -> Any:
        kind, size = self.head()
        if kind == "array":
            self.count += 1
            return [self.value() for _ in range(size)]
        if kind == "map":
            self.count += 1
            return {self.value(): self.value() for _ in range(size)}
        if kind == "ext":
            return self.extension(size)
        if kind == "bin":
            return node("bytes", "", self.take(size).hex())
        if kind == "str":
            return self.take(size).decode()
        if kind == "float":
            number = struct.unpack(">d", self.take(8))[0]
            return number if number - number == 0 else node("float", "", repr(number))
        return size

    def extension(self, size: int) -> Any:
        code, end = self.take(1)[0], self.at + size
        if code == INT:
            return int.from_bytes(self.take(size), "big", signed=True)
        if code == STR:
            return node("str", "", self.take(size).hex())
        if code == BYTEARRAY:
            self.count += 1
            return node("bytearray", "", self.take(size).hex())
        if code in (REF, PART):
            number = self.value()
            return node("part" if code == PART else "ref", "", number)
        kind, length = self.head()
        assert kind == "array", "an extension holds an array"
        if code == GRAPH:
            parts = [self.value() for _ in range(length)]
            return node("graph", "", parts)
        self.count += 1
        if code == MANY:
            return self.many(end)
        items = [self.value() for _ in range(length)]
        assert self.at == end, "an extension ends with its content"
        if code == TAGGED:
            return node(*items)
        if code == MAP:
            return node("dict", "", [items[i : i + 2] for i in range(0, length, 2)])
        return node(SEQUENCES[code], "", items)

    def many(self, end: int) -> Any:
        before, code = self.count, self.value()
        if code == TUPLE:
            rows = self.value()
            self.count = before + len(rows)
            return [node("tuple", "", row) for row in rows]
        if code == MAP:
            kind, length = self.head()
            assert kind == "bin"
            numbers = iter(Document(self.take(length)).value())
            names, columns = self.value(), self.value()
            columns = [next(numbers) if column is None else column for column in columns]
            self.count = before + len(columns[0])
            return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
        kind, type_, names, rows = (self.value() for _ in range(4))
        self.count = before + 2 * len(rows)
        assert self.at == end
        return [node(kind, type_, dict(zip(names, row, strict=True))) for row in rows]

    def head(self) -> tuple[str, Any]:
        """What comes next, with its length or (of the smallest things) its value."""
        first = self.take(1)[0]
        if first < 0x80 or first >= 0xE0:
            return "int", first if first < 0x80 else first - 256
        if first < 0xC0:
            return ("map", first & 15) if first < 0x90 else ("array", first & 15) if first < 0xA0 else ("str", first & 31)
        if first in (0xC0, 0xC2, 0xC3):
            return "constant", {0xC0: None, 0xC2: False, 0xC3: True}[first]
        if first == 0xCB:
            return "float", 8
        if 0xCC <= first <= 0xD3:
            return "int", int.from_bytes(self.take(1 << ((first - 0xCC) & 3)), "big", signed=first >= 0xD0)
        if 0xD4 <= first <= 0xD8:
            return "ext", 1 << first - 0xD4
        kind, size = {
            0xC4: ("bin", 1),
            0xC5: ("bin", 2),
            0xC6: ("bin", 4),
            0xC7: ("ext", 1),
            0xC8: ("ext", 2),
            0xC9: ("ext", 4),
            0xD9: ("str", 1),
            0xDA: ("str", 2),
            0xDB: ("str", 4),
            0xDC: ("array", 2),
            0xDD: ("array", 4),
            0xDE: ("map", 2),
            0xDF: ("map", 4),
        }[first]
        return kind, int.from_bytes(self.take(size), "big")

    def take(self, size: int) -> bytes:
        self.at += size
        assert self.at <= len(self.data), "cut short"
        return self.data[self.at - size : self.at]


def node(kind: str, type_: str, value: Any, extra: Any = None) -> dict[str, Any]:
    """Anything that JSON doesn't have."""
    return {"": [kind, type_, value] if extra is None else [kind, type_, value, extra]}


def value(document: bytes) -> Any:
    """The JSON-able form of a document; None of an empty one."""
    return Document(document).read() if document else None


def tape(payload: bytes) -> dict[str, Any]:
    """A payload with its documents read."""
    content: dict[str, Any] = ormsgpack.unpackb(payload)
    assert content["version"] == 1, "another version"

    def outcome(parts: list[Any]) -> list[Any]:
        end, result, items = parts
        return [end, value(result), None if items is None else [value(item) for item in items]]

    targets = content["targets"]
    content["calls"] = [
        {
            "seq": seq,
            "target": targets[target][0],
            "receiver": receiver,
            "arguments": value(arguments),
            "outcome": outcome(parts[:3]),
            "started": parts[3],
            "duration": parts[4],
        }
        for seq, target, receiver, arguments, *parts in content["calls"]
    ]
    content["outcome"] = outcome(content["outcome"])
    content["arguments"] = value(content["arguments"])
    content["receiver"] = value(content["receiver"] or b"")
    content["handles"] = [[*handle[:4], value(handle[4])] for handle in content["handles"]]
    content["notes"] = [[key, value(document)] for key, document in content["notes"]]
    return content


def payloads(segment: bytes) -> list[bytes]:
    """The tapes of a container: its skippable frames are skipped, each other zstd frame is one tape."""
    found, at = [], 0
    while at < len(segment):
        magic, size = struct.unpack_from("<II", segment, at)
        if magic & 0xFFFFFFF0 == 0x184D2A50:
            at += 8 + size
            continue
        decompressor = zstandard.ZstdDecompressor().decompressobj()
        found.append(decompressor.decompress(segment[at:]))
        at = len(segment) - len(decompressor.unused_data)
    return found


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:
        for payload in payloads(file.read()):
            print(json.dumps(tape(payload)))
