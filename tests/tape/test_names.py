"""The names of classes, as a replay will look for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.player.service import ROOT, Service

PROGRAM = """
import dataclasses, enum
class Fault(Exception): pass
class Colour(enum.Enum): RED = 1
@dataclasses.dataclass
class Price: amount: int
def function(): pass
if __name__ == "__main__":
    from autoplayback.tape.values import Encoder, inspect
    print([found.type for found in inspect(Encoder().encode([Fault("x"), Colour.RED, Price(1), Price, function]))])
"""


@pytest.mark.parametrize(("command", "module"), [(["shop/worker.py"], "worker"), (["-m", "shop.worker"], "shop.worker")])
def test_what_a_program_defines_has_its_modules_name(tmp_path: Path, command: list[str], module: str) -> None:
    """A replay imports the program; there it isn't `__main__`."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/worker.py").write_text(PROGRAM)
    found = subprocess.run(
        [sys.executable, *command], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )
    names = [f"{module}:{name}" for name in ("Fault", "Colour.RED", "Price", "Price", "function")]
    assert found.stdout.strip() == str([name.replace("Colour.RED", "Colour") for name in names])


def test_a_script_replays_equal_over_its_own_classes(tmp_path: Path) -> None:
    """Its results, its errors and what its inputs gave."""
    code = PROGRAM.replace(PROGRAM[PROGRAM.index("if __name__"):], """
def load(key):
    if key == 2: raise Fault("none")
    return Price(key)
def send(value): pass
def operation(key):
    price = load(key)
    send(price)
    if key == 1: raise Fault(price, Colour.RED)
    return price, Colour.RED
if __name__ == "__main__":
    for key in range(3):
        try: operation(key)
        except Fault: pass
""")
    service = Service(tmp_path, code)
    path = f"{ROOT / 'autoplayback' / 'hook'}:{ROOT}"
    service.run(sys.executable, "svc.py", env={"PYTHONPATH": path, "AUTOPLAYBACK": "record"}, check=True)
    found = service.run(sys.executable, "-m", "autoplayback.cli", "replay")
    assert "3 tapes" in found.stdout
    assert "3 equal" in found.stdout, found.stdout + found.stderr
