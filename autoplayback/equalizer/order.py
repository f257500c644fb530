"""In which order an operation acted on the world: to reserve and then to charge is not to charge and then to reserve.

Calls of one output are compared in their order anyway. What is looked at here is the order across outputs, and among the
writes of presets (statements, requests). Two acts have an order only where something keeps them in it: the thread or task that
entered the operation made both (or one other made all acts, of an operation that did nothing at once in production), and in
production one had ended before the other began. What a pool's threads do comes as it comes.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from autoplayback.config.paths import Part
from autoplayback.equalizer import showing
from autoplayback.equalizer.differ import RawDifference
from autoplayback.equalizer.rules import Rulebook
from autoplayback.tape.model import Call, Tape

PLACE: tuple[Part, ...] = ("order",)
"""Where such a difference stands, as it is of no single call."""
_ACTS = ("output", "act")


def disorder(recorded: Tape, replayed: Tape, book: Rulebook) -> tuple[RawDifference | None, str]:
    """The first two acts that changed their order; and a note on such as only threads or tasks exchanged."""
    wanted = book.compare.order or "thread"
    playback = replayed.playback
    if wanted == "any" or playback is None:
        return None, ""
    acts = {call.seq: call for call in recorded.calls if call.target.role in _ACTS}
    if len(acts) < 2:
        return None, ""
    made = sorted((new, acts[old]) for new, old, _ in playback.matched if old in acts)
    if all(one.seq < other.seq for (_, one), (_, other) in pairwise(made)):
        return None, ""
    compared = _compared(recorded, book)
    made = [(new, call) for new, call in made if call.seq in compared]
    kept = made if wanted == "strict" else _kept(made, recorded, playback.lanes)
    found = _exchanged(kept)
    if found is not None:
        first, second = (f"{call.target.name}({showing.called(call, 60)})" for call in found)
        return RawDifference(PLACE, f"{first}, then {second}", f"{second}, then {first}"), ""
    over = _exchanged(made)
    if over is None:
        return None, ""
    first, second = (call.target.name for call in over)
    return None, (
        f"{first} and {second} changed their order; different threads or tasks made them, so that is no difference "
        "(`compare: {order: strict}` makes it one)"
    )


def _kept(made: list[tuple[int, Call]], recorded: Tape, lanes: tuple[int, ...]) -> list[tuple[int, Call]]:
    """The acts that something kept in order: of the operation's own thread or task, or all where one other made them all."""
    if not lanes:
        return made
    by = [lanes[new] if new < len(lanes) else 0 for new, _ in made]
    if len(set(by)) == 1 and (by[0] == 0 or not _at_once(recorded)):
        return made
    return [pair for pair, lane in zip(made, by, strict=True) if lane == 0]


def _at_once(recorded: Tape) -> bool:
    """Whether two calls overlapped in production; a stream's don't count, as its reader goes on within it."""
    ended = 0
    for call in recorded.calls:
        if call.outcome.items is not None:
            continue
        if call.started < ended:
            return True
        ended = call.started + call.duration
    return False


def _exchanged(made: list[tuple[int, Call]]) -> tuple[Call, Call] | None:
    """The first two, of recorded calls in the order of the replay, that production made the other way round."""
    latest: Call | None = None
    for _, call in made:
        if latest is not None and call.seq < latest.seq and call.started + call.duration <= latest.started:
            return call, latest
        if latest is None or call.started > latest.started:
            latest = call
    return None


def _compared(recorded: Tape, book: Rulebook) -> set[int]:
    """The acts which the rules don't leave out as a whole."""
    counted: Counter[str] = Counter()
    found = set()
    for call in recorded.calls:
        if call.target.role not in _ACTS:
            continue
        name = call.target.name
        parts: tuple[Part, ...] = ("outputs", *name.split("."), counted[name])
        counted[name] += 1
        treatments = [book.treatment(book.at(parts[:depth])) for depth in range(1, len(parts) + 1)]
        ignored = any(treatment.ignore is not None for treatment in treatments)
        included = not book.includes or not book.at(parts).dead or any(treatment.include is not None for treatment in treatments)
        if included and not ignored:
            found.add(call.seq)
    return found
