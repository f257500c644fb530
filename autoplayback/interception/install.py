"""Interception: from declarations to wrapped functions, now and whenever a module with targets is imported."""

from __future__ import annotations

import fnmatch
import functools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType

from autoplayback.errors import TargetError
from autoplayback.interception import resolve, techniques
from autoplayback.interception.faults import report
from autoplayback.interception.finder import Finder
from autoplayback.interception.protocol import Interceptor
from autoplayback.interception.resolve import Located
from autoplayback.interception.target import Declaration, Target


@dataclass(slots=True)
class Finding:
    """What became of one declaration."""

    declaration: Declaration
    matched: list[str] = field(default_factory=list)
    """`module:qualname` of each function held."""
    technique: str = ""
    """How they are held; where a glob's functions are held in several ways, each with the names of those."""
    warnings: list[str] = field(default_factory=list)
    error: str | None = None


class Interception:
    """Wraps what the declarations name and tells the interceptor of each call."""

    def __init__(self, declarations: Sequence[Declaration], interceptor: Interceptor) -> None:
        self.declarations = list(declarations)
        self.interceptor = interceptor
        self.targets: list[Target] = []
        self._findings = {id(declaration): Finding(declaration) for declaration in self.declarations}
        self._techniques: dict[int, dict[str, str]] = {}
        self._originals: dict[int, list[object]] = {}
        self.finder = Finder()
        self._undo: list[Callable[[], None]] = []

    def install(self) -> None:
        """Wraps what is imported already, and the rest as it is imported. A target that can't be held is reported, not raised."""
        from autoplayback.interception import threads

        self._undo.append(_deepen())
        self.finder.install()
        self._undo.append(threads.install(self.finder))
        by_module: dict[str, list[Declaration]] = {}
        for declaration in self.declarations:
            try:
                module, _ = resolve.split(declaration.target)
            except TargetError as error:
                self._failed(declaration, error)
                continue
            by_module.setdefault(module, []).append(declaration)
        for declaration in by_module.pop("__main__", ()):
            self._failed(
                declaration,
                TargetError(declaration.target, "name the program's own module: `app:main` is found in `python app.py` too"),
            )
        for module, declarations in by_module.items():
            self.finder.when_imported(module, functools.partial(self._imported, declarations))
        self._watch_program(by_module)

    def _watch_program(self, by_module: dict[str, list[Declaration]]) -> None:
        from autoplayback.interception import script

        def names(module: str) -> set[str]:
            return _Names(resolve.split(declaration.target)[1].partition(".")[0] for declaration in by_module[module])

        def defined(module: str, main: ModuleType) -> None:
            there = [d for d in by_module[module] if _defined(d, main)]
            self._imported(there, main)

        self._undo.append(script.watch_children(self.finder, by_module, defined))
        if script.named_by_command(by_module):
            script.watch(by_module, names, defined)

    def uninstall(self) -> None:
        """Puts everything back as it was, last first."""
        self.finder.uninstall()
        while self._undo:
            self._undo.pop()()

    def findings(self, *, unheard: bool = False) -> list[Finding]:
        """What became of each declaration, as far as its module has been imported; in their order.

        Asked for, with a warning for each that holds an original which stays `unheard`: that looks at every object there is.
        """
        from autoplayback.interception.referrers import referrers

        found = []
        for declaration in self.declarations:
            finding = self._findings[id(declaration)]
            originals = self._originals.get(id(declaration), ()) if unheard else ()
            holders = [holder for original in originals for holder in referrers(original)]
            told = [f"holds the original and stays unheard: {holder}" for holder in holders]
            found.append(replace(finding, warnings=[*finding.warnings, *told]))
        return found

    def _imported(self, declarations: Sequence[Declaration], module: ModuleType) -> None:
        for declaration in declarations:
            finding = self._findings[id(declaration)]
            finding.error = None
            try:
                _, qualname = resolve.split(declaration.target)
                for located in resolve.within(module, declaration.target, qualname):
                    self._attach(declaration, located, finding)
            except Exception as error:
                self._failed(declaration, error)

    def _failed(self, declaration: Declaration, error: Exception) -> None:
        if declaration.optional and isinstance(error, TargetError):
            return
        finding = self._findings[id(declaration)]
        reason = error.reason if isinstance(error, TargetError) else f"{type(error).__name__}: {error}"
        finding.error = reason
        report(
            f"{declaration.place or ''}{': ' if declaration.place else ''}target {declaration.target!r} is not intercepted",
            reason,
        )

    def _attach(self, declaration: Declaration, located: Located, finding: Finding) -> None:
        held = techniques.hold(declaration, located, self.interceptor)
        if located.text not in finding.matched:
            finding.matched.append(located.text)
        techniques_of = self._techniques.setdefault(id(declaration), {})
        techniques_of[located.qualname.rpartition(".")[2]] = held.technique
        finding.technique = _together(techniques_of)
        finding.warnings.extend(warning for warning in held.warnings if warning not in finding.warnings)
        self.targets.extend(held.targets)
        if held.original is not None:
            self._originals.setdefault(id(declaration), []).append(held.original)
        self._undo.append(held.undo)


def _together(techniques: dict[str, str]) -> str:
    ways: dict[str, list[str]] = {}
    for name, technique in techniques.items():
        ways.setdefault(technique, []).append(name)
    return next(iter(ways)) if len(ways) == 1 else ", ".join(f"{way} ({', '.join(names)})" for way, names in ways.items())


def _deepen() -> Callable[[], None]:
    """Makes room for the frames we add: a recursion through a wrapped function takes two a level where it took one."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(2 * before)

    def undo() -> None:
        if sys.getrecursionlimit() == 2 * before:
            sys.setrecursionlimit(before)

    return undo


def _defined(declaration: Declaration, main: ModuleType) -> bool:
    first = resolve.split(declaration.target)[1].partition(".")[0]
    return any(fnmatch.fnmatchcase(name, first) for name in vars(main))


class _Names(set[str]):
    """Names to look for, globs among them."""

    def __contains__(self, name: object) -> bool:
        return any(fnmatch.fnmatchcase(str(name), pattern) for pattern in self)
