"""HTTP through the standard library's `urllib.request`: one call a request, below redirects, cookies and authentication.

`http.client` used directly isn't intercepted.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from autoplayback.interception.protocol import ResultCodec
from autoplayback.presets import PresetTarget, _acts, _http

if TYPE_CHECKING:
    from autoplayback.interception.protocol import Answer, Passage

_READS = ("read", "read1", "readinto", "readline", "peek")


class ResponseCodec(ResultCodec):
    """`AbstractHTTPHandler.do_open`: a Request to an `http.client.HTTPResponse`."""

    parameters = _http.PARAMETERS

    def asked(
        self, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, replaying: bool = False
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        request = _request(args, kwargs)
        return _asked(request, _http.content(request.data, replaying=replaying))

    def begun(self, passage: Passage, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Passage:
        request = _request(args, kwargs)
        if _http.once(request.data):
            # Not through the property: that would take the new body for another one, and drop its length.
            request._data = _http.heard(request.data, lambda content: passage.arguments(*_asked(request, content)))
        return passage

    def opened(self, result: Any, passage: Passage) -> Any:
        head = {
            "status": result.status,
            "reason": result.reason,
            "version": result.version,
            "headers": [[name, value] for name, value in result.headers.items()],
            "url": result.url,
        }
        passage.ended(head, closed=True)
        if result.isclosed():
            passage.ended(head)
            return result
        inside = [False]
        for name in _READS:
            setattr(result, name, _listening(name, getattr(result, name), result, passage, head, inside))
        return result

    def closed(self, answer: Answer, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        from http.client import HTTPMessage, HTTPResponse

        head = answer.value
        sock: Any = _Socket(iter(answer.items or ()))
        response: Any = HTTPResponse(sock, method=_request(args, kwargs).get_method())
        response.headers = HTTPMessage()
        for name, value in head["headers"]:
            response.headers.add_header(name, value)
        response.status = response.code = head["status"]
        response.reason = response.msg = head["reason"]
        response.version, response.url = head["version"], head["url"]
        response.chunked, response.will_close = False, True
        length = response.headers.get("Content-Length")
        response.length = int(length) if length is not None and length.isdigit() and not _chunked(response) else None
        if response._method == "HEAD" or head["status"] in (204, 304) or response.length == 0:
            response.length = 0
            response._close_conn()
        return response


class _Socket:
    """What http.client makes its file of."""

    def __init__(self, items: Iterator[Any]) -> None:
        self._items = items

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Raw(self._items))


class _Raw(io.RawIOBase):
    """The items of a tape as a file: each read gives from one item, so that nothing is drawn ahead."""

    def __init__(self, items: Iterator[Any]) -> None:
        self._items = items
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            item = next(self._items, b"")
            if isinstance(item, BaseException):
                raise item
            self._rest = item
        taken, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)


def _listening(
    name: str, read: Callable[..., Any], response: Any, passage: Passage, head: dict[str, Any], inside: list[bool]
) -> Callable[..., Any]:
    def listening(*args: Any, **kwargs: Any) -> Any:
        if inside[0] or name == "peek":
            return read(*args, **kwargs)
        inside[0] = True  # http.client's reads are made of each other: the outermost one counts
        try:
            found = read(*args, **kwargs)
        except Exception as error:
            passage.yielded(error)
            passage.ended(head)
            raise
        finally:
            inside[0] = False
        data = bytes(memoryview(args[0])[:found]) if name == "readinto" else found
        if data:
            passage.yielded(data)
        if response.isclosed() or (not data and (not args or args[0] != 0)):
            passage.ended(head)
        return found

    return listening


def _request(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[1] if len(args) > 1 else kwargs["req"]


def _asked(request: Any, body: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    headers = {**request.unredirected_hdrs, **request.headers}
    return _http.identity(request.get_method(), request.full_url, headers.items(), body)


def _chunked(response: Any) -> bool:
    return "chunked" in (response.headers.get("Transfer-Encoding") or "").lower()


TARGETS = (
    PresetTarget("urllib.request:AbstractHTTPHandler.do_open", "urllib.request", codec=ResponseCodec(), acts=_acts.http),
)
