"""Reading an object's state without running any of its code."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from typing import Any, Final

from autoplayback.tape import rows
from autoplayback.tape.names import mro, namespace

_POINTER: Final = 8 if object.__basicsize__ % 8 == 0 else 4
_of: Final = type.__getattribute__
"""What the interpreter keeps of a class, past whatever its metaclass defines."""
STANDS_IN: Final = "__autoplayback_stands_in__"
"""An attribute of a class of ours whose instances take the place of C's: on a tape they are as opaque as those."""


def static(kind: type, name: str) -> Any:
    """A class attribute as it stands in a class's own dictionary, the nearest base's first; None where there is none."""
    for c in mro(kind):
        if name in namespace(c):
            return namespace(c)[name]
    return None


class Reader:
    """Reads the instance dictionary and the slots of a class's instances."""

    __slots__ = ("_dict", "_slots", "read")

    def __init__(self, kind: type) -> None:
        self._dict: Callable[[Any], dict[str, Any]] | None = None
        self._slots: list[tuple[str, Callable[[Any], Any]]] = []
        for c in reversed(mro(kind)):
            for name, member in tuple(namespace(c).items()):
                if type(member) is types.GetSetDescriptorType and name == "__dict__":
                    self._dict = member.__get__
                elif type(member) is types.MemberDescriptorType and is_heap(c):
                    self._slots.append((name, member.__get__))
        if self._dict is None and _of(kind, "__dictoffset__"):
            self._dict = lambda value: object.__getattribute__(value, "__dict__")  # a C base with a dict and no descriptor
        self.read: Callable[[Any], dict[str, Any]] = self._read
        """The fields of an instance by name, in a dict of our own; unset slots are left out."""
        if self._dict is not None and not self._slots:
            self.read = _copying(self._dict)

    def _read(self, value: Any) -> dict[str, Any]:
        fields = {} if self._dict is None else copied(self._dict(value))
        for name, read in self._slots:
            try:
                fields[name] = read(value)
            except AttributeError:
                pass
        return fields


    def table(self, declared: Iterable[str] | None) -> Callable[[list[Any]], Any] | None:
        """What reads many instances at once, see `rows`; None for classes with both a dictionary and slots."""
        if self._dict is not None:
            return None if self._slots else rows.dictionary_reader(self._dict, declared)
        return rows.slots_reader(self._slots) if self._slots else None


def _copying(read: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    """Reads and copies an instance dictionary: the usual case, with nothing else to look at."""
    return lambda value: copied(read(value))


def copied(fields: dict[Any, Any]) -> dict[Any, Any]:
    """A plain dict with the items of a dict whose keys are strings: of a subclass of dict too, whose own methods aren't asked."""
    return fields.copy() if type(fields) is dict else dict(zip(dict.keys(fields), dict.values(fields), strict=False))


def is_heap(kind: type) -> bool:
    """Whether a class was made at run time, in Python or by a C module that makes its types so."""
    return bool(_of(kind, "__flags__") & 1 << 9)


def _own_size(kind: type, base: type) -> int:
    """Bytes by which instances of `kind` may be larger than those of `base` and still be made of fields only."""
    size = 0
    if _of(kind, "__dictoffset__") and not _of(base, "__dictoffset__"):
        size += _POINTER
    if _of(kind, "__weakrefoffset__") and not _of(base, "__weakrefoffset__"):
        size += _POINTER
    for c in mro(kind):
        if c in mro(base):
            continue
        size += _POINTER * sum(type(member) is types.MemberDescriptorType for member in namespace(c).values())
    return size


def extends_only(kind: type, base: type) -> bool:
    """Whether a class adds nothing to `base` that its fields don't show (no C state of its own)."""
    fits = _of(kind, "__basicsize__") <= _of(base, "__basicsize__") + _own_size(kind, base)
    return fits and _of(kind, "__itemsize__") == _of(base, "__itemsize__") and is_heap(kind)


def is_python_class(kind: type) -> bool:
    """Whether all state of a class's instances is in their dictionary and slots."""
    return kind is object or (extends_only(kind, object) and _made_in_python(kind))


def _made_in_python(kind: type) -> bool:
    """Whether instances can be made: C types such as locks and generators forbid it, and so does what stands in for one."""
    return not _of(kind, "__flags__") & 1 << 7 and static(kind, STANDS_IN) is None


def declared_fields(kind: type) -> frozenset[str] | None:
    """The names of a dataclass's or attrs class's fields; None for other classes."""
    fields = static(kind, "__dataclass_fields__")
    if isinstance(fields, dict):
        return frozenset(fields)
    attributes = static(kind, "__attrs_attrs__")
    if isinstance(attributes, tuple):
        return frozenset(attribute.name for attribute in attributes)
    return None


EXCEPTION: Final[dict[str, Any]] = {
    "args": BaseException.__dict__["args"],
    "cause": BaseException.__dict__["__cause__"],
    "context": BaseException.__dict__["__context__"],
    "suppress": BaseException.__dict__["__suppress_context__"],
}
"""The interpreter's own descriptors of what every exception has."""

_BUILT_IN_FIELDS: Final[dict[type[BaseException], tuple[str, ...]]] = {
    OSError: ("errno", "strerror", "filename", "filename2"),
    ImportError: ("name", "path", "msg"),
    NameError: ("name",),
    AttributeError: ("name",),
    SyntaxError: ("msg", "filename", "lineno", "offset", "text", "end_lineno", "end_offset"),
    UnicodeEncodeError: ("encoding", "object", "start", "end", "reason"),
    UnicodeDecodeError: ("encoding", "object", "start", "end", "reason"),
    UnicodeTranslateError: ("object", "start", "end", "reason"),
    StopIteration: ("value",),
    SystemExit: ("code",),
}


_FOREIGN_FIELDS: Final[dict[str, tuple[str, ...]]] = {"psycopg2:Error": ("pgcode", "pgerror")}
"""The same of exceptions written in C elsewhere, which take them back through `__setstate__` only."""


def exception_members(kind: type) -> dict[str, Any]:
    """Descriptors of the fields which a built-in exception keeps in C, beside its `args`."""
    found = {name: base.__dict__[name] for base, names in _BUILT_IN_FIELDS.items() if base in mro(kind) for name in names}
    for base in mro(kind):
        found.update({name: base.__dict__[name] for name in _FOREIGN_FIELDS.get(f"{base.__module__}:{base.__qualname__}", ())})
    return found
