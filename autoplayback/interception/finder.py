"""Hears of modules as they are imported: the first finder on `sys.meta_path`, which finds nothing itself.

It lets the others find the module and puts a loader around theirs, which runs the hooks once the module's code has run; so
a reload or a second import after removal from `sys.modules` comes by here again. (wrapt's hooks miss those two, let a hook's
exception break the user's import, and fire on half-imported modules.)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from autoplayback.interception.faults import report

Hook = Callable[[ModuleType], None]


class Finder(MetaPathFinder):
    """Calls hooks with each module named, now if it is there, else after each of its imports."""

    def __init__(self) -> None:
        self._hooks: dict[str, list[Hook]] = {}
        self._half: list[ModuleType] = []

    def install(self) -> None:
        """Takes its place before all other finders."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def uninstall(self) -> None:
        """Goes from `sys.meta_path`; modules stay as they are."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def when_imported(self, name: str, hook: Hook) -> None:
        """Registers a hook for good; a module which is there already is hooked at once."""
        self._hooks.setdefault(name, []).append(hook)
        module = sys.modules.get(name)
        if isinstance(module, ModuleType):
            if getattr(getattr(module, "__spec__", None), "_initializing", False):
                self._half.append(module)
            else:
                _run([hook], module)

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if self._half:
            self._finished()
        if fullname not in self._hooks:
            return None
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            if finder is self or find is None:
                continue
            spec: ModuleSpec | None = find(fullname, path, target)
            if spec is not None:
                if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                    spec.loader = _Loader(spec.loader, self)
                return spec
        return None

    def imported(self, module: ModuleType, name: str) -> None:
        """The module's code has run."""
        _run(self._hooks.get(name, ()), module)

    def _finished(self) -> None:
        """Hooks modules whose import was under way when we were installed, once it is over."""
        half, self._half = self._half, []
        for module in half:
            if getattr(module.__spec__, "_initializing", False):
                self._half.append(module)
            else:
                self.imported(module, module.__name__)


def _as_importlib(function: Callable[..., None]) -> Callable[..., None]:
    """Python leaves the import system's own frames out of tracebacks and warnings, told by their file's exact name. Another one
    between them would show them all, and a module that warns its importer would warn of us."""
    made: Any = function
    made.__code__ = made.__code__.replace(co_filename="<frozen importlib._bootstrap>")
    return function


class _Loader(Loader):
    """Stands in for a module's loader until its code has run; nobody sees it on the module afterwards."""

    def __init__(self, loader: Any, finder: Finder) -> None:
        self._loader = loader
        self._finder = finder

    def __getattr__(self, name: str) -> Any:  # get_code, get_source, is_package: runpy and zipapps ask before the import
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        create = getattr(self._loader, "create_module", None)
        module: ModuleType | None = create(spec) if create is not None else None
        return module

    @_as_importlib
    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        assert spec is not None
        spec.loader = self._loader
        if module.__loader__ is self:
            module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._finder.imported(sys.modules.get(spec.name, module), spec.name)


def _run(hooks: Sequence[Hook], module: ModuleType) -> None:
    for hook in list(hooks):
        try:
            hook(module)
        except Exception as error:
            report(f"patching {getattr(module, '__name__', '?')}", error)
