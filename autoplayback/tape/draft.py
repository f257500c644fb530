"""A tape in the making: what a running operation writes to, from any of its threads, and what it becomes at its end.

Used by the recorder and by the player alike, which is why a replay produces a tape too. Values are encoded at the call, on
the caller's thread; everything else (the table of targets, framing, compression) waits for `render`, on another thread.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from autoplayback.originals import perf_counter_ns, time_ns
from autoplayback.tape.model import Call, End, HandleNote, Outcome, Playback, Scalar, Summary, Tape
from autoplayback.tape.values import Encoder


class CallDraft:
    """One call, from its start on. Its fields are those of `model.Call`, `asked` being the encoded arguments; it is UNFINISHED
    until something says otherwise."""

    __slots__ = ("asked", "duration", "end", "items", "receiver", "seq", "started", "target", "value")

    seq: int
    target: Any
    receiver: int | None
    asked: bytes
    started: int
    duration: int
    end: End
    value: bytes
    items: list[bytes] | None

    def start(self, draft: Draft, target: Any, receiver: int | None, asked: bytes) -> None:
        """Puts the call on its tape: takes its sequence number now, so that order is the order of starts."""
        # No constructor: one written in Python is entered by way of C, which costs every call of every operation 100 ns more.
        self.seq = draft.next_seq()
        self.target = target
        self.receiver = receiver
        self.asked = asked
        self.started = perf_counter_ns() - draft.clock
        self.duration = 0
        self.end = End.UNFINISHED
        self.value = b""
        self.items = None
        draft.calls.append(self)


class Draft:
    """One operation under way. Adding a call is safe from any thread: `list.append` and `next` on a count are atomic."""

    __slots__ = ("arguments", "calls", "clock", "duration", "encoder", "end", "environment", "handles", "id", "items", "metadata",
                 "next_seq", "notes", "operation", "playback", "receiver", "seed", "shape", "size", "started", "target", "value")

    def __init__(self, id: str, target: Any, seed: int, environment: Mapping[str, Any], encoder: Encoder | None = None,
                 began: tuple[int, int] | None = None) -> None:
        """`began` is the instant of its start by the clock and by the performance counter, both in ns; now, if not given."""
        self.id = id
        self.target = target
        self.operation: str = target.name
        self.shape: str = target.shape._value_  # `.value` is computed in Python
        self.seed = seed
        self.environment = environment
        self.encoder = encoder or Encoder()
        self.next_seq = itertools.count().__next__
        self.calls: list[CallDraft] = []
        self.handles: list[HandleNote] = []
        self.metadata: dict[str, Scalar] = {}
        self.notes: list[tuple[str, Any]] = []
        self.receiver: bytes | None = None
        self.arguments = b""
        self.end = End.UNFINISHED
        self.value = b""
        self.items: list[bytes] | None = None
        self.playback: Playback | None = None
        self.size = 0
        self.duration = 0
        self.started, self.clock = began or (time_ns(), perf_counter_ns())

    def call(self, target: Any, receiver: int | None, arguments: bytes) -> CallDraft:
        """Starts a call."""
        call = CallDraft()
        call.start(self, target, receiver, arguments)
        return call

    def tape(self) -> Tape:
        """The finished tape, as a value."""
        notes = {target: target.note for target in {self.target, *(call.target for call in self.calls)}}
        calls = tuple(
            Call(c.seq, notes[c.target], c.receiver, c.asked,
                 Outcome(c.end, c.value, None if c.items is None else tuple(c.items)), c.started, c.duration)
            for c in sorted(self.calls, key=lambda c: c.seq)
        )
        return Tape(
            self.id, self.operation, notes[self.target], self.shape, self.started, self.duration, self.seed, self.receiver,
            self.arguments, calls, Outcome(self.end, self.value, None if self.items is None else tuple(self.items)),
            dict(self.metadata), dict(self.environment), tuple(self.notes), tuple(self.handles),
            tuple(dict.fromkeys(self.encoder.opaque)),
            self.playback,
        )

    def summary(self, size: int) -> Summary:
        """The tape's row in an index, `size` being its compressed bytes."""
        outcome = "raised" if self.end is End.RAISED else "returned"
        seconds = self.duration / 1e9
        return Summary(self.id, self.operation, self.started, seconds, outcome, len(self.calls), size, dict(self.metadata))
