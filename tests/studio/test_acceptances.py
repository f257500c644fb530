"""What is intended, kept in a file beside the config."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoplayback.config.notations import condition
from autoplayback.config.settings import Compare, Metric
from autoplayback.equalizer import Verdict, compare
from autoplayback.errors import ConfigError
from autoplayback.studio import results
from autoplayback.studio.acceptances import FILE, Acceptance, Acceptances, accepted, matching
from autoplayback.studio.results import Result
from autoplayback.studio.tally import Summary, Tally
from autoplayback.tape.model import Miss
from tests.equalizer.tapes import Raises, replay, tape


def result(recorded: Any, replayed: Any, **rules: Any) -> Result:
    """Of a replay."""
    old, new = tape(recorded, metadata={"customer": "acme"}), replay(replayed)
    return results.of(old, new, compare(old, new, Compare(**rules)))


def entry(found: Result) -> Acceptance:
    """An acceptance that must be possible."""
    made = accepted(found, "prices are rounded up now", "Ann <ann@example.com>", "2026-11-23")
    assert isinstance(made, Acceptance)
    return made


def test_the_same_difference_again_is_equal(tmp_path: Path) -> None:
    """After a way through the file, with who accepted it and why."""
    kept = Acceptances([entry(result({"total": 10.2}, {"total": 11}))])
    kept.save(tmp_path)
    again = Acceptances.load(tmp_path).applied(result({"total": 10.2}, {"total": 11}))
    assert again.verdict is Verdict.EQUAL
    assert again.reason == "accepted by Ann <ann@example.com> on 2026-11-23: prices are rounded up now"
    assert again.line()["accepted"]["verdict"] == "different"


@pytest.mark.parametrize("other", [{"total": 12}, {"total": 11, "new": 1}, {"total": 11.0}, Raises(ValueError("x"))])
def test_another_difference_is_judged_as_ever(other: Any) -> None:
    """Neither another value at the place nor another place was accepted."""
    kept = Acceptances([entry(result({"total": 10.2}, {"total": 11}))])
    assert kept.applied(result({"total": 10.2}, other)).verdict is not Verdict.EQUAL


def test_what_is_new_beside_what_was_accepted_stands_alone_and_can_be_accepted_too() -> None:
    """The earlier difference would only be in its way; accepted with it, the earlier one stays accepted, with its reason."""
    kept = Acceptances([entry(result({"total": 10.2, "tax": 1}, {"total": 11, "tax": 1}))])
    both = result({"total": 10.2, "tax": 1}, {"total": 11, "tax": 2})
    shown = kept.applied(both)
    assert shown.verdict is Verdict.DIFFERENT
    assert [difference.at for difference in shown.differences] == ["result.tax"]
    assert shown.reason == "result.tax: recorded 1, replayed 2"
    assert shown.notes[-1].startswith("beside what was accepted by Ann <ann@example.com> on 2026-11-23")
    assert shown.notes[-1].endswith("result.total")
    again = accepted(results.parsed(shown.line()), "taxes too", "Bob", "2026-11-27")
    assert isinstance(again, Acceptance)
    kept.add(again)
    found = kept.applied(both)
    assert found.verdict is Verdict.EQUAL
    assert found.reason == "accepted by Bob on 2026-11-27: prices are rounded up now; taxes too"


def test_long_values_are_told_apart_beyond_what_is_shown() -> None:
    """The digest is of the whole value."""
    kept = Acceptances([entry(result("a", "b" * 5000 + "x"))])
    assert kept.applied(result("a", "b" * 5000 + "x")).verdict is Verdict.EQUAL
    assert kept.applied(result("a", "b" * 5000 + "y")).verdict is Verdict.DIFFERENT


def test_an_accepted_difference_that_vanishes_is_told() -> None:
    """The entry can be deleted."""
    kept = Acceptances([entry(result({"total": 10.2}, {"total": 11}))])
    back = kept.applied(result({"total": 10.2}, {"total": 10.2}))
    assert back.verdict is Verdict.EQUAL
    assert back.more["vanished"] == ["result.total"]
    assert "no longer different" in back.notes[0]


def test_an_accepted_metric_may_not_get_worse_again() -> None:
    """The new cost is the one to hold."""
    rules = {"metrics": {"result.cost": Metric(better="lower", tolerance="1%")}}
    kept = Acceptances([entry(result({"cost": 100.0}, {"cost": 105.0}, **rules))])
    assert kept.applied(result({"cost": 100.0}, {"cost": 105.5}, **rules)).verdict is Verdict.EQUAL
    assert kept.applied(result({"cost": 100.0}, {"cost": 108.0}, **rules)).verdict is Verdict.DEGRADED


def test_a_run_of_accepted_metrics_passes_and_tells_when_they_are_back() -> None:
    """The mean over the run starts from the accepted value; at the recorded one again, the entry can be deleted."""
    rules = {"metrics": {"result.cost": Metric(better="lower", tolerance="1%")}}

    def run(cost: float) -> Summary:
        tally = Tally()
        for number in range(10):
            found = replace(result({"cost": 100.0}, {"cost": cost}, **rules), tape=f"T{number}")
            tally.add(kept.applied(found))
        return tally.summary()

    dearer = result({"cost": 100.0}, {"cost": 105.0}, **rules)
    kept = Acceptances()
    assert run(105.0).exit == 1
    for number in range(10):
        kept.add(entry(replace(dearer, tape=f"T{number}")))
    accepted_run, dearer_again, back = run(105.0), run(105.5), run(100.0)
    assert (accepted_run.exit, accepted_run.because, accepted_run.vanished) == (0, (), ())
    assert dearer_again.exit == 1
    assert len(back.vanished) == 10


def test_an_accepted_failure_is_of_that_error() -> None:
    """A new refusal was intended; a crash wasn't."""
    kept = Acceptances([entry(result(1, Raises(ValueError("too large"))))])
    assert kept.applied(result(1, Raises(ValueError("too large")))).verdict is Verdict.EQUAL
    assert kept.applied(result(1, Raises(KeyError("x")))).verdict is Verdict.FAILED


def test_what_has_no_answer_can_not_be_accepted() -> None:
    """A divergence has to be declared; a cut list of differences isn't known in full."""
    old, new = tape(1), replay(1, misses=[Miss("unanswered", "f", "f() is not on the tape")])
    assert "declare" in str(accepted(results.of(old, new, compare(old, new)), "r", "a", "d"))
    assert "more differences" in str(accepted(result(list(range(500)), list(range(1000, 1500))), "r", "a", "d"))
    kept = Acceptances([entry(result({"total": 10.2}, {"total": 11}))])
    assert kept.applied(results.of(old, new, compare(old, new))).verdict is Verdict.DIVERGED


def test_results_are_chosen_by_conditions() -> None:
    """As tapes are."""
    found = result(1, 2)
    for text, chosen in (
        ("customer=acme", 1),
        ("customer=globex", 0),
        ("verdict=different", 1),
        ("operation~place*", 1),
        ("tape=01jd", 1),
    ):
        assert len(list(matching([found], [condition(text)]))) == chosen, text


@pytest.mark.parametrize("text", ["accepted: 1", "[]", "accepted: [1]", "accepted: [{tape: x, metrics: {a: b}}]", "{", "a: b"])
def test_a_broken_file_is_named(text: str, tmp_path: Path) -> None:
    """It was merged by hand, perhaps."""
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ConfigError, match=r"autoplayback\.accepted\.yaml"):
        Acceptances.load(tmp_path)
