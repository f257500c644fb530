"""`--base`: whose change is it, and is it slower?"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autoplayback.studio.speed import parsed, speed
from tests.player.service import Service

CODE = """
import os
def load(key): return key
def send(value): pass
def operation(key):
    total = 0
    for number in range(ROUNDS): total += number
    return {"key": load(key), "kind": KIND, "noise": NOISE()}
ROUNDS = 1000
KIND = "recorded"
def NOISE(): return 0
"""
NOISY = "def NOISE(): return os.stat('/proc/self').st_mtime_ns + os.getpid()"


def commit(service: Service, message: str) -> None:
    for command in (["init", "-q"], ["add", "svc.py", "autoplayback.yaml"],
                    ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", message]):  # fmt: skip
        subprocess.run(["git", *command], cwd=service.folder, check=True)


@pytest.fixture
def service(tmp_path: Path) -> Service:
    made = Service(tmp_path, CODE)
    made.record("import svc\nfor key in range(3): svc.operation(key)")
    return made


def against(service: Service, *arguments: str) -> tuple[int, list[dict[str, Any]], dict[str, Any]]:
    done = service.run(sys.executable, "-m", "autoplayback.cli", "replay", "--json", "-", *arguments)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines, done.stderr
    return done.returncode, lines[:-1], lines[-1]


@pytest.mark.parametrize(("base", "head", "verdict", "cause", "status"), [
    ({}, {}, "equal", "none", 0),
    ({}, {'"recorded"': '"changed"'}, "different", "code", 1),
    ({'"recorded"': '"moved"'}, {'"recorded"': '"moved"'}, "equal", "environment", 0),
    ({'"recorded"': '"moved"'}, {'"recorded"': '"changed"'}, "different", "both", 1),
    ({"def NOISE(): return 0": NOISY}, {"def NOISE(): return 0": NOISY}, "equal", "environment", 0),
    ({"load(key),": "load(-1),"}, {"load(key),": "load(-1),"}, "diverged", "environment", 1),
])  # fmt: skip
def test_three_ways(service: Service, base: dict[str, str], head: dict[str, str], verdict: str, cause: str, status: int) -> None:
    """What tape, base and head say together names the cause."""

    def changed(by: dict[str, str]) -> str:
        text = CODE
        for old, new in by.items():
            text = text.replace(old, new)
        return text

    service.code(changed(base))
    commit(service, "base")
    service.code(changed(head))
    code, results, _ = against(service, "--base", "HEAD")
    assert [(result["verdict"], result["base"]["cause"]) for result in results] == [(verdict, cause)] * 3, results
    assert code == status
    if NOISY in base.values():
        assert all(any("noise: result.noise" in note for note in result["notes"]) for result in results)
    left = subprocess.run(["git", "worktree", "list"], cwd=service.folder, capture_output=True, text=True).stdout.splitlines()
    assert len(left) == 1


def test_times_are_told_with_their_interval(service: Service, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A slower head is `degraded` only where the interval clears the tolerance; the base may be a folder."""
    base = tmp_path_factory.mktemp("base")
    (base / "svc.py").write_text(CODE)
    service.code(CODE.replace("ROUNDS = 1000", "ROUNDS = 1_000_000"))
    code, results, summary = against(service, "--base", str(base), "--repeat", "3")
    assert [result["verdict"] for result in results] == ["equal"] * 3
    [told] = summary["cpu"]
    assert told["degraded"]
    assert told["interval"][0] > 0.05
    assert code == 1


def test_unknown_bases_are_usage_errors(service: Service) -> None:
    """Neither a folder nor a revision."""
    assert service.run(sys.executable, "-m", "autoplayback.cli", "replay", "--base", "nowhere").returncode == 2
    assert service.run(sys.executable, "-m", "autoplayback.cli", "replay", "--repeat", "3").returncode == 2


def test_speed_is_careful() -> None:
    """Noise alone is no degradation, one tape proves nothing, and a steady tenth more is seen."""
    rng = random.Random(1)
    noisy = [(rng.uniform(1, 2), rng.uniform(1, 2)) for _ in range(50)]
    assert not speed("op", noisy).degraded
    assert not speed("op", [(1.0, 9.0)]).degraded
    steady = [(base, base * rng.uniform(1.08, 1.12)) for base, _ in noisy]
    found = speed("op", steady)
    assert found.degraded
    assert found.low < 0.1 < found.high + 0.01
    assert [speed("op", pairs).verdict for pairs in ([(1.0, 9.0)], noisy, steady, [(h, b) for b, h in steady])] == [
        "unsure", "unsure", "slower", "faster",
    ]  # fmt: skip
    assert speed("op", [(base, base * rng.uniform(0.99, 1.01)) for base, _ in noisy]).verdict == "alike"


@pytest.mark.parametrize("pairs", [[(1.0, 9.0)], [(1.0, 1.1), (2.0, 2.3), (1.5, 1.6)]])
def test_speeds_are_json(pairs: list[tuple[float, float]]) -> None:
    """An interval without end too: browsers read no `Infinity`."""
    told = speed("op", pairs)
    text = json.dumps(told.plain(), allow_nan=False)
    assert parsed(json.loads(text)) == told
