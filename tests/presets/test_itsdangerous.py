"""Flask's session cookies: a tape holds them as tokens, and a replay finds them valid, without the key that signed them."""

from __future__ import annotations

import os
import sys

import requests

from tests.journeys.moves import Project
from tests.servers import processes

CONFIG = """
service: shop
operations:
  - wsgi: shop:create_app()
    metadata: {path: request.path}
inputs:
  - preset: itsdangerous
"""
SERVICE = """
import os
from flask import Flask, session

def create_app():
    app = Flask(__name__)
    app.secret_key = os.environ.get("KEY") or os.urandom(20).hex()

    @app.get("/visit")
    def visit():
        session["visits"] = session.get("visits", 0) + 1
        return {"visits": session["visits"]}

    return app
"""


def test_sessions_of_a_factorys_application_go_on_without_its_key(tmp_path):
    """A forged cookie is refused as it was, an honest one is read; another count in it is told."""
    project = Project(tmp_path, CONFIG, shop=SERVICE)
    port = processes.free_port()
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--no-control-socket", "shop:create_app()"]
    with project.serving(command, port, KEY=os.urandom(20).hex()):
        client = requests.Session()
        url = f"http://127.0.0.1:{port}/visit"
        assert [client.get(url, timeout=20).json()["visits"] for _ in range(3)] == [1, 2, 3]
        assert requests.get(url, cookies={"session": "forged.by.me"}, timeout=20).json() == {"visits": 1}
    replay = project.replay()
    assert replay.verdicts == {"equal": 4}, replay.failures()
    project.write("shop.py", SERVICE.replace("0) + 1", "0) + 2"))
    assert "equal" not in project.replay().verdicts
