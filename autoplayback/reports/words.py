"""Numbers and foreign texts as people read them on a terminal."""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

CAUSES = {
    "code": "this code: the base still does what was recorded",
    "environment": "not this code: the base does the same as it does",
    "both": "this code, and what it runs in: the base differs from the recording too, in another way",
    "noise": "noise: the base disagrees with itself there",
    "unknown": "unknown: the base couldn't be replayed",
}
"""Whose change it is, by what `--base` found (`studio.baseline`)."""


_COMMANDS = re.compile(r"^(\s*:)(?=:)|#(?=#(?:vso|teamcity)?\[)")
"""What CI servers take for a command to them in a job's log: `::add-mask::`, `##vso[...]`, `##teamcity[...]`."""


def clean(text: str) -> str:
    """A line of a tape's without what would steer the terminal, or the CI server that reads the log: control characters, and
    those that turn the direction of the text, stand as `\\x1b`; a command has a backslash in it."""
    shown = _CONTROL.sub(lambda match: repr(match[0])[1:-1] if not match[0].isprintable() else f"\\u{ord(match[0]):04x}", text)
    return _COMMANDS.sub(lambda match: match[0] + "\\", shown)


def seconds(value: float) -> str:
    """A length of time with three digits that count: `1.23 s`, `45.6 ms`, `789 µs`, `2 m 3 s`."""
    if value >= 3600:
        return f"{int(value // 3600)} h {int(value % 3600 // 60)} m"
    if value >= 60:
        return f"{int(value // 60)} m {int(value % 60)} s"
    if value >= 0.9995:
        return f"{value:.3g} s"
    if value >= 0.0009995:
        return f"{value * 1e3:.3g} ms"
    return f"{value * 1e6:.3g} µs"


def bytesize(value: int) -> str:
    """A number of bytes: `812 B`, `1.2 kB`, `3.4 MB`."""
    if value < 1000:
        return f"{value} B"
    size = value / 1000
    for unit in ("kB", "MB", "GB"):
        if size < 999.95:
            return f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
