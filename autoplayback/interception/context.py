"""Which operation is this? One ContextVar says so in every thread, task and greenlet started inside it.

The functions at the end are the package's public API for services that want to say something of the operation they are in;
each does nothing where nothing is recorded or replayed.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Literal


class Scope:
    """One running operation, as its calls see it.

    `closed` is set when the operation ends: what still runs in its context (a thread which outlives the request) then
    belongs to no tape. `seed` is of the generator that `random` draws from inside the operation.
    """

    __slots__ = ("_numpy", "_random", "closed", "drawn", "seed")

    tape_id: str | None = None
    began: int | None = None
    """When a recorded operation was entered, in ns since the epoch."""

    def __init__(self, seed: int = 0) -> None:
        self.closed = False
        self.seed = seed
        self._random: random.Random | None = None
        self._numpy: Any = None
        self.drawn = False
        """Whether this operation has drawn from numpy's shared generator, seeded by the service."""

    @property
    def random(self) -> random.Random:
        """The operation's own generator; made when first asked for, since seeding one takes microseconds."""
        if self._random is None:
            self._random = random.Random(self.seed)
        return self._random

    def numpy(self, kind: Callable[[int], Any]) -> Any:
        """The operation's own generator of numpy's `kind`."""
        if self._numpy is None:
            self._numpy = kind(self.seed & 0xFFFFFFFF)
        return self._numpy

    def over(self) -> bool:
        """Whether the operation that this context stems from has ended, so that another may begin here."""
        return self.closed

    def annotate(self, metadata: dict[str, Any]) -> None:
        """Adds metadata to the tape."""

    def note(self, key: str, value: Any) -> None:
        """Puts a value on the tape, for people to read."""

    def keep(self) -> None:
        """Keeps the tape whatever sampling says."""

    def discard(self) -> None:
        """Drops the tape."""


class Muted(Scope):
    """The scope inside an intercepted call: I/O inside I/O is the outer call's business, and no operation begins there.

    It lasts as long as its owner, not for good: a consumer thread that was started inside a call records its own operations
    once that call's operation has ended.
    """

    __slots__ = ("owner",)

    def __init__(self, owner: Scope) -> None:
        super().__init__(owner.seed)
        self.closed = True
        self.owner = owner

    def over(self) -> bool:
        return self.owner.closed


MUTED = Muted(Scope())
"""Muted for good."""

current: ContextVar[Scope | None] = ContextVar("autoplayback.current", default=None)

Mode = Literal["off", "record", "replay"]
_mode: Mode = "off"


def set_mode(mode: Mode) -> None:
    """Says what this process does; called once, by bootstrap."""
    global _mode
    _mode = mode


def mode() -> Mode:
    """What autoplayback does in this process."""
    return _mode


def annotate(**metadata: Any) -> None:
    """Adds metadata to the tape of the current operation; strings, numbers, booleans and None can be filtered by."""
    if (scope := current.get()) is not None and not scope.closed:
        scope.annotate(metadata)


def note(key: str, value: Any) -> None:
    """Puts a value on the tape of the current operation, for people who read it; it isn't compared."""
    if (scope := current.get()) is not None and not scope.closed:
        scope.note(key, value)


def keep() -> None:
    """Keeps the tape of the current operation, whatever sampling says."""
    if (scope := current.get()) is not None and not scope.closed:
        scope.keep()


def discard() -> None:
    """Drops the tape of the current operation."""
    if (scope := current.get()) is not None and not scope.closed:
        scope.discard()


def current_tape_id() -> str | None:
    """The id of the tape being made, for a log line or a response header; None where there is none."""
    scope = current.get()
    return None if scope is None or scope.closed else scope.tape_id
