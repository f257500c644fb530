"""Values of numpy, pandas and pydantic come back exactly, and are read without these libraries."""

from __future__ import annotations

import datetime
import sys
from typing import Any

import attrs
import numpy as np
import pandas as pd
import pydantic
import pytest

from autoplayback.tape.values import Encoder, Trust, inspect, rebuild
from tests.tape.samples import copied

ARRAYS = [
    np.arange(6).reshape(2, 3),
    np.arange(6, dtype=">i2").reshape(2, 3),
    np.asfortranarray(np.ones((2, 3))),
    np.array(5),
    np.zeros((0, 3)),
    np.array([1.5, np.nan, -0.0], dtype="f4"),
    np.array([True, False]),
    np.array([1 + 2j]),
    np.array(["ab", "ç"]),
    np.array([b"a", b"bc"]),
    np.array(["2026-01-01", "NaT"], dtype="M8[D]"),
    np.array([5], dtype="m8[us]"),
    np.array([[1, "x"], [None, (2,)]], dtype=object),
    np.array([(1, 2.5, [1, 2])], dtype=[("a", "<i4"), ("b", "<f8"), ("c", "<i2", (2,))]),
    np.arange(10)[::3],
    np.arange(4).reshape(2, 2).T,
    np.array([], dtype="S3"),
    np.array([(1, 2)], dtype=np.dtype({"names": ["x", "y"], "formats": ["i1", "i8"], "offsets": [0, 8], "itemsize": 16})),
]
SCALARS = [
    np.int8(-3),
    np.uint64(2**64 - 1),
    np.float32(0.1),
    np.float64(-0.0),
    np.bool_(True),
    np.complex64(1j),
    np.str_("ab"),
    np.bytes_(b"x"),
    np.datetime64("2026-01-02", "ms"),
    np.timedelta64(5, "h"),
    np.longdouble("1.1"),
    np.datetime64("NaT"),
    np.float16(1.5),
]


@pytest.mark.parametrize("array", ARRAYS, ids=repr)
def test_arrays_keep_type_shape_order_and_every_bit(array: Any) -> None:
    """Also as fields and beside others."""
    back = copied({"a": [array]})["a"][0]
    assert (type(back), back.dtype, back.shape) == (type(array), array.dtype, array.shape)
    assert back.flags.f_contiguous == array.flags.f_contiguous or not array.flags.contiguous
    assert repr(back) == repr(array)
    assert array.dtype.hasobject or array.dtype.names or back.tobytes() == array.tobytes()
    assert back.flags.writeable


@pytest.mark.parametrize("scalar", SCALARS, ids=repr)
def test_numpy_scalars_stay_what_they_are(scalar: Any) -> None:
    """A float64 is a float, but not the same thing."""
    back = copied([scalar])[0]
    assert type(back) is type(scalar)
    assert back.dtype == scalar.dtype
    assert back.tobytes() == scalar.tobytes()


def test_a_read_only_array_and_a_shared_one() -> None:
    """What can't be written to must not become so; two names for one array stay one."""
    array = np.arange(3)
    array.flags.writeable = False
    one, two = copied((array, array))
    assert one is two
    assert not one.flags.writeable
    assert copied(np.dtype("<f8")) == np.dtype("<f8")


DATES = pd.date_range("2026-01-01", periods=3, tz="Europe/Berlin")
FRAMES = [
    pd.DataFrame(
        {"a": [1, 2, 3], "b": ["x", None, "z"], "c": [1.5, np.nan, -0.0], "d": pd.to_datetime(["2026-01-01", None, "2026-01-03"])}
    ),
    pd.DataFrame(
        {
            "a": pd.Categorical(["x", "y", "x"], categories=["y", "x"], ordered=True),
            "n": pd.array([1, None, 3], dtype="Int64"),
            "s": pd.array(["a", None, "c"], dtype="string"),
            "z": DATES,
            "b": pd.array([True, None, False], dtype="boolean"),
        }
    ),
    pd.DataFrame(),
    pd.DataFrame(index=[1, 2]),
    pd.DataFrame({"a": []}),
    pd.DataFrame([[1, 2], [3, 4]], columns=["same", "same"]),
    pd.DataFrame({"a": [1, 2]}, index=pd.MultiIndex.from_tuples([("x", 1), ("y", 2)], names=["k", None])),
    pd.DataFrame({("a", 1): [1], ("b", 2): [2]}),
    pd.DataFrame({"a": [1, 2, 3]}, index=DATES),
    pd.DataFrame({"o": [[1], {"k": (2,)}]}),
    pd.DataFrame({"t": pd.to_timedelta([1, 2], unit="s")}, index=pd.RangeIndex(0, 4, 2, name="r")),
]
SERIES = [
    pd.Series([1, 2], name="n"),
    pd.Series(["a", None]),
    pd.Series([], dtype="f4"),
    pd.Series([1.5], index=["x"]),
    pd.Series(DATES),
    pd.Series([1, 2], name=("t", 1)),
    pd.Series(pd.array([1, None], dtype="Int8")),
]
INDEXES = [
    pd.Index([1, 2], name="i"),
    pd.Index(["a", "b"]),
    pd.RangeIndex(5),
    DATES,
    pd.DatetimeIndex(["2026-01-01", "2026-03-01"]),
    pd.TimedeltaIndex(["1h", "2h"]),
    pd.CategoricalIndex(["a", "b"]),
    pd.MultiIndex.from_product([[1, 2], ["x"]]),
    pd.Index([1.5, np.nan]),
]


@pytest.mark.parametrize("frame", FRAMES, ids=range(len(FRAMES)))
def test_frames_keep_columns_index_and_dtypes(frame: Any) -> None:
    """As pandas' own strictest comparison sees it."""
    frame.attrs["source"] = "test"
    back = copied([frame])[0]
    pd.testing.assert_frame_equal(back, frame, check_freq=True, check_flags=True)
    assert back.attrs == {"source": "test"}


@pytest.mark.parametrize("series", SERIES, ids=range(len(SERIES)))
def test_series_keep_name_index_and_dtype(series: Any) -> None:
    """Names can be tuples."""
    back = copied(series)
    pd.testing.assert_series_equal(back, series)
    assert back.name == series.name


@pytest.mark.parametrize("index", INDEXES, ids=range(len(INDEXES)))
def test_indexes_come_back(index: Any) -> None:
    """With their frequency, where they have one."""
    back = copied(index)
    pd.testing.assert_index_equal(back, index, exact=True)
    assert getattr(back, "freq", None) == getattr(index, "freq", None)


@pytest.mark.parametrize(
    "moment",
    [
        pd.Timestamp("2026-01-02T03:04:05.123456789"),
        pd.Timestamp("2026-10-25T02:30").tz_localize("Europe/Berlin", ambiguous=False),
        pd.Timedelta("1 days 2 ns"),
        pd.NaT,
        pd.NA,
        pd.Timestamp("1700-01-01", unit=None),
        pd.Timestamp("2026-01-01").as_unit("s"),
    ],
    ids=repr,
)
def test_moments_of_pandas_keep_nanoseconds_and_unit(moment: Any) -> None:
    """A Timestamp is a datetime, with more."""
    back = copied([moment])[0]
    assert type(back) is type(moment)
    if moment is pd.NaT or moment is pd.NA:
        assert back is moment
    else:
        assert back == moment
        assert back.unit == moment.unit
        assert getattr(back, "tzinfo", None) == getattr(moment, "tzinfo", None)


class Address(pydantic.BaseModel):
    city: str
    zip: int | None = None


class Customer(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    name: str
    address: Address
    since: datetime.date = datetime.date(2020, 1, 1)
    _seen: list[int] = pydantic.PrivateAttr(default_factory=list)


class Tags(pydantic.RootModel[list[str]]):
    pass


@pydantic.dataclasses.dataclass
class Paid:
    cents: int


@attrs.frozen
class Frozen:
    a: int
    b: list[int] = attrs.field(factory=list)


def test_pydantic_models_keep_what_was_set_extra_and_private() -> None:
    """Their own equality looks at all of that."""
    customer = Customer(name="acme", address=Address(city="Ulm"), level=3)  # type: ignore[call-arg]
    customer._seen.append(5)
    back = copied([customer])[0]
    assert back == customer
    assert (type(back), back.model_fields_set, back._seen, back.model_extra) == (
        Customer,
        {"name", "address", "level"},
        [5],
        {"level": 3},
    )
    assert back.address.model_fields_set == {"city"}
    assert copied(Tags(["a"])) == Tags(["a"])
    assert copied(Paid(5)) == Paid(5)
    assert copied(Frozen(1, [2])) == Frozen(1, [2])
    assert str(copied(pydantic.TypeAdapter(pydantic.HttpUrl).validate_python("http://x.org/a"))) == "http://x.org/a"
    secret = copied(pydantic.SecretStr("s"))
    assert secret.get_secret_value() == "s"


def test_a_model_shows_its_fields() -> None:
    """`result.address.city` is a path that comparing and metadata use."""
    tree: Any = inspect(Encoder().encode(Customer(name="acme", address=Address(city="Ulm"))))
    assert (tree.kind, tree.value["address"].value) == ("pydantic", {"city": "Ulm", "zip": None})


def test_looking_needs_neither_library() -> None:
    """`show` on a machine without numpy."""
    documents = [Encoder().encode(value).hex() for value in (ARRAYS[0], FRAMES[0], Customer(name="a", address=Address(city="x")))]
    code = f"""
import sys
from autoplayback.tape.values import inspect, render, canonical
for document in {documents!r}:
    print(render(inspect(bytes.fromhex(document)), 60)); canonical(bytes.fromhex(document))
assert not {{"numpy", "pandas", "pydantic"}} & set(sys.modules)
"""
    import subprocess

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_arrays_are_only_made_again_by_the_bytes_they_have() -> None:
    """See test_hostile; here that a good array isn't refused."""
    big = np.random.default_rng(1).random((300, 300))
    assert (rebuild(Encoder().encode(big), Trust()) == big).all()
