"""`autoplayback report`: the reports of a run anew, of one file or of several that shards of it wrote."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from autoplayback.studio.results import Result, write_lines
from autoplayback.studio.tally import Tally, merged
from tests.cli.conftest import Command
from tests.reports.runs import run


def written(path: Path, found: Iterable[Result], **more: object) -> Path:
    """What `replay --json` leaves of these results."""
    kept, tally = list(found), Tally(by="customer", fail_over={"diverged": 5})
    for result in kept:
        tally.add(result)
    with path.open("w", encoding="utf-8") as stream:
        write_lines(stream, kept, tally.summary(2.0, **more).line())
    return path


@pytest.fixture(scope="module")
def found() -> list[Result]:
    """Two hundred results with times against a base, where they came to their end."""
    rng = random.Random(1)
    made = []
    for result in run(200):
        base = rng.uniform(1, 2)
        times = {"base": base, "head": 1.5 * base}
        made.append(replace(result, more={"base": {"verdict": "equal", "cause": "none", "cpu": times}}))
    return made


def test_shards_are_judged_as_one_run(found: list[Result], tmp_path: Path) -> None:
    """By the groups and thresholds that were asked for; times against the base are put together too."""
    whole = Tally(by="customer", fail_over={"diverged": 5})
    for result in found:
        whole.add(result)
    expected = whole.summary(4.0)
    lines = [json.loads(written(tmp_path / f"{n}.jsonl", found[n::2]).read_text().splitlines()[-1]) for n in range(2)]
    got = merged(found, lines)
    assert (got.verdicts, got.drifts, got.seconds) == (expected.verdicts, expected.drifts, 4.0)
    assert any(drift.group == "customer=acme" for drift in got.drifts)
    assert [speed.verdict for speed in got.speeds] == ["slower"]
    assert got.because == (*expected.because, got.speeds[0].described())
    assert (got.exit, merged([], lines[:0]).exit) == (1, 5)


def test_a_shard_that_could_not_read_its_tapes_keeps_the_whole_from_passing(found: list[Result]) -> None:
    """A damaged segment has no results, and yet didn't pass."""
    equal = [result for result in found if result.verdict.value == "equal"]
    lines = [{"summary": {}, "exit": 0}, {"summary": {}, "exit": 3, "because": ["a.tapes: damaged"]}]
    got = merged([replace(result, metrics=(), more={}) for result in equal], lines)
    assert (got.exit, got.because) == (3, ("a.tapes: damaged",))


def test_the_command_prints_and_writes(command: Command, found: list[Result], tmp_path: Path) -> None:
    """Every report from the lines, with the replay's own exit status."""
    shards = [str(written(tmp_path / f"{n}.jsonl", found[n::2])) for n in range(2)]
    printed = command("report", *shards)
    assert printed.returncode == 1, printed.stderr
    assert printed.stdout.splitlines()[-1].startswith("200 tapes in 4 s: 150 equal")
    assert "degraded  place_order: CPU 1" in printed.stdout
    files = [f"--{name}" for name in ("html", "junit", "markdown", "failures")]
    made = command("report", *shards, *(part for flag in files for part in (flag, str(tmp_path / flag[2:]))))
    assert (made.returncode, made.stdout) == (1, ""), made.stderr
    assert all((tmp_path / flag[2:]).exists() for flag in files)
    missing = command("report", str(tmp_path / "nothing.jsonl"))
    assert missing.returncode == 2
    assert "nothing.jsonl: No such file" in missing.stderr


@pytest.mark.parametrize("how", ["killed", "interrupted"])
@pytest.mark.parametrize("alone", [True, False])
def test_a_run_that_did_not_come_to_its_end_did_not_pass(
    command: Command, found: list[Result], tmp_path: Path, how: str, *, alone: bool
) -> None:
    """A shard that CI killed wrote results that are all equal, and no last line; an interrupted one says what it left."""
    equal = [replace(result, metrics=(), more={}) for result in found if result.verdict.value == "equal"]
    whole = written(tmp_path / "whole.jsonl", equal[1::2])
    broken = written(tmp_path / "broken.jsonl", equal[::2], **({"interrupted": 7} if how == "interrupted" else {}))
    if how == "killed":
        broken.write_text("".join(broken.read_text().splitlines(keepends=True)[:-1]))
    told = command("report", str(broken), *([] if alone else [str(whole)]))
    assert told.returncode == 3
    assert ("broken.jsonl: the run" if how == "killed" else "interrupted: 7 tapes were not replayed") in told.stdout
    assert command("report", str(whole)).returncode == 0
