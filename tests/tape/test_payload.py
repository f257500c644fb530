"""A tape is the same tape after it was stored, and nothing else is taken for one."""

from __future__ import annotations

import dataclasses
from typing import Any

import ormsgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoplayback.cassettes.packing import drafted_facts, unpack
from autoplayback.errors import NewerFormat, TapeError
from autoplayback.tape import migrations, payload, ulid
from autoplayback.tape.model import Call, End, HandleNote, Miss, Outcome, Playback, Tape, TargetNote
from autoplayback.tape.segment import EntryWriter
from tests.cassettes.making import draft

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
count = st.integers(0, 2**63)
documents = st.binary(max_size=8)
targets = st.builds(
    TargetNote,
    text,
    st.sampled_from(["operation", "input", "output"]),
    text,
    text,
    st.lists(st.tuples(text, st.integers(0, 4)), max_size=3).map(tuple),
)
outcomes = st.builds(Outcome, st.sampled_from(End), documents, st.none() | st.lists(documents, max_size=3).map(tuple))
calls = st.builds(Call, count, targets, st.none() | count, documents, outcomes, count, count)
playbacks = st.builds(
    Playback,
    answered=count,
    unused=count,
    unanswered=count,
    misses=st.lists(st.builds(Miss, text, text, text, text, text, text, count), max_size=2).map(tuple),
    unused_calls=st.lists(count, max_size=2).map(tuple),
    matched=st.lists(st.tuples(count, count, text), max_size=2).map(tuple),
    boundary=st.lists(text).map(tuple),
    ran=st.booleans(),
)
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | text
tapes = st.builds(
    Tape,
    id=text,
    operation=text,
    target=targets,
    shape=text,
    started=count,
    duration=count,
    seed=st.integers(0, 2**200),
    receiver=st.none() | documents,
    arguments=documents,
    calls=st.lists(calls, max_size=4).map(tuple),
    outcome=outcomes,
    metadata=st.dictionaries(text, scalars, max_size=3),
    environment=st.dictionaries(text, scalars | st.lists(scalars), max_size=3),
    notes=st.lists(st.tuples(text, documents), max_size=2).map(tuple),
    handles=st.lists(st.builds(HandleNote, count, text, text, st.none() | count, documents), max_size=2).map(tuple),
    opaque=st.lists(text, max_size=2).map(tuple),
    playback=st.none() | playbacks,
)


@given(tapes)
@settings(max_examples=150, deadline=None)
def test_a_tape_comes_back_equal(tape: Tape) -> None:
    """Calls with their targets, streams, handles, the proof of a replay."""
    assert payload.load(payload.dump(tape)) == tape


def sample() -> Tape:
    """A small tape."""
    target = TargetNote("op", "operation", "m", "f", (("a", 1),))
    call = Call(0, TargetNote("in", "input", "m", "g"), None, b"\x92\x90\x80", Outcome(End.RETURNED, b"\xc0"), 5, 6)
    return Tape(
        ulid.new(), "op", target, "function", 1, 2, 3, None, b"\x92\x90\x80", (call,), Outcome(End.RETURNED, b"\x01"), {"a": 1}
    )


def test_odd_metadata_does_not_cost_the_tape() -> None:
    """A lone surrogate or a huge number becomes text that can be stored."""
    tape = dataclasses.replace(sample(), metadata={"name": "a\ud800", "n": 2**80}, environment={"x": [("\udfff", 1)]})
    back = payload.load(payload.dump(tape))
    assert back.metadata == {"name": "a\\ud800", "n": str(2**80)}
    assert back.calls == tape.calls


@pytest.mark.parametrize(
    "change",
    [
        {"version": None},
        {"version": 0},
        {"version": "1"},
        {"id": 5},
        {"targets": []},
        {"targets": [1]},
        {"targets": [["a", "b", "c", "d", [1]]]},
        {"calls": [[0, 1, None, b"", "returned", b"", None, 0]]},
        {"calls": [[0, 9, None, b"", "returned", b"", None, 0, 0]]},
        {"calls": [[0, -1, None, b"", "returned", b"", None, 0, 0]]},
        {"calls": [[0, 0, None, b"", "lost", b"", None, 0, 0]]},
        {"calls": [[0, 0, None, b"", "returned", b"", [1], 0, 0]]},
        {"calls": [[True, 0, None, b"", "returned", b"", None, 0, 0]]},
        {"calls": {}},
        {"outcome": []},
        {"seed": "abc"},
        {"seed": "9" * 5000},
        {"arguments": "text"},
        {"notes": [[1, 2]]},
        {"handles": [[1]]},
        {"opaque": [1]},
        {"playback": 5},
        {"playback": {}},
        {"playback": {"answered": "1", "unused": 0, "unanswered": 0}},
        {"metadata": []},
    ],
)
def test_what_is_no_tape_is_refused(change: dict[str, Any]) -> None:
    """Each field is checked: an error says so, and nothing half read goes on."""
    content = ormsgpack.unpackb(payload.dump(sample()))
    with pytest.raises(TapeError):
        payload.load(ormsgpack.packb({**content, **change}))
    for key in change:
        content.pop(key if key != "playback" else "id")
    with pytest.raises(TapeError):
        payload.load(ormsgpack.packb(content))


def test_unknown_keys_are_left_to_later_versions() -> None:
    """A later autoplayback may add what an older one needn't know."""
    content = ormsgpack.unpackb(payload.dump(sample()))
    assert payload.load(ormsgpack.packb({**content, "colour": "blue"})).operation == "op"


def test_a_newer_format_asks_for_an_update() -> None:
    """With both versions in the text."""
    content = ormsgpack.unpackb(payload.dump(sample()))
    with pytest.raises(NewerFormat, match=r"format 2.*reads up to 1.*update"):
        payload.load(ormsgpack.packb({**content, "version": 2}))


def test_older_payloads_go_through_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function a step, in order."""
    monkeypatch.setattr(migrations, "VERSION", 3)
    monkeypatch.setattr(migrations, "STEPS", {1: lambda p: {**p, "path": "1"}, 2: lambda p: {**p, "path": p["path"] + "2"}})
    assert migrations.migrated({"version": 1})["path"] == "12"
    assert migrations.migrated({"version": 2, "path": "-"})["path"] == "-2"
    assert "path" not in migrations.migrated({"version": 3})


@pytest.mark.parametrize("noise", [10, payload.LARGE, 3 * payload.LARGE])
def test_a_draft_makes_the_payload_of_its_tape(noise: int) -> None:
    """Small or large, in one piece or cut around large documents; and each encoded value is told, late threads or not."""
    made = draft(calls=3, noise=noise)
    made.calls[1].items = [b"\xa1x", made.calls[1].value]
    made.calls[2].asked = made.encoder.arguments(("x" * noise,), {})
    made.receiver = made.encoder.encode({"body": b"y" * noise})
    made.notes.append(("seen", made.encoder.encode("z" * noise)))
    made.calls.reverse()  # threads start calls in no order
    tape = made.tape()
    rendered = payload.drafted(made)
    assert rendered.data == payload.dump(tape)
    assert payload.load(rendered.data) == tape
    assert (len(rendered.pieces) > 1) == (noise >= payload.LARGE)
    assert sum(map(len, rendered.documents)) == sum(map(len, [
        tape.arguments, tape.receiver or b"", tape.outcome.value, *(note for _, note in tape.notes),
        *(part for call in tape.calls for part in (call.arguments, call.outcome.value))]))
    assert rendered.streams == [made.calls[1].items]
    assert rendered.names == ["seen"]
    entry, = EntryWriter().entries([(drafted_facts(made), rendered.pieces)])
    assert unpack(entry.data, made.id) == tape


def test_tapes_written_together_are_those_written_alone() -> None:
    """Many small ones, which are compressed in one go, and large ones among them."""
    drafts = [draft(noise=noise) for noise in range(10, 90, 10)]
    for some in (drafts, [*drafts, draft(noise=payload.LARGE)], drafts[:1]):
        tapes = [(drafted_facts(each), payload.drafted(each).pieces) for each in some]
        together = EntryWriter().entries(tapes)
        assert [unpack(entry.data, each.id) for entry, each in zip(together, some, strict=True)] == [each.tape() for each in some]
