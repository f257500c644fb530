"""Who still holds an original that was exchanged on an attribute: calls through them stay unheard. For `check` to say."""

from __future__ import annotations

import functools
import gc
import sys
from collections.abc import Iterator
from types import CellType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any

_OURS = ("autoplayback", "wrapt")
_TABLES = (dict, list, tuple, set, frozenset)
_CONTAINERS = (*_TABLES, CellType, functools.partial, MethodType)
_DEPTH = 3
"""How many containers within each other are followed to somebody with a name."""


def referrers(value: Any) -> list[str]:
    """Their names, as far as modules, classes, tables, objects, defaults and closures tell. Slow: not for start-up.

    The private C module behind a public one (`_sqlite3`) holds its own functions, and nobody calls them there.
    """
    home = getattr(value, "__module__", None)
    private = home if isinstance(home, str) and home.startswith("_") else None
    modules = [
        module
        for module in list(sys.modules.values())
        if _is(module, ModuleType) and not _is_ours(module.__name__) and module.__name__ != private
    ]
    found = [name for module in modules for name in _of_module(module, value)]
    namespaces = {id(vars(module)) for module in list(sys.modules.values()) if _is(module, ModuleType)}
    names = {id(held): f"{module.__name__}.{name}" for module in modules for name, held in list(vars(module).items())}
    direct = {id(holder) for holder in gc.get_referrers(value) if type(holder) in _TABLES and id(holder) in names}
    return sorted({*found, *_beyond(value, namespaces | direct, names, _DEPTH)})


def _of_module(module: ModuleType, value: Any) -> Iterator[str]:
    for name, held in list(vars(module).items()):
        where = f"{module.__name__}.{name}"
        if held is value:
            yield where
        elif type(held) is dict:
            yield from (f"{where}[{key!r}]" for key, one in list(held.items()) if one is value and name != "__builtins__")
        elif type(held) in _TABLES:
            yield from (where for one in list(held) if one is value)
        elif _is(held, type) and held.__module__ == module.__name__:
            yield from (f"{where}.{key}" for key, one in list(vars(held).items()) if _within(one) is value)


def _within(member: Any) -> Any:
    return member.__func__ if type(member) in (staticmethod, classmethod) else member


def _beyond(value: Any, known: set[int], names: dict[int, str], depth: int) -> Iterator[str]:
    """The objects and functions that hold it, or hold a container which does; what is `known` has been told of."""
    for holder in gc.get_referrers(value):
        kind = type(holder)
        if id(holder) in known or kind is FrameType or _is(holder, ModuleType, type) or _is_ours(kind.__module__):
            continue
        if kind is FunctionType:
            if holder.__globals__ is not value and not _is_ours(holder.__module__):
                yield f"{holder.__module__}.{holder.__qualname__} (a default or a closure)"
        elif id(holder) in names:
            yield names[id(holder)]
        elif issubclass(kind, _CONTAINERS):
            if depth:
                yield from _beyond(holder, known, names, depth - 1)
        elif kind.__module__.partition(".")[0] not in sys.stdlib_module_names:
            yield f"an object of {kind.__module__}.{kind.__qualname__}"


def _is(value: Any, *kinds: type) -> bool:
    """Like `isinstance`, which would wake a lazy object: it asks for `__class__`, and Django's settings aren't there yet."""
    return issubclass(type(value), kinds)


def _is_ours(module: Any) -> bool:
    return isinstance(module, str) and module.partition(".")[0] in _OURS
