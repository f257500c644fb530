"""Which tapes are meant: the filters of `list` and `replay`, as a value, and what they mean.

`Query.choose` is the one definition; a catalog may narrow down what it is given, never decide otherwise.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import blake2b
from typing import Any, TypeVar

from autoplayback.config.notations import Condition
from autoplayback.tape.model import Summary

T = TypeVar("T")

FIELDS = {
    "tape": "tape", "operation": "operation", "seconds": "seconds", "duration": "seconds", "outcome": "outcome",
    "calls": "calls", "bytes": "bytes",
}
"""What a condition's key may name besides metadata; `metadata.NAME` reaches metadata which is called like one of these."""
OUTCOMES = {"error": "raised", "raised": "raised", "returned": "returned"}
"""Keys that say of a tape how it ended, true or false."""


@dataclass(frozen=True, slots=True)
class Query:
    """A selection of tapes; an empty one means all. Times are nanoseconds since the epoch, `until` exclusive."""

    operations: tuple[str, ...] = ()
    """Names or globs, any of which will do."""
    since: int | None = None
    until: int | None = None
    where: tuple[Condition, ...] = ()
    sample: int | None = None
    by: str | None = None
    """Samples uniformly over the values of this key, however many tapes each has; of several, with commas between, over what
    they are together: `operation,customer`."""
    seed: int = 0
    limit: int | None = None
    ids: tuple[str, ...] = ()
    """Whole ids or prefixes, any of which will do."""

    def matches(self, summary: Summary) -> bool:
        """Whether a tape fulfils every condition; `sample` and `limit` are `choose`'s."""
        if self.since is not None and summary.started < self.since:
            return False
        if self.until is not None and summary.started >= self.until:
            return False
        if self.ids and not summary.tape.startswith(self.ids):
            return False
        if self.operations and not any(fnmatchcase(summary.operation, name) for name in self.operations):
            return False
        return all(condition.holds(value_of(summary, condition.key)) for condition in self.where)

    def choose(self, summaries: Iterable[Summary]) -> Iterator[Summary]:
        """The tapes meant, newest first."""
        found: Iterable[Summary] = (summary for summary in summaries if self.matches(summary))
        if self.sample is not None:
            found = self._sampled(found, self.sample)
        newest = sorted(found, key=order, reverse=True)
        return iter(newest if self.limit is None else newest[:self.limit])

    def _sampled(self, summaries: Iterable[Summary], count: int) -> list[Summary]:
        by = keys_of(self.by)
        rows = ((tuple(value_of(summary, key) for key in by), summary.tape, summary) for summary in summaries)
        return sample(rows, count, self.seed)


def keys_of(by: str | None) -> list[str]:
    """The keys that a sample is uniform over."""
    return [key.strip() for key in by.split(",") if key.strip()] if by else []


def order(summary: Summary) -> tuple[int, str]:
    """What tapes are sorted by: their start, then their id, so that the order is the same everywhere."""
    return summary.started, summary.tape


def value_of(summary: Summary, key: str) -> Any:
    """What a condition's key names: a field of the row, or metadata. None where it isn't there."""
    if key in FIELDS:
        return getattr(summary, FIELDS[key])
    if key in OUTCOMES:
        return summary.outcome == OUTCOMES[key]
    return summary.metadata.get(key.removeprefix("metadata."), summary.metadata.get(key))


def sample(rows: Iterable[tuple[Any, str, T]], count: int, seed: int) -> list[T]:
    """`count` of (key, id, item), uniformly over the keys and reproducibly: the same ids and seed give the same choice.

    Each key's tapes stand in the order of a hash of id and seed; then each key gives its first, each its second, and so on.
    Adding a tape to a store therefore changes a sample by at most that tape for another.
    """
    salt = f"{seed}:".encode()
    groups: defaultdict[Any, list[tuple[bytes, int, T]]] = defaultdict(list)
    for number, (key, id, item) in enumerate(rows):
        group = groups[key]
        group.append((blake2b(salt + id.encode("utf-8", "surrogatepass"), digest_size=8).digest(), number, item))
        if len(group) > count + 1000:  # of a million rows, what can't be drawn any more isn't kept
            group[:] = heapq.nsmallest(count, group)
    ranked = (
        (rank, digest, number, item)
        for group in groups.values()
        for rank, (digest, number, item) in enumerate(heapq.nsmallest(count, group))
    )
    return [item for _, _, _, item in heapq.nsmallest(count, ranked)]
