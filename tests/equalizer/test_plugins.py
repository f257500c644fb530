"""Comparators and extractors of a team's own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from autoplayback.config.settings import Compare
from autoplayback.equalizer import Judgement, Verdict, compare
from autoplayback.equalizer.plugins import Context, Replica
from tests.equalizer.tapes import Raises, Sent, replay, tape

HERE = __name__


@dataclass
class Plan:
    """An object of the service's own class."""

    cost: Decimal
    trips: tuple[int, ...]
    made: datetime


def by_cost(recorded: Replica, replayed: Replica, context: Context) -> Any:
    """A domain's idea of worse."""
    assert recorded.result.trips == (1, 2)
    assert isinstance(recorded.result.made, datetime)
    if replayed.result.cost > recorded.result.cost:
        return Verdict.DEGRADED, f"{context.operation} costs more", [("result.cost", recorded.result.cost, replayed.result.cost)]
    return replayed.result.cost == recorded.result.cost


def failing(recorded: Replica, replayed: Replica, context: Context) -> Any:
    """Has a fault."""
    raise LookupError("no such trip")


def senseless(recorded: Replica, replayed: Replica, context: Context) -> Any:
    """Returns what is no verdict."""
    return "fine"


def sent_total(side: Replica) -> Any:
    """What is compared in place of the result: what was sent."""
    return sum(call["amount"] for call in side.outputs["bank.pay"])


def customer(side: Replica) -> Any:
    """Comparison data."""
    return side.metadata["customer"]


def for_acme_anything(recorded: Replica, replayed: Replica, context: Context) -> bool:
    """Uses the comparison data."""
    return bool(context.data == "acme")


def plan(cost: str) -> Plan:
    """A result."""
    return Plan(Decimal(cost), (1, 2), datetime(2026, 1, 1))


def judged(cost: str, comparator: str) -> Judgement:
    """A plan of cost 10 against one of another cost."""
    return compare(tape(plan("10")), replay(plan(cost)), Compare(comparator=f"{HERE}:{comparator}"))


def test_a_comparator_judges_in_place_of_the_rules() -> None:
    """It sees objects of the service's classes by their fields, without the classes."""
    worse = judged("11", "by_cost")
    assert (worse.verdict, worse.reason) == (Verdict.DEGRADED, "place_order costs more")
    assert [difference.at for difference in worse.differences] == ["result.cost"]
    assert judged("10", "by_cost").verdict is Verdict.EQUAL
    assert judged("9", "by_cost").verdict is Verdict.DIFFERENT


@pytest.mark.parametrize(
    ("comparator", "said"), [("failing", "LookupError: no such trip"), ("senseless", "no verdict"), ("absent", "can't be loaded")]
)
def test_a_failing_comparator_is_an_error(comparator: str, said: str) -> None:
    """Never a pass, and it says whose fault it is."""
    judgement = judged("10", comparator)
    assert judgement.verdict is Verdict.ERROR
    assert said in judgement.reason


def test_a_comparator_is_not_asked_about_a_failure() -> None:
    """What raised is failed, whatever a comparator of results would say."""
    assert (
        compare(tape(plan("10")), replay(Raises(ValueError())), Compare(comparator=f"{HERE}:by_cost")).verdict is Verdict.FAILED
    )


def test_an_extractor_says_what_is_compared() -> None:
    """Two payments of five are as good as one of ten."""
    ten, five = Sent("bank.pay", {"amount": 10}), Sent("bank.pay", {"amount": 5})
    rules = Compare(extractor=f"{HERE}:sent_total")
    assert compare(tape("a", ten), replay("b", five, five), rules).verdict is Verdict.EQUAL
    assert compare(tape("a", ten), replay("a", five), rules).verdict is Verdict.DIFFERENT


def test_a_comparator_is_given_its_data() -> None:
    """As playback-studio's comparison data extractor did."""
    rules = Compare(comparator=f"{HERE}:for_acme_anything", data=f"{HERE}:customer")
    assert compare(tape(1, metadata={"customer": "acme"}), replay(2), rules).verdict is Verdict.EQUAL
    assert compare(tape(1, metadata={"customer": "globex"}), replay(1), rules).verdict is Verdict.DIFFERENT
