"""From a document to a tree whose nodes a Builder makes: inert ones to look at, or objects.

Documents without references are read by ormsgpack, with a hook for the extensions. Those with references need the number of each
container, which only a reader that sees every one of them knows: `graph` does those.
Whatever FORMAT.md doesn't allow is a TapeError, in time and memory bounded by the document's size.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

import ormsgpack

from autoplayback.errors import TapeError
from autoplayback.tape.rows import expanded
from autoplayback.tape.wire import DEPTH, Code

NESTED: Final = 3 * DEPTH + 8
"""Extensions, arrays and maps within each other: deeper than any encoder writes, no reader follows."""


class Builder(Protocol):
    """What becomes of each thing a document holds beyond MessagePack's own values. Contents are built already."""

    def tagged(self, kind: str, type_: str, value: Any, extra: Any) -> Any:
        """A TAGGED; also a tuple, set or frozenset (a list of items) and a dict with odd keys (a list of pairs), without a
        type."""

    def bytearray(self, value: bytes) -> Any:
        """A bytearray."""


class Referring(Exception):
    """The document refers to containers by number: it must be read by `graph`."""


_SEQUENCES: Final = {Code.TUPLE: "tuple", Code.SET: "set", Code.FROZENSET: "frozenset"}


def raw_extension(builder: Builder, code: int, data: bytes) -> Any:
    """What an extension of raw bytes becomes."""
    if code == Code.INT:
        return int.from_bytes(data, "big", signed=True)
    if code == Code.STR:
        return data.decode("utf-8", "surrogatepass")
    if code == Code.BYTEARRAY:
        return builder.bytearray(data)
    raise TapeError(f"unknown extension {code}")


def extension(builder: Builder, code: int, content: Any) -> Any:
    """What an extension becomes that holds MessagePack, already read."""
    if type(content) is not list:
        raise TapeError(f"extension {code} doesn't hold an array")
    if code == Code.TAGGED:
        if len(content) == 3:
            kind, type_, value = content
            extra = None
        elif len(content) == 4:
            kind, type_, value, extra = content
        else:
            raise TapeError("a tagged value has three or four parts")
        if type(kind) is not str or type(type_) is not str:
            raise TapeError("a tagged value without kind and type")
        return builder.tagged(kind, type_, value, extra)
    if code == Code.MAP:
        if len(content) % 2:
            raise TapeError("a map with a key but no value")
        return builder.tagged("dict", "", [[content[i], content[i + 1]] for i in range(0, len(content), 2)], None)
    if code == Code.MANY:
        return [inner if item is None else extension(builder, item, inner) for item, inner in expanded(content)]
    if code in _SEQUENCES:
        return builder.tagged(_SEQUENCES[code], "", content, None)
    raise TapeError(f"unknown extension {code}")


def read_quickly(document: bytes, builder: Builder) -> Any:
    """The tree of a document without references; raises Referring for one with them."""
    return _Quick(builder).read(document)


class _Quick:
    """One read through ormsgpack. A hook's exception doesn't come through ormsgpack, so it is kept here."""

    __slots__ = ("builder", "failure", "level")

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.level = 0
        self.failure: BaseException | None = None

    def read(self, document: bytes) -> Any:
        try:
            return ormsgpack.unpackb(document, ext_hook=self.extension)
        except ValueError as error:
            if self.failure is not None:
                raise self.failure from None
            raise TapeError(f"not a value document: {error}") from None
        except TypeError as error:
            raise TapeError(f"not a value document: {error}") from None

    def extension(self, code: int, data: bytes) -> Any:
        try:
            if code >= 64:
                return raw_extension(self.builder, code, data)
            if code == Code.GRAPH:
                raise Referring
            if code < 0 or code in (Code.REF, Code.PART):
                raise TapeError(f"extension {code} out of place")
            self.level += 1
            if self.level > NESTED:
                raise TapeError("nested too deeply")
            content = ormsgpack.unpackb(data, ext_hook=self.extension)
            self.level -= 1
            return extension(self.builder, code, content)
        except BaseException as error:
            if self.failure is None:
                self.failure = translated(error)
            raise


def translated(error: BaseException) -> BaseException:
    """What a failure while reading is called: damage and hostility are TapeErrors; interrupts stay what they are."""
    if isinstance(error, (TapeError, Referring)) or not isinstance(error, Exception):
        return error
    if isinstance(error, RecursionError):
        return TapeError("nested too deeply")
    return TapeError(f"not a value document: {type(error).__name__}: {error}")
