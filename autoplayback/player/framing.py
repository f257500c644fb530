"""Messages between the runner, the supervisor and the host: a length, then one MessagePack map. Tapes are bytes in it."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import Any

import ormsgpack

_HEAD = struct.Struct("=I")
LIMIT = 1 << 31
"""A frame's bytes; a tape is far below."""

Message = dict[str, Any]


def pack(message: Message) -> bytes:
    """One frame."""
    body = ormsgpack.packb(message)
    return _HEAD.pack(len(body)) + body


def send(fd: int, message: Message) -> None:
    """Writes one frame, however often the pipe fills."""
    view = memoryview(pack(message))
    while view:
        view = view[os.write(fd, view) :]


def receive(fd: int) -> Message | None:
    """Reads one frame; None at the end of the stream, a cut frame included."""
    head = _exactly(fd, _HEAD.size)
    if head is None:
        return None
    body = _exactly(fd, _HEAD.unpack(head)[0])
    return None if body is None else _load(body)


def _exactly(fd: int, size: int) -> bytes | None:
    parts = []
    while size:
        part = os.read(fd, min(size, 1 << 20))
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _load(body: bytes) -> Message:
    message = ormsgpack.unpackb(body)
    if not isinstance(message, dict):
        raise ValueError("a frame is a map")
    return message


class Inbox:
    """Frames as they arrive in pieces; `clear` forgets the beginning of one whose writer was killed."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Takes bytes in, gives the frames that are now whole."""
        if not self._buffer and len(data) >= _HEAD.size and len(data) == _HEAD.size + _HEAD.unpack_from(data)[0]:
            yield _load(data[_HEAD.size :])  # nearly always: one frame arrives at a time, and whole
            return
        self._buffer += data
        while len(self._buffer) >= _HEAD.size:
            size = _HEAD.unpack_from(self._buffer)[0]
            if len(self._buffer) < _HEAD.size + size:
                return
            body = bytes(self._buffer[_HEAD.size : _HEAD.size + size])
            del self._buffer[: _HEAD.size + size]
            yield _load(body)

    def clear(self) -> None:
        """Starts anew."""
        self._buffer.clear()
