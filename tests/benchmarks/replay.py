"""How many tapes a second a replay does, each in a process of its own behind the whole sandbox.

    python tests/benchmarks/replay.py [TAPES] [JOBS] [PYTHON]

Records the `api` workload (13 calls: ten reads of a record of 600 bytes, two outputs, a result) into a folder, then replays every
tape: `runner` is what `autoplayback replay` does from the folder to the verdict, once the service is imported; `in process` plays
tape after tape in this process, without isolation or judging; `fork` is the bare cost of a fork of this process and its end. If
PYTHON is the interpreter of an environment with playback-studio (and boto3, which it imports), that replays the same operation in
one process without isolation, half of it before and half of it after. Prints one JSON line; compare within a line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from workloads import RECORDS

from autoplayback import bootstrap, cassettes
from autoplayback.config.load import load
from autoplayback.config.settings import Settings
from autoplayback.interception.install import Interception
from autoplayback.player import entry
from autoplayback.player.options import Options
from autoplayback.player.player import Player, trust
from autoplayback.studio import runner
from autoplayback.studio.executors import Lane
from autoplayback.tape.model import Tape

ROOT = Path(__file__).resolve().parents[2]
SERVICE = """
from records import RECORDS

def load(key):
    return RECORDS[key % 64]

def store(value):
    return "key"

def api(number):
    total = 0
    for key in range(10):
        total += load(key)["score"]
    store({"total": total})
    store({"number": "done"})
    return {"total": total}
"""
CONFIG = """
service: bench
operations: [{target: "api:api"}]
inputs: [{target: "api:load"}]
outputs: [{target: "api:store"}]
"""


PEER = """
import logging, sys, tempfile, time
from playback.tape_cassettes.file_based.file_based_tape_cassette import FileBasedTapeCassette
from playback.tape_recorder import TapeRecorder
import api

logging.disable(logging.CRITICAL)
recorder = TapeRecorder(FileBasedTapeCassette(tempfile.mkdtemp(dir=sys.argv[2])))

class Operation:
    @recorder.operation()
    def execute(self, number):
        total = 0
        for key in range(10):
            total += self.load(key)["score"]
        self.store({"total": total})
        self.store({"number": "done"})
        return {"total": total}

    @recorder.intercept_input("load")
    def load(self, key):
        return api.load(key)

    @recorder.intercept_output("store")
    def store(self, value):
        return api.store(value)

recorder.enable_recording()
for number in range(int(sys.argv[1])):
    Operation().execute(number)
recorder.disable_recording()
tapes = list(recorder.tape_cassette.iter_recording_ids("Operation"))
assert len(tapes) == int(sys.argv[1])
began = time.perf_counter()
for tape in tapes:
    recorder.play(tape, lambda recording: Operation().execute(0))
print(time.perf_counter() - began)
"""


def recorded(folder: Path, count: int) -> Settings:
    """Records so many tapes as a service would."""
    (folder / "api.py").write_text(SERVICE)
    (folder / "records.py").write_text(f"RECORDS = {RECORDS!r}\n")
    (folder / "autoplayback.yaml").write_text(CONFIG)
    hook = str(ROOT / "autoplayback" / "hook")
    subprocess.run(
        [sys.executable, "-c", f"import api\nfor number in range({count}): api.api(number)"],
        cwd=folder, check=True,
        env={**os.environ, "AUTOPLAYBACK": "record", "PYTHONPATH": os.pathsep.join([hook, str(ROOT)]), "PYTHONHASHSEED": "0"},
    )  # fmt: skip
    return load(str(folder / "autoplayback.yaml")).settings


def tapes_in(settings: Settings) -> Iterator[Tape]:
    """Each as it is asked for, as the command has it."""
    cassette = cassettes.open_cassette(settings.tapes, settings)
    for summary in list(cassette.summaries()):
        yield cassette.load(summary.tape)


def isolated(folder: Path, settings: Settings, count: int, jobs: int) -> float:
    """Seconds from the first worker that has imported the service to the last verdict."""
    path = {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])}
    lane = Lane(Options(str(folder / "autoplayback.yaml"), str(folder), ""), sys.executable, path)
    started: list[float] = []
    equal = 0
    results = runner.run(tapes_in(settings), lane, settings, jobs=jobs, on_ready=lambda _: started.append(time.perf_counter()))
    for result in results:
        equal += result.verdict.value == "equal"
    seconds = time.perf_counter() - started[0]
    assert equal == count, f"{equal} of {count} equal"
    return seconds


def alone(folder: Path, settings: Settings) -> float:
    """Seconds in this process."""
    tapes = list(tapes_in(settings))
    declared = bootstrap.declarations(settings)
    player = Player(trust(settings, declared))
    interception = Interception(declared, player)
    interception.install()
    sys.path.insert(0, str(folder))
    operation = entry.locate(declared[0])
    began = time.perf_counter()
    for tape in tapes:
        session = player.arm(tape)
        entry.drive(operation, tape, player.trust)
        assert session.finished(()) is not None
    seconds = time.perf_counter() - began
    interception.uninstall()
    return seconds


def forks(count: int) -> float:
    """Seconds for bare ones."""
    began = time.perf_counter()
    for _ in range(count):
        if (child := os.fork()) == 0:
            os._exit(0)
        os.waitpid(child, 0)
    return time.perf_counter() - began


def peer(python: str, folder: Path, count: int) -> float:
    """Seconds that playback-studio takes."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-c", PEER, str(count), str(folder)], cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def main(count: int = 1000, jobs: int = 2, python: str | None = None) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = recorded(folder, count)
        before = peer(python, folder, count // 2) if python else 0.0
        seconds = isolated(folder, settings, count, jobs)
        after = peer(python, folder, count // 2) if python else 0.0
        said = {
            "tapes": count,
            "jobs": jobs,
            "runner_tapes_per_second": round(count / seconds),
            "in_process_tapes_per_second": round(count / alone(folder, settings)),
            "forks_per_second": round(count / forks(count)),
        }
        if python:
            theirs = count // 2 * 2 / (before + after)
            said |= {"playback_studio_tapes_per_second": round(theirs), "ratio": round(count / seconds / theirs, 2)}
    print(json.dumps(said))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]), *sys.argv[3:4])
