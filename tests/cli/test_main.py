"""The command line as a whole: help, versions, errors and statuses, and what starting it costs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

import autoplayback
from autoplayback.cli import COMMANDS, app
from tests.cli.conftest import ROOT, Command


def python(script: str) -> subprocess.CompletedProcess[str]:
    """Runs a script that can import the package."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", script], env=environment, text=True, capture_output=True, timeout=60)


def test_help_names_every_command(command: Command) -> None:
    """Each with a line of its own."""
    text = command("--help").stdout
    for name in COMMANDS:
        assert f"\n  {name} " in text, name


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_explains_itself_with_an_example(name: str) -> None:
    """`COMMAND --help` has a command to copy. The table of commands names the module that registers it."""
    done = CliRunner().invoke(app, [name, "--help"])
    assert done.exit_code == 0, done.output
    assert f"autoplayback {name}" in done.output


def test_version(command: Command) -> None:
    """The one in the package."""
    assert command("--version").stdout == f"autoplayback {autoplayback.__version__}\n"


def test_a_wrong_command_or_option_is_exit_2(command: Command) -> None:
    """With the nearest one."""
    done = command("lsit")
    assert done.returncode == 2
    assert "did you mean 'list'?" in done.stderr
    done = command("list", "--wher", "x")
    assert done.returncode == 2
    assert "--where" in done.stderr


@pytest.mark.parametrize("arguments", [["check"], ["replay"], ["run", "--", "true"], ["list"]])
def test_every_problem_of_a_config_at_once(command: Command, shop: Path, arguments: list[str]) -> None:
    """Whatever the command: file, line and column of each, no traceback, exit status 2."""
    (shop / "autoplayback.yaml").write_text("operatons: []\nsampling: {rate: 5}\n")
    done = command(*arguments)
    assert done.returncode == 2
    assert "autoplayback.yaml:1:1: unknown key 'operatons'; did you mean 'operations'?" in done.stderr
    assert "autoplayback.yaml:2:18: sampling.rate: 5 is out of bounds" in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_no_config_says_how_to_get_one(command: Command, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where a config is needed; a named one that is missing is an error everywhere."""
    empty = tmp_path_factory.mktemp("empty")
    for name in ("check", "replay"):
        done = command(name, cwd=empty)
        assert (done.returncode, "autoplayback init" in done.stderr) == (2, True)
    assert command("list", "--config", "mine.yaml", cwd=empty).returncode == 2


def test_help_loads_no_library_of_the_heavy_kind() -> None:
    """Neither boto3 nor what records or replays: a shell's completion asks often."""
    script = (
        "import sys\nfrom autoplayback.cli import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'boto3', 'botocore', 'jinja2', 'time_machine', 'wrapt', 'zstandard', 'ormsgpack', 'rich.table', 'yaml'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = python(script)
    assert done.stderr.strip() == "[]"


def test_ctrl_c_is_130_without_a_traceback(shop: Path) -> None:
    """While the service is being imported, which may take long."""
    (shop / "orders/mail.py").write_text("import time\nopen('importing', 'w').close()\ntime.sleep(60)\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "autoplayback.cli", "check"], cwd=shop, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )
    until = time.monotonic() + 60
    while not (shop / "importing").exists() and time.monotonic() < until:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in said


def test_a_fault_of_ours_is_3_and_never_looks_like_a_regression() -> None:
    """A traceback for the report, but not status 1."""
    done = python("""\
import sys
from autoplayback import cli
cli.options.query = lambda *arguments: 1 / 0
sys.argv = ["autoplayback", "list"]
cli.main()
""")
    assert done.returncode == 3
    assert "ZeroDivisionError" in done.stderr


def test_an_ascii_terminal_shows_what_it_can(command: Command, recorded: list[object]) -> None:
    """Under LANG=C nothing ends in a UnicodeEncodeError."""
    done = command("show", recorded[0].id, PYTHONIOENCODING="ascii", LC_ALL="C")  # type: ignore[attr-defined]
    assert done.returncode == 0
    assert "place_order" in done.stdout
