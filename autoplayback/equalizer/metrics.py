"""Numbers with a direction: how one tape's metrics moved."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from autoplayback.config.notations import allowance, share
from autoplayback.config.paths import Part, render
from autoplayback.config.settings import Metric
from autoplayback.equalizer.differ import MISSING, RawDifference
from autoplayback.equalizer.finding import Unfinished, places
from autoplayback.equalizer.rules import Rule, Rulebook
from autoplayback.equalizer.sides import Side
from autoplayback.equalizer.tolerances import number
from autoplayback.equalizer.verdict import Reading

_MOST = 200
"""Values of one metric in one tape (a wildcard in its path), over which the metric is refused."""


def allowed(tolerance: float | str, recorded: float) -> float:
    """A metric's tolerance in its own unit."""
    if isinstance(tolerance, (int, float)):
        return float(tolerance)
    amount, relative = share(tolerance)
    return amount * abs(recorded) if relative else amount


def readings(
    recorded: Side, replayed: Side, book: Rulebook, left: Iterable[RawDifference]
) -> tuple[list[Reading], list[RawDifference]]:
    """Every metric found, and as differences those places where only one side has a finite number.

    `left` is what comparing left to the metrics; what none of them could read is a difference after all.
    """
    found: list[Reading] = []
    odd: list[RawDifference] = []
    if not book.metrics:
        return found, odd
    old, new = _numbers(recorded, book), _numbers(replayed, book)
    for parts in dict.fromkeys([*old, *new]):
        (rule, one), (_, other) = old.get(parts) or (new[parts][0], MISSING), new.get(parts) or (old[parts][0], MISSING)
        metric: Metric = rule.option
        before, after = number(one), number(other)
        if parts[0] == "result" and (recorded.result is MISSING) != (replayed.result is MISSING):
            continue  # one side raised, and that is told
        if before is None or after is None or not (math.isfinite(before) and math.isfinite(after)):
            if (one is not MISSING or other is not MISSING) and repr(one) != repr(other):
                odd.append(RawDifference(parts, one, other))
            continue
        name = rule.path if "*" not in rule.path else render(parts)
        found.append(
            Reading(name, float(before), float(after), metric.better, allowed(metric.tolerance, float(before)), drift(metric))
        )
    odd += [difference for difference in left if difference.parts not in old and difference.parts not in new]
    return found, odd


def drift(metric: Metric) -> float | str:
    """How far the mean may move for the worse over a run: `drift:`, or a tenth of the tolerance of a single tape."""
    if metric.drift is not None:
        return metric.drift
    if isinstance(metric.tolerance, (int, float)):
        return metric.tolerance / 10
    amount, relative = share(metric.tolerance)
    return f"{amount * 10:.12g}%" if relative else amount / 10


def _numbers(side: Side, book: Rulebook) -> dict[tuple[Part, ...], tuple[Rule, Any]]:
    """What stands at each metric's place, with its rule: one number is read once, by the last of the rules that mean it. Read
    twice, it would count as two tapes, and a run would seem surer of itself than it is."""
    order = {rule: number for number, rule in enumerate(book.metrics)}
    values: dict[tuple[Part, ...], tuple[Rule, Any]] = {}
    try:
        for rule, parts, value in places(side, book, frozenset(book.metrics), most=1_000_000):
            if parts not in values or order[values[parts][0]] < order[rule]:
                values[parts] = rule, value
            if len(values) > _MOST * len(book.metrics):
                raise Unfinished
    except Unfinished:
        raise ValueError(f"a metric's path means more than {_MOST} places of one result; name one number") from None
    return values


def slower(duration: float | str | None, recorded: float, replayed: float) -> bool:
    """Whether a replay took longer than `duration:` allows; seconds."""
    if duration is None:
        return False
    if isinstance(duration, (int, float)):
        return replayed > recorded + duration
    amount, relative = allowance(duration)
    return replayed > recorded + (amount * recorded if relative else amount)
