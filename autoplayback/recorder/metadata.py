"""What a tape can be found by: paths of the config, read off the live arguments, result or error of an operation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from autoplayback.config import paths
from autoplayback.interception.target import Target
from autoplayback.tape.model import Scalar

LONGEST = 256
"""Characters of a metadata value: it is a key to search by, not a payload."""


class Extractor:
    """The `metadata:` of one operation, split into what its entry and what its end can tell."""

    def __init__(self, target: Target) -> None:
        wanted: Mapping[str, str] = getattr(target.settings, "metadata", None) or {}
        parsed = [(key, paths.parse(path)) for key, path in wanted.items()]
        self._at_exit = [(key, path) for key, path in parsed if path.root in ("result", "error")]
        self._at_entry = [(key, path) for key, path in parsed if path.root not in ("result", "error")]
        self._names = [name for name, _ in target.parameters]

    def entry(self, receiver: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Scalar]:
        """What the arguments and `self` tell; paths that lead nowhere give nothing."""
        if not self._at_entry:
            return {}
        roots = {"self": receiver, **dict(zip(self._names, args, strict=False)), **kwargs}
        return dict(_read(self._at_entry, roots))

    def exit(self, value: Any, *, failed: bool) -> dict[str, Scalar]:
        """What the result, or the error, tells."""
        if not self._at_exit:
            return {}
        return dict(_read(self._at_exit, {"error" if failed else "result": value}))


def _read(wanted: Iterable[tuple[str, paths.Path]], roots: Mapping[str, Any]) -> Iterable[tuple[str, Scalar]]:
    for key, path in wanted:
        found, value = paths.resolve_live(roots, path)
        if found:
            yield key, scalar(value)


def scalar(value: Any) -> Scalar:
    """`value` as metadata holds it: plain scalars as they are, anything else as text, cut at `LONGEST`."""
    kind = type(value)
    if value is None or kind is bool or kind is int or kind is float:
        return value  # type: ignore[no-any-return]  # narrowed by its exact type
    if isinstance(value, Enum):
        return scalar(value.value)
    if isinstance(value, BaseException):
        return type(value).__name__
    text = value if kind is str else str(value)
    return text[:LONGEST]


def scalars(values: Mapping[str, Any]) -> dict[str, Scalar]:
    """Each value as a `scalar`; those whose text can't be had are left out."""
    result: dict[str, Scalar] = {}
    for key, value in values.items():
        try:
            result[str(key)] = scalar(value)
        except Exception:
            continue
    return result
