"""Classes whose instances the tests put on tapes, strategies for values, and what it means for two values to be exactly the
same."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import math
import pathlib
import zoneinfo
from typing import Any, NamedTuple

import attrs
from hypothesis import strategies as st

from autoplayback.tape.values import Encoder, Trust, rebuild

TRUST = Trust(frozenset({__name__.partition(".")[0]}))


class Color(enum.Enum):
    RED = 1
    GREEN = ("g", 2)


class Level(enum.IntEnum):
    LOW = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Line:
    sku: str
    price: Any
    tags: list[Any] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    x: Any
    y: Any = 0


@attrs.define
class Box:
    content: Any
    size: int = 3


class Plain:
    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


class Slotted:
    __slots__ = ("__private", "first", "second")

    def __init__(self, first: Any, private: Any = None) -> None:
        self.first = first
        self.__private = private


class Both(Slotted):
    """With slots from its base and a dictionary of its own."""


class Pair(NamedTuple):
    left: Any
    right: Any = None


class Names(list[Any]):
    pass


class Headers(dict[Any, Any]):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.frozen = True


class Key(str):
    pass


class Cents(int):
    pass


class Refused(ValueError):
    def __init__(self, code: int, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code = code


def greet(name: str) -> str:
    return f"hello {name}"


def copied(value: Any, trust: Trust = TRUST) -> Any:
    """A value after a way to a document and back; fails where a part of it was not recorded."""
    encoder = Encoder()
    document = encoder.encode(value)
    assert encoder.opaque == []
    return rebuild(document, trust)


def same(a: Any, b: Any) -> bool:
    """Whether two values can't be told apart: types, members, order and the bits of floats, all the way down."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    if isinstance(a, dict):
        default = getattr(a, "default_factory", None) is getattr(b, "default_factory", None)
        return default and same(list(a.items()), list(b.items())) and same_fields(a, b)
    if isinstance(a, (list, tuple, collections.deque)):
        return len(a) == len(b) and all(map(same, a, b)) and same_fields(a, b)
    if isinstance(a, (set, frozenset)):
        return len(a) == len(b) and all(any(same(x, y) for y in b) for x in a)
    if isinstance(a, datetime.datetime):
        return a.replace(tzinfo=None) == b.replace(tzinfo=None) and a.fold == b.fold and same(a.tzinfo, b.tzinfo)
    if isinstance(a, decimal.Decimal):
        return str(a) == str(b)
    if isinstance(a, BaseException):
        return (
            same(a.args, b.args)
            and same(a.__cause__, b.__cause__)
            and same(a.__context__, b.__context__)
            and a.__suppress_context__ is b.__suppress_context__
            and same_fields(a, b)
        )
    if dataclasses.is_dataclass(a) or isinstance(a, (Plain, Slotted, Box)):
        return same_fields(a, b)
    return bool(a == b)


def same_fields(a: Any, b: Any) -> bool:
    """Whether the instance dictionaries and slots of two objects are the same, in whatever order."""
    names = [name for c in type(a).__mro__ for name, member in vars(c).items() if type(member).__name__ == "member_descriptor"]
    for name in {*names, *getattr(a, "__dict__", {}), *getattr(b, "__dict__", {})}:
        if hasattr(a, name) != hasattr(b, name) or (hasattr(a, name) and not same(getattr(a, name), getattr(b, name))):
            return False
    return True


zones = st.none() | st.sampled_from(
    [datetime.UTC, datetime.timezone(datetime.timedelta(hours=-3, minutes=-30), "x"), zoneinfo.ZoneInfo("Europe/Berlin")]
)
hashables = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(st.characters()),
    st.binary(max_size=20),
    st.decimals(allow_nan=False),
    st.fractions().filter(lambda f: abs(f) < 10**30),
    st.uuids(),
    st.dates(),
    st.timedeltas(),
    st.complex_numbers(allow_nan=False),
    st.sampled_from([Color.RED, Color.GREEN, Level.LOW, Access.READ | Access.WRITE, Access(0)]),
    st.builds(Key, st.text()),
    st.builds(Cents, st.integers()),
    st.builds(pathlib.PurePosixPath, st.sampled_from(["a", "/b/c"])),
    st.builds(Point, st.integers(), st.text(max_size=3)),
    st.sampled_from([int, Plain, len.__class__.__base__, greet]),
)
leaves = hashables | st.one_of(
    st.floats(),
    st.text(st.characters(categories=["Cs", "L"])),
    st.integers(2**63 - 2, 2**64 + 2),
    st.datetimes(timezones=zones),
    st.times(),
    st.builds(bytearray, st.binary(max_size=9)),
    st.builds(range, st.integers(-5, 5), st.integers(0, 9)),
    st.builds(slice, st.integers(0, 3)),
    st.just(...),
)
keys = hashables | st.tuples(hashables, hashables) | st.frozensets(hashables, max_size=2)


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Containers and instances of all kinds around other values."""
    lists = st.lists(inner, max_size=4)
    fields = st.dictionaries(st.sampled_from("abcd"), inner, max_size=3)
    return st.one_of(
        lists,
        st.dictionaries(st.text(max_size=5), inner, max_size=4),
        st.dictionaries(keys, inner, max_size=3),
        st.tuples(inner, inner),
        st.builds(tuple, lists),
        st.sets(hashables, max_size=4),
        st.frozensets(hashables, max_size=3),
        st.builds(Line, st.text(max_size=3), inner, lists),
        st.builds(Point, inner, inner),
        inner.map(Box),
        st.builds(lambda f: Plain(**f), fields),
        st.builds(Slotted, inner, inner),
        inner.map(Both),
        inner.map(Pair),
        st.builds(Names, lists),
        st.builds(Headers, fields),
        st.builds(collections.OrderedDict, fields),
        st.builds(lambda f: collections.defaultdict(list, f), fields),
        st.builds(collections.deque, lists, st.just(9)),
        st.builds(Refused, st.integers(), st.text(max_size=3)),
        st.builds(ValueError, inner, inner),
        st.lists(st.builds(Point, leaves, leaves), min_size=9, max_size=11),
        st.lists(st.tuples(leaves, leaves), min_size=9, max_size=11),
    )


values = st.recursive(leaves, containers, max_leaves=12)
