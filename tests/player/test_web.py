"""Whole web applications: the recorded request goes in again, the response is the outcome."""

from __future__ import annotations

from pathlib import Path

from autoplayback.equalizer.verdict import Verdict
from tests.player.service import Service

WSGI = """
import json
def load(key): return {"key": key}
def app(environ, start_response):
    body = environ["wsgi.input"].read()
    if environ["PATH_INFO"] == "/stream":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (load(i)["key"] and f"chunk {i}\\n".encode() for i in range(1, 4))
    if environ["PATH_INFO"] == "/error":
        raise RuntimeError("broken")
    start_response("201 Created", [("Content-Type", "application/json"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    return [json.dumps([load(environ["QUERY_STRING"]), body.decode(), environ.get("HTTP_X_ID")]).encode()]
"""
DRIVE = """
import svc, sys, io
from wsgiref.util import setup_testing_defaults
def get(path, query="", body=b"", **headers):
    environ = {"PATH_INFO": path, "QUERY_STRING": query, "wsgi.input": io.BytesIO(body), **headers}
    environ["CONTENT_LENGTH"] = str(len(body))
    setup_testing_defaults(environ)
    result = svc.app(environ, lambda *a: None)
    b"".join(result); getattr(result, "close", lambda: None)()
get("/x", "q=1", b"hello", HTTP_X_ID="7", REQUEST_METHOD="POST"); get("/stream")
try: get("/error")
except RuntimeError: pass
"""
ASGI = """
import json
async def load(key): return {"key": key}
async def app(scope, receive, send):
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(await load(scope["path"])).encode(), "more_body": True})
    await send({"type": "http.response.body", "body": message["body"]})
"""
ASGI_DRIVE = """
import asyncio, svc
async def go():
    sent = []
    async def receive(): return {"type": "http.request", "body": b"hello", "more_body": False}
    async def send(message): sent.append(message)
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "path": "/a", "raw_path": b"/a",
             "query_string": b"q=1", "headers": [(b"host", b"x")], "scheme": "http", "server": ("x", 80), "client": ("y", 1),
             "root_path": ""}
    await svc.app(scope, receive, send)
asyncio.run(go())
"""


def test_wsgi(tmp_path: Path) -> None:
    """Requests with bodies, streamed responses, errors."""
    service = Service(tmp_path, WSGI, 'service: svc\noperations: [{wsgi: "svc:app"}]\ninputs: [{target: "svc:load"}]\n')
    assert len(service.record(DRIVE)) == 3
    results = service.replay()
    assert [result.verdict for result in results] == [Verdict.EQUAL] * 3, results
    service.code(WSGI.replace("201 Created", "200 OK"))
    assert [result.verdict for result in service.replay()] == [Verdict.DIFFERENT, Verdict.EQUAL, Verdict.EQUAL]


def test_asgi(tmp_path: Path) -> None:
    """The same for ASGI."""
    service = Service(tmp_path, ASGI, 'service: svc\noperations: [{asgi: "svc:app"}]\ninputs: [{target: "svc:load"}]\n')
    assert len(service.record(ASGI_DRIVE)) == 1
    [result] = service.replay()
    assert result.verdict is Verdict.EQUAL, result
    service.code(ASGI.replace('scope["path"]', 'scope["path"].upper()'))
    [result] = service.replay()
    assert result.verdict is Verdict.DIVERGED, result
