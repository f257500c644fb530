"""Whole web applications: the recorded request goes in again, the response is the outcome."""

from __future__ import annotations

from pathlib import Path

import pytest

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


FLASK = """
import flask
app = flask.Flask(__name__)
def load(key): return {"sku": key}
def price(found): return found["sku"]
@app.get("/")
def index(): return {"price": price(load(flask.request.args["q"]))}
"""
FASTAPI = """
import fastapi, fastapi.responses
app = fastapi.FastAPI()
async def load(key): return {"sku": key}
def price(found): return found["sku"]
@app.exception_handler(KeyError)
async def missing(request, error): return fastapi.responses.JSONResponse({"error": str(error)}, 500)
@app.post("/a")
async def index(q): return {"price": price(await load(q))}
"""
BARE = """
import sys
def load(key): return {"sku": key}
def price(found): return found["sku"]
def app(environ, start_response):
    try:
        found = price(load(environ["QUERY_STRING"]))
    except KeyError:
        start_response("500 Oops", [], sys.exc_info())
        return [b"oops"]
    start_response("200 OK", [])
    return [found.encode()]
"""
CONFIG = 'service: svc\noperations: [{{{kind}: "svc:app"}}]\ninputs: [{{target: "svc:load"}}]\n'
GET = DRIVE.partition("get(\"/x\"")[0] + "get('/', 'q=1')"


@pytest.mark.parametrize(("kind", "code", "drive"), [("wsgi", FLASK, GET), ("wsgi", BARE, GET), ("asgi", FASTAPI, ASGI_DRIVE)],
                         ids=["flask", "bare", "fastapi"])  # fmt: skip
def test_an_answer_of_500_says_where_it_was_raised(tmp_path: Path, kind: str, code: str, drive: str) -> None:
    """Frameworks catch what the service raises: the place in the service is told all the same."""
    service = Service(tmp_path, code, CONFIG.format(kind=kind))
    assert len(service.record(drive)) == 1
    service.code(code.replace('found["sku"]', 'found["stock"]'))
    [result] = service.replay()
    assert result.verdict is Verdict.FAILED, result
    line = next(number for number, text in enumerate(code.splitlines(), 1) if "def price" in text)
    assert result.reason.endswith(f"replayed: answered 500 at svc.py:{line} in price (KeyError)"), result.reason


SIGNED = """
import hmac
def load(key): return key
def signed(credential):
    user, _, signature = credential.partition(".")
    return hmac.compare_digest(hmac.new(b"key", user.encode(), "sha256").hexdigest(), signature)
def verify(token):
    if not signed(token):
        raise PermissionError("bad signature")
def app(environ, start_response):
    known = signed(environ.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer "))
    start_response("200 OK" if known else "401 Unauthorized", [])
    return [b"hello"]
def operation(token):
    verify(token)
    return "hello"
"""
SIGNED_DRIVE = DRIVE.partition("get(\"/x\"")[0] + """
import hmac
token = "eve." + hmac.new(b"key", b"eve", "sha256").hexdigest()
get("/", HTTP_AUTHORIZATION="Bearer " + token)
svc.operation(token)
"""


def test_a_redacted_credential_is_named_as_the_likely_cause(tmp_path: Path) -> None:
    """The same code refuses the token that stands for a secret: the result says so, and what to declare."""
    config = 'service: svc\noperations: [{wsgi: "svc:app"}, {target: "svc:operation"}]\n'
    service = Service(tmp_path, SIGNED, config + 'inputs: [{target: "svc:load"}]\n')
    assert len(service.record(SIGNED_DRIVE)) == 2
    refused, raised = service.replay()
    assert refused.verdict is Verdict.DIFFERENT
    assert any("headers.authorization of the request is redacted" in note and "inputs:" in note for note in refused.notes)
    assert raised.verdict is Verdict.FAILED
    assert any("token of the request is redacted" in note and "MODULE:verify" in note for note in raised.notes), raised
    service.config(config + 'inputs: [{target: "svc:signed"}]\n')
    service.record(SIGNED_DRIVE)
    results = service.replay(service.tapes()[2:])
    assert [result.verdict for result in results] == [Verdict.EQUAL] * 2, results
    assert not any("redacted" in note for result in results for note in result.notes)
