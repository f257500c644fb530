"""The path grammar: what texts mean, what they match, and that live objects of a service are never harmed by it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoplayback.config.notations import NotationError
from autoplayback.config.paths import ANY, DEEP, Rules, parse, render, resolve_live

parts = st.lists(st.one_of(st.integers(0, 99), st.text(max_size=6)), min_size=1, max_size=6).map(tuple)


@given(parts)
def test_a_rendered_place_is_read_back_as_exactly_that_place(place: tuple[str | int, ...]) -> None:
    """Whatever characters a key has, `render` writes it so that `parse` finds it again and nothing else."""
    path = parse(render(place))
    assert path.parts == place
    assert path.single
    assert path.matches(place)
    assert not path.matches((*place, "more"))
    assert not path.matches(place[:-1])


def reference(pattern: tuple[Any, ...], place: tuple[str | int, ...]) -> bool:
    """The meaning of wildcards, as plainly as it can be written."""
    if not pattern:
        return not place
    if pattern[0] is DEEP:
        return any(reference(pattern[1:], place[start:]) for start in range(len(place) + 1))
    if not place:
        return False
    return (pattern[0] is ANY or pattern[0] == place[0]) and reference(pattern[1:], place[1:])


small = st.sampled_from(["a", "b", 0, 1])
patterns = st.lists(st.one_of(small, st.sampled_from([ANY, DEEP])), min_size=1, max_size=5)


def written(pattern: list[Any]) -> str:
    """The text of a pattern."""
    texts = [f"[{part}]" if isinstance(part, int) else f".{part.value if part in (ANY, DEEP) else part}" for part in pattern]
    return "".join(texts).lstrip(".")


@given(st.lists(patterns, min_size=1, max_size=4), st.lists(st.lists(small, max_size=6).map(tuple), max_size=8))
def test_the_automaton_agrees_with_the_plain_meaning(rules: list[list[Any]], places: list[tuple[str | int, ...]]) -> None:
    """All rules asked at once, step by step, in any order of places: the same answer as each rule asked alone by definition."""
    compiled = Rules([(written(rule), index) for index, rule in enumerate(rules)])
    for place in places:
        state = compiled.start
        for part in place:
            state = state.step(part)
        assert state.accepted == tuple(index for index, rule in enumerate(rules) if reference(tuple(rule), place))


@pytest.mark.parametrize(("text", "place", "matches"), [
    ("headers.x-request-id", ("headers", "x-request-id"), True),
    ('headers."x.y"', ("headers", "x.y"), True),
    ("headers['x.y']", ("headers", "x.y"), True),
    ("outputs.orders.mail:send.args.at", ("outputs", "orders", "mail:send", "args", "at"), True),
    ("items[*].price", ("items", 12, "price"), True),
    ("items[*].price", ("items", "12", "price"), False),
    ("items[0]", ("items", "0"), False),
    ("**.*_token", ("a", 3, "api_token"), True),
    ("**.*_token", ("token",), False),
    ("**.password", ("password",), True),
    ('"*"', ("*",), True),
    ('"*"', ("anything",), False),
])
def test_what_a_path_means(text: str, place: tuple[str | int, ...], matches: bool) -> None:
    """Names, indexes, wildcards and quotes, each against a place it must or mustn't mean."""
    assert parse(text).matches(place) is matches


@pytest.mark.parametrize(("text", "offset"), [
    ("", 0), ("a..b", 2), ("a.", 2), (".a", 0), ("a[", 1), ("a[x]", 1), ("a[-1]", 1), ('a."x', 2), ("a b", 1), ("a***", 1),
    ("a[0]b", 4), ("a['x'", 5),
])
def test_what_is_no_path_says_where(text: str, offset: int) -> None:
    """The column of an error in the YAML comes from this offset."""
    with pytest.raises(NotationError) as caught:
        parse(text)
    assert caught.value.offset == offset


def test_a_dead_state_lets_a_walker_skip_the_subtree() -> None:
    """Below a place no rule can reach there is nothing to ask; above one there is."""
    rules = Rules([("result.items[*].price", "price"), ("result.total", "total")])
    assert rules.start.step("error").dead
    below = rules.start.step("result").step("items")
    assert not below.dead
    assert not below.accepted
    assert below.step(3) is below.step(4), "any index leads to the same state: 20,000 rows cost one"
    assert below.step(3).step("price").accepted == ("price",)


def test_find_goes_through_maps_lists_and_tagged_nodes() -> None:
    """A tagged node (a dataclass on a tape) is transparent: its fields stand directly below it."""

    @dataclass
    class Node:
        kind: str
        value: Any

    tree = {"order": Node("object", {"lines": Node("tuple", [{"sku": "a"}, {"sku": "b"}])})}
    assert [(render(place), value) for place, value in parse("order.lines[*].sku").find(tree)] == [
        ("order.lines[0].sku", "a"), ("order.lines[1].sku", "b"),
    ]


def test_find_ends_on_a_value_that_holds_itself() -> None:
    """A cycle is met once."""
    tree: dict[str, Any] = {"x": 1}
    tree["self"] = tree
    assert len(list(parse("**.x").find(tree))) <= 2


class Hostile:
    """An object of a service that fails, or acts, when it is looked at."""

    name = "fine"

    @property
    def broken(self) -> str:
        raise RuntimeError("no database")

    def __getitem__(self, key: str) -> str:
        raise KeyError(key)


def test_live_objects_by_attribute_and_key() -> None:
    """A path goes through whatever stands there: mappings by key, objects by attribute, sequences by index."""
    roots = {"order": {"lines": [Hostile()]}, "pair": (1, 2)}
    assert resolve_live(roots, "order.lines[0].name") == (True, "fine")
    assert resolve_live(roots, "pair[1]") == (True, 2)
    for nothing in ("order.missing", "order.lines[7].name", "order.lines[0].broken", "order.lines[0].absent", "nobody.name",
                    "order.items"):
        assert resolve_live(roots, nothing) == (False, None), nothing


def test_a_defaultdict_does_not_grow_and_an_iterator_is_not_consumed() -> None:
    """Looking for metadata leaves the service's values as they were."""
    counts: defaultdict[str, int] = defaultdict(int)
    items = iter([1, 2])
    assert resolve_live({"counts": counts, "items": items}, "counts.a") == (False, None)
    assert resolve_live({"counts": counts, "items": items}, "items[0]") == (False, None)
    assert not counts
    assert next(items) == 1
