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

from autoplayback.tape import names, rows, state
from autoplayback.tape.adapters import registry
from autoplayback.tape.adapters.live import LIVE
from autoplayback.tape.names import home, type_name
from autoplayback.tape.opaque import Opaque, OpaqueException
from autoplayback.tape.wire import ATOMS, STRICT, Code, Ext, pack, packb

if TYPE_CHECKING:
    from autoplayback.tape.walk import Walk

Plan = Callable[["Walk", Any], Any]

__all__ = ["Plan", "is_data", "known", "plan"]

_all_atoms: Final = ATOMS.issuperset
_all_strings: Final = frozenset({str}).issuperset

known: dict[type, Plan] = {}
"""The plans found out so far."""
tables: dict[type, rows.Table] = {}
"""Of classes whose instances can be written as a table."""
_BOUND: Final = 20_000
"""Types remembered: a service which makes classes at run time must not fill memory through us."""


def plan(kind: type) -> Plan:
    """The plan for a type."""
    found = known.get(kind)
    if found is None:
        found = _make(kind)
        if len(known) >= _BOUND:
            known.clear()
            tables.clear()
            known.update(_BUILTIN)
        known[kind] = found
    return found


def is_data(kind: type) -> bool:
    """Whether values of a type are encoded as what they are."""
    return plan(kind) not in (_opaque, _handle, _live)


def _make(kind: type) -> Plan:
    mro = names.mro(kind)
    if any("__autoplayback_handle__" in names.namespace(c) for c in mro):
        return _handle
    if not LIVE.isdisjoint(map(type_name, mro)):
        return _live
    adapter = registry.find(kind)
    if adapter is not None:
        return _adapted(adapter, kind)
    bases = set(map(id, mro))  # by identity: a metaclass may have an equality of its own
    if id(type) in bases:
        return _reference("class")
    if id(enum.Enum) in bases:
        return _enum(kind)
    if id(BaseException) in bases:
        return _exception(kind)
    for base in _CONTENT:
        if id(base) in bases:
            return _subclass(kind, base)
    return _instance(kind)


def _list(walk: Walk, value: list[Any]) -> Any:
    met = walk.enter(value)
    if met is not None:
        return met
    values = value.copy()
    table = None if len(values) < rows.FEW or walk.careful else _many(walk, values)
    content = walk.items(values) if table is None else table
    walk.level -= 1
    return content


def _many(walk: Walk, values: list[Any]) -> Ext | None:
    """A list of items which are alike, written as a table; None where they aren't."""
    kinds = set(map(type, values))
    kind = kinds.pop()
    if kinds or kind in ATOMS:
        return None
    if kind is tuple:
        return rows.many_tuples(walk, values)
    table = tables.get(kind)
    return None if table is None else rows.many_instances(walk, table, values)


def _dict(walk: Walk, value: dict[Any, Any]) -> Any:
    met = walk.enter(value)
    if met is None:
        met = _dict_content(walk, value)
        walk.level -= 1
    return met


def _dict_content(walk: Walk, value: dict[Any, Any]) -> Any:
    """The items of a dict (subclass) that was numbered. With odd keys they are not copied as a dict: that could compare keys."""
    if _all_strings(map(type, dict.keys(value))):
        walk.count -= 1  # `fields` numbers the map again
        return walk.fields(state.copied(value))
    return walk.odd_fields(list(dict.items(value)))


def _tuple(walk: Walk, value: tuple[Any, ...]) -> Any:
    if _all_atoms(map(type, value)) and not walk.careful:  # what holds nothing that changes needs no identity
        walk.count += 1
        return Ext(Code.TUPLE, packb(list(value), None, STRICT))
    met = walk.enter(value)
    if met is None:
        met = walk.packed(Code.TUPLE, walk.items(list(value)))
        walk.level -= 1
    return met


def _set(walk: Walk, value: set[Any] | frozenset[Any]) -> Any:
    met = walk.enter(value)
    if met is None:
        met = walk.packed(Code.SET if type(value) is set else Code.FROZENSET, walk.items(list(value)))
        walk.level -= 1
    return met


def _bytearray(walk: Walk, value: bytearray) -> Any:
    met = walk.enter(value)
    if met is None:
        walk.level -= 1
        met = walk.extension(Code.BYTEARRAY, bytes(value))
    return met


def _opaque(walk: Walk, value: Any) -> Any:
    return walk.opaque_leaf(value)


def _live(walk: Walk, value: Any) -> Any:
    return walk.opaque_leaf(value, "a live object of its library, whose state isn't recorded")


def _handle(walk: Walk, value: Any) -> Any:
    """A live intercepted object, by its id on this tape."""
    number = None if walk.handles is None else walk.handles(value)
    if number is None:
        return walk.opaque_leaf(value, "a live object that isn't part of this tape")
    return walk.leaf("handle", type_name(type(value)), number)


def _opaque_again(walk: Walk, value: Opaque) -> Any:
    """A leaf that came from a tape: the same leaf again."""
    type_, reason = Opaque.leaf(value)
    walk.opaque.append(type_)
    walk.count += 1
    return walk.tagged("opaque", type_, reason)


def _exception_again(walk: Walk, value: OpaqueException) -> Any:
    """A stand-in for an exception that came from a tape: as what it stands for."""
    met = walk.enter(value)
    if met is None:
        met = walk.tagged("exception", value.type, walk.fields({"args": list(value.args)}))
        walk.level -= 1
    return met


def _reference(kind: str) -> Plan:
    """Classes, functions and modules: by name."""

    def encode(walk: Walk, value: Any) -> Any:
        name = _type_reference(value) if kind == "class" else _function_reference(value)
        if not name or "<" in name:
            return walk.opaque_leaf(value, "a function or class made at run time, which has no name to find it by")
        return walk.leaf(kind, name)

    return encode


def _type_reference(value: type) -> str:
    return type_name(value)


def _function_reference(value: Any) -> str:
    module, name = value.__module__, value.__qualname__
    owner = value.__self__ if isinstance(value, types.BuiltinFunctionType) else None
    if not (owner is None or isinstance(owner, types.ModuleType)):
        return ""  # a method of a built-in object
    return f"{home(module)}:{name}" if isinstance(module, str) else ""


def _module(walk: Walk, value: types.ModuleType) -> Any:
    return walk.leaf("module", str(types.ModuleType.__getattribute__(value, "__name__")))


def _method(walk: Walk, value: types.MethodType) -> Any:
    met = walk.enter(value)
    if met is None:
        met = walk.tagged("method", str(getattr(value.__func__, "__name__", "")), walk.value(value.__self__))
        walk.level -= 1
    return met


def _enum(kind: type) -> Plan:
    name, read = type_name(kind), object.__getattribute__

    def encode(walk: Walk, value: Any) -> Any:
        walk.count += 2
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
        own = reader.read(value)
        own.update({key: found for key, read in members.items() if (found := read(value)) is not None})
        fields = {"args": list(read_args(value))}
        fields.update({key: found for key, read in chain if (found := read(value)) is not None and found is not False})
        notes = own.pop("__notes__", None)
        if notes is not None:
            fields["notes"] = notes
        content = walk.fields(fields)
        met = walk.tagged("exception", name, content, walk.fields(own) if own else None)
        walk.level -= 1
        return met

    return encode


def _instance(kind: type) -> Plan:
    """An instance of a class written in Python: its fields by name."""
    if not state.is_python_class(kind):
        return _opaque
    declared = state.declared_fields(kind)
    name, reader = type_name(kind), state.Reader(kind)
    read = reader.read
    tag = "object" if declared is None else "record"
    start = pack([tag, name, None])[:-1]
    table = reader.table(declared)
    if table is not None:
        tables[kind] = (tag, name, table)

    def encode(walk: Walk, value: Any) -> Any:
        met = walk.enter(value)
        if met is not None:
            return met
        own, extra = read(value), None
        if declared is not None and not declared.issuperset(own):
            extra = {key: field for key, field in own.items() if key not in declared}
            own = {key: field for key, field in own.items() if key in declared}
        content = walk.fields(own)
        if extra is None:
            met = walk.extension(Code.TAGGED, start + packb(content, None, STRICT))
        else:
            met = walk.tagged(tag, name, content, walk.fields(extra))
        walk.level -= 1
        return met

    return encode


def _namedtuple(kind: type, fields: tuple[str, ...]) -> Plan:
    name, reader = type_name(kind), state.Reader(kind)

    def encode(walk: Walk, value: Any) -> Any:
        met = walk.enter(value)
        if met is None:
            own = reader.read(value)
            content = walk.fields(dict(zip(fields, tuple.__iter__(value), strict=True)))
            met = walk.tagged("namedtuple", name, content, walk.fields(own) if own else None)
            walk.level -= 1
        return met

    return encode


def _subclass(kind: type, base: type) -> Plan:
    """A subclass of a built-in type: the value as the base has it, and the instance's own fields beside it."""
    if base is tuple:
        fields = state.static(kind, "_fields")
        if isinstance(fields, tuple) and all(type(field) is str for field in fields):
            return _namedtuple(kind, fields)
    if kind is not collections.OrderedDict and not state.extends_only(kind, base):
        return _opaque
    name, reader, content_of = type_name(kind), state.Reader(kind), _CONTENT[base]
    tag = "dict" if base is collections.OrderedDict else base.__name__

    def encode(walk: Walk, value: Any) -> Any:
        met = walk.enter(value)
        if met is None:
            own, content = reader.read(value), content_of(walk, value)
            met = walk.tagged(tag, name, content, walk.fields(own) if own else None)
            walk.level -= 1
        return met

    return encode


def _mapping_content(walk: Walk, value: Any) -> Any:
    walk.count += 1
    return _dict_content(walk, value)


def _items_content(iterate: Callable[[Any], Any]) -> Callable[[Walk, Any], Any]:
    def content(walk: Walk, value: Any) -> Any:
        walk.count += 1
        return walk.items(list(iterate(value)))

    return content


def _scalar_content(convert: Callable[[Any], Any]) -> Callable[[Walk, Any], Any]:
    return lambda walk, value: walk.value(convert(value))


def _adapted(adapter: registry.Adapter, kind: type) -> Plan:
    """A type that an adapter knows; of a subclass, the adapter's type and its own fields stand beside what the adapter wrote."""
    name, tag, dump = adapter.name if adapter.closed else type_name(kind), adapter.kind, adapter.dump
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
        content = walk.value(content)
        met = walk.tagged(tag, name, content, walk.value(extra))
        walk.level -= 1
        return met

    def leaf(walk: Walk, value: Any) -> Any:
        content = dump(value)
        if type(content) is registry.Split:
            return walk.leaf(tag, name, content.value, content.extra)
        return walk.leaf(tag, name, content)

    return leaf if adapter.atomic and not derived else encode


_CONTENT: Final[dict[type, Callable[[Walk, Any], Any]]] = {
    collections.OrderedDict: _mapping_content,
    dict: _mapping_content,
    list: _items_content(list.__iter__),
    tuple: _items_content(tuple.__iter__),
    set: _items_content(set.__iter__),
    frozenset: _items_content(frozenset.__iter__),
    str: _scalar_content(str.__str__),
    int: _scalar_content(int.__int__),
    float: _scalar_content(float.__float__),
    bytes: _scalar_content(lambda value: bytes.__getitem__(value, slice(None))),
    bytearray: _scalar_content(lambda value: bytes(memoryview(value))),
}
"""How the value of a subclass is read as its built-in base has it, the more special base first."""

_BUILTIN: Final[dict[type, Plan]] = {
    list: _list,
    dict: _dict,
    tuple: _tuple,
    set: _set,
    frozenset: _set,
    bytearray: _bytearray,
    type: _reference("class"),
    types.FunctionType: _reference("function"),
    types.BuiltinFunctionType: _reference("function"),
    types.ModuleType: _module,
    types.MethodType: _method,
    object: _instance(object),
    Opaque: _opaque_again,
    OpaqueException: _exception_again,
}
known.update(_BUILTIN)
