"""From a tape to a segment's entry and back."""

from __future__ import annotations

from autoplayback.errors import TapeError
from autoplayback.tape import payload, segment
from autoplayback.tape.draft import Draft
from autoplayback.tape.model import End, Tape
from autoplayback.tape.segment import Entry, EntryWriter, Facts


def pack(tape: Tape, writer: EntryWriter) -> Entry:
    """The entry that keeps a tape."""
    return writer.entry(*facts(tape), payload.dump(tape))


def facts(tape: Tape) -> Facts:
    """What a tape is found by."""
    outcome = "raised" if tape.outcome.end is End.RAISED else "returned"
    return tape.id, tape.operation, tape.started, tape.duration / 1e9, outcome, len(tape.calls), tape.metadata


def drafted_facts(draft: Draft) -> Facts:
    """The same of a tape just recorded."""
    outcome = "raised" if draft.end is End.RAISED else "returned"
    return draft.id, draft.operation, draft.started, draft.duration / 1e9, outcome, len(draft.calls), draft.metadata


def unpack(entry: bytes, tape_id: str) -> Tape:
    """The tape of an entry. TapeError where it is damaged, or another one than it should be."""
    tape = payload.load(segment.payload(entry, tape_id))
    if tape.id != tape_id:
        raise TapeError(f"the entry holds the tape {tape.id}", tape_id)
    return tape
