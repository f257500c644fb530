"""Values in reports: cut around what differs, in texts and in bytes, whatever their length."""

from __future__ import annotations

from typing import Any

import pytest

from autoplayback.config.settings import Compare, Metric
from autoplayback.equalizer import Difference, compare
from autoplayback.equalizer.showing import briefly, first_unlike
from tests.equalizer.tapes import replay, tape

STATEMENT = (
    "SELECT o.id, o.customer, o.total, o.currency, l.sku, l.quantity, l.price FROM orders o JOIN lines l ON l.order_id = o.id "
    "WHERE o.customer = {} AND o.cancelled IS NULL ORDER BY o.id LIMIT 100"
)


def difference(recorded: Any, replayed: Any) -> Difference:
    """The one difference of two results."""
    (found,) = compare(tape({"value": recorded}), replay({"value": replayed})).differences
    return found


@pytest.mark.parametrize("longest", [60, 80, 100])
def test_a_statement_is_cut_around_what_changed(longest: int) -> None:
    """Not before it: both sides show the change, and a little of what stands around it."""
    one, other = briefly(difference(STATEMENT.format("7"), STATEMENT.format("8")), longest)
    assert "customer = 7 AND" in one
    assert "customer = 8 AND" in other
    assert one.startswith("…")
    assert max(len(one), len(other)) <= longest + 2


def test_short_values_stand_whole() -> None:
    """And what differs at its beginning is cut at its end only."""
    assert briefly(difference("a", "b"), 80) == ("'a'", "'b'")
    one, other = briefly(difference("x" + "-" * 300, "y" + "-" * 300), 80)
    assert (one[:2], other[:2]) == ("'x", "'y")
    assert one[-1] == "…"


def test_a_long_text_that_only_ends_differently_shows_its_end() -> None:
    """Also where one is the beginning of the other."""
    one, other = briefly(difference("a" * 5_000 + "b", "a" * 5_000), 80)
    assert "ab" in one
    assert "ab" not in other


def test_the_size_said_is_that_of_the_whole() -> None:
    """Not of what is left of it."""
    text = "word " * 1_000
    found = difference(text + "x" + text, text + "y" + text)
    assert found.recorded.endswith("… (10,001 characters)")
    assert len(found.recorded) < 500


def test_bytes_are_cut_around_what_changed() -> None:
    """With the place said: nobody counts bytes."""
    data = bytes(range(128, 256)) * 100
    found = difference(data + b"old" + data, data + b"new" + data)
    assert found.recorded.startswith("… b'\\xc4")
    assert found.recorded.endswith("(from byte 12,740 of 25,603)")
    one, other = briefly(found, 100)
    assert "\\xffold\\x80" in one
    assert "\\xffnew\\x80" in other


def test_statements_of_bytes_too() -> None:
    """Text in bytes is compared as text, and shown like it."""
    one, other = briefly(difference(STATEMENT.format("7").encode(), STATEMENT.format("8").encode()), 100)
    assert "customer = 7 AND" in one
    assert "customer = 8 AND" in other


@pytest.mark.parametrize(
    ("one", "other", "at"), [("", "", 0), ("a", "a", 1), ("ab", "ac", 1), ("b", "a", 0), ("abc", "ab", 2), (b"xyz1", b"xyz2", 3)]
)
def test_where_two_texts_part(one: Any, other: Any, at: int) -> None:
    """Found by halving."""
    assert first_unlike(one, other) == at
    assert first_unlike(other, one) == at


def test_a_place_thousands_deep_is_short_and_still_one_place() -> None:
    """Or each of a hundred differences would bring a path of a megabyte into every report."""

    def nested(leaf: int, other: int) -> Any:
        value: Any = {"a": leaf, "b": other}
        for _ in range(3_000):
            value = {"key": value}
        return value

    one, other = compare(tape(nested(1, 2)), replay(nested(3, 4))).differences
    assert one.at != other.at
    assert max(len(one.at), len(other.at)) < 500
    assert "3,002 steps" in one.at


def test_a_reason_names_a_few_of_many_metrics() -> None:
    """A wildcard means as many as there are."""
    rules = Compare(metrics={"result[*]": Metric(better="lower")})
    judgement = compare(tape(list(range(100))), replay([value + 1 for value in range(100)]), rules)
    assert judgement.reason.endswith("; and 95 more")
    assert len(judgement.metrics) == 100
