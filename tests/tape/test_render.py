"""Values as people read them in reports."""

from __future__ import annotations

import datetime
import decimal
import time
from typing import Any

import pytest

from autoplayback.tape.render import apart
from autoplayback.tape.values import Encoder, inspect, render
from tests.tape.samples import Color, Headers, Line, Pair, Plain, Refused


def shown(value: Any, limit: int = 200) -> str:
    """A value's way from the service to a report."""
    return render(inspect(Encoder().encode(value)), limit)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([1, (2,), {3}, {"a": None}, "x", b"y"], "[1, (2,), {3}, {'a': None}, 'x', b'y']"),
        (Line("x", decimal.Decimal("1.5")), "Line(sku='x', price=Decimal('1.5'), tags=[])"),
        (Plain(a=Pair(1)), "Plain(a=Pair(left=1, right=None))"),
        (Color.RED, "Color.RED"),
        (Refused(404, "gone"), "Refused('404: gone')"),
        ({1: 2}, "{1: 2}"),
        (set(), "set([])"),
        (Headers({"a": 1}), "Headers({'a': 1})"),
        (datetime.date(2026, 1, 2), "date('2026-01-02')"),
        (Plain, "Plain"),
        (len, "len"),
        ((i for i in ()), "<generator: not recorded>"),
        (lambda: 1, "<function: not recorded, a function or class made at run time, which has no name to find it by>"),
        (2**70, str(2**70)),
    ],
)
def test_values_read_like_python(value: Any, text: str) -> None:
    """Close to their repr, with the class's own name."""
    assert shown(value) == text


def test_long_values_are_cut_and_cost_little() -> None:
    """A report line of a million rows takes no time."""
    assert shown(["x" * 50] * 9, 40) == "['" + "x" * 37 + "…"
    tree = inspect(Encoder().encode([{"a": i} for i in range(200_000)]))
    started = time.perf_counter()
    assert len(render(tree, 80)) == 80
    assert len(render("x" * 10_000_000, 80)) == 80
    assert time.perf_counter() - started < 1
    assert render(10**100_000, 50).endswith("…")


STATEMENT = "SELECT id, total FROM orders JOIN customers USING (customer_id) WHERE orders.id = {} ORDER BY id"


@pytest.mark.parametrize(
    ("one", "other", "seen"),
    [
        (STATEMENT.format(7), STATEMENT.format(8), ("orders.id = 7 ORDER", "orders.id = 8 ORDER")),
        (STATEMENT.format(7).encode(), STATEMENT.format(8).encode(), ("orders.id = 7 ORDER", "orders.id = 8 ORDER")),
        ("a" * 500 + "b", "a" * 500, ("ab'", "aa'")),
        ("x" + "a" * 500, "y" + "a" * 500, ("'xa", "'ya")),
        ("short", 7, ("'short'", "7")),
    ],
    ids=["text", "bytes", "longer at the end", "at the beginning", "of two kinds"],
)
def test_two_long_texts_are_cut_around_what_differs(one: object, other: object, seen: tuple[str, str]) -> None:
    """And stay short."""
    for shown, part in zip(apart(one, other, 60), seen, strict=True):
        assert part in shown
        assert len(shown) <= 60
