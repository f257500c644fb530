"""A tape as a timeline and as a document: whatever is on it, both are readable, bounded and harmless."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoplayback.reports import timeline
from autoplayback.reports.words import bytesize, clean, seconds
from autoplayback.tape.model import Call, End, HandleNote, Miss, Outcome, Playback, Tape, TargetNote
from autoplayback.tape.values import Encoder

ENCODER = Encoder()
ENTRY = TargetNote("place", "operation", "orders", "place", (("order", 1), ("rest", 2), ("options", 4)))
READ = TargetNote("db.read", "input", "orders.db", "read", (("key", 1),))


def returned(value: Any) -> Outcome:
    """The outcome of a call which returned this."""
    return Outcome(End.RETURNED, ENCODER.encode(value))


def tape(*calls: Call, outcome: Outcome | None = None, arguments: bytes | None = None, **fields: Any) -> Tape:
    """A tape of `place(order)`."""
    return Tape(
        id="01KB7Z0000000000000000ABCD", operation="place", target=ENTRY, shape="function", started=1_790_000_000_123_456_789,
        duration=1_234_567_890, seed=1, receiver=None, arguments=arguments or ENCODER.arguments(("order",), {}),
        calls=tuple(calls), outcome=outcome or returned(None), **fields,
    )


def call(seq: int = 0, outcome: Outcome | None = None, receiver: int | None = None, target: TargetNote = READ) -> Call:
    """A call of `db.read("k")`."""
    return Call(seq, target, receiver, ENCODER.arguments(("k",), {}), outcome or returned(1), 1000 * seq, 1000)


def shown(found: Tape, limit: int | None = timeline.SHORT) -> str:
    """The timeline as one text."""
    return "\n".join(line.plain for line in timeline.lines(found, limit))


@dataclass
class Order:
    """A class of the service."""

    id: int
    lines: tuple[str, ...]


def test_values_show_as_python_would_write_them() -> None:
    """Classes of the service by name and field, without being imported."""
    text = shown(tape(call(outcome=returned(Order(7, ("a",)))), outcome=returned({"at": Decimal("1.50"), "by": {1}})))
    assert "Order(id=7, lines=('a',))" in text
    assert "1.50" in text


def test_arguments_stand_under_their_parameters_names() -> None:
    """What `*rest` and `**options` took, too."""
    text = shown(tape(arguments=ENCODER.arguments(("o", 1, 2), {"fast": True})))
    assert "order = 'o'" in text
    assert "*rest = [1, 2]" in text
    assert "**options = {'fast': True}" in text


def test_a_stream_shows_its_first_items_and_how_many_follow() -> None:
    """And how it ended."""
    stream = Outcome(End.CLOSED, b"", tuple(ENCODER.encode(n) for n in range(25)))
    text = shown(tape(call(outcome=stream)))
    assert "closed after 25 items" in text
    assert "[9] 9" in text
    assert "… 15 items more" in text
    assert "[24] 24" in shown(tape(call(outcome=stream)), None)


def test_calls_on_handles_and_unfinished_ones() -> None:
    """On which live object, and that there was no answer."""
    connection = HandleNote(3, "db.connect", "sqlite3:Connection", None)
    found = tape(call(receiver=3, outcome=Outcome(End.UNFINISHED)), handles=(connection,))
    assert "db.read on #3  unfinished" in shown(found)


def test_the_proof_of_a_replay_is_shown() -> None:
    """With each miss and the line of the service that asked."""
    proof = Playback(1, 0, 1, (Miss("unanswered", "db.read", "no call with key 'z'", "orders.py:7 in place"),))
    text = shown(replace(tape(call()), playback=proof))
    assert "1 calls answered, 0 unused, 1 unanswered" in text
    assert "no call with key 'z'" in text
    assert "orders.py:7" in text


def test_a_large_value_costs_no_more_than_is_shown_of_it() -> None:
    """Cut, with its size said in what it is counted in."""
    text = shown(tape(call(outcome=returned(list(range(100_000)))), outcome=returned(b"x" * 3_000_000)), 80)
    assert "(100,000 items)" in text
    assert "(3.0 MB)" in text
    assert max(map(len, text.splitlines())) < 160


def test_a_document_that_cannot_be_read_does_not_end_the_timeline() -> None:
    """One damaged value stands as its fault; the other calls are there."""
    text = shown(tape(call(0, outcome=Outcome(End.RETURNED, b"\xc1\xc1")), call(1)))
    assert text.count("db.read") == 2


hostile = st.text(alphabet=st.characters(codec=None), max_size=30)


@given(hostile, hostile, hostile)
def test_nothing_on_a_tape_can_steer_the_terminal(name: str, value: str, key: str) -> None:
    """Escape sequences, line breaks, bidirectional overrides, lone surrogates: in names, values, metadata and types."""
    target = TargetNote(name, "input", key, value, ((key, 1),))
    found = replace(
        tape(call(target=target, outcome=returned({key: value}))), metadata={key: value}, opaque=(name,),
        environment={"host": value}, operation=name, target=target, notes=((key, ENCODER.encode(value)),),
    )
    for line in timeline.lines(found):
        assert not [sign for sign in line.plain if sign in "\x1b\r\n\t\x07\u202e" or 0xD800 <= ord(sign) < 0xE000]


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.decimals(), st.datetimes(),
    st.complex_numbers(),
)
values = st.recursive(scalars, lambda inner: st.one_of(
    st.lists(inner), st.tuples(inner, inner), st.dictionaries(st.one_of(st.text(), st.integers(), st.binary()), inner),
    st.builds(deque, st.lists(inner, max_size=3)),
), max_leaves=15)


@given(values)
def test_the_document_is_json_whatever_was_recorded(value: Any) -> None:
    """Strict JSON, without NaN; `show --json` never fails on a value."""
    found = timeline.document(tape(call(outcome=returned(value)), arguments=ENCODER.arguments((value,), {"fast": value})))
    text = json.dumps(found, allow_nan=False)
    assert json.loads(text)["calls"][0]["arguments"] == {"key": "k"}


def test_a_value_deeper_than_python_recurses_is_cut() -> None:
    """In both forms."""
    deep: list[Any] = []
    for _ in range(50_000):
        deep = [deep]
    found = tape(outcome=returned(deep))
    assert json.dumps(timeline.document(found))
    assert shown(found)


def test_moments_are_exact() -> None:
    """A float of nanoseconds would round."""
    assert timeline.timestamp(1_790_000_000_123_456_789) == "2026-09-21T14:13:20.123456Z"
    assert timeline.timestamp(0) == f"{datetime(1970, 1, 1, tzinfo=UTC):%Y-%m-%dT%H:%M:%S}.000000Z"


@pytest.mark.parametrize(("value", "text"), [
    (0.0000005, "0.5 µs"), (0.000123, "123 µs"), (0.0009999, "1 ms"), (0.0456, "45.6 ms"), (0.9999, "1 s"), (1.234, "1.23 s"),
    (59.9, "59.9 s"), (123, "2 m 3 s"), (7322, "2 h 2 m"),
])
def test_lengths_of_time(value: float, text: str) -> None:
    """Three digits that count, never `1e+03 ms`."""
    assert seconds(value) == text


@pytest.mark.parametrize(("value", "text"), [
    (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_960, "1.0 MB"), (3_400_000_000, "3.4 GB"), (5 * 10**13, "50.0 TB"),
])
def test_sizes(value: int, text: str) -> None:
    """Powers of a thousand."""
    assert bytesize(value) == text


def test_clean_leaves_readable_text_alone() -> None:
    """Accents, other scripts and emoji are no control characters."""
    assert clean("Zürich 東京 🙂") == "Zürich 東京 🙂"
    assert clean("a\x1b[31m\u202eb\n") == r"a\x1b[31m\u202eb\n"
