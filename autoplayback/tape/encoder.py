"""From a Python value to its document, at the call and on the caller's thread.

Two ways lead to the same format. What is plain all through (the usual JSON-like data) goes to ormsgpack as it stands, long tables
column by column. Everything else is first walked into a private tree (see `wire` for why private).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from autoplayback.tape import columns, plans
from autoplayback.tape.names import type_name
from autoplayback.tape.plainness import CONTAINERS, PLAIN, is_plain
from autoplayback.tape.walk import CarefulWalk, Handles, TooLarge, TooMany, Walk
from autoplayback.tape.wire import ATOMS, DEPTH, STRICT, Code, Ext, large, pack, packb

LIMIT: Final = 256 * 1024 * 1024
"""Bytes: a value that surely needs more becomes an opaque leaf instead of a pause of the service."""
FIXED: Final = frozenset({int, float, bool, type(None)})
_LARGE: Final = 64 << 10
"""Characters or bytes from which on a text or blob is packed by hand; its length takes the longest of three forms."""
_SHALLOW: Final = 4
"""Containers in each other, where the service left us no room to recurse."""

_all_atoms = ATOMS.issuperset
Tries = tuple[tuple[Callable[..., Walk], int], ...]
_WITH_CARE: Final[Tries] = ((CarefulWalk, DEPTH), (CarefulWalk, _SHALLOW))
_TRIES: Final[Tries] = ((Walk, DEPTH), *_WITH_CARE)


class Encoder:
    """Encodes the values of one tape; may be used from any thread.

    `handles` gives the id of a live intercepted object. Never raises: what can't be encoded is an inert leaf, whose type is
    added to `opaque`.
    """

    __slots__ = ("_small", "handles", "limit", "opaque")

    def __init__(self, handles: Handles | None = None, limit: int = LIMIT) -> None:
        self.handles = handles
        self.limit = limit
        self._small = min(_LARGE, limit + 1)
        self.opaque: list[str] = []

    def encode(self, value: Any) -> bytes:
        """The document of any value."""
        kind = type(value)
        try:
            if kind in FIXED:
                return packb(value)
            if kind in ATOMS:
                return packb(value) if len(value) < self._small else self._large(value)
            if kind in CONTAINERS and (document := self._plain(value)) is not None:
                return document
        except TooLarge:
            return self._walked(value, _WITH_CARE)
        except Exception:  # not plain after all: an integer over 64 bits, a lone surrogate, a change in mid-look
            pass
        return self._walked(value)

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """The document `[positional list, keyword map]`. The usual cases, few and plain arguments, come first: a call's share of
        the
        budget is small."""
        try:
            if not kwargs and len(args) == 1:
                value = args[0]
                kind = type(value)
                if kind in FIXED or (kind in ATOMS and len(value) < self._small):
                    return b"\x92\x91" + packb(value) + b"\x80"
                if kind in ATOMS:
                    return b"".join((b"\x92\x91", self._large(value), b"\x80"))
                if kind in CONTAINERS and (inner := self._plain(value)) is not None:
                    return b"\x92\x91" + inner + b"\x80"
            elif (_all_atoms(map(type, args)) and (not kwargs or _all_atoms(map(type, kwargs.values())))) or is_plain(
                [list(args), kwargs], self.limit
            ):
                document = packb([list(args), kwargs], None, STRICT)
                if len(document) <= self.limit:
                    return document
        except TooLarge:
            return self._walked([list(args), kwargs], _WITH_CARE)
        except Exception:
            pass
        return self._walked([list(args), kwargs])

    def _plain(self, value: list[Any] | dict[Any, Any]) -> bytes | None:
        """The document of plain data; None where it isn't. TooLarge where it is, but too large."""
        document = None
        if type(value) is list and len(value) >= columns.LONG:
            document = columns.table(value, self.limit)
        if document is None and is_plain(value, self.limit):
            document = packb(value, None, STRICT)
        if document is not None and len(document) > self.limit:
            raise TooLarge(f"over {self.limit} bytes")
        return document

    def _large(self, value: str | bytes) -> bytes:
        return large(value) if len(value) <= self.limit else self._leaf(value, "too large")

    def _leaf(self, value: Any, reason: str) -> bytes:
        """The inert leaf in place of a whole value."""
        name = type_name(type(value))
        self.opaque.append(name)
        return pack(Ext(Code.TAGGED, pack(["opaque", name, reason])))

    def _walked(self, value: Any, tries: Tries = _TRIES) -> bytes:
        """The thorough way, tried again with more care where it fails: each retry gives up a little speed or depth."""
        reason = "could not be encoded"
        for make, depth in tries:
            try:
                walk = make(self.handles, depth, self.limit)
                document = walk.document(value)
            except TooMany:
                reason = "too many objects"
                break
            except Exception:
                continue
            self.opaque.extend(walk.opaque)
            return document
        return self._leaf(value, reason)


def isdata(value: Any) -> bool:
    """Whether a value is encoded as data, rather than being a live object that would become an opaque leaf."""
    kind = type(value)
    return kind in PLAIN or plans.is_data(kind)
