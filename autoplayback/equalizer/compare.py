"""The one verb of this room: two tapes and the rules in, a Judgement out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import msgspec

from autoplayback.config.paths import parse
from autoplayback.config.settings import Compare
from autoplayback.equalizer import hints, metrics, plugins, showing
from autoplayback.equalizer.differ import MISSING, Differ, RawDifference
from autoplayback.equalizer.finding import present
from autoplayback.equalizer.order import disorder
from autoplayback.equalizer.renames import Renames
from autoplayback.equalizer.rules import Rulebook
from autoplayback.equalizer.sides import Side, error_text, side
from autoplayback.equalizer.verdict import Difference, Judgement, Reading, Verdict, in_words
from autoplayback.errors import AutoplaybackError, ReplayError
from autoplayback.tape.inert import reordered
from autoplayback.tape.model import End, Playback, Tape
from autoplayback.tape.moments import Window
from autoplayback.tape.values import named


def compare(
    recorded: Tape,
    replayed: Tape,
    rules: Compare | None = None,
    *,
    moved: Mapping[str, str] | None = None,
    settled: Collection[str] = frozenset(),
) -> Judgement:
    """Judges a replay. Never raises: what can't be compared is the verdict `error`.

    What stands first wins: the proof of the replay (`diverged`, `error`), then how both ended (`failed`), then differences, then
    metrics. `moved` maps renamed classes from old to new; `settled` names rules (by their text) already known to match something
    in this run, for which a tape that is equal needn't be searched.
    """
    try:
        return _Comparison(recorded, replayed, _book(msgspec.json.encode(rules or Compare())), moved or {}, settled).judge()
    except AutoplaybackError as error:
        return Judgement(Verdict.ERROR, f"the tapes can't be compared: {error}", counts=counts(recorded, replayed))
    except (ValueError, RecursionError, MemoryError) as error:
        return Judgement(
            Verdict.ERROR, f"the tapes can't be compared: {type(error).__name__}: {error}", counts=counts(recorded, replayed)
        )


@lru_cache(maxsize=64)
def _book(rules: bytes) -> Rulebook:
    """Rules are compiled once a process, though each tape brings its own equal copy of them."""
    return Rulebook(msgspec.json.decode(rules, type=Compare))


class _Comparison:
    def __init__(
        self, recorded: Tape, replayed: Tape, book: Rulebook, moved: Mapping[str, str], settled: Collection[str]
    ) -> None:
        self.recorded, self.replayed = recorded, replayed
        self.book, self.moved = book, moved
        self.unsettled = [rule for rule in book.rules if rule.text not in settled]
        self.counts = counts(recorded, replayed)
        self.notes: list[str] = []
        self.undone = _undone(recorded, replayed, book.compare.ignore)
        self.disorder, self.reordered = (None, "") if book.compare.extractor else disorder(recorded, replayed, book)

    def judge(self) -> Judgement:
        playback = self.replayed.playback
        if playback is None:
            raise ReplayError("the replay brought no proof of where its answers came from")
        self.notes = [*_notes(self.recorded, playback), *filter(None, [self.reordered])]
        missed = bool(playback.misses) or playback.unanswered > 0
        if not playback.ran and not missed:
            return self.judgement(Verdict.ERROR, "the operation's own code was never entered")
        for tape, name in ((self.recorded, "recorded"), (self.replayed, "replayed")):
            if tape.outcome.end is End.UNFINISHED and not missed:
                return self.judgement(Verdict.ERROR, f"the {name} operation never ended: there is no outcome to compare")
        if not missed and self._identical():
            return self.judgement(Verdict.EQUAL, _equal(self.recorded, playback))
        names = {old: new for old, new in _renamed(self.recorded, self.replayed, playback).items() if old != new}
        old, new = side(self.recorded, names, self.moved), side(self.replayed, None, self.moved)
        if self.book.compare.extractor is not None and not (missed or old.failed or new.failed):
            old, new = self._extracted(self.recorded, old), self._extracted(self.replayed, new)
        readings, raw, differ = self._differences(old, new)
        rules = self._rules(differ, (old, new))
        verdict, reason = self._verdict(playback, old, new, readings, raw)
        if verdict in (Verdict.FAILED, Verdict.DIFFERENT) and (hint := hints.redaction(self.recorded, self.replayed, old, new)):
            self.notes.append(hint)
        judgement = self.judgement(
            verdict,
            reason,
            tuple(map(showing.difference, raw[:MOST])),
            tuple(readings),
            truncated=differ.truncated or len(raw) > MOST,
            rules=rules,
            clock=differ.clock,
        )
        comparator = self.book.compare.comparator
        if comparator is None or verdict is Verdict.DIVERGED or old.failed or new.failed:
            return judgement
        return self._asked(comparator, old, new, judgement)

    def judgement(
        self,
        verdict: Verdict,
        reason: str,
        differences: tuple[Difference, ...] = (),
        readings: tuple[Reading, ...] = (),
        *,
        truncated: bool = False,
        rules: dict[str, str] | None = None,
        clock: int = 0,
    ) -> Judgement:
        return Judgement(verdict, reason, differences, readings, truncated, rules or {}, self.counts, clock, tuple(self.notes))

    def _identical(self) -> bool:
        """Whether the encoded documents agree byte for byte, and nothing asks to look inside."""
        rules = self.book.compare
        if (
            self.book.metrics
            or self.unsettled
            or rules.comparator
            or rules.extractor
            or rules.duration is not None
            or self.counts
            or self.undone
            or self.disorder
        ):
            return False
        one, other = self.recorded, self.replayed
        if one.outcome != other.outcome or _made(one) != _made(other):
            return False
        before, after = _outputs(one), _outputs(other)
        if any(reordered(before[name], after[name]) for name in before.keys() & after.keys()):
            return False
        return _sent(one) == _sent(other)

    def _extracted(self, tape: Tape, seen: Side) -> Side:
        value = plugins.call(self.book.compare.extractor or "", plugins.replica(tape, seen))
        return Side(seen.end, plugins.inert(value), seen.error, {}, None)

    def _differences(self, old: Side, new: Side) -> tuple[list[Reading], list[RawDifference], Differ]:
        renames = None
        if self.book.renames:
            # Ids are made before they are used, but not in the order of the trees: a first walk binds them, a second one judges.
            renames = Renames()
            first = Differ(self.book, most=100_000, renames=renames, windows=self._windows())
            _walk(first, old, new)
        differ = Differ(self.book, most=MOST, renames=renames, windows=self._windows())
        _walk(differ, old, new)
        readings, odd = metrics.readings(old, new, self.book, differ.left)
        raw = differ.differences + odd
        raw += self.undone
        if self.disorder is not None:
            raw.append(self.disorder)
        if self.book.compare.calls == "strict":
            raw += [RawDifference(("calls", *name.split(".")), one, other) for name, (one, other) in self.counts.items()]
        return readings, raw, differ

    def _windows(self) -> tuple[Window, Window] | None:
        """When each run took place by its own clock; None where times are to be compared as they are."""
        playback = self.replayed.playback
        if self.book.compare.clock == "exact" or playback is None or not playback.began:
            return None
        return (self.recorded.started, self.recorded.started + self.recorded.duration), (playback.began, playback.ended)

    def _rules(self, differ: Differ, sides: tuple[Side, Side]) -> dict[str, str]:
        unknown = [rule for rule in self.unsettled if rule not in differ.varied]
        found = present(sides, self.book, unknown) if unknown else set()
        rules = {rule.text: "matched" if rule in found else "absent" for rule in unknown}
        return rules | {rule.text: "varied" for rule in differ.varied}

    def _verdict(
        self, playback: Playback, old: Side, new: Side, readings: list[Reading], raw: list[RawDifference]
    ) -> tuple[Verdict, str]:
        if playback.misses:
            first = playback.misses[0]
            where = f" at {first.site}" if first.site else ""
            return Verdict.DIVERGED, f"{first.reason}{where}"
        if playback.unanswered:
            return Verdict.DIVERGED, f"{playback.unanswered} calls had no answer on the tape"
        if new.failed and not old.failed:
            where = f" at {playback.raised}" if playback.raised else ""
            return Verdict.FAILED, f"recorded: {old.described()}; replayed: {new.described()}{where}"
        if old.failed and not new.failed:
            others = [
                difference
                for difference in raw
                if difference.parts[0] not in ("result", "error")
                and difference.replayed is not MISSING
                and difference.recorded is not MISSING
            ]
            lost = [difference for difference in raw if difference.parts[0] == "outputs" and difference.replayed is MISSING]
            if not (others or lost):
                return Verdict.FIXED, f"recorded: {old.described()}; replayed: {new.described(value=True)}"
        if raw:
            return Verdict.DIFFERENT, showing.first([showing.difference(raw[0])], len(raw))
        worse = [reading for reading in readings if reading.degraded]
        if worse:
            return Verdict.DEGRADED, in_words(worse)
        before, after = self.recorded.duration / 1e9, self.replayed.duration / 1e9
        if metrics.slower(self.book.compare.duration, before, after):
            return Verdict.DEGRADED, f"it took {after:.3f} s, recorded {before:.3f} s"
        better = [reading for reading in readings if reading.improved]
        if better:
            return Verdict.IMPROVED, in_words(better)
        return Verdict.EQUAL, _equal(self.recorded, playback)

    def _asked(self, comparator: str, old: Side, new: Side, ours: Judgement) -> Judgement:
        before, after = plugins.replica(self.recorded, old), plugins.replica(self.replayed, new)
        # Each gets a side of its own: what one of them does to it is not the other's business.
        data = plugins.call(self.book.compare.data, plugins.replica(self.recorded, old)) if self.book.compare.data else None
        context = plugins.Context(self.recorded.operation, self.recorded.id, ours.differences, data)
        theirs = plugins.judged(plugins.call(comparator, before, after, context), comparator)
        return replace(
            ours,
            verdict=theirs.verdict,
            reason=theirs.reason,
            differences=theirs.differences,
            metrics=theirs.metrics or ours.metrics,
            truncated=theirs.truncated,
            notes=(*ours.notes, *theirs.notes),
        )


MOST = 100
"""Differences listed of one tape."""


def _walk(differ: Differ, old: Side, new: Side) -> None:
    """All that is compared, in the order in which people read it: the outcome, then what was sent out."""
    # What a miss has ended has no outcome: that isn't one more difference.
    both_returned = old.error is MISSING and new.error is MISSING and new.end is not End.UNFINISHED
    if both_returned or (old.result is not MISSING and new.result is not MISSING):
        differ.walk(("result",), old.result, new.result)
    if old.error is not MISSING and new.error is not MISSING:
        differ.walk(("error",), old.error, new.error)
    if (old.error is MISSING) != (new.error is MISSING):
        one, other = (MISSING if seen.error is MISSING else error_text(seen.error) for seen in (old, new))
        differ.walk(("error",), one, other)
    for name in dict.fromkeys([*old.outputs, *new.outputs]):
        differ.walk(("outputs", *name.split(".")), old.outputs.get(name, []), new.outputs.get(name, []))


def counts(recorded: Tape, replayed: Tape) -> dict[str, tuple[int, int]]:
    """Per target whose number of calls changed, both numbers."""
    before, after = (Counter(call.target.name for call in tape.calls) for tape in (recorded, replayed))
    return {name: (before[name], after[name]) for name in sorted(before | after) if before[name] != after[name]}


def _made(tape: Tape) -> list[tuple[int, str]]:
    return [(note.id, note.name) for note in tape.handles]


def _outputs(tape: Tape) -> dict[str, tuple[tuple[str, int], ...]]:
    return {call.target.name: call.target.parameters for call in tape.calls if call.target.role == "output"}


def _sent(tape: Tape) -> dict[str, list[bytes]]:
    sent: dict[str, list[bytes]] = {}
    for call in tape.calls:
        if call.target.role == "output":
            sent.setdefault(call.target.name, []).append(call.arguments)
    return sent


def _renamed(recorded: Tape, replayed: Tape, playback: Playback) -> dict[str, str]:
    """Recorded names of outputs whose calls were answered under another name (`was:`)."""
    before = {call.seq: call.target.name for call in recorded.calls if call.target.role == "output"}
    after = {call.seq: call.target.name for call in replayed.calls}
    return {before[old]: after[new] for new, old, _ in playback.matched if old in before and new in after}


def _notes(recorded: Tape, playback: Playback) -> list[str]:
    notes = []
    if playback.unused:
        calls = "recorded call was" if playback.unused == 1 else "recorded calls were"
        notes.append(f"{playback.unused} {calls} not asked for")
    configured = sum(tier == "configured" for _, _, tier in playback.matched)
    if configured:
        notes.append(f"{configured} answers came from `on_missing`, not from the tape")
    if recorded.opaque:
        notes.append(f"values of {', '.join(recorded.opaque[:3])} could not be recorded and are compared by type only")
    return notes


def _equal(recorded: Tape, playback: Playback) -> str:
    outputs = sum(call.target.role == "output" for call in recorded.calls)
    sent = f" and {outputs} output{'s' * (outputs != 1)}" if outputs else ""
    return f"outcome{sent} equal; {playback.answered} answer{'s' * (playback.answered != 1)} from the tape"


def _undone(recorded: Tape, replayed: Tape, ignored: Sequence[str]) -> list[RawDifference]:
    """Recorded calls of inputs that acted on the world (an INSERT, a POST) and which the replay never made.

    A reading that the new code spares is its own business; a write is what the operation did.
    """
    if replayed.playback is None or not any(call.target.role == "act" for call in recorded.calls):
        return []
    made = {seq for _, seq, _ in replayed.playback.matched}
    rules = [parse(text) for text in ignored]
    counted: Counter[str] = Counter()
    found = []
    for call in recorded.calls:
        if call.target.role != "act":
            continue
        parts: tuple[str | int, ...] = ("outputs", *call.target.name.split("."), counted[call.target.name])
        counted[call.target.name] += 1
        if call.seq in made or any(rule.matches(parts) or rule.matches(parts[:-1]) for rule in rules):
            continue
        found.append(RawDifference(parts, {"args": named(call.arguments, call.target.parameters)}, MISSING))
    return found
