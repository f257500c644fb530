"""The keys of a bucket: `v1/<service>/dt=YYYY-MM-DD/hh=HH/<host>-<ULID>.tapes`. A day is a prefix."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

from autoplayback.tape import ulid

ROOT = "v1/"
TOMBSTONES = "deleted/"
LOSSES = "lost/"
EARLIER = timedelta(minutes=15)
"""How long before a tape's start its segment may have been opened: longer than any segment stays open."""
LATER = timedelta(days=1)
"""How long after a tape's start its segment may have been opened: operations that take longer are found without --until only."""
MANY_DAYS = 60
DAY = 86_400_000_000_000
"""In nanoseconds."""


def segment_key(service: str, host: str, segment_id: str) -> str:
    """The key of a segment, by the instant of its id."""
    opened = _instant(ulid.started(segment_id))
    return f"{service_prefix(service)}dt={opened:%Y-%m-%d}/hh={opened:%H}/{quote(host or 'unknown', safe='')}-{segment_id}.tapes"


def beside(key: str, segment_id: str) -> str:
    """The key of a segment that replaces another: on the same day and hour, whatever the clock says now."""
    folder, _, name = key.rpartition("/")
    host = name.rpartition("-")[0]
    return f"{folder}/{host}-{segment_id}.tapes"


def service_prefix(service: str) -> str:
    """What the keys of a service's segments begin with."""
    return f"{ROOT}{quote(service or 'default', safe='')}/"


def losses_prefix(service: str) -> str:
    """What the keys of a service's counts of lost tapes begin with."""
    return LOSSES + service_prefix(service).removeprefix(ROOT)


def service_name(folder: str) -> str:
    """The service of a folder below `ROOT`."""
    return unquote(folder)


def day_prefixes(since: int | None, until: int | None, now: int) -> Iterator[str]:
    """What to list, below a service, for tapes which started from `since` to `until`: a prefix a day, or one for all."""
    if since is None:
        yield ""
        return
    first = (_instant(since) - EARLIER).date()
    last = (_instant(now if until is None else min(until, now)) + LATER).date()
    if (last - first).days > MANY_DAYS:
        yield ""
        return
    for number in range((last - first).days + 1):
        yield f"dt={first + timedelta(days=number):%Y-%m-%d}/"


def span_of(prefix: str) -> tuple[int, int] | None:
    """The instants between which the tapes were started whose ids begin with `prefix`; None where it is no part of a ULID."""
    head = prefix[:10].upper()
    if not head or any(character not in ulid.ALPHABET for character in head) or head[0] > "7":
        return None
    return ulid.started(head.ljust(10, "0")), ulid.started(head.ljust(10, "Z")) + 1_000_000


def _instant(ns: int) -> datetime:
    limit = 253_402_300_799  # the last second that has four digits of year
    return datetime.fromtimestamp(max(86_400 * 2, min(ns / 1e9, limit - 86_400 * 2)), UTC)
