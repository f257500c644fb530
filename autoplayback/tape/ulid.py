"""ULIDs: 26 characters of Crockford's base 32, 48 bits of milliseconds and 80 random ones; sorted as text they are in order of
time."""

from __future__ import annotations

from typing import Final

from autoplayback.originals import random_bytes, time_ns

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS: Final = [high + low for high in ALPHABET for low in ALPHABET]


def new(ns: int | None = None) -> str:
    """A new id for the given instant (nanoseconds since the epoch), or for now."""
    milliseconds = (time_ns() if ns is None else ns) // 1_000_000 & (1 << 48) - 1
    number = milliseconds << 80 | int.from_bytes(random_bytes(10), "big")
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])


def started(ulid: str) -> int:
    """The instant of an id, in nanoseconds since the epoch at a resolution of a millisecond."""
    number = 0
    for character in ulid[:10]:
        number = number << 5 | ALPHABET.index(character)
    return number * 1_000_000
