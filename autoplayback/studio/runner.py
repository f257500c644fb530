"""A replay run: tapes in, one judged Result a tape out, as each gets ready."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace

from autoplayback import equalizer
from autoplayback.config.settings import Compare, OperationSettings, Settings
from autoplayback.equalizer.rules import merged
from autoplayback.recorder.redaction import Redactor
from autoplayback.studio import results
from autoplayback.studio.executors import Lane, Played, Pool, Ready, Unreadable
from autoplayback.studio.results import Result
from autoplayback.tape.model import Tape


def run(
    tapes: Iterable[Tape | Unreadable],
    lane: Lane,
    settings: Settings,
    *,
    jobs: int = 1,
    suite: Compare | None = None,
    on_ready: Callable[[Ready], None] = lambda ready: None,
    settled: Callable[[], Collection[str]] = frozenset,
) -> Iterator[Result]:
    """Replays and judges. Closing the iterator, or an exception in whoever reads it, ends all workers.

    `settled` gives the rules known to match something, for which equal tapes needn't be searched any more.
    """
    # A replay's tape is shown and compared like the recorded one, so it loses the same secrets.
    with Pool(replace(lane, finish=Redactor(settings.redact).redact), jobs, on_ready) as pool:
        for played in pool.run(tapes):
            yield judged(played, settings, suite, settled())


def judged(
    played: Played | Unreadable, settings: Settings, suite: Compare | None = None, settled: Collection[str] = ()
) -> Result:
    """The verdict on one played tape."""
    if isinstance(played, Unreadable):
        return results.failure(played.summary.tape, played.summary.operation, played.error, recorded=played.summary)
    tape = played.tape
    if played.replay is None:
        output = tidy(played.output)
        reason = f"{played.error}\n{output}" if output else played.error
        return results.failure(tape.id, tape.operation, reason, recorded=tape)
    rules = rules_for(settings, tape, suite)
    judgement = equalizer.compare(tape, played.replay, rules, moved=settings.moved, settled=settled)
    return results.of(tape, played.replay, judgement)


_OURS = re.compile(
    r'^ *File "[^"]*(?:/autoplayback/(?:player|interception|tape|bootstrap)|<autoplayback|<string>|<frozen runpy)[^\n]*\n?',
    re.MULTILINE,
)
_ADDRESS = re.compile(r"\b([Tt]hread) 0x[0-9a-f]+")


def tidy(output: str) -> str:
    """What a tape's process said at its end: a stack without our frames, and without addresses, which differ each time."""
    return _ADDRESS.sub(r"\1", _OURS.sub("", output)).strip()


def rules_for(settings: Settings, tape: Tape, suite: Compare | None = None) -> Compare:
    """How a tape is compared: by the config's rules, its operation's, and the suite's."""
    operation = operation_settings(settings, tape)
    return merged(settings.compare, operation.compare if operation is not None else None, suite)


def operation_settings(settings: Settings, tape: Tape) -> OperationSettings | None:
    """The config's entry for a tape's operation, under its name, an older one, or its place."""
    place = f"{tape.target.module}:{tape.target.qualname}"
    for operation in settings.operations:
        target = operation.target or operation.wsgi or operation.asgi or operation.celery
        target = (target or "").removesuffix("()")  # a factory's
        if tape.operation in (operation.name or target, *operation.was) or target == place:
            return operation
    return None
