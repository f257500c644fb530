"""Randomness of a replay beyond `random`: the system's bytes come from the tape's seed, so that two replays make the same tokens.

They are not the recorded ones, which are on no tape: a token in a result is a field to ignore or to normalize.
"""

from __future__ import annotations

import hashlib
import os
import random
import sys
from typing import Any

from autoplayback.interception import numpy_random
from autoplayback.originals import random_bytes
from autoplayback.tape.model import Tape

_key: bytes | None = None
"""What the bytes are made of: of the tape that is played. None: they are the system's."""
_drawn = 0


def install() -> None:
    """Puts our functions where the standard library draws from the system, before the service's import: `from os import urandom`
    keeps what it has."""
    os.urandom = urandom
    random._urandom = urandom  # type: ignore[attr-defined]
    if hasattr(os, "getrandom"):
        os.getrandom = getrandom
    _seed_unseeded()


def freeze(tape: Tape) -> None:
    """From now on all of it follows the tape's seed."""
    global _key, _drawn
    _key, _drawn = tape.seed.to_bytes(16, "big", signed=True), 0
    if (ssl := sys.modules.get("ssl")) is not None:
        ssl.RAND_bytes = urandom  # type: ignore[attr-defined]
    random.seed(tape.seed)
    numpy_random.replay(tape.seed, seeded=any(call.target.name == numpy_random.NAME for call in tape.calls))


def urandom(size: int, /) -> bytes:
    """Random bytes, the same at each replay of a tape."""
    global _drawn
    if _key is None:
        return random_bytes(size)
    if size < 0:
        raise ValueError("negative argument not allowed")
    _drawn += 1
    return hashlib.shake_128(_key + _drawn.to_bytes(8, "big")).digest(size)


def getrandom(size: int, flags: int = 0) -> bytes:
    """The same by the system call's name."""
    return urandom(size)


def _seed_unseeded() -> None:
    """`random.Random()` asks the kernel in C; here it asks us."""
    plain = random.Random.seed

    def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
        if a is None and _key is not None and not isinstance(self, random.SystemRandom):
            a = int.from_bytes(urandom(32), "big")
        plain(self, a, version)

    seed.__doc__ = plain.__doc__
    random.Random.seed = seed  # type: ignore[method-assign]
