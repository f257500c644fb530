"""Where in a side the rules' paths lead, also into JSON and other structure inside text; bounded."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from autoplayback.config.paths import Part, State, children
from autoplayback.equalizer import arrays, content
from autoplayback.equalizer.differ import Link, part_of, unrolled
from autoplayback.equalizer.rules import Rule, Rulebook
from autoplayback.equalizer.sides import Side
from autoplayback.tape.values import Tagged

_MOST_NODES = 50_000
"""Places looked at: a rule that matches nothing in so many is called unmatched only if the tree ends there."""


class Unfinished(Exception):
    """The tree is larger than what is looked at."""


def places(
    side: Side, book: Rulebook, wanted: Collection[Rule], most: int = _MOST_NODES
) -> Iterator[tuple[Rule, tuple[Part, ...], Any]]:
    """Every place some wanted rule means, top down; raises Unfinished after `most` places."""
    todo: list[tuple[Link, Any, State[Rule]]] = []
    for parts, tree in side.roots():
        state = book.start
        link: Link = None
        for depth, part in enumerate(parts):
            yield from ((rule, parts[:depth], tree) for rule in state.accepted if rule in wanted and depth)
            state, link = state.step(part), (link, part)
        todo.append((link, tree, state))
    todo.reverse()
    while todo:
        most -= 1
        if most < 0:
            raise Unfinished
        link, value, state = todo.pop()
        yield from ((rule, unrolled(link), value) for rule in state.accepted if rule in wanted)
        if state.dead:
            continue
        tree = _inside(value)
        if isinstance(tree, (str, bytes)):
            tree = content.structure(tree)
        below: list[tuple[Link, Any, State[Rule]]] = [
            ((link, part), child, further) for part, child in children(tree) if not (further := state.step(part)).dead
        ]
        todo.extend(reversed(below))


def _inside(value: Any) -> Any:
    """What stands below a value under the names that comparing gives it."""
    if not isinstance(value, Tagged):
        return value
    if value.kind in ("str", "bytes"):
        return value.value
    if value.kind == "array":
        return arrays.nested(value)
    if value.kind == "dict" and isinstance(value.value, list):
        return {part_of(key): child for key, child in value.value}
    return value


def present(sides: Collection[Side], book: Rulebook, wanted: Collection[Rule]) -> set[Rule]:
    """Which of the wanted rules mean any place at all on any side; those not settled within the bound count as present."""
    left = set(wanted)
    for side in sides:
        try:
            for rule, _, _ in places(side, book, frozenset(left)):
                left.discard(rule)
                if not left:
                    break
        except Unfinished:
            return set(wanted)
        if not left:
            break
    return set(wanted) - left
