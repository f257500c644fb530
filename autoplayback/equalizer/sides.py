"""What of a tape is compared: how it ended, with which result or error, and what it sent out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from autoplayback.config.paths import Part
from autoplayback.equalizer import content
from autoplayback.equalizer.differ import MISSING
from autoplayback.equalizer.showing import brief, shown
from autoplayback.tape.files import TYPE as FILE
from autoplayback.tape.model import End, Tape
from autoplayback.tape.values import Tagged, inspect, named

_WEB = ("wsgi", "asgi")
_FAILED_STATUS = 500
_TEXT = 1 << 20
"""Bytes of a file up to which its text is compared, and shown, piece by piece."""


@dataclass(frozen=True, slots=True)
class Side:
    """One tape as comparing sees it; every value is inert."""

    end: End
    result: Any
    """What it returned; MISSING where it raised."""
    error: Any
    """`{"type": "module:Class", "args": [...]}`; MISSING where it returned."""
    outputs: Mapping[str, list[Any]]
    """Per output's name its calls in order, each `{"args": {parameter: value}}`."""
    status: int | None = None
    """Of a web operation."""

    @property
    def failed(self) -> bool:
        """Whether the operation raised, or as a web application answered with a server error."""
        return self.end is End.RAISED or (self.status is not None and self.status >= _FAILED_STATUS)

    def roots(self) -> Iterator[tuple[tuple[Part, ...], Any]]:
        """Each tree there is to compare, with the place it hangs at."""
        if self.result is not MISSING:
            yield ("result",), self.result
        if self.error is not MISSING:
            yield ("error",), self.error
        for name, calls in self.outputs.items():
            yield ("outputs", *name.split(".")), calls

    def described(self, *, value: bool = False) -> str:
        """How it ended, for a sentence: `returned` (with the beginning of its `value`, where asked), `raised ValueError: no such
        order`, `answered 503`."""
        if self.status is not None:
            return f"answered {self.status}"
        if self.end is End.RAISED:
            return f"raised {error_text(self.error)[:200]}"
        if value and self.end is End.RETURNED and self.result is not MISSING:
            return f"returned {brief(shown(self.result, most=20, depth=3), 120)}"
        return str(self.end.value)


def error_text(error: Any) -> str:
    """An error in one line, as Python shows it."""
    if not isinstance(error, dict):
        return "an exception"
    name = str(error.get("type", "")).rpartition(":")[2]
    args = error.get("args")
    text = ", ".join(str(arg) if isinstance(arg, str) else repr(arg) for arg in args) if isinstance(args, list) else ""
    return f"{name}: {text}" if text else name


def side(tape: Tape, names: Mapping[str, str] | None = None, moved: Mapping[str, str] | None = None) -> Side:
    """Reads one side of a comparison.

    `names` renames outputs (what the config lists under `was:`), `moved` classes; both from the old name to the new.
    """
    handles = {note.id: note.name for note in tape.handles}

    def read(document: bytes) -> Any:
        tree = inspect(document)
        return rewritten(tree, handles, moved or {}) if handles or moved else tree

    result: Any = MISSING
    error: Any = MISSING
    outcome = tape.outcome
    if outcome.end is End.RAISED:
        error = _error(read(outcome.value))
    elif outcome.value:
        result = read(outcome.value)
    status = None
    if tape.shape in _WEB and isinstance(result, dict):
        status = result.get("status") if isinstance(result.get("status"), int) else None
        result = _web(result)
    if outcome.items is not None:
        items = [read(item) for item in outcome.items]
        if error is not MISSING:
            result = items
        else:
            result = items if result is MISSING or result is None else {"items": items, "return": result}
    outputs: dict[str, list[Any]] = {}
    for call in tape.calls:
        if call.target.role == "output":
            name = call.target.name
            arguments = _by_name(named(call.arguments, call.target.parameters))
            arguments = {key: attached(argument) for key, argument in arguments.items()}
            if handles or moved:
                arguments = rewritten(arguments, handles, moved or {})
            outputs.setdefault((names or {}).get(name, name), []).append({"args": arguments})
    return Side(outcome.end, result, error, outputs, status)


def attached(argument: Any) -> Any:
    """An argument with its files (`files:`) as they are compared: text by its structure, other content by size and digest."""
    if isinstance(argument, list):
        return [attached(item) for item in argument]
    if not isinstance(argument, Tagged) or argument.type != FILE or not isinstance(argument.value, dict):
        return argument
    fields = dict(argument.value)
    data = fields.get("content")
    made = {"fresh": True} if fields.get("fresh") else {}
    if not isinstance(data, bytes):
        return {name: fields.get(name) for name in ("path", "size", "sha256")} | made
    if len(data) <= _TEXT and (text := content.text(data)) is not None:
        return {"path": fields.get("path"), "content": text, **made}
    return {"path": fields.get("path"), "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), **made}


def _by_name(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments under names that a path can be written of: `**options` each on its own, `*rest` as `rest`."""
    flat: dict[str, Any] = {}
    for name, value in arguments.items():
        if name.startswith("**") and isinstance(value, dict) and not value.keys() & arguments.keys():
            flat.update(value)
        elif name.startswith("*") and name.lstrip("*") not in arguments:
            flat[name.lstrip("*")] = value
        else:
            flat[name] = value
    return flat


def _error(value: Any) -> Any:
    if not isinstance(value, Tagged):
        return {"type": "", "args": [value]}
    fields = value.value if isinstance(value.value, dict) else {}
    error: dict[str, Any] = {"type": value.type or value.kind, "args": fields.get("args", [])}
    if "exceptions" in fields:
        error["exceptions"] = fields["exceptions"]
    return error


def _web(response: dict[str, Any]) -> dict[str, Any]:
    """A response as it is compared: the body decoded; without `chunks` (how a server cut it) and, where there is a body, without
    `content-length`, which the body itself says more precisely."""
    headers = response.get("headers")
    body = response.get("body")
    kept = {name: value for name, value in response.items() if name != "chunks"}
    if not isinstance(headers, dict) or not isinstance(body, bytes):
        return kept
    if body:
        kept["headers"] = {name: value for name, value in headers.items() if name != "content-length"}
    encoding = headers.get("content-encoding", "")
    kept["body"] = content.inflated(body, encoding if isinstance(encoding, str) else "")
    kind = headers.get("content-type", "")
    if isinstance(kind, str):
        charset = kind.lower().partition("charset=")[2].partition(";")[0].strip(" \"'") or "utf-8"
        try:
            kept["body"] = kept["body"].decode(charset)
        except (LookupError, ValueError):
            pass  # not text: compared as bytes
    return kept


def rewritten(tree: Any, handles: Mapping[int, str], moved: Mapping[str, str]) -> Any:
    """The tree with handles named by what made them (their numbers differ between runs), and moved classes by their new names."""
    try:
        return _rewritten(tree, handles, moved)
    except RecursionError:  # nested deeper than any real result: compared as it stands
        return tree


def _rewritten(tree: Any, handles: Mapping[int, str], moved: Mapping[str, str]) -> Any:
    if isinstance(tree, Tagged):
        if tree.kind == "handle":
            return Tagged("handle", tree.type, handles.get(tree.value, "") if isinstance(tree.value, int) else tree.value)
        return Tagged(
            tree.kind,
            moved.get(tree.type, tree.type),
            _rewritten(tree.value, handles, moved),
            _rewritten(tree.extra, handles, moved),
        )
    if isinstance(tree, dict):
        return {key: _rewritten(value, handles, moved) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_rewritten(value, handles, moved) for value in tree]
    return tree
