"""Targets in the program itself: `python app.py` and `python -m shop.app` run their module as `__main__`, past every finder.

Its functions must be held between their definition and the call at its bottom which runs the service for good. Python tells
audit hooks of the program's code just before it runs it; we run the same source instead, with a call of ours after each
top-level statement that defines a target. Installed only where the command line names a module that has targets.

A child that multiprocessing spawns runs the program once more, under another name and without those last lines.
"""

from __future__ import annotations

import ast
import functools
import os
import sys
import warnings
from collections.abc import Callable, Collection
from types import CodeType, ModuleType
from typing import Any

from autoplayback.interception.faults import report
from autoplayback.interception.finder import Finder
from autoplayback.originals import open
from autoplayback.tape.names import call_program

_HOLE = "<autoplayback: a target may have been defined>"

Defined = Callable[[str, ModuleType], None]


def named_by_command(modules: Collection[str]) -> bool:
    """Whether this process's command line may run one of these modules as its program."""
    words = {os.path.basename(word).removesuffix(".py").rpartition(".")[2] for word in sys.orig_argv[1:]}
    return any(module.rpartition(".")[2] in words or module.rpartition(".")[2] == "__main__" for module in modules)


def watch(modules: Collection[str], names: Callable[[str], Collection[str]], defined: Defined) -> None:
    """Calls `defined(module, __main__)` while the program runs, whenever it has defined one of `names(module)`."""
    waiting = True

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal waiting
        if not waiting or event != "exec" or type(args[0]) is not CodeType or args[0].co_name != "<module>":
            return
        main = sys.modules.get("__main__")
        code: CodeType = args[0]
        if main is None or vars(main).get("__file__") != code.co_filename:
            return
        waiting = False
        module = _module_of(main, code.co_filename, modules)
        if module is None:
            return
        call_program(module)
        try:
            with open(code.co_filename, "rb") as file:
                replacement = instrumented(file.read(), code.co_filename, names(module), lambda: defined(module, main))
        except Exception as error:
            report(f"the program {code.co_filename} runs unrecorded: its source can't be read", error)
            return
        _run(replacement, main)

    sys.addaudithook(hook)


def watch_children(finder: Finder, modules: Collection[str], defined: Defined) -> Callable[[], None]:
    """Calls `defined(module, __main__)` in a process spawned by multiprocessing, once that has run the program again; returns
    the undoing."""
    undos: list[Callable[[], None]] = []

    def patch(spawn: Any) -> None:
        for name in ("_fixup_main_from_path", "_fixup_main_from_name"):
            original = getattr(spawn, name, None)
            if original is not None:
                setattr(spawn, name, _followed(original, modules, defined))
                undos.append(functools.partial(setattr, spawn, name, original))

    finder.when_imported("multiprocessing.spawn", patch)

    def undo() -> None:
        while undos:
            undos.pop()()

    return undo


def _followed(original: Callable[[str], Any], modules: Collection[str], defined: Defined) -> Callable[[str], Any]:
    @functools.wraps(original)
    def followed(where: str) -> Any:
        before = sys.modules.get("__main__")
        done = original(where)
        main = sys.modules.get("__main__")
        try:
            if main is not None and main is not before:
                module = where if where in modules else _module_of_path(where, modules)
                if module is not None:
                    call_program(module)
                    defined(module, main)
        except Exception as error:
            report(f"the program {where} runs unrecorded in this process", error)
        return done

    return followed


def instrumented(source: bytes, filename: str, names: Collection[str], call: Callable[[], None]) -> CodeType:
    """The program's code, with `call()` after each top-level statement that binds one of the names."""
    tree = ast.parse(source, filename)
    body: list[ast.stmt] = []
    for statement in tree.body:
        body.append(statement)
        if any(name in names for name in _bound(statement)) and not isinstance(statement, ast.ImportFrom):
            extra = ast.Expr(ast.Call(ast.Constant(_HOLE), [], []))
            body.append(ast.fix_missing_locations(ast.copy_location(extra, statement)))
    tree.body = body
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        code = compile(tree, filename, "exec", dont_inherit=True)
    return code.replace(co_consts=tuple(call if type(const) is str and const == _HOLE else const for const in code.co_consts))


def _bound(statement: ast.stmt) -> set[str]:
    """The names which a top-level statement may bind, in its own scope."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {statement.name}
    found: set[str] = set()
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif not isinstance(node, (ast.Lambda, ast.expr)) or isinstance(node, ast.Name):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
            waiting += ast.iter_child_nodes(node)
    return found


def _module_of(main: ModuleType, filename: str, modules: Collection[str]) -> str | None:
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return spec.name if spec.name in modules else None
    return _module_of_path(filename, modules)


def _module_of_path(filename: str, modules: Collection[str]) -> str | None:
    path = os.path.abspath(filename).removesuffix(".py")
    return next((module for module in modules if path.endswith(os.sep + module.replace(".", os.sep))), None)


def _run(code: CodeType, main: ModuleType) -> None:
    """Runs the program to its end, and ends the process as Python would have: the original code must not run after it."""
    try:
        exec(code, vars(main))
    except Exception as error:
        traceback = error.__traceback__
        error.__traceback__ = traceback = traceback.tb_next if traceback else None  # without our frame
        sys.excepthook(type(error), error, traceback)
        raise SystemExit(1) from None
    raise SystemExit(0)
