"""Pinned tapes as tests, in a pytest of their own on a service of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SERVICE = """
def load(sku):
    return {"sku": sku, "price": 10.0}

def place(skus, customer):
    return {"total": sum(load(sku)["price"] for sku in skus) * FACTOR}
"""
CONFIG = """
service: shop
tapes: ./tapes
operations:
  - target: shop:place
    metadata: {customer: customer}
inputs:
  - target: shop:load
"""
DRIVE = """
from autoplayback import bootstrap
bootstrap.start()
import shop
for number in range(4):
    shop.place(["a"] * (number + 1), "acme" if number % 2 else "globex")
"""
ROOT = str(Path(__file__).parents[2])


def run(folder: Path, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A command of this Python in the service's folder."""
    full = {**os.environ, "PYTHONPATH": os.pathsep.join([ROOT, str(folder)]), "PY_COLORS": "0", **env}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=full, capture_output=True, text=True, timeout=120, check=False
    )


def pinned(folder: Path, *options: str) -> tuple[int, str]:
    """Pytest on the pinned tapes: its status and what it printed."""
    done = run(folder, "-m", "pytest", "-p", "no:randomly", "-q", "tests", *options)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service with four recorded tapes, three of them pinned."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "shop.py").write_text("FACTOR = 1\n" + SERVICE)
    (folder / "autoplayback.yaml").write_text(CONFIG)
    run(folder, "-c", DRIVE, AUTOPLAYBACK="record").check_returncode()
    listed = run(folder, "-m", "autoplayback.cli", "list")
    ids = [line.split()[0] for line in listed.stdout.splitlines() if line[:2].isdigit()]
    assert len(ids) == 4, listed.stderr
    run(folder, "-m", "autoplayback.cli", "pin", *ids[:3]).check_returncode()
    return folder


def test_each_pinned_tape_is_a_test(service: Path) -> None:
    """They pass on the code that was recorded; without the flag there are none."""
    status, text = pinned(service, "--autoplayback")
    assert (status, "3 passed" in text) == (0, True), text
    assert "no tests ran" in pinned(service)[1]


def test_a_failure_is_readable_and_last_failed_finds_it_again(service: Path) -> None:
    """What differs and the commands to look closer; `-k` takes metadata."""
    code = service / "shop.py"
    code.write_text("FACTOR = 1.5\n" + SERVICE)
    try:
        status, text = pinned(service, "--autoplayback", "-k", "globex")
        assert status == 1
        assert "result.total  recorded " in text
        assert re.search(r"debug autoplayback replay \w+ --tapes tests/tapes --debug", text), text
        assert "Traceback" not in text
        failed = text.count("FAILED tests")
        assert 0 < failed < 3
        assert f"{failed} failed" in pinned(service, "--autoplayback", "--lf")[1]
    finally:
        code.write_text("FACTOR = 1\n" + SERVICE)
