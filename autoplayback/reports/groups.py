"""Failures of one cause, together: two hundred tapes that differ in the same place are one thing to read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from autoplayback.equalizer.verdict import Reading, Verdict, in_words
from autoplayback.studio.results import Result

WORST_FIRST = (
    Verdict.DIVERGED,
    Verdict.FAILED,
    Verdict.DIFFERENT,
    Verdict.DEGRADED,
    Verdict.ERROR,
    Verdict.FIXED,
    Verdict.IMPROVED,
    Verdict.EQUAL,
)


@dataclass(slots=True)
class Range:
    """How far one metric moved in several tapes."""

    low: float
    high: float
    relative: bool

    def described(self, path: str) -> str:
        """In a sentence: `result.cost +0.33% to +0.97%`."""
        low, high = (f"{value:+.2%}" if self.relative else f"{value:+g}" for value in (self.low, self.high))
        return f"{path} {low}" if low == high else f"{path} {low} to {high}"


@dataclass(slots=True)
class Group:
    """Results with the same signature; the first stands for all."""

    first: Result
    tapes: list[str] = field(default_factory=list)
    _reasons: set[str] = field(default_factory=set)
    """The first reason, and one other where there is any."""
    _moved: dict[tuple[str, bool], list[float]] = field(default_factory=dict)
    """Per metric that went beyond its tolerance, the least and the most it moved, as a share of the recorded value or not."""

    @classmethod
    def of(cls, *results: Result) -> Group:
        """The group of these results."""
        group = cls(results[0])
        for result in results:
            group.add(result)
        return group

    def add(self, result: Result) -> None:
        """Adds one more result of the same signature."""
        self.tapes.append(result.tape)
        if len(self._reasons) < 2:
            self._reasons.add(result.reason)
        for reading in result.metrics:
            if _beyond(result, reading):
                change, relative = reading.replayed - reading.recorded, bool(reading.recorded)
                if relative:
                    change /= abs(reading.recorded)
                bounds = self._moved.setdefault((reading.path, relative), [change, change])
                bounds[:] = min(bounds[0], change), max(bounds[1], change)

    @property
    def reason(self) -> str:
        """Why they don't pass: of several with different numbers how far those go, of other different reasons the first."""
        if len(self._reasons) < 2:
            return self.first.reason
        moved = [reading for reading in self.first.metrics if _beyond(self.first, reading)]
        if self.first.reason == in_words(moved):
            ranges = {path: Range(low, high, relative) for (path, relative), (low, high) in self._moved.items()}
            more = f"; and {len(ranges) - 5} more" if len(ranges) > 5 else ""
            return "; ".join(found.described(path) for path, found in list(ranges.items())[:5]) + more
        return f"for example: {self.first.reason}"

    @property
    def verdict(self) -> Verdict:
        return self.first.verdict

    @property
    def count(self) -> int:
        return len(self.tapes)


def _beyond(result: Result, reading: Reading) -> bool:
    """Whether a metric is what made the verdict."""
    return reading.degraded if result.verdict is Verdict.DEGRADED else reading.improved


class Groups:
    """Gathers what isn't `equal`, keeping one whole result a group, so that a long run needs little memory."""

    def __init__(self, results: Iterable[Result] = ()) -> None:
        self._groups: dict[str, Group] = {}
        for result in results:
            self.add(result)

    def add(self, result: Result) -> None:
        """Adds one result to its group."""
        if result.verdict is not Verdict.EQUAL:
            self._groups.setdefault(result.signature, Group(result)).add(result)

    def listed(self) -> list[Group]:
        """The groups, the worst verdict first, then the largest."""
        return sorted(self._groups.values(), key=lambda group: (WORST_FIRST.index(group.verdict), -group.count))
