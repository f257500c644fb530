"""Making instances and putting fields into them, without running what their classes define for that."""

from __future__ import annotations

import dataclasses
import importlib
import types
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final

from autoplayback.errors import TapeError
from autoplayback.tape import state
from autoplayback.tape.opaque import Opaque, OpaqueException

_DICT_TYPE: Final = types.GetSetDescriptorType


def derived(cls: type, base: Any) -> type:
    """`cls`, once it is sure that it (still) derives from `base`."""
    if base is not None and base not in cls.__mro__:
        raise TapeError(f"{cls.__module__}:{cls.__qualname__} doesn't derive from {base.__qualname__} any more")
    return cls


def blank(cls: type) -> Any:
    """An instance without any field set."""
    if not state.is_python_class(cls):
        raise TapeError(f"{cls.__module__}:{cls.__qualname__} isn't a plain Python class (any more), so its fields can't be set")
    return object.__new__(cls)


def blank_of(cls: type, base: Any) -> Any:
    """An empty instance of a subclass of list, dict or set."""
    derived(cls, base)
    return native_base(cls).__new__(cls)


def fill_dict(made: dict[Any, Any], items: Iterable[tuple[Any, Any]]) -> None:
    """Puts items into a dict (subclass) in their order."""
    if isinstance(made, OrderedDict):
        for key, value in items:
            OrderedDict.__setitem__(made, key, value)
    else:
        for key, value in items:
            dict.__setitem__(made, key, value)


def put_fields(made: Any, fields: dict[str, Any]) -> None:
    """Puts fields into slots or the instance dictionary; those that the class has no more place for are dropped."""
    mro, own = type(made).__mro__, None
    for name, value in fields.items():
        member = state.static(type(made), name)
        if type(member) is types.MemberDescriptorType:
            member.__set__(made, value)
            continue
        if own is None:
            own = _dictionary(made, mro)
        own[name] = value


def _dictionary(made: Any, mro: tuple[type, ...]) -> dict[str, Any]:
    for c in mro:
        member = c.__dict__.get("__dict__")
        if type(member) is _DICT_TYPE:
            return member.__get__(made)  # type: ignore[no-any-return]
    try:
        return object.__getattribute__(made, "__dict__")  # type: ignore[no-any-return]
    except AttributeError:
        return {}


def complete(made: Any, fields: dict[str, Any], name: str) -> None:
    """Brings the recorded fields of a dataclass or attrs instance to what its class has today: new ones get their default, those
    that are gone are dropped."""
    cls = type(made)
    today = state.static(cls, "__dataclass_fields__")
    if isinstance(today, dict):
        defaults = {field.name: _dataclass_default(field) for field in today.values() if field._field_type is dataclasses._FIELD}  # type: ignore[attr-defined]
    else:
        attributes = state.static(cls, "__attrs_attrs__")
        if not isinstance(attributes, tuple):
            return
        defaults = {attribute.name: _attrs_default(attribute) for attribute in attributes}
    for gone in [field for field in fields if field not in defaults]:
        del fields[gone]
    for field, default in defaults.items():
        if field in fields:
            continue
        if default is _UNSET:
            continue
        if default is _REQUIRED:
            raise lacking(name, field)
        fields[field] = default()


def lacking(name: str, field: str) -> TapeError:
    """A class has a field that a tape knows nothing of and that has no default."""
    return TapeError(
        f"{name} has a field {field!r} today which the tape, being older, lacks: give it a default, or say which recorded "
        f"field it was with `moved: {{\"{name}.old_name\": \"{name}.{field}\"}}`"
    )


_UNSET: Final[Any] = object()
_REQUIRED: Final[Any] = object()


def _dataclass_default(field: Any) -> Any:
    if field.default is not dataclasses.MISSING:
        return lambda: field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory
    return _REQUIRED if field.init else _UNSET


def _attrs_default(attribute: Any) -> Any:
    import attr

    if attribute.default is attr.NOTHING:
        return _REQUIRED if attribute.init else _UNSET
    if isinstance(attribute.default, attr.Factory):  # type: ignore[arg-type]
        return attribute.default.factory if not attribute.default.takes_self else _REQUIRED
    return lambda: attribute.default


def namedtuple(cls: type, fields: dict[str, Any], name: str) -> Any:
    """A named tuple by its fields' names."""
    names, defaults = state.static(cls, "_fields"), state.static(cls, "_field_defaults") or {}
    if tuple not in cls.__mro__ or not isinstance(names, tuple):
        raise TapeError(f"{name} is no named tuple any more")
    values = []
    for field in names:
        if field in fields:
            values.append(fields[field])
        elif field in defaults:
            values.append(defaults[field])
        else:
            raise lacking(name, field)
    return tuple.__new__(cls, values)


def member(cls: Any, name: Any, value: Any, type_: str) -> Any:
    """A member of an enum: by its name, else by its value (renamed), or a combination of flags."""
    members: dict[str, Any] = cls._member_map_
    if type(name) is str and name in members:
        return members[name]
    try:
        return cls(value)
    except ValueError:
        raise TapeError(f"{type_} has no member {name!r} (value {value!r}) any more") from None


def method(receiver: Any, name: str) -> Any:
    """A method bound to its object: found in the class, not asked of the object."""
    owner = receiver if isinstance(receiver, type) else type(receiver)
    found = state.static(owner, name)
    if isinstance(found, classmethod):
        return types.MethodType(found.__func__, owner)
    if isinstance(found, types.FunctionType):
        return types.MethodType(found, receiver)
    raise TapeError(f"{owner.__module__}:{owner.__qualname__} has no method {name!r} any more")


def adapted_class(name: str) -> Any:
    """The class an adapter is for; None where it can't be reached by its name. Only for names that an adapter has."""
    module, _, qualname = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


def native_base(cls: type) -> Any:
    """The nearest base that isn't written in Python."""
    return next(c for c in cls.__mro__ if not state.is_heap(c))


def blank_exception(cls: type) -> Any:
    """An exception of a class, without arguments; None where its built-in base can't be made without (groups)."""
    if BaseException not in cls.__mro__:
        raise TapeError(f"{cls.__module__}:{cls.__qualname__} is no exception any more")
    return None if BaseExceptionGroup in cls.__mro__ else native_base(cls).__new__(cls)


def group(cls: type, fields: dict[str, Any]) -> Any:
    """An exception group with its exceptions."""
    args = fields.get("args")
    if BaseExceptionGroup not in cls.__mro__ or type(args) is not list or len(args) != 2:
        raise TapeError(f"{cls.__module__}:{cls.__qualname__} is no exception group any more")
    return native_base(cls).__new__(cls, args[0], list(args[1]))


def fill_exception(made: Any, fields: dict[str, Any], own: dict[str, Any]) -> None:
    """Puts arguments, chain, notes and fields into an exception."""
    args = fields.get("args")
    if type(args) is not list:
        raise TapeError("an exception without arguments")
    try:
        native_base(type(made)).__init__(made, *args)
    except TypeError:  # its own __init__ gave the built-in one something else: what that made of it is among the fields
        pass
    state.EXCEPTION["args"].__set__(made, tuple(args))
    for name in ("cause", "context"):
        reason = fields.get(name)
        if isinstance(reason, Opaque):
            reason = OpaqueException(reason.leaf()[0])
        if reason is not None:
            state.EXCEPTION[name].__set__(made, reason)
    state.EXCEPTION["suppress"].__set__(made, fields.get("suppress") is True)
    members = state.exception_members(type(made))
    foreign = {}
    for name in [name for name in own if name in members]:
        field = own.pop(name)
        try:
            members[name].__set__(made, field)
        except AttributeError:
            foreign[name] = field
    if foreign:
        made.__setstate__(foreign)  # in one: each call would forget what the one before it set
    put_fields(made, own)
    if "notes" in fields:
        put_fields(made, {"__notes__": fields["notes"]})


def fields(made: Any) -> dict[str, Any]:
    """The fields of an instance of a class written in Python, or of a namespace; of anything else none."""
    if isinstance(made, types.SimpleNamespace):
        return dict(made.__dict__)
    return state.Reader(type(made)).read(made) if state.is_heap(type(made)) else {}
