"""One tape being played: what answered, what could not be answered, and the tape that the replay itself makes."""

from __future__ import annotations

import errno
import sys
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import nullcontext
from time import process_time_ns
from typing import Any, NoReturn

from autoplayback.errors import AutoplaybackError, Diverged, ReplayError
from autoplayback.interception.context import Muted, Scope, current
from autoplayback.interception.files import FileCodec
from autoplayback.interception.handles import Handle, is_handle, replayed, state
from autoplayback.interception.protocol import Answer, Interceptor
from autoplayback.interception.target import Shape, Target
from autoplayback.originals import allocate_lock, perf_counter_ns
from autoplayback.player import caught, misses, tripwire
from autoplayback.player.clock import Clock
from autoplayback.player.files import restored
from autoplayback.player.lanes import Lanes
from autoplayback.player.matching import Matcher
from autoplayback.player.passages import AnsweredPassage, MissingPassage, OperationPassage
from autoplayback.player.pending import overlapping, pending
from autoplayback.tape.draft import CallDraft, Draft
from autoplayback.tape.model import Call, End, Miss, Playback, Scalar, Tape
from autoplayback.tape.values import Encoder, Trust, rebuild

Disguise = Callable[[bytes, tuple[str, ...], tuple[tuple[str, int], ...]], bytes]
"""Arguments as redaction would have left them on a tape: a service that has real secrets at replay still finds its answers."""
LENGTHS = (".__len__", ".__length_hint__")
SHOWN = 100
"""Unused calls and misses that a proof names."""


class PlayerScope(Scope):
    """The operation under replay, as its calls and the service's `annotate` and `note` see it."""

    __slots__ = ("muted", "session")

    def __init__(self, session: Session, seed: int) -> None:
        super().__init__(seed)
        self.session = session
        self.muted = Muted(self)

    @property
    def tape_id(self) -> str:  # type: ignore[override]  # the base has a plain None
        """The id of the recorded tape: what the service writes into its logs stays the same."""
        return self.session.tape.id

    def annotate(self, metadata: dict[str, Any]) -> None:
        plain = (str, int, float, bool, type(None))
        values: dict[str, Scalar] = {key: value if isinstance(value, plain) else str(value) for key, value in metadata.items()}
        self.session.draft.metadata.update(values)

    def note(self, key: str, value: Any) -> None:
        draft = self.session.draft
        draft.notes.append((str(key), draft.encoder.encode(value)))


class Session:
    """One tape being played. Its calls may come from any thread; `_lock` keeps matching and its order of one piece."""

    def __init__(
        self, tape: Tape, interceptor: Interceptor, trust: Trust, clock: Clock, disguise: Disguise | None = None
    ) -> None:
        self.tape = tape
        # Made by `begin`: before it there is nothing to note, and nothing in a host that only a collector could free.
        self.scope: PlayerScope = None  # type: ignore[assignment]
        self.draft: Draft = None  # type: ignore[assignment]
        self.misses: list[Miss] = []
        self.fault: str | None = None
        """Why the tool itself could not go on: the verdict is then `error`, whatever the code did with the exception."""
        self.raised_memory_error = False
        self.raised_at = ""
        self.on_begin: Callable[[], None] | None = None
        """Called right before the operation's own code runs."""
        self.on_let: Callable[[bool], None] = lambda through: None
        """Called as a call is let through, and when it is over."""
        self.on_miss: Callable[[], None] | None = None
        """Called at the first miss."""
        self._interceptor = interceptor
        self._trust = trust
        self.clock = clock
        self._disguise = disguise
        self._matcher = Matcher(tape)
        self._matched: list[tuple[int, int, str]] = []
        self._lanes = Lanes()
        self._answered = 0
        self._cpu = 0
        self._entered = 0
        """The thread that entered the operation."""
        self._together = False
        """Whether calls were under way at the same time when the tape was recorded."""
        self._handles: dict[int, Handle] = {}
        self._places: dict[int, int] = {}
        self._lock = allocate_lock()

    def prepare(self, targets: Iterable[Target]) -> None:
        """Sorts the recorded calls by the targets that will ask for them: before the fork, it costs no tape's process."""
        self._matcher.prepare(targets)
        self._together = overlapping(self.tape)

    def begin(self, target: Target, args: tuple[Any, ...], kwargs: dict[str, Any]) -> OperationPassage:
        """The operation's own code is about to be entered."""
        self.scope = PlayerScope(self, self.tape.seed)
        self.draft = Draft(self.tape.id, target, self.tape.seed, self.tape.environment, Encoder(self._number))
        self.draft.operation = self.tape.operation
        self.draft.metadata = {}
        self.draft.arguments = self.draft.encoder.arguments(args, kwargs)
        self._lanes.enter()
        if self.on_begin is not None:
            self.on_begin()
        caught.forget()
        self._entered = threading.get_ident()
        self._cpu = process_time_ns()
        return OperationPassage(self)

    def call(
        self, target: Target, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> AnsweredPassage | MissingPassage:
        """Answers one call from the tape. Raises Diverged where nothing on it does."""
        for argument in args:
            if type(argument) is Diverged:  # an __exit__ that our own exception passes through: let it pass
                return AnsweredPassage(self.scope.muted, Answer())
        draft = self.draft
        original = (receiver, args, kwargs)
        if target.codec is not None:
            with tripwire.quietly() if isinstance(target.codec, FileCodec) else nullcontext():
                args, kwargs = target.codec.asked(receiver, args, kwargs, replaying=True)
            if isinstance(target.codec, FileCodec):
                with self._lock:
                    args, kwargs = restored(args, kwargs, self._matcher.group(target))
        number = self._number(receiver) if is_handle(receiver) else None
        arguments = draft.encoder.arguments(args, kwargs)
        if target.name.endswith(LENGTHS) and is_handle(receiver) and not self._matcher.group(target).calls:
            # `list(cursor)` looks for a length first. A recorded class without one had this answer; its stand-in can't know.
            return AnsweredPassage(self.scope.muted, Answer(error=TypeError(f"{target.name}: the recorded object had no length")))
        in_turn = self._in_turn()
        if in_turn:
            self.clock.waits.turn(target.name, -1 if number is None else number, arguments)
        with self._lock:
            note = draft.call(target, number, arguments)
            self._lanes.note()
            now = (self.clock.started, self.clock.now)
            found = self._matcher.take(target, number, arguments, now)
            if found is None and self._disguise is not None:
                hidden = self._disguise(arguments, (), target.parameters)
                found = self._matcher.take(target, number, hidden, now) if hidden != arguments else None
            if found is None:
                if target.handle and (brought := self._external(target, arguments)) is not None:
                    return self._brought(target, brought, note)
                return self._missing(target, number, arguments, note)
            call = found.call
            if found.tier == "sibling" and call.receiver is not None:
                self._swap(receiver, call.receiver)
                for one, other in found.exchanged:
                    for mine, its in zip(self._made_by(one), self._made_by(other), strict=False):
                        self._places[mine], self._places[its] = self._places.get(its, its), self._places.get(mine, mine)
            self._matched.append((note.seq, call.seq, found.tier))
            if call.outcome.end is End.UNFINISHED and not call.outcome.items:
                self._miss(misses.unfinished(target, call, self._answered))
            self._answered += 1
            if not in_turn and target.shape is not Shape.COROUTINE:
                self.clock.reach(call.started + call.duration)
        answer = self._answer(target, call, note, *original)
        if target.shape is Shape.COROUTINE:
            answer.pending = pending(self.clock, call, answer, together=self._together)
        elif in_turn:
            self.clock.waits.reached(self.tape.started + call.started + call.duration)
        return AnsweredPassage(self.scope.muted, answer)

    def _in_turn(self) -> bool:
        """Whether other threads may come between this call and its answer, so that each must wait until it is its turn."""
        return self._together or threading.get_ident() != self._entered or self.clock.waits.others()

    def type_of(self, handle: Any) -> str | None:
        """The class of a handle that was made before the operation: `module:qualname`, as its tape says."""
        number = self._number(handle)
        return next((note.type for note in self.tape.handles if note.id == number), None)

    def lets_through(self) -> bool:
        """Whether this is inside a call which isn't on the tape, and which the config wants made all the same."""
        return current.get() is self.scope.muted

    def refused(self, event: str, what: str) -> BaseException:
        """The sandbox refused undeclared I/O; what comes back is to be raised where it was tried."""
        frame = sys._getframe(2)
        if event == "socket.bind" and misses.importing(frame):
            return PermissionError(errno.EPERM, f"autoplayback: {event}({what}) is refused")  # urllib3 and others probe for IPv6
        miss = misses.undeclared(event, what, frame, self._answered)
        with self._lock:
            self._latch(miss)
        return Diverged(miss.reason)

    def finished(self, boundary: tuple[str, ...]) -> Draft | None:
        """What becomes the tape of this replay, with its proof; None where the operation was never entered."""
        if self.draft is None:
            return None
        self.scope.closed = True
        unused = self._matcher.unused(self.tape)
        unanswered = sum(miss.kind != "undeclared" for miss in self.misses) if self.misses else 0
        self.draft.playback = Playback(
            self._answered,
            len(unused),
            unanswered,
            tuple(self.misses),
            tuple(unused[:SHOWN]),
            tuple(self._matched),
            boundary,
            self.clock.started,
            self.clock.now,
            process_time_ns() - self._cpu,
            ran=True,
            raised=self.raised_at,
            lanes=self._lanes.told(),
        )
        if self._handles:
            self.draft.handles = [note for note in self.tape.handles if note.id in self._handles]
        return self.draft

    def _swap(self, handle: Any, number: int) -> None:
        """The object turns out to be the one with this number on the tape; what has that number, or gets it, takes its own."""
        facts = state(handle)
        before, other = facts.id, self._handles.pop(number, None)
        if before is None:
            return
        places = {one: self._places.get(one, one) for one in (*self._places, before, number)}
        self._places = {one: number if at == before else before if at == number else at for one, at in places.items()}
        del self._handles[before]
        if other is not None:
            state(other).id = before
            self._handles[before] = other
        facts.id = number
        self._handles[number] = handle

    def _place(self, number: int, call: Call | None) -> int:
        """The number under which a handle made by this very call goes on: another's, where that one took its place."""
        if not self._places or call is None or number not in self._made_by(call):
            return number
        return self._places.get(number, number)

    def _made_by(self, call: Call) -> list[int]:
        return [note.id for note in self.tape.handles if note.made_by == call.seq]

    def _brought(self, target: Target, number: int, note: CallDraft) -> AnsweredPassage:
        """A handle that the recorded operation found made (a pool's connection of an earlier request) and this one makes."""
        handle = self._handle(number, target)
        note.end, note.value = End.RETURNED, self.draft.encoder.encode(handle)
        self._matched.append((note.seq, -1, "external"))
        return AnsweredPassage(self.scope.muted, Answer(value=handle))

    def _missing(self, target: Target, number: int | None, arguments: bytes, note: CallDraft) -> AnsweredPassage | MissingPassage:
        wanted: Any = getattr(target.settings, "on_missing", "fail")
        if wanted == "fail":
            self._miss(misses.unanswered(target, number, arguments, self._matcher.group(target), self._answered))
        self._matched.append((note.seq, -1, "configured"))
        if wanted == "call":
            return MissingPassage(self, note)
        note.end, note.value = End.RETURNED, self.draft.encoder.encode(wanted.value)
        return AnsweredPassage(self.scope.muted, Answer(value=wanted.value))

    def _latch(self, miss: Miss) -> None:
        if not self.misses and self.on_miss is not None:
            self.on_miss()
        if len(self.misses) < SHOWN:
            self.misses.append(miss)

    def _miss(self, miss: Miss) -> NoReturn:
        self._latch(miss)
        raise Diverged(f"{miss.reason}{f' ({miss.nearest})' if miss.nearest else ''}")

    def _answer(
        self, target: Target, call: Call, note: CallDraft, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Answer:
        outcome = call.outcome
        answer = Answer()
        if outcome.items is None:
            note.end, note.value = outcome.end, outcome.value
            if outcome.end is End.RAISED:
                answer.error = self._exception(outcome.value, target)
            else:
                answer.value = self._rebuilt(outcome.value, target, call)
        else:
            if outcome.value and outcome.end is not End.RAISED:
                answer.value = self._rebuilt(outcome.value, target, call)
            answer.items = self._items(target, call, note)
        note.duration = perf_counter_ns() - self.draft.clock - note.started
        if target.codec is not None:
            if answer.error is not None:
                return Answer(error=target.codec.failed(answer.error, receiver))
            try:
                return Answer(value=target.codec.closed(answer, receiver, args, kwargs))
            except ReplayError as error:
                with self._lock:
                    self._miss(misses.withheld(target, call, str(error), self._answered))
        return answer

    def _items(self, target: Target, call: Call, note: CallDraft) -> Generator[Any, None, Any]:
        """A stream as it was recorded: given item by item, so that what is noted is what was read."""
        outcome = call.outcome
        note.items = []
        note.end = End.CLOSED
        for item in outcome.items or ():
            note.items.append(item)
            yield self._rebuilt(item, target, call)
        if outcome.end is End.RAISED:
            note.end, note.value = outcome.end, outcome.value
            raise self._exception(outcome.value, target)
        if outcome.end is End.RETURNED:
            note.end, note.value = outcome.end, outcome.value
            return self._rebuilt(outcome.value, target, call) if outcome.value else None
        with self._lock:
            self._miss(misses.overread(target, call, len(note.items), self._answered))

    def _rebuilt(self, document: bytes, target: Target, call: Call | None = None) -> Any:
        try:
            return rebuild(document, self._trust, lambda number: self._handle(self._place(number, call), target))
        except AutoplaybackError as error:
            self.fault = f"the recorded answer of {target.name} can't be rebuilt: {error}"
            raise Diverged(self.fault) from error

    def _exception(self, document: bytes, target: Target) -> BaseException:
        error = self._rebuilt(document, target)
        if not isinstance(error, BaseException):
            self.fault = f"the recorded exception of {target.name} can't be rebuilt: {error!r} stands for it"
            raise Diverged(self.fault)
        return error

    def _handle(self, number: int, maker: Target) -> Handle:
        """The stand-in for a recorded handle; one object per handle, so that identity holds."""
        known = self._handles.get(number)
        if known is None:
            note = next((note for note in self.tape.handles if note.id == number), None)
            known = replayed(maker, self._interceptor, number, note.type if note else "", note.name if note else None)
            self._handles[number] = known
        return known

    def _number(self, handle: Any) -> int | None:
        """The recorded number of a handle: given with it, or found by its maker and the maker's arguments."""
        facts = state(handle)
        number: int | None = facts.id
        if number is None:
            number = facts.id = self._external(facts.maker, facts.arguments)
        if number is not None:
            self._handles.setdefault(number, handle)
        return number

    def _external(self, maker: Target, arguments: bytes) -> int | None:
        number = self._matcher.external(maker, arguments)
        if number is None and arguments and self._disguise is not None:
            number = self._matcher.external(maker, self._disguise(arguments, (), maker.parameters))
        return number
