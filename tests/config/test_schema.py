"""The JSON Schema that editors get: the shipped file is the settings', and it accepts and refuses what `load` does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from autoplayback.config import first, schema
from autoplayback.config.discovery import Found
from tests.config.test_load import EVERYTHING


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    """A validator of the shipped file."""
    shipped = json.loads(schema.FILE.read_text("utf-8"))
    Draft202012Validator.check_schema(shipped)
    return Draft202012Validator(shipped)


def test_the_shipped_file_is_current() -> None:
    """After a change of the settings: `python -m autoplayback.config.schema`."""
    assert schema.FILE.read_text("utf-8") == schema.text()


def test_the_example_of_the_design_is_valid(validator: Draft202012Validator) -> None:
    """An editor marks nothing in it."""
    assert not list(validator.iter_errors(yaml.safe_load(EVERYTHING)))


@pytest.mark.parametrize("text", [
    "operatons: []",
    "operations: [{name: x}]",
    "operations: [{target: a:b, wsgi: a:b}]",
    "inputs: [{target: a:b, on_missing: fial}]",
    "sampling: {rate: 2}",
    "service: [1]",
    "compare: {tolerance: {result.x: {rel: -1}}}",
])
def test_an_editor_marks_what_load_refuses(validator: Draft202012Validator, text: str) -> None:
    """Unknown keys, wrong types, bounds, exactly-one-of."""
    assert list(validator.iter_errors(yaml.safe_load(text)))


def test_keys_for_anchors_are_valid(validator: Draft202012Validator) -> None:
    """As `load` does, the schema leaves `x-` keys alone."""
    assert not list(validator.iter_errors({"x-common": {"on_missing": "call"}}))


@pytest.mark.parametrize("text", [
    "inputs:\noutputs:\n", "compare:\nsampling:\n", "operations: [{target: a:b, compare: , metadata: }]",
])
def test_an_empty_section_is_valid(validator: Draft202012Validator, text: str) -> None:
    """As while one writes it."""
    assert not list(validator.iter_errors(yaml.safe_load(text)))


def test_the_first_config_is_valid_in_an_editor(validator: Draft202012Validator) -> None:
    """Nothing is marked in what `init` wrote, even where it found nothing."""
    assert not list(validator.iter_errors(yaml.safe_load(first.text("shop", Found(), ["requests"]))))


def test_every_key_is_explained() -> None:
    """An editor shows a text for each key: none was added without one."""
    found: dict[str, Any] = schema.schema()
    keys = [item for definition in [found, *found["$defs"].values()] for item in definition.get("properties", {}).items()]
    assert len(keys) > 50
    assert not [key for key, entry in keys if not entry.get("description")]


def test_the_schema_is_deterministic() -> None:
    """The same text each time, or the shipped file would change without a reason."""
    assert schema.text() == schema.text()
    assert Path(schema.FILE).name == "schema.json"
