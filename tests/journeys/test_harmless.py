"""A service whose recorder fails in every way we could think of: it answers as it does without us, and the loss is told."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.journeys.moves import Project
from tests.servers import processes

CONFIG = """
service: till
tapes: {tapes}
operations:
  - wsgi: till:app
    metadata: {{n: request.query}}
inputs:
  - target: till:read
outputs:
  - target: till:write
limits: {{queue_mb: 1}}
"""
SERVICE = """
import hashlib, random

class Refused(Exception):
    pass

def read(n, size):
    if n % 7 == 3:
        raise Refused(n)
    return {"n": n, "noise": random.Random(n).randbytes(size)}

def write(n, total):
    return total + n

def app(environ, start_response):
    n = int(environ["QUERY_STRING"])
    sent = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    try:
        row = read(n, int(environ.get("HTTP_X_SIZE", "100")))
        digest = hashlib.sha256(row["noise"] + sent).hexdigest()
        status, body = "200 OK", f"{digest} {write(n, len(sent))}"
    except Refused as error:
        status, body = "409 Conflict", f"refused {error}"
    start_response(status, [("Content-Type", "text/plain"), ("X-Number", str(n))])
    return iter([body.encode(), b"."])
"""
SERVE = """
import os, signal, sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
import till

exec(os.environ.get("FAULT", ""))

class Server(ThreadingMixIn, WSGIServer):
    request_queue_size = 64

class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
make_server("127.0.0.1", int(sys.argv[1]), till.app, Server, Quiet).serve_forever()
"""
REQUESTS = range(40)
BOOM = "def boom(*args, **kwargs): raise RuntimeError('injected')\n"
NOTICE = "not every operation is recorded"


def project(folder, tapes="./tapes"):
    return Project(folder, CONFIG.format(tapes=tapes), till=SERVICE, serve=SERVE)


def answers(port, numbers=REQUESTS, size=100):
    """What the service says to each number: status, headers but for the time, body."""

    def ask(n):
        url = f"http://127.0.0.1:{port}/?{n}"
        answer = requests.request("POST" if n % 2 else "GET", url, data=b"p" * n, headers={"X-Size": str(size)}, timeout=30)
        headers = sorted((name, value) for name, value in answer.headers.items() if name != "Date")
        return n, answer.status_code, headers, answer.text

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(ask, numbers))


class Served:
    """One life of the service: what it answered, and what it printed."""

    def __init__(self, project, *, size=100, midway=None, **variables):
        port = processes.free_port()
        half = len(REQUESTS) // 2
        with project.serving([sys.executable, "serve.py", str(port)], port, **variables) as process:
            self.answers = answers(port, REQUESTS[:half], size)
            if midway is not None:
                midway()
            self.answers += answers(port, REQUESTS[half:], size)
        self.status = process.returncode
        self.log = (project.folder / "server.log").read_text()


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """What the service answers without us, by the size of its values."""
    made = {}

    def unrecorded(size=100):
        if size not in made:
            made[size] = Served(project(tmp_path_factory.mktemp("plain")), size=size, AUTOPLAYBACK="off").answers
        return made[size]

    return unrecorded


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A state folder of the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def lost(project):
    """What `autoplayback list` tells of losses: how many by reason."""
    run = project.autoplayback("list", "--json")
    told = re.search(r"tapes were lost in recording: (.*)", run.err)
    found = [each.partition(" ") for each in told[1].split(", ")] if told else []
    return {reason: int(count) for count, _, reason in found}, sum("tape" in line for line in run.lines)


FAULTS = {
    "encoder": ("from autoplayback.tape.values import Encoder\nEncoder.encode = Encoder.arguments = boom", "fault: RuntimeError"),
    "encoding a result": ("from autoplayback.tape.values import Encoder\nEncoder.encode = boom", "fault: RuntimeError"),
    "out of memory": (
        "def full(*args): raise MemoryError\nfrom autoplayback.tape.values import Encoder\nEncoder.encode = full",
        "fault: MemoryError",
    ),
    "sampler": ("from autoplayback.recorder.sampling import Sampler\nSampler.head = boom", "fault: RuntimeError"),
    "beginning a tape": ("from autoplayback.recorder import scope\nscope.Draft = boom", "fault: RuntimeError"),
    "rendering": ("from autoplayback.tape import payload\npayload.drafted = boom", "rendering failed: RuntimeError"),
    "writing": ("from autoplayback.recorder.writer import Writer\nWriter._append = boom", "fault: RuntimeError"),
    "starting our thread": (
        "from autoplayback.recorder import spool\nspool.start_new_thread = boom",
        "fault: RuntimeError: injected",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_ours_costs_the_tapes_and_nothing_else(tmp_path, plain, fault):
    """Each part of the recorder raises, in a server with threads, from its first request to its last."""
    code, reason = FAULTS[fault]
    till = project(tmp_path)
    served = Served(till, FAULT=BOOM + code)
    assert served.answers == plain()
    assert served.status == 0
    assert served.log.count(NOTICE) == 1, served.log
    assert reason in served.log
    assert lost(till) == ({reason: len(REQUESTS)}, 0)


def test_values_over_the_memory_bound_cost_their_tapes(tmp_path, plain):
    """A queue of one megabyte, and values of one and a half."""
    till = project(tmp_path)
    served = Served(till, size=1_500_000)
    assert served.answers == plain(1_500_000)
    assert served.log.count(NOTICE) == 1
    refused = sum(n % 7 == 3 for n in REQUESTS)
    assert lost(till) == ({"memory full (limits.queue_mb)": len(REQUESTS) - refused}, refused)


def test_a_full_disk(tmp_path, plain):
    """A file system of one megabyte, and two megabytes of tapes: what fits is whole, the rest is counted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("may not mount a file system here; the test with a bound on file sizes runs")
    try:
        till = project(tmp_path, disk / "tapes")
        served = Served(till, size=50_000)
        assert served.answers == plain(50_000)
        assert served.log.count(NOTICE) == 1
        losses, kept = lost(till)
        assert set(losses) == {"disk full"}
        assert losses["disk full"] + kept == len(REQUESTS)
        assert kept >= 6
    finally:
        subprocess.run(["umount", "-l", disk])


def test_a_disk_full_before_the_first_tape(tmp_path, plain):
    """Then not even the count has room beside the tapes: it lies in the user's state folder."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("may not mount a file system here")
    try:
        (disk / "tapes").mkdir()
        with open(disk / "filler", "wb", buffering=0) as filler, pytest.raises(OSError, match="No space"):
            any(filler.write(bytes(4096)) == 0 for _ in range(10_000))
        till = project(tmp_path, disk / "tapes")
        served = Served(till)
        assert served.answers == plain()
        assert served.log.count(NOTICE) == 1
        assert lost(till) == ({"disk full": len(REQUESTS)}, 0)
    finally:
        subprocess.run(["umount", "-l", disk])


def test_a_bound_on_file_sizes(tmp_path, plain):
    """RLIMIT_FSIZE, as a service manager may set it: the kernel refuses a write as a full disk would."""
    till = project(tmp_path)
    limit = f"import resource; resource.setrlimit({resource.RLIMIT_FSIZE}, (400_000, 400_000))"
    served = Served(till, size=50_000, FAULT=limit)
    assert served.answers == plain(50_000)
    assert served.log.count(NOTICE) == 1
    losses, kept = lost(till)
    assert sum(losses.values()) + kept == len(REQUESTS)
    assert kept >= 6


def test_a_folder_that_may_not_be_written(tmp_path, plain):
    """A file stands in its place."""
    till = project(tmp_path)
    (tmp_path / "tapes").write_text("somebody's notes")
    served = Served(till)
    assert served.answers == plain()
    assert served.log.count(NOTICE) == 1
    assert lost(till)[0] == {"tapes folder not writable": len(REQUESTS)}
    assert (tmp_path / "tapes").read_text() == "somebody's notes"


def test_a_read_only_folder(tmp_path, plain):
    """As in a container whose file system is read-only."""
    till = project(tmp_path)
    tapes = tmp_path / "tapes"
    tapes.mkdir(0o500)
    if not os.geteuid() and subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", tapes], capture_output=True).returncode:
        pytest.skip("root may write everywhere, and may not mount here")
    try:
        served = Served(till)
        assert served.answers == plain()
        assert served.log.count(NOTICE) == 1
        assert lost(till) == ({"tapes folder not writable": len(REQUESTS)}, 0)
    finally:
        subprocess.run(["umount", "-l", tapes], capture_output=True)


@pytest.mark.parametrize("instead", ["nothing", "a file"])
def test_a_folder_removed_while_it_is_recorded_to(tmp_path, plain, instead):
    """What was in it is gone; where it can be made again, recording goes on."""
    till = project(tmp_path)
    tapes = tmp_path / "tapes"

    def remove():
        time.sleep(1)  # what ended half a second ago is on disk
        shutil.rmtree(tapes)
        if instead == "a file":
            tapes.write_text("")

    served = Served(till, midway=remove)
    assert served.answers == plain()
    losses, kept = lost(till)
    assert sum(losses.values()) + kept == len(REQUESTS)
    assert kept == (0 if instead == "a file" else len(REQUESTS) // 2)
    assert served.log.count(NOTICE) == len(losses)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (None, "no such file"),
        ("operations: 7\n", "autoplayback.yaml:1"),
        ("a: [\n", "autoplayback.yaml:"),
        ("\x00", "autoplayback.yaml"),
    ],
    ids=["missing", "wrong", "not YAML", "binary"],
)
def test_a_config_that_cannot_be_read(tmp_path, plain, config, said):
    """One line on stderr, and the service runs unrecorded."""
    till = project(tmp_path)
    (tmp_path / "autoplayback.yaml").unlink()
    if config is not None:
        till.write("autoplayback.yaml", config)
    served = Served(till)
    assert served.answers == plain()
    (line,) = served.log.splitlines()
    assert line.startswith("autoplayback: not recording: ")
    assert said in line


def test_clock_jumps(tmp_path, plain):
    """Set back by ten days in the midst of recording, and then forward by a hundred: no tape is lost, all replay."""
    till = project(tmp_path)
    jumping = (
        "import time_machine, time\n"
        "from datetime import datetime, timedelta, timezone\n"
        "read, days = till.read, {10: -10, 25: 100}\n"
        "class jump:\n"
        "    def __new__(cls, n):\n"
        "        if n in days:\n"
        "            at = datetime.now(timezone.utc) + timedelta(days=days[n])\n"
        "            time_machine.travel(at, tick=True).start()\n"
        "write = till.app\n"
        "def app(environ, start_response):\n"
        "    jump(int(environ['QUERY_STRING']))\n"
        "    return write(environ, start_response)\n"
        "class Jumping:\n"
        "    app = staticmethod(app)\n"
        "till = Jumping\n"
    )
    served = Served(till, FAULT=jumping)
    assert served.answers == plain()
    assert NOTICE not in served.log, served.log
    assert lost(till) == ({}, len(REQUESTS))
    started = [tape["started"] for tape in till.tapes()]
    assert len({each[:10] for each in started}) == 3, started
    replay = till.replay()
    assert replay.verdicts == {"equal": len(REQUESTS)}, replay.failures()


def test_killed_and_stopped_as_quickly_as_without_us(tmp_path):
    """A thousandth of a second or so of a service's end is ours; a second at the very most, however much is unwritten."""
    spent = {}
    for mode in ("off", "record"):
        till = project(tmp_path / mode)
        port = processes.free_port()
        with project(tmp_path / mode).serving([sys.executable, "serve.py", str(port)], port, AUTOPLAYBACK=mode) as process:
            answers(port, range(200))
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            process.wait(30)
            spent[mode] = time.monotonic() - began
    assert spent["record"] - spent["off"] < 1.5, spent
    losses, kept = lost(till)
    assert sum(losses.values()) + kept == 200
