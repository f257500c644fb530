"""Arrays and frames cell by cell, read without numpy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from autoplayback.config.settings import Compare, Metric
from autoplayback.equalizer import Judgement, Verdict, compare
from autoplayback.equalizer.arrays import nested
from autoplayback.tape.values import Tagged, inspect
from tests.equalizer.tapes import encoded, replay, tape


def judged(one: Any, other: Any, **rules: Any) -> Judgement:
    """Two results."""
    return compare(tape(one), replay(other), Compare(**rules))


def at(judgement: Judgement) -> list[tuple[str, Any, Any]]:
    """Where they differ, and in what."""
    return [(difference.at, difference.recorded, difference.replayed) for difference in judgement.differences]


TABLE = np.arange(6.0).reshape(2, 3)


def changed(array: Any, place: Any, value: Any) -> Any:
    """The array with one cell changed."""
    new = array.copy(order="K")
    new[place] = value
    return new


@pytest.mark.parametrize("order", [np.ascontiguousarray, np.asfortranarray])
def test_a_cell_that_differs_is_named(order: Any) -> None:
    """However the table lies in memory, on either side."""
    judgement = judged(order(TABLE), changed(TABLE, (1, 2), 9.0))
    assert at(judgement) == [("result[1][2]", 5.0, 9.0)]
    assert judged(order(TABLE), changed(order(TABLE), (1, 2), 9.0), ignore=["result[*][2]"]).verdict is Verdict.EQUAL
    assert judged(order(TABLE), np.asfortranarray(TABLE)).verdict is Verdict.EQUAL


@pytest.mark.parametrize(
    ("one", "other", "recorded", "replayed"),
    [
        (np.array(["ab", "c"]), np.array(["ab", "d"]), "c", "d"),
        (np.array([b"ab", b"c"]), np.array([b"ab", b"d"]), "b'c'", "b'd'"),
        (np.array(["1969-12-31", "2026-01-01"], "M8[D]"), np.array(["1969-12-31", "NaT"], "M8[D]"), "2026-01-01", "NaT"),
        (
            np.array([0, 1_500], "M8[ms]"), np.array([0, -1], "M8[ms]"),
            "1970-01-01T00:00:01.500", "1969-12-31T23:59:59.999",
        ),
        (np.array([0, 2**60], "M8[s]"), np.array([0, 1], "M8[s]"), str(2**60), "1970-01-01T00:00:01"),
        (np.array([1, 2], "m8[us]"), np.array([1, 3], "m8[us]"), 2, 3),
    ],
)  # fmt: skip
def test_texts_and_times_are_shown_as_such(one: Any, other: Any, recorded: Any, replayed: Any) -> None:
    """Not as the bytes they are kept as."""
    assert at(judged(one, other)) == [("result[1]", recorded, replayed)]


@pytest.mark.parametrize("kind", ["f4", ">f8", "i8"])
def test_another_dtype_differs_though_the_numbers_agree(kind: str) -> None:
    """As 1 and 1.0 do; it can be ignored where it doesn't matter."""
    judgement = judged(TABLE, TABLE.astype(kind))
    assert [place for place, _, _ in at(judgement)][-1:] == ["result.dtype"] or kind == "i8"
    assert judgement.verdict is Verdict.DIFFERENT
    if kind == "f4":
        assert judged(TABLE, TABLE.astype(kind), ignore=["result.dtype"]).verdict is Verdict.EQUAL


def test_a_cell_of_a_frame_is_named_by_column_and_row() -> None:
    """`values` are the columns in order, each with how it is kept and its cells."""
    frame = pd.DataFrame({"sku": ["a", "b"], "price": [1.5, 2.5], "at": pd.to_datetime(["2026-01-01", "2026-01-02"])})
    new = frame.copy()
    new.loc[1, "price"], new.loc[1, "at"] = 3.0, pd.Timestamp("2026-01-03")
    assert [place for place, _, _ in at(judged(frame, new))] == ["result.values[1][1][1]", "result.values[2][1][1]"]


METRIC = Metric(better="lower", tolerance="1%")


@pytest.mark.parametrize(
    ("one", "other", "path"),
    [
        (np.array([1.0, 2.0]), np.array([1.0, 99.0]), "result[1]"),
        (np.asfortranarray(TABLE), changed(np.asfortranarray(TABLE), (0, 1), 99.0), "result[0][1]"),
        ({1: 1.0}, {1: 99.0}, "result[1]"),
        ({(1, 2): 1.0, "x": 0}, {(1, 2): 99.0, "x": 0}, 'result."(1, 2)"'),
        ({"c": np.float64(1)}, {"c": np.float64(99)}, "result.c"),
    ],
)
def test_a_metric_is_read_wherever_comparing_leaves_its_place_to_it(one: Any, other: Any, path: str) -> None:
    """In arrays and under keys that aren't text as well: unread, a number gone bad would pass."""
    assert judged(one, other, metrics={path: METRIC}).verdict is Verdict.DEGRADED
    assert judged(one, one, metrics={path: METRIC}).verdict is Verdict.EQUAL


def test_what_no_metric_can_read_is_a_difference() -> None:
    """Complex numbers have no better and no worse."""
    assert judged({"c": 1 + 2j}, {"c": 1 + 3j}, metrics={"result.c": METRIC}).verdict is Verdict.DIFFERENT
    assert judged({"c": {1, 2}}, {"c": {1, 3}}, metrics={"result.c.**": METRIC}).verdict is Verdict.DIFFERENT


@given(
    arrays_of.arrays(st.sampled_from(["f8", ">i4", "?", "U3", "S2"]), arrays_of.array_shapes(max_dims=4, max_side=4)),
    st.sampled_from("CF"),
)
def test_items_stand_where_numpy_has_them(array: Any, order: Any) -> None:
    """Along all axes, in both orders."""
    found = nested(inspect(encoded(np.array(array, order=order))))  # type: ignore[arg-type]
    expected = array.tolist()
    assert repr(found) == repr(expected)


@pytest.mark.parametrize("shape", [[10**9, 0], [2**40], [1] * 100, [-1], [3]])
def test_a_forged_shape_is_no_array(shape: list[int]) -> None:
    """It costs nothing, and is compared as the bytes it is."""
    assert nested(Tagged("array", "numpy:ndarray", b"\0" * 16, ["<f8", shape, "C", True])) is None
    assert math.prod(shape) != 2
