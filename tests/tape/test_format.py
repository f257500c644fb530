"""FORMAT.md is enough: a reader written from it alone sees the same, today's documents and those of the first release."""

from __future__ import annotations

import ast
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from autoplayback.tape import payload
from autoplayback.tape.graph import GraphReader, Reference
from autoplayback.tape.inert import BUILDER, Tagged, slots
from autoplayback.tape.model import Tape
from autoplayback.tape.reading import Referring, read_quickly
from autoplayback.tape.values import Encoder, rebuild
from tests.tape import independent_reader
from tests.tape.samples import TRUST, Plain, same, values
from tests.tape.vectors import vectors

VECTORS = Path(vectors.__file__).parent
READER = Path(independent_reader.__file__)


def expected(document: bytes) -> Any:
    """What the independent reader should make of a document, by way of ours."""
    try:
        return _json(read_quickly(document, BUILDER))
    except Referring:
        reader = GraphReader(document, BUILDER)
        reader.read()
        return {"": ["graph", "", [_json(part) for part in reader.parts]]}


def _json(node: Any) -> Any:
    """Depth is bounded here: parts stand beside each other."""
    if isinstance(node, list):
        return [_json(item) for item in node]
    if isinstance(node, dict):
        return {key: _json(item) for key, item in node.items()}
    if isinstance(node, Reference):
        return {"": ["ref", "", node.number] if node.number >= 0 else ["part", "", ~node.number]}
    if isinstance(node, Tagged):
        value = node.value.hex() if node.kind == "bytearray" and not node.type else _json(node.value)
        return {"": [node.kind, node.type, value] if node.extra is None else [node.kind, node.type, value, _json(node.extra)]}
    if isinstance(node, bytes):
        return {"": ["bytes", "", node.hex()]}
    if isinstance(node, float) and not math.isfinite(node):
        return {"": ["float", "", repr(node)]}
    if isinstance(node, str) and any("\ud800" <= character <= "\udfff" for character in node):
        return {"": ["str", "", node.encode("utf-8", "surrogatepass").hex()]}
    return node


@given(values)
@settings(max_examples=200, deadline=None)
def test_an_independent_reader_sees_the_same(value: Any) -> None:
    """Whatever the value; with references by number too."""
    for document in (Encoder().encode(value), Encoder().encode(Plain(first=value, again=[value, value]))):
        assert json.dumps(independent_reader.value(document)) == json.dumps(expected(document))


def test_numbers_of_containers_count_as_the_format_says() -> None:
    """Each reference of a document with every sort of container leads to what it should."""
    kinds: list[Any] = [
        [1],
        {"a": 1},
        {1: 2},
        ([],),
        {1},
        bytearray(b"x"),
        Plain(a=1),
        [(1, 2)] * 9,
        [Plain(a=i, b=i) for i in range(9)],
        ValueError(),
    ]
    document = Encoder().encode([kinds, list(kinds)])
    reader = GraphReader(document, BUILDER)
    first, second = reader.read()
    assert [reader.target(reference) for reference in second] == first
    assert independent_reader.Document(document).read()[""][0] == "graph"


def test_nothing_of_autoplayback_is_imported_by_the_reader() -> None:
    """It would prove nothing otherwise."""
    imports = [node for node in ast.walk(ast.parse(READER.read_text())) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in imports if isinstance(node, ast.ImportFrom)}
    assert names == {"__future__", "json", "ormsgpack", "struct", "sys", "typing", "zstandard"}


@pytest.mark.parametrize("name", vectors.VALUES)
def test_documents_of_the_first_release_mean_what_they_meant(name: str) -> None:
    """Stored bytes, not what today's encoder writes: a change of format without a new version fails here."""
    document = bytes.fromhex(json.loads((VECTORS / "values.json").read_text())[name]["document"])
    back = rebuild(document, TRUST)
    assert name == "shared" or same(back, vectors.VALUES[name])
    assert Encoder().encode(back) == document
    assert json.dumps(independent_reader.value(document)) == json.dumps(expected(document))


def test_values_are_written_as_in_the_first_release() -> None:
    """Byte for byte, but for sets, whose order is a process's own."""
    stored = json.loads((VECTORS / "values.json").read_text())
    assert stored.keys() == vectors.VALUES.keys()
    for name, value in vectors.VALUES.items():
        assert Encoder().encode(value).hex() == stored[name]["document"], name
        assert independent_reader.value(Encoder().encode(value)) == stored[name]["json"], name


def test_a_payload_of_the_first_release_is_read() -> None:
    """By us and by the other reader."""
    data = (VECTORS / "payload.msgpack").read_bytes()
    assert payload.load(data) == vectors.TAPE
    content = independent_reader.tape(data)
    assert content["calls"][0]["arguments"] == [[1], {"k": {"": ["tuple", "", [2]]}}]
    assert content["calls"][1]["outcome"] == ["closed", None, ["a", "b"]]
    assert isinstance(vectors.TAPE, Tape)


def test_the_reader_prints_a_segment() -> None:
    """As a program of its own, on a file that today's container layer wrote."""
    file = VECTORS / "segment.tapes"
    run = subprocess.run([sys.executable, "-I", str(READER), str(file)], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert [line["operation"] for line in lines] == ["vector", "vector"]
    assert lines[0]["arguments"] == [[], {}]


def test_every_slot_of_a_node_is_walked() -> None:
    """`slots` is how others see below a node."""
    assert list(slots(Tagged("a", "b", 1, 2))) == [("value", 1), ("extra", 2)]
