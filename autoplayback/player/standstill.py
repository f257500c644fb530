"""An operation whose question had no answer and which then waits for good: noticed, so that the question can be told.

A miss that is raised in a thread of the service ends that thread, and whoever waits for the thread's work waits until the tape's
time is over. What is known by then is no more than what was known at the miss.
"""

from __future__ import annotations

from collections.abc import Callable
from time import process_time_ns

from autoplayback.originals import sleep, start_new_thread

STEP = 0.1
"""Seconds between two looks."""
IDLE = 2_000_000
"""Nanoseconds of processor time up to which a process counts as having stood still between them."""
LOOKS = 10
"""So many in a row and it waits: a replay answers at once whatever there could be to wait for."""


def when_still(act: Callable[[], None]) -> None:
    """Watches this process from a thread of its own and calls `act` there, once, when all others wait."""
    start_new_thread(_watch, (act,))


def _watch(act: Callable[[], None]) -> None:
    still, spent = 0, process_time_ns()
    while still < LOOKS:
        sleep(STEP)
        before, spent = spent, process_time_ns()
        still = still + 1 if spent - before < IDLE else 0
    act()
