"""How many tapes a second a replay does, each in a process of its own behind the whole sandbox, against the same in one process.

    python tests/benchmarks/replay.py [TAPES] [JOBS]

Records the `api` workload (13 calls: ten reads of a record of 600 bytes, two outputs, a result), then replays every tape three
ways: `runner` is what `autoplayback replay` does, judging included; `in process` plays tape after tape in this process, without
isolation or judging; `fork` is the bare cost of a fork and its end. Prints one JSON line; compare within a line.
"""

from __future__ import annotations

import json
import os
import random
import string
import sys
import tempfile
import time
from pathlib import Path

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


def records() -> list[dict[str, object]]:
    """64 records as shared workloads have them."""
    rng = random.Random(7)

    def word(size: int) -> str:
        return "".join(rng.choices(string.ascii_lowercase, k=size))

    return [
        {
            "id": i,
            "customer": word(8),
            "email": word(10) + "@example.com",
            "active": bool(i % 2),
            "score": rng.random(),
            "tags": [word(5) for _ in range(6)],
            "address": {"street": word(14), "city": word(9), "zip": str(10000 + i)},
            "created": f"2026-01-{i % 28 + 1:02}T10:00:00Z",
            "note": word(120),
            "history": [{"at": j, "amount": rng.randint(1, 999), "currency": "EUR"} for j in range(8)],
        }
        for i in range(64)
    ]


def recorded(folder: Path, count: int) -> list[object]:
    """Tapes of the workload, made by the recorder itself."""
    from autoplayback import bootstrap
    from autoplayback.config.load import load
    from autoplayback.interception.install import Interception
    from autoplayback.recorder.environment import Environment
    from autoplayback.recorder.recorder import Recorder
    from autoplayback.tape.draft import Draft

    drafts: list[Draft] = []

    class Sink:
        def offer(self, draft: Draft) -> bool:
            drafts.append(draft)
            return True

        def lose(self, reason: str) -> None:
            raise SystemExit(f"a tape was lost: {reason}")

        def left(self) -> None:
            raise SystemExit("an operation was left out")

    class All:
        needs_tail = False

        def head(self, *_: object) -> bool:
            return True

        def tail(self, *_: object, **__: object) -> bool:
            return True

    (folder / "api.py").write_text(SERVICE)
    (folder / "records.py").write_text(f"RECORDS = {records()!r}\n")
    (folder / "autoplayback.yaml").write_text(CONFIG)
    configuration = load(str(folder / "autoplayback.yaml"))
    interception = Interception(
        bootstrap.declarations(configuration.settings, configuration.place), Recorder(Sink(), All(), Environment("bench", []))
    )
    interception.install()
    sys.path.insert(0, str(folder))
    import api

    for number in range(count):
        api.api(number)
    interception.uninstall()
    return [draft.tape() for draft in drafts]


def main(count: int, jobs: int) -> None:
    from autoplayback.config.load import load
    from autoplayback.interception.install import Interception
    from autoplayback.player import entry
    from autoplayback.player.options import Options
    from autoplayback.player.player import Player, trust
    from autoplayback.studio import runner
    from autoplayback.studio.executors import Lane

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tapes = recorded(folder, count)
        settings = load(str(folder / "autoplayback.yaml")).settings
        source = str(Path(__file__).resolve().parents[2])
        lane = Lane(
            Options(str(folder / "autoplayback.yaml"), name, ""),
            sys.executable,
            {"PYTHONPATH": os.pathsep.join([source, *filter(None, [os.environ.get("PYTHONPATH")])])},
        )
        started: list[float] = []
        equal = 0
        for result in runner.run(tapes, lane, settings, jobs=jobs, on_ready=lambda ready: started.append(time.perf_counter())):
            equal += result.verdict.value == "equal"
        with_isolation = time.perf_counter() - started[0]
        assert equal == count, f"{equal} of {count} equal"

        from autoplayback import bootstrap

        declared = bootstrap.declarations(settings)
        player = Player(trust(settings, declared))
        interception = Interception(declared, player)
        interception.install()
        operation = entry.locate(declared[0])
        began = time.perf_counter()
        for tape in tapes:
            session = player.arm(tape)
            entry.drive(operation, tape, player.trust)
            assert session.finished(()) is not None
        alone = time.perf_counter() - began
        interception.uninstall()

        began = time.perf_counter()
        for _ in range(count):
            if (child := os.fork()) == 0:
                os._exit(0)
            os.waitpid(child, 0)
        forks = time.perf_counter() - began
    print(
        json.dumps(
            {
                "tapes": count,
                "jobs": jobs,
                "runner_tapes_per_second": round(count / with_isolation),
                "in_process_tapes_per_second": round(count / alone),
                "forks_per_second": round(count / forks),
                "ratio_runner_to_in_process": round(alone / with_isolation, 2),
                "equal": equal,
            }
        )
    )


if __name__ == "__main__":
    main(*(int(argument) for argument in [*sys.argv[1:], "1000", "2"][:2]) if len(sys.argv) != 2 else (int(sys.argv[1]), 2))
