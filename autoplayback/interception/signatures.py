"""Parameters of functions in C which `inspect.signature` can't read: one default it can't write hides all the names."""

from __future__ import annotations

import ast
import inspect
from typing import Any

_REPRESENTS_NOTHING = "<unrepresentable>"


def parameters_of(value: Any) -> list[inspect.Parameter]:
    """All parameters of a callable, self or cls included. Raises TypeError or ValueError where nobody knows them."""
    try:
        return list(inspect.signature(value).parameters.values())
    except ValueError:
        text = getattr(value, "__text_signature__", None)
        if not isinstance(text, str):
            raise
        return written(text)


def written(text: str) -> list[inspect.Parameter]:
    """The parameters in a text such as `($self, sql, parameters=<unrepresentable>, /)`, a bound `$module` left out.

    Defaults which aren't literals are `...`. Raises ValueError for any other text.
    """
    plain = text.replace("$module, /, ", "").replace("$module, /", "").replace("$", "").replace(_REPRESENTS_NOTHING, "...")
    try:
        (function,) = ast.parse(f"def f{plain}: pass").body
    except SyntaxError as error:
        raise ValueError(f"{text!r} is no signature") from error
    if not isinstance(function, ast.FunctionDef):
        raise ValueError(f"{text!r} is no signature")
    given = function.args
    positional = [*given.posonlyargs, *given.args]
    found = []
    for index, (name, default) in enumerate(
        zip(positional, [*[None] * (len(positional) - len(given.defaults)), *given.defaults], strict=True)
    ):
        only = index < len(given.posonlyargs)
        kind = inspect.Parameter.POSITIONAL_ONLY if only else inspect.Parameter.POSITIONAL_OR_KEYWORD
        found.append(inspect.Parameter(name.arg, kind, default=_default(default)))
    if given.vararg is not None:
        found.append(inspect.Parameter(given.vararg.arg, inspect.Parameter.VAR_POSITIONAL))
    for name, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        found.append(inspect.Parameter(name.arg, inspect.Parameter.KEYWORD_ONLY, default=_default(default)))
    if given.kwarg is not None:
        found.append(inspect.Parameter(given.kwarg.arg, inspect.Parameter.VAR_KEYWORD))
    return found


def _default(node: ast.expr | None) -> Any:
    if node is None:
        return inspect.Parameter.empty
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ...
