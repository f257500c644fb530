"""The JSON Schema of `autoplayback.yaml`, from the settings classes and the texts under their attributes.

The package ships it as `schema.json`; `python -m autoplayback.config.schema` writes that file anew after a change of settings.
"""

from __future__ import annotations

import ast
import inspect
import json
from pathlib import Path
from typing import Any

import msgspec

from autoplayback.config import settings

FILE = Path(__file__).with_name("schema.json")


def schema() -> dict[str, Any]:
    """The schema as data; deterministic."""
    (_, *_), definitions = msgspec.json.schema_components([settings.Settings], ref_template="#/$defs/{name}")
    texts = _attribute_texts()
    for name, definition in definitions.items():
        for key, entry in definition.get("properties", {}).items():
            if text := texts.get(name, {}).get(key):
                entry["description"] = text
            _or_nothing(entry)
    _exactly_one(definitions["OperationSettings"], ("target", "wsgi", "asgi", "celery"))
    for name in ("InputSettings", "OutputSettings"):
        _exactly_one(definitions[name], ("target", "preset"))
    root = definitions.pop("Settings")
    root["patternProperties"] = {"^x-": {"description": "Yours, to hold anchors."}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "autoplayback.schema.json",
        **root,
        "title": "autoplayback.yaml",
        "$defs": dict(sorted(definitions.items())),
    }


def text() -> str:
    """What the shipped file holds."""
    return json.dumps(schema(), indent=1, sort_keys=True) + "\n"


def _or_nothing(entry: dict[str, Any]) -> None:
    """A section may stand there empty, its entries commented out: null to YAML, and the default to `load`."""
    if entry.get("type") in ("array", "object"):
        entry["type"] = [entry["type"], "null"]
    elif "$ref" in entry:
        entry["anyOf"] = [{"$ref": entry.pop("$ref")}, {"type": "null"}]


def _exactly_one(definition: dict[str, Any], keys: tuple[str, ...]) -> None:
    definition["oneOf"] = [{"required": [key]} for key in keys]


def _attribute_texts() -> dict[str, dict[str, str]]:
    """For each settings class, the text under each attribute, its own or inherited."""
    classes = {node.name: node for node in ast.parse(inspect.getsource(settings)).body if isinstance(node, ast.ClassDef)}
    found: dict[str, dict[str, str]] = {}
    for name, node in classes.items():
        texts: dict[str, str] = {}
        for base in node.bases:
            texts |= found.get(getattr(base, "id", ""), {})
        for attribute, below in zip(node.body, node.body[1:], strict=False):
            match attribute, below:
                case ast.AnnAssign(target=ast.Name(id=attribute_name)), ast.Expr(value=ast.Constant(value=str(text))):
                    texts[_key(name, attribute_name)] = " ".join(text.split())
        found[name] = texts
    return found


def _key(name: str, attribute: str) -> str:
    """The YAML key of an attribute; `return` can't be one in Python."""
    fields = msgspec.structs.fields(getattr(settings, name))
    return next(field.encode_name for field in fields if field.name == attribute)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
