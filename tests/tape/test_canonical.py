"""What counts as the same argument has the same form, and nothing else has it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings

from autoplayback.tape.values import Encoder, canonical
from tests.tape.samples import Line, Plain, Point, same, values


def form(value: Any) -> bytes:
    """The canonical form of a value."""
    return canonical(Encoder().encode(value))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({1: 2, (3,): 4}, {(3,): 4, 1: 2}),
        ({"x", "yy", 3}, {3, "yy", "x"}),
        (-0.0, 0.0),
        (math.nan, -math.nan),
        (Plain(a=1, b=2), Plain(b=2, a=1)),
        ([[1]] * 2, [[1], [1]]),
        (frozenset("abc"), frozenset("cba")),
        ([Point(i, 0) for i in range(20)], [*[Point(i, 0) for i in range(19)], Point(19, 0)]),
        ([(1, 2)] * 9, [(1, i) for i in [2] * 9]),
    ],
)
def test_equal_arguments_have_one_form(one: Any, other: Any) -> None:
    """Whatever the order of keys and members, the sign of zero, or what is shared."""
    assert form(one) == form(other)


DIFFERENT = [
    None,
    False,
    True,
    0,
    1,
    1.0,
    "1",
    b"1",
    bytearray(b"1"),
    [],
    (),
    {},
    set(),
    frozenset(),
    [1],
    (1,),
    {1},
    {"1": 1},
    {1: 1},
    [[1]],
    [1, 1],
    ["a", "b"],
    ["ab"],
    ["a", ["b"]],
    [["a"], "b"],
    {"a": {}, "b": 1},
    {"a": {"b": 1}},
    Plain(),
    Plain(a=1),
    Line("a", 1),
    Line("a", "1"),
    2**64,
    -(2**64),
    2**20_000,
    "\ud800",
    1j,
    [None],
    [[None]],
    {"": 0},
    1e300,
    Plain,
]


def test_different_arguments_have_different_forms() -> None:
    """No two of a list of near misses collide."""
    forms = [form(value) for value in DIFFERENT]
    assert len(set(forms)) == len(forms)


@given(values, values)
@settings(max_examples=150, deadline=None)
def test_forms_differ_exactly_where_values_do(one: Any, other: Any) -> None:
    """Equal forms are equal values, but for NaN, zeroes and order, which `==` on the forms' values sees too."""
    assert form(one) == form(one)
    if form(one) == form(other):
        assert same(one, other) or one == other or "nan" in repr(one).lower()
