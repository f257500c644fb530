"""What the service had comes back as what it was: every type, alone and within others."""

from __future__ import annotations

import array
import collections
import datetime
import decimal
import fractions
import functools
import io
import ipaddress
import math
import os
import pathlib
import re
import time
import types
import uuid
import zoneinfo
from typing import Any

import pytest
from hypothesis import given, settings

from tests.tape.samples import (
    Access,
    Both,
    Box,
    Cents,
    Color,
    Headers,
    Key,
    Level,
    Line,
    Names,
    Pair,
    Plain,
    Point,
    Refused,
    Slotted,
    copied,
    greet,
    same,
    values,
)


@given(values)
@settings(max_examples=400, deadline=None)
def test_any_nesting_of_any_types_comes_back_exactly(value: Any) -> None:
    """Lists of instances in dicts with tuple keys in exceptions: what is rebuilt can't be told from what was encoded."""
    assert same(copied(value), value)


BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -1,
        2**63 - 1,
        2**63,
        2**64 - 1,
        2**64,
        -(2**63),
        -(2**63) - 1,
        2**200,
        -(2**200),
        255 << 64,
        128 << 64,
        0.0,
        -0.0,
        math.nan,
        math.inf,
        -math.inf,
        5e-324,
        "",
        "text",
        "zoë",
        "a\0b",
        "\ud800",
        "ok \udfff then",
        "\U0001f600",
        b"",
        b"\xff\0",
        1j,
        complex(-0.0, math.nan),
        [],
        {},
        (),
        set(),
        frozenset(),
        [[]],
        ((),),
        {"": None},
        {"\udc00": 1},
        {1: 2},
        {(1, "a"): [2]},
        {None: 1, b"k": 2},
        {1.5: 1, True: 2},
        {Key("k"): 1},
        {frozenset({1}): frozenset({2})},
        bytearray(b"x"),
        Color.RED,
        Color.GREEN,
        Level.LOW,
        Access.READ | Access.WRITE,
        Access(0),
        Key("k"),
        Cents(5),
        Cents(2**70),
        Names([1, [2]]),
        Headers({"a": 1, 2: 3}),
        Pair(1, [2]),
        Line("a", decimal.Decimal("1.10"), ["x"]),
        Point(1),
        Box([1], 4),
        Plain(a=1, b=[2]),
        Slotted([1], 2),
        Both(3),
        Plain,
        greet,
        len,
        int,
        type(None),
        dict,
        ValueError,
        KeyError("k"),
        Refused(404, "not there"),
        StopIteration(5),
        ...,
        NotImplemented,
        datetime.datetime(2026, 1, 2, 3, 4, 5, 6),
        datetime.datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1),
        datetime.datetime(1, 1, 1, tzinfo=datetime.UTC),
        datetime.date.max,
        datetime.time(1, 2, 3, 4, datetime.UTC),
        datetime.timedelta.min,
        datetime.timezone(datetime.timedelta(minutes=-90)),
        datetime.timezone(datetime.timedelta(0), "Z"),
        BERLIN,
        decimal.Decimal("NaN"),
        decimal.Decimal("-0E+5"),
        fractions.Fraction(-1, 3),
        uuid.UUID(int=7),
        range(5, 0, -2),
        slice(None, (1,), "x"),
        pathlib.PurePosixPath("a/b"),
        pathlib.Path("/x"),
        pathlib.PureWindowsPath("c:\\x"),
        ipaddress.ip_address("10.0.0.1"),
        ipaddress.ip_address("fe80::1%eth0"),
        ipaddress.ip_network("10.0.0.0/8"),
        ipaddress.ip_interface("10.0.0.1/8"),
        collections.OrderedDict(b=1, a=2),
        collections.Counter("abca"),
        collections.defaultdict(list, a=[1]),
        collections.defaultdict(None, {1: 2}),
        collections.deque([1, [2]]),
        collections.deque([1], maxlen=3),
        types.SimpleNamespace(a=[1]),
        array.array("d", [1.5, -0.0]),
        array.array("i"),
        re.compile("a+(b)", re.IGNORECASE),
        re.compile(b"x"),
        time.gmtime(5),
        os.stat_result(range(19)),
    ],
    ids=lambda value: re.sub(r" at 0x\w+", "", repr(value))[:40],
)
def test_a_value_of_each_type_comes_back_exactly(value: Any) -> None:
    """Alone, as an item beside others, and as a field: each place takes another way through the encoder."""
    assert same(copied(value), value)
    assert same(copied([value, "x", [value]])[0], value)
    assert same(copied(Plain(field=value)).field, value)
    assert same(copied([(1, value)] * 9)[8][1], value)


def test_memory_views_keep_bytes_format_and_shape() -> None:
    """A view of a matrix comes back as one, readable or writable as it was."""
    view = memoryview(bytearray(range(24))).cast("i", shape=[2, 3])
    back = copied(view)
    assert (back.tolist(), back.format, back.shape, back.readonly) == (view.tolist(), "i", (2, 3), False)
    assert copied(memoryview(b"abc")) == b"abc"
    assert copied(memoryview(b"abc")).readonly
    assert copied(memoryview(b"abcdef")[::2]).tobytes() == b"ace"


def test_memory_files_keep_content_and_position() -> None:
    """Reading goes on where the service had stopped."""
    binary, text = io.BytesIO(b"abc"), io.StringIO("x\r\ny", newline="")
    binary.read(1)
    text.read(2)
    assert copied(binary).read() == b"bc"
    assert copied(text).read() == "\ny"
    assert copied(text).getvalue() == "x\r\ny"


def test_views_of_dicts_and_proxies_come_back() -> None:
    """`d.items()` as a result is common enough."""
    d = {"a": 1, (1,): 2}
    assert list(copied(d.items())) == list(d.items())
    assert copied(d.keys()) == d.keys()
    assert list(copied(d.values())) == [1, 2]
    assert copied(types.MappingProxyType(d)) == d
    assert type(copied(types.MappingProxyType(d))) is types.MappingProxyType


def test_methods_and_partials_come_back_bound() -> None:
    """A bound method is its object and a name."""
    bound = copied(Key("abc").upper) if False else copied(Pair(1, 2)._asdict)
    assert bound() == {"left": 1, "right": 2}
    partial = copied(functools.partial(greet, name="you"))
    assert partial() == "hello you"


def test_exceptions_keep_chain_notes_and_groups() -> None:
    """What was raised from what, what was being handled, what was added to it."""
    try:
        try:
            {}["missing"]
        except KeyError as error:
            raise Refused(404, "gone") from error
    except Refused as error:
        error.add_note("customer acme")
        recorded = error
    back = copied(recorded)
    assert same(back, recorded)
    assert (str(back), back.code, back.__notes__) == ("404: gone", 404, ["customer acme"])
    assert same(back.__cause__, KeyError("missing"))
    assert back.__suppress_context__
    assert back.__context__ is back.__cause__
    group = copied(ExceptionGroup("both", [recorded, ExceptionGroup("in", [OSError(2, "no", "f")])]))
    assert same(group.exceptions[0], recorded)
    assert (group.message, group.exceptions[1].exceptions[0].filename) == ("both", "f")


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(2, "No such file", "a.txt"),
        OSError("odd"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        ImportError("x", name="m", path="p"),
        SyntaxError("bad", ("f.py", 1, 2, "x=", 1, 3)),
        SystemExit(3),
        KeyboardInterrupt(),
        StopIteration([1]),
        TimeoutError(110, "slow"),
        ConnectionResetError(104, "reset"),
    ],
    ids=repr,
)
def test_built_in_exceptions_keep_their_own_fields(error: BaseException) -> None:
    """errno, filename, start and end: what handlers look at."""
    back = copied(error)
    fields = [name for name in dir(type(error)) if not name.startswith("_") and name not in ("add_note", "with_traceback")]
    assert str(back) == str(error)
    assert {name: getattr(back, name, None) for name in fields} == {name: getattr(error, name, None) for name in fields}
