"""What recording costs, against the least it could: `python tests/benchmarks/recording.py [WORKLOAD ...]`.

For each workload, in one process and in turns (plain, floor, recorded), the CPU time of all threads per operation. The floor
encodes each value once with ormsgpack and compresses once, and intercepts nothing. The budget is 1.5 times the floor, plus
2 µs a call, plus 25 µs a tape. Prints a line a workload; absolute times mean little, the ratios in one run do.
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


def main(names: list[str]) -> None:
    """Measures each named workload and prints its figures."""
    global _workload
    module = sys.modules[__name__]
    sys.modules["benchmarked"] = module
    plain_operation = operation
    for name in names or list(WORKLOADS):
        _workload = WORKLOADS[name]
        times = {"api": 300, "chatty": 40, "rows": 10, "blob": 20}[name]
        with tempfile.TemporaryDirectory() as folder:
            settings = Settings(service="benchmark", tapes=folder)
            spool = Spool(settings, Path(folder), finish=Redactor(settings.redact).finish)
            recorder = Recorder(spool, Sampler(settings.sampling), Environment("benchmark", ()))
            interception = Interception(
                [
                    Declaration(Role.OPERATION, "benchmarked:operation", settings=OperationSettings()),
                    Declaration(Role.INPUT, "benchmarked:load", settings=InputSettings()),
                    Declaration(Role.OUTPUT, "benchmarked:store", settings=OutputSettings()),
                ],
                recorder,
            )
            figures: dict[str, list[float]] = {"plain": [], "floor": [], "recorded": []}
            for turn in range(ROUNDS + 1):
                plain = timed(plain_operation, times, lambda: None)
                least = timed(floor, times, lambda: None)
                interception.install()
                recorded = timed(module.operation, times, partial(spool.flush, 30))
                interception.uninstall()
                if turn:  # the first warms up
                    for key, figure in zip(figures, (plain, least, recorded), strict=True):
                        figures[key].append(figure)
            spool.close(10)
            tapes = times * (ROUNDS + 1)
            size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()) / tapes
        plain, least, recorded = (statistics.median(figures[key]) for key in figures)
        cost, base = recorded - plain, least - plain
        budget = 1.5 * base + 2 * _workload.calls + 25
        print(
            f"{name:8} {_workload.calls:5} calls   floor {base:9.1f} µs   recording {cost:9.1f} µs   "
            f"{cost / base:5.2f} x floor   {cost / budget:5.2f} x budget   {size:9.0f} bytes a tape",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
