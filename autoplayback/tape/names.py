"""Names of classes on tapes."""

from __future__ import annotations

from typing import Final

_name = type.__dict__["__name__"].__get__
_qualname = type.__dict__["__qualname__"].__get__
_names: dict[type, str] = {}
_BOUND: Final = 20_000


def type_name(kind: type) -> str:
    """`module:qualname` of a class, read past whatever its metaclass defines."""
    name = _names.get(kind)
    if name is None:
        module = type.__getattribute__(kind, "__module__")
        name = f"{module}:{_qualname(kind)}" if isinstance(module, str) else f"?:{_qualname(kind)}"
        if len(_names) >= _BOUND:
            _names.clear()
        _names[kind] = name
    return name
