"""A process that ends without running exit handlers has what it recorded on disk all the same."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import time

import pytest
import requests

from autoplayback.recorder import endings
from tests.journeys.moves import Project
from tests.servers import processes

CONFIG = "tapes: ./tapes\noperations:\n  - {target: 'service:work', name: work, metadata: {n: n}}\n"
SERVICE = "def work(n):\n    return n\n"
FORKING = """
import sys
from socketserver import ForkingMixIn
from wsgiref.simple_server import WSGIServer, make_server
from service import work

class Server(ForkingMixIn, WSGIServer):
    pass

def app(environ, start_response):
    start_response("200 OK", [])
    return [str(work(int(environ["QUERY_STRING"]))).encode()]

make_server("127.0.0.1", int(sys.argv[1]), app, Server).serve_forever()
"""


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path, CONFIG, service=SERVICE, forking=FORKING)


def numbers(project):
    return sorted(int(tape["metadata"]["n"]) for tape in project.tapes())


@pytest.mark.parametrize(
    "ending",
    ["os._exit(0)", "os.execv('/bin/true', ['true'])", "os.execvp('true', ['true'])", "os.execle('/bin/true', 'true', {})"],
)
def test_the_last_operation_before_it_is_kept(project, ending):
    """Those before a pause, and those of the last instant."""
    work = (
        "import os, service, time\n"
        "for n in range(30): service.work(n)\n"
        "time.sleep(0.2)\n"
        "for n in range(30, 40): service.work(n)\n"
    )
    began = time.monotonic()
    run = project.python("-c", work + ending, AUTOPLAYBACK="record")
    assert (run.status, run.err) == (0, "")
    assert time.monotonic() - began < 20
    assert numbers(project) == list(range(40))


def test_an_exec_that_fails_changes_nothing(project):
    """The process goes on, is recorded, and gets the exception it always got."""
    code = (
        "import os, service\nservice.work(1)\n"
        "try: os.execv('/nowhere', ['x'])\nexcept FileNotFoundError as error: print(error.errno, os.execv.__name__)\n"
        "service.work(2)"
    )
    run = project.python("-c", code, AUTOPLAYBACK="record")
    assert (run.status, run.out, run.err) == (0, "2 execv\n", "")
    assert numbers(project) == [1, 2]


def test_a_server_that_forks_for_each_request(project):
    """Each child has one operation and ends with `os._exit`; the parent has none."""
    port = processes.free_port()
    with project.serving([sys.executable, "forking.py", str(port)], port):
        assert [requests.get(f"http://127.0.0.1:{port}/?{n}", timeout=10).text for n in range(20)] == [str(n) for n in range(20)]
        time.sleep(0.5)
    assert numbers(project) == list(range(20))


def test_a_child_forked_within_an_operation_ends_at_once(project):
    """It has nothing to write: what waits is its parent's, and is written once."""
    code = (
        "import os, service, time\n"
        "for n in range(200): service.work(n)\n"
        "if os.fork() == 0:\n    os._exit(0)\n"
        "assert os.wait()[1] == 0\n"
    )
    run = project.python("-W", "ignore", "-c", code, AUTOPLAYBACK="record")  # Python 3.12 warns of threads at a fork
    assert (run.status, run.err) == (0, "")
    assert numbers(project) == list(range(200))


def test_an_interrupt_doesnt_keep_a_child_from_its_end(project):
    """Ctrl-C while it waits for its last tapes to be written: it would go on with its parent's code."""
    code = (
        "import os, service\n"
        "from autoplayback.recorder.spool import Spool\n"
        "if os.fork() == 0:\n"
        "    service.work(1)\n"
        "    def interrupted(self, timeout): raise KeyboardInterrupt\n"
        "    Spool.close = interrupted\n"
        "    try: os._exit(7)\n"
        "    finally: print('went on', flush=True)\n"
        "print(os.waitstatus_to_exitcode(os.wait()[1]))\n"
    )
    run = project.python("-W", "ignore", "-c", code, AUTOPLAYBACK="record")
    assert (run.status, run.out, run.err) == (0, "7\n", "")


def test_nothing_is_exchanged_before_the_first_tape(project):
    """Python's own functions stand there until there is something to lose."""
    code = "import os, service\nprint(type(os._exit).__name__)\nservice.work(1)\nprint(type(os._exit).__name__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project.folder, env=project.environment(AUTOPLAYBACK="record"),
        capture_output=True, text=True, timeout=60,
    )
    assert done.stdout == "builtin_function_or_method\nfunction\n", done.stderr


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_pool_s_workers_let_nothing_wait_to_be_written_with_more(method):
    """`with Pool() as pool` ends them by SIGTERM, of which no handler hears, in the instant that it has their last result."""
    assert not endings.sudden()
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply(endings.sudden)


def test_a_pool_that_is_ended_after_a_pause(project):
    """What its workers did is all there."""
    code = (
        "import multiprocessing, service, time\n"
        "with multiprocessing.Pool(2) as pool:\n"
        "    pool.map(service.work, range(40))\n"
        "    time.sleep(0.5)\n"
    )
    run = project.python("-c", code, AUTOPLAYBACK="record")
    assert (run.status, run.err) == (0, "")
    assert numbers(project) == list(range(40))
