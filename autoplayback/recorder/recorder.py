"""The Interceptor that records: the original runs with its own arguments, and what it was given and gave is noted.

Nothing here may reach the host: every fault of ours is caught, costs the tape it happened on, and is counted with the spool.
Only the encoding of values happens on the caller's thread; everything else waits for the spool's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from autoplayback.interception.context import Muted, current
from autoplayback.interception.target import Target, noted_as
from autoplayback.originals import perf_counter_ns
from autoplayback.recorder.metadata import Extractor
from autoplayback.recorder.passages import CallPassage, OperationPassage, SkippedPassage
from autoplayback.recorder.scope import RecorderScope, Sampler, Sink
from autoplayback.tape.model import End


class Recorder:
    """Records every outermost operation onto a draft of its own, and hands the finished draft to `sink`."""

    def __init__(
        self, sink: Sink, sampler: Sampler, environment: Callable[[], Mapping[str, Any]], *, tape_limit: int = 256 << 20
    ) -> None:
        """`environment` is asked once per tape for what the tape says of its process; `tape_limit` is in encoded bytes."""
        self.sink = sink
        self.sampler = sampler
        self.environment = environment
        self.tape_limit = tape_limit
        self._extractors: dict[Target, Extractor] = {}

    def operation(
        self, target: Target, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> OperationPassage | SkippedPassage | None:
        """Begins a tape, unless inside another operation."""
        outer = current.get()
        if outer is not None and not outer.over():
            return None
        try:
            extractor = self._extractors.get(target)
            if extractor is None:
                extractor = self._extractors[target] = Extractor(target)
            metadata = extractor.entry(receiver, args, kwargs)
            chosen = self.sampler.head(target.name, metadata)
            if not chosen and not self.sampler.needs_tail:
                self.sink.left()
                return SkippedPassage()
            scope = RecorderScope(self, target, metadata, self.environment(), chosen=chosen)
            draft = scope.draft
            draft.arguments = draft.encoder.arguments(args, kwargs)
            if receiver is not None and getattr(target.settings, "instance", "new") == "recorded":
                draft.receiver = draft.encoder.encode(receiver)
            elif (keeps := target.extra.get("keeps")) is not None:
                draft.receiver = draft.encoder.encode(keeps(receiver))
            return OperationPassage(scope, extractor, receiver)
        except Exception as error:
            self.fault(error)
            return SkippedPassage()

    def call(self, target: Target, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> CallPassage | None:
        """Begins a call on the current operation's tape; None where there is none."""
        scope = current.get()
        if type(scope) is not RecorderScope or scope.closed or scope.lost is not None:
            return None
        try:
            draft = scope.draft
            handle = None if receiver is None else scope.handles.number(receiver)
            if target.codec is not None:
                args, kwargs = target.codec.asked(receiver, args, kwargs)
            if target.acts is not None:
                target = noted_as(target, args, kwargs)
            asked = draft.encoder.arguments(args, kwargs)
            draft.size += len(asked)  # held against the limit with the result, which is usually larger
            # What a constructor and `CallDraft.start` would do, and no call to them: this runs for every call of every operation.
            passage = CallPassage()
            passage._scope = scope
            passage.scope = scope.muted
            passage.seq = draft.next_seq()
            passage.target = target
            passage.receiver = handle
            passage.asked = asked
            passage.started = perf_counter_ns() - draft.clock
            passage.duration = 0
            passage.end = End.UNFINISHED
            passage.value = b""
            passage.items = None
            draft.calls.append(passage)
            return passage
        except Exception as error:
            scope.lose(error)
            return None

    def fault(self, error: BaseException | str) -> None:
        """Counts a tape lost to a fault of ours; never raises."""
        try:
            self.sink.lose(error if isinstance(error, str) else f"fault: {type(error).__name__}")
        except Exception:
            return


def _forked() -> None:
    """In a child forked inside an operation: that is the parent's. A worker's own operations may begin, and nothing piles up."""
    scope = current.get()
    if isinstance(scope, Muted):
        scope = scope.owner
    if isinstance(scope, RecorderScope):
        scope.close()
    elif scope is not None:
        scope.closed = True


os.register_at_fork(after_in_child=_forked)
