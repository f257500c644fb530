"""AWS and what speaks its protocols, through botocore and so boto3: one call an API operation, named as AWS documents it.

A streamed body is noted as the service reads it. Uploaded files are read for the tape and put back where they were.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from autoplayback.interception.protocol import ResultCodec
from autoplayback.presets import PresetTarget, _acts, _http

if TYPE_CHECKING:
    from autoplayback.interception.protocol import Answer, Passage

_POSITIONAL = int(inspect.Parameter.POSITIONAL_OR_KEYWORD)


class OperationCodec(ResultCodec):
    """`BaseClient._make_api_call`, which every method of every client, paginator, waiter and resource ends in."""

    parameters = (("service", _POSITIONAL), ("operation", _POSITIONAL), ("params", _POSITIONAL))

    def asked(
        self, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, replaying: bool = False
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        given = dict(zip(("operation_name", "api_params"), args, strict=False)) | kwargs
        params = {
            name: _http.content(value, replaying=replaying) if hasattr(value, "read") else value
            for name, value in given["api_params"].items()
        }
        return (receiver.meta.service_model.service_name, given["operation_name"], params), {}

    def begun(self, passage: Passage, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Passage:
        plain: Any = _PlainErrors(passage)
        return plain  # type: ignore[no-any-return]

    def opened(self, result: Any, passage: Passage) -> Any:
        stream = next((name for name, value in result.items() if hasattr(value, "_raw_stream")), None)
        if stream is None:
            return passage.returned(result)
        body = result[stream]
        head = {"response": {name: value for name, value in result.items() if name != stream}, "stream": stream}
        passage.ended(head, closed=True)
        length = getattr(body, "_content_length", None)
        body._raw_stream = _Listening(body._raw_stream, passage, head, None if length is None else int(length))
        return result

    def closed(self, answer: Answer, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if answer.items is None:
            return answer.value
        from botocore.response import StreamingBody

        response = dict(answer.value["response"])
        raw: Any = _FromTape(iter(answer.items))
        length: Any = response.get("ContentLength")
        response[answer.value["stream"]] = StreamingBody(raw, length)
        return response

    def failed(self, error: BaseException, receiver: Any) -> BaseException:
        from botocore.exceptions import ClientError

        if not isinstance(error, ClientError):
            return error
        made: BaseException = receiver.exceptions.from_code(error.response.get("Error", {}).get("Code"))(
            error.response, error.operation_name
        )
        return made


class _PlainErrors:
    """Notes a client's own exception (`client.exceptions.NoSuchKey`, a class made at run time) as the ClientError that it is."""

    def __init__(self, passage: Passage) -> None:
        self._passage = passage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._passage, name)

    def raised(self, error: BaseException) -> None:
        from botocore.exceptions import ClientError

        self._passage.raised(ClientError(error.response, error.operation_name) if isinstance(error, ClientError) else error)


class _Listening:
    """The stream below a StreamingBody; tells what is read."""

    def __init__(self, stream: Any, passage: Passage, head: dict[str, Any], length: int | None) -> None:
        self._stream = stream
        self._passage = passage
        self._head = head
        self._left = length
        if length == 0:
            passage.ended(head)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def read(self, *args: Any, **kwargs: Any) -> Any:
        try:
            data = self._stream.read(*args, **kwargs)
        except Exception as error:
            self._passage.yielded(error)
            raise
        self._note(data, bounded=bool(args) and args[0] is not None)
        return data

    def readinto(self, buffer: Any) -> int:
        count: int = self._stream.readinto(buffer)
        self._note(bytes(memoryview(buffer)[:count]), bounded=True)
        return count

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        for part in self._stream.stream(*args, **kwargs):
            self._note(part, bounded=True)
            yield part
        self._passage.ended(self._head)

    def __iter__(self) -> Iterator[bytes]:
        for part in self._stream:
            self._note(part, bounded=True)
            yield part
        self._passage.ended(self._head)

    def _note(self, data: bytes, *, bounded: bool) -> None:
        if data:
            self._passage.yielded(data)
            if self._left is not None:
                self._left -= len(data)
        if not data or not bounded or self._left == 0:
            self._passage.ended(self._head)


class _FromTape:
    """The stream below a replayed StreamingBody."""

    def __init__(self, items: Iterator[Any]) -> None:
        self._items = items
        self._rest = b""
        self.closed = False

    def read(self, amount: int | None = None) -> bytes:
        while amount is None or amount < 0 or len(self._rest) < amount:
            item = next(self._items, None)
            if item is None:
                break
            if isinstance(item, BaseException):
                raise item
            self._rest += item
        end = len(self._rest) if amount is None or amount < 0 else amount
        taken, self._rest = self._rest[:end], self._rest[end:]
        return taken

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def stream(self, amount: int = 1 << 16, decode_content: bool | None = None) -> Iterator[bytes]:
        while data := self.read(amount):
            yield data

    def __iter__(self) -> Iterator[bytes]:
        return self.stream()

    def __enter__(self) -> _FromTape:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def release_conn(self) -> None:
        """There is none."""

    def close(self) -> None:
        self.closed = True


TARGETS = (PresetTarget("botocore.client:BaseClient._make_api_call", "botocore.call", codec=OperationCodec(), acts=_acts.aws),)
