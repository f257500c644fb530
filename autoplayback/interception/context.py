"""Which operation is this? One ContextVar says so in every thread, task and greenlet started inside it."""

from __future__ import annotations

import random
from contextvars import ContextVar


class Scope:
    """One running operation, as its calls see it.

    `closed` is set when the operation ends: what still runs in its context (a thread which outlives the request) then
    belongs to no tape.
    """

    __slots__ = ("closed", "random")

    def __init__(self, rng: random.Random | None = None) -> None:
        self.closed = False
        self.random = rng


MUTED = Scope()
"""The scope inside an intercepted call: I/O inside I/O is the outer call's business, and no operation begins there."""
MUTED.closed = True

current: ContextVar[Scope | None] = ContextVar("autoplayback.current", default=None)
