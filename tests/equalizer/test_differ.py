"""Rules of the config at work on trees."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoplayback.config.settings import Compare, Tolerance
from autoplayback.equalizer import Verdict, compare
from tests.equalizer.tapes import replay, tape


def differing(one: Any, other: Any, **rules: Any) -> list[str]:
    """The places where two results differ."""
    return [difference.at for difference in compare(tape(one), replay(other), Compare(**rules)).differences]


def test_only_what_include_names_is_compared() -> None:
    """Above and beside it anything may change; its own disappearance counts."""
    rules = {"include": ["result.a.b"]}
    assert differing({"a": {"b": 1, "c": 1}, "d": 1}, {"a": {"b": 1, "c": 2}}, **rules) == []
    assert differing({"a": {"b": 1}}, {"a": {"b": {"x": 2}}}, **rules) == ["result.a.b"]
    assert differing({"a": {"b": 1}}, {}, **rules) == ["result.a.b"]


def test_a_wildcard_reaches_every_item() -> None:
    """`[*]` in a list, `**` at any depth."""
    one, other = {"rows": [{"t": 1, "x": 1}, {"t": 2, "x": 1}]}, {"rows": [{"t": 5, "x": 1}, {"t": 6, "x": 2}]}
    assert differing(one, other, ignore=["result.rows[*].t"]) == ["result.rows[1].x"]
    assert differing(one, other, ignore=["**.t", "**.x"]) == []


def test_an_ignored_field_does_not_spoil_the_alignment_of_a_list() -> None:
    """Every row has a new stamp; one row was dropped: that row alone is missing."""
    one = [{"id": i, "at": i} for i in range(30)]
    other = [{"id": i, "at": i + 100} for i in range(30) if i != 11]
    assert differing(one, other, ignore=["result[*].at"]) == ["result[11]"]


def test_items_are_told_apart_by_their_key() -> None:
    """In any order; a key may lie deeper."""
    one, other = [{"id": 1, "x": 1}, {"id": 2, "x": 2}], [{"id": 2, "x": 3}, {"id": 1, "x": 1}]
    assert differing(one, other, key={"result": "id"}) == ["result[1].x"]
    deep = [{"trip": {"id": i}, "x": i} for i in range(4)]
    assert differing(deep, deep[::-1], key={"result": "trip.id"}) == []


def test_unordered_lists_match_as_multisets_and_under_the_rules() -> None:
    """An item counts as often as it occurs, and within its tolerance."""
    assert differing([1, 1, 2], [2, 1, 1], unordered=["result"]) == []
    assert differing([1, 1, 2], [2, 2, 1], unordered=["result"]) != []
    tolerance = {"result[*].x": Tolerance(abs=0.5)}
    assert differing([{"x": 1.0}, {"x": 5.0}], [{"x": 5.2}, {"x": 1.1}], unordered=["result"], tolerance=tolerance) == []


def test_an_insertion_is_one_difference() -> None:
    """Not one for each item behind it."""
    assert differing([1, 2, 3, 4, 5], [1, 2, 9, 3, 4, 5]) == ["result[2]"]


@pytest.mark.parametrize(
    ("one", "other", "tolerance", "equal"),
    [
        (1.0, 1.1, Tolerance(abs=0.1), True),
        (1.0, 1.2, Tolerance(abs=0.1), False),
        (100, 101, Tolerance(rel=0.01), True),
        (0, 1, Tolerance(rel=0.5), False),
        (Decimal("1.00"), Decimal("1.01"), Tolerance(abs=0.01), True),
        (1, True, Tolerance(abs=5), False),
        (float("inf"), 1.0, Tolerance(abs=5), False),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 2, tzinfo=UTC), Tolerance(time=2), True),
        (datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC), Tolerance(time=2), False),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:03Z", Tolerance(time=2), False),
        (timedelta(seconds=1), timedelta(seconds=2), Tolerance(time=1), True),
        ("2026-01-01T00:00:00", "2026-01-01T00:00:00Z", Tolerance(time=2), False),
    ],
)
def test_tolerances(one: Any, other: Any, tolerance: Tolerance, equal: bool) -> None:
    """Numbers and times of every kind, at the edge of what is allowed."""
    assert (differing({"x": one}, {"x": other}, tolerance={"result.x": tolerance}) == []) is equal


def test_null_is_missing_only_where_it_is_said() -> None:
    """Of one field, or of every field of a map."""
    assert differing({"a": None}, {}) == ["result.a"]
    assert differing({"a": None}, {}, null_is_missing=["result.a"]) == []
    assert differing({"b": 1}, {"a": None, "b": 1}, null_is_missing=["result"]) == []
    assert differing({"a": 0}, {}, null_is_missing=["result.a"]) == ["result.a"]


def test_a_renamed_id_is_followed_to_where_it_is_used() -> None:
    """Bound where it is made, followed through a link; another id in its place is found out."""
    one = {"id": "order-11111", "link": "/orders/order-11111", "lines": {"order-11111": 1}}
    other = {"id": "order-22222", "link": "/orders/order-22222", "lines": {"order-22222": 1}}
    assert differing(one, other, normalize=["result.id"]) == []
    assert differing(one, other | {"link": "/orders/order-33333"}, normalize=["result.id"]) == ["result.link"]


def test_ids_stand_for_each_other_one_to_one() -> None:
    """Two old ids can't become one new id, nor one id two."""
    rules = {"normalize": ["result[*].id"]}
    assert differing([{"id": 1}, {"id": 2}, {"id": 1}], [{"id": 7}, {"id": 8}, {"id": 7}], **rules) == []
    assert differing([{"id": 1}, {"id": 2}], [{"id": 7}, {"id": 7}], **rules) == ["result[1].id"]
    assert differing([{"id": 1}, {"id": 1}], [{"id": 7}, {"id": 8}], **rules) == ["result[1].id"]


def test_a_quantity_is_not_taken_for_an_id() -> None:
    """1 became 2 as an id; a number elsewhere that did the same has changed."""
    assert differing({"id": 1, "quantity": 1}, {"id": 2, "quantity": 2}, normalize=["result.id"]) == ["result.quantity"]


def test_uuids_are_renamed_wherever_they_stand() -> None:
    """Consistently, inside text too."""
    a, b = "1b4e28ba-2fa1-11d2-883f-0016d3cca427", "6fa459ea-ee8a-3ca4-894e-db77e160355e"
    assert differing([a, f"order {a} of x"], [b, f"order {b} of x"], normalize=["uuids"]) == []
    assert (
        differing([a, f"order {a} of x"], [b, f"order {a} of x"], normalize=["uuids"]) == []
    )  # it is the recorded one: unchanged
    assert differing([a, a], [b, "16fd2706-8baf-433b-82eb-8c7fada847da"], normalize=["uuids"]) == ["result[1]"]


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=20,
)


@given(PLAIN)
def test_anything_is_equal_to_itself(value: Any) -> None:
    """Walked in full, not taken for equal by its bytes: a rule asks to look inside."""
    judgement = compare(tape(value), replay(value), Compare(ignore=["result.no.such.place"]))
    assert judgement.verdict is Verdict.EQUAL


@given(PLAIN, PLAIN)
def test_comparing_sees_a_difference_exactly_where_there_is_one(one: Any, other: Any) -> None:
    """Against the strictest equality there is: the repr, type and order of keys apart."""

    def strict(value: Any) -> Any:
        if isinstance(value, dict):
            return ("dict", tuple(sorted((key, strict(child)) for key, child in value.items())).__repr__())
        if isinstance(value, (list, tuple)):
            return (type(value).__name__, tuple(map(strict, value)))
        return repr(0.0 if value == 0 and isinstance(value, float) else value)

    judgement = compare(tape({"v": one}), replay({"v": other}), Compare())
    assert (judgement.verdict is Verdict.EQUAL) == (strict(one) == strict(other))


@given(st.lists(st.integers(0, 3), max_size=30), st.lists(st.integers(0, 3), max_size=30))
def test_aligned_differences_account_for_the_lengths(one: list[int], other: list[int]) -> None:
    """Extra less missing items is the change in length, whatever the alignment."""
    judgement = compare(tape(one), replay(other))
    kinds = [difference.kind for difference in judgement.differences]
    assert kinds.count("extra") - kinds.count("missing") == len(other) - len(one)
    assert (judgement.verdict is Verdict.EQUAL) == (one == other)
