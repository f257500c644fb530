"""What is shown of one tape, and what failures have in common."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoplayback.config.settings import Compare, Metric
from autoplayback.equalizer import compare
from autoplayback.reports.groups import Groups
from autoplayback.studio import results
from autoplayback.tape.model import Miss
from tests.equalizer.tapes import Raises, Sent, replay, tape


@pytest.mark.parametrize("turned", [False, True])
def test_an_output_may_be_named_like_the_beginning_of_another(turned: bool) -> None:
    """A connection and its statements, both outputs: one hangs below the other in the tree."""
    names = ("db.connect", "db.connect.execute", "db.connect.execute.x")
    calls = [Sent(name, {"sql": "insert"}) for name in names]
    if turned:
        calls.reverse()
    changed = [replace(call, args={"sql": "update"}) for call in calls]
    old, new = tape(1, *calls), replay(1, *changed)
    found = results.of(old, new, compare(old, new))
    assert len(found.differences) == 3
    assert found.detail is not None
    assert found.detail["tree"]
    assert found.detail["timeline"]


def test_misses_at_different_lines_are_different_causes() -> None:
    """Statements all go through one method: each place in the service that asks is a cause of its own."""

    def missed(number: int, site: str) -> results.Result:
        miss = Miss("unanswered", "cursor.execute", "cursor.execute(...) is not on the tape", site, at=1)
        old, new = tape(1, id=f"T{number}"), replay(1, misses=[miss])
        return results.of(old, new, compare(old, new))

    groups = Groups([missed(1, "views.py:4 in vote"), missed(2, "views.py:4 in vote"), missed(3, "views.py:9 in create")])
    assert [group.tapes for group in groups.listed()] == [["T1", "T2"], ["T3"]]


def raised(number: int, error: Exception, site: str = "") -> results.Result:
    """A tape that returned, and raises at replay."""
    old, new = tape({"id": number}, id=f"T{number}"), replay(Raises(error))
    assert new.playback is not None
    new = replace(new, playback=replace(new.playback, raised=site))
    return results.of(old, new, compare(old, new))


def test_one_exception_with_each_tapes_own_values_is_one_cause() -> None:
    """The key that was missing differs, the line doesn't; another line is another cause."""
    groups = Groups(
        [
            raised(1, KeyError("sku-1"), "cart.py:7 in total"),
            raised(2, KeyError("sku-2"), "cart.py:7 in total"),
            raised(3, KeyError("sku-3"), "cart.py:9 in total"),
            raised(4, TimeoutError("after 30 s")),
            raised(5, TimeoutError("after 45 s")),
            raised(6, KeyError("x"), "web.py:4 in total (KeyError)"),
            raised(7, KeyError("y"), "web.py:4 in total (KeyError)"),
            raised(8, KeyError("x"), "web.py:5 in total (KeyError)"),
        ]
    )
    assert sorted(group.tapes for group in groups.listed()) == [["T1", "T2"], ["T3"], ["T4", "T5"], ["T6", "T7"], ["T8"]]


def test_fixed_says_what_was_raised_and_what_is_returned() -> None:
    """An exception may have been an answer: whoever reads it decides."""
    found = []
    for number in (1, 2):
        old = tape(Raises(PermissionError(f"order {number} is not yours")), id=f"T{number}")
        new = replay({"id": number, "items": ["a"]})
        found.append(results.of(old, new, compare(old, new)))
    assert found[0].reason == (
        "recorded: raised PermissionError: order 1 is not yours; replayed: returned {\"id\": 1, \"items\": [\"a\"]}"
    )
    assert [group.count for group in Groups(found).listed()] == [2]


def test_the_tree_shows_what_each_side_really_has() -> None:
    """A metric, and what counts as equal though it isn't the same, stand there with both values."""
    rules = Compare(
        metrics={"result.cost": Metric(better="lower", tolerance="1%")}, normalize=["uuids"], ignore=["result.trace"]
    )
    ids = ["6f9619ff-8b86-d011-b42d-00c04fc964ff", "0e984725-c51c-4bf4-9960-e1c80e27aba0"]
    old, new = (
        tape({"cost": 100.0, "id": ids[0], "trace": 1, "total": 5}),
        replay({"cost": 100.5, "id": ids[1], "trace": 2, "total": 6}),
    )
    found = results.of(old, new, compare(old, new, rules)).detail
    assert found is not None
    [[_, _, _, _, fields]] = found["tree"]
    assert [field[:4] for field in fields] == [
        ["cost", "≈", 100.0, "100.5 (a metric)"],
        ["id", "≐", ids[0], ids[1]],
        ["trace", "≈", 1, "ignore: result.trace"],
        ["total", "~", 5, 6],
    ]
