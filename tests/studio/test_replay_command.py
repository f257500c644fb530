"""`autoplayback replay` as people and scripts use it: exit statuses, files, filters, the debugger, Ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.player.service import CONFIG, ROOT, Service

CODE = """
import threading
def load(key): return key
def send(value): pass
def operation(key, slow=0):
    value = load(key)
    threading.Event().wait(slow if SLOW else 0)
    return value
SLOW = False
"""


def replay(service: Service, *arguments: str) -> subprocess.CompletedProcess[str]:
    return service.run(sys.executable, "-m", "autoplayback.cli", "replay", *arguments)


@pytest.fixture
def service(tmp_path: Path) -> Service:
    made = Service(tmp_path, CODE)
    made.record("import svc\nfor key in range(3): svc.operation(key)")
    return made


def test_exit_statuses(service: Service) -> None:
    """0 all pass, 1 a regression, 2 usage, 3 could not replay, 5 no tape."""
    assert replay(service).returncode == 0
    other = replay(service, "--operation", "svc:operate")
    assert other.returncode == 5
    assert "svc:operation" in other.stderr
    assert replay(service, "NOSUCH").returncode == 2
    assert replay(service, "--isolation", "threads").returncode == 2
    assert replay(service, "--suite", "nightly").returncode == 2
    assert replay(service, "--python", "/no/such/python").returncode == 2
    assert replay(service, "--workdir", "/no/such/folder").returncode == 2
    assert replay(service, "--json", "/no/such/folder/x").returncode == 2
    assert replay(service, "--html", ".").returncode == 2
    service.code(CODE.replace("return value", "return [value]"))
    assert replay(service).returncode == 1
    service.code("raise RuntimeError")
    assert replay(service).returncode == 3
    service.config("operations: 1")
    assert replay(service).returncode == 2


def test_files_and_last_failed(service: Service) -> None:
    """Every report is written; `--last-failed` takes up what did not pass, and forgets what then does."""
    service.code(CODE.replace("value = load(key)", "value = load(key) or 'other'"))
    done = replay(service, "--json", "r.jsonl", "--junit", "r.xml", "--html", "r.html", "--markdown", "r.md")
    assert done.returncode == 1, done.stderr
    *lines, summary = [json.loads(line) for line in (service.folder / "r.jsonl").read_text().splitlines()]
    assert sorted(line["verdict"] for line in lines) == ["different", "equal", "equal"]
    assert summary["exit"] == 1
    assert summary["summary"]["different"] == 1
    assert all((service.folder / name).stat().st_size for name in ("r.xml", "r.html", "r.md"))
    again = replay(service, "--last-failed", "--json", "-")
    assert len(again.stdout.splitlines()) == 2
    service.code(CODE)
    assert replay(service, "--last-failed").returncode == 0
    assert replay(service, "--last-failed").returncode == 5


def test_a_tape_that_cannot_be_read_is_an_error(service: Service) -> None:
    """A damaged segment costs its tapes, not the run."""
    [segment] = (service.folder / ".autoplayback" / "tapes").glob("*.tapes")
    data = bytearray(segment.read_bytes())
    data[40] ^= 0xFF
    segment.write_bytes(bytes(data))
    assert replay(service).returncode in (2, 3, 5)


def test_interrupted_runs_end_their_children_and_report(tmp_path: Path) -> None:
    """Ctrl-C: what was done is reported, and nothing is left running."""
    service = Service(tmp_path, CODE)
    service.record("import svc\nfor key in range(4): svc.operation(key, 1000)\nsvc.operation(1)")
    service.code(CODE.replace("    threading", "    while slow: pass  # a wait would pass at once\n    threading"))
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "autoplayback.cli", "replay", "--json", "r.jsonl", "--jobs", "2"],
        cwd=tmp_path,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    while not (tmp_path / "r.jsonl").exists() or not (tmp_path / "r.jsonl").read_text():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130, (out, err)
    assert re.search(r"\b[1-4] of 5 tapes were replayed", err), err
    assert "Traceback" not in err
    left = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True).stdout.split()
    assert not left


def test_debug_stops_at_breakpoints(service: Service) -> None:
    """`--debug`: pdb on the user's terminal, the same answers, and the same verdict."""
    service.code(CODE.replace("    threading", "    breakpoint()\n    threading"))
    tape = service.tapes()[1].id
    parent, child = pty.openpty()
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb"}
    process = subprocess.Popen(
        [sys.executable, "-m", "autoplayback.cli", "replay", tape, "--debug"],
        cwd=service.folder,
        env=env,
        stdin=child,
        stdout=child,
        stderr=child,
        start_new_session=True,
    )
    os.close(child)
    said = read_until(parent, b"(Pdb)")
    assert b"svc.py" in said
    os.write(parent, b"p 'value is', value + 41\n")
    assert b"('value is', 42)" in read_until(parent, b"(Pdb)")
    os.write(parent, b"c\n")
    said = read_until(parent, b"equal")
    assert b"1 equal" in said
    assert process.wait(20) == 0
    os.close(parent)


def read_until(fd: int, wanted: bytes) -> bytes:
    data = b""
    deadline = time.monotonic() + 30
    while wanted not in data:
        assert time.monotonic() < deadline, data
        if select.select([fd], [], [], 1)[0]:
            try:
                part = os.read(fd, 4096)
            except OSError:
                part = b""
            assert part, data
            data += part
    return data


def test_suites_select_and_judge(service: Service) -> None:
    """A suite brings its selection, rules and thresholds."""
    suites = "suites: {two: {limit: 2, compare: {ignore: [result]}}, each: {sample: 2, by: [operation, outcome]}}\n"
    service.config(CONFIG + suites)
    service.code(CODE.replace("return value", "return [value]"))
    done = replay(service, "--suite", "two", "--json", "-")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == 3
    done = replay(service, "--suite", "each", "--json", "-")
    assert (done.returncode, len(done.stdout.splitlines())) == (1, 3), done.stdout + done.stderr


def offering(site: Path) -> None:
    """Installs, as pip would, a package that offers the comparator `lenient`."""
    (site / "acme_compare.py").write_text("def lenient(recorded, replayed, context): return ('improved', 'lenient is content')\n")
    info = site / "acme_compare-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-compare\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[autoplayback.comparators]\nlenient = acme_compare:lenient\n")


def test_an_installed_package_offers_a_comparator_by_name(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It judges; a name that nobody offers is told once, with its place and the nearest one, before anything is replayed."""
    site = tmp_path / "site"
    site.mkdir()
    offering(site)
    monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{ROOT}")
    service.code(CODE.replace("return value", "return [value]"))
    service.config(CONFIG + "compare: {comparator: lenient}\n")
    found = replay(service)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "lenient is content" in found.stdout
    service.config(CONFIG + "compare: {comparator: lenent}\n")
    for command in ("replay", "check"):
        refused = service.run(sys.executable, "-m", "autoplayback.cli", command)
        assert refused.returncode == 2
        assert "no installed package offers 'lenent'; did you mean 'lenient'?" in refused.stdout + refused.stderr
        assert "autoplayback.yaml:" in refused.stdout + refused.stderr


@pytest.mark.parametrize("left", [0, 0.7], ids=["overwritten", "cut"])
def test_a_damaged_segment_is_no_pass(service: Service, left: float) -> None:
    """What can't be found can't have passed: told each time, and exit status 3 though all that was found is equal."""
    [first] = (service.folder / ".autoplayback/tapes").glob("*.tapes")
    service.record("import svc\nfor key in range(5, 8): svc.operation(key)")
    size = first.stat().st_size
    content = first.read_bytes()[: int(size * left)]
    first.write_bytes(content or b"\0" * size)
    for _ in range(2):
        found = replay(service)
        assert found.returncode == 3, found.stdout + found.stderr
        assert f"warning: {first.name}: " in found.stderr
        assert " different" not in found.stdout
    assert replay(service, service.tapes()[-1].id).returncode == 0
