"""Proxy classes: for each maker and real class one, which has what the real class has, each as an intercepted call.

Built once a class, so that a method of a handle costs what an ordinary method behind a wrapper costs.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    MethodDescriptorType,
    WrapperDescriptorType,
)
from typing import Any

from autoplayback.errors import ReplayError
from autoplayback.interception.filling import binder, standalone
from autoplayback.interception.handles import (
    Handle,
    State,
    derived,
    inner,
    is_handle,
    making,
    resolved,
    stand_in,
    state,
    unwrapped,
)
from autoplayback.interception.protocol import Interceptor
from autoplayback.interception.resolve import shape_of
from autoplayback.interception.target import Shape, Target
from autoplayback.interception.wrappers import Site, unseen

_METHODS = (
    FunctionType,
    MethodDescriptorType,
    WrapperDescriptorType,
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    classmethod,
    staticmethod,
)

_OWN = frozenset(
    {
        "__class__",
        "__del__",
        "__delattr__",
        "__dict__",
        "__dir__",
        "__doc__",
        "__eq__",
        "__format__",
        "__getattr__",
        "__getattribute__",
        "__getnewargs__",
        "__getnewargs_ex__",
        "__getstate__",
        "__hash__",
        "__init__",
        "__init_subclass__",
        "__module__",
        "__ne__",
        "__new__",
        "__reduce__",
        "__reduce_ex__",
        "__repr__",
        "__setattr__",
        "__setstate__",
        "__sizeof__",
        "__slots__",
        "__str__",
        "__subclasshook__",
        "__weakref__",
        "__copy__",
        "__deepcopy__",
        "__class_getitem__",
    }
)
"""Special names which are the proxy's own business, or have no meaning on an instance."""

_COMMON = (
    "__enter__",
    "__exit__",
    "__iter__",
    "__next__",
    "__call__",
    "__len__",
    "__getitem__",
    "__contains__",
    "__aenter__",
    "__aexit__",
    "__aiter__",
    "__anext__",
    "__await__",
)
"""Special methods of a replayed handle whose class isn't known."""


def proxy(maker: Target, interceptor: Interceptor, kind: type | None) -> type[Handle]:
    """The proxy class for handles of one real class and maker: it has what the real class has, each as a call."""
    cache: dict[Any, type[Handle]] = maker.extra.setdefault("classes", {})
    made = cache.get((kind, interceptor))
    if made is None:
        members: dict[str, Any] = {"__slots__": ()}
        if kind is None:
            for name in _COMMON:
                members[name] = _special(maker, interceptor, None, name)
            members["__bool__"] = _yes
        else:
            for name in {name: None for base in kind.__mro__ if base is not object for name in base.__dict__}:
                member = _member(maker, interceptor, kind, name)
                if member is not None:
                    members[name] = member
            members["__class__"] = property(lambda self: kind)
            members["__doc__"] = kind.__doc__
        made = cache[kind, interceptor] = type(kind.__name__ if kind else "Handle", (Handle,), members)
    return made


def _yes(self: Any) -> bool:
    return True


def _member(maker: Target, interceptor: Interceptor, kind: type, name: str) -> Any:
    if name in _OWN or name.startswith("__autoplayback"):
        return None
    if inner(kind, name):
        return _passing(maker, interceptor, kind, name)
    raw = next(base.__dict__[name] for base in kind.__mro__ if name in base.__dict__)
    if name.startswith("__") and name.endswith("__"):
        return _special(maker, interceptor, kind, name) if callable(raw) else None
    if isinstance(raw, _METHODS) or (callable(raw) and hasattr(type(raw), "__get__") and not isinstance(raw, type)):
        return _method(maker, interceptor, kind, name)
    return _attribute(maker, interceptor, kind, name)


def _callable(target: Target, interceptor: Interceptor, original: Callable[..., Any], real: Any = None) -> Any:
    """A function, for a proxy class, which calls through to the real object under `target`; `real` is what its class has."""
    site = Site(target, making(target, interceptor, original, 1), interceptor, skip=1)
    function = standalone(site, target.qualname.rpartition(".")[2], binder(real) if isinstance(real, FunctionType) else None)
    function.__qualname__ = target.qualname
    return function


def _real(value: Any, target: Target) -> Any:
    if is_handle(value):
        raise ReplayError(f"{target.name} can't be called at replay: its {state(value).type or 'handle'} was never connected")
    return value


def _method(maker: Target, interceptor: Interceptor, kind: type | None, name: str) -> Any:
    target = derived(maker, name, kind, shape_of(getattr(kind, name, None)) if kind else Shape.FUNCTION)

    @unseen
    def original(handle: Any, /, *args: Any, **kwargs: Any) -> Any:
        return getattr(_real(handle, target), name)(*args, **kwargs)

    return _callable(target, interceptor, original, inspect.getattr_static(kind, name, None) if kind else None)


def reader(maker: Target, interceptor: Interceptor, kind: type | None, name: str) -> Callable[[Any], Any]:
    readers: dict[Any, Callable[[Any], Any]] = maker.extra.setdefault("readers", {})
    found = readers.get((kind, name, interceptor))
    if found is None:
        target = derived(maker, name, kind, read=True)

        @unseen
        def original(handle: Any, /) -> Any:
            return getattr(_real(handle, target), name)

        found = readers[kind, name, interceptor] = _callable(target, interceptor, original)
    return found


def _passing(maker: Target, interceptor: Interceptor, kind: type, name: str) -> property:
    """What is the library's own: the real thing while recording. Nobody has it at replay, where asking is a call like others."""
    ask, known = reader(maker, interceptor, kind, name), stand_in(kind, name)

    def read(handle: Any) -> Any:
        real = unwrapped(handle)
        if not is_handle(real):
            return getattr(real, name)
        return ask(handle) if known is ... else known

    made = _attribute(maker, interceptor, kind, name)
    return property(read, made.fset, made.fdel)


def _attribute(maker: Target, interceptor: Interceptor, kind: type, name: str) -> property:
    def write(handle: Any, value: Any) -> None:
        Handle.__setattr__(handle, name, value)

    def remove(handle: Any) -> None:
        Handle.__delattr__(handle, name)

    return property(reader(maker, interceptor, kind, name), write, remove)


def undecided(handle: Handle, facts: State, name: str) -> Any:
    """An attribute of a handle whose class isn't known: its player may know by now; else it is taken for a method."""
    tell = getattr(facts.interceptor, "type_of", None)
    kind = resolved(tell(handle) or "") if tell is not None else None
    if kind is not None:
        member = _member(facts.maker, facts.interceptor, kind, name)
        if isinstance(member, property):
            return member.__get__(handle)
        if member is None:
            return reader(facts.maker, facts.interceptor, kind, name)(handle)
        return member.__get__(handle)
    return _method(facts.maker, facts.interceptor, None, name).__get__(handle)


def _special(maker: Target, interceptor: Interceptor, kind: type | None, name: str) -> Any:
    if name == "__iter__":
        target = derived(maker, name, kind, Shape.GENERATOR)

        @unseen
        def iterate(handle: Any, /) -> Generator[Any, None, None]:
            for item in _real(handle, target):  # noqa: UP028  # `yield from` would close the real iterator with ours
                yield item

        return _callable(target, interceptor, iterate)
    if name == "__aiter__":
        target = derived(maker, name, kind, Shape.ASYNC_GENERATOR)

        @unseen
        async def aiterate(handle: Any, /) -> AsyncGenerator[Any, None]:
            async for item in _real(handle, target):
                yield item

        return _callable(target, interceptor, aiterate)
    if name == "__await__":
        target = derived(maker, name, kind, Shape.COROUTINE)

        @unseen
        async def wait(handle: Any, /) -> Any:
            return await _real(handle, target)

        awaiting = _callable(target, interceptor, wait)
        return lambda handle: awaiting(handle).__await__()
    asynchronous = name in ("__aenter__", "__aexit__", "__anext__")
    target = derived(maker, name, kind, Shape.COROUTINE if asynchronous else Shape.FUNCTION)
    if asynchronous:

        @unseen
        async def aspecial(handle: Any, /, *args: Any) -> Any:
            real = _real(handle, target)
            return await getattr(type(real), name)(real, *args)

        return _callable(target, interceptor, aspecial)

    @unseen
    def special(handle: Any, /, *args: Any, **kwargs: Any) -> Any:
        real = _real(handle, target)
        return getattr(type(real), name)(real, *args, **kwargs)

    return _callable(target, interceptor, special)
