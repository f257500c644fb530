"""Looking at a tape needs no class, imports nothing and always gives a finite tree."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from autoplayback.errors import TapeError
from autoplayback.tape.values import Encoder, Tagged, inspect, named
from autoplayback.tape.wire import Code, Ext, pack
from tests.tape.samples import Color, Line, Pair, Plain, Refused

HERE = "tests.tape.samples"


def test_values_show_by_kind_type_and_fields() -> None:
    """What reports and comparisons walk on."""
    error = Refused(404, "gone")
    error.__cause__ = KeyError("k")
    tree: Any = inspect(
        Encoder().encode([Plain(a=(1,)), Line("x", 2), Pair(1), Color.GREEN, {(1,): {2}}, error, bytearray(b"x")])
    )
    assert tree == [
        Tagged("object", f"{HERE}:Plain", {"a": Tagged("tuple", "", [1])}),
        Tagged("record", f"{HERE}:Line", {"sku": "x", "price": 2, "tags": []}),
        Tagged("namedtuple", f"{HERE}:Pair", {"left": 1, "right": None}),
        Tagged("enum", f"{HERE}:Color", ["GREEN", Tagged("tuple", "", ["g", 2])]),
        Tagged("dict", "", [[Tagged("tuple", "", [1]), Tagged("set", "", [2])]]),
        Tagged(
            "exception",
            f"{HERE}:Refused",
            {"args": ["404: gone"], "cause": Tagged("exception", "builtins:KeyError", {"args": ["k"]}), "suppress": True},
            {"code": 404},
        ),
        Tagged("bytearray", "", b"x"),
    ]


def test_nothing_is_imported_and_no_class_needed() -> None:
    """The named module doesn't even exist."""
    document = pack(Ext(Code.TAGGED, pack(["object", "nowhere.at.all:Thing", {"x": 1}])))
    before = set(sys.modules)
    assert inspect(document) == Tagged("object", "nowhere.at.all:Thing", {"x": 1})
    inspect(pack(Ext(Code.TAGGED, pack(["array", "numpy:ndarray", b"", []]))))
    assert set(sys.modules) == before


def test_a_small_document_can_not_become_a_huge_tree() -> None:
    """Twice the list before, forty times: 2^40 nodes if each reference were followed."""
    parts: list[Any] = [[], *([Ext(Code.REF, pack(i)), Ext(Code.REF, pack(i))] for i in range(1, 40))]
    tree = inspect(pack(Ext(Code.GRAPH, pack([parts]))))
    assert _walk(tree, 3_000_000) < 3_000_000


def _walk(tree: Any, limit: int) -> int:
    stack, met = [tree], 0
    while stack and met < limit:
        node = stack.pop()
        met += 1
        if isinstance(node, list):
            stack.extend(node)
    return met


@pytest.mark.parametrize(
    ("parameters", "args", "kwargs", "expected"),
    [
        ((("a", 1), ("b", 1)), (1,), {"b": 2}, {"a": 1, "b": 2}),
        (
            (("a", 0), ("rest", 2), ("k", 3), ("more", 4)),
            (1, 2, 3),
            {"k": 4, "z": 5},
            {"a": 1, "*rest": [2, 3], "k": 4, "**more": {"z": 5}},
        ),
        ((("a", 1), ("rest", 2), ("more", 4)), (), {"a": 1}, {"a": 1}),
        ((), (1, 2), {"x": 3}, {"0": 1, "1": 2, "x": 3}),
        ((("a", 1),), (1, 2), {}, {"a": 1, "1": 2}),
        ((("self", 0), ("more", 4)), (1,), {"self": 2}, {"self": 1, "**more": {"self": 2}}),
    ],
)
def test_arguments_are_named_as_python_binds_them(parameters: Any, args: Any, kwargs: Any, expected: Any) -> None:
    """By position, by keyword, gathered, and what fits no parameter."""
    assert named(Encoder().arguments(args, kwargs), parameters) == expected


@pytest.mark.parametrize("value", [5, [1], [1, {}], [[], {}, 1], {"a": 1}])
def test_what_is_no_argument_list_is_refused(value: Any) -> None:
    """A damaged tape must not look like a call without arguments."""
    with pytest.raises(TapeError):
        named(Encoder().encode(value), ())
