"""Exceptions that a web framework turned into an answer: where the service raised them, for an answer of 5xx.

Frameworks log what they catch, or begin their answer while they handle it; either shows the exception. What the service itself
turns into an answer without a log line isn't heard of.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from autoplayback.player.misses import raised_at

_last = ""


def install() -> None:
    """From now on what is caught is noted."""
    plain = logging.Logger.makeRecord

    def makeRecord(self: logging.Logger, name: str, level: int, fn: str, lno: int, msg: object, args: Any,
                   exc_info: Any, *more: Any, **named: Any) -> logging.LogRecord:  # fmt: skip
        if isinstance(exc_info, tuple) and len(exc_info) == 3 and isinstance(exc_info[1], BaseException):
            note(exc_info[1])
        return plain(self, name, level, fn, lno, msg, args, exc_info, *more, **named)

    logging.Logger.makeRecord = makeRecord  # type: ignore[method-assign]


def forget() -> None:
    """An operation begins."""
    global _last
    _last = ""


def last() -> str:
    """`file:line in function (Class)` of the last one which came from the service's own code; empty where there was none."""
    return _last


def note(error: BaseException | None) -> None:
    """An exception is being handled."""
    global _last
    if error is not None and (where := raised_at(error)):
        _last = f"{where} ({type(error).__name__})"


def answering(status: int, error: BaseException | None = None) -> None:
    """An answer begins; `error` is what the application names as its cause, or handles as it begins."""
    if status >= 500:
        note(error if error is not None else sys.exception())

