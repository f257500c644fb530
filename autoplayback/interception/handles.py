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
    handle._private        the real object's, unrecorded: it is its library that asks (see `inner`)
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

import enum
import functools
import itertools
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from types import MethodType
from typing import Any
from weakref import WeakValueDictionary

from autoplayback.interception.faults import report
from autoplayback.interception.protocol import Interceptor
from autoplayback.interception.resolve import signature_of
from autoplayback.interception.target import Role, Shape, Target
from autoplayback.interception.wrappers import unseen

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
        if facts.real is not _ABSENT and inner(facts.kind, name):
            return getattr(facts.real, name)
        if facts.real is _ABSENT and (known := stand_in(facts.kind, name)) is not ...:
            return known
        if facts.kind is None and facts.real is _ABSENT:
            return proxies.undecided(self, facts, name)
        return proxies.reader(facts.maker, facts.interceptor, facts.kind, name)(self)

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


internals: dict[str, frozenset[str]] = {}
"""By top-level package, public attributes which only the library itself and its extensions in C use: they want the real thing."""

absent: dict[str, dict[str, Any]] = {}
"""By top-level package, what replayed handles have for attributes which are the library's own business, where something asks."""


def inner(kind: type | None, name: str) -> bool:
    """Whether an attribute is the library's own business: never recorded, and never a handle."""
    if name.startswith("_"):
        return not name.endswith("__")
    return kind is not None and name in internals.get(kind.__module__.partition(".")[0], ())


def stand_in(kind: type | None, name: str) -> Any:
    """What a replayed handle has for such an attribute; Ellipsis where nothing is known."""
    return ... if kind is None else absent.get(kind.__module__.partition(".")[0], {}).get(name, ...)


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
        handle: Handle = object.__new__(proxies.proxy(maker, interceptor, kind))
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
    kind = resolved(type_ref)
    handle: Handle = object.__new__(proxies.proxy(maker, interceptor, kind))
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
            None if read else maker.acts,
        )
    return target


def making(target: Target, interceptor: Interceptor, original: Callable[..., Any], skip: int) -> Callable[..., Any]:
    """The original of a target that returns handles: gives the library real objects, and its caller handles."""
    if "root" not in target.extra:
        _makers[target.name] = target
    apart: Callable[..., bool] | None = target.extra.get("apart")
    own = 0 if skip < 2 else 2  # behind wrapt, the bound function and its instance come first and are ours

    def real(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (*args[:own], *map(unwrapped, args[own:])), {name: unwrapped(value) for name, value in kwargs.items()}

    @unseen
    def function(*args: Any, **kwargs: Any) -> Any:
        plain, named = real(args, kwargs)
        return recorded(
            original(*plain, **named), target, interceptor, args[skip:], kwargs, args[0] if skip == 1 and args else None
        )

    @unseen
    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        plain, named = real(args, kwargs)
        if apart is not None and apart(args, kwargs):
            return await original(*plain, **named)
        return recorded(
            await original(*plain, **named), target, interceptor, args[skip:], kwargs, args[0] if skip == 1 and args else None
        )

    @unseen
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

    @unseen
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


def resolved(type_ref: str) -> type | None:
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


from autoplayback.interception import proxies  # noqa: E402  # it builds on what stands above
