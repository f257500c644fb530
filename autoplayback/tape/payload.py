"""A whole tape as bytes, and back. Values stay encoded documents of their own (`bin`), so that one can be read without the
others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from operator import itemgetter
from typing import Any, Final, NamedTuple

import msgspec
import ormsgpack

from autoplayback.errors import TapeError
from autoplayback.originals import random_bytes
from autoplayback.tape.draft import Draft
from autoplayback.tape.migrations import VERSION, migrated
from autoplayback.tape.model import Call, End, HandleNote, Outcome, Playback, Tape, TargetNote
from autoplayback.tape.wire import bin_head

LARGE: Final = 64 << 10
"""Bytes of a document from which on it isn't copied into the payload."""
_DOCUMENTS: Final = frozenset({"receiver", "arguments", "outcome", "calls"})
_ASKED, _VALUE, _ITEMS = (itemgetter(place) for place in (3, 5, 6))


def dump(tape: Tape) -> bytes:
    """The payload of a tape, as FORMAT.md describes it."""
    targets: dict[TargetNote, int] = {tape.target: 0}
    calls = [
        [c.seq, targets.setdefault(c.target, len(targets)), c.receiver, c.arguments, c.outcome.end, c.outcome.value,
         c.outcome.items, c.started, c.duration]
        for c in tape.calls
    ]
    outcome = (tape.outcome.end, tape.outcome.value, tape.outcome.items)
    return _serialized(_payload(tape, outcome, list(targets), calls, tape.opaque))


class Rendered(NamedTuple):
    """The payload of a draft, and what went into it: late threads may still write to the draft itself."""

    pieces: list[bytes]
    """The payload: all of it, or cut around its large documents, since copying those costs more than all else."""
    targets: list[TargetNote]
    documents: list[bytes]
    """The encoded values, but for those of streams."""
    streams: list[list[bytes]]
    """The encoded items of each stream: a text may lie across the border of two."""
    names: list[str]
    """What notes are called."""
    metadata: Mapping[str, Any]
    environment: Mapping[str, Any]

    @property
    def data(self) -> bytes:
        """The payload in one piece."""
        return self.pieces[0] if len(self.pieces) == 1 else b"".join(self.pieces)


def packed(draft: Draft) -> bytes:
    """The payload of a draft's tape: what `dump(draft.tape())` gives, without the values in between."""
    return _serialized(_of_draft(draft)[0])


def drafted(draft: Draft) -> Rendered:
    """The same, with what went into it."""
    payload, targets, calls = _of_draft(draft)
    outcome = payload["outcome"]
    documents = [payload["arguments"], outcome[1], *map(_ASKED, calls), *map(_VALUE, calls)]
    documents += [arguments for *_, arguments in payload["handles"]]
    documents += [note for _, note in payload["notes"]]
    if payload["receiver"]:
        documents.append(payload["receiver"])
    streams = [items for items in (outcome[2], *map(_ITEMS, calls)) if items]
    names = [name for name, _ in payload["notes"]]
    pieces = _cut(payload) if draft.size >= LARGE else [_serialized(payload)]
    return Rendered(pieces, targets, documents, streams, names, payload["metadata"], draft.environment)


def _of_draft(draft: Draft) -> tuple[dict[str, Any], list[TargetNote], list[tuple[Any, ...]]]:
    """Its payload, still as a map, and the targets and calls in that."""
    numbers = _Numbers({draft.target: 0})
    # A list grows while late threads still append to it: taken once, so that all parts of the payload agree. An `End` goes in as
    # its plain text, since packing a member of an enumeration costs as much as the rest of a call.
    calls = [
        (c.seq, numbers[c.target], c.receiver, c.asked, c.end._value_, c.value, c.items, c.started, c.duration)
        for c in tuple(draft.calls)
    ]
    calls.sort()  # by their numbers, of which there are no two alike
    targets = [target.note for target in numbers]
    outcome = (draft.end._value_, draft.value, draft.items)
    return _payload(draft, outcome, targets, calls, tuple(dict.fromkeys(draft.encoder.opaque))), targets, calls


class _Numbers(dict[Any, int]):
    """Targets by the order in which they are met."""

    def __missing__(self, target: Any) -> int:
        number = self[target] = len(self)
        return number


def _cut(payload: dict[str, Any]) -> list[bytes]:
    """A payload in pieces. In the place of each large document a mark is packed, of which there is no other."""
    held: dict[bytes, bytes] = {}

    def place(value: Any) -> Any:
        if type(value) is list or type(value) is tuple:
            return [place(item) for item in value]
        if type(value) is not bytes or len(value) < LARGE:
            return value
        mark = random_bytes(16)
        held[mark] = value
        return mark

    rest = _serialized({name: place(value) if name in _DOCUMENTS else value for name, value in payload.items()})
    pieces: list[bytes] = []
    for mark, document in sorted(held.items(), key=lambda item: rest.index(item[0])):
        before, rest = rest.split(b"\xc4\x10" + mark)
        pieces += (before, bin_head(len(document)), document)
    return [*pieces, rest]


def _payload(
    tape: Tape | Draft, outcome: tuple[Any, ...], targets: list[TargetNote], calls: list[Any], opaque: tuple[str, ...]
) -> dict[str, Any]:
    payload = {
        "version": VERSION,
        "id": tape.id,
        "operation": tape.operation,
        "shape": tape.shape,
        "started": tape.started,
        "duration": tape.duration,
        "seed": tape.seed if 0 <= tape.seed < 1 << 64 else str(tape.seed),
        "receiver": tape.receiver,
        "arguments": tape.arguments,
        "outcome": outcome,
        "targets": [[t.name, t.role, t.module, t.qualname, t.parameters] for t in targets],
        "calls": calls,
        "handles": [[h.id, h.name, h.type, h.made_by, h.arguments] for h in tape.handles],
        "metadata": dict(tape.metadata),
        "environment": dict(tape.environment),
        "notes": list(tape.notes),
        "opaque": opaque,
    }
    if tape.playback is not None:
        payload["playback"] = tape.playback
    return payload


def _serialized(payload: dict[str, Any]) -> bytes:
    try:
        return _pack(payload)
    except TypeError:  # a lone surrogate or a huge integer in what isn't an encoded value
        return _pack(_cleaned(payload))


_pack: Final = partial(ormsgpack.packb, option=ormsgpack.OPT_NON_STR_KEYS)


def load(data: bytes) -> Tape:
    """The tape of a payload; TapeError where it isn't one, NewerFormat where a later version wrote it."""
    try:
        payload = _typed(data)
        if payload.version != VERSION:
            payload = _older(data)
    except _UNREADABLE:
        payload = _older(data)
    return _tape(payload)


def _older(data: bytes) -> _Payload:
    """A payload of an earlier version, as this one's; also says what is wrong with one that can't be read."""
    try:
        payload = ormsgpack.unpackb(data, option=ormsgpack.OPT_NON_STR_KEYS)
    except (ValueError, TypeError) as error:
        raise TapeError(f"not a tape's payload: {error}") from None
    if type(payload) is not dict:
        raise TapeError("not a tape's payload: no map")
    try:
        return _typed(_serialized(migrated(payload)))
    except _UNREADABLE as error:
        raise TapeError(f"a tape of another form: {error}") from None


def _cleaned(value: Any) -> Any:
    """What MessagePack can hold: text in the place of anything it can't."""
    if is_dataclass(value):
        return {field.name: _cleaned(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {_cleaned(str(key)): _cleaned(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_cleaned(item) for item in value]
    if value is None or isinstance(value, (bool, float, bytes)):
        return value
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 64:
        return int(value)
    text = str.__str__(value) if isinstance(value, str) else str(value)
    return text.encode("utf-8", "backslashreplace").decode()


class _Target(msgspec.Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    name: str
    role: str
    module: str
    qualname: str
    parameters: tuple[tuple[str, int], ...]


class _Outcome(msgspec.Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    end: End
    value: bytes
    items: tuple[bytes, ...] | None


class _Call(msgspec.Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    seq: int
    target: int
    receiver: int | None
    arguments: bytes
    end: End
    value: bytes
    items: tuple[bytes, ...] | None
    started: int
    duration: int


class _Handle(msgspec.Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    id: int
    name: str
    type: str
    made_by: int | None
    arguments: bytes


class _Payload(msgspec.Struct, gc=False):
    """What FORMAT.md says of a payload, for msgspec to check. A later autoplayback may add what this one needn't know."""

    version: int
    id: str
    operation: str
    shape: str
    started: int
    duration: int
    seed: int | str
    receiver: bytes | None
    arguments: bytes
    outcome: _Outcome
    targets: list[_Target]
    calls: list[_Call]
    handles: list[_Handle]
    metadata: dict[Any, Any]
    environment: dict[Any, Any]
    notes: tuple[tuple[str, Any], ...]
    opaque: tuple[str, ...]
    playback: Playback | None = None


_typed: Final = msgspec.msgpack.Decoder(_Payload).decode
_UNREADABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)


def _tape(payload: _Payload) -> Tape:
    targets = [TargetNote(t.name, t.role, t.module, t.qualname, t.parameters) for t in payload.targets]
    if not targets:
        raise TapeError("a tape without targets")
    outcome = payload.outcome
    return Tape(
        id=payload.id, operation=payload.operation, target=targets[0], shape=payload.shape, started=payload.started,
        duration=payload.duration, seed=_seed(payload.seed), receiver=payload.receiver, arguments=payload.arguments,
        calls=tuple([_call(c, targets) for c in payload.calls]), outcome=Outcome(outcome.end, outcome.value, outcome.items),
        metadata=payload.metadata, environment=payload.environment, notes=payload.notes,
        handles=tuple([HandleNote(h.id, h.name, h.type, h.made_by, h.arguments) for h in payload.handles]),
        opaque=payload.opaque, playback=payload.playback,
    )  # fmt: skip


def _call(call: _Call, targets: list[TargetNote]) -> Call:
    if not 0 <= call.target < len(targets):
        raise TapeError("a call of a target that isn't on the tape")
    outcome = Outcome(call.end, call.value, call.items)
    return Call(call.seq, targets[call.target], call.receiver, call.arguments, outcome, call.started, call.duration)


def _seed(seed: int | str) -> int:
    if isinstance(seed, str) and not (len(seed) < 1000 and seed.lstrip("-").isdecimal()):
        raise TapeError("a tape whose seed is no number")
    return int(seed)
