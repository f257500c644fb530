"""The rooms and the arrows between them, as pyproject.toml declares them."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_imports_keep_to_the_declared_layers():
    """import-linter's contracts hold, and every room stands in one of the layers."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout + run.stderr


def test_modules_can_be_read_in_one_sitting():
    """No module grows past what a person reads in one go; where one must, it is split by reason to change."""
    long = {str(path.relative_to(ROOT)): lines for path in (ROOT / "autoplayback").rglob("*.py")
            if (lines := len(path.read_text().splitlines())) > 450}
    assert not long
