"""Handles: live objects (connections, cursors, responses) returned by a target that says `returns: handle`.

**Interception makes them.** What such a target returns or yields, but for the builtin types, becomes a Handle before the
interceptor's passage hears of it; and so do the results of its methods in turn where they are live (see `live`). They are made
outside operations too (a connection opened at import). An interceptor only ever *sees* handles: as receivers, within
arguments, as results.

    state(handle)   its facts: `.maker` (the Target that made it), `.type` ("module:qualname" of the real class), `.arguments`
                    (the encoded document of the making call) and, at replay, `.id`, its number on the recorded tape

**Every use is a call** of a target derived from the maker, `<maker's name>.<attribute>`, with the handle as receiver:

    handle.execute(sql)    what is a method on the class: a call with these arguments
    handle.rowcount        any other attribute: a call of role input, without arguments, when it is read
    for row in handle      one stream call `<maker>.__iter__`, an item a step; `next(handle)` is a call of its own
    with handle, await handle, handle[0], len(handle), ...   calls of the special method

A result which is the handle's own object is the handle itself (`__enter__`, `cursor.execute`); an object that has a handle
already gets the same again; a handle of its receiver's class (a builder, a savepoint) is named as its receiver is, so that
chains don't grow names. Setting an attribute is passed on and not recorded. Handles given to a handle's method reach the
library as the real objects.

**At replay** the player makes handles with `replayed`; nothing of the library is called. Where the class of a recorded handle
has been imported, it decides what is a method, and `isinstance` passes.

The recorder numbers handles per tape in the order it meets them. The player answers `call(derived, handle, ...)` alike.
"""

from __future__ import annotations

import builtins
import enum
import functools
import itertools
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    WrapperDescriptorType,
)
from typing import Any
from weakref import WeakValueDictionary

from autoplayback.errors import ReplayError
from autoplayback.interception.faults import report
from autoplayback.interception.protocol import Interceptor
from autoplayback.interception.resolve import shape_of, signature_of
from autoplayback.interception.target import Role, Shape, Target
from autoplayback.interception.wrappers import TEMPLATES, Site, fill

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

_DATA = (type, enum.Enum, BaseException, tuple, list, dict, set, frozenset, str, bytes, bytearray, int, float, complex)

_known: WeakValueDictionary[int, Handle] = WeakValueDictionary()
"""Handles by the id of their real objects, which live as long as they do."""

_makers: dict[str, Target] = {}
"""The targets that return handles, by name: a handle may come out of a call of another family (a pool's checkout)."""

_serials = itertools.count().__next__
_ABSENT: Any = object()


class State:
    """The facts of one handle."""

    __slots__ = ("arguments", "id", "interceptor", "kind", "maker", "real", "serial", "type")

    def __init__(
        self, maker: Target, interceptor: Interceptor, real: Any, kind: type | None, type_ref: str, arguments: bytes
    ) -> None:
        self.maker = maker
        self.interceptor = interceptor
        self.real = real
        self.kind = kind
        self.type = type_ref
        self.arguments = arguments
        self.id: int | None = None
        self.serial = _serials()
        """Never used again in this process, unlike an `id()`: to know a handle by without keeping it alive."""


class Handle:
    """A live object as the service holds it while recording, or its stand-in at replay. Its facts: `state`."""

    __slots__ = ("__autoplayback_state__", "__weakref__")
    __autoplayback_handle__ = True
    __autoplayback_state__: State

    def __getattr__(self, name: str) -> Any:
        facts = state(self)
        if name.startswith("__") and name.endswith("__"):
            if facts.real is _ABSENT:
                raise AttributeError(f"a replayed handle has no {name}")
            return getattr(facts.real, name)
        if facts.kind is None and facts.real is _ABSENT:
            return _undecided(self, facts, name)
        return _reader(facts.maker, facts.interceptor, facts.kind, name)(self)

    def __setattr__(self, name: str, value: Any) -> None:
        real = state(self).real
        if real is not _ABSENT:
            setattr(real, name, unwrapped(value))

    def __delattr__(self, name: str) -> None:
        real = state(self).real
        if real is not _ABSENT:
            delattr(real, name)

    def __dir__(self) -> list[str]:
        facts = state(self)
        return dir(facts.kind or object) if facts.real is _ABSENT else dir(facts.real)

    def __repr__(self) -> str:
        facts = state(self)
        if facts.real is _ABSENT:
            return f"<replayed {facts.type or facts.maker.name}{'' if facts.id is None else f' {facts.id}'}>"
        return repr(facts.real)

    def __str__(self) -> str:
        real = state(self).real
        return repr(self) if real is _ABSENT else str(real)

    def __format__(self, spec: str) -> str:
        real = state(self).real
        return repr(self) if real is _ABSENT else format(real, spec)

    def __eq__(self, other: object) -> Any:
        real = state(self).real
        return self is other if real is _ABSENT else real == unwrapped(other)

    def __ne__(self, other: object) -> Any:
        real = state(self).real
        return self is not other if real is _ABSENT else real != unwrapped(other)

    def __hash__(self) -> int:
        real = state(self).real
        return id(self) if real is _ABSENT else hash(real)

    def __copy__(self) -> Any:
        import copy

        real = state(self).real
        return self if real is _ABSENT else copy.copy(real)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        import copy

        real = state(self).real
        return self if real is _ABSENT else copy.deepcopy(real, memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        real = state(self).real
        if real is _ABSENT:
            raise TypeError("a replayed handle can't be pickled")
        return real.__reduce_ex__(protocol)


def state(handle: Any) -> State:
    """The facts of a handle."""
    facts: State = object.__getattribute__(handle, "__autoplayback_state__")
    return facts


def is_handle(value: Any) -> bool:
    """Whether this is a handle; `isinstance` would be told the real class."""
    return getattr(type(value), "__autoplayback_handle__", False) is True


def unwrapped(value: Any) -> Any:
    """The real object of a handle, anything else as it is."""
    if not is_handle(value):
        return value
    real = state(value).real
    return value if real is _ABSENT else real


def live(kind: type) -> bool:
    """Whether objects of a type are used rather than read: their state alone, put on a tape, would not make them again.

    Data are the builtin types and their subclasses, what the tape has an adapter for (dates, paths, numpy, pydantic, ...),
    enums, exceptions, classes, dataclasses and attrs classes. Any other object is live, a plain Python one too.
    """
    from autoplayback.tape.adapters import registry
    from autoplayback.tape.plans import is_data

    if kind in (bool, int, float, str, bytes):
        return False
    if kind is MethodType or not is_data(kind):
        return True
    if kind.__module__ == "builtins" or "__dataclass_fields__" in dir(kind) or "__attrs_attrs__" in dir(kind):
        return False
    return not issubclass(kind, _DATA) and registry.find(kind) is None


_live: Any = functools.lru_cache(maxsize=4096)(live)


def recorded(
    value: Any, target: Target, interceptor: Interceptor, args: tuple[Any, ...], kwargs: dict[str, Any], receiver: Any = None
) -> Any:
    """The handle for a live object; data, and what is a handle already, as it is. A fault of ours gives the object itself."""
    try:
        from autoplayback.tape.values import Encoder

        if value is None or is_handle(value):
            return value
        kind = type(value)
        if not _live(kind) and ("root" in target.extra or kind.__module__ == "builtins"):
            return value
        maker = target
        if receiver is not None and is_handle(receiver):
            facts = state(receiver)
            if value is facts.real:
                return receiver
            if type(value) is type(facts.real):
                maker = facts.maker
        known = _known.get(id(value))
        if known is not None and state(known).real is value:
            return known
        handle: Handle = object.__new__(_class(maker, interceptor, kind))
        document = Encoder().arguments(args, kwargs)
        facts = State(maker, interceptor, value, kind, f"{kind.__module__}:{kind.__qualname__}", document)
        object.__setattr__(handle, "__autoplayback_state__", facts)
        _known[id(value)] = handle
        return handle
    except Exception as error:
        report(f"making a handle of what {target.name} returned", error)
        return value


def replayed(
    target: Target, interceptor: Interceptor, id: int | None, type_ref: str, name: str | None = None, arguments: bytes = b""
) -> Handle:
    """A stand-in for a recorded handle.

    `target` is the target of the answered call, `name` what HandleNote says made it (where that is another of its family).
    `id` is its number on the tape, None for one made outside the operation; the player may set it later, on its state.
    """
    maker = target if name is None else _named(target, name)
    kind = _resolved(type_ref)
    handle: Handle = object.__new__(_class(maker, interceptor, kind))
    facts = State(maker, interceptor, _ABSENT, kind, type_ref, arguments)
    facts.id = id
    object.__setattr__(handle, "__autoplayback_state__", facts)
    return handle


def derived(
    maker: Target, attribute: str, kind: type | None = None, shape: Shape = Shape.FUNCTION, *, read: bool = False
) -> Target:
    """The target for a use of a handle: one object per maker, attribute and class."""
    cache: dict[Any, Target] = maker.extra.setdefault("derived", {})
    key = (attribute, kind)
    target = cache.get(key)
    if target is None:
        parameters: Any = ()
        defaults: dict[str, Any] = {}
        if kind is not None and not read:
            parameters, defaults = signature_of(getattr(kind, attribute, None), receives=True)
        extra = {"root": maker.extra.get("root", maker), "defaults": defaults}
        qualname = f"{kind.__qualname__ if kind else maker.qualname}.{attribute}"
        target = cache[key] = Target(
            Role.INPUT if read or maker.role is Role.OPERATION else maker.role,
            f"{maker.name}.{attribute}",
            kind.__module__ if kind else maker.module,
            qualname,
            shape,
            parameters,
            True,
            True,
            None,
            maker.settings,
            extra,
        )
    return target


def making(target: Target, interceptor: Interceptor, original: Callable[..., Any], skip: int) -> Callable[..., Any]:
    """The original of a target that returns handles: gives the library real objects, and its caller handles."""
    if "root" not in target.extra:
        _makers[target.name] = target
    own = 0 if skip < 2 else 2  # behind wrapt, the bound function and its instance come first and are ours

    def real(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (*args[:own], *map(unwrapped, args[own:])), {name: unwrapped(value) for name, value in kwargs.items()}

    def function(*args: Any, **kwargs: Any) -> Any:
        plain, named = real(args, kwargs)
        return recorded(
            original(*plain, **named), target, interceptor, args[skip:], kwargs, args[0] if skip == 1 and args else None
        )

    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        plain, named = real(args, kwargs)
        return recorded(
            await original(*plain, **named), target, interceptor, args[skip:], kwargs, args[0] if skip == 1 and args else None
        )

    def generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        plain, named = real(args, kwargs)
        stream = original(*plain, **named)
        step, argument = stream.send, None
        while True:
            try:
                item = step(argument)
            except StopIteration as stop:
                return stop.value
            finally:
                argument = None  # a thrown exception's traceback holds this frame: a cycle would keep the cursor, and its locks
            try:
                argument = yield recorded(item, target, interceptor, args[skip:], kwargs)
                step = stream.send
            except BaseException as error:
                step, argument = stream.throw, error

    async def async_generator(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        plain, named = real(args, kwargs)
        stream = original(*plain, **named)
        step, argument = stream.asend, None
        while True:
            try:
                item = await step(argument)
            except StopAsyncIteration:
                return
            finally:
                argument = None
            try:
                argument = yield recorded(item, target, interceptor, args[skip:], kwargs)
                step = stream.asend
            except BaseException as error:
                step, argument = stream.athrow, error

    return {Shape.COROUTINE: coroutine, Shape.GENERATOR: generator, Shape.ASYNC_GENERATOR: async_generator}.get(
        target.shape, function
    )


def _resolved(type_ref: str) -> type | None:
    """The class, where it has been imported already."""
    module, _, qualname = type_ref.partition(":")
    value: Any = sys.modules.get(module)
    for part in qualname.split("."):
        value = getattr(value, part, None)
    if value is None and module and module in _HOLDERS:
        value = _HOLDERS[module].get(qualname)
    return value if isinstance(value, type) else None


_HOLDERS = {"builtins": {"generator": type(_ for _ in ())}}


def _named(target: Target, name: str) -> Target:
    """The target of this name in the family of `target`."""
    while not (name == target.name or name.startswith(f"{target.name}.")):
        root = target.extra.get("root")
        if root is None or root is target:
            target = _maker(name)
            break
        target = root
    if name != target.name:
        for part in name[len(target.name) + 1 :].split("."):
            target = derived(target, part)
    return target


def _maker(name: str) -> Target:
    """The declared target, of whatever family, that made handles of this name."""
    start = name
    while start:
        if start in _makers:
            return _makers[start]
        start = start.rpartition(".")[0]
    return _makers.setdefault(name, Target(Role.INPUT, name, "", name, handle=True))


def _class(maker: Target, interceptor: Interceptor, kind: type | None) -> type[Handle]:
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
    raw = next(base.__dict__[name] for base in kind.__mro__ if name in base.__dict__)
    if name.startswith("__") and name.endswith("__"):
        return _special(maker, interceptor, kind, name) if callable(raw) else None
    if isinstance(raw, _METHODS) or (callable(raw) and hasattr(type(raw), "__get__") and not isinstance(raw, type)):
        return _method(maker, interceptor, kind, name)
    return _attribute(maker, interceptor, kind, name)


def _callable(target: Target, interceptor: Interceptor, original: Callable[..., Any]) -> Any:
    """A function, for a proxy class, which calls through to the real object under `target`."""
    site = Site(target, making(target, interceptor, original, 1), interceptor, skip=1)
    template = TEMPLATES[target.shape]
    function = FunctionType(fill(template, site), {"__builtins__": builtins}, target.qualname.rpartition(".")[2])
    function.__qualname__ = target.qualname
    return function


def _real(value: Any, target: Target) -> Any:
    if is_handle(value):
        raise ReplayError(f"{target.name} can't be called at replay: its {state(value).type or 'handle'} was never connected")
    return value


def _method(maker: Target, interceptor: Interceptor, kind: type | None, name: str) -> Any:
    target = derived(maker, name, kind, shape_of(getattr(kind, name, None)) if kind else Shape.FUNCTION)

    def original(handle: Any, /, *args: Any, **kwargs: Any) -> Any:
        return getattr(_real(handle, target), name)(*args, **kwargs)

    return _callable(target, interceptor, original)


def _reader(maker: Target, interceptor: Interceptor, kind: type | None, name: str) -> Callable[[Any], Any]:
    readers: dict[Any, Callable[[Any], Any]] = maker.extra.setdefault("readers", {})
    reader = readers.get((kind, name, interceptor))
    if reader is None:
        target = derived(maker, name, kind, read=True)

        def original(handle: Any, /) -> Any:
            return getattr(_real(handle, target), name)

        reader = readers[kind, name, interceptor] = _callable(target, interceptor, original)
    return reader


def _attribute(maker: Target, interceptor: Interceptor, kind: type, name: str) -> property:
    def write(handle: Any, value: Any) -> None:
        Handle.__setattr__(handle, name, value)

    def remove(handle: Any) -> None:
        Handle.__delattr__(handle, name)

    return property(_reader(maker, interceptor, kind, name), write, remove)


def _undecided(handle: Handle, facts: State, name: str) -> Any:
    """An attribute of a handle whose class isn't known: its player may know by now; else it is taken for a method."""
    tell = getattr(facts.interceptor, "type_of", None)
    kind = _resolved(tell(handle) or "") if tell is not None else None
    if kind is not None:
        member = _member(facts.maker, facts.interceptor, kind, name)
        if isinstance(member, property):
            return member.__get__(handle)
        if member is None:
            return _reader(facts.maker, facts.interceptor, kind, name)(handle)
        return member.__get__(handle)
    return _method(facts.maker, facts.interceptor, None, name).__get__(handle)


def _special(maker: Target, interceptor: Interceptor, kind: type | None, name: str) -> Any:
    if name == "__iter__":
        target = derived(maker, name, kind, Shape.GENERATOR)

        def iterate(handle: Any, /) -> Generator[Any, None, None]:
            for item in _real(handle, target):  # noqa: UP028  # `yield from` would close the real iterator with ours
                yield item

        return _callable(target, interceptor, iterate)
    if name == "__aiter__":
        target = derived(maker, name, kind, Shape.ASYNC_GENERATOR)

        async def aiterate(handle: Any, /) -> AsyncGenerator[Any, None]:
            async for item in _real(handle, target):
                yield item

        return _callable(target, interceptor, aiterate)
    if name == "__await__":
        target = derived(maker, name, kind, Shape.COROUTINE)

        async def wait(handle: Any, /) -> Any:
            return await _real(handle, target)

        awaiting = _callable(target, interceptor, wait)
        return lambda handle: awaiting(handle).__await__()
    asynchronous = name in ("__aenter__", "__aexit__", "__anext__")
    target = derived(maker, name, kind, Shape.COROUTINE if asynchronous else Shape.FUNCTION)
    if asynchronous:

        async def aspecial(handle: Any, /, *args: Any) -> Any:
            real = _real(handle, target)
            return await getattr(type(real), name)(real, *args)

        return _callable(target, interceptor, aspecial)

    def special(handle: Any, /, *args: Any, **kwargs: Any) -> Any:
        real = _real(handle, target)
        return getattr(type(real), name)(real, *args, **kwargs)

    return _callable(target, interceptor, special)
