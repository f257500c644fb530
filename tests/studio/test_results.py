"""What is shown of one tape, and what failures have in common."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoplayback.equalizer import compare
from autoplayback.reports.groups import Groups
from autoplayback.studio import results
from autoplayback.tape.model import Miss
from tests.equalizer.tapes import Sent, replay, tape


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
