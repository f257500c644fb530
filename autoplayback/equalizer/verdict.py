"""What comparing a recorded with a replayed tape says."""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one tape, with what it rests on."""

    verdict: Verdict
    reason: str
    """One sentence, the first thing that went wrong first."""
    differences: tuple[Difference, ...] = ()
    metrics: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Per metric's path, the recorded and the replayed value."""
