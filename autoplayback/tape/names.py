"""Names of classes on tapes."""

from __future__ import annotations

import os
import sys
from typing import Final

mro = type.__dict__["__mro__"].__get__
"""A class and its bases in order, read past whatever its metaclass defines."""
namespace = type.__dict__["__dict__"].__get__
"""The same of a class's own attributes."""
_qualname = type.__dict__["__qualname__"].__get__
_names: dict[type, str] = {}
_BOUND: Final = 20_000
_PROGRAM: Final = frozenset({"__main__", "__mp_main__"})
_program = ""


def call_program(module: str) -> None:
    """Says by which name a replay imports the program that this process runs as `__main__`."""
    global _program
    _program = module


def home(module: str) -> str:
    """The module's name as a replay knows it: what a script defines is in `__main__` only while the script is the program."""
    if module not in _PROGRAM:
        return module
    if _program:
        return _program
    main = sys.modules.get("__main__")
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if spec is not None:
        return str(spec.name)
    stem = os.path.basename(file).removesuffix(".py") if isinstance(file, str) else ""
    return stem if stem.isidentifier() else module


def type_name(kind: type) -> str:
    """`module:qualname` of a class, read past whatever its metaclass defines."""
    name = _names.get(kind)
    if name is None:
        module = type.__getattribute__(kind, "__module__")
        name = f"{home(module)}:{_qualname(kind)}" if isinstance(module, str) else f"?:{_qualname(kind)}"
        if len(_names) >= _BOUND:
            _names.clear()
        _names[kind] = name
    return name
