"""ASGI: messages as they pass, and the same exchange again when driven."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from autoplayback.errors import ReplayError
from autoplayback.interception import asgi as web
from tests.interception.conftest import asgi

APPS = """
import asyncio
log = []
async def load(x):
    await asyncio.sleep(0)
    return x
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            log.append(message["type"])
            if message["type"] == "lifespan.startup":
                scope["state"]["db"] = "connected"
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown": return
    if scope["type"] == "websocket":
        log.append("websocket"); return
    path = scope["path"]
    body = b""
    pieces = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect": break
        body += message["body"]; pieces += 1
        if not message.get("more_body"): break
    if path == "/boom": raise KeyError("boom")
    headers = [(b"x-pieces", b"%d" % pieces), (b"set-cookie", b"a"), (b"set-cookie", b"b")]
    await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": path == "/trailers"})
    if path == "/stream":
        for n in range(3):
            await load(n)
            await send({"type": "http.response.body", "body": b"%d" % n, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    elif path == "/wait":
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        log.append((await receive())["type"])
        return
    else:
        state = repr(scope.get("state", {}).get("db")).encode()
        await send({"type": "http.response.body", "body": scope["method"].encode() + body + scope["query_string"] + state})
    if path == "/trailers":
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"5")]})
    if path == "/background":
        await load("after")
class Instance:
    async def __call__(self, scope, receive, send):
        return await app(scope, receive, send)
instance = Instance()
async def unlifed(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"plain"})
async def failing(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})
"""


def request(path="/", **more):
    return {
        "method": "POST",
        "script_name": "",
        "path": path,
        "query": b"q=1",
        "scheme": "https",
        "server": ["shop", 443],
        "client": ["10.0.0.9", 5],
        "http_version": "1.1",
        "headers": {"host": "shop", "accept": ["a", "b"]},
        "body": b"",
        **more,
    }


@pytest.fixture
def m(service, intercept):
    m = service.module(APPS)
    intercept(asgi(f"{m.__name__}:app"), f"{m.__name__}:load")
    return m


@pytest.mark.parametrize(
    "given",
    [
        request(),
        request(body=b"abc"),
        request(body=b"abcdef", pieces=[2, 4]),
        request("/stream"),
        request("/trailers"),
        request("/background"),
        request(raw_path=b"/%FC"),
        request("/wait", left=1),
    ],
)
def test_a_round(m, notebook, given):
    """Drive a request, look at what was heard, drive what was heard, and hear the same."""
    first = asyncio.run(web.drive(m.app, given))
    (page,) = notebook.pages
    assert page.heard.args[0] == given
    assert page.heard.value == first
    assert page.closed
    assert asyncio.run(web.drive(m.app, page.heard.args[0])) == first
    assert notebook.pages[1].heard.args == page.heard.args


def test_calls_land_in_the_operation(m, notebook):
    """Those of a stream, and those of background work before the application returns."""
    asyncio.run(web.drive(m.app, request("/stream")))
    asyncio.run(web.drive(m.app, request("/background")))
    assert [[call.args[0] for call in page.calls] for page in notebook.pages] == [[0, 1, 2], ["after"]]


def test_lifespan_goes_around_and_its_state_arrives(m, notebook):
    """Startup before, shutdown after, neither recorded."""
    response = asyncio.run(web.drive(m.app, request()))
    assert b"connected" in response["body"]
    assert m.log == ["lifespan.startup", "lifespan.shutdown"]
    assert len(notebook.pages) == 1


def test_without_a_lifespan_and_with_a_failing_one(service, intercept, notebook):
    """One that knows no lifespan is driven as it is; one whose startup fails says so."""
    m = service.module(APPS)
    intercept(asgi(f"{m.__name__}:unlifed"), asgi(f"{m.__name__}:instance"))
    assert asyncio.run(web.drive(m.unlifed, request()))["body"] == b"plain"
    assert asyncio.run(web.drive(m.instance, request()))["status"] == 200
    assert len(notebook.pages) == 2
    with pytest.raises(ReplayError, match="no database"):
        asyncio.run(web.drive(m.failing, request()))


def test_websockets_pass_through(m, notebook):
    """Unrecorded, not refused."""
    asyncio.run(m.app({"type": "websocket"}, None, None))
    assert m.log == ["websocket"]
    assert notebook.pages == []


def test_exceptions_and_cancellation(m, notebook):
    """The very exception reaches the server."""
    with pytest.raises(KeyError) as caught:
        asyncio.run(web.drive(m.app, request("/boom")))
    assert notebook.pages[0].heard.value is caught.value

    async def cancelled():
        async def receive():
            await asyncio.sleep(60)

        task = asyncio.create_task(m.app(web.scope_of(request()), receive, None))
        await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert type(notebook.pages[1].heard.value) is asyncio.CancelledError


def test_file_shortcuts_of_the_server_are_hidden(m, service, intercept, notebook):
    """A file sent by path would pass by us: the application is let to send it itself."""
    seen = []
    other = service.module("""
        seen = []
        async def app(scope, receive, send):
            seen.append(scope)
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body"})
    """)
    intercept(asgi(f"{other.__name__}:app"))
    scope = {**web.scope_of(request()), "extensions": {"http.response.pathsend": {}, "tls": {}}}

    async def send(message):
        seen.append(message)

    asyncio.run(other.app(scope, None, send))
    assert other.seen[0]["extensions"] == {"tls": {}}
    plain = web.scope_of(request())
    asyncio.run(other.app(plain, None, send))
    assert other.seen[1] is plain


def test_what_the_server_starts_while_it_sends_is_not_the_operations(service, intercept, notebook):
    """uvicorn begins the next request of a connection while the last one's response ends, and background work goes on there."""
    m = service.module(APPS)
    intercept(asgi(f"{m.__name__}:app"), f"{m.__name__}:load")
    second = []

    async def story():
        async def receive():
            return {"type": "http.request", "body": b""}

        async def ignore(message):
            return

        async def send(message):
            if message["type"] == "http.response.body" and not second:
                second.append(asyncio.create_task(m.app({**scope, "path": "/background"}, receive, ignore)))
                await asyncio.sleep(0.01)

        scope = web.scope_of(
            {
                "method": "GET", "scheme": "http", "path": "/background", "script_name": "", "query": b"", "headers": {},
                "http_version": "1.1", "client": [], "server": [],
            }
        )
        await m.app(scope, receive, send)
        await second[0]

    asyncio.run(story())
    assert [[call.args for call in page.calls] for page in notebook.pages] == [[("after",)], [("after",)]]
