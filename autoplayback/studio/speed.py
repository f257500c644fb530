"""CPU time of this code against the base's: per operation a ratio with the interval it lies in, and what that says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from autoplayback.equalizer.drift import quantile

TOLERANCE = 0.05
"""How much more CPU time an operation may take where its `compare: {duration: ...}` says nothing else."""


@dataclass(frozen=True, slots=True)
class Speed:
    """CPU time of one operation, head against base, over its tapes."""

    operation: str
    base: float
    head: float
    """Mean seconds an operation."""
    change: float
    """Of the geometric mean: 0.1 is a tenth more."""
    low: float
    high: float
    """The interval in which the change lies with 95% confidence; of a single tape it is without end."""
    tolerance: float
    tapes: int = 1

    @property
    def degraded(self) -> bool:
        """Slower, and surely by more than is tolerated."""
        return self.low > self.tolerance

    @property
    def verdict(self) -> str:
        """`slower` and `faster` where the interval leaves no doubt, `alike` where it is within the tolerance, else `unsure`."""
        if self.degraded:
            return "slower"
        if self.high < 0:
            return "faster"
        return "alike" if -self.tolerance <= self.low and self.high <= self.tolerance else "unsure"

    def described(self) -> str:
        """One line for people."""
        interval = f"95% between {self.low:+.1%} and {self.high:+.1%}" if math.isfinite(self.high) else "too few tapes to be sure"
        return (f"{self.operation}: CPU {self.base * 1e3:.3g} ms -> {self.head * 1e3:.3g} ms"
                f" ({self.change:+.1%}; {interval}; {self.tapes} tape{'s' * (self.tapes != 1)})")  # fmt: skip

    def plain(self) -> dict[str, Any]:
        """For the JSON summary; a bound that is infinite is null there."""
        low, high = (bound if math.isfinite(self.high) else None for bound in (self.low, self.high))
        return {"operation": self.operation, "base": self.base, "head": self.head, "change": self.change, "interval": [low, high],
                "tolerance": self.tolerance, "tapes": self.tapes, "verdict": self.verdict, "degraded": self.degraded}  # fmt: skip


def parsed(plain: Mapping[str, Any]) -> Speed:
    """What `plain` said."""
    low, high = plain["interval"]
    return Speed(
        str(plain["operation"]),
        float(plain["base"]),
        float(plain["head"]),
        float(plain["change"]),
        -1.0 if low is None else float(low),
        math.inf if high is None else float(high),
        float(plain["tolerance"]),
        int(plain.get("tapes", 1)),
    )


def speed(operation: str, pairs: list[tuple[float, float]], tolerance: float = TOLERANCE) -> Speed:
    """Head against base from pairs of times of the same tape: their ratios vary far less than their times."""
    ratios = [math.log(max(head, 1e-9) / max(base, 1e-9)) for base, head in pairs]
    middle = fmean(ratios)
    spread = quantile(len(ratios) - 1) * stdev(ratios) / math.sqrt(len(ratios)) if len(ratios) > 1 else math.inf
    return Speed(operation, fmean(base for base, _ in pairs), fmean(head for _, head in pairs), math.expm1(middle),
                 math.expm1(middle - spread), math.expm1(middle + spread) if spread < 700 else math.inf, tolerance,
                 len(pairs))  # fmt: skip
