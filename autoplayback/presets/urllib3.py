"""HTTP through urllib3, and so requests, boto3 and most clients: one call a request.

What identifies a request is its method, URL, headers and body; timeouts, retries and how the body is to be read don't. The
body is noted as the service reads it, in the bytes that came over the wire (compressed ones stay compressed), and nothing is
read ahead for it. A replayed response is a real `urllib3.HTTPResponse` over the recorded bytes: it gives as many bytes a read,
and as many chunks, as the real one did, so that a reader who stops early stops at the same place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.client import HTTPMessage
from typing import TYPE_CHECKING, Any

from autoplayback.interception.protocol import ResultCodec
from autoplayback.presets import PresetTarget, _acts, _http
from autoplayback.tape.adapters import registry
from autoplayback.tape.adapters.registry import Adapter

if TYPE_CHECKING:
    from autoplayback.interception.protocol import Answer, Passage


class ResponseCodec(ResultCodec):
    """`HTTPConnectionPool.urlopen`: its request as the tape knows it, and its HTTPResponse there and back."""

    parameters = _http.PARAMETERS

    def asked(
        self, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, replaying: bool = False
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        given = _given(args, kwargs)
        return _asked(receiver, given, _http.content(given.get("body"), replaying=replaying))

    def begun(self, passage: Passage, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Passage:
        body = kwargs.get("body")
        if _http.once(body):
            given = _given(args, {name: value for name, value in kwargs.items() if name != "body"})

            def sent(content: Any) -> None:
                passage.arguments(*_asked(receiver, given, content))

            kwargs["body"] = _http.heard(body, sent)
        return passage

    def opened(self, result: Any, passage: Passage) -> Any:
        history = getattr(getattr(result, "retries", None), "history", ())
        head = {
            "status": result.status,
            "reason": result.reason,
            "version": result.version,
            "headers": [[_http.text(name), _http.text(value)] for name, value in result.headers.items()],
            "url": result.geturl(),
            "history": [[method, url, None, status, location] for method, url, _, status, location in history],
        }
        preloaded = getattr(result, "_body", None)
        if isinstance(preloaded, bytes):
            # Already read and decoded in the constructor: the wire's bytes are gone, so the tape holds the decoded ones.
            if preloaded:
                passage.yielded(preloaded)
            passage.ended({**head, "decoded": True})
            return result
        passage.ended(head, closed=True)
        original: Any = getattr(result, "_original_response", None)
        if original is not None and original.isclosed():
            passage.ended(head)  # a response without a body
            return result

        def over() -> None:
            passage.ended(head)

        def read(data: bytes) -> None:
            if not data or original is None or original.isclosed():
                over()

        # An instance's own attributes: the class, and every other response, stay as they are.
        result._fp_read = _listening(result._fp_read, passage, read)
        result._handle_chunk = _listening(result._handle_chunk, passage, lambda data: None)
        measure = result._update_chunk_length

        def measured() -> Any:
            try:
                measure()
            except Exception as error:
                passage.yielded(error)
                over()
                raise
            if result.chunk_left == 0:
                over()

        result._update_chunk_length = measured
        return result

    def closed(self, answer: Answer, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        from urllib3._collections import HTTPHeaderDict
        from urllib3.response import HTTPResponse
        from urllib3.util.retry import RequestHistory, Retry

        head = answer.value
        headers = HTTPHeaderDict()
        for name, value in head["headers"]:
            headers.add(name, value)
        given = _given(args, kwargs)
        retries = given.get("retries")
        if head.get("history"):
            history = tuple(RequestHistory(*entry) for entry in head["history"])
            retries = retries.new(history=history) if isinstance(retries, Retry) else Retry(0, history=history)
        decoded = bool(head.get("decoded"))
        body: Any = TapeBody(iter(answer.items or ()), head, _http.text(given.get("method")), known=not decoded)
        return HTTPResponse(
            body=body,
            headers=headers,
            status=head["status"],
            reason=head["reason"],
            version=head["version"],
            preload_content=given.get("preload_content", True),
            decode_content=given.get("decode_content", True) and not decoded,
            enforce_content_length=given.get("enforce_content_length", True) and not decoded,
            original_response=body,
            retries=retries if isinstance(retries, Retry) else None,
            request_method=given.get("method"),
            request_url=head.get("url"),
        )


class TapeBody:
    """Stands where urllib3 has http.client's response: the same reads over a tape's items, drawn only as they are asked for.

    An item that is an exception is raised where it was when recording: the connection broke there.
    """

    def __init__(self, items: Iterator[Any], head: dict[str, Any], method: str, *, known: bool) -> None:
        self.msg = HTTPMessage()
        for name, value in head["headers"]:
            self.msg.add_header(name, value)
        self.headers = self.msg
        self.status = head["status"]
        self.closed = False
        self.fp: TapeBody | None = self  # urllib3 reads the lengths of chunks there
        self._method = method
        self._items = items
        self._rest = b""
        self._ending = [b"0\r\n", b"\r\n"]
        chunked = "chunked" in (self.msg.get("Transfer-Encoding") or "").lower()
        length = self.msg.get("Content-Length")
        self._left = int(length) if known and not chunked and length is not None and length.isdigit() else None
        if method == "HEAD" or self.status in (204, 304) or self.status < 200 or self._left == 0:
            self.fp = None

    def isclosed(self) -> bool:
        return self.fp is None

    def close(self) -> None:
        self.fp = None
        self.closed = True

    def flush(self) -> None:
        """Nothing to do; part of the interface."""

    def read(self, amount: int | None = None) -> bytes:
        if self.fp is None:
            return b""
        wanted = self._left if amount is None or amount < 0 else amount
        if wanted is not None and self._left is not None:
            wanted = min(wanted, self._left)
        while wanted is None or len(self._rest) < wanted:
            item = self._next()
            if item is None:
                wanted = len(self._rest)
                self.fp = None
            else:
                self._rest += item
        return self._taken(wanted)

    def read1(self, amount: int = -1) -> bytes:
        if self.fp is None:
            return b""
        if not self._rest:
            item = self._next()
            if item is None:
                self.fp = None
                return b""
            self._rest = item
        return self._taken(len(self._rest) if amount is None or amount < 0 else amount)

    def readline(self, limit: int = -1) -> bytes:
        """The length of the next chunk, one to an item; the last is empty, as on the wire."""
        if not self._rest:
            item = self._next()
            if item is None:
                return self._ending.pop(0) if self._ending else b""
            self._rest = item
        return b"%x\r\n" % len(self._rest)

    def _safe_read(self, amount: int) -> bytes:
        return self._taken(amount) if self._rest else b"\r\n"

    def _next(self) -> bytes | None:
        item = next(self._items, None)
        if isinstance(item, BaseException):
            self.close()
            raise item
        return item

    def _taken(self, amount: int) -> bytes:
        taken, self._rest = self._rest[:amount], self._rest[amount:]
        if self._left is not None:
            self._left -= len(taken)
            if self._left <= 0:
                self.fp = None
        return taken


def _listening(read: Callable[..., bytes], passage: Passage, after: Callable[[bytes], object]) -> Callable[..., bytes]:
    def listening(*args: Any, **kwargs: Any) -> bytes:
        try:
            data = read(*args, **kwargs)
        except Exception as error:
            passage.yielded(error)
            raise
        if data:
            passage.yielded(data)
        if not args or args[0] != 0:
            after(data)
        return data

    return listening


def _asked(pool: Any, given: dict[str, Any], body: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    headers = given.get("headers")
    if headers is None:
        headers = getattr(pool, "headers", None) or {}
    return _http.identity(given.get("method"), _full_url(pool, _http.text(given.get("url"))), headers.items(), body)


def _given(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    return dict(zip(("method", "url", "body", "headers", "retries"), args, strict=False)) | kwargs


def _full_url(pool: Any, url: str) -> str:
    if not url.startswith("/"):
        return url  # through a proxy
    scheme, host, port = getattr(pool, "scheme", "http"), getattr(pool, "host", ""), getattr(pool, "port", None)
    usual = {"http": 80, "https": 443}.get(scheme)
    return f"{scheme}://{host}{'' if port in (None, usual) else f':{port}'}{url}"


def _where(value: Any) -> Any:
    return {"scheme": getattr(value, "scheme", None), "host": value.host, "port": value.port}


# Errors name the pool or the connection they came from: on tapes that is an address, and at replay an unconnected one again.
registry.register(
    Adapter(name, _where, lambda cls, value, extra: cls(value["host"], value["port"]), complete=True)
    for name in ("urllib3.connectionpool:HTTPConnectionPool", "urllib3.connection:HTTPConnection")
)

TARGETS = (
    PresetTarget(
        "urllib3.connectionpool:HTTPConnectionPool.urlopen", "urllib3.urlopen", codec=ResponseCodec(), acts=_acts.http
    ),
)
