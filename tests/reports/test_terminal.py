"""A run on the terminal, and piped."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from autoplayback.equalizer import compare
from autoplayback.equalizer.verdict import Reading, Verdict
from autoplayback.reports.groups import Group, Groups
from autoplayback.reports.terminal import described, print_groups, print_run, print_summary
from autoplayback.studio.results import Result, of
from autoplayback.studio.tally import Tally
from tests.equalizer.tapes import replay, tape
from tests.reports.runs import run


def printed(count: int, *, terminal: bool = False, **tally: object) -> tuple[str, int]:
    """What a run prints, and its exit status."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=100, color_system=None)
    summary = print_run(run(count), console, Tally(**tally), total=count)  # type: ignore[arg-type]
    return stream.getvalue(), summary.exit


def test_one_block_a_cause_and_a_line_for_the_run() -> None:
    """Equal failures stand together, the first divergence above its consequences."""
    text, status = printed(80)
    assert status == 1
    assert text.count("diverged  place_order  × 2") == 1
    block = text[text.index("diverged") : text.index("failed  ")]
    assert block.index("is not on the tape") < block.index("asked at orders/checkout.py:42") < block.index("error  was not there")
    assert "autoplayback show 01JD" in block
    assert "80 tapes in " in text.splitlines()[-1]
    assert "8 different" in text.splitlines()[-1]


def test_piped_output_has_neither_progress_nor_colour() -> None:
    """A log file gets text."""
    assert "\x1b" not in printed(40)[0]
    assert "\r" not in printed(40)[0]


def test_a_terminal_gets_progress() -> None:
    """It is drawn while the run goes on."""
    assert "40/40" in printed(40, terminal=True)[0] or "/40" in printed(40, terminal=True)[0]


def test_a_tape_can_not_steer_the_terminal() -> None:
    """Escape sequences and markup stand as text."""
    bad = replace(next(run(1)), operation="[red]x", reason="\x1b]0;owned\x07 [bold]no[/bold]", tape="t")
    stream = io.StringIO()
    print_run([replace(bad, verdict=Verdict.ERROR)], Console(file=stream), Tally())
    assert "\x1b" not in stream.getvalue()
    assert "[red]x" in stream.getvalue()
    assert "[bold]no[/bold]" in stream.getvalue()


@pytest.mark.parametrize(
    "line",
    ["::add-mask::x", "   ::error file=a::b", "##vso[task.setvariable variable=a]b", "see ##[error]x", "##teamcity[x name='a']"],
)
def test_a_tape_gives_a_ci_server_no_commands(line: str) -> None:
    """The output of a tape's process stands in the log of a job, which servers read commands from."""
    bad = replace(next(run(1)), reason=f"it crashed\n{line}\u202egnp", tape="t", verdict=Verdict.ERROR)
    stream = io.StringIO()
    print_run([bad], Console(file=stream, width=500), Tally())
    text = stream.getvalue()
    assert not any(printed.lstrip().startswith("::") for printed in text.splitlines())
    assert not any(mark in text for mark in ("##vso[", "##[", "##teamcity[", "\u202e"))
    assert line.strip().lstrip(":#")[:6].removeprefix("see ##") in text


def test_an_interrupted_run_prints_what_there_is() -> None:
    """Then the interruption goes on."""

    def breaking() -> object:
        yield from run(5)
        raise KeyboardInterrupt

    stream = io.StringIO()
    with pytest.raises(KeyboardInterrupt):
        print_run(breaking(), Console(file=stream), Tally())  # type: ignore[arg-type]
    assert "5 tapes in" in stream.getvalue()


def results(*verdicts: str) -> list[Result]:
    """Results of these verdicts."""
    return [Result(str(number), "o", Verdict(verdict), "") for number, verdict in enumerate(verdicts)]


@pytest.mark.parametrize(
    ("verdicts", "options", "status"),
    [
        (["equal", "fixed", "improved"], {}, 0),
        (["equal", "fixed"], {"strict": True}, 1),
        (["equal", "different"], {}, 1),
        (["equal", "error"], {}, 3),
        (["error", "failed"], {}, 1),
        ([], {}, 5),
        (["degraded", "equal"], {"fail_over": {"degraded": "50%"}}, 0),
        (["degraded", "equal"], {"fail_over": {"degraded": "49%"}}, 1),
        (["different", "different"], {"fail_over": {"different": 1}}, 1),
        (["different"], {"fail_over": {"different": 1}}, 0),
        (["error"], {"fail_over": {"error": 1}}, 0),
        (["fixed", "equal"], {"fail_over": {"fixed": 0}}, 1),
        (["diverged", "different"], {"fail_over": {"different": 5}}, 1),
    ],
)
def test_exit_statuses(verdicts: list[str], options: dict[str, object], status: int) -> None:
    """0 all pass, 1 a regression, 3 only errors, 5 nothing; a suite's thresholds in place of the defaults."""
    tally = Tally(**options)  # type: ignore[arg-type]
    for result in results(*verdicts):
        tally.add(result)
    assert tally.summary().exit == status


def test_rules_that_do_nothing_are_told() -> None:
    """Over the whole run: one that is absent everywhere, one that hides what never varied."""
    tally = Tally()
    for number, result in enumerate(results(*["equal"] * 5, "different")):
        tally.add(
            replace(
                result,
                rules={
                    "ignore: result.gone": "absent",
                    "ignore: result.still": "matched",
                    "ignore: result.t": "varied" if number == 3 else "matched",
                },
            )
        )
    summary = tally.summary()
    assert (summary.unmatched, summary.idle) == (("ignore: result.gone",), ("ignore: result.still",))
    assert "ignore: result.t" in tally.settled


def test_an_all_equal_run_gives_no_reason_to_remove_a_rule() -> None:
    """Over unchanged code nothing varies: who followed such advice would see the next change fail for nothing."""
    tally = Tally()
    for result in results(*["equal"] * 6):
        tally.add(replace(result, rules={"ignore: result.still": "matched"}))
    assert tally.summary().idle == ()


def dearer(*factors: float) -> list[Result]:
    """Results whose cost rose from 1000 by these factors."""
    found = []
    for number, factor in enumerate(factors):
        reading = Reading("result.cost", 1000, 1000 * factor, "lower", 1.0, "0.1%")
        verdict = Verdict.DEGRADED if reading.degraded else Verdict.EQUAL
        found.append(Result(str(number), "plan", verdict, reading.described(), metrics=(reading,)))
    return found


def test_a_drift_of_few_tapes_is_not_called_equal() -> None:
    """Far beyond what is allowed, but of too few tapes to be judged."""
    tally, stream = Tally(), io.StringIO()
    for result in dearer(*[1.0004, 1.0005, 1.0006]):
        tally.add(result)
    print_summary(tally.summary(), Console(file=stream, width=200))
    [line] = [line for line in stream.getvalue().splitlines() if "on average" in line]
    assert line.startswith("too few   plan: result.cost changed by +0.050% on average over 3 tapes")
    assert line.endswith("judged from 8 tapes on)")


def test_degraded_tapes_of_one_group_are_told_by_their_range() -> None:
    """The first one's numbers are true of the first one only; a comparator's sentence is given as the example it is."""
    assert Group.of(*dearer(1.0097, 1.0033, 1.005)).reason == "result.cost +0.33% to +0.97%"
    assert Group.of(*dearer(1.0097)).reason == "result.cost went from 1000 to 1009.7 (+0.97%)"
    asked = [replace(result, reason=f"plan {number} is longer") for number, result in enumerate(dearer(1.1, 1.2))]
    assert Group.of(*asked).reason == "for example: plan 0 is longer"
    stream = io.StringIO()
    groups = Groups(dearer(1.0097, 1.0033, 1.005))
    print_groups(groups, Console(file=stream, width=200))
    assert "degraded  plan  × 3\n  result.cost +0.33% to +0.97%" in stream.getvalue()


def test_long_values_stand_one_above_the_other() -> None:
    """Where they part can be seen; short ones take one line."""
    statement = "SELECT id, total, currency FROM orders JOIN customers USING (customer) WHERE id = {} ORDER BY id LIMIT 100"
    old, new = tape({"sql": statement.format(7), "n": 1}), replay({"sql": statement.format(8), "n": 2})
    lines = described(of(old, new, compare(old, new))).splitlines()
    place = lines.index("  result.sql")
    one, other = lines[place + 1 : place + 3]
    assert (one[:13], other[:13]) == ("    recorded ", "    replayed ")
    assert [a for a, b in zip(one[13:], other[13:], strict=True) if a != b] == ["7"]
    assert "  result.n  recorded 1  replayed 2" in lines
