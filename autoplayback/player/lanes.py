"""Which thread or task made which call: only what one of them made has an order that two runs must share."""

from __future__ import annotations

import sys
import threading
from collections.abc import Hashable, MutableMapping
from weakref import WeakKeyDictionary


class Lanes:
    """The threads and tasks of one replay: 0 is the one which entered the operation, the others are numbered in the order of
    their first call, so that two replays agree on them."""

    def __init__(self) -> None:
        self._of: list[int] = []
        self._entered = 0
        """The thread that entered the operation."""
        # Weak: a finished task must go when the service lets go of it, with whatever its result holds. Threads themselves, since
        # their numbers are given to others again.
        self._known: MutableMapping[Hashable, int] = WeakKeyDictionary()
        self._next = 0

    def enter(self) -> None:
        """Notes who is about to run the operation."""
        self._entered = threading.get_ident()
        self._lane()

    def note(self) -> None:
        """Notes who makes the next call."""
        alone = threading.get_ident() == self._entered and "asyncio" not in sys.modules
        self._of.append(0 if alone else self._lane())

    def _lane(self) -> int:
        key = _task() or threading.current_thread()  # gevent's, where it has taken threads over: a greenlet's
        lane = self._known.get(key)
        if lane is None:
            lane = self._known[key] = self._next
            self._next += 1
        return lane

    def told(self) -> tuple[int, ...]:
        """The lane of each call, in their order; empty where the operation's own made them all."""
        return tuple(self._of) if any(self._of) else ()


def _task() -> Hashable | None:
    """The asyncio task that runs here; None outside an event loop, also where asyncio was never imported."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return None
    try:
        task: Hashable | None = asyncio.current_task()
    except (RuntimeError, AttributeError):  # no loop runs in this thread, or asyncio is only half imported
        return None
    return task
