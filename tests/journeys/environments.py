"""Further environments to record or replay in: the tests' own, with some packages added or in another version."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
CACHE = ROOT / ".cache" / "tests" / "environments"


def overlay(*requirements: str) -> Path:
    """The interpreter of an environment with `requirements` before whatever the tests' own environment has.

    Installed without dependencies, which come from the tests' environment: so only what is named differs. Kept for the next run.
    """
    words = (*requirements, sys.version, sys.prefix)
    folder = CACHE / hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{folder.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two workers of the test run may want the same one
        if not (folder / "complete").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", folder], check=True)
            site = next((folder / "lib").glob("python*/site-packages"))
            below = sysconfig.get_path("purelib")
            (site / "zz_below.pth").write_text(f"import site; site.addsitedir({below!r})\n")
            subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                    "--no-deps",
                    "--target",
                    site,
                    *requirements,
                ],
                check=True,
            )
            (folder / "complete").touch()
    return folder / "bin" / "python"
