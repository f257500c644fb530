"""How each type is encoded: found out once a type, then remembered.

A plan reads state only: instance dictionaries and slots through the interpreter's own descriptors, values of the standard
library through their C or library methods. It calls nothing that a service's class defines: no `__eq__`, no property, no
`__getattr__`, no `__reduce__`.
"""

from __future__ import annotations

import collections
import enum
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from autoplayback.tape import state
from autoplayback.tape.adapters import registry
from autoplayback.tape.names import type_name
from autoplayback.tape.wire import ATOMS, Code, Ext

if TYPE_CHECKING:
    from autoplayback.tape.encoder import Walk

Plan = Callable[["Walk", Any], Any]

__all__ = ["Plan", "is_data", "plan", "type_name"]

_plans: dict[type, Plan] = {}
_BOUND: Final = 20_000
"""Types remembered: a service which makes classes at run time must not fill memory through us."""


def plan(kind: type) -> Plan:
    """The plan for a type."""
    found = _plans.get(kind)
    if found is None:
        found = _make(kind)
        if len(_plans) >= _BOUND:
            _plans.clear()
            _plans.update(_BUILTIN)
        _plans[kind] = found
    return found


def is_data(kind: type) -> bool:
    """Whether values of a type are encoded as what they are."""
    return plan(kind) not in (_opaque, _handle)


def _make(kind: type) -> Plan:
    mro = kind.__mro__
    if any("__autoplayback_handle__" in c.__dict__ for c in mro):
        return _handle
    adapter = registry.find(kind)
    if adapter is not None:
        return _adapted(adapter, kind)
    if type in mro:
        return _reference("class")
    if enum.Enum in mro:
        return _enum(kind)
    if BaseException in mro:
        return _exception(kind)
    for base, make in _SUBCLASSES:
        if base in mro:
            return make(kind, base)
    return _instance(kind)


def _list(walk: Walk, value: list[Any]) -> Any:
    return walk.enter(value) or walk.leave(walk.items(value))


def _dict(walk: Walk, value: dict[Any, Any]) -> Any:
    met = walk.enter(value)
    if met is not None:
        return met
    walk.count -= 1
    return walk.leave(walk.fields(_copied(value)))


def _copied(value: dict[Any, Any]) -> dict[Any, Any]:
    """A copy that no other thread changes, made without comparing or hashing keys that a service's class defines."""
    if ATOMS.issuperset(map(type, value)):
        return dict.copy(value)
    return _Pairs(dict.items(value))  # type: ignore[return-value]


class _Pairs:
    """The items of a dict with keys of any type; iterates like the dict itself."""

    __slots__ = ("_items",)

    def __init__(self, items: Any) -> None:
        self._items = list(items)

    def __iter__(self) -> Any:
        return (key for key, _ in self._items)

    def items(self) -> list[tuple[Any, Any]]:
        return self._items


def _sequence(code: int, iterate: Callable[[Any], Any]) -> Plan:
    def encode(walk: Walk, value: Any) -> Any:
        return walk.enter(value) or walk.leave(walk.packed(code, walk.items(iterate(value))))

    return encode


def _bytearray(walk: Walk, value: bytearray) -> Any:
    return walk.enter(value) or walk.leave(Ext(Code.BYTEARRAY, bytes(value)))


def _opaque(walk: Walk, value: Any) -> Any:
    return walk.leaf_opaque(value)


def _handle(walk: Walk, value: Any) -> Any:
    return walk.handle(value)


def _reference(kind: str) -> Plan:
    """Classes, functions and modules: by name."""

    def encode(walk: Walk, value: Any) -> Any:
        name = _type_reference(value) if kind == "class" else _function_reference(value)
        if not name or "<" in name:
            return walk.leaf_opaque(value, "a function or class made at run time, which has no name to find it by")
        return walk.leaf(kind, name)

    return encode


def _type_reference(value: type) -> str:
    return type_name(value)


def _function_reference(value: Any) -> str:
    module, name = value.__module__, value.__qualname__
    if isinstance(value, types.BuiltinFunctionType) and not (value.__self__ is None or isinstance(value.__self__, types.ModuleType)):
        return ""
    return f"{module}:{name}" if isinstance(module, str) else ""


def _module(walk: Walk, value: types.ModuleType) -> Any:
    return walk.leaf("module", str(types.ModuleType.__getattribute__(value, "__name__")))


def _method(walk: Walk, value: types.MethodType) -> Any:
    met = walk.enter(value)
    if met is not None:
        return met
    name = getattr(value.__func__, "__name__", None)
    return walk.leave(walk.tagged("method", str(name), walk.value(value.__self__)))


def _enum(kind: type) -> Plan:
    name = type_name(kind)

    def encode(walk: Walk, value: Any) -> Any:
        walk.count += 2
        read = object.__getattribute__
        return walk.tagged("enum", name, [read(value, "_name_"), walk.value(read(value, "_value_"))])

    return encode


def _exception(kind: type) -> Plan:
    name, reader = type_name(kind), state.Reader(kind)
    members = {key: member.__get__ for key, member in state.exception_members(kind).items()}
    read_args = state.EXCEPTION["args"].__get__
    chain = [(key, state.EXCEPTION[key].__get__) for key in ("cause", "context", "suppress")]

    def encode(walk: Walk, value: BaseException) -> Any:
        met = walk.enter(value)
        if met is not None:
            return met
        walk.count += 1
        fields: dict[str, Any] = {"args": walk.value(list(read_args(value)))}
        own = reader.read(value)
        own.update((key, read(value)) for key, read in members.items() if read(value) is not None)
        for key, read in chain:
            found = read(value)
            if found is not None and found is not False:
                fields[key] = walk.value(found)
        notes = own.pop("__notes__", None)
        if notes is not None:
            fields["notes"] = walk.value(notes)
        return walk.leave(walk.tagged("exception", name, fields, walk.fields(own) if own else None))

    return encode


def _instance(kind: type) -> Plan:
    """An instance of a class written in Python: its fields by name."""
    if not state.is_python_class(kind):
        return _opaque
    name, reader = type_name(kind), state.Reader(kind)
    declared = state.declared_fields(kind)
    tag = "object" if declared is None else "record"

    def encode(walk: Walk, value: Any) -> Any:
        met = walk.enter(value)
        if met is not None:
            return met
        own, extra = reader.read(value), None
        if declared is not None and not declared.issuperset(own):
            extra = {key: field for key, field in own.items() if key not in declared}
            own = {key: field for key, field in own.items() if key in declared}
        content = walk.fields(own)
        return walk.leave(walk.tagged(tag, name, content, walk.fields(extra) if extra else None))

    return encode


def _namedtuple(kind: type, fields: tuple[str, ...]) -> Plan:
    name, reader = type_name(kind), state.Reader(kind)

    def encode(walk: Walk, value: Any) -> Any:
        met = walk.enter(value)
        if met is not None:
            return met
        own = reader.read(value)
        content = walk.fields(dict(zip(fields, tuple.__iter__(value), strict=True)))
        return walk.leave(walk.tagged("namedtuple", name, content, walk.fields(own) if own else None))

    return encode


def _subclass(tag: str, base_value: Callable[[Any], Any]) -> Callable[[type, type], Plan]:
    """A subclass of a built-in type: the value as the base has it, and the instance's own fields beside it."""

    def make(kind: type, base: type) -> Plan:
        if base is tuple:
            fields = state.static(kind, "_fields")
            if isinstance(fields, tuple) and all(type(field) is str for field in fields):
                return _namedtuple(kind, fields)
        if kind is not base and not state.extends_only(kind, base):
            return _opaque
        name, reader = type_name(kind), state.Reader(kind)

        def encode(walk: Walk, value: Any) -> Any:
            met = walk.enter(value)
            if met is not None:
                return met
            own, content = reader.read(value), base_value(value)
            if type(content) is list:
                walk.count += 1
                content = walk.items(content)
            elif type(content) in ATOMS:
                content = walk.value(content)
            else:
                content = walk.fields(content)
            return walk.leave(walk.tagged(tag, name, content, walk.fields(own) if own else None))

        return encode

    return make


def _adapted(adapter: registry.Adapter, kind: type) -> Plan:
    """A type that an adapter knows; of a subclass, its own name and fields stand beside what the adapter wrote."""
    name, dump = type_name(kind), adapter.dump
    derived = name != adapter.name
    reader = state.Reader(kind) if derived and not adapter.complete else None

    def encode(walk: Walk, value: Any) -> Any:
        met = walk.enter(value)
        if met is not None:
            return met
        content = dump(value)
        extra: Any = None
        if type(content) is registry.Split:
            content, extra = content.value, content.extra
        if derived:
            extra = {"adapter": adapter.name, "state": reader and reader.read(value), "extra": extra}
        inner = walk.value(content)
        return walk.leave(walk.tagged(adapter.kind, name, inner, None if extra is None else walk.value(extra)))

    def atom(walk: Walk, value: Any) -> Any:
        return walk.leaf(adapter.kind, name, dump(value))

    return atom if adapter.atomic and not derived else encode


_SUBCLASSES: tuple[tuple[type, Callable[[type, type], Plan]], ...] = (
    (collections.OrderedDict, _subclass("dict", lambda v: _copied(v))),
    (dict, _subclass("dict", lambda v: _copied(v))),
    (list, _subclass("list", lambda v: list.copy(v))),
    (tuple, _subclass("tuple", lambda v: list(tuple.__iter__(v)))),
    (set, _subclass("set", lambda v: list(set.__iter__(v)))),
    (frozenset, _subclass("frozenset", lambda v: list(frozenset.__iter__(v)))),
    (str, _subclass("str", lambda v: str.__str__(v))),
    (int, _subclass("int", lambda v: int.__int__(v))),
    (float, _subclass("float", lambda v: float.__float__(v))),
    (bytes, _subclass("bytes", lambda v: bytes.__getitem__(v, slice(None)))),
    (bytearray, _subclass("bytearray", lambda v: bytes(memoryview(v)))),
)

_BUILTIN: Final[dict[type, Plan]] = {
    list: _list,
    dict: _dict,
    tuple: _sequence(Code.TUPLE, list),
    set: _sequence(Code.SET, list),
    frozenset: _sequence(Code.FROZENSET, list),
    bytearray: _bytearray,
    type: _reference("class"),
    types.FunctionType: _reference("function"),
    types.BuiltinFunctionType: _reference("function"),
    types.ModuleType: _module,
    types.MethodType: _method,
    object: _instance(object),
}
_plans.update(_BUILTIN)
