"""The verdict on two tapes: what wins over what, and on which evidence."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import pytest

from autoplayback.config.settings import Compare, Metric, Tolerance
from autoplayback.equalizer import Judgement, Verdict, compare
from autoplayback.equalizer.rules import merged
from autoplayback.tape.model import Miss
from tests.equalizer.tapes import Raises, Sent, replay, tape


def judged(recorded: Any, replayed: Any, **rules: Any) -> Judgement:
    """Two results under rules."""
    return compare(tape(recorded), replay(replayed), Compare(**rules))


def places(judgement: Judgement) -> list[str]:
    """Where they differ."""
    return [difference.at for difference in judgement.differences]


def test_equal_results_are_equal_and_say_what_they_rest_on() -> None:
    """The reason names the answers which came from the tape."""
    sent = Sent("mail.send", {"to": "a"})
    judgement = compare(tape({"a": [1, 2]}, sent), replay({"a": [1, 2]}, sent))
    assert judgement.verdict is Verdict.EQUAL
    assert judgement.reason == "outcome and 1 output equal; 1 answer from the tape"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, 1.0),
        (0, False),
        ("1", 1),
        ((1,), [1]),
        ({1}, frozenset({1})),
        (Decimal(1), 1),
        ({1: "a"}, {True: "a"}),
        (b"a", "a"),
        ([1], [1.0]),
        (None, 0),
    ],
)
def test_values_of_another_type_differ(one: Any, other: Any) -> None:
    """Python's `==` calls most of these equal; a caller that serialises them doesn't."""
    assert judged(one, other).verdict is Verdict.DIFFERENT


def test_nan_is_equal_to_itself() -> None:
    """A result that is NaN on both sides hasn't changed."""
    assert judged({"x": [math.nan, 1]}, {"x": [math.nan, 1]}).verdict is Verdict.EQUAL
    assert judged({"x": math.nan, "y": 1}, {"y": 1, "x": math.nan}).verdict is Verdict.EQUAL


def test_without_a_proof_nothing_passes() -> None:
    """A replay that can't say where its answers came from isn't a pass, however equal it looks."""
    assert compare(tape(1), tape(1)).verdict is Verdict.ERROR


def test_an_operation_that_never_ran_is_no_pass() -> None:
    """Equal outcomes prove nothing when the code wasn't entered."""
    assert compare(tape(1), replay(1, ran=False)).verdict is Verdict.ERROR


def test_a_miss_stands_above_the_difference_it_causes() -> None:
    """The verdict and the reason are the miss; the difference is still told."""
    miss = Miss("unanswered", "repo.load", "repo.load(2) is not on the tape", "orders.py:4 in place")
    judgement = compare(tape(1), replay(2, misses=[miss]))
    assert judgement.verdict is Verdict.DIVERGED
    assert judgement.reason == "repo.load(2) is not on the tape at orders.py:4 in place"
    assert places(judgement) == ["result"]


def test_a_swallowed_miss_is_no_pass() -> None:
    """The outcome is equal, as the service caught what the player raised."""
    assert compare(tape(1), replay(1, misses=[Miss("undeclared", "open", "open('/etc/x')")])).verdict is Verdict.DIVERGED


def test_raising_where_it_returned_is_failed() -> None:
    """And the other way round fixed."""
    assert judged(1, Raises(ValueError("x"))).verdict is Verdict.FAILED
    assert judged(Raises(ValueError("x")), 1).verdict is Verdict.FIXED


def test_errors_are_compared_by_type_and_arguments() -> None:
    """Not by traceback, which changes with every line added above."""
    assert judged(Raises(ValueError("x", 1)), Raises(ValueError("x", 1))).verdict is Verdict.EQUAL
    assert places(judged(Raises(ValueError("x")), Raises(ValueError("y")))) == ["error.args[0]"]
    assert places(judged(Raises(ValueError("x")), Raises(KeyError("x")))) == ["error.type"]


def test_fixed_does_not_excuse_a_changed_output() -> None:
    """What was sent before the recorded crash, and is sent differently now, is a difference."""
    recorded = tape(Raises(ValueError("x")), Sent("mail.send", {"to": "a"}))
    assert compare(recorded, replay(1, Sent("mail.send", {"to": "b"}))).verdict is Verdict.DIFFERENT
    assert compare(recorded, replay(1, Sent("mail.send", {"to": "a"}))).verdict is Verdict.FIXED
    assert compare(recorded, replay(1)).verdict is Verdict.DIFFERENT


def test_a_missing_and_an_extra_output_are_differences() -> None:
    """Each is named with its place in that output's calls."""
    a, b, c = (Sent("mail.send", {"to": to}) for to in "abc")
    assert [(d.at, d.kind) for d in compare(tape(1, a, b, c), replay(1, a, c)).differences] == [
        ("outputs.mail.send[1]", "missing")
    ]
    assert [(d.at, d.kind) for d in compare(tape(1, a, c), replay(1, a, b, c)).differences] == [("outputs.mail.send[1]", "extra")]


def test_outputs_are_compared_by_the_names_of_their_parameters() -> None:
    """A rule may leave the call's index out."""
    one, other = Sent("mail.send", {"to": "a", "sent_at": 1}), Sent("mail.send", {"to": "a", "sent_at": 2})
    assert places(compare(tape(1, one), replay(1, other))) == ["outputs.mail.send[0].args.sent_at"]
    rules = Compare(ignore=["outputs.mail.send.args.sent_at"])
    assert compare(tape(1, one), replay(1, other), rules).verdict is Verdict.EQUAL


def test_unused_answers_are_told_and_strict_calls_judge_them() -> None:
    """Asking less is no regression, unless the config says so."""
    load = Sent("repo.load", {"id": 1}, "input")
    recorded, replayed = tape(1, load, load), replay(1, load, unused=1)
    judgement = compare(recorded, replayed)
    assert judgement.verdict is Verdict.EQUAL
    assert judgement.counts == {"repo.load": (2, 1)}
    assert judgement.notes == ("1 recorded call was not asked for",)
    assert places(compare(recorded, replayed, Compare(calls="strict"))) == ["calls.repo.load"]


def response(status: int, body: bytes = b"", **headers: str) -> dict[str, Any]:
    """As WSGI and ASGI tapes have it."""
    return {
        "status": status,
        "reason": "",
        "headers": {k.replace("_", "-"): v for k, v in headers.items()},
        "body": body,
        "chunks": 1,
    }


def test_a_server_error_counts_as_raising() -> None:
    """A web framework turns exceptions into a 500 before the recorder sees them."""
    ok, bad = response(200, b"ok"), response(500, b"no")
    assert compare(tape(bad, shape="wsgi"), replay(ok, shape="wsgi")).verdict is Verdict.FIXED
    assert compare(tape(ok, shape="wsgi"), replay(bad, shape="wsgi")).verdict is Verdict.FAILED
    assert compare(tape(ok, shape="wsgi"), replay(response(404, b"ok"), shape="wsgi")).verdict is Verdict.DIFFERENT


def test_a_json_body_is_compared_by_structure() -> None:
    """Formatting, key order and chunking aren't the contract; a price is."""
    one = response(200, b'{"items": [{"price": 1}], "n": 1}', content_type="application/json", content_length="33")
    other = response(200, b'{"n":1,"items":[{"price":1}]}', content_type="application/json", content_length="29") | {"chunks": 3}
    dearer = response(200, b'{"n":1,"items":[{"price":2}]}', content_type="application/json", content_length="29")
    assert compare(tape(one, shape="wsgi"), replay(other, shape="wsgi")).verdict is Verdict.EQUAL
    assert places(compare(tape(one, shape="wsgi"), replay(dearer, shape="wsgi"))) == ["result.body.items[0].price"]


def test_the_length_of_a_response_without_a_body_is_compared() -> None:
    """Of a HEAD request it is all there is."""
    one, other = response(200, content_length="10"), response(200, content_length="11")
    assert places(compare(tape(one, shape="wsgi"), replay(other, shape="wsgi"))) == ["result.headers.content-length"]


def test_a_metric_beyond_its_tolerance_degrades_or_improves() -> None:
    """Within it, the tape is equal though the number changed."""
    rules = {"metrics": {"result.cost": Metric(better="lower", tolerance="0.5%")}}
    verdicts = [judged({"cost": 200.0}, {"cost": cost}, **rules).verdict for cost in (200.9, 201.1, 198.9)]
    assert verdicts == [Verdict.EQUAL, Verdict.DEGRADED, Verdict.IMPROVED]


def test_a_number_that_two_rules_mean_is_read_once_by_the_last() -> None:
    """Read twice it would count as two tapes. A suite goes before an operation, an operation before what is said for all."""
    everywhere = Compare(metrics={"**.cost": Metric(better="lower", tolerance="9%"), "result.cost": Metric(better="lower")})
    operation = Compare(metrics={"result.cost": Metric(better="lower", tolerance="5%")})
    suite = Compare(metrics={"**.cost": Metric(better="lower", tolerance="0.5%")})
    for levels, allowed in (((everywhere, operation), 10.0), ((operation, suite), 1.0), ((everywhere, operation, suite), 1.0)):
        judgement = compare(tape({"cost": 200.0}), replay({"cost": 202.0}), merged(*levels))
        assert [(reading.path, reading.allowed) for reading in judgement.metrics] == [("result.cost", allowed)]


def test_a_tolerance_of_a_suite_goes_before_an_operations() -> None:
    """Also where the path stood there for all before."""
    levels = [
        Compare(tolerance={"**.n": Tolerance(abs=1.0)}),
        Compare(tolerance={"result.n": Tolerance(abs=1.0)}),
        Compare(tolerance={"**.n": Tolerance(abs=5.0)}),
    ]
    assert compare(tape({"n": 1.0}), replay({"n": 5.0}), merged(*levels)).verdict is Verdict.EQUAL


def test_a_difference_weighs_more_than_a_better_metric() -> None:
    """Cheaper but wrong is wrong."""
    rules = {"metrics": {"result.cost": Metric(better="lower")}}
    assert judged({"cost": 2.0, "n": 1}, {"cost": 1.0, "n": 2}, **rules).verdict is Verdict.DIFFERENT


@pytest.mark.parametrize("other", [{}, {"cost": None}, {"cost": math.nan}, {"cost": "2"}])
def test_a_metric_that_is_gone_is_a_difference(other: dict[str, Any]) -> None:
    """A number that became nothing can't be called better or worse."""
    rules = {"metrics": {"result.cost": Metric(better="lower", tolerance=10.0)}}
    assert judged({"cost": 2.0}, other, **rules).verdict is Verdict.DIFFERENT


def test_rules_say_what_they_did() -> None:
    """`varied` hid something, `matched` had nothing to hide, `absent` names no place at all."""
    rules = Compare(ignore=["result.a", "result.b", "result.zz"], tolerance={"result.c": Tolerance(abs=1)})
    judgement = compare(tape({"a": 1, "b": 1, "c": 1}), replay({"a": 2, "b": 1, "c": 1.5}), rules)
    assert judgement.rules == {
        "ignore: result.a": "varied",
        "ignore: result.b": "matched",
        "ignore: result.zz": "absent",
        "tolerance: result.c": "varied",
    }


def test_rules_reach_into_json_text() -> None:
    """A rule of a body's field is found there, and works there."""
    judgement = judged({"body": '{"id": 1, "x": 1}'}, {"body": '{"id": 2, "x": 1}'}, ignore=["result.body.id"])
    assert (judgement.verdict, judgement.rules) == (Verdict.EQUAL, {"ignore: result.body.id": "varied"})


def test_differences_are_bounded() -> None:
    """A result that is wholly different tells so without being listed in full."""
    judgement = judged(list(range(5000)), list(range(10_000, 15_000)))
    assert len(judgement.differences) == 100
    assert judgement.truncated


def test_large_lists_are_compared_in_time() -> None:
    """A bound far above what is needed, so that only a change of complexity fails here."""
    rows: list[dict[str, Any]] = [{"id": i, "name": f"n{i}", "price": i * 1.5} for i in range(20_000)]
    changed = [dict(row) for row in rows]
    for i in (5, 100, 7777, 15_000, 19_999):
        changed[i]["price"] += 1
    began = time.process_time()
    judgement = judged(rows, changed)
    assert time.process_time() - began < 3
    assert places(judgement) == [f"result[{i}].price" for i in (5, 100, 7777, 15_000, 19_999)]


def test_deep_and_hostile_results_end() -> None:
    """Nests deeper than Python's stack are compared, or refused with a verdict."""

    def nest(leaf: int) -> Any:
        value: Any = leaf
        for _ in range(20_000):
            value = [value]
        return value

    assert judged(nest(1), nest(2)).verdict in (Verdict.DIFFERENT, Verdict.ERROR)
    assert judged(nest(1), nest(1)).verdict is Verdict.EQUAL
    assert judged(nest(1), nest(2), ignore=["**.password"]).verdict in (Verdict.DIFFERENT, Verdict.ERROR)
    assert judged([0, 1] * 20_000, [1, 0, 0] * 15_000).verdict is Verdict.DIFFERENT


SECOND = 1_000_000_000


def at(when: int, value: Any, began: int, **rules: Any) -> Judgement:
    """A result recorded at `when` against one replayed at `began`; both operations took a second."""
    recorded = replace(tape(value(when)), started=when, duration=SECOND)
    replayed = replay(value(began + 1))
    assert replayed.playback is not None
    return compare(
        recorded, replace(replayed, playback=replace(replayed.playback, began=began, ended=began + SECOND)), Compare(**rules)
    )


def iso(ns: int) -> str:
    """As most services write it."""
    return datetime.fromtimestamp(ns / 1e9, UTC).isoformat()


def http(ns: int) -> str:
    """As a cookie has it."""
    return format_datetime(datetime.fromtimestamp(ns // SECOND, UTC), usegmt=True)


NOW = 1_795_453_835_000_000_000


@pytest.mark.parametrize(
    "value",
    [
        lambda ns: datetime.fromtimestamp(ns / 1e9, UTC),
        lambda ns: datetime.fromtimestamp(ns / 1e9),
        iso,
        lambda ns: {"body": json.dumps({"created_at": iso(ns)})},
        lambda ns: ns / 1e9,
        lambda ns: ns // 1_000_000,
        lambda ns: f"Order placed {iso(ns)}, thank you",
        lambda ns: [{"n": i, "at": iso(ns + i)} for i in range(3)],
    ],
)
def test_each_runs_own_now_is_equal(value: Any) -> None:
    """In whatever way it is written, and counted; unless the config wants it exact."""
    judgement = at(NOW, value, NOW + 250_000_000)
    assert judgement.verdict is Verdict.EQUAL
    assert judgement.clock >= 1
    assert at(NOW, value, NOW + 250_000_000, clock="exact").verdict is Verdict.DIFFERENT


@pytest.mark.parametrize(
    ("recorded", "replayed"),
    [
        (iso(NOW - 3600 * SECOND), iso(NOW - 3000 * SECOND)),
        (iso(NOW), iso(NOW + 3600 * SECOND)),
        (NOW // SECOND, NOW / SECOND + 0.25),
        (iso(NOW), iso(NOW + 1000).replace("+00:00", "Z")),
        (datetime.fromtimestamp(NOW / 1e9, UTC), datetime.fromtimestamp(NOW / 1e9 + 0.25, UTC).replace(tzinfo=None)),
        (1, 2),
    ],
)
def test_other_times_are_compared_as_they_are(recorded: Any, replayed: Any) -> None:
    """One outside its operation, in another unit or another notation has changed."""
    both = {NOW: recorded, NOW + 1: replayed}
    assert at(NOW, both.__getitem__, NOW).verdict is Verdict.DIFFERENT


DAY = 24 * 3600 * SECOND


@pytest.mark.parametrize(
    "value",
    [
        lambda ns: datetime.fromtimestamp(ns / 1e9, UTC) + timedelta(days=14),
        lambda ns: datetime.fromtimestamp(ns / 1e9) + timedelta(days=90),
        lambda ns: iso(ns + 14 * DAY),
        lambda ns: datetime.fromtimestamp(ns / 1e9 - 30 * 24 * 3600).isoformat(),
        lambda ns: {"exp": (ns + 3600 * SECOND) / 1e9},
        lambda ns: (ns + 3600 * SECOND) // 1_000_000,
        lambda ns: f"session=x; expires={http(ns + 1800 * SECOND + 900_000_000)}; path=/",
    ],
    ids=["datetime", "local", "iso", "local iso", "seconds", "milliseconds", "cookie"],
)
def test_a_time_at_a_distance_from_each_runs_own_now_is_equal(value: Any) -> None:
    """An expiry needs no rule, and is counted; but a distance that has changed is a difference."""
    judgement = at(NOW, value, NOW + 250_000_000)
    assert judgement.verdict is Verdict.EQUAL
    assert judgement.clock >= 1
    assert at(NOW, value, NOW + 250_000_000, clock="exact").verdict is Verdict.DIFFERENT
    for change in (2 * SECOND, 60 * SECOND, DAY):
        both = {NOW: value(NOW), NOW + 1: value(NOW + change)}
        assert at(NOW, both.__getitem__, NOW).verdict is Verdict.DIFFERENT


@pytest.mark.parametrize(
    ("recorded", "replayed"),
    [
        (iso(NOW + 14 * DAY + 7 * SECOND), iso(NOW + 14 * DAY + 7 * SECOND + 1000)),
        ((NOW + 500 * DAY) // SECOND, (NOW + 500 * DAY) // SECOND + 1),
        (iso(NOW + 14 * DAY), datetime.fromtimestamp(NOW / 1e9, UTC) + timedelta(days=14)),
    ],
    ids=["at no whole minutes", "a number far from now", "in another way"],
)
def test_a_time_from_elsewhere_is_no_distance_from_now(recorded: Any, replayed: Any) -> None:
    """Nor is one which is written in another way."""
    both = {NOW: recorded, NOW + 1: replayed}
    assert at(NOW, both.__getitem__, NOW).verdict is Verdict.DIFFERENT


def test_of_a_long_operation_only_its_own_now_is_equal() -> None:
    """Its span would hide too much."""
    recorded = replace(tape(iso(NOW + DAY), duration=2 * SECOND), started=NOW)
    later = replay(iso(NOW + DAY + SECOND), duration=2 * SECOND)
    assert later.playback is not None
    later = replace(later, playback=replace(later.playback, began=NOW, ended=NOW + 2 * SECOND))
    assert compare(recorded, later).verdict is Verdict.DIFFERENT


def test_a_metric_is_no_difference_of_its_own_where_one_side_raised() -> None:
    """That it raised is one; and a repair is a repair though a number came with it."""
    rules = Compare(metrics={"result.cost": Metric(better="lower")})
    failed = compare(tape({"cost": 5}), replay(Raises(ValueError("x"))), rules)
    assert (failed.verdict, places(failed)) == (Verdict.FAILED, ["error"])
    fixed = compare(tape(Raises(ValueError("x"))), replay({"cost": 5}), rules)
    assert (fixed.verdict, places(fixed)) == (Verdict.FIXED, ["error"])
