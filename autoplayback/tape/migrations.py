"""From the payload of an older autoplayback to this one's: a function a step, oldest first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from autoplayback.errors import NewerFormat, TapeError

VERSION: Final = 1
"""Of the payload and of the values in it. Raised when a reader of the old version would misread the new one."""

Payload = dict[str, Any]

STEPS: Final[dict[int, Callable[[Payload], Payload]]] = {}
"""By the version a step starts from; its result is of the next one."""


def migrated(payload: Payload) -> Payload:
    """The payload as this version writes it."""
    version = payload.get("version")
    if type(version) is not int or version < 1:
        raise TapeError("a tape without a format version")
    if version > VERSION:
        raise NewerFormat(f"this tape has format {version}, this autoplayback reads up to {VERSION}: please update autoplayback")
    while version < VERSION:
        payload = STEPS[version](payload)
        version += 1
    return payload
