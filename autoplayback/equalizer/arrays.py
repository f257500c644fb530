"""Arrays and scalars of numpy as plain numbers, read from their bytes: comparing needs no numpy."""

from __future__ import annotations

import datetime
import math
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
_PER_SECOND = {"D": 1, "s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
"""Ticks of a datetime64's unit; days apart."""
_MOST_AXES = 64
"""As numpy itself."""
_MOST = 4_000_000
"""Elements: larger arrays are compared as bytes."""


def scalar(node: Tagged) -> int | float | bool | None:
    """The number a numpy scalar is; None for the kinds that Python has no number for."""
    items = _unpacked(node.value, node.extra)
    return items[0] if items is not None and len(items) == 1 else None


def nested(node: Tagged) -> list[Any] | None:
    """The items of a numpy array as lists within lists, along its shape, whatever its order in memory: numbers, texts, bytes,
    times as ISO texts. None where it holds others."""
    match node.extra:
        case [described, list() as shape, str() as order, *_] if all(type(size) is int and size >= 0 for size in shape):
            items = node.value if isinstance(node.value, list) else _items(node.value, described)
        case _:
            return None
    if items is None or not shape or len(shape) > _MOST_AXES or (0 in shape and len(shape) > 1) or math.prod(shape) != len(items):
        return None
    steps = [math.prod(shape[:axis] if order == "F" else shape[axis + 1 :]) for axis in range(len(shape))]
    return _along(items, shape, steps, 0)


def dtype(node: Tagged) -> Any:
    """What kind of items an array says it holds."""
    return node.extra[0]


def _along(items: list[Any], shape: list[int], steps: list[int], start: int) -> list[Any]:
    """The items from `start` on along the axes, of which each step is so many items further."""
    if len(shape) == 1:
        return items[start : start + shape[0] * steps[0] : steps[0]]
    return [_along(items, shape[1:], steps[1:], start + i * steps[0]) for i in range(shape[0])]


def _items(data: Any, described: Any) -> list[Any] | None:
    if not isinstance(data, bytes) or not isinstance(described, str):
        return None
    order, letter, rest = described[:1], described[1:2], described[2:]
    if letter in ("M", "m"):
        ticks = _unpacked(data, f"{order}i8")
        unit = rest.partition("[")[2].rstrip("]")
        return [_moment(tick, unit) for tick in ticks] if letter == "M" and ticks is not None else ticks
    if letter not in ("U", "S") or not rest.isdecimal() or rest == "0":
        return _unpacked(data, described)
    size = int(rest) * (4 if letter == "U" else 1)
    if len(data) % size or len(data) // size > _MOST:
        return None
    cut = [data[start : start + size] for start in range(0, len(data), size)]
    if letter == "S":
        return [item.rstrip(b"\0") for item in cut]
    encoding = "utf-32-be" if order == ">" else "utf-32-le"
    return [item.decode(encoding, "surrogatepass").rstrip("\0") for item in cut]


def _moment(tick: int, unit: str) -> str | int:
    """A datetime64 as ISO text; its number where Python has no such time."""
    if tick == -(2**63):
        return "NaT"
    if unit not in _PER_SECOND:
        return tick
    seconds, fraction = (tick * 86_400, 0) if unit == "D" else divmod(tick, _PER_SECOND[unit])
    try:
        text = (datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)).isoformat()
    except OverflowError:
        return tick
    if unit == "D":
        return text[:10]
    return f"{text}.{fraction:0{len(str(_PER_SECOND[unit])) - 1}}" if unit != "s" else text


def _unpacked(data: Any, described: Any) -> list[Any] | None:
    if not isinstance(data, bytes) or not isinstance(described, str) or described[1:] not in _FORMATS:
        return None
    code = _FORMATS[described[1:]]
    size = struct.calcsize("=" + code)
    if len(data) % size or len(data) // size > _MOST:
        return None
    return list(struct.unpack(f"{'>' if described[0] == '>' else '<'}{len(data) // size}{code}", data))
