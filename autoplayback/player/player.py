"""The Interceptor that answers: operations run again, their calls are given what the tape holds, and nothing goes outside."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from autoplayback.config.settings import Settings
from autoplayback.errors import Diverged, ReplayError
from autoplayback.interception.context import MUTED, Muted, current
from autoplayback.interception.handles import replayed
from autoplayback.interception.protocol import Answer, Passage
from autoplayback.interception.target import Declaration, Role, Target
from autoplayback.player.clock import Clock
from autoplayback.player.passages import AnsweredPassage
from autoplayback.player.session import Disguise, Session
from autoplayback.tape.model import Tape
from autoplayback.tape.values import Encoder, Trust


class Player:
    """Answers the calls of one tape at a time; between tapes, and while the service is imported, nothing answers."""

    outside = True
    """Interception asks it of calls outside operations too: they must not reach the world either."""

    def __init__(self, trust: Trust, disguise: Disguise | None = None) -> None:
        self.trust = trust
        self._disguise = disguise
        self.session: Session | None = None
        self.on_begin: Callable[[], None] | None = None
        """Called right before an operation's own code runs."""

    def arm(self, tape: Tape, clock: Clock | None = None) -> Session:
        """Makes ready for one tape: the next call of its entry point is the replay."""
        self.session = Session(tape, self, self.trust, clock or Clock(tape.started, tape.environment), self._disguise)
        self.session.on_begin = self.on_begin
        return self.session

    def operation(self, target: Target, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Passage | None:
        """The armed tape's entry point is called; any other operation inside it, or beside it, is plain code."""
        session = self.session
        outer = current.get()
        if session is None or session.draft is not None or (outer is not None and not outer.over()):
            return None
        if session.tape.operation not in names(target):
            return None
        return session.begin(target, args, kwargs)

    def call(self, target: Target, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Passage | None:
        """Answers from the tape. Raises Diverged where that can't be done."""
        session = self.session
        scope = current.get()
        if isinstance(scope, Muted):
            return None  # inside a call that `on_missing: call` lets through
        if session is None or scope is None or scope is not session.scope or scope.closed:
            return self._outside(target, receiver, args, kwargs)
        try:
            return session.call(target, receiver, args, kwargs)
        except Exception as error:  # a fault of ours must not look like one of the code under test, whatever that makes of it
            session.fault = session.fault or f"autoplayback itself failed at {target.name}: {type(error).__name__}: {error}"
            raise Diverged(session.fault) from error

    def type_of(self, handle: Any) -> str | None:
        """The recorded class of a handle, as far as a tape says; interception asks it of those that it knows no class of."""
        return None if self.session is None else self.session.type_of(handle)

    def _outside(self, target: Target, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Passage | None:
        """A declared call outside the operation: while the service is imported, or from a thread of its own."""
        wanted: Any = getattr(target.settings, "on_missing", "fail")
        if target.handle:
            arguments = Encoder().arguments(args, kwargs)
            return AnsweredPassage(MUTED, Answer(value=replayed(target, self, None, "", arguments=arguments)))
        if wanted == "call":
            return None
        if wanted == "fail" and target.codec is not None and (empty := target.codec.outside(receiver, args, kwargs)) is not ...:
            return AnsweredPassage(MUTED, Answer(value=empty))
        if wanted != "fail":
            return AnsweredPassage(MUTED, Answer(value=wanted.value))
        raise ReplayError(
            f"{target.name} was called outside the operation (while the service was imported, or in a thread of its own): no tape"
            f" has an answer to that. Say `on_missing: call` or `on_missing: {{return: ...}}` for it, or call it later"
        )


def names(target: Target) -> list[str]:
    """The names under which tapes may know an operation."""
    return [target.name, *getattr(target.settings, "was", ()), f"{target.module}:{target.qualname}"]


def trust(settings: Settings, declarations: Iterable[Declaration], folder: str | None = None) -> Trust:
    """What a replay may rebuild: `trust:`, or the packages of the operations and what else lies in the service's own `folder`,
    which is the code that the replay runs anyway; and the packages of every declared target."""
    packages = set(settings.trust or own_modules(folder))
    for declaration in declarations:
        if declaration.role is not Role.OPERATION or not settings.trust:
            packages.add(declaration.target.partition(":")[0].partition(".")[0])
        packages.update(declaration.trusts)
    return Trust(frozenset(packages), dict(settings.moved))


def own_modules(folder: str | None) -> set[str]:
    """The top-level modules and packages that lie in a folder."""
    if folder is None:
        return set()
    with os.scandir(folder) as entries:
        found = {entry.name.removesuffix(".py") for entry in entries if entry.name.endswith(".py") or is_package(entry)}
    return {name for name in found if name.isidentifier()}


def is_package(entry: os.DirEntry[str]) -> bool:
    """Whether a folder can be imported as one with code of its own in it."""
    return entry.is_dir() and os.path.exists(os.path.join(entry.path, "__init__.py"))
