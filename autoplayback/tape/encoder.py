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
from autoplayback.tape.walk import CarefulWalk, Handles, TooMany, Walk
from autoplayback.tape.wire import ATOMS, DEPTH, STRICT, Code, Ext, large, pack, packb

LIMIT: Final = 256 * 1024 * 1024
"""Bytes: a value that surely needs more becomes an opaque leaf instead of a pause of the service."""
FIXED: Final = frozenset({int, float, bool, type(None)})
_LARGE: Final = 64 << 10
"""Characters or bytes from which on a text or blob is packed by hand; its length takes the longest of three forms."""
_SHALLOW: Final = 4
"""Containers in each other, where the service left us no room to recurse."""

_all_atoms = ATOMS.issuperset


class Encoder:
    """Encodes the values of one tape; may be used from any thread.

    `handles` gives the id of a live intercepted object. Never raises: what can't be encoded is an inert leaf, whose type is
    added to `opaque`.
    """

    __slots__ = ("handles", "limit", "opaque")

    def __init__(self, handles: Handles | None = None, limit: int = LIMIT) -> None:
        self.handles = handles
        self.limit = limit
        self.opaque: list[str] = []

    def encode(self, value: Any) -> bytes:
        """The document of any value."""
        kind = type(value)
        try:
            if kind in FIXED:
                return packb(value)
            if kind in ATOMS and (size := len(value)) <= self.limit:
                return packb(value) if size < _LARGE else large(value)
            if kind in CONTAINERS and (document := self._plain(value)) is not None:
                return document
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
                if kind in FIXED or (kind in ATOMS and len(value) < _LARGE):
                    return b"\x92\x91" + packb(value) + b"\x80"
                if kind in ATOMS and len(value) <= self.limit:
                    return b"".join((b"\x92\x91", large(value), b"\x80"))
                if kind in CONTAINERS and (inner := self._plain(value)) is not None:
                    return b"\x92\x91" + inner + b"\x80"
            elif _all_atoms(map(type, args)) and (not kwargs or _all_atoms(map(type, kwargs.values()))):
                document = packb([list(args), kwargs], None, STRICT)
                if len(document) <= self.limit:
                    return document
            elif is_plain([list(args), kwargs], self.limit):
                return packb([list(args), kwargs], None, STRICT)
        except Exception:
            pass
        return self._walked([list(args), kwargs])

    def _plain(self, value: list[Any] | dict[Any, Any]) -> bytes | None:
        """The document of plain data; None where it isn't."""
        if type(value) is list and len(value) >= columns.LONG:
            table = columns.table(value, self.limit)
            if table is not None:
                return table
        return packb(value, None, STRICT) if is_plain(value, self.limit) else None

    def _walked(self, value: Any) -> bytes:
        """The thorough way, tried again with more care where it fails: each retry gives up a little speed or depth."""
        tries: tuple[tuple[Callable[..., Walk], int], ...] = ((Walk, DEPTH), (CarefulWalk, DEPTH), (CarefulWalk, _SHALLOW))
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
        name = type_name(type(value))
        self.opaque.append(name)
        return pack(Ext(Code.TAGGED, pack(["opaque", name, reason])))


def isdata(value: Any) -> bool:
    """Whether a value is encoded as data, rather than being a live object that would become an opaque leaf."""
    kind = type(value)
    return kind in PLAIN or plans.is_data(kind)
