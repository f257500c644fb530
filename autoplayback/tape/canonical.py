"""One byte string for all arguments that mean the same call: what match keys are hashed from.

Dicts without their order, sets sorted; -0.0 is 0.0 and every NaN the same, but True, 1 and 1.0 stay apart as do "a" and b"a".
Whether two places share one object doesn't matter.
"""

from __future__ import annotations

import struct
from hashlib import blake2b
from typing import Any, Final

from autoplayback.tape.inert import Inert, Tagged, inspect

_FLOAT: Final = struct.Struct(">d")
_LONG: Final = 64
"""Bytes of a container's form from which on its digest stands for it: else every level of a deep tree would be copied by all
above."""
_NAN: Final = _FLOAT.pack(float("nan"))


def canonical(document: bytes) -> bytes:
    """The canonical form of a document. Not a document itself: only for comparing and hashing."""
    return canonical_inert(inspect(document))


def canonical_inert(tree: Inert) -> bytes:
    """The canonical form of an inert tree."""
    pieces: list[bytes] = []
    _write(tree, pieces)
    return b"".join(pieces)


def _write(root: Any, pieces: list[bytes]) -> None:
    """Appends the canonical form of a tree: an explicit stack, as a tree may be deeper than Python recurses.

    Each kind of node starts with a letter and says its length, so that no two trees have the same form.
    """
    if _plain(root, pieces):
        return
    if type(root) is dict and (flat := _flat(root)) is not None:
        pieces.append(flat)
        return
    stack: list[Any] = [_Frame(root)]
    while stack:
        frame = stack[-1]
        for child in frame.rest:
            piece: list[bytes] = []
            if _plain(child, piece):
                frame.done.append(piece[0])
                continue
            stack.append(_Frame(child))
            break
        else:
            stack.pop()
            form = frame.form()
            if stack:
                stack[-1].done.append(form)
            else:
                pieces.append(form)


def _plain(value: Any, pieces: list[bytes]) -> bool:
    """Writes a leaf; False where it isn't one."""
    kind = type(value)
    if kind is str:
        data = value.encode("utf-8", "surrogatepass")
        pieces.append(b"s%d:%b" % (len(data), data))
    elif kind is int:
        pieces.append(b"i%d;" % value if value.bit_length() < 4000 else b"x%x;" % value)
    elif kind is bool or value is None:
        pieces.append(b"T" if value is True else b"F" if value is False else b"N")
    elif kind is float:
        pieces.append(b"f" + (_NAN if value != value else _FLOAT.pack(value + 0.0)))
    elif kind is bytes:
        pieces.append(b"b%d:%b" % (len(value), value))
    else:
        return False
    return True


def _flat(node: dict[Any, Any]) -> bytes | None:
    """The form of a dict of leaves, which is what the arguments of most calls are; None where it isn't one."""
    done = []
    for key, value in node.items():
        pieces: list[bytes] = []
        if not (_plain(key, pieces) and _plain(value, pieces)):
            return None
        done.append(b"".join(pieces))
    done.sort()
    return _closed(b"d", done)


def _closed(letter: bytes, done: list[bytes]) -> bytes:
    form = b"%b%d[%b" % (letter, len(done), b"".join(done))
    return form if len(form) < _LONG else b"h" + blake2b(form, digest_size=20).digest()


class _Frame:
    """A container whose members are being written."""

    __slots__ = ("done", "kind", "node", "rest")

    def __init__(self, node: Any) -> None:
        self.node = node
        self.done: list[bytes] = []
        if isinstance(node, list):
            self.kind = "list"
            self.rest = iter(node)
        elif isinstance(node, dict):
            self.kind = "dict"
            self.rest = iter([part for pair in node.items() for part in pair])
        elif isinstance(node, Tagged):
            self.kind = "tagged"
            value: Any = node.value
            if node.kind in ("dict", "set", "frozenset") and isinstance(value, list):
                value = _Unordered(value)
            self.rest = iter((node.kind, node.type, value, node.extra))
        elif isinstance(node, _Unordered):
            self.kind = "unordered"
            self.rest = iter(node.items)
        else:
            raise TypeError(f"not inert: {type(node)}")

    def form(self) -> bytes:
        done = self.done
        if self.kind == "dict":
            done = sorted(key + value for key, value in zip(done[::2], done[1::2], strict=True))
            letter = b"d"
        elif self.kind == "unordered":
            done = sorted(done)
            letter = b"u"
        else:
            letter = b"l" if self.kind == "list" else b"t"
        return _closed(letter, done)


class _Unordered:
    """The members of a set, or the pairs of a dict."""

    __slots__ = ("items",)

    def __init__(self, items: list[Any]) -> None:
        self.items = items
