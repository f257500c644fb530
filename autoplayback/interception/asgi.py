"""ASGI: HTTP requests and responses as their messages pass, recorded as WSGI's are (see `wsgi`); made again at replay.

Beside what `wsgi` lists a request may have raw_path, `pieces` (sizes of the body's chunks, where there were several) and
`left` (the client disconnected after so many chunks of the response); a response may have trailers. Websockets and the
lifespan pass through.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from autoplayback.errors import ReplayError
from autoplayback.interception.context import current
from autoplayback.interception.faults import report
from autoplayback.interception.protocol import Passage
from autoplayback.interception.wrappers import Site, leave
from autoplayback.interception.wsgi import Body, grouped, lose

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_SHORTCUTS = ("http.response.pathsend", "http.response.zerocopysend")
"""Extensions by which a server sends a file whose bytes we'd never see; without them the application sends it itself."""


async def run(site: Site, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """One connection through an intercepted application: what its `__call__` does instead."""
    skip = site.skip
    if len(args) != skip + 3 or kwargs or not isinstance(args[skip], dict) or args[skip].get("type") != "http":
        return await site.original(*args, **kwargs)
    scope, receive, send = args[skip:]
    try:
        request = request_of(scope)
    except Exception as error:
        report(f"noting a request to {site.target.name}", error)
        return await site.original(*args)
    passage = site.enter(site.target, args[0] if skip else None, (request,), {}) if site.enter else None
    if passage is None:
        return await site.original(*args)
    exchange = Exchange(request, receive, send, passage)
    token = current.set(passage.scope)
    try:
        result = await site.original(*args[:skip], _without_shortcuts(scope), exchange.receive, exchange.send)
    except BaseException as error:
        leave(token)
        exchange.raised(error)
        raise
    leave(token)
    exchange.finished()
    return result


def _without_shortcuts(scope: dict[str, Any]) -> dict[str, Any]:
    extensions = scope.get("extensions") or {}
    if not any(name in extensions for name in _SHORTCUTS):
        return scope
    return {**scope, "extensions": {name: value for name, value in extensions.items() if name not in _SHORTCUTS}}


class Exchange:
    """One request and its response as their messages pass."""

    def __init__(self, request: dict[str, Any], receive: Receive, send: Send, passage: Passage) -> None:
        self.passage = passage
        self.request = Body(passage)
        self.response = Body(passage)
        self.start: Message = {}
        self.trailers: list[Any] = []
        self._head = request
        self._receive = receive
        self._send = send

    async def receive(self) -> Message:
        token = current.set(None)  # the server isn't part of the operation: what it begins here belongs to its next request
        try:
            message = await self._receive()
        finally:
            leave(token)
        kind = message["type"]
        if kind == "http.request":
            self.request.note(message.get("body", b""))
        elif kind == "http.disconnect" and "left" not in self._head and not self._ended:
            self._head["left"] = self.response.chunks
        return message

    _ended = False

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            self.start = message
        elif kind == "http.response.body":
            self.response.note(message.get("body", b""))
            self._ended = not message.get("more_body", False)
        elif kind == "http.response.trailers":
            self.trailers += message.get("headers", ())
        token = current.set(None)
        try:
            await self._send(message)
        finally:
            leave(token)

    def finished(self) -> None:
        """The application has returned."""
        try:
            self._note_request()
            response = response_of(self.start, self.response, self.trailers)
        except Exception as error:
            report("noting a response", error)
            lose(self.passage, error)
            response = {}
        self.passage.returned(response)

    def raised(self, error: BaseException) -> None:
        """The application raised, into the server."""
        self._note_request()
        self.passage.raised(error)

    def _note_request(self) -> None:
        pieces = self.request.sizes
        if len(pieces) > 1:
            self._head["pieces"] = pieces
        body = self.request.content()
        if body or "left" in self._head:
            self.passage.arguments(({**self._head, "body": body},), {})


def request_of(scope: dict[str, Any]) -> dict[str, Any]:
    """The request in a connection scope, without its body."""
    request: dict[str, Any] = {
        "method": scope["method"],
        "script_name": scope.get("root_path", ""),
        "path": scope["path"],
        "query": scope.get("query_string", b""),
        "scheme": scope.get("scheme", "http"),
        "server": list(scope.get("server") or ()),
        "client": list(scope.get("client") or ()),
        "http_version": scope.get("http_version", "1.1"),
        "headers": grouped(_texts(scope.get("headers", ()))),
        "body": b"",
    }
    if scope.get("raw_path") is not None:
        request["raw_path"] = scope["raw_path"]
    return request


def response_of(start: Message, body: Body, trailers: Iterable[Any]) -> dict[str, Any]:
    """The response as it stands on the tape; status 0 where the application sent none."""
    response = {
        "status": start.get("status", 0),
        "reason": "",
        "headers": grouped(_texts(start.get("headers", ()))),
        "chunks": body.chunks,
        "body": body.content(),
    }
    if trailers:
        response["trailers"] = grouped(_texts(trailers))
    return response


def _texts(headers: Iterable[Any]) -> Iterable[tuple[str, str]]:
    return ((bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in headers)


def scope_of(request: dict[str, Any], state: dict[str, Any] | None = None) -> dict[str, Any]:
    """The connection scope of a recorded request."""
    headers = []
    for name, value in request["headers"].items():
        values = [value] if isinstance(value, str) else value
        headers += [(name.encode("latin-1"), one.encode("latin-1")) for one in values]
    query = request["query"]
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": request["http_version"],
        "method": request["method"],
        "scheme": request["scheme"],
        "path": request["path"],
        "root_path": request["script_name"],
        "query_string": query if isinstance(query, bytes) else query.encode("latin-1"),
        "headers": headers,
        "client": tuple(request["client"]) or None,
        "server": tuple(request["server"]) or None,
    }
    if "raw_path" in request:
        scope["raw_path"] = request["raw_path"]
    if state is not None:
        scope["state"] = dict(state)
    return scope


async def drive(
    app: Callable[..., Awaitable[Any]], request: dict[str, Any], began: Callable[[int], None] = lambda status: None
) -> dict[str, Any]:
    """Sends a recorded request through the application, inside its lifespan, and gives its response; `began` is told of its
    status.

    What the application raises into its server passes. Raises ReplayError where its startup fails.
    """
    async with Lifespan(app) as lifespan:
        return await _exchange(app, request, lifespan.state, began)


async def _exchange(
    app: Callable[..., Awaitable[Any]], request: dict[str, Any], state: dict[str, Any] | None, began: Callable[[int], None]
) -> dict[str, Any]:
    body = Body()
    start: Message = {}
    trailers: list[Any] = []
    left = request.get("left")
    gone = asyncio.Event()
    if left == 0:
        gone.set()
    pending = _pieces(request["body"], request.get("pieces"))

    async def receive() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(0), "more_body": bool(pending)}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            start.update(message)
            began(message["status"])
        elif kind == "http.response.body":
            body.note(message.get("body", b""))
            if not message.get("more_body", False) or (left is not None and body.chunks >= left):
                gone.set()
        elif kind == "http.response.trailers":
            trailers.extend(message.get("headers", ()))

    await app(scope_of(request, state), receive, send)
    return response_of(start, body, trailers)


def _pieces(body: bytes, sizes: list[int] | None) -> list[bytes]:
    if not sizes:
        return [body]
    pieces, at = [], 0
    for size in sizes:
        pieces.append(body[at : at + size])
        at += size
    return pieces


class Lifespan:
    """An application between its startup and its shutdown, as a server holds it; one that knows no lifespan is left alone."""

    def __init__(self, app: Callable[..., Awaitable[Any]]) -> None:
        self.state: dict[str, Any] | None = None
        self._app = app
        self._shared: dict[str, Any] = {}
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._said: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Lifespan:
        self._task = asyncio.create_task(self._run())
        self._events.put_nowait({"type": "lifespan.startup"})
        said = asyncio.create_task(self._said.get())
        await asyncio.wait({said, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if not said.done():
            said.cancel()
            task, self._task = self._task, None
            await task  # without a word: it doesn't know the lifespan; a Diverged passes
            return self
        message = said.result()
        if message["type"] == "lifespan.startup.failed":
            raise ReplayError(f"the application's startup failed: {message.get('message', '')}")
        self.state = self._shared
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._task is None:
            return
        self._events.put_nowait({"type": "lifespan.shutdown"})
        await asyncio.wait({self._task}, timeout=5)
        if not self._task.done():
            self._task.cancel()

    async def _run(self) -> None:
        try:
            scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._shared}
            await self._app(scope, self._events.get, self._said.put)
        except Exception:
            return  # PEP-less but universal: an application which raises here doesn't support it
