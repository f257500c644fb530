"""The player's passages: an operation under replay, a call answered from the tape, a call that the config lets through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autoplayback.errors import Diverged
from autoplayback.interception.context import Scope
from autoplayback.interception.protocol import Answer
from autoplayback.originals import perf_counter_ns
from autoplayback.player import caught
from autoplayback.player.misses import raised_at
from autoplayback.tape.draft import CallDraft, Draft
from autoplayback.tape.model import End

if TYPE_CHECKING:
    from autoplayback.player.session import Session


class AnsweredPassage:
    """A call whose answer is given; what came of it is noted where the answer is made."""

    __slots__ = ("answer", "scope")

    def __init__(self, scope: Scope, answer: Answer) -> None:
        self.scope = scope
        self.answer: Answer | None = answer

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """The answer is settled already."""

    def returned(self, value: Any) -> Any:
        return value

    def raised(self, error: BaseException) -> None:
        """Noted with the answer."""

    def yielded(self, item: Any) -> Any:
        return item

    def ended(self, value: Any = None, error: BaseException | None = None, *, closed: bool = False) -> None:
        """Noted with the answer's items."""


class _Noting:
    """What is noted of something that really runs: the operation itself, or a call that `on_missing: call` lets through."""

    __slots__ = ("_note", "_session", "scope")

    answer: Answer | None = None

    def __init__(self, session: Session, note: CallDraft | Draft, scope: Scope) -> None:
        self._session = session
        self._note = note
        self.scope = scope

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        encoded = self._session.draft.encoder.arguments(args, kwargs)
        if isinstance(self._note, CallDraft):
            self._note.asked = encoded
        else:
            self._note.arguments = encoded

    def returned(self, value: Any) -> Any:
        self._end(End.RETURNED, value)
        return value

    def raised(self, error: BaseException) -> None:
        self._end(End.RAISED, error)

    def yielded(self, item: Any) -> Any:
        if self._note.items is None:
            self._note.items = []
        self._note.items.append(self._session.draft.encoder.encode(item))
        return item

    def ended(self, value: Any = None, error: BaseException | None = None, *, closed: bool = False) -> None:
        if self._note.items is None:
            self._note.items = []
        if closed:
            self._end(End.CLOSED, value)
        elif error is not None:
            self._end(End.RAISED, error)
        else:
            self._end(End.RETURNED, value)

    def _end(self, end: End, value: Any) -> None:
        if self._note.end is not End.UNFINISHED:
            return
        draft = self._session.draft
        began = self._note.started if isinstance(self._note, CallDraft) else 0
        self._note.duration = perf_counter_ns() - draft.clock - began
        if isinstance(value, Diverged):
            return  # the misses say what happened; an operation cut off by one has no outcome of its own
        self._note.value = draft.encoder.encode(value)
        self._note.end = end


class MissingPassage(_Noting):
    """A call that isn't on the tape, and which the config says to make all the same: it runs inside the sandbox."""

    __slots__ = ()

    def __init__(self, session: Session, note: CallDraft) -> None:
        super().__init__(session, note, session.scope.muted)
        session.on_let(True)

    def _end(self, end: End, value: Any) -> None:
        if self._note.end is End.UNFINISHED:
            self._session.on_let(False)
        super()._end(end, value)


class OperationPassage(_Noting):
    """The operation under replay, from its entry to its end."""

    __slots__ = ()

    def __init__(self, session: Session) -> None:
        super().__init__(session, session.draft, session.scope)

    def _end(self, end: End, value: Any) -> None:
        if not self._session.scope.closed:
            self._session.raised_memory_error = isinstance(value, MemoryError)
            if end is End.RAISED and isinstance(value, BaseException):
                self._session.raised_at = raised_at(value)
            elif isinstance(value, dict) and isinstance(status := value.get("status"), int) and status >= 500:
                self._session.raised_at = caught.last()
            super()._end(end, value)
            self._session.scope.closed = True
