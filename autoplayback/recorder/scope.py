"""One operation being recorded: its draft, its handles, and whether it still becomes a tape."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

from autoplayback.interception.context import Muted, Scope
from autoplayback.interception.handles import state
from autoplayback.interception.target import Role, Target
from autoplayback.originals import perf_counter_ns, process_id, random_bytes, time_ns
from autoplayback.recorder.documents import secrets_named
from autoplayback.recorder.metadata import scalars
from autoplayback.tape import ulid
from autoplayback.tape.draft import Draft
from autoplayback.tape.model import HandleNote, Scalar
from autoplayback.tape.values import Encoder

TOO_LARGE = "tape too large"
_OVER = Muted(Scope())
"""The scope inside calls of operations that have ended: others may begin there."""
_OVER.owner.closed = True
_NOWHERE = Draft("", Target(Role.OPERATION, "", "", ""), 0, {})
"""What a thread writes to that comes upon an operation in the instant of its end."""
_NOWHERE.calls = deque(maxlen=0)  # type: ignore[assignment]  # a list which stays empty


class Sink(Protocol):
    """Where finished drafts go: the spool."""

    def offer(self, draft: Draft) -> bool:
        """Takes a finished draft, or drops and counts it; never blocks, never raises."""

    def lose(self, reason: str) -> None:
        """Counts a tape lost before it got here."""

    def left(self) -> None:
        """Hears that the sampler left an operation out, and has counted it."""


class Sampler(Protocol):
    """Which operations become tapes."""

    needs_tail: bool
    """Whether operations that `head` left out may still be wanted for how they ended."""

    def head(self, operation: str, metadata: Mapping[str, Scalar]) -> bool:
        """Whether to record this operation, by what its entry tells."""

    def tail(self, operation: str, metadata: Mapping[str, Scalar], outcome: str, seconds: float, *, chosen: bool) -> bool:
        """Whether to keep the tape, by how it ended; `chosen` is what `head` said."""


class Keeper(Protocol):
    """What a scope and its passages need of their recorder."""

    sink: Sink
    sampler: Sampler
    tape_limit: int

    def fault(self, error: BaseException | str) -> None: ...


class Handles:
    """The live objects of one tape: numbered when first seen. Knows nothing of the operation, or both would wait for the
    garbage collector, and all that was recorded with them."""

    __slots__ = ("_next", "_numbers", "notes")

    def __init__(self) -> None:
        self.notes: list[HandleNote] = []
        # By serial: kept alive by us, a cursor would hold its locks until the operation's end.
        self._numbers: dict[int, int] = {}
        self._next = itertools.count().__next__

    def number(self, handle: Any, made_by: int | None = None) -> int | None:
        """The handle's number on this tape; None for what isn't a handle of ours."""
        if not getattr(type(handle), "__autoplayback_handle__", False):
            return None
        made = state(handle)
        known = self._numbers.get(made.serial)
        if known is not None:
            return known
        fresh = self._next()
        # setdefault is atomic: of two threads that meet the same pooled connection, both get the first one's number.
        number = self._numbers.setdefault(made.serial, fresh)
        if number != fresh:
            return number
        arguments = b"" if made_by is not None else secrets_named(made.arguments, made.maker.parameters)
        self.notes.append(HandleNote(number, made.maker.name, made.type, made_by, arguments))
        return number


class RecorderScope(Scope):
    """One operation being recorded."""

    __slots__ = ("chosen", "draft", "handles", "kept", "limit", "lost", "muted", "pid", "recorder")

    def __init__(
        self, recorder: Keeper, target: Target, metadata: Mapping[str, Scalar], environment: Mapping[str, Any], *, chosen: bool
    ) -> None:
        randomness = random_bytes(24)  # once for all: each is a call to the kernel
        Scope.__init__(self, int.from_bytes(randomness[16:], "big") >> 1)
        self.recorder = recorder
        self.muted = Muted(self)
        """The scope inside its calls."""
        self.limit = recorder.tape_limit
        self.chosen = chosen
        self.kept: bool | None = None
        self.lost: str | None = None
        self.pid = process_id()
        self.handles = Handles()
        # Both at one instant: what comes between them, which in a process's first tape is milliseconds, the operation's own times
        # would lie behind its end by.
        started, clock = time_ns(), perf_counter_ns()
        encoder = Encoder(self.handles.number)
        self.draft = Draft(ulid.new(started, randomness[:16]), target, self.seed, environment, encoder, (started, clock))
        self.draft.handles = self.handles.notes
        if metadata:
            self.draft.metadata.update(metadata)

    @property
    def tape_id(self) -> str:  # type: ignore[override]  # the base has a plain None
        """The id of the tape being made."""
        return self.draft.id

    @property
    def began(self) -> int:  # type: ignore[override]  # the base has a plain None
        """When the operation was entered, in ns since the epoch."""
        return self.draft.started

    def close(self) -> None:
        """Ends the operation: nothing more is noted. Lets go of the draft, whose calls refer back here, so that its memory is
        free as soon as it is written and not only when the garbage collector comes by."""
        self.closed = True
        self.muted, self.draft = _OVER, _NOWHERE

    def grew(self, size: int) -> None:
        """Counts encoded bytes; a tape over its bound is dropped whole, and its memory freed at once."""
        self.draft.size += size
        if self.draft.size > self.limit:
            self.lose(TOO_LARGE)

    def lose(self, error: BaseException | str) -> None:
        """Gives this tape up, once; the operation goes on unrecorded."""
        if self.lost is None:
            self.lost = error if isinstance(error, str) else f"fault: {type(error).__name__}"
            if not self.closed:
                self.draft.calls = []
            self.recorder.fault(self.lost)

    def annotate(self, metadata: dict[str, Any]) -> None:
        self.draft.metadata.update(scalars(metadata))

    def note(self, key: str, value: Any) -> None:
        try:
            self.draft.notes.append((str(key), self.draft.encoder.encode(value)))
        except Exception as error:
            self.lose(error)

    def keep(self) -> None:
        self.kept = True

    def discard(self) -> None:
        self.kept = False
