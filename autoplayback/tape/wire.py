"""The byte level of a value document: MessagePack with the extension codes of FORMAT.md.

ormsgpack does the work. It is called with `default=None` only: a hook of ours running in the middle of a container that
another thread of the service is changing makes ormsgpack read freed memory (seen as a segmentation fault in 1.13). So values are
first
turned into a private tree of plain values and `Ext`s, which nobody else can touch.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import ormsgpack
from ormsgpack import Ext, packb

__all__ = ["STRICT", "Code", "Ext", "bin_head", "large", "pack", "packb"]

STRICT: Final = (
    ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_DATETIME
    | ormsgpack.OPT_PASSTHROUGH_SUBCLASS
    | ormsgpack.OPT_PASSTHROUGH_TUPLE
    | ormsgpack.OPT_PASSTHROUGH_UUID
    | ormsgpack.OPT_PASSTHROUGH_ENUM
    | ormsgpack.OPT_PASSTHROUGH_BIG_INT
)


def pack(value: Any) -> bytes:
    """Packs plain values; raises TypeError for anything else, keys that aren't strings, integers over 64 bits, lone surrogates
    and
    depth over ~1000."""
    return packb(value, None, STRICT)  # by position: a keyword, or functools.partial, costs as much again as packing a number


def large(value: bytes | str) -> bytes:
    """Packs a large text or blob, of up to 4 GiB: one copy, where `packb` lets a buffer grow. Raises UnicodeEncodeError."""
    if type(value) is bytes:
        return bin_head(len(value)) + value
    data = value.encode()  # type: ignore[union-attr]  # a string, by the exact type
    return _LENGTH(0xDB, len(data)) + data


def bin_head(length: int) -> bytes:
    """What stands in front of so many bytes of binary data."""
    return _LENGTH(0xC6, length)


_LENGTH: Final = struct.Struct(">BI").pack


class Code:
    """Extension codes. Those below 64 hold MessagePack, those from 64 on raw bytes."""

    GRAPH: Final = 0
    """`[root, part, ...]`: a document with references (REF, PART) in it; only ever outermost."""
    TUPLE: Final = 1
    SET: Final = 2
    FROZENSET: Final = 3
    MAP: Final = 4
    """`[key, value, key, value, ...]`: a dict with a key that isn't a (valid) string."""
    TAGGED: Final = 5
    """`[kind, type, value]` or `[kind, type, value, extra]`."""
    REF: Final = 6
    """The number of a container of this document, in the order in which they begin."""
    PART: Final = 7
    """The number of a part of the GRAPH: a value too deep to stand in place."""
    MANY: Final = 8
    """A list of many extensions alike, which hold atoms only: `[TUPLE, [[item, ...], ...]]`, or
    `[TAGGED, kind, type, [field, ...], [[value, ...], ...]]`; or a list of maps, `[MAP, numbers, [key, ...], [column, ...]]`."""
    INT: Final = 64
    """Two's complement, big-endian."""
    STR: Final = 65
    """UTF-8 with surrogates encoded as if they were characters."""
    BYTEARRAY: Final = 66


ATOMS: Final = frozenset({type(None), bool, int, float, str, bytes})
"""Types which MessagePack has itself, exactly as Python does."""

DEPTH: Final = 64
"""Containers of a document nest no deeper: what is deeper is moved to a part. Keeps every reader's recursion bounded."""
