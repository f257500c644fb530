"""Which classes and functions a tape may name, and finding them."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from autoplayback.errors import NotTrusted, TapeError
from autoplayback.tape import standard
from autoplayback.tape.names import type_name


@dataclass(frozen=True)
class Trust:
    """Whose classes may be made again: `packages` and their submodules, and harmless ones of the standard library.

    `moved` maps `old.module:Name` to `new.module:Name`, `old.module` to `new.module`, and `module:Class.field` to
    `module:Class.other_field`.
    """

    packages: frozenset[str] = frozenset()
    moved: Mapping[str, str] = field(default_factory=dict)

    def includes(self, module: str) -> bool:
        """Whether a module may be imported for a tape."""
        return any(module == package or module.startswith(package + ".") for package in self.packages)

    def current(self, name: str) -> str:
        """What is now called that which was called `name`."""
        if not self.moved:
            return name
        if name in self.moved:
            return self.moved[name]
        module, _, qualname = name.partition(":")
        outer, inner = qualname, ""
        while "." in outer:
            outer, _, last = outer.rpartition(".")
            inner = f".{last}{inner}"
            if f"{module}:{outer}" in self.moved:
                return self.moved[f"{module}:{outer}"] + inner
        parent = module
        while parent:
            if parent in self.moved:
                return f"{self.moved[parent]}{module[len(parent):]}:{qualname}"
            parent = parent.rpartition(".")[0]
        return name

    def current_field(self, class_name: str, name: str) -> str:
        """What a field of a class (by its name on the tape) is called now."""
        moved = self.moved.get(f"{class_name}.{name}") or self.moved.get(f"{self.current(class_name)}.{name}")
        return moved.rpartition(".")[2] if moved else name

    def find_class(self, name: str) -> type:
        """The class a tape names; NotTrusted or TapeError says what to add to the config."""
        found = self._find(name)
        if not isinstance(found, type):
            raise TapeError(f"{name} is no class any more, but {type(found).__name__}")
        module, _, qualname = type_name(found).partition(":")  # which a trusted module may merely have imported from another
        if not self.includes(module) and not standard.is_harmless(found, module) and standard.built_in(qualname) is not found:
            raise self._refusal(name, module)
        return found

    def find_function(self, name: str) -> Any:
        """The function a tape names. Only looked up, never called."""
        found = self._find(name)
        if not callable(found) or isinstance(found, (type, types.ModuleType)):
            raise TapeError(f"{name} is no function any more, but {type(found).__name__}")
        module = getattr(found, "__module__", None)
        if module == "builtins" and standard.built_in(getattr(found, "__name__", "")) is found:
            return found
        if not isinstance(module, str) or not self.includes(module):
            raise self._refusal(name, str(module))
        return found

    def find_module(self, name: str) -> types.ModuleType:
        """The module a tape names."""
        name = self.current(name)
        if not self.includes(name):
            raise self._refusal(name, name)
        return _imported(name)

    def _find(self, name: str) -> Any:
        now = self.current(name)
        module_name, _, qualname = now.partition(":")
        if module_name == "builtins":
            found = standard.built_in(qualname)
            if found is None:
                raise self._refusal(name, module_name)
            return found
        if not self.includes(module_name) and not standard.may_import(module_name):
            raise self._refusal(name, module_name)
        last = qualname.rpartition(".")[2]
        if "<locals>" in qualname:
            raise TapeError(
                f"{now} was made inside a function and can't be found by its name; move it to its module and add "
                + _moved(name, f"{module_name}:{last}")
            )
        try:
            found = _imported(module_name)
        except TapeError as error:
            raise TapeError(f"{error.reason}; if {qualname} has moved, add {_moved(name, f'new.module:{qualname}')}") from None
        for part in qualname.split("."):
            found = _attribute(found, part)
            if found is None:
                raise TapeError(f"{module_name} has no {qualname} any more; add {_moved(name, self._elsewhere(last))}")
        return found

    def _refusal(self, name: str, module: str) -> NotTrusted:
        top = module.partition(".")[0]
        return NotTrusted(f"{name} isn't of a package the config trusts; if it should be made again, add `trust: [{top}]`")

    def _elsewhere(self, last: str) -> str:
        """Where a class of that name is now, as far as the loaded modules of trusted packages show; else a placeholder."""
        for name, module in sorted(sys.modules.items()):
            if self.includes(name) and isinstance(module, types.ModuleType):
                found = module.__dict__.get(last)
                if isinstance(found, type) and type_name(found).partition(":")[0] == name:
                    return f"{name}:{last}"
        return f"new.module:{last}"


def _moved(old: str, new: str) -> str:
    """The line of the config that says what has become of a class."""
    return f'`moved: {{"{old}": "{new}"}}`'


def _imported(name: str) -> types.ModuleType:
    module = sys.modules.get(name)
    if module is not None:
        return module
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise TapeError(f"module {name!r} can't be imported: {type(error).__name__}: {error}") from None
    except SystemExit as error:
        raise TapeError(f"module {name!r} can't be imported: it exits ({error.code})") from None


def _attribute(owner: Any, name: str) -> Any:
    """A name in a module or class. Never of an instance, whose class could answer with anything."""
    if isinstance(owner, types.ModuleType):
        return owner.__dict__.get(name) if name in owner.__dict__ else getattr(owner, name, None)
    if isinstance(owner, type):
        for c in owner.__mro__:
            if name in c.__dict__:
                found = c.__dict__[name]
                return found.__func__ if isinstance(found, (staticmethod, classmethod)) else found
    return None
