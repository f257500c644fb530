"""HTTP through urllib3, and so requests, boto3 and most clients: one call a request, redirects and retries within it.

What identifies a request is its method, URL, headers and body; timeouts, retries and how the body is to be read don't. The
body is noted as the service reads it, in the bytes that came over the wire (compressed ones stay compressed), and nothing is
read ahead for it. A replayed response is a real `urllib3.HTTPResponse` over the recorded bytes.
"""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from autoplayback.presets import PresetTarget

if TYPE_CHECKING:
    from autoplayback.interception.protocol import Answer, Passage

VOLATILE = frozenset(
    {
        *("user-agent", "content-length", "traceparent", "tracestate", "baggage", "sentry-trace", "x-amzn-trace-id"),
        *("b3", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled"),
        *("x-datadog-trace-id", "x-datadog-parent-id", "x-datadog-sampling-priority"),
    }
)
"""Request headers that don't identify a request: they name the client library or the trace, or follow from the body."""

_ORDINARY = inspect.Parameter.POSITIONAL_OR_KEYWORD


class ResponseCodec:
    """`HTTPConnectionPool.urlopen`: its request as the tape knows it, and its HTTPResponse there and back."""

    parameters = tuple((name, int(_ORDINARY)) for name in ("method", "url", "headers", "body"))

    def asked(self, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        given = dict(zip(("method", "url", "body", "headers"), args, strict=False)) | kwargs
        headers = given.get("headers")
        if headers is None:
            headers = getattr(receiver, "headers", None) or {}
        wanted = {_text(name).lower(): _text(value) for name, value in headers.items() if _text(name).lower() not in VOLATILE}
        url = _full_url(receiver, _text(given.get("url")))
        return (str(given.get("method")).upper(), url, wanted, _body(given.get("body"))), {}

    def opened(self, result: Any, passage: Passage) -> Any:
        head = {
            "status": result.status,
            "reason": result.reason,
            "version": result.version,
            "headers": [[_text(name), _text(value)] for name, value in result.headers.items()],
            "url": result.geturl() if hasattr(result, "geturl") else None,
        }
        preloaded = getattr(result, "_body", None)
        if isinstance(preloaded, bytes):
            # Already read and decoded in the constructor: the wire's bytes are gone, so the tape holds the decoded ones.
            passage.yielded(preloaded)
            passage.ended({**head, "decoded": True})
            return result
        passage.ended(head, closed=True)
        for method in ("_fp_read", "_handle_chunk"):
            if (original := getattr(result, method, None)) is not None:
                setattr(result, method, _noting(original, passage))
        release = result.release_conn

        def release_conn() -> Any:
            original = getattr(result, "_original_response", None)
            if original is None or original.isclosed():
                passage.ended(head)
            return release()

        result.release_conn = release_conn
        return result

    def closed(self, answer: Answer, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        from urllib3._collections import HTTPHeaderDict
        from urllib3.response import HTTPResponse

        head = answer.value
        headers = HTTPHeaderDict()
        for name, value in head["headers"]:
            headers.add(name, value)
        given = dict(zip(("method", "url", "body", "headers"), args, strict=False)) | kwargs
        body = TapeBody(iter(answer.items or ()))
        original: Any = OriginalResponse(head["headers"], body)  # as much of http.client's as clients look at
        return HTTPResponse(
            body=body,
            headers=headers,
            status=head["status"],
            reason=head["reason"],
            version=head["version"],
            preload_content=given.get("preload_content", True),
            decode_content=given.get("decode_content", True) and not head.get("decoded"),
            original_response=original,
            request_method=given.get("method"),
            request_url=head.get("url"),
        )


class TapeBody(io.RawIOBase):
    """A response body, read from a tape's items; each read gives what is asked for, drawing items only as needed."""

    def __init__(self, items: Iterator[bytes]) -> None:
        self._items = items
        self._rest = b""

    def read(self, amount: int | None = -1) -> bytes:
        if amount is None or amount < 0:
            everything, self._rest = self._rest + b"".join(self._items), b""
            return everything
        while len(self._rest) < amount:
            item = next(self._items, None)
            if item is None:
                break
            self._rest += item
        taken, self._rest = self._rest[:amount], self._rest[amount:]
        return taken

    def read1(self, amount: int = -1) -> bytes:
        if not self._rest:
            self._rest = next(self._items, b"")
        if amount < 0:
            amount = len(self._rest)
        taken, self._rest = self._rest[:amount], self._rest[amount:]
        return taken

    def readable(self) -> bool:
        return True


class OriginalResponse:
    """What clients look up on the `http.client` response below: requests takes its cookies from `msg`."""

    def __init__(self, headers: list[list[str]], body: TapeBody) -> None:
        from http.client import HTTPMessage

        self.msg = HTTPMessage()
        for name, value in headers:
            self.msg.add_header(name, value)
        self._body = body

    def isclosed(self) -> bool:
        return self._body.closed

    def close(self) -> None:
        self._body.close()


def _noting(read: Callable[..., bytes], passage: Passage) -> Callable[..., bytes]:
    def noting(*args: Any, **kwargs: Any) -> bytes:
        data = read(*args, **kwargs)
        if data:
            passage.yielded(bytes(data))
        return data

    return noting


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _full_url(pool: Any, url: str) -> str:
    if "://" in url:
        return url
    scheme, host, port = getattr(pool, "scheme", "http"), getattr(pool, "host", ""), getattr(pool, "port", None)
    usual = {"http": 80, "https": 443}.get(scheme)
    return f"{scheme}://{host}{'' if port in (None, usual) else f':{port}'}{url}"


def _body(body: Any) -> Any:
    if body is None or isinstance(body, (bytes, str, bytearray, memoryview)):
        return body
    if isinstance(body, Mapping):
        return dict(body)
    if hasattr(body, "read") and hasattr(body, "seek") and hasattr(body, "tell"):
        # A file that can be read again: its content identifies the request, and it is put back where it was.
        at = body.tell()
        content = body.read()
        body.seek(at)
        return content
    return {"stream": f"{type(body).__module__}:{type(body).__qualname__}"}


TARGETS = (PresetTarget("urllib3.connectionpool:HTTPConnectionPool.urlopen", "urllib3.urlopen", codec=ResponseCodec()),)
