"""From a tape to a segment's entry and back."""

from __future__ import annotations

from autoplayback.errors import TapeError
from autoplayback.tape import payload, segment
from autoplayback.tape.draft import Draft
from autoplayback.tape.model import End, Tape
from autoplayback.tape.segment import Entry, EntryWriter


def pack(tape: Tape, writer: EntryWriter) -> Entry:
    """The entry that keeps a tape."""
    outcome = "raised" if tape.outcome.end is End.RAISED else "returned"
    return writer.entry(tape.id, tape.operation, tape.started, tape.duration / 1e9, outcome, len(tape.calls), tape.metadata,
                        payload.dump(tape))


def pack_draft(draft: Draft, rendered: bytes, writer: EntryWriter) -> Entry:
    """The entry of a tape just recorded; `rendered` is its payload."""
    outcome = "raised" if draft.end is End.RAISED else "returned"
    return writer.entry(draft.id, draft.operation, draft.started, draft.duration / 1e9, outcome, len(draft.calls), draft.metadata,
                        rendered)


def unpack(entry: bytes, tape_id: str) -> Tape:
    """The tape of an entry. TapeError where it is damaged, or another one than it should be."""
    tape = payload.load(segment.payload(entry, tape_id))
    if tape.id != tape_id:
        raise TapeError(f"the entry holds the tape {tape.id}", tape_id)
    return tape
