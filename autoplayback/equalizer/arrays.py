"""Arrays and scalars of numpy as plain numbers, read from their bytes: comparing needs no numpy."""

from __future__ import annotations

import struct
from typing import Any

from autoplayback.tape.values import Tagged

_FORMATS = {
    "b1": "?",
    "i1": "b",
    "u1": "B",
    "i2": "h",
    "u2": "H",
    "i4": "i",
    "u4": "I",
    "i8": "q",
    "u8": "Q",
    "f2": "e",
    "f4": "f",
    "f8": "d",
}
_MOST = 4_000_000
"""Elements: larger arrays are compared as bytes."""


def scalar(node: Tagged) -> int | float | bool | None:
    """The number a numpy scalar is; None for the kinds that Python has no number for."""
    items = _unpacked(node.value, node.extra)
    return items[0] if items is not None and len(items) == 1 else None


def nested(node: Tagged) -> list[Any] | None:
    """The items of a numpy array as lists within lists, along its shape; None where it doesn't hold plain numbers."""
    match node.extra:
        case [described, list() as shape, str() as order, *_] if all(type(size) is int and size >= 0 for size in shape):
            items = node.value if isinstance(node.value, list) else _unpacked(node.value, described)
        case _:
            return None
    if items is None or not shape or (order == "F" and len(shape) > 1):
        return None
    for size in reversed(shape[1:]):
        if size == 0 or len(items) % size:
            return None
        items = [items[start : start + size] for start in range(0, len(items), size)]
    return items if len(items) == shape[0] else None


def _unpacked(data: Any, described: Any) -> list[Any] | None:
    if not isinstance(data, bytes) or not isinstance(described, str) or described[1:] not in _FORMATS:
        return None
    code = _FORMATS[described[1:]]
    size = struct.calcsize("=" + code)
    if len(data) % size or len(data) // size > _MOST:
        return None
    return list(struct.unpack(f"{'>' if described[0] == '>' else '<'}{len(data) // size}{code}", data))
