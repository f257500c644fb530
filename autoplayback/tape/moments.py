"""The operation's own «now»: times that a service makes itself while it works, which no two runs share to the microsecond.

Two such values, of a recorded and a replayed run, mean the same where each lies within its own operation, and both are written
in the same way. Everything else about time (an expiry, a date of birth, a timestamp read from a database) is compared as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from autoplayback.tape.inert import Tagged

Window = tuple[int, int]
"""An operation's start and end, ns since the epoch."""

_MARGIN: Final = 1_000_000
"""Nanoseconds before the start and after the end: what clocks of different resolution disagree by."""
_QUARTER: Final = 15 * 60 * 1_000_000_000
_ZONES: Final = range(-14 * 4, 14 * 4 + 1)
"""Quarters of an hour that a zone may be from UTC."""
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?(?!\d)")
_HTTP: Final = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT"
)
_TIMES: Final = re.compile(f"{_ISO.pattern}|{_HTTP.pattern}")
_UNITS: Final = (("s", 1_000_000_000), ("ms", 1_000_000), ("µs", 1_000), ("ns", 1))
_EPOCH: Final = datetime(1970, 1, 1)
_LONGEST: Final = 100_000
"""Characters of a text that times are looked for in."""


def reading(value: Any, window: Window) -> str | None:
    """How an inert value says «now»: its type, unit or notation, and zone. None where it doesn't lie within the operation."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return _number(value, window)
    if isinstance(value, str):
        return _text(value, window) if len(value) <= 40 else None
    if isinstance(value, Tagged) and value.type == "datetime:datetime" and isinstance(value.value, str):
        try:
            naive = datetime.fromisoformat(value.value)
        except ValueError:
            return None
        at, zone = _nanoseconds(naive), value.extra[0] if isinstance(value.extra, list) and value.extra else None
        if zone is None:
            quarters = _zone(at, 1_000, window)
            return None if quarters is None else f"datetime {quarters}"
        ahead = _ahead(zone, naive)
        return f"datetime {zone!r}" if ahead is not None and _overlaps(at - ahead, 1_000, window) else None
    return None


def is_now(value: Any, started: int, ended: int) -> bool:
    """Whether an inert value is a time within an operation that lasted from `started` to `ended`, ns since the epoch."""
    return reading(value, (started, ended)) is not None


def same_now(recorded: Any, recorded_window: Window, replayed: Any, replayed_window: Window) -> bool:
    """Whether two inert values are the «now» of their own runs, written in the same way; or texts which differ only in such."""
    one = reading(recorded, recorded_window)
    if one is not None:
        return one == reading(replayed, replayed_window)
    if isinstance(recorded, str) and isinstance(replayed, str) and max(len(recorded), len(replayed)) <= _LONGEST:
        return _within_text(recorded, recorded_window, replayed, replayed_window)
    return False


def without_now(text: str | bytes, window: Window) -> str | bytes:
    """A text (a statement, a JSON body) with each «now» in it replaced by how it is written; the same object where none is."""
    if len(text) > _LONGEST:
        return text
    if isinstance(text, bytes):
        try:
            plain = text.decode()
        except UnicodeDecodeError:
            return text
        neutral = without_now(plain, window)
        return text if neutral is plain else str(neutral).encode()
    found = False

    def replaced(match: re.Match[str]) -> str:
        nonlocal found
        said = _text(match.group(), window)
        found = found or said is not None
        return match.group() if said is None else f"\0{said}"

    neutral = _TIMES.sub(replaced, text)
    return neutral if found else text


def _within_text(recorded: str, recorded_window: Window, replayed: str, replayed_window: Window) -> bool:
    if _TIMES.sub("\0", recorded) != _TIMES.sub("\0", replayed):
        return False
    pairs = list(_pairs(recorded, replayed))
    return bool(pairs) and all(
        one == other or ((first := _text(one, recorded_window)) is not None and first == _text(other, replayed_window))
        for one, other in pairs
    )


def _pairs(recorded: str, replayed: str) -> Iterator[tuple[str, str]]:
    ones, others = (found.group() for found in _TIMES.finditer(recorded)), (found.group() for found in _TIMES.finditer(replayed))
    return zip(ones, others, strict=True)


def _number(value: int | float, window: Window) -> str | None:
    for unit, size in _UNITS:
        exact = isinstance(value, float)
        try:
            at = int(value * size)
        except (OverflowError, ValueError):  # infinite or NaN
            return None
        # A float keeps about a quarter of a microsecond of a time in seconds; an int is cut to its unit.
        if _overlaps(at, 1_000 if exact else size, window):
            return f"{type(value).__name__} {unit}"
    return None


def _text(text: str, window: Window) -> str | None:
    if _HTTP.fullmatch(text):
        try:
            at = _nanoseconds(parsedate_to_datetime(text).astimezone(UTC).replace(tzinfo=None))
        except ValueError:
            return None
        return "http" if _overlaps(at, 1_000_000_000, window) else None
    if not _ISO.fullmatch(text):
        return None
    try:
        when = datetime.fromisoformat(text.replace(",", "."))
    except ValueError:
        return None
    fraction = re.search(r"[.,](\d+)", text)
    size = 10 ** (9 - len(fraction[1])) if fraction else 1_000_000_000 if text[10:19].count(":") == 2 else 60_000_000_000
    # `isoformat` leaves the fraction out where it happens to be zero.
    shape = re.sub(r"\d", "0", re.sub(r"[.,]\d{6}(?!\d)", "", text))
    if when.tzinfo is not None:
        at = _nanoseconds(when.astimezone(UTC).replace(tzinfo=None))
        return f"iso {shape} {when.utcoffset()}" if _overlaps(at, size, window) else None
    quarters = _zone(_nanoseconds(when), size, window)
    return None if quarters is None else f"iso {shape} {quarters}"


def _ahead(zone: Any, naive: datetime) -> int | None:
    """Nanoseconds that a zone is ahead of UTC; None for a kind of zone that isn't the standard library's."""
    if not isinstance(zone, Tagged):
        return None
    try:
        if zone.type == "datetime:timezone":
            days, seconds, microseconds = zone.value[0].value
            return ((days * 86_400 + seconds) * 1_000_000 + microseconds) * 1_000  # type: ignore[no-any-return]
        if zone.type == "zoneinfo:ZoneInfo":
            offset = ZoneInfo(zone.value).utcoffset(naive)
            return None if offset is None else offset // timedelta(microseconds=1) * 1_000
    except (
        AttributeError,
        IndexError,
        KeyError,
        OSError,
        TypeError,
        ValueError,
    ):  # a forged zone, or one this machine doesn't know
        pass
    return None


def _zone(naive: int, size: int, window: Window) -> int | None:
    """How many quarters of an hour a local time is ahead of UTC, if it is now: its zone isn't written on it."""
    nearest = round((naive - window[0]) / _QUARTER)
    for quarters in sorted((nearest - 1, nearest, nearest + 1), key=abs):
        if quarters in _ZONES and _overlaps(naive - quarters * _QUARTER, size, window):
            return quarters
    return None


def _nanoseconds(naive: datetime) -> int:
    return (naive - _EPOCH) // timedelta(microseconds=1) * 1_000


def _overlaps(at: int, size: int, window: Window) -> bool:
    """Whether the time span that a value of this resolution stands for touches the operation's."""
    return at <= window[1] + _MARGIN and at + size > window[0] - _MARGIN
