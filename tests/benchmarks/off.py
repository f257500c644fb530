"""What being installed costs a Python that isn't recorded: `python tests/benchmarks/off.py [--pairs 500]`.

`python -c pass` with the package installed and AUTOPLAYBACK unset, against the same interpreter without it. Four fresh
environments with the same packages, and as many entries beside them; what differs is what our wheel puts beside site-packages:
nothing (twice, the second of which is the noise), an empty file ending in .pth (which Python opens and reads, whoever's it is),
and ours. Each is started in turn, in an order that changes.

The noise of `python -c pass` is how much one start of an environment differs from another start of the same: told as the range
which the middle half of them lie in, and as how often, of a start of each, the second environment's is the slower. The cost is
the difference of the medians, with the interval that 95% of resamplings give: more pairs narrow the interval, not the noise.
Told for the user and system time of each process, and for the clock, which is what a user feels. Where valgrind is installed,
the instructions of one start are counted as well: these vary by nothing, so they tell what there is below the noise.

All of it is told for virtual environments, as services have them; Python reads each .pth file of such a one twice a start.

Exits with 1 where any module of ours was imported, or where the cost isn't below the noise.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

RESAMPLES = 2000
HOOKS = ("autoplayback_init.pth", "autoplayback_init.start")
WITHOUT, CONTROL, EMPTY, INSTALLED = "without", "without, once more", "an empty .pth file", "installed, variable unset"


@dataclass
class Starts:
    """What the starts of one environment took, in seconds."""

    cpu: list[float] = field(default_factory=list)
    clock: list[float] = field(default_factory=list)


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=500, help="starts of each environment")
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory(prefix="off-") as scratch:
        names = (WITHOUT, CONTROL, EMPTY, INSTALLED)
        pythons = {name: environment(Path(scratch) / str(number)) for number, name in enumerate(names)}
        for name, python in pythons.items():
            furnish(python, name)
        look = "import sys; print([name for name in sys.modules if name.startswith('autoplayback')])"
        seen = run(pythons[INSTALLED], look).strip()
        run(pythons[INSTALLED], "import autoplayback")  # it really is there
        spent = {name: Starts() for name in pythons}
        for _ in range(pairs):
            for name in random.sample(list(pythons), len(pythons)):
                start(pythons[name], spent[name])
        print(f"python -c pass, Python {sys.version.split()[0]}: {pairs} starts of each environment, in turns\n")
        below = [tell(kind, {name: pick(starts) for name, starts in spent.items()}) for kind, pick in KINDS]
        count(pythons)
    print(f"modules of ours imported: {seen}")
    return 0 if seen == "[]" and all(below) else 1


KINDS: list[tuple[str, Callable[[Starts], list[float]]]] = [
    ("CPU time", lambda starts: starts.cpu),
    ("by the clock", lambda starts: starts.clock),
]


def tell(kind: str, spent: dict[str, list[float]]) -> bool:
    """Prints what there is to see of one kind of time; whether the cost is below the noise."""
    base = spent[WITHOUT]
    low, middle, high = (quantile * 1e3 for quantile in statistics.quantiles(base, n=4))
    noise = high - low
    print(f"{kind}: {middle:.2f} ms without; the noise: half of such starts lie within {noise:.2f} ms, {low:.2f} to {high:.2f}")
    for name in (CONTROL, EMPTY, INSTALLED):
        cost, least, most = difference(base, spent[name])
        told = f"{cost:+.3f} ms ({least:+.3f} to {most:+.3f}), {cost / middle:+.1%}"
        print(f"{name:>28}: {told:38} slower of two: {slower(base, spent[name]):.0%}")
    cost, _, most = difference(base, spent[INSTALLED])
    verdict = "below" if most < noise else "NOT below"
    print(f"{'':>28}  {verdict} the noise: {cost:.3f} ms, at most {most:.3f}, of {noise:.2f} ms\n")
    return most < noise


def difference(base: list[float], other: list[float]) -> tuple[float, float, float]:
    """The difference of the medians in milliseconds, and the interval of 95% of resamplings."""
    draw = random.Random(0)
    found = []
    for _ in range(RESAMPLES):
        chosen = draw.choices(range(len(base)), k=len(base))
        found.append(statistics.median([other[i] for i in chosen]) - statistics.median([base[i] for i in chosen]))
    found.sort()
    exact = statistics.median(other) - statistics.median(base)
    return exact * 1e3, found[int(RESAMPLES * 0.025)] * 1e3, found[int(RESAMPLES * 0.975)] * 1e3


def slower(base: list[float], other: list[float]) -> float:
    """How often a start of the other environment takes longer than one of the base: a half where they are alike."""
    return sum((theirs > ours) + (theirs == ours) / 2 for ours in base for theirs in other) / (len(base) * len(other))


def count(pythons: dict[str, Path]) -> None:
    """The instructions of one start of each, where valgrind can count them."""
    if shutil.which("valgrind") is None:
        return
    counts = {name: instructions(python) for name, python in pythons.items()}
    base = counts[WITHOUT]
    print(f"instructions of one start: {base:,} without")
    for name in (CONTROL, EMPTY, INSTALLED):
        print(f"{name:>28}: {counts[name] - base:+,} ({counts[name] / base - 1:+.2%})")
    print()


def instructions(python: Path) -> int:
    """What valgrind counts; the same at every start, since hashes are those of a fixed seed."""
    done = subprocess.run(
        ["valgrind", "--tool=cachegrind", "--cachegrind-out-file=/dev/null", python, "-c", "pass"],
        env={**off(), "PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=True,
    )
    (line,) = [line for line in done.stderr.splitlines() if " I " in line and "refs:" in line]
    return int(line.split()[-1].replace(",", ""))


def environment(folder: Path) -> Path:
    """The interpreter of a fresh environment with what we depend on, and much else: a listing of its folder costs each alike."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    for dependency in Path(sysconfig.get_path("purelib")).iterdir():  # .pth files of theirs would cost more than ours
        if dependency.suffix not in (".pth", ".start") and not dependency.name.startswith("autoplayback"):
            (packages(python) / dependency.name).symlink_to(dependency)
    return python


def packages(python: Path) -> Path:
    """Its site-packages."""
    return next((python.parent.parent / "lib").glob("python*/site-packages"))


def furnish(python: Path, name: str) -> None:
    """Puts beside site-packages what the wheel would, or what takes its place: each folder has as many entries."""
    site = packages(python)
    checkout = Path(__file__).resolve().parents[2]
    if name == INSTALLED:
        shutil.copytree(checkout / "autoplayback", site / "autoplayback", ignore=shutil.ignore_patterns("__pycache__"))
        for file in HOOKS:
            shutil.copy(checkout / "autoplayback" / "hook" / file, site / file)
        return
    (site / "something").mkdir()
    for file in HOOKS:
        kept = name == EMPTY and file.endswith(".pth")
        (site / (file if kept else f"{file}.none")).touch()


def off() -> dict[str, str]:
    """The environment without a word of ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AUTOPLAYBACK", "PYTHON"))}


def run(python: Path, code: str) -> str:
    """What a program prints."""
    return subprocess.run([python, "-c", code], env=off(), capture_output=True, text=True, check=True).stdout


def start(python: Path, starts: Starts) -> None:
    """Starts it once, and notes what that took."""
    began = time.perf_counter()
    process = subprocess.Popen([python, "-c", "pass"], env=off())
    _, status, usage = os.wait4(process.pid, 0)
    starts.clock.append(time.perf_counter() - began)
    starts.cpu.append(usage.ru_utime + usage.ru_stime)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{python} ended with {process.returncode}")


if __name__ == "__main__":
    sys.exit(main())
