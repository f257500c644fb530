"""Metrics over a whole run."""

from __future__ import annotations

import random

import pytest

from autoplayback.equalizer.drift import drifts, quantile
from autoplayback.equalizer.verdict import Reading


def reading(recorded: float, replayed: float, better: str = "lower") -> Reading:
    """A cost, allowed one per cent a tape and a tenth of that on average."""
    return Reading("result.cost", recorded, replayed, better, recorded * 0.01, "0.1%")


def test_a_small_drift_of_every_tape_degrades_the_run() -> None:
    """Half a per cent, within each tape's tolerance, seen over two hundred."""
    rng = random.Random(1)
    costs = [rng.uniform(80, 120) for _ in range(200)]
    [drift] = drifts(("plan", {}, reading(cost, cost * (1 + rng.gauss(0.005, 0.01)))) for cost in costs)
    assert drift.verdict == "degraded"
    assert drift.low < 0.005 < drift.high
    assert drift.change == pytest.approx(0.005, abs=0.002)


def test_noise_around_zero_is_no_drift() -> None:
    """However wide it is."""
    rng = random.Random(1)
    assert [d.verdict for d in drifts(("plan", {}, reading(100, 100 + rng.gauss(0, 5))) for _ in range(200))] == ["equal"]


def test_few_tapes_are_reported_but_not_judged() -> None:
    """A mean of three says nothing."""
    assert [d.verdict for d in drifts(("plan", {}, reading(100, 101)) for _ in range(3))] == ["equal"]


def test_higher_may_be_better() -> None:
    """Then a fall degrades and a rise improves."""
    falls: list[tuple[str, dict[str, str], Reading]] = [("plan", {}, reading(100, 99, "higher"))] * 10
    rises: list[tuple[str, dict[str, str], Reading]] = [("plan", {}, reading(100, 101, "higher"))] * 10
    assert [drifts(found)[0].verdict for found in (falls, rises)] == ["degraded", "improved"]


def test_a_group_may_suffer_alone() -> None:
    """One customer pays what the others gain."""
    found = [("plan", {"customer": "acme"}, reading(100, 102))] * 20 + [("plan", {"customer": "globex"}, reading(100, 98))] * 20
    whole, acme, globex = drifts(found, by="customer")
    assert (whole.verdict, acme.verdict, globex.verdict) == ("equal", "degraded", "improved")
    assert acme.group == "customer=acme"


def test_groups_of_several_keys_are_told_together() -> None:
    """An operation is on its own anyway."""
    found = [("plan", {"customer": "acme", "region": "eu"}, reading(100, 102))] * 10
    assert [drift.group for drift in drifts(found, by="operation,customer, region")] == ["", "customer=acme, region=eu"]
    assert [drift.group for drift in drifts(found, by="operation")] == [""]


@pytest.mark.parametrize(("freedom", "expected"), [(7, 2.365), (9, 2.262), (29, 2.045), (199, 1.972)])
def test_the_quantile_is_students(freedom: int, expected: float) -> None:
    """As printed in tables."""
    assert quantile(freedom) == pytest.approx(expected, abs=0.01)
