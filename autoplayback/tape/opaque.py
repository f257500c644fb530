"""What a value that could not be recorded, or can't be made again, is at replay."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class Opaque:
    """In place of a value that could not be recorded. It may be passed around; whoever looks into it learns why he can't."""

    __slots__ = ("_autoplayback_reason", "_autoplayback_type")

    def __init__(self, type_: str, reason: str = "") -> None:
        self._autoplayback_type = type_
        self._autoplayback_reason = reason

    def __repr__(self) -> str:
        return f"<{self._autoplayback_type}: not recorded>"

    def leaf(self) -> tuple[str, str]:
        """Type and reason, as they stood on the tape."""
        return self._autoplayback_type, self._autoplayback_reason

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"{name!r} of a {self._autoplayback_type}: this value could not be recorded, so the tape doesn't have it"
        )


class OpaqueException(Exception):
    """In place of an exception's cause or context whose class can't be made again. Encodes as what it stands for."""

    def __init__(self, type_: str, args: Iterable[Any] = ()) -> None:
        super().__init__(*args)
        self.type = type_

    def __str__(self) -> str:
        text = super().__str__()
        return f"{self.type}: {text}" if text else self.type
