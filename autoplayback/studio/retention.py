"""Which tapes are kept no longer: by age, by count of each operation, by size of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from autoplayback.tape.model import Summary


@dataclass(frozen=True, slots=True)
class Retention:
    """What may stay; a tape goes that breaks any of the bounds."""

    since: int | None = None
    """Nanoseconds since the epoch: older tapes go."""
    keep: int | None = None
    """The newest so many of each operation stay."""
    bytes: int | None = None
    """Of all tapes together: the oldest go until the others fit."""

    def expired(self, newest_first: Iterable[Summary]) -> Iterator[Summary]:
        """The tapes to remove, of tapes that come newest first."""
        counts: Counter[str] = Counter()
        total = 0
        for summary in newest_first:
            counts[summary.operation] += 1
            kept = (
                (self.since is None or summary.started >= self.since)
                and (self.keep is None or counts[summary.operation] <= self.keep)
                and (self.bytes is None or total + summary.bytes <= self.bytes)
            )
            if kept:
                total += summary.bytes
            else:
                yield summary
