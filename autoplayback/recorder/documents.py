"""One encoded document taken apart, no further than a secret may be in it, and put together again.

Works on the document's MessagePack itself, so every other value keeps its exact bytes and no class is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import ormsgpack

from autoplayback.recorder.secrets import APART, names_secret
from autoplayback.tape.wire import Ext, bin_head, pack

_HELD: Final = 64
"""Extension codes below it hold MessagePack, those from it on raw bytes (FORMAT.md)."""
POSITIONAL: Final = (0, 1)
"""inspect's kinds of parameters that a positional argument can fill."""
_BINARY: Final = {0xC4: 2, 0xC5: 3, 0xC6: 5}
"""First bytes of binary data, with the lengths of the heads that they begin."""
_TEXT: Final = {0xD9: 2, 0xDA: 3, 0xDB: 5} | dict.fromkeys(range(0xA0, 0xC0), 1)
"""The same of texts."""


@dataclass(slots=True)
class Raw:
    """An extension value as it stands in the document."""

    code: int
    data: bytes

    @property
    def holds(self) -> bool:
        """Whether it holds MessagePack, not bytes of its own."""
        return self.code < _HELD


@dataclass(slots=True)
class Held:
    """An extension value, its MessagePack unpacked."""

    code: int
    value: Any


def unpacked(document: bytes) -> Any:
    """A document as plain values and, for extensions, `Raw`: those are unpacked in turn only where a secret may be inside."""
    return ormsgpack.unpackb(document, ext_hook=Raw, option=ormsgpack.OPT_NON_STR_KEYS)


def opened(raw: Raw) -> Held:
    """An extension value which holds MessagePack, one level of it unpacked."""
    return Held(raw.code, unpacked(raw.data))


def packed(tree: Any) -> bytes:
    """The document again."""
    return pack(_ext(tree))


def whole(items: Sequence[bytes]) -> bytes:
    """The documents of a stream as one, to be searched: chunks of one body without what MessagePack puts between them."""
    for heads in (_BINARY, _TEXT):
        if all(item[0] in heads for item in items):
            content = [memoryview(item)[heads[item[0]] :] for item in items]
            return b"".join([bin_head(sum(map(len, content))), *content])
    return APART.join(items)


def secrets_named(arguments: bytes, parameters: Sequence[tuple[str, int]]) -> bytes:
    """Arguments with those which are secrets by their parameters' names given by name: where a document stands apart from its
    target, as that of an object made before the operation, nothing else tells what a position means."""
    names = [name for name, kind in parameters if kind in POSITIONAL]
    first = next((index for index, name in enumerate(names) if names_secret(name)), None)
    if first is None or not arguments:
        return arguments
    tree = unpacked(arguments)
    graph = opened(tree) if isinstance(tree, Raw) else None
    root = tree if graph is None else graph.value[0]
    positional, keywords = root
    if not first < len(positional) <= len(names) or not isinstance(keywords, dict):
        return arguments
    root[:] = positional[:first], {**dict(zip(names[first:], positional[first:], strict=False)), **keywords}
    return packed(tree if graph is None else graph)


def _ext(tree: Any) -> Any:
    if isinstance(tree, Held):
        return Ext(tree.code, packed(tree.value))
    if isinstance(tree, Raw):
        return Ext(tree.code, tree.data)
    if isinstance(tree, dict):
        return {key: _ext(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_ext(value) for value in tree]
    return tree


def sized(headers: Any, old: int, new: int) -> Any:
    """Headers with a content-length of `old` bytes made `new`, in whichever shape they stand."""
    if isinstance(headers, Raw) and headers.holds:
        headers = opened(headers)
    if isinstance(headers, Held):
        return Held(headers.code, sized(headers.value, old, new))
    if isinstance(headers, dict):
        return {key: _length(key, value, old, new) for key, value in headers.items()}
    if isinstance(headers, list):
        if len(headers) == 2 and isinstance(headers[0], (str, bytes)):
            return [headers[0], _length(headers[0], headers[1], old, new)]
        return [sized(item, old, new) for item in headers]
    return headers


def _length(key: Any, value: Any, old: int, new: int) -> Any:
    name = key.decode("latin-1") if isinstance(key, bytes) else key
    if not isinstance(name, str) or name.lower() != "content-length":
        return sized(value, old, new) if isinstance(value, (dict, list, Held, Raw)) else value
    if isinstance(value, list):
        return [_length(key, item, old, new) for item in value]
    if value in (str(old), str(old).encode(), old):
        return type(value)(new) if isinstance(value, int) else str(new) if isinstance(value, str) else str(new).encode()
    return value
