"""Walks two inert trees side by side and lists where they differ, under the rules.

One explicit stack, so depth costs no recursion; a subtree that is the same on both sides is skipped at the speed of C; the
number of differences and of steps is bounded, whatever the trees.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from autoplayback.config import paths
from autoplayback.config.paths import Part, State
from autoplayback.equalizer import arrays, content, sequences
from autoplayback.equalizer.renames import Renames
from autoplayback.equalizer.rules import Rule, Rulebook, Treatment
from autoplayback.equalizer.sameness import PLAIN, fingerprint, same
from autoplayback.equalizer.tolerances import within
from autoplayback.errors import ReplayError
from autoplayback.tape.moments import Window, same_now
from autoplayback.tape.values import Tagged, render


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
"""Stands on the side which has nothing at a place."""

Link = tuple["Link", Part] | None
"""A place as a chain up to its root: going one step down costs nothing, a path is made only for what differs."""


@dataclass(frozen=True, slots=True)
class RawDifference:
    """A place with its two inert values, of which one may be MISSING."""

    parts: tuple[Part, ...]
    recorded: Any
    replayed: Any


Frame = tuple[Link, Any, Any, State[Rule], bool, int]
"""Place, recorded, replayed, the rules' state, whether `include` names it or a place above it, depth."""

_MOST_LEFT = 10_000
_SHORTCUT_DEPTH = 32
"""Deeper than this, subtrees aren't compared as a whole before they are walked, nor lists aligned: each level would read
all below it."""
_CHUNK = 64
"""Items of a long list that are compared at once."""


class Differ:
    """One comparison of two tapes; what it found stands in its attributes afterwards."""

    def __init__(
        self,
        book: Rulebook,
        *,
        most: int = 100,
        steps: int = 5_000_000,
        renames: Renames | None = None,
        windows: tuple[Window, Window] | None = None,
    ) -> None:
        self.differences: list[RawDifference] = []
        self.truncated = False
        self.left: list[RawDifference] = []
        """What differs where a metric stands: no difference once the metric has read it, but else it must not pass unseen."""
        self.varied: set[Rule] = set()
        """The rules which hid or forgave a difference."""
        self._book = book
        self._most = most
        self._steps = steps
        self._renames = renames
        self._windows = windows
        self.clock = 0
        """Values that were each side's own «now»."""
        self._stack: list[Frame] = []

    def walk(self, parts: Iterable[Part], recorded: Any, replayed: Any) -> None:
        """Compares what stands at one place; adds to `differences` in the order of the trees."""
        link: Link = None
        for part in parts:
            link = (link, part)
        base = len(self._stack)
        above = self._included_above(parts)
        self._stack.append((link, recorded, replayed, self._book.at(parts), above, 0))
        while len(self._stack) > base:
            if self.truncated:
                del self._stack[base:]
                return
            self._steps -= 1
            if self._steps < 0:
                raise ReplayError("the results are too large to compare: narrow them with `compare: {include: ...}` or `ignore`")
            self._visit(*self._stack.pop())

    def _included_above(self, parts: Iterable[Part]) -> bool:
        if not self._book.includes:
            return True
        state = self._book.start
        found = self._book.treatment(state).include is not None
        for part in parts:
            state = state.step(part)
            found = found or self._book.treatment(state).include is not None
        return found

    def _visit(self, link: Link, recorded: Any, replayed: Any, state: State[Rule], included: bool, depth: int) -> None:
        treatment = self._book.treatment(state)
        if treatment.ignore is not None:
            if not same(recorded, replayed):
                self.varied.add(treatment.ignore)
            return
        if treatment.metric is not None:
            if not same(recorded, replayed):
                if len(self.left) >= _MOST_LEFT:
                    raise ReplayError("a metric's path means too many places of one result; name one number")
                self.left.append(RawDifference(unrolled(link), recorded, replayed))
            return
        if treatment.include is not None:
            included = True
        elif not included and state.dead:
            return
        if recorded is MISSING or replayed is MISSING:
            self._absent(link, recorded, replayed, state, treatment, included, depth)
            return
        kind = type(recorded)
        if kind is type(replayed):
            if kind in PLAIN:
                if same(recorded, replayed):
                    return
            elif depth < _SHORTCUT_DEPTH and not (kind is list and len(recorded) > _CHUNK) and same(recorded, replayed):
                return  # long lists are compared in chunks further on
            if kind is dict:
                self._dicts(link, recorded, replayed, state, treatment, included, depth + 1)
                return
            if kind is list:
                self._lists(link, recorded, replayed, state, treatment, included, depth + 1)
                return
        if self._forgiven(recorded, replayed, treatment):
            return
        if kind is type(replayed):
            if kind is Tagged and self._tagged(link, recorded, replayed, state, treatment, included, depth + 1):
                return
            if kind in (str, bytes):
                both = content.structures(recorded, replayed)
                if both is not None:
                    self._stack.append((link, *both, state, included, depth + 1))
                    return
        if not included:
            return
        if self._windows is not None and same_now(recorded, self._windows[0], replayed, self._windows[1]):
            self.clock += 1
            return
        self._add(link, recorded, replayed)

    def _forgiven(self, recorded: Any, replayed: Any, treatment: Treatment) -> bool:
        """Whether a rule calls two unequal leaves equal, or an id stands for another one."""
        rule = treatment.tolerance
        if rule is not None and within(recorded, replayed, rule.option):
            self.varied.add(rule)
            return True
        if self._renames is None:
            return False
        rule = treatment.normalize
        if rule is not None and not isinstance(recorded, (dict, list)) and self._renames.bind(recorded, replayed):
            self.varied.add(rule)
            return True
        one, other = (value.value if isinstance(value, Tagged) else value for value in (recorded, replayed))
        if type(recorded) is not type(replayed) or not (isinstance(one, str) and isinstance(other, str)):
            return False
        for rule in self._book.renamed_kinds:
            if self._renames.bind_within(rule.path, one, other):
                self.varied.add(rule)
                return True
        return self._renames.follow(one, other)

    def _tagged(
        self, link: Link, recorded: Tagged, replayed: Tagged, state: State[Rule], treatment: Treatment, included: bool, depth: int
    ) -> bool:
        """Goes into two tagged values of one type; False where they are to be shown as they stand."""
        if recorded.kind != replayed.kind or recorded.type != replayed.type:
            return False
        one, other = recorded.value, replayed.value
        if recorded.kind == "array":
            one, other = arrays.nested(recorded), arrays.nested(replayed)
            if one is not None and other is not None:
                kinds = arrays.dtype(recorded), arrays.dtype(replayed)
                self._stack.append(((link, "dtype"), *kinds, state.step("dtype"), included, depth))
        elif recorded.kind != "exception" and not same(recorded.extra, replayed.extra):
            return False
        if recorded.kind == "dict" and (isinstance(one, list) or isinstance(other, list)):
            self._stack.extend((((link, part), a, b, state.step(part), included, depth) for part, a, b in _entries(one, other)))
            return True
        if type(one) is not type(other) or not isinstance(one, (dict, list, str, bytes)):
            return False
        if recorded.kind in ("set", "frozenset") and isinstance(one, list) and isinstance(other, list):
            self._sets(link, one, other, state, included)
        elif isinstance(one, (dict, list)) or recorded.kind in ("str", "bytes", "bytearray"):
            self._stack.append((link, one, other, state, included, depth))
        else:
            return False
        return True

    def _absent(
        self, link: Link, recorded: Any, replayed: Any, state: State[Rule], treatment: Treatment, included: bool, depth: int
    ) -> None:
        """One side has nothing here."""
        there = replayed if recorded is MISSING else recorded
        if treatment.null_is_missing is not None and there is None:
            self.varied.add(treatment.null_is_missing)
        elif included:
            self._add(link, recorded, replayed)
        else:  # only what `include` names further down counts
            value = there.value if isinstance(there, Tagged) else there
            for part, child in paths.children(value):
                sides = (MISSING, child) if recorded is MISSING else (child, MISSING)
                self._stack.append(((link, part), *sides, state.step(part), included, depth + 1))

    def _dicts(
        self,
        link: Link,
        recorded: dict[Any, Any],
        replayed: dict[Any, Any],
        state: State[Rule],
        treatment: Treatment,
        included: bool,
        depth: int,
    ) -> None:
        frames: list[Frame] = []
        if self._renames is not None:
            replayed = {self._renames.followed(key) if key not in recorded else key: value for key, value in replayed.items()}
        nulls = treatment.null_is_missing
        odd = {key: type(key) for key in replayed if type(key) is not str}
        for key, one in recorded.items():
            other = replayed.get(key, MISSING)
            if odd and type(key) is not str and odd.get(key) is not type(key):
                other = MISSING  # 1, True and 1.0 are one key to a dict, and three to us
            if one is other or (type(one) in PLAIN and type(one) is type(other) and one == other):
                continue
            if other is MISSING and one is None and nulls is not None:
                self.varied.add(nulls)
                continue
            part = part_of(key)
            frames.append(((link, part), one, other, state.step(part), included, depth))
        keys = {key: type(key) for key in recorded}
        for key, other in replayed.items():
            if keys.get(key) is type(key):
                continue
            if other is None and nulls is not None:
                self.varied.add(nulls)
                continue
            part = part_of(key)
            frames.append(((link, part), MISSING, other, state.step(part), included, depth))
        self._stack.extend(reversed(frames))

    def _lists(
        self,
        link: Link,
        recorded: list[Any],
        replayed: list[Any],
        state: State[Rule],
        treatment: Treatment,
        included: bool,
        depth: int,
    ) -> None:
        if treatment.key is not None:
            by = paths.parse(treatment.key.option)
            pairs = sequences.by_key(_keys(recorded, by), _keys(replayed, by))
            self._pair(link, recorded, replayed, pairs, state, included, depth, treatment.key)
            return
        if len(recorded) == len(replayed) > _CHUNK and (changed := _changed_in_place(recorded, replayed)) is not None:
            self._stack.extend(((link, i), recorded[i], replayed[i], state.step(i), included, depth) for i in reversed(changed))
            return
        if treatment.unordered is not None:
            pairs = sequences.in_any_order(
                [fingerprint(item) for item in recorded],
                [fingerprint(item) for item in replayed],
                lambda i, j: self._alike(recorded[i], replayed[j], state.step(i)),
                lambda i, j: _likeness(recorded[i], replayed[j]),
                lambda: (self._tokens(recorded, state), self._tokens(replayed, state)),
            )
            self._pair(link, recorded, replayed, pairs, state, included, depth, treatment.unordered)
            return
        if depth > _SHORTCUT_DEPTH:
            pairs = sequences.by_place(0, len(recorded), 0, len(replayed))
        else:
            pairs = sequences.by_order(self._tokens(recorded, state), self._tokens(replayed, state))
        self._pair(link, recorded, replayed, pairs, state, included, depth)

    def _pair(
        self,
        link: Link,
        recorded: list[Any],
        replayed: list[Any],
        pairs: Iterable[sequences.Pair],
        state: State[Rule],
        included: bool,
        depth: int,
        rule: Rule | None = None,
    ) -> None:
        frames: list[Frame] = []
        for i, j in pairs:
            if i is not None and j is not None:
                if rule is not None and i != j:
                    self.varied.add(rule)
                one, other = recorded[i], replayed[j]
                if one is other or (type(one) in PLAIN and type(one) is type(other) and one == other):
                    continue
                frames.append(((link, i), one, other, state.step(i), included, depth))
            elif i is not None:
                frames.append(((link, i), recorded[i], MISSING, state.step(i), included, depth))
            elif j is not None:
                frames.append(((link, j), MISSING, replayed[j], state.step(j), included, depth))
        self._stack.extend(reversed(frames))

    def _sets(self, link: Link, recorded: list[Any], replayed: list[Any], state: State[Rule], included: bool) -> None:
        """Members are equal or they aren't there: one that changed is one missing and one extra."""
        pairs = list(sequences.by_key([fingerprint(item) for item in recorded], [fingerprint(item) for item in replayed]))
        for i, j in reversed(pairs):
            if j is None and i is not None:
                self._stack.append(((link, i), recorded[i], MISSING, state.step(i), included, 1))
            elif i is None and j is not None:
                self._stack.append(((link, j), MISSING, replayed[j], state.step(j), included, 1))

    def _tokens(self, items: list[Any], state: State[Rule]) -> list[Hashable]:
        """What items are aligned by: the whole of each, less what a rule lets vary."""
        if state.dead or not items or state.step(len(items)).dead:
            return [fingerprint(item) for item in items]
        return [fingerprint(self._projected(item, state.step(i))) for i, item in enumerate(items)]

    def _projected(self, item: Any, state: State[Rule], depth: int = 0) -> Any:
        treatment = self._book.treatment(state)
        if treatment.ignore or treatment.tolerance or treatment.normalize or treatment.metric:
            return None
        if state.dead or depth > _SHORTCUT_DEPTH:
            return item
        if isinstance(item, Tagged):
            return [item.kind, item.type, self._projected(item.value, state, depth + 1)]
        if isinstance(item, dict):
            return {str(key): self._projected(value, state.step(part_of(key)), depth + 1) for key, value in item.items()}
        if isinstance(item, list):
            return [self._projected(value, state.step(i), depth + 1) for i, value in enumerate(item)]
        return item

    def _alike(self, recorded: Any, replayed: Any, state: State[Rule]) -> bool:
        """Whether two items differ in nothing the rules don't allow."""
        if state.dead and self._renames is None and self._windows is None:
            return False  # they weren't the same as they stand
        trial = Differ(self._book, most=1, steps=2_000, windows=self._windows)
        trial._stack.append((None, recorded, replayed, state, True, 0))
        try:
            while trial._stack and not trial.differences:
                trial._steps -= 1
                if trial._steps < 0:
                    return False
                trial._visit(*trial._stack.pop())
        except ReplayError:
            return False
        return not trial.differences

    def _add(self, link: Link, recorded: Any, replayed: Any) -> None:
        if len(self.differences) >= self._most:
            self.truncated = True
            return
        self.differences.append(RawDifference(unrolled(link), recorded, replayed))


def unrolled(link: Link) -> tuple[Part, ...]:
    """The place a chain stands for, from the root down."""
    parts: list[Part] = []
    while link is not None:
        link, part = link
        parts.append(part)
    return tuple(reversed(parts))


def _changed_in_place(recorded: list[Any], replayed: list[Any]) -> list[int] | None:
    """The few places where two long lists of one length differ; None where they are many, or some item merely moved."""
    changed: list[int] = []
    for start in range(0, len(recorded), _CHUNK):
        one, other = recorded[start : start + _CHUNK], replayed[start : start + _CHUNK]
        if not same(one, other):
            changed.extend(start + i for i, (a, b) in enumerate(zip(one, other, strict=True)) if not same(a, b))
            if len(changed) > max(16, len(recorded) // 20):
                return None
    moved = {fingerprint(recorded[i]) for i in changed} & {fingerprint(replayed[i]) for i in changed}
    return None if moved else changed


def _entries(recorded: Any, replayed: Any) -> list[tuple[Part, Any, Any]]:
    """What stands under each key of two dicts of which one has keys that aren't text; in reverse, as the stack wants it."""
    sides = [
        list(side.items()) if isinstance(side, dict) else [(key, value) for key, value in side] for side in (recorded, replayed)
    ]
    pairs = sequences.by_key(*([fingerprint(key) for key, _ in side] for side in sides))
    found: list[tuple[Part, Any, Any]] = []
    for i, j in pairs:
        key = sides[0][i][0] if i is not None else sides[1][j or 0][0]
        found.append((part_of(key), MISSING if i is None else sides[0][i][1], MISSING if j is None else sides[1][j][1]))
    return found[::-1]


def part_of(key: Any) -> Part:
    """How the key of a dict stands in a path."""
    if isinstance(key, (str, int)) and not isinstance(key, bool):
        return key
    return render(key, 60)


def _keys(items: list[Any], by: paths.Path) -> list[Hashable]:
    """Each item's key; items without one are told apart by their place."""
    keys: list[Hashable] = []
    name = by.root if len(by.segments) == 1 else None
    for place, item in enumerate(items):
        if name is not None and isinstance(item, dict) and name in item:
            keys.append(("key", fingerprint(item[name])))
            continue
        found = next(iter(by.find(item)), None)
        keys.append(("at", place) if found is None else ("key", fingerprint(found[1])))
    return keys


def _likeness(recorded: Any, replayed: Any) -> float:
    """How much two unequal items have in common, from 0 (nothing) to 1: the share of their top-level fields."""
    one, other = (item.value if isinstance(item, Tagged) else item for item in (recorded, replayed))
    if isinstance(one, dict) and isinstance(other, dict):
        fields = one.keys() | other.keys()
        return sum(key in one and key in other and same(one[key], other[key]) for key in fields) / len(fields) if fields else 0.0
    if isinstance(one, list) and isinstance(other, list):
        return sum(map(same, one, other)) / max(len(one), len(other), 1)
    return 0.0
