"""Failures of one cause, together: two hundred tapes that differ in the same place are one thing to read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from autoplayback.equalizer.verdict import Verdict
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
class Group:
    """Results with the same signature; the first stands for all."""

    first: Result
    tapes: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        return self.first.verdict

    @property
    def count(self) -> int:
        return len(self.tapes)


class Groups:
    """Gathers what isn't `equal`, keeping one whole result a group, so that a long run needs little memory."""

    def __init__(self, results: Iterable[Result] = ()) -> None:
        self._groups: dict[str, Group] = {}
        for result in results:
            self.add(result)

    def add(self, result: Result) -> None:
        """Adds one result to its group."""
        if result.verdict is not Verdict.EQUAL:
            self._groups.setdefault(result.signature, Group(result)).tapes.append(result.tape)

    def listed(self) -> list[Group]:
        """The groups, the worst verdict first, then the largest."""
        return sorted(self._groups.values(), key=lambda group: (WORST_FIRST.index(group.verdict), -group.count))
