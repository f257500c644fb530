"""What recording costs, against the least it could: `python tests/benchmarks/recording.py [WORKLOAD ...]`.

For each workload, in one process and in turns (plain, floor, recorded, recorded without redaction), the CPU time of all threads
per operation. The floor encodes each value once with ormsgpack and compresses once, and intercepts nothing. The budget is 1.5
times the floor, plus 2 µs a call, plus 25 µs a tape; `of it` is the recording's share. Prints a line a workload. Absolute times
mean little, the ratios in one run do; on a busy machine all times grow, the fixed parts of the budget don't.
"""

from __future__ import annotations

import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import ormsgpack
import zstandard

sys.path.insert(0, str(Path(__file__).parent))

from workloads import WORKLOADS, Workload

from autoplayback.config.settings import InputSettings, OperationSettings, OutputSettings, Settings
from autoplayback.interception.install import Interception
from autoplayback.interception.target import Declaration, Role
from autoplayback.recorder.environment import Environment
from autoplayback.recorder.recorder import Recorder
from autoplayback.recorder.redaction import Redactor
from autoplayback.recorder.sampling import Sampler
from autoplayback.recorder.spool import Spool

ROUNDS = 7
OPTIONS = (
    ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_DATETIME
    | ormsgpack.OPT_PASSTHROUGH_SUBCLASS
    | ormsgpack.OPT_PASSTHROUGH_TUPLE
    | ormsgpack.OPT_PASSTHROUGH_UUID
    | ormsgpack.OPT_PASSTHROUGH_ENUM
    | ormsgpack.OPT_PASSTHROUGH_BIG_INT
    | ormsgpack.OPT_NON_STR_KEYS
)
_workload: Workload


def operation(i: int) -> Any:
    return _workload.body(load, store, i)


def load(key: Any) -> Any:
    return _workload.load(key)


def store(value: Any) -> Any:
    return _workload.store(value)


def floor(i: int) -> None:
    parts: list[bytes] = []

    def floor_load(key: Any) -> Any:
        value = _workload.load(key)
        parts.append(ormsgpack.packb(key, option=OPTIONS))
        parts.append(ormsgpack.packb(value, option=OPTIONS))
        return value

    def floor_store(value: Any) -> Any:
        parts.append(ormsgpack.packb(value, option=OPTIONS))
        return _workload.store(value)

    parts.append(ormsgpack.packb(_workload.body(floor_load, floor_store, i), option=OPTIONS))
    _compressor.compress(b"".join(parts))


_compressor = zstandard.ZstdCompressor(level=3)


def timed(run: Callable[[int], Any], times: int, drain: Callable[[], Any]) -> float:
    """CPU microseconds per run, all threads, with everything that was put off done."""
    gc.collect()
    before = time.process_time()
    for i in range(times):
        run(i)
    drain()
    return (time.process_time() - before) / times * 1e6


class Recording:
    """A recorder with a spool of its own, to be switched on and off."""

    def __init__(self, folder: Path, *, redacted: bool) -> None:
        settings = Settings(service="benchmark", tapes=str(folder))
        self.folder = folder
        self.spool = Spool(settings, folder, finish=Redactor(settings.redact).finish if redacted else None)
        self.interception = Interception(
            [
                Declaration(Role.OPERATION, "benchmarked:operation", settings=OperationSettings()),
                Declaration(Role.INPUT, "benchmarked:load", settings=InputSettings()),
                Declaration(Role.OUTPUT, "benchmarked:store", settings=OutputSettings()),
            ],
            Recorder(self.spool, Sampler(settings.sampling), Environment("benchmark", ())),
        )

    def timed(self, times: int) -> float:
        self.interception.install()
        try:
            return timed(sys.modules["benchmarked"].operation, times, partial(self.spool.flush, 30))
        finally:
            self.interception.uninstall()

    def size(self) -> int:
        self.spool.close(10)
        return sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())


def measured(name: str) -> None:
    """One workload: plain, floor, recorded, and recorded without redaction, in turns."""
    global _workload
    _workload = WORKLOADS[name]
    times = {"api": 300, "fresh": 300, "chatty": 40, "rows": 10, "blob": 20}[name]
    figures: list[tuple[float, ...]] = []
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        full, bare = Recording(Path(first), redacted=True), Recording(Path(second), redacted=False)
        for _ in range(ROUNDS + 1):
            plain = timed(operation, times, lambda: None)
            figures.append(tuple(
                figure - plain for figure in (timed(floor, times, lambda: None), full.timed(times), bare.timed(times))
            ))
        size = full.size() / times / (ROUNDS + 1)
        bare.size()
    least, cost, unredacted = map(statistics.median, zip(*figures[1:], strict=True))  # the first turn warms up
    budget = 1.5 * least + 2 * _workload.calls + 25
    print(
        f"{name:8} {_workload.calls:5} {least:9.1f} {budget:9.1f} {cost:11.1f} {cost / budget:8.2f} "
        f"{unredacted:15.1f} {unredacted / budget:8.2f} {size:12.0f}",
        flush=True,
    )


def outside() -> float:
    """What a call outside any operation costs more than without us, in µs."""
    global _workload
    _workload = WORKLOADS["chatty"]
    module = sys.modules["benchmarked"]
    plain = min(timed(load, 100_000, lambda: None) for _ in range(5))
    with tempfile.TemporaryDirectory() as folder:
        recording = Recording(Path(folder), redacted=True)
        recording.interception.install()
        try:
            return min(timed(module.load, 100_000, lambda: None) for _ in range(5)) - plain
        finally:
            recording.interception.uninstall()


def main(names: list[str]) -> None:
    """Measures each named workload and prints its figures."""
    sys.modules["benchmarked"] = sys.modules[__name__]
    print(f"{'µs of CPU':8} {'calls':>4} {'floor':>9} {'budget':>9} {'recording':>11} {'of it':>8} "
          f"{'not redacted':>15} {'of it':>8} {'bytes a tape':>12}")
    for name in names or list(WORKLOADS):
        measured(name)
    print(f"a call outside any operation: {outside():.2f} µs")


if __name__ == "__main__":
    main(sys.argv[1:])
