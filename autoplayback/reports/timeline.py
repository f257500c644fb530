"""One tape for people: its calls as a timeline; and the same as a document for programs. Neither needs the service's code."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.text import Text

from autoplayback.errors import TapeError
from autoplayback.reports.words import bytesize, clean, seconds
from autoplayback.tape.model import Call, End, HandleNote, Outcome, Tape
from autoplayback.tape.values import Inert, Tagged, inspect, named, render

SHORT = 200
"""Characters of a value before it is cut."""

FULL = 1 << 30
_DEPTH = 60
_ROLES = {"input": "cyan", "output": "magenta", "operation": "bold"}
_BAD = {End.RAISED: "red", End.CLOSED: "yellow", End.UNFINISHED: "yellow"}


def lines(tape: Tape, limit: int | None = SHORT) -> Iterator[Text]:
    """The timeline, a line at a time; values of more than `limit` characters are cut, with their size said."""
    limit = FULL if limit is None else limit
    handles = {handle.id: handle for handle in tape.handles}
    yield Text.assemble((clean(tape.operation), "bold"), "  ", _outcome_word(tape.outcome), f" in {seconds(tape.duration / 1e9)}",
                        ("  " + clean(tape.id), "dim"))
    when = datetime.fromtimestamp(tape.started / 1e9).astimezone()
    yield Text(f"  {when:%Y-%m-%d %H:%M:%S.%f %Z}{_origin(tape.environment)}", "dim")
    if tape.metadata:
        pairs = ", ".join(f"{key} = {render(value, limit)}" for key, value in tape.metadata.items())
        yield Text.assemble(("  metadata  ", "dim"), clean(pairs))
    if tape.opaque:
        yield Text.assemble(("  not recorded  ", "yellow"), "values of ", clean(", ".join(tape.opaque)))
    yield Text("")
    yield Text.assemble((clean(f"{tape.target.module}:{tape.target.qualname}"), "bold"), (clean(f"  {tape.shape}"), "dim"))
    yield from _arguments(tape.arguments, tape.target.parameters, limit, "  ")
    if tape.calls:
        yield Text("")
    for call in tape.calls:
        yield from _call(call, handles, limit)
    yield Text("")
    yield Text.assemble(("result" if tape.outcome.end is not End.RAISED else "error", "bold"))
    yield from _outcome(tape.outcome, limit, "  ")
    for key, value in tape.notes:
        yield Text.assemble(("note  ", "dim"), clean(f"{key} = "), _note(value, limit))
    if tape.playback is not None:
        proof = tape.playback
        yield Text(f"replayed: {proof.answered} calls answered, {proof.unused} unused, {proof.unanswered} unanswered", "dim")
        for miss in proof.misses:
            yield Text.assemble((clean(f"  {miss.kind} {miss.target}: {miss.reason}"), "red"), clean(f"  {miss.site}"))


def _call(call: Call, handles: Mapping[int, HandleNote], limit: int) -> Iterator[Text]:
    on = f" on #{call.receiver}" if call.receiver is not None else ""
    yield Text.assemble(
        (f"{call.seq:>4}  {'+' + seconds(call.started / 1e9):>9}  ", "dim"),
        (clean(f"{call.target.role:<6} "), _ROLES.get(call.target.role, "")),
        (clean(call.target.name), "bold"), (on, "dim"), "  ",
        _outcome_word(call.outcome), (f" in {seconds(call.duration / 1e9)}", "dim"),
    )
    yield from _arguments(call.arguments, call.target.parameters, limit, " " * 17)
    yield from _outcome(call.outcome, limit, " " * 17)


def _arguments(document: bytes, parameters: tuple[tuple[str, int], ...], limit: int, indent: str) -> Iterator[Text]:
    try:
        found = named(document, parameters)
    except TapeError as error:
        yield Text(f"{indent}{clean(str(error))}", "red")
        return
    for name, value in found.items():
        yield Text.assemble(indent, (clean(name), "green"), " = ", _shown(value, limit))


def _outcome(outcome: Outcome, limit: int, indent: str) -> Iterator[Text]:
    if outcome.items is not None:
        shown = outcome.items if limit == FULL else outcome.items[:10]
        for number, item in enumerate(shown):
            yield Text.assemble(indent, (f"[{number}] ", "dim"), _read(item, limit))
        if len(outcome.items) > len(shown):
            yield Text(f"{indent}… {len(outcome.items) - len(shown):,} items more", "dim")
    if outcome.value:
        style = "red" if outcome.end is End.RAISED else ""
        yield Text.assemble(indent, ("→ ", "dim"), (_read(outcome.value, limit), style))


def _outcome_word(outcome: Outcome) -> tuple[str, str]:
    word = outcome.end.value
    if outcome.items is not None:
        word += f" after {len(outcome.items):,} item{'s' * (len(outcome.items) != 1)}"
    return word, _BAD.get(outcome.end, "green")


def _origin(environment: Mapping[str, Any]) -> str:
    said = [f"{word} {environment[key]}" for key, word in (("service", "of"), ("code", "version"), ("host", "on"), ("pid", "pid"),
                                                        ("python", "python")) if environment.get(key)]
    return clean("  " + "  ".join(said)) if said else ""


def _read(document: bytes, limit: int) -> str:
    try:
        return _shown(inspect(document), limit)
    except TapeError as error:
        return clean(f"<{error}>")


def _note(value: Any, limit: int) -> str:
    return _read(value, limit) if isinstance(value, bytes) else clean(render(value, limit))


def _shown(value: Inert, limit: int) -> str:
    text = clean(render(value, limit))
    return f"{text} ({_size(value)})" if len(text) >= limit else text


def _size(value: Inert) -> str:
    """How much a value that was cut holds."""
    inner = value.value if isinstance(value, Tagged) else value
    if isinstance(inner, (bytes, bytearray)):
        return bytesize(len(inner))
    if isinstance(inner, str):
        return f"{len(inner):,} characters"
    if isinstance(inner, list):
        return f"{len(inner):,} items"
    if isinstance(inner, dict):
        return f"{len(inner):,} {'fields' if isinstance(value, Tagged) else 'entries'}"
    return "cut"


def document(tape: Tape) -> dict[str, Any]:
    """Everything `lines` shows, uncut, as plain data which JSON can hold."""
    return {
        "tape": tape.id,
        "operation": tape.operation,
        "target": f"{tape.target.module}:{tape.target.qualname}",
        "shape": tape.shape,
        "started": timestamp(tape.started),
        "seconds": tape.duration / 1e9,
        **_outcome_document(tape.outcome),
        "arguments": _arguments_document(tape.arguments, tape.target.parameters),
        "metadata": {str(key): plain(value) for key, value in tape.metadata.items()},
        "environment": {str(key): plain(value) for key, value in tape.environment.items()},
        "notes": [[key, plain(inspect(value) if isinstance(value, bytes) else value)] for key, value in tape.notes],
        "handles": [
            {"id": handle.id, "name": handle.name, "type": handle.type, "made_by": handle.made_by} for handle in tape.handles
        ],
        "opaque": list(tape.opaque),
        "calls": [
            {
                "seq": call.seq,
                "role": call.target.role,
                "name": call.target.name,
                "target": f"{call.target.module}:{call.target.qualname}",
                "on": call.receiver,
                "arguments": _arguments_document(call.arguments, call.target.parameters),
                **_outcome_document(call.outcome),
                "at": call.started / 1e9,
                "seconds": call.duration / 1e9,
            }
            for call in tape.calls
        ],
    }


def timestamp(nanoseconds: int) -> str:
    """A moment as ISO 8601 in UTC, to the microsecond; exact, where going through a float would not be."""
    whole, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"


def plain(value: Inert, depth: int = 0) -> Any:
    """An inert value as data for JSON. What JSON lacks becomes a map whose keys begin with `$`."""
    if depth > _DEPTH:
        return {"$cut": render(value, SHORT)}
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": repr(value)}
    if isinstance(value, (bytes, bytearray)):
        return _bytes(bytes(value))
    if isinstance(value, list):
        return [plain(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, Tagged):
        name = {"$type": value.type} if value.type else {}
        return {f"${value.kind}": plain(value.value, depth + 1), **name}
    return value


def _bytes(value: bytes) -> dict[str, str]:
    try:
        return {"$bytes": value.decode("utf-8")}
    except UnicodeDecodeError:
        import base64

        return {"$base64": base64.b64encode(value).decode("ascii")}


def _outcome_document(outcome: Outcome) -> dict[str, Any]:
    found: dict[str, Any] = {"outcome": outcome.end.value}
    if outcome.items is not None:
        found["items"] = [plain(inspect(item)) for item in outcome.items]
    if outcome.value:
        found["error" if outcome.end is End.RAISED else "result"] = plain(inspect(outcome.value))
    return found


def _arguments_document(document: bytes, parameters: tuple[tuple[str, int], ...]) -> dict[str, Any]:
    return {name: plain(value) for name, value in named(document, parameters).items()}
