"""What being installed costs a Python that isn't recorded: `python tests/benchmarks/off.py [--pairs 300]`.

`python -c pass` with the package installed and AUTOPLAYBACK unset, against the same interpreter without it: two fresh
environments with the same packages, but for what our wheel puts beside site-packages. Run in turns, in an order that changes,
and compared by the user and system time of each process, which others disturb less than the clock does. Prints the ratio of
the lowest deciles, which a busy machine shifts least, with a 95% interval from resampling runs; and the same for two
environments that are both without it, which is the noise. Exits with 1 where any module of ours was imported.
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
from pathlib import Path

RESAMPLES = 2000


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=300, help="runs of each environment")
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory(prefix="off-") as scratch:
        folder = Path(scratch)
        without, control, installed = (environment(folder / name) for name in ("without", "control", "installed"))
        install(installed)
        seen = subprocess.run(
            [installed, "-c", "import sys; print([m for m in sys.modules if m.startswith('autoplayback')])"],
            env=off(), capture_output=True, text=True, check=True,
        ).stdout.strip()
        subprocess.run([installed, "-c", "import autoplayback"], env=off(), check=True)  # it really is there
        spent: dict[Path, list[float]] = {without: [], control: [], installed: []}
        for _ in range(pairs):
            for python in random.sample(list(spent), len(spent)):
                spent[python].append(cpu(python))
    base = spent[without]
    print(f"python -c pass: {lowest(base) * 1e3:.2f} ms of CPU without the package; {pairs} runs each, in turns")
    for name, python in (("installed, variable unset", installed), ("noise (without, once more)", control)):
        ratio, low, high = compared(base, spent[python])
        print(f"{name:>28}: {ratio:.4f} times (95% interval {low:.4f} to {high:.4f})")
    print(f"modules of ours imported: {seen}")
    return 0 if seen == "[]" else 1


def environment(folder: Path) -> Path:
    """The interpreter of a fresh environment with what we depend on, and much else: a listing of its folder costs each alike."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    for dependency in Path(sysconfig.get_path("purelib")).iterdir():  # .pth files of theirs would cost more than ours
        if dependency.suffix != ".pth" and not dependency.name.startswith("autoplayback"):
            (packages(python) / dependency.name).symlink_to(dependency)
    return python


def packages(python: Path) -> Path:
    """Its site-packages."""
    return next((python.parent.parent / "lib").glob("python*/site-packages"))


def install(python: Path) -> None:
    """Puts there what the wheel would: the package, and the files it has beside site-packages."""
    site = packages(python)
    checkout = Path(__file__).resolve().parents[2]
    shutil.copytree(checkout / "autoplayback", site / "autoplayback", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("autoplayback_init.pth", "autoplayback_init.start"):
        shutil.copy(checkout / "autoplayback" / "hook" / name, site / name)


def off() -> dict[str, str]:
    """The environment without a word of ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AUTOPLAYBACK", "PYTHON"))}


def cpu(python: Path) -> float:
    """Seconds of CPU which one start takes."""
    process = subprocess.Popen([python, "-c", "pass"], env=off())
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{python} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def lowest(times: list[float]) -> float:
    """The lowest decile."""
    return statistics.quantiles(times, n=10)[0]


def compared(base: list[float], other: list[float]) -> tuple[float, float, float]:
    """The ratio, and the interval that 95% of resampled runs give."""
    draw = random.Random(0)
    indexes = range(len(base))
    ratios = []
    for _ in range(RESAMPLES):
        chosen = draw.choices(indexes, k=len(base))
        ratios.append(lowest([other[i] for i in chosen]) / lowest([base[i] for i in chosen]))
    ratios.sort()
    return lowest(other) / lowest(base), ratios[int(RESAMPLES * 0.025)], ratios[int(RESAMPLES * 0.975)]


if __name__ == "__main__":
    sys.exit(main())
