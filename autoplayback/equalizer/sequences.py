"""Which item of one list stands for which of the other: in order, by key, or in any order. Bounded whatever the lists."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import pairwise

Pair = tuple[int | None, int | None]
"""Indexes of a recorded and a replayed item; None where one has no counterpart."""

_SMALL_TABLE = 40_000
"""Cells of the exact LCS table: gaps larger than this, with no item that occurs once, are paired by place."""
_FEW = 16
_PASSES = 24
"""How often, on average, each item may be looked at again in nested gaps before the rest is paired by place."""


def by_order(recorded: Sequence[Hashable], replayed: Sequence[Hashable]) -> Iterator[Pair]:
    """Pairs items in order: equal ones with each other as far as possible, what stands between them by place.

    Common prefix and suffix first; then, where the lengths agree and few places differ, by place; else along the longest
    increasing run of items that occur once on each side (patience), whose gaps are solved exactly where they are small.
    """
    start, end_a, end_b = _trim(recorded, replayed, 0, len(recorded), 0, len(replayed))
    yield from ((i, i) for i in range(start))
    if end_a == end_b:
        unlike = sum(recorded[i] != replayed[i] for i in range(start, end_a))
        if unlike <= max(_FEW, (end_a - start) // 10) and _in_place(recorded, replayed, start, end_a):
            yield from ((i, i) for i in range(start, len(recorded)))
            return
    yield from _gap(recorded, replayed, start, end_a, start, end_b)
    yield from zip(range(end_a, len(recorded)), range(end_b, len(replayed)), strict=True)


def _trim(a: Sequence[Hashable], b: Sequence[Hashable], a0: int, a1: int, b0: int, b1: int) -> tuple[int, int, int]:
    """Where the middle begins (in `a`), and where it ends in each: what is before and after is equal."""
    start = a0
    while start < a1 and start - a0 < b1 - b0 and a[start] == b[start - a0 + b0]:
        start += 1
    begin_b = b0 + start - a0
    while a1 > start and b1 > begin_b and a[a1 - 1] == b[b1 - 1]:
        a1 -= 1
        b1 -= 1
    return start, a1, b1


def _in_place(a: Sequence[Hashable], b: Sequence[Hashable], start: int, end: int) -> bool:
    """Whether no item merely moved: an item inserted here and another dropped there are better shown as that."""
    changed = [i for i in range(start, end) if a[i] != b[i]]
    return not {a[i] for i in changed} & {b[i] for i in changed}


def _gap(a: Sequence[Hashable], b: Sequence[Hashable], a0: int, a1: int, b0: int, b1: int) -> Iterator[Pair]:
    """Pairs a[a0:a1] with b[b0:b1]; a list of work instead of recursion, as gaps may nest as deep as the lists are long."""
    todo: list[tuple[int, int, int, int]] = [(a0, a1, b0, b1)]
    effort = _PASSES * (a1 - a0 + b1 - b0)
    while todo:
        a0, a1, b0, b1 = todo.pop()
        effort -= a1 - a0 + b1 - b0
        start, end_a, end_b = _trim(a, b, a0, a1, b0, b1)
        yield from ((i, i - a0 + b0) for i in range(a0, start))
        tail = [(i, i - end_a + end_b) for i in range(end_a, a1)]
        begin_b = start - a0 + b0
        anchors = _anchors(a, b, start, end_a, begin_b, end_b) if effort > 0 else []
        if anchors:
            # What follows is put on the stack back to front; the tail of equal items is the last gap of all.
            bounds = [*anchors, (end_a, end_b)]
            if tail:
                todo.append((end_a, a1, end_b, b1))
            for (i, j), (next_i, next_j) in reversed(list(pairwise(bounds))):
                todo.append((i, next_i, j, next_j))
            todo.append((start, anchors[0][0], begin_b, anchors[0][1]))
            continue
        if (end_a - start) * (end_b - begin_b) <= _SMALL_TABLE:
            yield from _exact(a, b, start, end_a, begin_b, end_b)
        else:
            yield from by_place(start, end_a, begin_b, end_b)
        yield from tail


def _anchors(a: Sequence[Hashable], b: Sequence[Hashable], a0: int, a1: int, b0: int, b1: int) -> list[tuple[int, int]]:
    """The longest increasing run of items that occur once in each gap."""
    if a0 >= a1 or b0 >= b1:
        return []
    places_b = _once(b, b0, b1)
    common = [(i, places_b[item]) for item, i in _once(a, a0, a1).items() if item in places_b]
    ends: list[int] = []
    tops: list[int] = []
    before: list[int] = []
    for place, (_, j) in enumerate(common):
        pile = bisect_left(ends, j)
        before.append(tops[pile - 1] if pile else -1)
        if pile == len(ends):
            ends.append(j)
            tops.append(place)
        else:
            ends[pile], tops[pile] = j, place
    run: list[tuple[int, int]] = []
    place = tops[-1] if tops else -1
    while place >= 0:
        run.append(common[place])
        place = before[place]
    return run[::-1]


def _once(items: Sequence[Hashable], start: int, end: int) -> dict[Hashable, int]:
    seen: dict[Hashable, int] = {}
    for place in range(start, end):
        seen[items[place]] = -1 if items[place] in seen else place
    return {item: place for item, place in seen.items() if place >= 0}


def _exact(a: Sequence[Hashable], b: Sequence[Hashable], a0: int, a1: int, b0: int, b1: int) -> Iterator[Pair]:
    """The longest common subsequence by table; runs between its items are paired by place."""
    rows, columns = a1 - a0, b1 - b0
    table = [[0] * (columns + 1) for _ in range(rows + 1)]
    for i in range(rows - 1, -1, -1):
        row, below = table[i], table[i + 1]
        for j in range(columns - 1, -1, -1):
            row[j] = below[j + 1] + 1 if a[a0 + i] == b[b0 + j] else max(below[j], row[j + 1])
    i = j = from_i = from_j = 0
    while i < rows and j < columns:
        if a[a0 + i] == b[b0 + j]:
            yield from by_place(a0 + from_i, a0 + i, b0 + from_j, b0 + j)
            yield a0 + i, b0 + j
            i, j = i + 1, j + 1
            from_i, from_j = i, j
        elif table[i + 1][j] >= table[i][j + 1]:
            i += 1
        else:
            j += 1
    yield from by_place(a0 + from_i, a1, b0 + from_j, b1)


def by_place(a0: int, a1: int, b0: int, b1: int) -> Iterator[Pair]:
    """Pairs the first of a[a0:a1] with the first of b[b0:b1], and so on; the rest stand alone."""
    both = min(a1 - a0, b1 - b0)
    yield from ((a0 + k, b0 + k) for k in range(both))
    yield from ((i, None) for i in range(a0 + both, a1))
    yield from ((None, j) for j in range(b0 + both, b1))


def by_key(recorded: Sequence[Hashable], replayed: Sequence[Hashable]) -> Iterator[Pair]:
    """Pairs items of equal keys, wherever they stand; of several with one key, the first with the first."""
    waiting: dict[Hashable, list[int]] = defaultdict(list)
    for j in range(len(replayed) - 1, -1, -1):
        waiting[replayed[j]].append(j)
    taken = set()
    for i, key in enumerate(recorded):
        places = waiting.get(key)
        if places:
            j = places.pop()
            taken.add(j)
            yield i, j
        else:
            yield i, None
    yield from ((None, j) for j in range(len(replayed)) if j not in taken)


def in_any_order(
    recorded: Sequence[Hashable],
    replayed: Sequence[Hashable],
    alike: Callable[[int, int], bool],
    likeness: Callable[[int, int], float],
    essence: Callable[[], tuple[Sequence[Hashable], Sequence[Hashable]]],
) -> Iterator[Pair]:
    """Pairs equal items as a multiset; of the rest those `alike` under the rules; then the most like ones.

    `alike` and `likeness` are asked at most for 2,000 pairs, so that no list makes this quadratic: more items than that are
    paired by their `essence` (the items less what rules let vary), and what then is left by place.
    """
    pairs = list(by_key(recorded, replayed))
    left = [i for i, j in pairs if j is None and i is not None]
    right = [j for i, j in pairs if i is None and j is not None]
    yield from (pair for pair in pairs if None not in pair)
    if len(left) * len(right) <= 2_000:
        for i in list(left):
            match = next((j for j in right if alike(i, j)), None)
            if match is not None:
                left.remove(i)
                right.remove(match)
                yield i, match
        ranked = sorted(((likeness(i, j), -i, -j) for i in left for j in right), reverse=True)
        for like, minus_i, minus_j in ranked:
            if like > 0 and -minus_i in left and -minus_j in right:
                left.remove(-minus_i)
                right.remove(-minus_j)
                yield -minus_i, -minus_j
    else:
        one, other = essence()
        found = list(by_key([one[i] for i in left], [other[j] for j in right]))
        yield from ((left[i], right[j]) for i, j in found if i is not None and j is not None)
        left = [left[i] for i, j in found if j is None and i is not None]
        right = [right[j] for i, j in found if i is None and j is not None]
        both = min(len(left), len(right))
        yield from zip(left[:both], right[:both], strict=True)
        left, right = left[both:], right[both:]
    yield from ((i, None) for i in left)
    yield from ((None, j) for j in right)
