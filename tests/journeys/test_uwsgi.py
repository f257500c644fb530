"""A service under uWSGI, which embeds Python and forks behind its back: each operation that ended is on disk, none twice."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.journeys import environments
from tests.journeys.moves import Project
from tests.journeys.test_gunicorn import CONFIG, SERVICE, check, drive
from tests.servers import processes


@pytest.fixture(scope="session")
def uwsgi():
    """The program, built from its source on first use; the test is skipped only where it can't be built."""
    found = shutil.which("uwsgi", path=str(Path(sys.executable).parent))
    if found:
        return found
    if not shutil.which("gcc"):
        pytest.skip("uWSGI can't be built here: there is no gcc")
    try:
        python = environments.overlay("uwsgi")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"uWSGI can't be built here: pip said {error.returncode}")
    return str(next(python.parent.parent.glob("lib/python*/site-packages/bin/uwsgi")))


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path, CONFIG, counter=SERVICE.replace("def app(", "def application(") + "\napp = application\n")


def command(program, port, *options):
    base = ["--http-socket", f"127.0.0.1:{port}", "--home", sys.prefix, "--module", "counter:app", "--master", "--die-on-term"]
    return [program, *base, "--need-app", *options]


WAYS = [
    ["--processes", "2"],
    ["--processes", "2", "--enable-threads"],
    ["--processes", "2", "--threads", "4"],
    ["--processes", "2", "--lazy-apps", "--enable-threads"],
]


@pytest.mark.parametrize("options", WAYS, ids=" ".join)
def test_stopped_gracefully_every_request_is_on_a_tape(project, uwsgi, options):
    """Forked after the application was loaded or before, with Python's threads and without.

    A worker which is still closing its last request when it is told to stop runs no exit handlers: hence the moment in between.
    """
    port = processes.free_port()
    with project.serving(command(uwsgi, port, *options), port):
        drive(port, range(60))
        time.sleep(0.2)
        began = time.monotonic()
    assert time.monotonic() - began < 8
    check(project, 60)


@pytest.mark.parametrize("options", WAYS[:3], ids=" ".join)
def test_killed_what_ended_half_a_second_before_is_on_disk(project, uwsgi, options):
    """SIGKILL to the master and all its workers."""
    port = processes.free_port()
    with project.serving(command(uwsgi, port, *options), port, stop=signal.SIGKILL) as server:
        workers = drive(port, range(60))
        time.sleep(0.5)
        for process in workers | {server.pid}:
            os.kill(process, signal.SIGKILL)
    check(project, 60)


def test_reloaded_with_hup_the_old_workers_tapes_stay(project, uwsgi):
    """uWSGI's HUP: the master execs itself anew after its workers have ended."""
    port = processes.free_port()
    with project.serving(command(uwsgi, port, "--processes", "2", "--threads", "2"), port) as server:
        before = drive(port, range(30))
        server.send_signal(signal.SIGHUP)
        until = time.monotonic() + 20
        while time.monotonic() < until and any(map(_alive, before)):
            time.sleep(0.1)
        until = time.monotonic() + 20
        while not processes.listens(port) and time.monotonic() < until:
            time.sleep(0.1)
        after = drive(port, range(30, 60))
    assert not before & after
    check(project, 60)


def _alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
