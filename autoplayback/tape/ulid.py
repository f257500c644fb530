"""ULIDs: 26 characters of Crockford's base 32, 48 bits of milliseconds and 80 random ones; sorted as text they are in order of
time."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from autoplayback.originals import random_bytes, time_ns

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS: Final = [high + low for high in ALPHABET for low in ALPHABET]
_words: Final[Callable[[bytes], tuple[int, ...]]] = struct.Struct(">8H").unpack


def new(ns: int | None = None, randomness: bytes | None = None) -> str:
    """A new id for the given instant (nanoseconds since the epoch), or for now. `randomness` are 16 bytes, of which 80 bits are
    used."""
    time = (time_ns() if ns is None else ns) // 1_000_000 & (1 << 48) - 1
    a, b, c, d, e, f, g, h = _words(randomness or random_bytes(16))
    pairs = _PAIRS
    # Ten bits of each word: shifting one number of 128 bits, which takes allocating one each time, costs three times as much.
    return (pairs[time >> 40] + pairs[time >> 30 & 1023] + pairs[time >> 20 & 1023] + pairs[time >> 10 & 1023]
            + pairs[time & 1023] + pairs[a & 1023] + pairs[b & 1023] + pairs[c & 1023] + pairs[d & 1023]
            + pairs[e & 1023] + pairs[f & 1023] + pairs[g & 1023] + pairs[h & 1023])


def started(ulid: str) -> int:
    """The instant of an id, in nanoseconds since the epoch at a resolution of a millisecond."""
    number = 0
    for character in ulid[:10]:
        number = number << 5 | ALPHABET.index(character)
    return number * 1_000_000
