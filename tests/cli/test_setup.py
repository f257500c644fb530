"""`init`, `check`, `run` and `schema`, on a service nobody prepared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

from autoplayback.cassettes import open_cassette
from autoplayback.config.load import load
from autoplayback.errors import ConfigError
from autoplayback.studio import probe
from tests.cli.conftest import ROOT, Command


def test_init_writes_a_config_that_check_accepts(command: Command, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A folder with a WSGI application becomes a checked config without a word being typed."""
    folder = tmp_path_factory.mktemp("hello")
    (folder / "web.py").write_text("""\
import sqlite3

def app(environ, start_response):
    start_response('200 OK', [])
    return [b'hi']
""")
    done = command("init", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "wsgi: web:app" in done.stdout
    assert "preset: sqlite3" in done.stdout
    first = (folder / "autoplayback.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=.autoplayback/schema.json"
    assert (folder / ".autoplayback/.gitignore").read_text() == "*\n"
    assert json.loads((folder / ".autoplayback/schema.json").read_text())["title"] == "autoplayback.yaml"
    checked = command("check", cwd=folder)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "web:app" in checked.stdout
    assert "0 with a warning" in checked.stdout
    assert "django" not in checked.stdout, "a library that this service doesn't use"


def test_init_never_overwrites(command: Command, shop: Path) -> None:
    """Exit status 2, and the file as it was."""
    before = (shop / "autoplayback.yaml").read_text()
    done = command("init")
    assert done.returncode == 2
    assert "is there already" in done.stderr
    assert (shop / "autoplayback.yaml").read_text() == before
    assert command("--config", "other.yaml", "init").returncode == 0
    assert (shop / "other.yaml").exists()


def test_check_says_how_each_target_is_intercepted(command: Command) -> None:
    """A glob's matches are named; nothing is wrong, so the status is 0."""
    done = command("check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "place_order = orders.checkout:Checkout.place" in done.stdout
    assert "orders.repo:load_price" in done.stdout
    assert "3 targets: 3 intercepted, 0 not, 0 with a warning" in done.stdout


@pytest.mark.parametrize(("old", "new", "said"), [
    ("orders.mail:send", "orders.mail:sned", "did you mean 'send'?"),
    ("orders.mail:send", "orders.male:send", "did you mean 'mail'?"),
    ("orders.mail:send", "order.mail:send", "there is no module 'order'"),
    ("orders.repo:load_*", "orders.repo:fetch_*", "nothing in orders.repo matches 'fetch_*'"),
    ("Checkout.place", "NeedsRepo.place", "instance: module:factory"),
    ("customer: customer", "customer: custmer", "did you mean 'customer'?"),
    ("    name: place_order\n", "    name: place_order\n    instance: orders.wiring:make\n", "orders.wiring"),
    ("inputs:", "compare: {comparator: orders.repo:nothing}\ninputs:", "comparator orders.repo:nothing"),
])
def test_check_names_what_cannot_be_intercepted(command: Command, shop: Path, old: str, new: str, said: str) -> None:
    """The reason, the nearest name, the place in the config; exit status 2."""
    config = shop / "autoplayback.yaml"
    config.write_text(config.read_text().replace(old, new))
    done = command("check")
    assert done.returncode == 2, done.stdout
    assert said in done.stdout
    assert "FAIL" in done.stdout
    assert "Traceback" not in done.stderr


def test_check_of_a_module_that_fails_to_import(command: Command, shop: Path) -> None:
    """Its own exception and where it was raised, for the target that needs it; the others are still told."""
    (shop / "orders/mail.py").write_text("import json\n\njson.loads('{')\n")
    done = command("check")
    assert done.returncode == 2
    assert "importing orders.mail failed: JSONDecodeError" in done.stdout
    assert "mail.py:3" in done.stdout
    assert "ok    orders.repo:load_*" in done.stdout


def test_check_of_a_service_that_exits_on_import(command: Command, shop: Path) -> None:
    """`sys.exit()` is its answer for that target; ending the whole process is told with what it printed last."""
    (shop / "orders/mail.py").write_text("import sys\nsys.exit('no settings')\n")
    done = command("check")
    assert (done.returncode, "SystemExit: no settings" in done.stdout) == (2, True)
    (shop / "orders/mail.py").write_text("import os\nprint('goodbye', flush=True)\nos._exit(3)\n")
    done = command("check")
    assert done.returncode == 2
    assert "with status 3" in done.stderr
    assert "goodbye" in done.stderr


def test_check_ends_what_a_service_starts_on_import(command: Command, shop: Path) -> None:
    """A helper process that would live on neither holds the answer back nor stays."""
    (shop / "orders/mail.py").write_text("""\
import subprocess
helper = subprocess.Popen(["sleep", "300"])
open("helper", "w").write(str(helper.pid))
def send(to, total): ...
""")
    assert command("check").returncode == 0
    helper = Path("/proc", (shop / "helper").read_text(), "stat")
    until = time.monotonic() + 20
    while helper.exists() and helper.read_text().split()[2] != "Z" and time.monotonic() < until:
        time.sleep(0.05)
    assert not helper.exists() or helper.read_text().split()[2] == "Z"


def test_check_of_a_service_that_serves_on_import(shop: Path) -> None:
    """It is given up with what it printed, not waited for."""
    (shop / "orders/mail.py").write_text("import time\nprint('serving on :8000', flush=True)\ntime.sleep(300)\n")
    configuration = load(shop / "autoplayback.yaml", environment={})
    with pytest.raises(ConfigError, match=r"serving on import(.|\n)*serving on :8000"):
        probe.findings(configuration, sys.executable, shop, timeout=5)


def test_check_imports_nothing_under_record(command: Command, shop: Path) -> None:
    """In a shell that exports AUTOPLAYBACK=record, checking makes no tapes."""
    assert command("check", AUTOPLAYBACK="record").returncode == 0
    assert not list((shop / ".autoplayback").rglob("*.open")) if (shop / ".autoplayback").exists() else True


def test_check_json(command: Command) -> None:
    """For programs."""
    found = json.loads(command("check", "--json").stdout)["findings"]
    assert [(finding["role"], finding["error"]) for finding in found] == [("operation", None), ("input", None), ("output", None)]
    assert found[0]["place"].startswith("autoplayback.yaml:2:")


def test_check_with_another_interpreter(command: Command, tmp_path: Path) -> None:
    """One that isn't there, or has no autoplayback, is a clear error."""
    done = command("check", "--python", str(tmp_path / "nopython"))
    assert (done.returncode, "No such file" in done.stderr) == (2, True)
    bare = tmp_path / "bare"
    bare.write_text(f"#!/bin/sh\nexec {sys.executable} -I -S \"$@\"\n")
    bare.chmod(0o755)
    done = command("check", "--python", str(bare))
    assert done.returncode == 2
    assert f"autoplayback is not installed for {bare}" in done.stderr


def test_run_records_and_passes_on_output_and_status(command: Command, shop: Path) -> None:
    """The command's own output, arguments and status; a tape when it is over."""
    (shop / "main.py").write_text((shop / "main.py").read_text() + "import sys\nprint(sys.argv[1:])\nsys.exit(7)\n")
    done = command("run", "--", sys.executable, "main.py", "--config", "mine", "-v")
    assert done.returncode == 7, done.stderr
    assert "{'total': 30}" in done.stdout
    assert "['--config', 'mine', '-v']" in done.stdout
    cassette = open_cassette(str(shop / ".autoplayback/tapes"))
    (found,) = cassette.summaries()
    assert (found.operation, dict(found.metadata), found.calls) == ("place_order", {"customer": "acme", "total": 30}, 3)


def test_run_works_without_dashes_and_from_another_folder(
    command: Command, shop: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The config's folder, not the working folder, says where tapes go."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    done = command("--config", str(shop / "autoplayback.yaml"), "run", sys.executable, str(shop / "main.py"), cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    assert len(list(open_cassette(str(shop / ".autoplayback/tapes")).summaries())) == 1
    assert not list(elsewhere.iterdir())


def test_run_records_where_the_pth_file_is_not_seen(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """`pip install --target` and the like: the hook comes by PYTHONPATH, and another sitecustomize still runs."""
    home = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True, timeout=60)
    python = str(home / "bin/python")
    packages = next((home / "lib").glob("python*/site-packages"))
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"])
    (packages / "sitecustomize.py").write_text("print('their sitecustomize')\n")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AUTOPLAYBACK")}
    done = subprocess.run(
        [python, "-m", "autoplayback.cli", "run", "--", python, "main.py"], cwd=shop, text=True, capture_output=True, timeout=60,
        env={**environment, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert "their sitecustomize" in done.stdout
    assert len(list(open_cassette(str(shop / ".autoplayback/tapes")).summaries())) == 1


def test_run_refuses_a_wrong_config_before_the_command_starts(command: Command, shop: Path) -> None:
    """Unlike AUTOPLAYBACK=record on a service that has to start: whoever types `run` wants recording."""
    (shop / "autoplayback.yaml").write_text("operatons: []\n")
    done = command("run", "--", sys.executable, "-c", "print('ran')")
    assert done.returncode == 2
    assert "did you mean 'operations'?" in done.stderr
    assert "ran" not in done.stdout


def test_run_of_a_command_that_is_not_there(command: Command) -> None:
    """Exit status 2 and the system's reason."""
    done = command("run", "--", "no-such-command")
    assert (done.returncode, "no-such-command: No such file" in done.stderr) == (2, True)
    assert command("run").returncode == 2


def test_schema_prints_the_shipped_file(command: Command) -> None:
    """And where it is."""
    path = Path(command("schema", "--path").stdout.strip())
    assert command("schema").stdout == path.read_text()
