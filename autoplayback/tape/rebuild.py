"""From a document to objects: only of trusted packages, and without running what their classes define for being made.

No `__init__`, no `__setstate__`, no `__reduce__`: an instance is made by `object.__new__` (or the built-in type it derives from)
and
its fields are put where they were read. Hashing is the one thing that may run a trusted class's code, for sets and dict keys.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

from autoplayback.errors import Diverged, TapeError
from autoplayback.tape import restore
from autoplayback.tape.adapters import registry
from autoplayback.tape.assembly import assembled
from autoplayback.tape.opaque import Opaque
from autoplayback.tape.reading import Referring, read_quickly, translated
from autoplayback.tape.trust import Trust

__all__ = ["Opaque", "Rebuilder", "Trust", "rebuild"]

Handles = Callable[[int], object]

_SCALARS: Final[dict[str, type]] = {"str": str, "int": int, "float": float, "bytes": bytes}
_EXCEPTION: Final = b"\xa9exception"
_COLLIDING: Final = 1000
"""Members with one and the same hash: more were chosen to make us slow."""


def rebuild(document: bytes, trust: Trust, handles: Handles | None = None) -> Any:
    """The value of a document; `handles` gives the object for a handle's id. TapeError or NotTrusted where it can't be made."""
    builder = Rebuilder(trust, handles)
    try:
        try:
            return read_quickly(document, builder)
        except Referring:
            return assembled(document, builder)
        except TapeError:
            if _EXCEPTION not in document:
                raise
            return assembled(document, builder)  # perhaps only the cause of an exception can't be made
    except Diverged:
        raise
    except Exception as error:
        raise translated(error) from None


class Rebuilder:
    """Makes the objects of one document; a `reading.Builder`."""

    __slots__ = ("handles", "trust")

    def __init__(self, trust: Trust, handles: Handles | None) -> None:
        self.trust = trust
        self.handles = handles

    def bytearray(self, value: bytes) -> bytearray:
        return bytearray(value)

    def tagged(self, kind: str, type_: str, value: Any, extra: Any) -> Any:
        """The object for a TAGGED, its contents being made already."""
        blank = self.blank(kind, type_)
        if blank is not None:
            self.fill(blank, kind, type_, value, extra)
            return blank
        finish = _FINISH.get(kind)
        if finish is not None:
            return finish(self, kind, type_, value, extra)
        return self._adapted(kind, type_, value, extra)

    def blank(self, kind: str, type_: str) -> Any:
        """An empty object of a kind that can be filled later, so that its contents may refer to it; else None."""
        if kind in ("object", "record"):
            return restore.blank(self.trust.find_class(type_))
        if kind == "exception":
            return restore.blank_exception(self.trust.find_class(type_))
        if kind in ("list", "dict", "set"):
            base = {"list": list, "dict": dict, "set": set}[kind]
            return base() if not type_ else restore.blank_of(self.trust.find_class(type_), base)
        return None

    def fill(self, made: Any, kind: str, type_: str, value: Any, extra: Any) -> None:
        """Puts its contents into what `blank` made."""
        if kind in ("object", "record"):
            fields = self._fields(type_, value)
            if kind == "record":
                restore.complete(made, fields, type_)
            restore.put_fields(made, fields)
            if extra is not None:
                restore.put_fields(made, self._fields(type_, extra))
            return
        if kind == "exception":
            restore.fill_exception(made, _dict(value), {} if extra is None else self._fields(type_, extra))
            return
        if kind == "list":
            list.extend(made, _list(value))
        elif kind == "set":
            set.update(made, hashable(_list(value)))
        else:
            restore.fill_dict(made, pairs(value))
        if extra is not None:
            restore.put_fields(made, self._fields(type_, extra))

    def _fields(self, type_: str, value: Any) -> dict[str, Any]:
        fields = _dict(value)
        if self.trust.moved:
            return {self.trust.current_field(type_, name): field for name, field in fields.items()}
        return fields

    def _immutable(self, kind: str, type_: str, value: Any, extra: Any) -> Any:
        """A tuple or frozenset, or a subclass of one or of a scalar."""
        base: Any = _SCALARS.get(kind) or {"tuple": tuple, "frozenset": frozenset, "bytearray": bytearray}[kind]
        if kind == "tuple":
            value = _list(value)
        elif kind == "frozenset":
            value = hashable(_list(value))
        elif type(value) is not (bytes if base is bytearray else base):
            raise TapeError(f"a {kind} made of {type(value).__name__}")
        if not type_:
            return base(value)
        cls = restore.derived(self.trust.find_class(type_), base)
        made = base.__new__(cls, value)
        if base is bytearray:
            bytearray.extend(made, value)
        if extra is not None:
            restore.put_fields(made, self._fields(type_, extra))
        return made

    def _namedtuple(self, kind: str, type_: str, value: Any, extra: Any) -> Any:
        made = restore.namedtuple(self.trust.find_class(type_), self._fields(type_, value), type_)
        if extra is not None:
            restore.put_fields(made, self._fields(type_, extra))
        return made

    def _enum(self, kind: str, type_: str, value: Any, extra: Any) -> Any:
        cls = self.trust.find_class(type_)
        if not issubclass(cls, enum.Enum) or type(value) is not list or len(value) != 2:
            raise TapeError(f"{type_} is no enum any more")
        return restore.member(cls, value[0], value[1], type_)

    def _reference(self, kind: str, type_: str, value: Any, extra: Any) -> Any:
        if kind == "class":
            return self.trust.find_class(type_)
        return self.trust.find_module(type_) if kind == "module" else self.trust.find_function(type_)

    def _method(self, kind: str, type_: str, value: Any, extra: Any) -> Any:
        return restore.method(value, type_)

    def _group(self, kind: str, type_: str, value: Any, extra: Any) -> Any:
        fields = _dict(value)
        made = restore.group(self.trust.find_class(type_), fields)
        restore.fill_exception(made, fields, {} if extra is None else self._fields(type_, extra))
        return made

    def _handle(self, kind: str, type_: str, value: Any, extra: Any) -> Any:
        if type(value) is not int:
            raise TapeError("a handle without a number")
        return Opaque(type_, "a live object") if self.handles is None else self.handles(value)

    def _opaque(self, kind: str, type_: str, value: Any, extra: Any) -> Any:
        return Opaque(type_, value if type(value) is str else "")

    def _out_of_place(self, kind: str, type_: str, value: Any, extra: Any) -> Any:
        raise TapeError(f"a tagged value of kind {kind!r} doesn't occur in documents")

    def _adapted(self, kind: str, type_: str, value: Any, extra: Any) -> Any:
        adapter, fields = registry.named(type_), None
        if adapter is not None:
            cls = restore.adapted_class(type_)
        else:
            if type(extra) is not dict or type(extra.get("adapter")) is not str:
                raise TapeError(f"no adapter reads {type_} (kind {kind!r})")
            adapter = registry.named(extra["adapter"])
            if adapter is None:
                raise TapeError(f"no adapter reads {extra['adapter']}: a package which brings one isn't installed")
            cls = restore.derived(self.trust.find_class(type_), restore.adapted_class(adapter.name))
            fields, extra = self._fields(type_, extra.get("state") or {}), extra.get("extra")
            if adapter.complete:
                value = self._fields(type_, value)
        if adapter.kind != kind:
            raise TapeError(f"{type_} as {kind!r}")
        made = adapter.load(cls, value, extra)
        if fields:
            restore.put_fields(made, fields)
        return made


_FINISH: Final[dict[str, Callable[[Rebuilder, str, str, Any, Any], Any]]] = {
    **dict.fromkeys(("tuple", "frozenset", "bytearray", *_SCALARS), Rebuilder._immutable),
    **dict.fromkeys(("class", "function", "module"), Rebuilder._reference),
    "namedtuple": Rebuilder._namedtuple,
    "enum": Rebuilder._enum,
    "exception": Rebuilder._group,
    "method": Rebuilder._method,
    "handle": Rebuilder._handle,
    "opaque": Rebuilder._opaque,
    "ref": Rebuilder._out_of_place,
}


def hashable(items: list[Any]) -> list[Any]:
    """The items, once it is sure that putting them into a set or dict doesn't take time without bound."""
    if len(items) > _COLLIDING and Counter(map(hash, items)).most_common(1)[0][1] > _COLLIDING:
        raise TapeError("a set or dict made to be slow")
    return items


def pairs(value: Any) -> Iterable[tuple[Any, Any]]:
    """The items of a dict's content: a dict itself, or a list of pairs."""
    if type(value) is dict:
        return value.items()
    items = _list(value)
    if not all(type(item) is list and len(item) == 2 for item in items):
        raise TapeError("a dict made of something else than pairs")
    hashable([item[0] for item in items])
    return [(item[0], item[1]) for item in items]


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise TapeError(f"a sequence made of {type(value).__name__}")
    return value


def _dict(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise TapeError(f"fields made of {type(value).__name__}")
    return value
