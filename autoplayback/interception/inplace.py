"""In place: the function object stays, its code is swapped for a template's.

A registry, a route, a from-import or a bound method made before the patch holds the function *object*: an attribute set
beside it never reaches them. Swapping its `__code__` does, and leaves identity, pickling by name and `super()` as they were.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any
from weakref import WeakSet

from autoplayback.interception.filling import fill, replacement
from autoplayback.interception.wrappers import Site

originals: WeakSet[FunctionType] = WeakSet()
"""The copies that hold swapped functions' code: where a chain of `__wrapped__` leads to one, it has left the service's code."""


def copied(function: FunctionType, code: CodeType) -> FunctionType:
    """Another function with this code and all that belongs to `function`."""
    copy = FunctionType(code, function.__globals__, function.__name__, function.__defaults__, function.__closure__)
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__qualname__ = function.__qualname__
    copy.__module__ = function.__module__
    copy.__doc__ = function.__doc__
    copy.__annotations__ = function.__annotations__
    if hasattr(function, "__type_params__"):  # 3.12
        copy.__type_params__ = function.__type_params__  # type: ignore[attr-defined]
    copy.__dict__.update(function.__dict__)
    return copy


def site_of(function: Any) -> Site | None:
    """The site in this function's code, where it has been swapped."""
    code = getattr(function, "__code__", None)
    if type(code) is not CodeType:
        return None
    return next((const for const in code.co_consts if isinstance(const, Site)), None)


def swap(
    function: FunctionType, make: Callable[[FunctionType], Site], template: Callable[..., Any] | None = None
) -> Callable[[], None]:
    """Swaps `function`'s code for one around the site which `make` builds for the original; returns the undoing. The code is
    that of `template`, or of the one for the site's shape.

    `__wrapped__` leads source readers to the original; `__signature__` is for those who don't follow it (getfullargspec, and
    so Celery's check of a task's arguments). A function which has them keeps its own: they mean something to its users.
    """
    code = function.__code__
    original = copied(function, code)
    originals.add(original)
    names = vars(function)
    added = []
    if "__wrapped__" not in names:
        if "__signature__" not in names:
            try:
                function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
                added.append("__signature__")
            except (TypeError, ValueError):
                pass
        function.__wrapped__ = original  # type: ignore[attr-defined]
        added.append("__wrapped__")
    site = make(original)
    function.__code__ = replacement(site, original) if template is None else fill(template, site, like=code)

    def undo() -> None:
        function.__code__ = code
        for name in added:
            vars(function).pop(name, None)

    return undo
