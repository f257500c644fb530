"""Other instruments in the same process: each does its work, the service its own, and we ours."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

import pytest
import requests

from tests.journeys.moves import Project
from tests.servers import processes

CONFIG = """
service: pantry
tapes: ./tapes
operations:
  - wsgi: pantry:app
    metadata: {path: request.path}
inputs:
  - target: pantry:stock
  - preset: urllib3
  - preset: sqlite3
environment: [REMOTE]
"""
SERVICE = """
import os, sqlite3, threading, uuid
import flask, urllib3

app = flask.Flask("pantry")
pool = urllib3.PoolManager()

def stock(item):
    return {"item": item, "key": str(uuid.uuid4())}

@app.get("/item/<item>")
def item(item):
    with sqlite3.connect("pantry.db") as connection:
        cursor = connection.cursor()
        cursor.execute("select count(*), max(name) from items where name >= ?", (item,))
        count, last = cursor.fetchone()
        cursor.close()
    connection.close()
    return {"stock": stock(item), "count": count, "last": last}

@app.get("/remote/<item>")
def remote(item):
    answer = pool.request("GET", os.environ.get("REMOTE", "") + item)
    return {"status": answer.status, "size": len(answer.data), "head": answer.data[:20].decode()}
"""
SERVE = """
import signal, sys
from wsgiref.simple_server import make_server
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer
import pantry

class Server(ThreadingMixIn, WSGIServer):
    pass

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
make_server("127.0.0.1", int(sys.argv[1]), pantry.app, Server).serve_forever()
"""
PREPARE = """
import sqlite3
connection = sqlite3.connect("pantry.db")
connection.execute("create table items (name text)")
connection.executemany("insert into items values (?)", [("apple",), ("bread",), ("carrot",)])
connection.commit()
"""


@pytest.fixture
def pantry(tmp_path):
    """The service, its database, and another service which it asks."""
    project = Project(tmp_path, CONFIG, pantry=SERVICE, serve=SERVE)
    assert project.python("-c", PREPARE).status == 0
    (tmp_path / "remote").mkdir()
    for item in ("apple", "bread"):
        (tmp_path / "remote" / item).write_text(f"{item} of another service" * 10)
    port = processes.free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(tmp_path / "remote")]
    with processes.running(command, lambda: processes.listens(port), tmp_path / "remote.log"):
        project.remote = f"http://127.0.0.1:{port}/"
        yield project


def drive(port):
    """Sixteen requests to the service: half of them ask its database, half the other service."""
    for n in range(8):
        item = ("apple", "bread")[n % 2]
        answer = requests.get(f"http://127.0.0.1:{port}/item/{item}", timeout=20).json()
        assert (answer["stock"]["item"], answer["count"], answer["last"]) == (item, 3 - n % 2, "carrot")
        answer = requests.get(f"http://127.0.0.1:{port}/remote/{item}", timeout=20).json()
        page = f"{item} of another service"
        assert answer == {"status": 200, "size": 10 * len(page), "head": page[:20]}


def recorded(pantry, command, **variables):
    """Serves and drives it under `command`; its tapes are all there and replay equal, without the instrument."""
    port = processes.free_port()
    with pantry.serving([*command, str(port)], port, REMOTE=pantry.remote, **variables):
        drive(port)
    log = (pantry.folder / "server.log").read_text()
    assert "Traceback" not in log, log[-3000:]
    assert len(pantry.tapes()) == 16, log[-3000:]
    replay = pantry.replay()
    assert replay.verdicts == {"equal": 16}, replay.failures()
    return log


def test_another_sitecustomize(pantry, tmp_path):
    """One of the operator's own, which patches what we patch as well, and is there before us."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "sitecustomize.py").write_text(
        "import threading\nbefore = threading.Thread.start\n"
        "def start(self):\n    with open('threads', 'a') as file: file.write('.')\n    return before(self)\n"
        "threading.Thread.start = start\n"
    )
    path = os.pathsep.join([str(other), str(pantry.folder)])
    recorded(pantry, [sys.executable, "serve.py"], PYTHONPATH=path)
    assert len((pantry.folder / "threads").read_text()) >= 16


def test_coverage(pantry):
    """`coverage run`: it counts the lines that ran, those of wrapped functions too."""
    recorded(pantry, [sys.executable, "-m", "coverage", "run", "--include", "pantry.py,*/pantry.py", "serve.py"])
    report = pantry.python("-m", "coverage", "json", "-o", "-", "--include", "*pantry.py")
    assert report.status == 0, report.out + report.err
    (file,) = json.loads(report.out)["files"].values()
    assert file["missing_lines"] == []


def test_coverage_of_subprocesses(pantry, tmp_path):
    """Its own .pth file beside ours, `COVERAGE_PROCESS_START` in the environment."""
    (tmp_path / "coveragerc").write_text(f"[run]\ninclude = */pantry.py\ndata_file = {tmp_path}/.coverage\nsigterm = true\n")
    start = tmp_path / "startup"
    start.mkdir()
    (start / "sitecustomize.py").write_text("import coverage\ncoverage.process_startup()\n")
    path = os.pathsep.join([str(start), str(pantry.folder)])
    recorded(pantry, [sys.executable, "serve.py"], PYTHONPATH=path, COVERAGE_PROCESS_START=str(tmp_path / "coveragerc"))
    report = pantry.python("-m", "coverage", "json", "-o", "-")
    (file,) = json.loads(report.out)["files"].values()
    assert file["missing_lines"] == []


def test_opentelemetry_auto_instrumentation(pantry):
    """`opentelemetry-instrument` with its instrumentations of Flask, urllib3 and sqlite3: each request has its spans."""
    if importlib.util.find_spec("opentelemetry.instrumentation") is None:
        pytest.fail("OpenTelemetry isn't installed; `bash tests/run` installs it")
    program = Path(sys.executable).parent / "opentelemetry-instrument"
    exporters = {"OTEL_TRACES_EXPORTER": "console", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    log = recorded(pantry, [str(program), sys.executable, "serve.py"], **exporters)
    spans = {kind: log.count(f'"name": "{kind}') for kind in ("GET /item", "GET /remote", '"GET"', "select")}
    assert spans["GET /item"] == spans["GET /remote"] == 8, spans
    assert spans["select"] == 8, spans
    assert log.count('"http.method": "GET"') + log.count('"http.request.method": "GET"') == 24


def test_debugpy(pantry):
    """`python -m debugpy --listen`: its tracing and our exchanged code get on."""
    port = processes.free_port()
    recorded(pantry, [sys.executable, "-Xfrozen_modules=off", "-m", "debugpy", "--listen", f"127.0.0.1:{port}", "serve.py"])
