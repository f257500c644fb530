"""Templates filled: code for a function whose own has moved elsewhere, and functions of their own, each around one Site."""

from __future__ import annotations

import builtins
import inspect
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

from autoplayback.interception.target import Shape
from autoplayback.interception.wrappers import FILENAME, TEMPLATES, Site, function, maker

_KINDS = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE
"""What a code object says of the kind of its function. Only those who look read it; what is made is for the bytecode to say."""


def fill(template: Callable[..., Any], site: Any, like: CodeType | None = None) -> CodeType:
    """The template's code with `site` in its hole, under the name and with the free variables of the code `like` it replaces."""
    code: CodeType = template.__code__
    code = code.replace(
        co_filename=FILENAME,
        co_consts=tuple(site if type(const) is str and const == "<site>" else const for const in code.co_consts),
    )
    if like is None:
        return code
    return code.replace(co_name=like.co_name, co_qualname=like.co_qualname, co_freevars=like.co_freevars)


def replacement(site: Site, original: FunctionType) -> CodeType:
    """The code for a function whose own code has moved to `original`: the template of its shape, around `site`.

    What a coroutine or generator function makes of a call must be the template's, but the call itself must refuse wrong
    arguments. So the code is that of `maker`, a plain function's, which says of itself that it is of the original's kind.
    """
    like = original.__code__
    if site.target.shape is Shape.FUNCTION:
        return fill(function, site, like)
    made = _template(site, original.__globals__, original.__name__, original.__qualname__)
    made.__code__ = made.__code__.replace(co_flags=made.__code__.co_flags | like.co_flags & inspect.CO_ITERABLE_COROUTINE)
    site.bind, site.make = binder(original), made
    code = fill(maker, site, like)
    return code.replace(co_flags=code.co_flags | like.co_flags & _KINDS)


def standalone(site: Site, name: str, bind: Callable[..., None] | None = None) -> FunctionType:
    """A function of its own around `site`; `bind` is called with its arguments, to refuse wrong ones before anything is made."""
    if site.target.shape is Shape.FUNCTION:
        return FunctionType(fill(function, site), {"__builtins__": builtins}, name)
    made = _template(site, {"__builtins__": builtins}, name, name)
    site.make = made
    if bind is not None:
        site.bind = bind
    code = fill(maker, site)
    code = code.replace(co_flags=code.co_flags | made.__code__.co_flags & _KINDS)
    return FunctionType(code, {"__builtins__": builtins}, name)


def _template(site: Site, names: dict[str, Any], name: str, qualname: str) -> FunctionType:
    code = fill(TEMPLATES[site.target.shape], site).replace(co_name=name, co_qualname=qualname)
    made = FunctionType(code, names, name)
    made.__qualname__ = qualname
    return made


def binder(function: FunctionType) -> Callable[..., None]:
    """A function that takes the same arguments and does nothing: Python itself refuses wrong ones, in the same words."""
    code, empty = function.__code__, _nothing.__code__
    variable = code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS)
    count = code.co_argcount + code.co_kwonlyargcount + variable.bit_count()
    twin = FunctionType(
        empty.replace(
            co_argcount=code.co_argcount,
            co_posonlyargcount=code.co_posonlyargcount,
            co_kwonlyargcount=code.co_kwonlyargcount,
            co_nlocals=count,
            co_varnames=code.co_varnames[:count],
            co_flags=empty.co_flags | variable,
        ),
        {"__builtins__": builtins},
        function.__name__,
        function.__defaults__,
    )
    twin.__kwdefaults__ = function.__kwdefaults__
    twin.__qualname__ = function.__qualname__
    return twin


def _nothing() -> None:
    return
