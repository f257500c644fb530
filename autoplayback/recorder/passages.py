"""What the recorder notes of one call, and of one operation."""

from __future__ import annotations

from typing import Any

from autoplayback.interception.context import Muted, Scope
from autoplayback.originals import perf_counter_ns, process_id
from autoplayback.recorder.metadata import Extractor
from autoplayback.recorder.scope import TOO_LARGE, RecorderScope
from autoplayback.tape.draft import CallDraft, Draft
from autoplayback.tape.encoder import FIXED
from autoplayback.tape.model import End
from autoplayback.tape.wire import packb


class _Noting:
    """What calls and operations have in common: a stream's items, and the ways to end."""

    __slots__ = ()

    _scope: RecorderScope

    def _note(self) -> CallDraft | Draft:
        """Where the items go."""
        raise NotImplementedError

    def _end(self, end: End, value: Any) -> None:
        raise NotImplementedError

    def raised(self, error: BaseException) -> None:
        self._end(End.RAISED, error)

    def yielded(self, item: Any) -> Any:
        scope = self._scope
        if scope.closed or scope.lost is not None:
            return item
        try:
            encoded = scope.draft.encoder.encode(item)
            note = self._note()
            if note.items is None:
                note.items = []
            note.items.append(encoded)
            scope.grew(len(encoded))
        except Exception as error:
            scope.lose(error)
        return item

    def ended(self, value: Any = None, error: BaseException | None = None, *, closed: bool = False) -> None:
        note = self._note()
        if note.items is None:
            note.items = []
        if closed:
            self._end(End.CLOSED, value)
        elif error is not None:
            self._end(End.RAISED, error)
        else:
            self._end(End.RETURNED, value)


class CallPassage(CallDraft, _Noting):
    """One call on its way through, and what the tape keeps of it: one object, since there is one for every call.

    A fault of ours costs the tape; the value always reaches the caller.
    """

    __slots__ = ("_scope", "scope")

    answer = None

    _scope: RecorderScope
    scope: Scope

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        scope = self._scope
        try:
            self.asked = scope.draft.encoder.arguments(args, kwargs)
        except Exception as error:
            scope.lose(error)

    def returned(self, value: Any) -> Any:
        scope = self._scope
        if scope.closed:
            return value
        try:
            draft = scope.draft
            self.duration = perf_counter_ns() - draft.clock - self.started
            if self.target.handle and getattr(type(value), "__autoplayback_handle__", False):
                scope.handles.number(value, made_by=self.seq)
            if type(value) in FIXED:
                try:
                    encoded = packb(value)  # the commonest results need no encoder
                except TypeError:  # but for an integer of more than 64 bits
                    encoded = draft.encoder.encode(value)
            else:
                encoded = draft.encoder.encode(value)
            self.value = encoded
            self.end = End.RETURNED
            draft.size = size = draft.size + len(encoded)
            if size > scope.limit:
                scope.lose(TOO_LARGE)
        except Exception as error:
            scope.lose(error)
        return value

    def _note(self) -> CallDraft:
        return self

    def _end(self, end: End, value: Any) -> None:
        scope = self._scope
        if scope.closed:
            return
        try:
            self.duration = perf_counter_ns() - scope.draft.clock - self.started
            self.value = scope.draft.encoder.encode(value)
            self.end = end
            scope.grew(len(self.value))
        except Exception as error:
            scope.lose(error)


class OperationPassage(_Noting):
    """One operation, from its entry to the tape's hand-over."""

    __slots__ = ("_extractor", "_receiver", "_scope", "scope")

    answer = None

    def __init__(self, scope: RecorderScope, extractor: Extractor, receiver: Any) -> None:
        self.scope: Scope = scope
        self._scope = scope
        self._extractor = extractor
        self._receiver = receiver

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        scope = self._scope
        try:
            scope.draft.arguments = scope.draft.encoder.arguments(args, kwargs)
            scope.draft.metadata.update(self._extractor.entry(self._receiver, args, kwargs))
            scope.grew(len(scope.draft.arguments))
        except Exception as error:
            scope.lose(error)

    def returned(self, value: Any) -> Any:
        self._end(End.RETURNED, value)
        return value

    def _note(self) -> Draft:
        return self._scope.draft

    def _end(self, end: End, value: Any) -> None:
        scope = self._scope
        if scope.closed:
            return
        draft, recorder = scope.draft, scope.recorder
        scope.close()
        if scope.lost is not None or scope.pid != process_id():  # forked inside the operation: the tape is the parent's
            return
        try:
            draft.duration = perf_counter_ns() - draft.clock
            draft.value = draft.encoder.encode(value)
            draft.end = end
            failed = end is End.RAISED
            draft.metadata.update(self._extractor.exit(value, failed=failed))
            kept = scope.kept
            if kept is None:
                outcome = "raised" if failed else "returned"
                kept = recorder.sampler.tail(draft.operation, draft.metadata, outcome, draft.duration / 1e9, chosen=scope.chosen)
            if kept:
                draft.size += len(draft.value)
                recorder.sink.offer(draft)
            else:
                recorder.sink.left()
        except Exception as error:
            scope.lose(error)


class SkippedPassage:
    """An operation that sampling left out: it runs muted, so that no operation within it is taken for an outermost one."""

    __slots__ = ("_owner", "scope")

    answer = None

    def __init__(self) -> None:
        self._owner = Scope()
        self.scope: Scope = Muted(self._owner)

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        return

    def returned(self, value: Any) -> Any:
        self._owner.closed = True
        return value

    def raised(self, error: BaseException) -> None:
        self._owner.closed = True

    def yielded(self, item: Any) -> Any:
        return item

    def ended(self, value: Any = None, error: BaseException | None = None, *, closed: bool = False) -> None:
        self._owner.closed = True
