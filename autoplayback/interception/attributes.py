"""On the attribute, through wrapt: builtins, C functions, caches, partials and whatever else has no code to swap.

A reference that was taken before the patch keeps the original; `rebind` finds those in module namespaces.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import wrapt

from autoplayback.interception.context import current
from autoplayback.interception.filling import binder, standalone
from autoplayback.interception.inplace import site_of
from autoplayback.interception.wrappers import Site, unseen


def _named(module: str, qualname: str) -> Any:
    __import__(module)
    value: Any = sys.modules[module]
    for part in qualname.split("."):
        value = getattr(value, part)
    return value


class Wrapped(wrapt.FunctionWrapper[..., Any]):
    """wrapt's wrapper, which pickles by name and copies as functions do: wrapt's own refuses both."""

    _self_place: tuple[str, str]
    """Module and qualified name; wrapt keeps names that begin so on the wrapper."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        module, qualname = self._self_place
        try:
            if module == self.__module__ and _named(module, qualname) is self:
                return qualname  # a global's name: the process that reads it needn't have autoplayback
        except (ImportError, AttributeError):
            pass
        return _named, (module, qualname)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self


def is_wrapped(value: Any) -> bool:
    """Whether this has a wrapper of ours around it."""
    return type(value) is Wrapped


def wrapper(value: Any, module: str, qualname: str, site: Site, always: bool) -> Any:
    """The wrapper around a function or descriptor. Out of operations wrapt calls straight through, unless `always`."""
    run = standalone(site, site.target.qualname.rpartition(".")[2], _binder(value))

    @unseen
    def relayed(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return run(wrapped, instance, *args, **kwargs)

    enabled: Any = current.get  # wrapt takes any callable, and looks at the truth of what it says
    made = Wrapped(value, relayed) if always else Wrapped(value, relayed, enabled)
    made._self_place = (module, qualname)
    return made


def _binder(value: Any) -> Callable[..., None] | None:
    """What refuses wrong arguments of a `partial` of a function in Python; of others only the call itself could tell."""
    if not isinstance(value, functools.partial) or not isinstance(value.func, FunctionType):
        return None
    held = site_of(value.func)
    function: Any = held.original if held is not None else value.func
    known = functools.partial(binder(function), *value.args, **value.keywords)

    @unseen
    def bind(wrapped: Any, instance: Any, /, *args: Any, **kwargs: Any) -> None:
        known(*args, **kwargs)

    return bind


def rebind(original: Any, replacement: Any, but: Any) -> Callable[[], None]:
    """Puts the replacement wherever a module of the service or its libraries holds the original by name; returns the undoing.

    The standard library and autoplayback keep the original: their own calls are not the service's.
    """
    done: list[tuple[ModuleType, str]] = []
    for module in list(sys.modules.values()):
        if not isinstance(module, ModuleType) or module is but:
            continue
        top = module.__name__.partition(".")[0]
        if top != "__main__" and (top in sys.stdlib_module_names or top == "autoplayback"):
            continue
        for name, value in list(vars(module).items()):
            if value is original:
                setattr(module, name, replacement)
                done.append((module, name))

    def undo() -> None:
        for module, name in done:
            if vars(module).get(name) is replacement:
                setattr(module, name, original)

    return undo
