"""The operation's own «now»: times that a service makes itself while it works, which no two runs share to the microsecond.

Two such values, of a recorded and a replayed run, mean the same where each lies within its own operation, and both are written
in the same way. So do two at the same distance of whole minutes from it (an expiry: «now» and 14 days), if the operation took no
longer than a second: then they differ by less than that, and a time from elsewhere stands at such a distance by accident only.
Everything else about time (a date of birth, a timestamp read from a database) is compared as it is.
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

_SECOND: Final = 1_000_000_000
_MINUTE: Final = 60 * _SECOND
_FURTHEST: Final = 400 * 24 * 60 * _MINUTE
"""How far from now a plain number is still taken for a time; what is written as one may be at any distance."""
_MARGIN: Final = 1_000_000
"""Nanoseconds before the start and after the end: what clocks of different resolution disagree by."""
_QUARTER: Final = 15 * _MINUTE
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
    """How an inert value says «now», or a time at a distance from it: its type, unit or notation, zone and distance. None where
    it says neither."""
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
            return _said("datetime", _local(at, 1_000, window))
        ahead = _ahead(zone, naive)
        return None if ahead is None else _said(f"datetime {zone!r}", _distance(at - ahead, 1_000, window))
    return None


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
        if abs(at - window[0]) <= _FURTHEST and (distance := _distance(at, 1_000 if exact else size, window)) is not None:
            return _said(f"{type(value).__name__} {unit}", distance)
    return None


def _text(text: str, window: Window) -> str | None:
    if _HTTP.fullmatch(text):
        try:
            at = _nanoseconds(parsedate_to_datetime(text).astimezone(UTC).replace(tzinfo=None))
        except ValueError:
            return None
        return _said("http", _distance(at, _SECOND, window))
    if not _ISO.fullmatch(text):
        return None
    try:
        when = datetime.fromisoformat(text.replace(",", "."))
    except ValueError:
        return None
    fraction = re.search(r"[.,](\d+)", text)
    size = 10 ** (9 - len(fraction[1])) if fraction else _SECOND if text[10:19].count(":") == 2 else _MINUTE
    # `isoformat` leaves the fraction out where it happens to be zero.
    shape = re.sub(r"\d", "0", re.sub(r"[.,]\d{6}(?!\d)", "", text))
    if when.tzinfo is not None:
        at = _nanoseconds(when.astimezone(UTC).replace(tzinfo=None))
        return _said(f"iso {shape} {when.utcoffset()}", _distance(at, size, window))
    return _said(f"iso {shape}", _local(_nanoseconds(when), size, window))


def _said(how: str, distance: int | None) -> str | None:
    return None if distance is None else f"{how} {distance // _MINUTE:+d}" if distance else how


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


def _local(naive: int, size: int, window: Window) -> int | None:
    """How far a local time, whose zone isn't written on it, is from now in UTC: quarters of an hour may be its zone alone."""
    nearest = round((naive - window[0]) / _QUARTER)
    for quarters in sorted((nearest - 1, nearest, nearest + 1), key=abs):
        if quarters in _ZONES and _overlaps(naive - quarters * _QUARTER, size, window):
            return quarters * _QUARTER
    return _distance(naive, size, window)


def _distance(at: int, size: int, window: Window) -> int | None:
    """How far a time is from the operation's, in whole minutes (as nanoseconds); None where it is at no such distance."""
    if _overlaps(at, size, window):
        return 0
    if window[1] - window[0] > _SECOND or size > _SECOND:
        return None
    minutes = round((at - window[0]) / _MINUTE) * _MINUTE
    return minutes if _overlaps(at - minutes, size, window) else None


def _nanoseconds(naive: datetime) -> int:
    return (naive - _EPOCH) // timedelta(microseconds=1) * 1_000


def _overlaps(at: int, size: int, window: Window) -> bool:
    """Whether the time span that a value of this resolution stands for touches the operation's."""
    return at <= window[1] + _MARGIN and at + size > window[0] - _MARGIN
