"""What comparing a recorded with a replayed tape says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Verdict(str, Enum):
    """From best to worst; `passes` says which let a change through."""

    EQUAL = "equal"
    FIXED = "fixed"
    IMPROVED = "improved"
    DIFFERENT = "different"
    DEGRADED = "degraded"
    FAILED = "failed"
    DIVERGED = "diverged"
    ERROR = "error"

    def passes(self, *, strict: bool = False) -> bool:
        """Whether it lets a change through; `strict` takes only `equal`."""
        return self is Verdict.EQUAL or (not strict and self in (Verdict.FIXED, Verdict.IMPROVED))


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where the two tapes differ. Values are JSON-able renderings, cut where long."""

    at: str
    """A path of `config.paths`: `result.body.total`, `outputs.mail.send[1].args.subject`."""
    recorded: Any = None
    replayed: Any = None
    kind: str = "changed"
    """`changed`, `missing` (only recorded) or `extra` (only replayed); the absent side is None."""
    digest: str = ""
    """Of the whole replayed value, though only its beginning may be shown: by it an accepted difference is known again."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One metric of one tape."""

    path: str
    recorded: float
    replayed: float
    better: str
    """`lower` or `higher`."""
    allowed: float
    """How far it may move for the worse before the tape is `degraded`, in the metric's own unit."""
    drift: float | str = 0.0
    """How far its mean may move for the worse over a whole run: an amount, or a share as `0.1%`."""

    @property
    def worse_by(self) -> float:
        """How far it moved for the worse; negative for the better."""
        change = self.replayed - self.recorded
        return change if self.better == "lower" else -change

    @property
    def degraded(self) -> bool:
        """Whether it is worse beyond its tolerance."""
        return self.worse_by > self.allowed

    @property
    def improved(self) -> bool:
        """Whether it is better beyond its tolerance."""
        return -self.worse_by > self.allowed

    def described(self) -> str:
        """In a sentence: `result.cost went from 120 to 121.2 (+1.00%)`."""
        percent = f" ({(self.replayed - self.recorded) / abs(self.recorded):+.2%})" if self.recorded else ""
        return f"{self.path} went from {self.recorded:g} to {self.replayed:g}{percent}"


def in_words(readings: Sequence[Reading]) -> str:
    """How several metrics moved, in a sentence: a wildcard may mean hundreds of them."""
    more = f"; and {len(readings) - 5} more" if len(readings) > 5 else ""
    return "; ".join(reading.described() for reading in readings[:5]) + more


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one tape, with what it rests on."""

    verdict: Verdict
    reason: str
    """One sentence, the first thing that went wrong first."""
    differences: tuple[Difference, ...] = ()
    metrics: tuple[Reading, ...] = ()
    truncated: bool = False
    """There are more differences than are listed."""
    rules: dict[str, str] = field(default_factory=dict)
    """Per rule's text what it did to this tape: `absent` (its path isn't there), `matched` (it is, but nothing varied there)
    or `varied` (it hid or forgave a difference). A run adds these up."""
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Per target whose number of calls changed, the recorded and the replayed number."""
    clock: int = 0
    """Values that differ only by being each run's own «now», or as far from it (`tape.moments`), and so count as equal."""
    notes: tuple[str, ...] = ()
    """What is worth telling though it doesn't change the verdict, such as recorded inputs the new code didn't ask for."""
