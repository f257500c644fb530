"""Which adapter writes and reads a type: those of this package, and those which libraries bring.

An entry point of the group `autoplayback.adapters` is named after the top-level package whose types it knows (`pendulum`)
and refers to a list of `Adapter`s (or a function which returns one). It is loaded when the first value of such a package is met,
never before.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from autoplayback.tape.names import mro, type_name

GROUP: Final = "autoplayback.adapters"


@dataclass(frozen=True, slots=True)
class Split:
    """What a `dump` returns when part of it is only needed to restore the value, not to look at or compare it by path."""

    value: Any
    extra: Any


@dataclass(frozen=True, slots=True)
class Adapter:
    """How values of one type, and of its subclasses, stand on a tape."""

    name: str
    """`module:qualname` of the type. Nothing is imported to write it."""
    dump: Callable[[Any], Any]
    """The value as other encodable values (or `Split`). Must not run code of classes which derive from the type."""
    load: Callable[[Any, Any, Any], Any]
    """Makes a value of the class given from what `dump` returned (value, extra)."""
    kind: str = "value"
    complete: bool = False
    """`dump` covers the fields of subclasses too."""
    closed: bool = False
    """Subclasses are the library's own affair: they are written as the type itself."""
    atomic: bool = False
    """`dump` gives an atom, and whether two places hold the same object doesn't matter (the type is immutable)."""


_OWN: Final = {
    "dateutil": "autoplayback.tape.adapters.dateutil",
    "email": "autoplayback.tape.adapters.email",
    "numpy": "autoplayback.tape.adapters.numpy",
    "pandas": "autoplayback.tape.adapters.pandas",
    "pydantic": "autoplayback.tape.adapters.pydantic",
    "pydantic_core": "autoplayback.tape.adapters.pydantic",
    "urllib": "autoplayback.tape.adapters.urllib",
}
_adapters: dict[str, Adapter] = {}
_loaded: set[str] = set()
_foreign: dict[str, list[Any]] | None = None
_lock = threading.RLock()


def find(kind: type) -> Adapter | None:
    """The adapter for a type or for the nearest of its bases that has one."""
    for base in mro(kind):
        name = type_name(base)
        _load(name.partition(".")[0].partition(":")[0])
        adapter = _adapters.get(name)
        if adapter is not None:
            return adapter
    return None


def named(name: str) -> Adapter | None:
    """The adapter which writes the type `module:qualname`."""
    _load(name.partition(".")[0].partition(":")[0])
    return _adapters.get(name)


def register(adapters: Iterable[Adapter]) -> None:
    """Adds adapters; the latest for a name counts."""
    _adapters.update((adapter.name, adapter) for adapter in adapters)


def prepare() -> None:
    """Loads what values of the packages imported so far need: before a fork, so that no child has to, each for itself."""
    for package in ("builtins", *_OWN, *_entry_points()):
        if package in sys.modules:
            _load(package)


def _load(package: str) -> None:
    """Loads what is known of a top-level package's types, once."""
    if package in _loaded:
        return
    with _lock:
        if package in _loaded:
            return
        if "" not in _loaded:
            _loaded.add("")
            register(importlib.import_module("autoplayback.tape.adapters.stdlib").ADAPTERS)
        module = _OWN.get(package)
        if module is not None:
            register(importlib.import_module(module).ADAPTERS)
        for point in _entry_points().get(package, ()):
            try:
                found = point.load()
                register(found() if callable(found) else found)
            except Exception as error:  # someone else's adapter must not cost us the service's values
                print(f"autoplayback: adapter {point.value!r} can't be loaded: {error}", file=sys.stderr)
        _loaded.add(package)


def _entry_points() -> dict[str, list[Any]]:
    global _foreign
    if _foreign is None:
        from importlib.metadata import entry_points

        _foreign = {}
        try:
            for point in entry_points(group=GROUP):
                _foreign.setdefault(point.name, []).append(point)
        except Exception:  # broken metadata of some distribution
            pass
    return _foreign
