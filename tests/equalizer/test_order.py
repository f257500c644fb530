"""The order of what an operation did: compared where something keeps it, told where only threads exchanged it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from autoplayback.config.settings import Compare
from autoplayback.equalizer import Judgement, Verdict, compare
from autoplayback.equalizer.rules import merged
from autoplayback.tape.model import Tape
from tests.equalizer.tapes import Sent, replay, tape

CHARGE, RESERVE, LOG = Sent("charge", {"amount": 5}), Sent("reserve", {"sku": "x"}), Sent("log", {"text": "done"})


def replayed(recorded: Tape, *order: int, lanes: tuple[int, ...] = ()) -> Tape:
    """The replay of a tape which made the recorded calls in another order."""
    made = replay("ok")
    assert made.playback is not None
    calls = tuple(replace(recorded.calls[old], seq=new) for new, old in enumerate(order))
    matched = tuple((new, old, "exact") for new, old in enumerate(order))
    return replace(made, calls=calls, playback=replace(made.playback, answered=len(calls), matched=matched, lanes=lanes))


def judged(came: tuple[int, ...], *sent: Sent, lanes: tuple[int, ...] = (), **rules: Any) -> Judgement:
    """The verdict on the recorded calls made in another order."""
    recorded = tape("ok", *sent)
    return compare(recorded, replayed(recorded, *came, lanes=lanes), Compare(**rules))


def test_outputs_exchanged_by_one_thread_differ() -> None:
    """Each output still got the same arguments, and yet the operation did something else."""
    found = judged((1, 0), CHARGE, RESERVE)
    assert found.verdict is Verdict.DIFFERENT
    (difference,) = found.differences
    assert difference.at == "order"
    assert difference.recorded == "charge(amount=5), then reserve(sku='x')"
    assert difference.replayed == "reserve(sku='x'), then charge(amount=5)"
    assert judged((0, 1), CHARGE, RESERVE).verdict is Verdict.EQUAL


def test_writes_of_presets_count_like_outputs() -> None:
    """An UPDATE that now comes before the INSERT; readings in between don't matter."""
    insert, update = (Sent("db.execute", {"sql": sql}, "act") for sql in ("INSERT INTO a", "UPDATE a SET b"))
    look = Sent("db.execute", {"sql": "SELECT 1"}, "input")
    assert judged((2, 1, 0), insert, look, update).differences[0].at == "order"
    assert judged((1, 0, 2), insert, look, update).verdict is Verdict.EQUAL


def test_what_threads_exchange_is_told_and_no_difference() -> None:
    """Threads come as they come; but where the operation's own exchanged two of its calls, that is one."""
    found = judged((1, 0), CHARGE, RESERVE, lanes=(0, 1))
    assert found.verdict is Verdict.EQUAL
    assert "charge and reserve changed their order" in found.notes[-1]
    assert judged((1, 0), CHARGE, RESERVE, lanes=(0, 1), order="strict").verdict is Verdict.DIFFERENT
    assert judged((2, 1, 0), CHARGE, LOG, RESERVE, lanes=(0, 1, 0)).differences[0].recorded.startswith("charge")


def test_a_pools_thread_may_do_at_replay_what_several_did() -> None:
    """Answers come at once there, so that one takes all the work: in order only if nothing was done at once in production."""
    assert judged((1, 0), CHARGE, RESERVE, lanes=(1, 1)).verdict is Verdict.DIFFERENT
    assert judged((1, 0, 2, 3), CHARGE, RESERVE, CHARGE, RESERVE, lanes=(1, 1, 2, 2)).verdict is Verdict.EQUAL
    look = Sent("look", {"at": 1}, "input")
    recorded = tape("ok", CHARGE, RESERVE, look, look)
    calls = (*recorded.calls[:2], replace(recorded.calls[2], duration=5_000), recorded.calls[3])
    at_once = replace(recorded, calls=calls)
    assert compare(at_once, replayed(at_once, 1, 0, 2, 3, lanes=(1, 1, 1, 1))).verdict is Verdict.EQUAL
    assert compare(at_once, replayed(at_once, 1, 0, 2, 3, lanes=(0, 0, 1, 1))).verdict is Verdict.DIFFERENT


def test_calls_that_overlapped_in_production_had_no_order() -> None:
    """A pool's threads made both at once; that one thread makes them at replay, in another order, is an accident too."""
    recorded = tape("ok", CHARGE, RESERVE)
    at_once = replace(recorded, calls=(replace(recorded.calls[0], duration=5_000), recorded.calls[1]))
    assert compare(at_once, replayed(at_once, 1, 0)).verdict is Verdict.EQUAL


@pytest.mark.parametrize(
    "rules",
    [{"order": "any"}, {"ignore": ["outputs.reserve"]}, {"ignore": ["outputs.reserve[*]"]}, {"include": ["outputs.charge"]}],
    ids=["any", "ignored", "each ignored", "not included"],
)
def test_rules_switch_it_off(rules: dict[str, Any]) -> None:
    """As a whole, or for what they leave out."""
    assert judged((1, 0), CHARGE, RESERVE, **rules).verdict is Verdict.EQUAL


def test_a_later_level_decides() -> None:
    """An operation may be strict where the whole config isn't, and the other way round."""
    assert merged(Compare(order="any"), Compare(ignore=["result.x"])).order == "any"
    assert merged(Compare(order="any"), Compare(order="strict")).order == "strict"
    assert merged(Compare(order="strict"), Compare(order="thread")).order == "thread"
