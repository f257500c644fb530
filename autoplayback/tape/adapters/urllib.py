"""`urllib.error.HTTPError`: an exception and a response in one, with a connection inside that no tape can hold."""

from __future__ import annotations

import io
import urllib.error
from typing import Any, Final, NoReturn

from autoplayback.tape.adapters.registry import Adapter
from autoplayback.tape.names import type_name
from autoplayback.tape.opaque import Opaque


class _Unread(io.RawIOBase):
    """The body of a response which nobody had read when the error was recorded."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> NoReturn:
        raise io.UnsupportedOperation("this body hadn't been read yet when its HTTPError was recorded: the tape doesn't have it")


def _dump(error: urllib.error.HTTPError) -> Any:
    own = error.__dict__
    body: Any = own.get("fp")
    if type(body) not in (io.BytesIO, bytes, type(None)):  # reading a live one would take it from the service
        read = type_name(type(body)) == "http.client:HTTPResponse" and body.isclosed()
        body = b"" if read else Opaque(type_name(type(body)), "a response not read yet")
    url = OSError.filename.__get__(error)
    return {"args": [url, own.get("code"), own.get("msg")], "headers": own.get("hdrs"), "body": body}


def _load(cls: Any, value: dict[str, Any], extra: Any) -> Any:
    url, code, message = value["args"]
    body = value["body"]
    if isinstance(body, bytes):
        body = io.BytesIO(body)
    elif isinstance(body, Opaque):
        body = io.BufferedReader(_Unread())
    made = cls.__new__(cls, url, code, message, value["headers"], body)
    urllib.error.HTTPError.__init__(made, url, code, message, value["headers"], body)
    return made


ADAPTERS: Final = [Adapter("urllib.error:HTTPError", _dump, _load, complete=True)]
