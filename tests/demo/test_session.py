"""The README's first command, as a new user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter

import pytest


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo's folder, what it printed, and how long it took."""
    folder = tmp_path_factory.mktemp("demo")
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "autoplayback.cli", "demo"], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "autoplayback-demo", done.stdout, time.monotonic() - started


def test_it_shows_one_tape_of_each_verdict_and_explains_it(demo):
    """Equal, fixed, different and diverged, with what differs and the command to look closer."""
    folder, printed, _ = demo
    results = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    verdicts = Counter(result["verdict"] for result in results if "tape" in result)
    assert {**verdicts, "equal": 0} == {"equal": 0, "fixed": 1, "different": 1, "diverged": 1}
    assert verdicts["equal"] == 26
    for word in (
        "fixed  GET /product",
        "different  POST /order",
        "result.body.total: 42.5 -> 40.38",
        "diverged  GET /orders",
        "closer: autoplayback show",
        "--debug",
    ):
        assert word in printed


def test_the_folder_can_be_played_with(demo):
    """The commands it names work there, and the unchanged service replays equal."""
    folder, _, _ = demo

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "autoplayback.cli", *arguments], cwd=folder, capture_output=True, text=True, timeout=120
        )

    assert run("replay", "--workdir", "before").returncode == 0
    assert run("replay", "--workdir", "after", "--last-failed").returncode in (1, 5)
    assert run("replay", "--workdir", "after").returncode == 1
    listed = run("list", "--json", "--where", "path=/orders")
    tape = json.loads(listed.stdout.splitlines()[0])["tape"]
    shown = run("show", tape)
    assert "sqlite3.connect" in shown.stdout
    assert run("replay", tape, "--workdir", "after").returncode == 1


def test_it_is_done_within_half_a_minute(demo):
    """A promise of the README; ten times what it takes."""
    assert demo[2] < 30


def test_a_second_demo_leaves_the_first_alone(tmp_path):
    """It lies beside it, under another name."""
    from autoplayback.demo import session

    first, second = session.lay(tmp_path / "demo"), session.lay(tmp_path / "demo")
    assert first != second
    assert (first / "shop.db").exists()
    assert (second / "shop.db").exists()


def test_a_recorded_shell_does_not_confuse_it(tmp_path):
    """AUTOPLAYBACK=record may be exported where somebody tries the demo."""
    done = subprocess.run(
        [sys.executable, "-m", "autoplayback.cli", "demo", "x"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "AUTOPLAYBACK": "record"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
