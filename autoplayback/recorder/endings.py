"""The ways in which a process ends in order, each of which still has what was recorded last written.

Python's own end runs exit handlers. A child of multiprocessing or billiard skips them and has its own; what forks a child for
each request (`socketserver.ForkingMixIn`) ends it with `os._exit`, and what starts itself anew (a Celery worker on HUP, a
reloader) calls `os.execv`: neither of which anybody hears of.
"""

from __future__ import annotations

import atexit
import functools
import os
import sys
from collections.abc import Callable
from typing import Any

_watched: list[Callable[[], None]] = []
_left: list[Callable[[], None]] = []


def watch(end: Callable[[], None], left: Callable[[], None]) -> None:
    """Calls `end` when this process ends, and `left` before it becomes another program, which may fail and come back.

    To be called again in a forked child, whose own end it is. Both must be quick where there is nothing to write.
    """
    atexit.register(end)
    for name in ("multiprocessing.util", "billiard.util"):
        util = sys.modules.get(name)
        if util is not None:
            util.Finalize(None, end, exitpriority=10)
    if not _watched:
        for name, calls in (("_exit", _watched), ("execv", _left), ("execve", _left)):
            setattr(os, name, _after(getattr(os, name), calls))
    _watched.append(end)
    _left.append(left)


def sudden() -> bool:
    """Whether this process may be ended as soon as its last result is out: a pool of processes does that to its workers, by
    SIGTERM, which Python doesn't survive to run anything; and uWSGI runs no exit handlers in a worker that is told to stop
    while it still closes its last request."""
    process: Any = sys.modules.get("multiprocessing.process")
    return "uwsgi" in sys.modules or (process is not None and process.parent_process() is not None)


def _after(function: Callable[..., Any], calls: list[Callable[[], None]]) -> Callable[..., Any]:
    @functools.wraps(function)
    def ending(*args: Any, **kwargs: Any) -> Any:
        for call in calls:
            try:
                call()
            except BaseException:  # a forked child that Ctrl-C kept from its end would run on with its parent's code
                continue
        return function(*args, **kwargs)

    return ending
