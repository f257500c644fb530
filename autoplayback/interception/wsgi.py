"""WSGI: a request as the application gets it and a response as it gives it, recorded as they pass and made again at replay.

A request on the tape is a map: method, path and script_name (as in the environ: bytes in latin-1), query, scheme, server, client,
http_version, headers (lower-case names; a list where a name repeats), body (as far as the application read it), and where they
say something: `flags` (wsgi.multithread and the like that aren't the default), `environ` (other variables the server or a
middleware set), `taken` (the client left after so many chunks). A response: status, reason, headers, body, chunks (how many
non-empty ones there were). Nothing is read ahead and nothing held back.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from autoplayback.interception.context import current
from autoplayback.interception.faults import report
from autoplayback.interception.protocol import Passage
from autoplayback.interception.wrappers import Site, leave

BODY_LIMIT = 256 << 20
"""Bytes of one request's or response's body that are kept: a longer one costs its tape, not the service's memory."""

_FLAGS = {"wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False}
_KNOWN = frozenset(
    ("REQUEST_METHOD", "PATH_INFO", "SCRIPT_NAME", "QUERY_STRING", "SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR", "REMOTE_PORT",
     "SERVER_PROTOCOL", "CONTENT_TYPE", "CONTENT_LENGTH")
)


def lose(passage: Passage | None, error: BaseException | str) -> None:
    """Gives up the tape of a request, where one is being made."""
    give_up = getattr(passage and passage.scope, "lose", None)
    if give_up is not None:
        give_up(error)


class Body:
    """The bytes of a body as they pass, up to the limit."""

    def __init__(self, passage: Passage | None = None) -> None:
        self._passage = passage
        self._parts: list[bytes] = []
        self._size = 0
        self.chunks = 0

    def note(self, data: Any) -> None:
        """One more piece; empty ones don't count."""
        if not data:
            return
        try:
            self.chunks += 1
            self._size += len(data)
            if self._size > BODY_LIMIT:
                self._parts.clear()
                lose(self._passage, "tape too large")
                return
            self._parts.append(data if type(data) is bytes else bytes(memoryview(data)))
        except Exception as error:  # not bytes, as WSGI wants them: that's for the server to say
            lose(self._passage, error)

    @property
    def sizes(self) -> list[int]:
        """Of the pieces."""
        return [len(part) for part in self._parts]

    def content(self) -> bytes:
        """All of it."""
        if len(self._parts) > 1:
            self._parts = [b"".join(self._parts)]
        return self._parts[0] if self._parts else b""


def run(site: Site, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """One request through an intercepted application: what its `__call__` does instead."""
    skip = site.skip
    if len(args) != skip + 2 or kwargs or not isinstance(args[skip], dict):
        return site.original(*args, **kwargs)
    environ, start_response = args[skip:]
    try:
        request = request_of(environ)
    except Exception as error:
        report(f"noting a request to {site.target.name}", error)
        return site.original(*args)
    passage = site.enter(site.target, args[0] if skip else None, (request,), {}) if site.enter else None
    if passage is None:
        return site.original(*args)
    exchange = Exchange(environ, request, start_response, passage)
    token = current.set(passage.scope)
    try:
        result = site.original(*args[:skip], environ, exchange.start_response)
    except BaseException as error:
        leave(token)
        exchange.raised(error)
        raise
    leave(token)
    if type(result) in (list, tuple) and exchange.status:
        for chunk in result:
            exchange.response.note(chunk)
        exchange.finished()
        return result  # nothing more will run: the server gets the very list
    return (_SizedChunks if hasattr(type(result), "__len__") else Chunks)(result, exchange)


class Exchange:
    """One request and its response as they pass."""

    def __init__(
        self, environ: dict[str, Any], request: dict[str, Any], start_response: Callable[..., Any], passage: Passage
    ) -> None:
        self.passage = passage
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self.request = Body(passage)
        self.response = Body(passage)
        self._head = request
        self._start = start_response
        self._over = False
        if (stream := environ.get("wsgi.input")) is not None:
            environ["wsgi.input"] = Input(stream, self.request)

    def start_response(self, status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Callable[[bytes], Any]:
        """Notes the head, and what is given to the `write` that comes back."""
        write = self._start(status, headers, *exc_info)
        self.status, self.headers = status, list(headers)
        return _noting_write(write, self.response)

    def finished(self, *, early: bool = False) -> None:
        """The server has taken the response, or (`early`) its client left in the middle."""
        if self._over:
            return
        self._over = True
        try:
            self._note_request(early=early)
            response = response_of(self.status, self.headers, self.response)
        except Exception as error:
            report("noting a response", error)
            lose(self.passage, error)
            response = {}
        self.passage.returned(response)

    def raised(self, error: BaseException) -> None:
        """The application raised: into the server, which answers in its own way."""
        if not self._over:
            self._over = True
            self._note_request()
            self.passage.raised(error)

    def _note_request(self, *, early: bool = False) -> None:
        body = self.request.content()
        if early:
            self._head["taken"] = self.response.chunks
        if body or early:
            self.passage.arguments(({**self._head, "body": body},), {})


def _noting_write(write: Any, body: Body) -> Callable[[bytes], Any]:
    def noting(data: bytes) -> Any:
        body.note(data)
        return write(data)

    return noting


class Input:
    """`wsgi.input`, noting what the application reads of it."""

    def __init__(self, stream: Any, body: Body) -> None:
        self._stream = stream
        self._body = body

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def read(self, *args: Any) -> bytes:
        data: bytes = self._stream.read(*args)
        self._body.note(data)
        return data

    def read1(self, *args: Any) -> bytes:
        data: bytes = self._stream.read1(*args)
        self._body.note(data)
        return data

    def readinto(self, buffer: Any) -> int:
        count: int = self._stream.readinto(buffer)
        self._body.note(bytes(memoryview(buffer)[:count]))
        return count

    def readline(self, *args: Any) -> bytes:
        data: bytes = self._stream.readline(*args)
        self._body.note(data)
        return data

    def readlines(self, *args: Any) -> list[bytes]:
        lines: list[bytes] = self._stream.readlines(*args)
        for line in lines:
            self._body.note(line)
        return lines

    def __iter__(self) -> Iterator[bytes]:
        for line in self._stream:
            self._body.note(line)
            yield line


class Chunks:
    """An application's result, each step of it run inside the operation, which ends when the server closes it."""

    def __init__(self, result: Iterable[bytes], exchange: Exchange) -> None:
        self._result = result
        self._exchange = exchange
        self._iterator: Iterator[bytes] | None = None
        self._exhausted = False

    def __iter__(self) -> Chunks:
        return self

    def __next__(self) -> bytes:
        exchange = self._exchange
        token = current.set(exchange.passage.scope)
        try:
            if self._iterator is None:
                self._iterator = iter(self._result)
            chunk = next(self._iterator)
        except StopIteration:
            leave(token)
            self._exhausted = True
            if not hasattr(self._result, "close"):
                exchange.finished()
            raise
        except BaseException as error:
            leave(token)
            exchange.raised(error)
            raise
        leave(token)
        exchange.response.note(chunk)
        return chunk

    def close(self) -> None:
        exchange = self._exchange
        close = getattr(self._result, "close", None)
        if close is not None:
            token = current.set(exchange.passage.scope)
            try:
                close()
            except BaseException as error:
                leave(token)
                exchange.raised(error)
                raise
            leave(token)
        exchange.finished(early=not self._exhausted and not self._complete())

    def _complete(self) -> bool:
        """Whether the client has all that was announced: many servers stop there without asking for the end."""
        length = next((value for name, value in self._exchange.headers if name.lower() == "content-length"), "")
        sent = sum(self._exchange.response.sizes)
        return bool(length.isdigit() and sent >= int(length)) or (not sent and self._exchange.status[:3] in ("204", "304"))

    def __del__(self) -> None:
        try:
            self._exchange.finished(early=not self._exhausted)
        except Exception:
            pass


class _SizedChunks(Chunks):
    """Where the result has a length, from which servers derive the Content-Length."""

    def __len__(self) -> int:
        return len(self._result)  # type: ignore[arg-type]


def request_of(environ: dict[str, Any]) -> dict[str, Any]:
    """The request in a WSGI environ, without its body."""
    headers: dict[str, Any] = {}
    extra: dict[str, str] = {}
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            headers[key[5:].replace("_", "-").lower()] = value
        elif key not in _KNOWN and isinstance(value, str) and key.isupper() and key not in os.environ:
            extra[key] = value
    for key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(key):
            headers[key.replace("_", "-").lower()] = environ[key]
    request: dict[str, Any] = {
        "method": environ.get("REQUEST_METHOD", "GET"),
        "script_name": environ.get("SCRIPT_NAME", ""),
        "path": environ.get("PATH_INFO", ""),
        "query": environ.get("QUERY_STRING", ""),
        "scheme": environ.get("wsgi.url_scheme", "http"),
        "server": [environ.get("SERVER_NAME", ""), environ.get("SERVER_PORT", "")],
        "client": [environ.get("REMOTE_ADDR", ""), environ.get("REMOTE_PORT", "")],
        "http_version": environ.get("SERVER_PROTOCOL", "HTTP/1.1"),
        "headers": headers,
        "body": b"",
    }
    flags = {key: bool(environ[key]) for key, usual in _FLAGS.items() if key in environ and bool(environ[key]) != usual}
    if environ.get("wsgi.input_terminated"):
        flags["wsgi.input_terminated"] = True
    if flags:
        request["flags"] = flags
    if extra:
        request["environ"] = extra
    return request


def response_of(status: str, headers: Iterable[tuple[str, str]], body: Body) -> dict[str, Any]:
    """The response as it stands on the tape."""
    code, _, reason = status.partition(" ")
    return {
        "status": int(code) if code.isdigit() else 0,
        "reason": reason,
        "headers": grouped(headers),
        "chunks": body.chunks,
        "body": body.content(),
    }


def grouped(headers: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Headers by lower-case name; those that repeat as a list."""
    found: dict[str, Any] = {}
    for given, value in headers:
        name = given.lower()
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


def environ_of(request: dict[str, Any]) -> dict[str, Any]:
    """The WSGI environ of a recorded request."""
    environ: dict[str, Any] = dict(request.get("environ", {}))
    for name, value in request["headers"].items():
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = (
            value if isinstance(value, str) else ",".join(value)
        )
    server, client = request["server"], request["client"]
    environ |= {
        "REQUEST_METHOD": request["method"],
        "SCRIPT_NAME": request["script_name"],
        "PATH_INFO": request["path"],
        "QUERY_STRING": request["query"] if isinstance(request["query"], str) else request["query"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": server[1],
        "SERVER_PROTOCOL": request["http_version"],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request["scheme"],
        "wsgi.input": io.BytesIO(request["body"]),
        "wsgi.errors": sys.stderr,
        **_FLAGS,
        **request.get("flags", {}),
    }
    if client[0]:
        environ["REMOTE_ADDR"] = client[0]
    if client[1]:
        environ["REMOTE_PORT"] = client[1]
    if "wsgi.file_wrapper" not in environ:
        environ["wsgi.file_wrapper"] = _FileWrapper
    return environ


class _FileWrapper:
    """`wsgi.file_wrapper`, as PEP 3333 gives it."""

    def __init__(self, file: Any, size: int = 8192) -> None:
        self._file = file
        self._size = size
        if hasattr(file, "close"):
            self.close = file.close

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self._file.read(self._size):
            yield chunk


def drive(
    app: Callable[..., Iterable[bytes]], request: dict[str, Any], began: Callable[..., None] = lambda status, error: None
) -> dict[str, Any]:
    """Sends a recorded request through the application and reads its response as far as the recorded client did.

    What the application raises into its server passes. `began` is told of the response's status, and of the exception that the
    application gives as its cause.
    """
    body = Body()
    head: list[Any] = ["", []]

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        if exc_info is not None and body.chunks:
            raise exc_info[1].with_traceback(exc_info[2])
        head[:] = status, headers
        began(int(status[:3]) if status[:3].isdigit() else 0, exc_info[1] if exc_info else None)
        return body.note

    taken = request.get("taken")
    result = app(environ_of(request), start_response)
    try:
        if taken is None or taken > body.chunks:
            for chunk in result:
                body.note(chunk)
                if taken is not None and body.chunks >= taken:
                    break
    finally:
        close = getattr(result, "close", None)
        if close is not None:
            close()
    return response_of(head[0], head[1], body)
