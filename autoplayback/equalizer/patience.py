"""Foreign functions with a bound on their time: one that never returns costs its tape, not the run."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Any


class _GivenUp(BaseException):
    """Ends a function that nobody waits for any more; no `except Exception` of it holds this up."""


def within(seconds: float, function: Callable[..., Any], *arguments: Any) -> tuple[Any, BaseException | None] | None:
    """What a function returned or raised; None where it took longer.

    It runs in a thread of its own, as a sleep or a call into C can't be broken off: the thread is told to end, and left behind.
    """
    answer: list[tuple[Any, BaseException | None]] = []

    def run() -> None:
        try:
            answer.append((function(*arguments), None))
        except BaseException as error:  # SystemExit too: a plug-in doesn't end the run
            answer.append((None, error))

    thread = threading.Thread(target=run, name="autoplayback plug-in", daemon=True)
    thread.start()
    thread.join(seconds)
    if not thread.is_alive():
        return answer[0]
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(_GivenUp))
    return None
