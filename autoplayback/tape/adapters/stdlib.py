"""Values of the standard library, each with its write and its read side by side.

Dumps use the library's own methods unbound (`datetime.isoformat(value)`), never a subclass's.
"""

from __future__ import annotations

import array
import collections
import datetime
import decimal
import fractions
import functools
import gc
import io
import ipaddress
import logging
import os
import pathlib
import re
import time
import types
import uuid
import zoneinfo
from collections.abc import Callable
from typing import Any, Final

from autoplayback.tape.adapters.registry import Adapter, Split
from autoplayback.tape.names import type_name

Dump = Callable[[Any], Any]
Load = Callable[[Any, Any], Any]
LoadBoth = Callable[[Any, Any, Any], Any]


def _atom(type_: type, dump: Dump, load: Load) -> Adapter:
    return Adapter(type_name(type_), dump, lambda cls, value, extra: load(cls, value), atomic=True)


def _split(type_: type, dump: Dump, load: LoadBoth, *, atomic: bool = False) -> Adapter:
    return Adapter(type_name(type_), dump, load, atomic=atomic)


def _dump_datetime(v: datetime.datetime) -> Any:
    if type(v) is datetime.datetime:
        if v.tzinfo is None and not v.fold:
            return v.isoformat()
        text = v.replace(tzinfo=None).isoformat()
    else:
        text = datetime.datetime(v.year, v.month, v.day, v.hour, v.minute, v.second, v.microsecond).isoformat()
    return text if v.tzinfo is None and not v.fold else Split(text, [v.tzinfo, v.fold])


def _load_datetime(cls: Any, value: str, extra: Any) -> Any:
    v = datetime.datetime.fromisoformat(value)
    tz, fold = extra or (None, 0)
    return cls.__new__(cls, v.year, v.month, v.day, v.hour, v.minute, v.second, v.microsecond, tz, fold=fold)


def _dump_time(v: datetime.time) -> Any:
    text = datetime.time(v.hour, v.minute, v.second, v.microsecond).isoformat()
    return text if v.tzinfo is None and not v.fold else Split(text, [v.tzinfo, v.fold])


def _load_time(cls: Any, value: str, extra: Any) -> Any:
    v = datetime.time.fromisoformat(value)
    tz, fold = extra or (None, 0)
    return cls.__new__(cls, v.hour, v.minute, v.second, v.microsecond, tz, fold=fold)


def _load_date(cls: Any, value: str) -> Any:
    v = datetime.date.fromisoformat(value)
    return cls.__new__(cls, v.year, v.month, v.day)


def _dump_timezone(v: datetime.timezone) -> Any:
    offset, *name = v.__getinitargs__()  # type: ignore[attr-defined]
    return [offset, name[0] if name else None]


def _load_timezone(cls: Any, value: Any, extra: Any) -> Any:
    offset, name = value
    if name is not None:
        return datetime.timezone(offset, name)
    return datetime.UTC if not offset else datetime.timezone(offset)


def _dump_timedelta(v: datetime.timedelta) -> Any:
    return [v.days, v.seconds, v.microseconds]


def _load_complex(cls: Any, value: Any) -> Any:
    return complex.__new__(cls, value[0], value[1])


def _dump_deque(v: collections.deque[Any]) -> Any:
    items = list(collections.deque.__iter__(v))
    return items if v.maxlen is None else Split(items, v.maxlen)


def _load_deque(cls: Any, value: Any, extra: Any) -> Any:
    made = cls.__new__(cls)
    collections.deque.__init__(made, value, extra)
    return made


def _dump_defaultdict(v: collections.defaultdict[Any, Any]) -> Any:
    return Split(dict(dict.items(v)), [v.default_factory])


def _load_defaultdict(cls: Any, value: Any, extra: Any) -> Any:
    made = cls.__new__(cls)
    collections.defaultdict.__init__(made, extra[0], value)
    return made


def _load_namespace(cls: Any, value: Any, extra: Any) -> Any:
    made = cls.__new__(cls)
    made.__dict__.update(value)
    return made


def _dump_bytesio(v: io.BytesIO) -> Any:
    return Split(io.BytesIO.getvalue(v), [io.BytesIO.tell(v)])


def _load_bytesio(cls: Any, value: Any, extra: Any) -> Any:
    made = cls.__new__(cls)
    io.BytesIO.__init__(made, value)
    io.BytesIO.seek(made, extra[0])
    return made


def _dump_stringio(v: io.StringIO) -> Any:
    state: Any = io.StringIO.__getstate__(v)
    value, newline, position, _ = state
    return Split(value, [newline, position])


def _load_stringio(cls: Any, value: Any, extra: Any) -> Any:
    made = cls.__new__(cls)
    newline, position = extra
    io.StringIO.__init__(made, "", newline)
    io.StringIO.__setstate__(made, (value, newline, position, None))  # type: ignore[attr-defined]
    return made


def _dump_memoryview(v: memoryview) -> Any:
    return Split(memoryview.tobytes(v), [v.format, list(v.shape or ()), v.readonly])


def _load_memoryview(cls: Any, value: bytes, extra: Any) -> Any:
    format_, shape, readonly = extra
    view = memoryview(value if readonly else bytearray(value))
    if format_ == "B" and len(shape) == 1:
        return view
    return view.cast("B").cast(format_, shape=shape) if len(value) else view


def _dump_array(v: array.array[Any]) -> Any:
    return Split(array.array.tolist(v), v.typecode)


def _load_array(cls: Any, value: Any, extra: Any) -> Any:
    return array.array.__new__(cls, extra, value)


def _dump_partial(v: functools.partial[Any]) -> Any:
    return [v.func, list(v.args), v.keywords]


def _load_partial(cls: Any, value: Any, extra: Any) -> Any:
    return functools.partial.__new__(cls, value[0], *value[1], **value[2])


def _dump_structseq(v: Any) -> Any:
    sequence, rest = v.__reduce__()[1]
    return Split(list(sequence), rest) if rest else list(sequence)


def _load_structseq(cls: Any, value: Any, extra: Any) -> Any:
    return cls.__new__(cls, value, extra or {})


def _dump_uuid(v: uuid.UUID) -> Any:
    return uuid.UUID.__str__(v)


def _load_uuid(cls: Any, value: Any) -> Any:
    made = cls.__new__(cls)
    uuid.UUID.__init__(made, value)
    return made


def _zone_key(v: zoneinfo.ZoneInfo) -> str:
    if not v.key:
        raise ValueError("a zone without a key can't be found again")
    return v.key


def _load_ip(cls: Any, value: Any) -> Any:
    return cls(value)


def _load_path(cls: Any, value: Any) -> Any:
    return cls(value)


_VIEWS: Final = {
    "dict_keys": lambda value: dict.fromkeys(value).keys(),
    "dict_values": lambda value: dict(enumerate(value)).values(),
    "dict_items": lambda value: dict(value).items(),
}


def _view(name: str, remake: Callable[[Any], Any]) -> Adapter:
    return Adapter(f"builtins:{name}", list, lambda cls, value, extra: remake(value))


def _ip(type_: Any) -> Adapter:
    return _atom(type_, type_.__str__, _load_ip)


def _path(type_: type) -> Adapter:
    return _atom(type_, pathlib.PurePath.__str__, _load_path)


ADAPTERS: Final[list[Adapter]] = [
    _split(datetime.datetime, _dump_datetime, _load_datetime, atomic=True),
    _atom(datetime.date, datetime.date.isoformat, _load_date),
    _split(datetime.time, _dump_time, _load_time, atomic=True),
    _split(datetime.timedelta, _dump_timedelta, lambda cls, value, extra: cls.__new__(cls, *value), atomic=True),
    _split(datetime.timezone, _dump_timezone, _load_timezone, atomic=True),
    _atom(zoneinfo.ZoneInfo, _zone_key, lambda cls, value: zoneinfo.ZoneInfo(value)),
    _atom(decimal.Decimal, decimal.Decimal.__str__, decimal.Decimal.__new__),
    _atom(fractions.Fraction, lambda v: [v.numerator, v.denominator],
          lambda cls, value: fractions.Fraction.__new__(cls, *value)),
    _atom(complex, lambda v: [v.real, v.imag], _load_complex),
    _atom(uuid.UUID, _dump_uuid, _load_uuid),
    _atom(type(...), lambda v: None, lambda cls, value: ...),
    _atom(type(NotImplemented), lambda v: None, lambda cls, value: NotImplemented),
    _split(range, lambda v: [v.start, v.stop, v.step], lambda cls, value, extra: range(*value), atomic=True),
    _split(slice, lambda v: [v.start, v.stop, v.step], lambda cls, value, extra: slice(*value)),
    _split(collections.deque, _dump_deque, _load_deque),
    _split(collections.defaultdict, _dump_defaultdict, _load_defaultdict),
    # A logger leads to all others, and to their handlers; by its name it is found again.
    Adapter(
        "logging:Logger", lambda v: str(object.__getattribute__(v, "name")),
        lambda cls, value, extra: logging.getLogger(value), closed=True, atomic=True,
    ),
    _split(types.SimpleNamespace, lambda v: dict.copy(v.__dict__), _load_namespace),
    _split(types.MappingProxyType, lambda v: gc.get_referents(v)[0], lambda cls, value, extra: types.MappingProxyType(value)),
    _split(io.BytesIO, _dump_bytesio, _load_bytesio),
    _split(io.StringIO, _dump_stringio, _load_stringio),
    _split(memoryview, _dump_memoryview, _load_memoryview),
    _split(array.array, _dump_array, _load_array),
    _split(functools.partial, _dump_partial, _load_partial),
    _split(re.Pattern, lambda v: Split(v.pattern, v.flags), lambda cls, value, extra: re.compile(value, extra),
           atomic=True),
    _split(time.struct_time, _dump_structseq, _load_structseq),
    _split(os.stat_result, _dump_structseq, _load_structseq),
    *(_ip(type_) for type_ in (ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network, ipaddress.IPv6Network,
                               ipaddress.IPv4Interface, ipaddress.IPv6Interface)),
    *(_path(type_) for type_ in (pathlib.PurePosixPath, pathlib.PosixPath, pathlib.PureWindowsPath, pathlib.WindowsPath)),
    *(_view(name, remake) for name, remake in _VIEWS.items()),
]
