"""A whole tape as bytes, and back. Values stay encoded documents of their own (`bin`), so that one can be read without the
others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import partial
from operator import itemgetter
from typing import Any, Final, NamedTuple

import ormsgpack

from autoplayback.errors import TapeError
from autoplayback.originals import random_bytes
from autoplayback.tape.draft import Draft
from autoplayback.tape.migrations import VERSION, migrated
from autoplayback.tape.model import Call, End, HandleNote, Miss, Outcome, Playback, Tape, TargetNote
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
        payload = ormsgpack.unpackb(data)
    except (ValueError, TypeError) as error:
        raise TapeError(f"not a tape's payload: {error}") from None
    if type(payload) is not dict:
        raise TapeError("not a tape's payload: no map")
    return _Loader(migrated(payload)).tape()


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


class _Loader:
    """Takes a payload apart, checking each field's type on the way."""

    def __init__(self, payload: dict[str, Any]) -> None:
        self.payload = payload
        self.targets: list[TargetNote] = []

    def tape(self) -> Tape:
        self.targets = [self.target(entry) for entry in self.get("targets", list)]
        if not self.targets:
            raise TapeError("a tape without targets")
        playback = self.payload.get("playback")
        return Tape(
            id=self.get("id", str), operation=self.get("operation", str), target=self.targets[0], shape=self.get("shape", str),
            started=self.get("started", int), duration=self.get("duration", int), seed=self.seed(),
            receiver=self.get("receiver", bytes, type(None)), arguments=self.get("arguments", bytes),
            calls=tuple([self.call(entry) for entry in self.get("calls", list)]), outcome=self.outcome(self.get("outcome", list)),
            metadata=self.get("metadata", dict), environment=self.get("environment", dict),
            notes=tuple([self.note(entry) for entry in self.get("notes", list)]),
            handles=tuple([self.handle(entry) for entry in self.get("handles", list)]),
            opaque=self.texts(self.get("opaque", list)),
            playback=None if playback is None else self.playback(playback),
        )

    def get(self, name: str, *kinds: type) -> Any:
        value = self.payload.get(name, self)
        if value is self:
            raise TapeError(f"a tape without {name!r}")
        if type(value) not in kinds:
            raise TapeError(f"a tape whose {name!r} is {type(value).__name__}")
        return value

    def seed(self) -> int:
        seed = self.get("seed", int, str)
        if type(seed) is str and not (len(seed) < 1000 and seed.lstrip("-").isdecimal()):
            raise TapeError("a tape whose seed is no number")
        return int(seed)

    def target(self, entry: Any) -> TargetNote:
        name, role, module, qualname, parameters = _checked(entry, "a target", str, str, str, str, list)
        return TargetNote(name, role, module, qualname, tuple([tuple(_checked(p, "a parameter", str, int)) for p in parameters]))

    def call(self, entry: Any) -> Call:
        # By far the most of a tape's parts, and loaded by each side of a replay: looked at in one stroke where all is well.
        if type(entry) is not list or tuple(map(type, entry)) not in _CALLS:
            _checked(entry, "a call", int, int, (int, type(None)), bytes, str, bytes, (list, type(None)), int, int)
        seq, target, receiver, arguments, end, value, items, started, duration = entry
        if not 0 <= target < len(self.targets):
            raise TapeError("a call of a target that isn't on the tape")
        return Call(seq, self.targets[target], receiver, arguments, _outcome(end, value, items), started, duration)

    def outcome(self, entry: Any) -> Outcome:
        return _outcome(*_checked(entry, "an outcome", str, bytes, (list, type(None))))

    def handle(self, entry: Any) -> HandleNote:
        return HandleNote(*_checked(entry, "a handle", int, str, str, (int, type(None)), bytes))

    def note(self, entry: Any) -> tuple[str, Any]:
        if type(entry) is not list or len(entry) != 2 or type(entry[0]) is not str:
            raise TapeError("a note without a key")
        return entry[0], entry[1]

    def match(self, entry: Any) -> tuple[int, int, str]:
        if type(entry) is not list or tuple(map(type, entry)) != _MATCH:
            _checked(entry, "a match", int, int, str)
        new, old, tier = entry
        return new, old, tier

    def texts(self, entry: list[Any]) -> tuple[str, ...]:
        if not all(type(item) is str for item in entry):
            raise TapeError("a list of something else than text")
        return tuple(entry)

    def playback(self, entry: Any) -> Playback:
        known = _known(entry, Playback, "a playback")
        known["misses"] = tuple([Miss(**_known(miss, Miss, "a miss")) for miss in _list(known.get("misses", []))])
        known["unused_calls"] = tuple(_list(known.get("unused_calls", [])))
        known["matched"] = tuple([self.match(entry) for entry in _list(known.get("matched", []))])
        known["lanes"] = tuple(_list(known.get("lanes", [])))
        known["boundary"] = self.texts(_list(known.get("boundary", [])))
        return Playback(**known)


def _outcome(end: str, value: bytes, items: list[Any] | None) -> Outcome:
    if end not in _BY_VALUE:
        raise TapeError(f"an outcome that is {end!r}")
    if items is not None and not all(type(item) is bytes for item in items):
        raise TapeError("a stream of something else than documents")
    return Outcome(_BY_VALUE[end], value, None if items is None else tuple(items))


_CALLS: Final = {
    (int, int, receiver, bytes, str, bytes, items, int, int) for receiver in (int, type(None)) for items in (list, type(None))
}
_MATCH: Final = (int, int, str)
_BY_VALUE: Final = {end.value: end for end in End}
_SIMPLE: Final = {"int": int, "str": str, "bool": bool}


def _known(entry: Any, cls: Any, what: str) -> dict[str, Any]:
    """The fields of a dataclass in a map; those it doesn't know are left out."""
    if type(entry) is not dict:
        raise TapeError(f"{what} that is no map")
    result = {}
    for field in fields(cls):
        if field.name in entry:
            kind = _SIMPLE.get(str(field.type))
            if kind is not None and type(entry[field.name]) is not kind:
                raise TapeError(f"{what} whose {field.name!r} is {type(entry[field.name]).__name__}")
            result[field.name] = entry[field.name]
        elif field.default is MISSING and field.default_factory is MISSING:
            raise TapeError(f"{what} without {field.name!r}")
    return result


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise TapeError("no list where one should be")
    return value


def _checked(entry: Any, what: str, *kinds: type | tuple[type, ...]) -> list[Any]:
    """The parts of an entry, each of the type it should have."""
    if type(entry) is not list or len(entry) != len(kinds):
        raise TapeError(f"{what} of another form")
    for part, kind in zip(entry, kinds, strict=True):
        if type(part) is not kind and not (type(kind) is tuple and type(part) in kind):
            raise TapeError(f"{what} with {type(part).__name__} out of place")
    return entry
