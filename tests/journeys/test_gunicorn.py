"""A WSGI service under gunicorn, stopped in every way there is: each operation that ended is on disk, none twice."""

from __future__ import annotations

import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.journeys.moves import Project
from tests.servers import processes

CONFIG = """
service: counter
tapes: ./tapes
operations:
  - wsgi: counter:app
    metadata: {n: request.query}
inputs:
  - target: counter:read
outputs:
  - target: counter:write
"""
SERVICE = """
import os, threading, time

def read(n):
    time.sleep(0.002)
    return {"n": n, "thread": threading.get_ident(), "process": os.getpid()}

def write(n, value):
    return n

def app(environ, start_response):
    n = int(environ["QUERY_STRING"])
    first, second = read(n), read(n + 1)
    write(n, first)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{first['n']} {second['n']} {first['process']}".encode()]
"""


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path, CONFIG, counter=SERVICE)


def gunicorn(port, *options):
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--no-control-socket", "--graceful-timeout", "5"]
    return [*command, *options, "counter:app"]


def drive(port, numbers, clients=4):
    """One request a number, from several clients; the processes which answered."""

    def ask(n):
        answer = requests.get(f"http://127.0.0.1:{port}/", params=str(n), timeout=10)
        first, second, process = answer.text.split()
        assert (int(first), int(second)) == (n, n + 1)
        return int(process)

    with ThreadPoolExecutor(clients) as pool:
        return set(pool.map(ask, numbers))


def check(project, count):
    """There is a tape for each request, none twice, and all replay equal."""
    tapes = project.tapes()
    assert sorted(tape["metadata"]["n"] for tape in tapes) == sorted(str(n) for n in range(count)), (
        project.folder / "server.log"
    ).read_text()
    replay = project.replay()
    assert replay.verdicts == {"equal": count}, replay.failures()


@pytest.mark.parametrize(
    "options",
    [
        ["--workers", "2"],
        ["--workers", "2", "--threads", "4"],
        ["--workers", "2", "--threads", "4", "--preload"],
        ["--workers", "2", "--worker-class", "gevent"],
        ["--workers", "1", "--threads", "2", "--max-requests", "7"],
    ],
    ids=" ".join,
)
def test_stopped_gracefully_every_request_is_on_a_tape(project, options):
    """Synchronous, threaded, preloaded, greenlets, and workers that are replaced as they go."""
    port = processes.free_port()
    started = time.monotonic()
    with project.serving(gunicorn(port, *options), port):
        drive(port, range(60))
        started = time.monotonic()
    assert time.monotonic() - started < 8
    check(project, 60)


@pytest.mark.parametrize("options", [["--threads", "4"], ["--worker-class", "gevent"]], ids=" ".join)
def test_killed_without_warning_what_ended_half_a_second_before_is_on_disk(project, options):
    """SIGKILL to the master and all its workers at once."""
    port = processes.free_port()
    command = gunicorn(port, "--workers", "2", *options)
    with project.serving(command, port, stop=signal.SIGKILL) as server:
        workers = drive(port, range(60))
        time.sleep(0.5)
        for process in workers | {server.pid}:
            os.kill(process, signal.SIGKILL)
    check(project, 60)


@pytest.mark.parametrize(
    "options", [["--threads", "2"], ["--threads", "2", "--preload"], ["--worker-class", "gevent"]], ids=" ".join
)
def test_reloaded_with_hup_the_old_workers_tapes_stay(project, options):
    """New workers take over; neither theirs nor the old ones' tapes are lost."""
    port = processes.free_port()
    with project.serving(gunicorn(port, "--workers", "2", *options), port) as server:
        before = drive(port, range(30))
        server.send_signal(signal.SIGHUP)
        until = time.monotonic() + 20
        while any(map(_alive, before)) and time.monotonic() < until:
            time.sleep(0.1)
        after = drive(port, range(30, 60))
    assert not before & after
    check(project, 60)


def test_replaced_with_usr2_both_masters_workers_are_recorded(project):
    """The master starts another by `exec`; both serve for a while, then the old one is told to end."""
    port = processes.free_port()
    script = str(Path(sys.executable).with_name("gunicorn"))  # it starts itself anew with its own `sys.argv`
    command = [sys.executable, script, *gunicorn(port, "--workers", "2", "--pid", "master")[3:]]
    with project.serving(command, port) as server:
        drive(port, range(20))
        server.send_signal(signal.SIGUSR2)
        second = project.folder / "master.2"
        until = time.monotonic() + 20
        while not (second.exists() and second.read_text().strip()):
            assert time.monotonic() < until, (project.folder / "server.log").read_text()
            time.sleep(0.1)
        master = int(second.read_text())
        try:
            drive(port, range(20, 50))
            server.send_signal(signal.SIGTERM)
            server.wait(20)
            until = time.monotonic() + 20
            while not processes.listens(port):  # its workers may still be starting
                assert time.monotonic() < until
                time.sleep(0.1)
            drive(port, range(50, 60))
        finally:
            os.kill(master, signal.SIGTERM)
        until = time.monotonic() + 20
        while _alive(master) and time.monotonic() < until:
            time.sleep(0.1)
    check(project, 60)


def test_not_recorded_it_answers_the_same(project):
    """The service's own answers don't depend on us."""
    port = processes.free_port()
    with project.serving(gunicorn(port, "--workers", "2"), port, AUTOPLAYBACK="off"):
        drive(port, range(10))
    assert not (project.folder / "tapes").exists()


def _alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
