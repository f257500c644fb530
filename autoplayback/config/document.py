"""A YAML file as a tree of nodes, each of which knows where it stands; what isn't YAML is a ConfigError with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from autoplayback.errors import ConfigError, Place

Node = yaml.nodes.Node
MappingNode = yaml.nodes.MappingNode
SequenceNode = yaml.nodes.SequenceNode
ScalarNode = yaml.nodes.ScalarNode

_HINTS = (
    (r"found character '\\t'", "a tab; YAML is indented with spaces"),
    (r"while scanning an alias|found undefined alias", "a text that begins with `*` is an alias to YAML; put quotes around it"),
    (r"found character '[@`%]'", "a text can't begin with this character; put quotes around it"),
    (r"mapping values are not allowed", "a colon too many, or a wrong indentation; put quotes around a text with `: ` in it"),
    (r"could not find expected ':'", "a key without its colon, or a wrong indentation"),
    (r"expected <block end>", "a wrong indentation: this belongs neither to the lines above nor to those around them"),
    (r"expected a single document", "a second document (`---`); there must be one only"),
)


class _Loader(yaml.SafeLoader):
    """YAML 1.2's plain scalars, which editors know: `on`, `no`, `1:30` and `2026-11-01` are texts."""

    yaml_implicit_resolvers: dict[str | None, Any] = {}


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
     list("-+.0123456789")),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)


class Document:
    """One YAML file: its root node, and places in it."""

    def __init__(self, file: str, data: bytes) -> None:
        self.file = file
        self.text = self._decoded(data)
        self.root = self._composed()

    def place(self, node: Node, offset: int | None = None) -> Place:
        """Where a node begins, or where a character of its text stands if that is written on one line."""
        mark, within = node.start_mark, 0
        if isinstance(node, ScalarNode) and offset is not None:
            within = _raw_offset(self.text[mark.index : node.end_mark.index], node.style, offset)
        return Place(self.file, mark.line + 1, mark.column + 1 + within)

    def _decoded(self, data: bytes) -> str:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            place = self._after(data[: error.start].decode("utf-8-sig", "replace"))
            raise ConfigError((place, f"the byte 0x{data[error.start]:02x} is no UTF-8; save the file as UTF-8")) from None

    def _composed(self) -> Node | None:
        loader = None
        try:
            loader = _Loader(self.text)
            return loader.get_single_node()
        except yaml.reader.ReaderError as error:
            text = f"the character U+{ord(self.text[error.position]):04X} is not allowed in YAML; remove it"
            raise ConfigError((self._after(self.text[: error.position]), text)) from None
        except yaml.MarkedYAMLError as error:
            raise ConfigError((self._marked(error), f"not YAML: {_explained(error)}")) from None
        except RecursionError:
            raise ConfigError((Place(self.file, 1, 1), "nested too deeply to be read")) from None
        finally:
            if loader is not None:
                loader.dispose()

    def _after(self, before: str) -> Place:
        return Place(self.file, before.count("\n") + 1, len(before) - before.rfind("\n"))

    def _marked(self, error: yaml.MarkedYAMLError) -> Place:
        mark = error.problem_mark or error.context_mark
        return Place(self.file, mark.line + 1, mark.column + 1) if mark else Place(self.file)


def _explained(error: yaml.MarkedYAMLError) -> str:
    said = " ".join(str(part) for part in (error.context, error.problem) if part)
    hint = next((hint for pattern, hint in _HINTS if re.search(pattern, said)), None)
    return f"{hint} ({said})" if hint else said


def _raw_offset(raw: str, style: str | None, offset: int) -> int:
    """How many characters of the file come before character `offset` of a scalar's value; 0 where it spans lines."""
    if "\n" in raw or style in ("|", ">"):
        return 0
    if style is None:
        return offset
    at = 1
    for _ in range(offset):
        if style == "'":
            at += 2 if raw[at : at + 2] == "''" else 1
        elif raw[at : at + 1] == "\\":
            at += 2 + {"x": 2, "u": 4, "U": 8}.get(raw[at + 1 : at + 2], 0)
        else:
            at += 1
    return min(at, max(len(raw) - 1, 0))


def scalar(node: Node) -> Any:
    """The plain value of a scalar node."""
    tag = node.tag.rpartition(":")[2]
    text = node.value
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() == "true"
    if tag == "int":
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if tag == "float":
        return float(text.replace(".inf", "inf").replace(".Inf", "inf").replace(".INF", "inf").replace(".nan", "nan")
                     .replace(".NaN", "nan").replace(".NAN", "nan"))
    return text


def entries(node: MappingNode, above: frozenset[int] = frozenset()) -> Iterator[tuple[Node, Node, bool]]:
    """Key and value nodes of a mapping, and whether they came through a merge (`<<: *anchor`): these come first."""
    own: list[tuple[Node, Node, bool]] = []
    for key, value in node.value:
        if key.tag == "tag:yaml.org,2002:merge":
            for source in value.value if isinstance(value, SequenceNode) else [value]:
                if isinstance(source, MappingNode) and id(source) not in above and source is not node:
                    yield from ((k, v, True) for k, v, _ in entries(source, above | {id(node)}))
        else:
            own.append((key, value, False))
    yield from own
