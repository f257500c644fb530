"""Which classes and functions a tape may name, and finding them."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from autoplayback.errors import NotTrusted, TapeError
from autoplayback.tape.names import type_name

_STANDARD: Final = frozenset("""
    abc argparse array ast asyncio base64 binascii bisect calendar codecs collections configparser contextlib copy csv dataclasses
    datetime decimal difflib email enum errno fractions functools getpass gettext graphlib gzip hashlib heapq hmac html http
    imaplib inspect io ipaddress itertools json keyword linecache locale logging lzma mailbox math mimetypes netrc numbers
    operator optparse pathlib pickle plistlib poplib pprint queue re reprlib sched secrets select selectors shelve shlex smtplib
    socket sqlite3 ssl statistics string stringprep struct tarfile textwrap time timeit token tokenize tomllib traceback types
    typing unicodedata urllib uuid warnings wave weakref xml xmlrpc zipfile zlib zoneinfo concurrent subprocess
    _decimal _io _socket _ssl _struct _json _csv _collections_abc _queue
""".split())
"""Packages of the standard library which are harmless to import, and whose classes' instances do nothing when they are made or
freed. Not among them: what acts on import (`antigravity`, `this`), or on files when freed (`tempfile`)."""
_HARMFUL: Final = frozenset({"subprocess:Popen", "asyncio", "logging.handlers", "logging:FileHandler"})
_BUILTIN_TYPES: Final = frozenset({
    "bool", "bytearray", "bytes", "complex", "dict", "enumerate", "filter", "float", "frozenset", "int", "list", "map", "memoryview",
    "object", "range", "reversed", "set", "slice", "str", "tuple", "type", "zip",
})
_NAMELESS: Final = {kind.__name__: kind for kind in (type(None), type(...), type(NotImplemented), type({}.keys()), type({}.values()), type({}.items()))}
"""Built-in types that no module has by their names."""
_BUILTIN_FUNCTIONS: Final = frozenset({
    "abs", "all", "any", "ascii", "bin", "callable", "chr", "divmod", "format", "hash", "hex", "id", "isinstance", "issubclass", "iter", "len",
    "max", "min", "next", "oct", "ord", "pow", "repr", "round", "sorted", "sum",
})
"""Those with which a made-up tape can do no harm, whoever calls them with whatever."""


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
        self._same(name, type_name(found))
        return found

    def find_function(self, name: str) -> Any:
        """The function a tape names. Only looked up, never called."""
        found = self._find(name)
        if not callable(found) or isinstance(found, (type, types.ModuleType)):
            raise TapeError(f"{name} is no function any more, but {type(found).__name__}")
        module = getattr(found, "__module__", None)
        if module == "builtins" and found.__name__ in _BUILTIN_FUNCTIONS:
            return found
        if not isinstance(module, str) or not self.includes(module):
            raise NotTrusted(f"{name} is a function of {module}, which the config doesn't trust: add `trust: [{_top(str(module))}]`")
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
        self._check(name, module_name, qualname)
        if module_name == "builtins" and qualname in _NAMELESS:
            return _NAMELESS[qualname]
        if "<locals>" in qualname:
            raise TapeError(f"{now} was made inside a function and can't be found by its name; "
                            f"move it to its module and add `moved: {{\"{name}\": \"{module_name}:{qualname.rpartition('.')[2]}\"}}`")
        try:
            found: Any = _imported(module_name)
        except TapeError as error:
            raise TapeError(f"{error.reason}; if {qualname} has moved, add `moved: {{\"{name}\": \"new.module:{qualname}\"}}`") from None
        for part in qualname.split("."):
            inside = _attribute(found, part)
            if inside is None:
                raise TapeError(f"{module_name} has no {qualname} any more; add `moved: {{\"{name}\": \"{self._elsewhere(qualname)}\"}}`")
            found = inside
        return found

    def _check(self, name: str, module: str, qualname: str) -> None:
        if self.includes(module):
            return
        if module == "builtins":
            if qualname in _BUILTIN_TYPES or qualname in _NAMELESS or qualname in _BUILTIN_FUNCTIONS or isinstance(_builtin_exception(qualname), type):
                return
        elif _top(module) in _STANDARD and module in _harmless_modules(module) and f"{module}:{qualname}" not in _HARMFUL:
            return
        raise self._refusal(name, module)

    def _same(self, name: str, real: str) -> None:
        """That the class found by a trusted name isn't one which a trusted module merely imported from an untrusted one."""
        module, _, qualname = real.partition(":")
        if module == self.current(name).partition(":")[0]:
            return
        self._check(real, module, qualname)

    def _refusal(self, name: str, module: str) -> NotTrusted:
        return NotTrusted(f"{name} isn't of a package the config trusts; if it should be made again, add `trust: [{_top(module)}]`")

    def _elsewhere(self, qualname: str) -> str:
        """Where a class of that name is now, as far as the loaded modules of trusted packages show; else a placeholder."""
        last = qualname.rpartition(".")[2]
        for name, module in sorted(sys.modules.items()):
            if self.includes(name) and isinstance(module, types.ModuleType):
                found = module.__dict__.get(last)
                if isinstance(found, type) and type_name(found).partition(":")[0] == name:
                    return f"{name}:{last}"
        return f"new.module:{last}"


def _top(module: str) -> str:
    return module.partition(".")[0]


def _harmless_modules(module: str) -> tuple[str, ...]:
    """The module itself where importing it is harmless: submodules of the standard library which start something are left out."""
    return () if module.endswith("__main__") or module in _HARMFUL else (module,)


def _builtin_exception(qualname: str) -> Any:
    import builtins

    found = builtins.__dict__.get(qualname)
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


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
