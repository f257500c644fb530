"""Objects at two places stay one object, cycles stay cycles, and depth has no bound."""

from __future__ import annotations

import collections
import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoplayback.tape.values import Encoder, Tagged, canonical, inspect, rebuild, render
from tests.tape.samples import TRUST, Line, Names, Pair, Plain, Point, Refused, copied, same, values


@pytest.mark.parametrize(
    "make",
    [
        lambda: [1],
        lambda: {"a": 1},
        lambda: {1: 2},
        lambda: {1},
        lambda: bytearray(b"x"),
        lambda: Plain(a=1),
        lambda: Line("a", 1),
        lambda: Point(1, 2),
        lambda: Names([1]),
        lambda: ([1],),
        lambda: collections.deque([1]),
        lambda: ValueError(1),
        lambda: Pair(1),
        lambda: collections.OrderedDict(a=1),
    ],
)
@pytest.mark.parametrize(
    "around",
    [
        lambda x: [x, x],
        lambda x: {"a": x, "b": {"c": x}},
        lambda x: (x, [x]),
        lambda x: Plain(a=x, b=[x]),
        lambda x: [(i, datetime.date.max) for i in range(9)] + [x, x],
        lambda x: [Point(i, 0) for i in range(9)] + [x, x],
        lambda x: [x] * 20,
        lambda x: [[i] for i in range(200)] + [x, x],
    ],
)
def test_what_stands_at_two_places_is_one_object(make: Any, around: Any) -> None:
    """In plain data and in instances, near and far, among a few and among many."""
    value = around(make())
    back = copied(value)
    assert same(back, value)
    assert _sharing(back) == _sharing(value)


def _sharing(value: Any) -> list[int]:
    """For each container met on a walk, the position at which it was first met."""
    seen: dict[int, int] = {}
    order = []
    stack = [value]
    while stack:
        node = stack.pop()
        if isinstance(node, (list, dict, set, tuple, bytearray, Plain, Point, Line, collections.deque, BaseException)):
            if isinstance(node, tuple) and not isinstance(node, Pair) and not any(isinstance(x, (list, Plain)) for x in node):
                continue  # tuples of immutable things may be copied
            order.append(seen.setdefault(id(node), len(order)))
            if order[-1] != len(order) - 1:
                continue
        if isinstance(node, dict):
            stack.extend(node.values())
        elif isinstance(node, (list, tuple)):
            stack.extend(node)
        elif isinstance(node, Plain):
            stack.extend(node.__dict__.values())
    return order


def test_cycles_of_every_kind_come_back() -> None:
    """Through lists, dicts, instances, tuples, exceptions and deques."""
    items: list[Any] = []
    items.append(items)
    assert (back := copied(items))[0] is back

    mapping: dict[Any, Any] = {}
    mapping["self"] = [mapping]
    assert (back := copied(mapping))["self"][0] is back

    node = Plain(children=[])
    node.children.append(Plain(parent=node))
    assert (back := copied(node)).children[0].parent is back

    knot: tuple[Any, ...] = ([],)
    knot[0].append(knot)
    assert (back := copied(knot))[0][0] is back

    wrapped: tuple[Any, ...] = ({},)
    wrapped[0]["x"] = (1, (wrapped,))
    assert (back := copied(wrapped))[0]["x"][1][0] is back

    error = Refused(1, "x")
    error.why = [error]  # type: ignore[attr-defined]
    assert (back := copied(error)).why[0] is back

    line = Line("a", 1)
    line.tags.append(Pair(line))
    assert (back := copied(line)).tags[0].left is back

    ring: collections.deque[Any] = collections.deque()
    ring.append(Plain(ring=ring))
    assert (back := copied(ring))[0].ring is back


def test_a_value_deeper_than_python_recurses_comes_back() -> None:
    """Lists, dicts and linked instances 10,000 deep; inspected, made again and compared."""
    deep: Any = "end"
    for i in range(10_000):
        deep = [deep] if i % 3 == 0 else {"next": deep} if i % 3 == 1 else Plain(next=deep)
    document = Encoder().encode(deep)
    back, depth = rebuild(document, TRUST), 0
    while back != "end":
        back = back[0] if isinstance(back, list) else back["next"] if isinstance(back, dict) else back.next
        depth += 1
    assert depth == 10_000
    assert canonical(document) == canonical(document)
    assert "Plain" in render(inspect(document), 100)


def test_a_cycle_shows_as_a_reference() -> None:
    """Who looks at a tape gets a tree that ends."""
    items: list[Any] = [1]
    items.append({"again": items})
    assert inspect(Encoder().encode(items)) == [1, {"again": Tagged("ref", "", 0)}]
    shared = [1]
    assert inspect(Encoder().encode([shared, Plain(a=shared)])) == [
        [1],
        Tagged("object", f"{Plain.__module__}:Plain", {"a": [1]}),
    ]


@given(values, values)
@settings(max_examples=60, deadline=None)
def test_sharing_of_any_value_survives_any_surroundings(shared: Any, other: Any) -> None:
    """The numbers of containers are right whatever stands before a reference."""
    holder = Plain(first=other, second=[shared], third=(shared, other))
    holder.me = holder
    back = copied(holder)
    assert back.me is back
    assert same(back.first, other)
    assert same(back.second[0], shared)
    assert same(back.third, (shared, other))
    if isinstance(shared, (list, dict, set, Plain, Line)):
        assert back.second[0] is back.third[0]


@given(st.integers(1, 30), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_any_graph_comes_back_as_it_was(size: int, random: Any) -> None:
    """Nodes of several kinds with edges anywhere: same kinds, same edges."""
    kinds = [list, dict, lambda: Plain(edges=[]), lambda: Line("", 0), Names, collections.deque]
    nodes = [random.choice(kinds)() for _ in range(size)]
    for node in nodes:
        for _ in range(random.randrange(4)):
            other = random.choice(nodes)
            if isinstance(node, dict):
                node[random.choice("abc")] = other
            else:
                _edges(node).append(random.choice([other, (other,)]))
    assert _shape(copied(nodes)) == _shape(nodes)


def _edges(node: Any) -> Any:
    return node.edges if isinstance(node, Plain) else node.tags if isinstance(node, Line) else node


def _shape(root: Any) -> list[Any]:
    numbers: dict[int, int] = {id(root): 0}
    order, shape = [root], []
    for node in order:
        children = (
            list(node.items()) if isinstance(node, dict) else list(enumerate(node if isinstance(node, tuple) else _edges(node)))
        )
        row: list[Any] = [type(node)]
        for key, child in children:
            if id(child) not in numbers:
                numbers[id(child)] = len(order)
                order.append(child)
            row.append((key, numbers[id(child)]))
        shape.append(row)
    return shape
