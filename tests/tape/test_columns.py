"""Long lists of dicts: written column by column, and read as the same list."""

from __future__ import annotations

import datetime
import enum
import threading
from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoplayback.tape import columns
from autoplayback.tape.encoder import Encoder
from autoplayback.tape.values import Trust, inspect, rebuild
from autoplayback.tape.wire import Code, pack
from tests.tape.independent_reader import Document

LIMIT = 1 << 28
TRUST = Trust(frozenset({"tests"}), {})
ROWS = [
    {"id": n, "name": f"row {n}", "cost": n / 4, "note": None if n % 3 else "x", "blob": b"\xc4", "on": n % 2 == 0}
    for n in range(3000)
]


def back(document: bytes) -> Any:
    return rebuild(document, TRUST)


def exact(value: Any) -> Any:
    """A value with what equality leaves out: types, the order of keys, and which of its containers are one."""
    if type(value) is dict:
        return [dict, [(exact(key), exact(item)) for key, item in value.items()]]
    if type(value) is list:
        return [list, [exact(item) for item in value]]
    return [type(value), value]


def test_a_table_reads_as_the_list_it_was() -> None:
    """Types, order of rows and order of keys, over several chunks; half the size of the same list in full."""
    document = Encoder().encode(ROWS)
    assert document[5] == Code.MANY
    assert exact(back(document)) == exact(inspect(document)) == exact(ROWS)
    assert len(document) < 0.6 * len(pack(ROWS))
    assert [row["id"] for row in Document(document).read()] == list(range(3000))


def test_the_only_argument_of_a_call_is_a_table_too() -> None:
    """`send(rows)`, the usual way to hand them on."""
    document = Encoder().arguments((ROWS,), {})
    assert document[7] == Code.MANY
    assert exact(back(document)) == exact([[ROWS], {}])


class Text(str):
    def __eq__(self, other: object) -> bool:
        raise AssertionError("a key was compared by code of the service")

    def __hash__(self) -> int:
        return 1


class Colour(str, enum.Enum):
    RED = "id"


def changed(at: int, **values: Any) -> list[Any]:
    rows: list[Any] = [dict(row) for row in ROWS[:200]]
    rows[at].update(values)
    return rows


def odd() -> dict[str, list[Any]]:
    twice = changed(0)
    twice[150] = twice[20]
    return {
        "another order": [*changed(0)[:150], dict(reversed(list(ROWS[150].items()))), *changed(0)[151:]],
        "a key more": changed(199, more=1),
        "a key less": [*changed(0), {key: item for key, item in ROWS[0].items() if key != "on"}],
        "another key": [*changed(0), {"ID" if key == "id" else key: item for key, item in ROWS[0].items()}],
        "no dict": [*changed(0), [1, 2, 3, 4, 5, 6]],
        "a subclass": [*changed(0), OrderedDict(ROWS[0])],
        "one twice": twice,
        "a list": changed(77, cost=[1]),
        "a dict": changed(77, note={"a": 1}),
        "a tuple": changed(77, note=(1, 2)),
        "a bytearray": changed(77, blob=bytearray(b"x")),
        "a bytearray among numbers": changed(77, cost=bytearray(b"x")),
        "a bytearray among texts": changed(77, name=bytearray(b"x")),
        "a large number": changed(77, id=1 << 70),
        "a lone surrogate": changed(77, name="\ud800"),
        "a date": changed(77, note=datetime.date(2026, 1, 2)),
        "a key of another kind": [{Colour.RED: n, "name": "x"} for n in range(100)],
        "one key of another kind": [*({"id": n, "name": "x"} for n in range(100)), {Colour.RED: 1, "name": "x"}],
        "numbers as keys": [{1: n, 2: n} for n in range(100)],
        "empty": [{} for _ in range(100)],
    }


@pytest.mark.parametrize("kind", odd())
def test_what_is_no_table_is_written_in_full(kind: str) -> None:
    """Anything that a table couldn't tell exactly; and it comes back exactly."""
    rows = odd()[kind]
    document = Encoder().encode(rows)
    assert document[5] != Code.MANY or document[0] != 0xC9
    made = back(document)
    assert exact(made) == exact(rows)
    assert len(set(map(id, made))) == len(set(map(id, rows)))


def test_rows_that_something_else_holds_are_a_table_all_the_same() -> None:
    """An index beside the list doesn't make its rows shared within the list."""
    index = {row["id"]: row for row in ROWS}
    assert columns.table(ROWS, LIMIT) is not None
    assert len(index) == len(ROWS)


def test_instances_dictionaries_keep_their_order() -> None:
    """Python keeps the fields of instances in an order of their class, not of the instance."""
    class Item:
        pass

    def fields(first: str, second: str) -> dict[str, Any]:
        item = Item()
        setattr(item, first, first)
        setattr(item, second, second)
        return vars(item)

    rows = [fields("a", "b"), *(fields("b", "a") for _ in range(200))]
    assert exact(back(Encoder().encode(rows))) == exact(rows)
    assert exact(back(Encoder().encode(rows[1:]))) == exact(rows[1:])


def test_no_code_of_the_service_runs() -> None:
    """A key with an `__eq__` of its own is never compared."""
    rows: list[Any] = [{"id": n, "name": "x"} for n in range(100)]
    rows[50] = {Text("id"): 50, "name": "x"}
    with pytest.raises(TypeError):
        columns.table(rows, LIMIT)
    assert inspect(Encoder().encode(rows))[49] == rows[49]


def test_a_bound_holds() -> None:
    """Of values, as for lists in full."""
    assert columns.table(ROWS, 6 * 3000) is not None
    assert columns.table(ROWS, 6 * 3000 - 1) is None


def test_a_list_that_changes_meanwhile_does_no_harm() -> None:
    """Another thread of the service may write to it: what is recorded is some list of whole rows."""
    rows: list[Any] = [dict(row) for row in ROWS]
    over = threading.Event()

    def change() -> None:
        while not over.is_set():
            rows[7]["more"] = 1
            del rows[7]["more"]
            rows.append({"id": 1})
            rows.pop()

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(30):
            made = inspect(Encoder().encode(rows))
            assert exact(made[8:2900]) == exact(ROWS[8:2900])
    finally:
        over.set()
        thread.join()


NUMBERS = st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats(allow_nan=False)
ATOMS = st.none() | NUMBERS | st.text(max_size=5) | st.binary(max_size=5)


def rows_of(names: list[str]) -> st.SearchStrategy[list[dict[str, Any]]]:
    row = st.tuples(*(ATOMS for _ in names)).map(lambda cells: dict(zip(names, cells, strict=True)))
    return st.lists(row, min_size=1, max_size=20)


@given(st.lists(st.text(max_size=3), min_size=1, max_size=5, unique=True).flatmap(rows_of))
def test_any_rows_come_back(rows: list[dict[str, Any]]) -> None:
    """Of any atoms, in any mix."""
    document = columns.table(rows, LIMIT)
    if document is not None:  # None: lone surrogates never get here, they raise
        assert exact(back(document)) == exact(rows)


@pytest.mark.parametrize("content", [
    [4], [4, b"\x90", [], []], [4, b"\x90", ["a"], []], [4, b"\x90", ["a"], [None]], [4, b"\x91\x91\xa1x", ["a"], [None]],
    [4, b"\x91\x91\x01", ["a"], [[1]]], [4, b"\x90", ["a", "a"], [[1], [2]]], [4, b"\x90", ["a", "b"], [[1], [1, 2]]],
    [4, b"\x90", ["a"], [[[1]]]], [4, b"\x90", [1], [[1]]], [4, b"\xc1", ["a"], [[1]]], [4, "", ["a"], [[1]]],
    [4, b"\x05", ["a"], [[1]]],
])
def test_what_is_no_table_is_refused(content: list[Any]) -> None:
    """Whatever stands in its place."""
    from autoplayback.errors import TapeError
    from autoplayback.tape.wire import Ext

    with pytest.raises(TapeError):
        inspect(pack(Ext(Code.MANY, pack(content))))


def test_the_texts_of_a_table_are_all_but_its_numbers() -> None:
    """Names of keys included; any other document is given whole."""
    rows = [{"id": 0x70617373776F7264, "pin": n, "name": f"row {n}"} for n in range(100)]
    for document in (Encoder().encode(rows), Encoder().arguments((rows,), {})):
        left = columns.texts(document)
        assert b"row 99" in left and b"pin" in left and b"id" in left  # noqa: PT018
        assert b"password" in document
        assert b"password" not in left
    for value in (5, "x", [1, 2], (1, 2), [(n, n) for n in range(100)], {"a": rows}):
        document = Encoder().encode(value)
        assert columns.texts(document) == document
