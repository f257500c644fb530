"""Tapes and drafts to keep, made without a recorder."""

from __future__ import annotations

import os
import random
from typing import Any

from autoplayback.interception.target import Role, Shape, Target
from autoplayback.tape import ulid
from autoplayback.tape.draft import Draft
from autoplayback.tape.model import End, Tape
from autoplayback.tape.values import Encoder

OPERATION = Target(Role.OPERATION, "place_order", "orders.checkout", "Checkout.place", Shape.FUNCTION, (("order", 1),), True)
INPUT = Target(Role.INPUT, "repo.load", "orders.repo", "Repo.load", Shape.FUNCTION, (("id", 1),), True)
_encoder = Encoder()


def draft(calls: int = 3, *, operation: str = "place_order", started: int | None = None, seconds: float = 0.01,
          raised: bool = False, noise: int = 20, id: str | None = None, **metadata: Any) -> Draft:
    """A finished operation; `noise` random bytes a call keep it from being compressed away."""
    target = OPERATION if operation == "place_order" else Target(Role.OPERATION, operation, "m", operation)
    made = Draft(id or ulid.new(started), target, random.getrandbits(62), {"host": "test", "pid": os.getpid()})
    if started is not None:
        made.started = started
    made.arguments = _encoder.arguments(({"items": [1, 2, 3]},), {})
    for number in range(calls):
        asked, value = _encoder.arguments((number,), {}), _encoder.encode({"id": number, "noise": os.urandom(noise)})
        call = made.call(INPUT, None, asked)
        call.value, call.end = value, End.RETURNED
        made.size += len(asked) + len(value)
    made.value = _encoder.encode(ValueError("sold out") if raised else {"total": 12.5})
    made.end = End.RAISED if raised else End.RETURNED
    made.duration = int(seconds * 1e9)
    made.size += len(made.arguments) + len(made.value)
    made.metadata.update(metadata)
    return made


def tape(calls: int = 3, **options: Any) -> Tape:
    """The same as a tape."""
    return draft(calls, **options).tape()
