"""HTTP through aiohttp's client: one call a request, redirects within it.

The body is noted as the service reads it, decompressed. Cookies that the answer set are put into the session's jar at replay too.
WebSockets aren't intercepted.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from autoplayback.interception.protocol import ResultCodec
from autoplayback.presets import PresetTarget, _acts, _http
from autoplayback.tape.adapters import registry
from autoplayback.tape.adapters.registry import Adapter

if TYPE_CHECKING:
    from autoplayback.interception.protocol import Answer, Passage


class RequestCodec(ResultCodec):
    """`ClientSession._request`: its arguments as aiohttp will send them, and its ClientResponse there and back."""

    parameters = _http.PARAMETERS

    def asked(
        self, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, replaying: bool = False
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return _asked(receiver, args, kwargs, _http.content(_data(kwargs), replaying=replaying))

    def begun(self, passage: Passage, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Passage:
        if _http.once(kwargs.get("data")):
            given = {name: value for name, value in kwargs.items() if name != "data"}

            def sent(content: Any) -> None:
                passage.arguments(*_asked(receiver, args, given, content))

            kwargs["data"] = _http.heard(kwargs["data"], sent)
        return passage

    def opened(self, result: Any, passage: Passage) -> Any:
        head = {
            "status": result.status,
            "reason": result.reason,
            "version": list(result.version or ()),
            "method": result.method,
            "url": str(result.url),
            "headers": [[_http.text(name), _http.text(value)] for name, value in result.headers.items()],
            "history": [[one.method, str(one.url), one.status, one.headers.getall("Set-Cookie", [])] for one in result.history],
        }
        content = result.content
        if content is None or not hasattr(content, "_buffer"):
            passage.ended(head)
            return result
        passage.ended(head, closed=True)
        heard = _Heard(content, passage, head)
        content.on_eof(heard.check)
        content._timer = _Timer(content._timer, heard)
        content.__class__ = _readers()[0]
        return result

    def closed(self, answer: Answer, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        import asyncio

        from multidict import CIMultiDict, CIMultiDictProxy
        from yarl import URL

        head, loop = answer.value, asyncio.get_running_loop()
        past = [_past(receiver, method, url, status, cookies, loop) for method, url, status, cookies in head["history"]]
        for one in past:
            _set_cookies(receiver, one.headers.getall("Set-Cookie", []), one.url)
        response = _response(receiver, head["method"], URL(head["url"]), loop)
        response.status, response.reason = head["status"], head["reason"]
        if head["version"]:
            from aiohttp import HttpVersion

            response.version = HttpVersion(*head["version"])
        response._headers = CIMultiDictProxy(CIMultiDict([(name, value) for name, value in head["headers"]]))
        response._raw_headers = tuple((name.encode(), value.encode()) for name, value in head["headers"])
        cookies = response._headers.getall("Set-Cookie", [])
        if hasattr(type(response), "_raw_cookie_headers"):
            response._raw_cookie_headers = tuple(cookies) or None
        _set_cookies(receiver, cookies, response.url)
        response.content = _readers()[1](iter(answer.items or ()), loop)
        response._history = tuple(past)
        response._closed = False
        return response


class _Heard:
    """A body being read: notes each piece, and the end once it is known and everything has been read."""

    def __init__(self, content: Any, passage: Passage, head: dict[str, Any]) -> None:
        self._content = content
        self._passage = passage
        self._head = head
        self.check()

    def part(self, data: bytes) -> None:
        self._passage.yielded(bytes(data))
        self.check()

    def broken(self, error: BaseException) -> None:
        self._passage.yielded(error)
        self._passage.ended(self._head)

    def check(self) -> None:
        if self._content._eof and not self._content._buffer:
            self._passage.ended(self._head)


class _Timer:
    """A reader's timer, with what listens to the reader beside it: a reader has no room for more attributes."""

    def __init__(self, timer: Any, heard: _Heard) -> None:
        self._timer = timer
        self.heard = heard

    def __getattr__(self, name: str) -> Any:
        return getattr(self._timer, name)

    def __enter__(self) -> Any:
        return self._timer.__enter__()

    def __exit__(self, *error: Any) -> Any:
        return self._timer.__exit__(*error)


@functools.cache
def _readers() -> tuple[Any, Any]:
    """Classes over aiohttp's own, made once it is there: a reader that is listened to, and one which reads from a tape."""
    from aiohttp import StreamReader

    class Listening(StreamReader):
        __slots__ = ()

        def _read_nowait_chunk(self, n: int) -> bytes:
            data: bytes = super()._read_nowait_chunk(n)
            timer: Any = self._timer
            timer.heard.part(data)
            return data

        def set_exception(self, exc: Any, *args: Any) -> None:
            if str(exc) != "Connection closed":  # what aiohttp says where the service itself lets go of the response
                timer: Any = self._timer
                timer.heard.broken(exc)
            super().set_exception(exc, *args)

    class FromTape(StreamReader):
        def __init__(self, items: Iterator[Any], loop: Any) -> None:
            nothing = lambda *args, **kwargs: None  # noqa: E731
            connection: Any = SimpleNamespace(
                _reading_paused=False, connected=True, pause_reading=nothing, resume_reading=nothing
            )
            super().__init__(connection, 1 << 16, loop=loop)
            self._items = items

        async def _wait(self, func_name: str) -> None:
            item = next(self._items, None)
            if item is None:
                self.feed_eof()
            elif isinstance(item, BaseException):
                self.set_exception(item)
                raise item
            else:
                self.feed_data(item)

    return Listening, FromTape


def _asked(session: Any, args: tuple[Any, ...], kwargs: dict[str, Any], body: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    from yarl import URL

    method, address = (*args, *(kwargs[name] for name in ("method", "str_or_url")[len(args) :]))
    url = session._build_url(address)
    if kwargs.get("params"):
        url = URL(url).update_query(kwargs["params"])
    headers = {name.lower(): value for name, value in (session.headers or {}).items()}
    given = kwargs.get("headers") or {}
    headers.update({str(name).lower(): value for name, value in (given.items() if hasattr(given, "items") else given)})
    return _http.identity(method, str(url), headers.items(), body)


def _data(kwargs: dict[str, Any]) -> Any:
    """The body as it was given: bytes and streams as they are, JSON and forms as the values that will be written."""
    if kwargs.get("json") is not None:
        return _Given(kwargs["json"])
    data = kwargs.get("data")
    if data is None or isinstance(data, (bytes, str, bytearray, memoryview)) or hasattr(data, "read") or _http.once(data):
        return data
    fields = getattr(data, "_fields", None)
    if fields is not None:  # FormData
        return _Given([[dict(options), _http.content(value, replaying=False)] for options, _, value in fields])
    return _Given(data)


class _Given(list[Any]):
    """A body made of values, as one item: `_http.content` would join them."""

    def __init__(self, value: Any) -> None:
        import json

        super().__init__([json.dumps(value, default=repr, sort_keys=True)])


def _response(session: Any, method: str, url: Any, loop: Any) -> Any:
    from aiohttp import ClientResponse, RequestInfo
    from aiohttp.helpers import TimerNoop
    from multidict import CIMultiDict, CIMultiDictProxy

    kind = getattr(session, "_response_class", ClientResponse)
    options = {
        "writer": None,
        "continue100": None,
        "timer": TimerNoop(),
        "traces": [],
        "loop": loop,
        "session": session,
        "request_info": RequestInfo(url, method, CIMultiDictProxy(CIMultiDict()), url),
        "stream_writer": SimpleNamespace(output_size=0),
    }
    known = inspect.signature(kind.__init__).parameters
    return kind(method, url, **{name: value for name, value in options.items() if name in known})


def _past(session: Any, method: str, url: str, status: int, cookies: list[str], loop: Any) -> Any:
    from multidict import CIMultiDict, CIMultiDictProxy
    from yarl import URL

    response = _response(session, method, URL(url), loop)
    response.status = status
    response._headers = CIMultiDictProxy(CIMultiDict([("Set-Cookie", cookie) for cookie in cookies]))
    return response


def _set_cookies(session: Any, headers: list[str], url: Any) -> None:
    from http.cookies import SimpleCookie

    for header in headers:
        session.cookie_jar.update_cookies(SimpleCookie(header), url)


def _proxy(pairs: list[list[str]]) -> Any:
    from multidict import CIMultiDict, CIMultiDictProxy

    return CIMultiDictProxy(CIMultiDict([(name, value) for name, value in pairs]))


def _pairs(value: Any) -> list[list[str]]:
    return [[str(name), text] for name, text in value.items()]


registry.register(
    [
        *(Adapter(f"{module}:URL", str, lambda cls, value, extra: cls(value)) for module in ("yarl", "yarl._url")),
        *(
            Adapter(f"{module}:CIMultiDictProxy", _pairs, lambda cls, value, extra: _proxy(value))
            for module in ("multidict", "multidict._multidict")
        ),
    ]
)


TARGETS = (PresetTarget("aiohttp.client:ClientSession._request", "aiohttp.request", codec=RequestCodec(), acts=_acts.http),)
