"""HTTP through httpx, sync and async: the transport's seam, below clients, redirects, auth and event hooks, which all run again.

The body is noted in the pieces that came over the wire, as the service reads them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from autoplayback.interception.protocol import ResultCodec
from autoplayback.presets import PresetTarget, _acts, _http

if TYPE_CHECKING:
    from autoplayback.interception.protocol import Answer, Passage


class TransportCodec(ResultCodec):
    """`HTTPTransport.handle_request` and its async sibling: a request to a response with an open stream."""

    parameters = _http.PARAMETERS

    def asked(
        self, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, replaying: bool = False
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        request = _request(args, kwargs)
        held = getattr(request, "_content", None)
        body = held if held is not None else _http.content(_sent(request.stream), replaying=replaying)
        return _http.identity(request.method, str(request.url), request.headers.raw, body or None)

    def begun(self, passage: Passage, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Passage:
        request = _request(args, kwargs)
        if getattr(request, "_content", None) is None and _http.once(_sent(request.stream)):
            method, url, headers = request.method, str(request.url), list(request.headers.raw)

            def sent(content: Any) -> None:
                passage.arguments(*_http.identity(method, url, headers, content or None))

            request.stream = _heard()(request.stream, sent)
        return passage

    def opened(self, result: Any, passage: Passage) -> Any:
        head = {
            "status": result.status_code,
            "headers": [[_http.text(name), _http.text(value)] for name, value in result.headers.raw],
            "extensions": {name: value for name, value in result.extensions.items() if isinstance(value, bytes)},
        }
        passage.ended(head, closed=True)
        result.stream = _streams()[0](result.stream, passage, head)
        return result

    def closed(self, answer: Answer, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        import httpx

        head = answer.value
        return httpx.Response(
            head["status"],
            headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in head["headers"]],
            stream=_streams()[1](iter(answer.items or ())),
            extensions=dict(head["extensions"]),
        )


def _request(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[0] if args else kwargs["request"]


def _sent(stream: Any) -> Any:
    """The body as it can be read: a generator within a stream can be only once, multipart fields and bytes again and again."""
    inner = getattr(stream, "_stream", None)
    return stream if inner is None else inner


_made: list[Any] = []


def _heard() -> Any:
    return _streams()[2]


def _streams() -> list[Any]:
    """Classes over httpx's own, made once it is there: a response stream listened to, one from a tape, a request stream heard."""
    if _made:
        return _made
    import httpx

    class Listening(httpx.SyncByteStream, httpx.AsyncByteStream):
        def __init__(self, stream: Any, passage: Passage, head: dict[str, Any]) -> None:
            self._stream = stream
            self._passage = passage
            self._head = head

        def __getattr__(self, name: str) -> Any:
            return getattr(self._stream, name)

        def __iter__(self) -> Iterator[bytes]:
            try:
                for part in self._stream:
                    self._passage.yielded(part)
                    yield part
            except Exception as error:
                self._broken(error)
                raise
            self._passage.ended(self._head)

        async def __aiter__(self) -> AsyncIterator[bytes]:
            try:
                async for part in self._stream:
                    self._passage.yielded(part)
                    yield part
            except Exception as error:
                self._broken(error)
                raise
            self._passage.ended(self._head)

        def _broken(self, error: Exception) -> None:
            self._passage.yielded(error)
            self._passage.ended(self._head)

        def close(self) -> None:
            self._stream.close()

        async def aclose(self) -> None:
            await self._stream.aclose()

    class FromTape(httpx.SyncByteStream, httpx.AsyncByteStream):
        def __init__(self, items: Iterator[Any]) -> None:
            self._items = items

        def __iter__(self) -> Iterator[bytes]:
            for item in self._items:
                if isinstance(item, BaseException):
                    raise item
                yield item

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for item in self:
                yield item

        def close(self) -> None:
            """Nothing is open."""

        async def aclose(self) -> None:
            """Nothing is open."""

    class Heard(httpx.SyncByteStream, httpx.AsyncByteStream):
        def __init__(self, stream: Any, sent: Any) -> None:
            self._stream = stream
            self._sent = sent

        def __iter__(self) -> Iterator[bytes]:
            yield from _http.heard(self._stream, self._sent) if not hasattr(self._stream, "__aiter__") else self._parts()

        def _parts(self) -> Iterator[bytes]:
            content = _http.Content()
            for part in self._stream:
                content.feed(part)
                yield part
            self._sent(content.value())

        async def __aiter__(self) -> AsyncIterator[bytes]:
            content = _http.Content()
            async for part in self._stream:
                content.feed(part)
                yield part
            self._sent(content.value())

    _made.extend((Listening, FromTape, Heard))
    return _made


_BELOW = ("httpcore", "h11", "h2", "hpack", "anyio")
"""Whose exceptions httpx's own carry as their cause."""
CODEC = TransportCodec()
TARGETS = (
    PresetTarget("httpx:HTTPTransport.handle_request", "httpx.request", codec=CODEC, trusts=_BELOW, acts=_acts.http),
    PresetTarget(
        "httpx:AsyncHTTPTransport.handle_async_request", "httpx.request_async", codec=CODEC, trusts=_BELOW, acts=_acts.http
    ),
)
