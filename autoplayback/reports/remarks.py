"""What is to be said of a run as a whole, in the same words in every report; each remark is one line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from autoplayback.equalizer.drift import Drift
from autoplayback.studio.tally import Summary

_GROUPS = 3
"""Groups named of one metric: with `--by customer` there may be thousands."""
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Remark:
    """One line: its label, how it is meant, and what it says."""

    label: str
    kind: str
    """`bad` (it fails the run), `odd` (worth a look), `good` or `calm`."""
    text: str
    part: bool = False
    """It is of one group of the run's tapes, where another remark is of all."""


def remarks(summary: Summary) -> Iterator[Remark]:
    """What there is to know, that which fails the run last, as people read a terminal from its end."""
    told = {drift.described() for drift in summary.drifts} | {speed.described() for speed in summary.speeds}
    worse = [drift for drift in summary.drifts if drift.described() in summary.because]
    others = [drift for drift in summary.drifts if drift not in worse]
    yield from _drifts([drift for drift in others if not drift.group or drift.verdict != "equal"])
    for speed in summary.speeds:
        if not speed.degraded:
            yield Remark("speed", "good" if speed.verdict == "faster" else "calm", speed.described())
    for rule in summary.unmatched:
        yield Remark("rule", "odd", f"matched nothing in this run: {rule}")
    for rule in summary.idle:
        yield Remark("rule", "odd", f"nothing varied there in this run, though elsewhere it did; still needed? {rule}")
    if summary.vanished:
        tapes = ", ".join(summary.vanished[:_NAMED]) + (" and more" if len(summary.vanished) > _NAMED else "")
        count = len(summary.vanished)
        of = "a tape" if count == 1 else f"{count} tapes"
        yield Remark("accepted", "odd", f"differences of {of} are gone, so their entries can be deleted: {tapes}")
    if summary.clock[0]:
        values, among = summary.clock
        told_of = f"own times of each run, taken as equal: {values}, in {among} of {summary.tapes} tapes (`clock: exact`)"
        yield Remark("clock", "calm", told_of)
    if fixed := summary.verdicts.get("fixed"):
        what = "tape whose operation failed in production returns" if fixed == 1 else "tapes whose operations failed return"
        yield Remark("fixed", "good", f"{fixed} {what} now; where failing is the right answer, run with --strict")
    yield from _drifts(worse)
    for speed in summary.speeds:
        if speed.described() in summary.because:
            yield Remark("degraded", "bad", speed.described())
    for reason in summary.because:
        if reason not in told:
            yield Remark("failed", "bad", reason)


def _drifts(drifts: list[Drift]) -> Iterator[Remark]:
    """Each metric over the run, then the groups that moved the most."""
    for _, found in groupby(drifts, lambda drift: (drift.operation, drift.path)):
        of_metric = list(found)
        whole = [drift for drift in of_metric if not drift.group]
        groups = sorted((drift for drift in of_metric if drift.group), key=lambda drift: -abs(drift.change))
        for drift in whole + groups[:_GROUPS]:
            label = drift.verdict if drift.judged else "too few"
            kind = {"degraded": "bad", "improved": "good"}.get(label, "calm")
            yield Remark(label, kind, drift.described(), bool(drift.group))
        if len(groups) > _GROUPS:
            more = len(groups) - _GROUPS
            yield Remark(groups[-1].verdict, "calm", f"{groups[0].path} for {more} more group{'s' * (more != 1)}", True)
