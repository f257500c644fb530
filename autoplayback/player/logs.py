"""Log files of the service under replay: opened as ever, written nowhere.

Nearly every service opens one while it is imported, and what it writes there is no part of what an operation did. Without
this each replay would be refused its log file, and no tape of such a service could be replayed.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
from typing import Any


def install() -> None:
    """From now on the standard library's file handlers write to the null device, and rotating ones never rotate."""

    def opened(self: logging.FileHandler) -> Any:
        return open(os.devnull, "w", encoding=self.encoding, errors=self.errors)

    def never(self: logging.Handler, record: logging.LogRecord) -> bool:
        return False

    logging.FileHandler._open = opened  # type: ignore[method-assign]
    for rotating in (logging.handlers.RotatingFileHandler, logging.handlers.TimedRotatingFileHandler):
        rotating.shouldRollover = never  # type: ignore[method-assign]
    logging.handlers.WatchedFileHandler.reopenIfNeeded = lambda self: None  # type: ignore[method-assign]
