"""Cheap forks: what a tape's process would write to first, each time the copy of a page, is done once in the host.

A fork shares all memory until somebody writes to it. Most of what a short tape costs are such first writes, none of them the
service's: CPython specializes code and fills the caches of its types as it runs, its collector writes into every object it looks
at, and three modules of the standard library put their locks and generators in order after each fork.

The processes which a tape passes through hand it on, one at work at a time. So they keep to one processor, whose caches hold
what they share; left alone, the kernel starts each fork on another.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os

COLLECTED = 1000
"""Tapes after which a host collects the garbage in cycles that they have left behind."""


def spare_hooks() -> None:
    """Imports `logging`, `random` and `threading` without their at-fork hooks, if nobody has imported them yet.

    The hooks free locks that other threads may have held, and seed a generator anew; they are a fifth of what a short tape's
    process writes to. A host forks only where it has one thread, and seeds each tape itself.
    """
    register = os.register_at_fork
    os.register_at_fork = lambda **hooks: None
    try:
        for module in ("logging", "random", "threading"):
            importlib.import_module(module)
    finally:
        os.register_at_fork = register


def keep_to(processor: int | None) -> set[int]:
    """Lets this thread, and what it forks, run on one processor only: those on which it could until now; empty where
    nothing was asked."""
    if processor is None or not hasattr(os, "sched_setaffinity"):
        return set()
    before = os.sched_getaffinity(0)
    with contextlib.suppress(OSError):  # it may have been taken from this container meanwhile
        os.sched_setaffinity(0, {processor})
    return before


class Herd:
    """The forks of one host, one after another.

    The host collects garbage only every so many forks, since a collection writes to all that it looks at, and what is there
    at a fork is out of sight for the child's collector.
    """

    def __init__(self, processor: int | None = None) -> None:
        """`processor` is the host's from now on; its children may run wherever it could before."""
        gc.disable()
        gc.collect()
        gc.freeze()
        self._forked = 0
        self._processors = keep_to(processor)

    def send(self) -> int | None:
        """Forks, and waits until the child has ended: its wait status; None in the child.

        The child's collector looks only at what the child makes. The parent does nothing meanwhile that writes to memory which
        both still share.
        """
        self._forked += 1
        if self._forked % COLLECTED == 0:
            gc.unfreeze()
            gc.collect()
        gc.freeze()
        child = os.fork()
        if child:
            return os.waitpid(child, 0)[1]
        gc.enable()
        if self._processors:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(0, self._processors)
        return None
