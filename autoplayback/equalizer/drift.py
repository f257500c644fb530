"""Metrics over a whole run: a small change of each tape, within its tolerance, that is no accident over two hundred."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev
from typing import Any

from autoplayback.config.notations import share
from autoplayback.equalizer.verdict import Reading

LEAST = 8
"""Tapes from which on a mean is judged; of fewer it is only reported."""
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Drift:
    """How one metric moved over a run, or over the tapes of one group of it."""

    operation: str
    path: str
    group: str
    """`customer=acme`, or empty: the whole run."""
    tapes: int
    recorded: float
    """Mean of the recorded values."""
    replayed: float
    change: float
    """Mean change; a share of the recorded value where `relative`."""
    low: float
    """Of the confidence interval of `change`."""
    high: float
    relative: bool
    better: str
    allowed: float
    """How far `change` may go for the worse."""

    @property
    def judged(self) -> bool:
        """Whether there are tapes enough to say anything of their mean."""
        return self.tapes >= LEAST

    @property
    def verdict(self) -> str:
        """`degraded` or `improved` where the whole interval lies beyond what is allowed, else (also where not judged) `equal`."""
        if not self.judged:
            return "equal"
        low, high = (self.low, self.high) if self.better == "lower" else (-self.high, -self.low)
        if low > self.allowed:
            return "degraded"
        return "improved" if -high > self.allowed else "equal"

    def described(self) -> str:
        """In a sentence."""

        def text(value: float) -> str:
            return f"{value:+.3%}" if self.relative else f"{value:+.4g}"

        where = f" for {self.group}" if self.group else ""
        if not (self.change or self.low or self.high):
            return f"{self.operation}: {self.path}{where} is the same in all {self.tapes} tapes"
        few = "" if self.judged else f"; judged from {LEAST} tapes on"
        return (
            f"{self.operation}: {self.path}{where} changed by {text(self.change)} on average over {self.tapes} tapes "
            f"({CONFIDENCE:.0%} interval {text(self.low)} to {text(self.high)}; {self.better} is better{few})"
        )


def drifts(readings: Iterable[tuple[str, Mapping[str, Any], Reading]], by: str | None = None) -> list[Drift]:
    """Every metric's drift over the run, then per value of the metadata key `by` (of several, with commas between, what they are
    together; each operation is on its own anyway); takes (operation, metadata, reading)."""
    keys = [key.strip() for key in (by or "").split(",") if key.strip() not in ("", "operation")]
    groups: dict[tuple[str, str, str], list[Reading]] = {}
    for operation, metadata, reading in readings:
        groups.setdefault((operation, reading.path, ""), []).append(reading)
        if keys:
            group = ", ".join(f"{key}={metadata.get(key, '')}" for key in keys)
            groups.setdefault((operation, reading.path, group), []).append(reading)
    return [_drift(*key, found) for key, found in sorted(groups.items(), key=lambda item: (item[0][0], item[0][1], item[0][2]))]


def _drift(operation: str, path: str, group: str, readings: list[Reading]) -> Drift:
    amount, relative = share(readings[0].drift) if isinstance(readings[0].drift, str) else (readings[0].drift, False)
    usable = [reading for reading in readings if reading.recorded] if relative else readings
    changes = [(reading.replayed - reading.recorded) / (abs(reading.recorded) if relative else 1.0) for reading in usable] or [
        0.0
    ]
    mean = fmean(changes)
    spread = stdev(changes) / math.sqrt(len(changes)) * quantile(len(changes) - 1) if len(changes) > 1 else 0.0
    return Drift(
        operation,
        path,
        group,
        len(usable),
        fmean(r.recorded for r in readings),
        fmean(r.replayed for r in readings),
        mean,
        mean - spread,
        mean + spread,
        relative,
        readings[0].better,
        amount,
    )


def quantile(freedom: int) -> float:
    """Student's t for a two-sided interval, by the Cornish-Fisher expansion of the normal quantile; good from 4 degrees on."""
    z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    n = max(freedom, 1)
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    )
