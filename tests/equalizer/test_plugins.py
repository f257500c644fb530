"""Comparators and extractors of a team's own."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from autoplayback.config.settings import Compare
from autoplayback.equalizer import Judgement, Verdict, compare, plugins
from autoplayback.equalizer.plugins import Context, Replica
from autoplayback.studio import results
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


def endless(recorded: Replica, replayed: Replica, context: Context) -> Any:
    """Never returns, and swallows what it can."""
    while True:
        try:
            time.sleep(0.001)
        except Exception:
            continue


def asleep(recorded: Replica, replayed: Replica, context: Context) -> Any:
    """Can't be broken off."""
    time.sleep(30)


def leaving(recorded: Replica, replayed: Replica, context: Context) -> Any:
    """Ends the process, it thinks."""
    sys.exit("no")


def crooked(recorded: Replica, replayed: Replica, context: Context) -> Any:
    """Its differences are none."""
    return False, "no", [("result",)]


def talkative(recorded: Replica, replayed: Replica, context: Context) -> Any:
    """Has more differences than anybody reads, at places that are no paths."""
    return False, "no", ((f"trip no. {number}!", number, -number) for number in range(1_000_000))


def changing(side: Replica) -> Any:
    """Changes what it was given."""
    side.result.clear()
    side.metadata["customer"] = "nobody"  # type: ignore[index]
    return 1


def unchanged(recorded: Replica, replayed: Replica, context: Context) -> bool:
    """Sees what was recorded, whatever others did to their copy of it."""
    seen = recorded.result == {"a": 1} and recorded.metadata == {"customer": "acme"}
    changing(recorded)
    return seen


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
    ("comparator", "said"),
    [
        ("failing", "LookupError: no such trip"),
        ("senseless", "no verdict"),
        ("absent", "can't be loaded"),
        ("leaving", "SystemExit: no"),
        ("crooked", "returned ('result',) as a difference; it is (at, recorded, replayed)"),
    ],
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


@pytest.mark.parametrize("comparator", ["endless", "asleep"])
def test_a_comparator_that_hangs_costs_its_tape(comparator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run goes on; for the next tapes it is waited for less long."""
    monkeypatch.setattr(plugins, "PATIENCE", 0.3)
    monkeypatch.setattr(plugins, "IMPATIENCE", 0.1)
    monkeypatch.setattr(plugins, "_patience", {})
    began = time.monotonic()
    for _ in range(3):
        judgement = judged("10", comparator)
        assert judgement.verdict is Verdict.ERROR
        assert f"{comparator} took longer than" in judgement.reason
    assert time.monotonic() - began < 10
    left = [thread for thread in threading.enumerate() if thread.name == "autoplayback plug-in"]
    if comparator == "endless":
        for thread in left:
            thread.join(5)
            assert not thread.is_alive()


def test_a_comparators_differences_are_bounded_and_can_be_accepted() -> None:
    """They are shown under the names it gave them, and have a digest like ours."""
    recorded, replayed = tape(plan("10")), replay(plan("11"))
    judgement = compare(recorded, replayed, Compare(comparator=f"{HERE}:talkative"))
    assert judgement.truncated
    assert len(judgement.differences) == 100
    assert judgement.differences[7].at == "trip no. 7!"
    assert all(difference.digest for difference in judgement.differences)
    detail = results.of(recorded, replayed, judgement).detail
    assert detail is not None
    assert len(detail["tree"]) == 101
    assert detail["timeline"]


def test_plug_ins_share_nothing() -> None:
    """One that changes what it was given changes neither the other's side nor the tape."""
    recorded = tape({"a": 1}, metadata={"customer": "acme"})
    for data in ("changing", "customer"):
        rules = Compare(comparator=f"{HERE}:unchanged", data=f"{HERE}:{data}")
        assert compare(recorded, replay({"a": 1}), rules).verdict is Verdict.EQUAL
    assert recorded.metadata == {"customer": "acme"}
