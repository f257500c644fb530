"""Where the code under test comes from: the working directory, not a copy that is installed, nor bytecode of an older file.

A replay of other code than the one that was meant is the worst of false passes: everything is equal, and nothing was tested.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from autoplayback.errors import ReplayError

ROOTS = ("src", "lib", "python")
"""Folders of a project in which its packages may lie; those beside them are on sys.path anyway."""


def moved(path: list[str], head: str, base: str) -> list[str]:
    """A sys.path for the other version of the code in `base`: what an environment says of the first's folder (`pip install -e`)
    means its own."""
    while os.path.basename(head) == os.path.basename(base) and os.path.dirname(head) != head:
        head, base = os.path.dirname(head), os.path.dirname(base)  # the revision's tree has more than the working directory

    def own(entry: str) -> str:
        real = os.path.realpath(entry)
        if real != head and not real.startswith(head + os.sep):
            return entry
        other = os.path.normpath(os.path.join(base, os.path.relpath(real, head)))
        return other if os.path.isdir(other) else entry

    return [own(entry) for entry in path]


def distrust_bytecode(folder: str) -> None:
    """Compiles files of `folder` anew which changed after they were compiled: bytecode knows its source's time in whole seconds,
    and a checkout that follows a run at once may give a file of the same size within the same one."""
    plain = importlib.machinery.SourceFileLoader.path_stats

    def path_stats(self: importlib.machinery.SourceFileLoader, path: str) -> Mapping[str, Any]:
        stats = plain(self, path)
        if path.startswith(folder + os.sep):
            try:
                compiled = os.stat(importlib.util.cache_from_source(path))
                if os.stat(path).st_mtime_ns >= compiled.st_mtime_ns:
                    return {**stats, "size": -1}
            except (OSError, NotImplementedError):
                pass
        return stats

    importlib.machinery.SourceFileLoader.path_stats = path_stats  # type: ignore[method-assign]


def check(module: str, folder: str) -> None:
    """Raises ReplayError where a module's package was imported from elsewhere, though `folder` has another version of it."""
    package = module.partition(".")[0]
    for root in ROOTS:
        for name, file, own in _pairs(package, os.path.join(folder, root)):
            if not os.path.samefile(file, own) and _content(file) != _content(own):
                raise ReplayError(
                    f"{name} was imported from {file}, which differs from {os.path.relpath(own, folder)} here: this would replay"
                    f" other code than the working directory's. Install that (`pip install -e .`), put PYTHONPATH={root} before"
                    " the command, or give --workdir another folder if the installed one is meant"
                )


def _pairs(package: str, root: str) -> Iterator[tuple[str, str, str]]:
    """The modules of a package that are imported, with their files and those in `root`, where there are such."""
    for name, module in list(sys.modules.items()):
        if name == package or name.startswith(package + "."):
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and file.endswith(".py"):
                parts = name.split(".")
                tail = [*parts, "__init__.py"] if os.path.basename(file) == "__init__.py" else [*parts[:-1], parts[-1] + ".py"]
                own = os.path.join(root, *tail)
                if os.path.isfile(own):
                    yield name, file, own


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
