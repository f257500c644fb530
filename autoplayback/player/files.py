"""Files of `files:` that only the recorded machine had: at replay their paths tell them, and the tape has what was in them.

A replay writes nowhere but in its scratch folder, so a file elsewhere which isn't there, or which it may not read, can't be one
that the code under test should have made.
"""

from __future__ import annotations

from typing import Any

from autoplayback.player.matching import Group
from autoplayback.tape.files import TEMPORARY, TYPE, File
from autoplayback.tape.values import Inert, Tagged, inspect


def restored(args: tuple[Any, ...], kwargs: dict[str, Any], group: Group) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments with such files as the first call which hasn't answered yet had them; others stay as they are."""
    if not any(_gone(one) for value in (*args, *kwargs.values()) for one in (value if type(value) is list else [value])):
        return args, kwargs

    def filled(value: Any) -> Any:
        if type(value) is list:
            return [filled(item) for item in value]
        return _recorded(value, group) if _gone(value) else value

    return tuple(filled(value) for value in args), {name: filled(value) for name, value in kwargs.items()}


def _gone(value: Any) -> bool:
    return type(value) is File and value.size is None and not value.path.startswith(TEMPORARY)


def _recorded(file: File, group: Group) -> File:
    for call in group.calls:
        if call.seq not in group.taken:
            for fields in _files(inspect(call.arguments)):
                if fields.get("path") == file.path and not fields.get("fresh"):
                    return File(file.path, fields.get("size"), fields.get("sha256"), fields.get("content"))
    return file


def _files(arguments: Inert) -> list[dict[str, Any]]:
    """The fields of the files in the arguments of a call: each is one, or an item of a list."""
    if not isinstance(arguments, list) or len(arguments) != 2 or not isinstance(arguments[1], dict):
        return []
    values = [*arguments[0], *arguments[1].values()]
    nodes = [one for value in values for one in (value if isinstance(value, list) else [value])]
    return [node.value for node in nodes if isinstance(node, Tagged) and node.type == TYPE and isinstance(node.value, dict)]
