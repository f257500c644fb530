"""Long lists of dicts with the same keys, which hold atoms only: what a query gives, or a feed.

Written as one MANY, column by column: half the bytes to pack and compress, and looked at column by column as well, in chunks
which stay in the processor's cache on their way through a handful of calls to C. To readers it is the same list.
"""

from __future__ import annotations

import struct
from itertools import chain
from typing import Any, Final

import ormsgpack

from autoplayback.errors import TapeError
from autoplayback.tape.plainness import distinct, held_once
from autoplayback.tape.wire import ATOMS, STRICT, Code, packb

LONG: Final = 64
"""Items from which on a list is tried."""
_CHUNK: Final = 1024
_WIDE: Final = 64
"""Keys up to which it is: each column costs by itself."""
_NUMBERS: Final = frozenset({bool, int, float})
_HEAD: Final = struct.Struct(">BIB")
_LENGTH: Final = struct.Struct(">BI")
_SHORT: Final = struct.Struct(">BH")
_EXT32, _BIN32, _ARRAY16, _ARRAY32, _FOUR = 0xC9, 0xC6, 0xDC, 0xDD, b"\x94"
_TABLE: Final = _FOUR + packb(Code.MAP)

_all_dicts: Final = frozenset({dict}).issuperset
_all_strings: Final = frozenset({str}).issuperset
_all_numbers: Final = _NUMBERS.issuperset
_all_atoms: Final = ATOMS.issuperset
_flat: Final = chain.from_iterable


def table(values: list[Any], limit: int) -> bytes | None:
    """The document of such a list; None where it is another one, or has more than `limit` values."""
    if type(values[0]) is not dict:
        return None
    names = list(values[0])
    width = len(names)
    if not 0 < width <= _WIDE or width * len(values) > limit or not _all_strings(map(type, names)):
        return None
    columns = [_Column() for _ in names]
    keys = packb(names * _CHUNK, None, STRICT) if len(values) >= _CHUNK else b""
    once, number = True, 0
    for start in range(0, len(values), _CHUNK):
        rows = values[start : start + _CHUNK]
        if not _all_dicts(map(type, rows)):
            return None
        # Packed, since packing refuses a key which isn't exactly a string; comparing keys could run code of the service.
        if packb(list(_flat(rows)), None, STRICT) != (keys if len(rows) == _CHUNK else packb(names * len(rows), None, STRICT)):
            return None
        inside = list(_flat(map(dict.values, rows)))
        if len(inside) != width * len(rows):
            return None
        for at, column in enumerate(columns):
            if not column.add(inside[at::width]):
                return None
        once = once and held_once(rows)
        number += len(rows)
    if not once and not distinct(values):
        return None
    apart = _array([column.packed(number) for column in columns if column.numbers])
    shown = _array([b"\xc0" if column.numbers else column.packed(number) for column in columns])
    rest = [_LENGTH.pack(_BIN32, sum(map(len, apart))), *apart, packb(names, None, STRICT), *shown]
    return b"".join([_HEAD.pack(_EXT32, len(_TABLE) + sum(map(len, rest)), Code.MANY), _TABLE, *rest])


class _Column:
    """The values under one key."""

    __slots__ = ("numbers", "pieces")

    def __init__(self) -> None:
        self.numbers = True
        """Whether there are only numbers in it."""
        self.pieces: list[bytes] = []

    def add(self, cells: list[Any]) -> bool:
        """Packs more of it; False where there is more in it than atoms."""
        packed = packb(cells, None, STRICT)  # raises TypeError for what isn't MessagePack's own: left are containers, bytearrays
        self.pieces.append(packed[1 if len(cells) < 16 else 3 :])
        kind = type(cells[0])
        if kind in _NUMBERS and _adds_up(cells):
            return True
        self.numbers = False
        return (kind is str and _joins(cells)) or _all_atoms(map(type, cells))

    def packed(self, number: int) -> bytes:
        """All of it, as an array of so many."""
        head = _SHORT.pack(_ARRAY16, number) if number < 1 << 16 else _LENGTH.pack(_ARRAY32, number)
        return b"".join([head, *self.pieces])


def _adds_up(cells: list[Any]) -> bool:
    """Whether cells which could be packed are nothing but numbers: told at a quarter of the cost of asking for their types."""
    try:
        sum(cells)
    except (TypeError, OverflowError):
        return False
    return True


def _joins(cells: list[Any]) -> bool:
    """Whether cells which could be packed are nothing but strings."""
    try:
        "".join(cells)
    except TypeError:
        return False
    return True


def _array(items: list[bytes]) -> list[bytes]:
    return [_SHORT.pack(_ARRAY16, len(items)), *items]


def dicts(numbers: Any, names: Any, shown: Any) -> list[dict[str, Any]]:
    """The list again. TapeError where the table isn't one."""
    try:
        apart = iter(ormsgpack.unpackb(numbers))
    except (TypeError, ValueError) as error:
        raise TapeError(f"a table of another form: {error}") from None
    if type(names) is list and names and type(shown) is list and len(shown) == len(names) and _all_strings(map(type, names)):
        columns: list[Any] = [next(apart, None) if column is None else column for column in shown]
        numeric = [column for column, seen in zip(columns, shown, strict=True) if seen is None]
        if (all(type(column) is list and len(column) == len(columns[0]) for column in columns)
                and all(_all_atoms(map(type, column)) for column in columns) and all(_all_numbers(map(type, n)) for n in numeric)
                and len(set(names)) == len(names) and next(apart, None) is None):
            return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    raise TapeError("a table of another form")


def texts(document: bytes) -> bytes:
    """A document without the numbers of the table it consists of, if it does: there is nothing to look for in them."""
    start = 2 if document[:2] == b"\x92\x91" else 0  # the only argument of a call
    table = start + _HEAD.size
    numbers = table + len(_TABLE)
    if document[start : start + 1] != b"\xc9" or document[table - 1] != Code.MANY or not document.startswith(_TABLE, table):
        return document
    _, length = _LENGTH.unpack_from(document, numbers)
    return document[numbers + _LENGTH.size + length :]
