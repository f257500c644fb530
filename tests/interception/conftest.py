"""A service made of real files, intercepted by a notebook."""

from __future__ import annotations

import importlib
import itertools
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from autoplayback.interception.context import current
from autoplayback.interception.install import Interception
from autoplayback.interception.target import Declaration, Role, Shape
from tests.interception.notebook import Notebook

_names = itertools.count()


class Service:
    """A folder on `sys.path`, with modules written into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, source: str, name: str | None = None) -> str:
        """Writes a module, under a fresh name where none is given, and gives its name."""
        name = name or f"service{next(_names)}"
        path = self.folder / (name.replace(".", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))
        importlib.invalidate_caches()
        return name

    def module(self, source: str, name: str | None = None) -> ModuleType:
        """Writes and imports a module."""
        return importlib.import_module(self.write(source, name))


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Service(tmp_path)
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")) or name.startswith("service"):
            del sys.modules[name]


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


Intercept = Callable[..., Interception]


@pytest.fixture
def intercept(notebook: Notebook) -> Iterator[Intercept]:
    """Installs interception of inputs (strings) and other declarations; everything is put back at the end."""
    installed: list[Interception] = []

    def install(*targets: str | Declaration, interceptor: Any = None, **options: Any) -> Interception:
        declarations = [
            target if isinstance(target, Declaration) else Declaration(Role.INPUT, target, **options) for target in targets
        ]
        interception = Interception(declarations, interceptor or notebook)
        installed.append(interception)
        interception.install()
        return interception

    yield install
    for interception in reversed(installed):
        interception.uninstall()
    assert current.get() is None


def operation(target: str, **options: Any) -> Declaration:
    """An entry point."""
    return Declaration(Role.OPERATION, target, **options)


def wsgi(target: str) -> Declaration:
    """A WSGI application."""
    return Declaration(Role.OPERATION, target, shape=Shape.WSGI)


def asgi(target: str) -> Declaration:
    """An ASGI application."""
    return Declaration(Role.OPERATION, target, shape=Shape.ASGI)
