"""What HTTP clients have in common on a tape: what of a request identifies it, and request bodies heard as they are sent."""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

PARAMETERS = tuple((name, int(inspect.Parameter.POSITIONAL_OR_KEYWORD)) for name in ("method", "url", "headers", "body"))

VOLATILE = frozenset(
    {
        *("user-agent", "host", "connection", "accept-encoding", "content-length", "transfer-encoding"),
        *("traceparent", "tracestate", "baggage", "sentry-trace", "x-amzn-trace-id", "x-cloud-trace-context"),
        *("b3", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled"),
        *("x-datadog-trace-id", "x-datadog-parent-id", "x-datadog-sampling-priority", "x-datadog-tags", "newrelic"),
        *("x-amz-date", "amz-sdk-invocation-id", "amz-sdk-request"),
    }
)
"""Request headers that don't identify a request: they name the client library or the trace, or follow from URL and body."""

CONTENT_LIMIT = 16 << 20
"""Bytes of a request body that go on the tape; of a longer one, its digest and size do."""

_BOUNDARY = re.compile(r'boundary="?([^";,]+)"?')


def identity(method: Any, url: str, headers: Iterable[tuple[Any, Any]], body: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments under which a request is noted and found again; `body` as `content` or `placeholder` gave it."""
    wanted: dict[str, str] = {}
    for name, value in headers:
        key, shown = text(name).lower(), text(value)
        if key in VOLATILE or (key == "authorization" and shown.startswith("AWS4-")):
            continue  # a signature of time and headers: no two are alike
        wanted[key] = f"{wanted[key]}, {shown}" if key in wanted else shown
    kind = wanted.get("content-type", "")
    if kind.startswith("multipart/") and (found := _BOUNDARY.search(kind)) is not None:
        # Drawn at random for each request by the library: it says nothing, and it stands all over the body.
        boundary = found.group(1)
        wanted["content-type"] = kind.replace(boundary, "boundary")
        if isinstance(body, bytes):
            body = body.replace(boundary.encode(), b"boundary")
    return (text(method).upper(), url, wanted, body), {}


class Content:
    """A body as it comes together: its bytes, or a digest and size once it is too long for a tape."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._digest: Any = None

    def feed(self, part: Any) -> None:
        """One more piece, str or bytes-like."""
        piece = part.encode() if isinstance(part, str) else bytes(part)
        self._size += len(piece)
        if self._digest is None and self._size > CONTENT_LIMIT:
            self._digest = hashlib.sha256(b"".join(self._parts))
            self._parts.clear()
        if self._digest is None:
            self._parts.append(piece)
        else:
            self._digest.update(piece)

    def value(self) -> Any:
        """What goes on the tape."""
        return b"".join(self._parts) if self._digest is None else {"sha256": self._digest.hexdigest(), "size": self._size}


def content(body: Any, *, replaying: bool) -> Any:
    """A request body for the tape.

    What can be read again is read (a file is put back where it was). What can't is left to the client when recording, with a
    placeholder until it was heard; when replaying there is no client, so it is read here.
    """
    if body is None or isinstance(body, (bytes, str)):
        return body or None
    if isinstance(body, (bytearray, memoryview)):
        return bytes(body)
    if once(body):
        return _drained(body) if replaying else {"stream": "not sent to its end"}
    return _looked_into(body) if hasattr(body, "read") else _drained(body)


def once(body: Any) -> bool:
    """Whether a body can be read only once."""
    if body is None or isinstance(body, (bytes, str, bytearray, memoryview)):
        return False
    if hasattr(body, "read"):
        if not (hasattr(body, "seek") and hasattr(body, "tell")):
            return True
        seekable = getattr(body, "seekable", None)
        return not (seekable is None or seekable())
    return hasattr(body, "__next__") or hasattr(body, "__anext__") or hasattr(body, "__aiter__")


def heard(body: Any, done: Callable[[Any], None]) -> Any:
    """A stand-in for a body that can be read only once: passes it on piece by piece, and says at its end what it was."""
    if hasattr(body, "read"):
        return _HeardFile(body, done)
    if hasattr(body, "__aiter__"):
        return _HeardAsync(body, done)
    return _HeardParts(body, done)


def _looked_into(file: Any) -> Any:
    """A file's content from where it stands to its end, and back there."""
    at = file.tell()
    try:
        return _drained(file)
    finally:
        file.seek(at)


def _drained(body: Any) -> Any:
    found = Content()
    if hasattr(body, "read"):
        while part := body.read(1 << 20):
            found.feed(part)
    elif hasattr(body, "__aiter__"):
        for part in _stepped(body):
            found.feed(part)
    else:
        for part in body:
            found.feed(part)
    return found.value()


def _stepped(body: Any) -> Iterator[Any]:
    """An async body's parts, read without a loop: enough for one that has its data at hand. One that waits ends here."""
    iterator = body.__aiter__()
    while True:
        step = iterator.__anext__().__await__()
        try:
            next(step)
        except StopAsyncIteration:
            return
        except StopIteration as stop:
            yield stop.value
        else:
            return


class _Heard:
    def __init__(self, body: Any, done: Callable[[Any], None]) -> None:
        self._body = body
        self._done = done
        self._content = Content()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)

    def _feed(self, part: Any) -> None:
        try:
            self._content.feed(part)
        except Exception:  # not bytes: the client will say so itself
            return


class _HeardParts(_Heard):
    def __iter__(self) -> Iterator[Any]:
        for part in self._body:
            self._feed(part)
            yield part
        self._done(self._content.value())


class _HeardAsync(_Heard):
    async def __aiter__(self) -> AsyncIterator[Any]:
        async for part in self._body:
            self._feed(part)
            yield part
        self._done(self._content.value())


class _HeardFile(_Heard):
    def read(self, *args: Any, **kwargs: Any) -> Any:
        part = self._body.read(*args, **kwargs)
        if part:
            self._feed(part)
        if not part or not args or args[0] is None or args[0] < 0:
            self._done(self._content.value())
        return part

    def __iter__(self) -> Iterator[Any]:
        for part in self._body:
            self._feed(part)
            yield part
        self._done(self._content.value())


def text(value: Any) -> str:
    """A header, method or URL as text."""
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
