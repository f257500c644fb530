"""Randomness of a replay beyond `random`: the system's bytes come from the tape's seed, so that two replays make the same tokens.

They are not the recorded ones, which are on no tape: a token in a result is a field to ignore or to normalize.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import sys
from typing import Any

from autoplayback.interception import numpy_random
from autoplayback.tape.model import Tape


def freeze(tape: Tape) -> None:
    """Makes os.urandom, and all of the standard library and numpy that draws from the system, follow the tape's seed. Not
    undone: for a process which replays one tape."""
    seed = tape.seed
    key = seed.to_bytes(16, "big", signed=True)
    block = itertools.count().__next__

    def urandom(size: int, /) -> bytes:
        if size < 0:
            raise ValueError("negative argument not allowed")
        return hashlib.shake_128(key + block().to_bytes(8, "big")).digest(size)

    def getrandom(size: int, flags: int = 0) -> bytes:
        return urandom(size)

    os.urandom = urandom
    random._urandom = urandom  # type: ignore[attr-defined]
    if hasattr(os, "getrandom"):
        os.getrandom = getrandom
    _seed_unseeded(urandom)
    if (ssl := sys.modules.get("ssl")) is not None:
        ssl.RAND_bytes = urandom  # type: ignore[attr-defined]
    random.seed(seed)
    numpy_random.replay(seed, seeded=any(call.target.name == numpy_random.NAME for call in tape.calls))


def _seed_unseeded(urandom: Any) -> None:
    """`random.Random()` asks the kernel in C; here it asks us."""
    plain = random.Random.seed

    def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
        if a is None and not isinstance(self, random.SystemRandom):
            a = int.from_bytes(urandom(32), "big")
        plain(self, a, version)

    seed.__doc__ = plain.__doc__
    random.Random.seed = seed  # type: ignore[method-assign]
