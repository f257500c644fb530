"""Nodes of a document against the settings classes: plain values, and every problem on the way instead of the first one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec.inspect as types

from autoplayback.config import paths
from autoplayback.config.document import Document, MappingNode, Node, ScalarNode, SequenceNode, entries, scalar
from autoplayback.config.nearest import nearest, suggestion
from autoplayback.config.notations import NotationError
from autoplayback.config.settings import CallSettings, OperationSettings, Settings
from autoplayback.config.strings import CHECKS
from autoplayback.errors import Place

Key = str | int

_BAD: Any = object()
"""What stands for a value which has been complained of."""

class Validation:
    """One pass over a document. `problems` and `places` fill as `value` goes down."""

    def __init__(self, document: Document, presets: Collection[str] | None = None) -> None:
        self._document = document
        self._presets = presets
        self.problems: list[tuple[Place | None, str]] = []
        self.warnings: list[tuple[Place | None, str]] = []
        self.places: dict[tuple[Key, ...], Place] = {}

    def settings(self) -> Any:
        """The whole document as plain values for `Settings`, as far as they are right."""
        root = self._document.root
        assert root is not None
        if not isinstance(root, MappingNode):
            return self.complain(self._document.place(root),
                                 f"expected a map of settings, found {_found(root)}; begin with `operations:`")
        plain = self.value(root, types.type_info(Settings))
        self._together(plain)
        return plain

    def value(self, node: Node, expected: types.Type, keys: tuple[Key, ...] = ()) -> Any:
        """The node's plain value where it is what the type expects, else a problem more."""
        self.places[keys] = self._document.place(node)
        return self._checked(node, expected, keys)

    def complain(self, place: Place | None, text: str) -> Any:
        """Notes a problem."""
        self.problems.append((place, text))
        return _BAD

    def _wrong(self, node: Node, keys: tuple[Key, ...], expected: types.Type) -> Any:
        text = f"{_dotted(keys)}: expected {_described(expected)}, found {_found(node)}{_advice(node, expected)}"
        return self.complain(self._document.place(node), text)

    def _checked(self, node: Node, expected: types.Type, keys: tuple[Key, ...]) -> Any:
        match expected:
            case types.Metadata(type=inner, extra=extra):
                found = self._checked(node, inner, keys)
                return found if found is _BAD or not extra else self._noted(node, str(extra["notation"]), found)
            case types.AnyType():
                return self._anything(node, frozenset())
            case types.UnionType():
                return self._union(node, expected, keys)
            case types.StructType():
                return self._struct(node, expected, keys) if isinstance(node, MappingNode) else self._wrong(node, keys, expected)
            case types.DictType():
                return self._dict(node, expected, keys) if isinstance(node, MappingNode) else self._wrong(node, keys, expected)
            case types.ListType():
                if not isinstance(node, SequenceNode):
                    return self._wrong(node, keys, expected)
                found = [self.value(item, expected.item_type, (*keys, index)) for index, item in enumerate(node.value)]
                return [item for item in found if item is not _BAD]
        if not isinstance(node, ScalarNode) or not _fits(value := scalar(node), expected):
            return self._wrong(node, keys, expected)
        problem = _bound(value, expected)
        return self.complain(self._document.place(node), f"{_dotted(keys)}: {problem}") if problem else value

    def _noted(self, node: Node, notation: str, value: str) -> Any:
        if notation == "preset":
            if self._presets is not None and value not in self._presets:
                known = suggestion(value, self._presets, what="there are")
                return self.complain(self._document.place(node), f"there is no preset {value!r}{known}")
            return value
        try:
            CHECKS[notation](value)
        except NotationError as error:
            return self.complain(self._document.place(node, error.offset), error.reason)
        return value

    def _union(self, node: Node, expected: types.UnionType, keys: tuple[Key, ...]) -> Any:
        for member in expected.types:
            if _suits(node, member):
                return self._checked(node, member, keys)
        return self._wrong(node, keys, expected)

    def _pairs(self, node: MappingNode, keys: tuple[Key, ...]) -> dict[str, tuple[Node, Node]]:
        """The entries by key; a key which isn't text, or is there twice, is a problem."""
        found: dict[str, tuple[Node, Node]] = {}
        own: dict[str, Node] = {}
        for key, value, merged in entries(node):
            if not isinstance(key, ScalarNode):
                self.complain(self._document.place(key), f"{_dotted(keys)}: a key has to be a text, not {_found(key)}")
                continue
            name = key.value
            if not merged and name in own:
                first = self._document.place(own[name])
                self.complain(self._document.place(key), f"duplicate key {name!r}, first on line {first.line}; remove one")
                continue
            if not merged:
                own[name] = key
            found[name] = key, value
        return found

    def _dict(self, node: MappingNode, expected: types.DictType, keys: tuple[Key, ...]) -> Any:
        found = {}
        for name, (key, value) in self._pairs(node, keys).items():
            known = self._checked_key(key, name, expected.key_type, keys)
            plain = self.value(value, expected.value_type, (*keys, name))
            if known and plain is not _BAD:
                found[name] = plain
        return found

    def _checked_key(self, key: Node, name: str, expected: types.Type, keys: tuple[Key, ...]) -> bool:
        if isinstance(expected, types.Metadata):
            return self._noted(key, str((expected.extra or {})["notation"]), name) is not _BAD
        if isinstance(expected, types.LiteralType) and name not in expected.values:
            self.complain(self._document.place(key),
                          f"unknown key {name!r} in {_dotted(keys)}{suggestion(name, map(str, expected.values))}")
            return False
        return True

    def _struct(self, node: MappingNode, expected: types.StructType, keys: tuple[Key, ...]) -> Any:
        fields = {field.encode_name: field for field in expected.fields}
        pairs = self._pairs(node, keys)
        found = {}
        for name, (key, value) in pairs.items():
            field = fields.get(name)
            if field is None:
                if keys or not name.startswith("x-"):  # top-level `x-...` keys are the user's own, to hold anchors
                    where = f" in {_dotted(keys)}" if keys else ""
                    self.complain(self._document.place(key), f"unknown key {name!r}{where}{suggestion(name, fields)}")
                continue
            if _is_null(value) and _is_container(field.type):
                continue  # `inputs:` with all its entries commented out
            plain = self.value(value, field.type, (*keys, name))
            if plain is not _BAD:
                found[name] = plain
        for field in expected.fields:
            if field.required and field.encode_name not in pairs:
                self.complain(self._document.place(node), f"{_dotted(keys)}: {field.encode_name!r} is missing; add it")
        self._one_of(node, expected.cls, pairs, keys)
        return found

    def _one_of(self, node: Node, cls: type, pairs: Mapping[str, Any], keys: tuple[Key, ...]) -> None:
        """Exactly one key says what is meant."""
        if issubclass(cls, OperationSettings):
            kinds: tuple[str, ...] = ("target", "wsgi", "asgi", "celery")
        elif issubclass(cls, CallSettings):
            kinds = ("target", "preset")
        else:
            return
        present = [kind for kind in kinds if kind in pairs]
        if not present:
            self.complain(self._document.place(node), f"{_dotted(keys)}: what is meant? add one of {', '.join(kinds)}")
        elif len(present) > 1:
            self.complain(self._document.place(pairs[present[1]][0]),
                          f"{_dotted(keys)}: {' and '.join(present)} exclude each other; make two entries of them")

    def _together(self, plain: dict[str, Any]) -> None:
        """What can be said of entries only side by side: names that collide, metadata nobody gives."""
        if not plain.get("operations"):
            place = self.places.get(("operations",), self.places[()])
            self.warnings.append((place, "no operations are declared: nothing will be recorded"))
        self._unique(plain)
        by = plain.get("sampling", {}).get("by")
        known = {key for entry in plain.get("operations", ()) for key in entry.get("metadata", {})}
        if by and by not in known:
            near = suggestion(by, known)
            self.warnings.append((self.places[("sampling", "by")], f"no operation has the metadata {by!r}{near}"))

    def _unique(self, plain: dict[str, Any]) -> None:
        seen: dict[tuple[str, str], Place] = {}
        for section in ("operations", "inputs", "outputs"):
            for index, entry in enumerate(plain.get(section, ())):
                for name in ("target", "wsgi", "asgi", "celery", "name"):
                    place = self.places.get((section, index, name))
                    if name not in entry or place is None:
                        continue
                    first = seen.setdefault(("name" if name == "name" else "target", entry[name]), place)
                    if first is not place:
                        what = "the name" if name == "name" else "the target"
                        self.complain(place, f"{what} {entry[name]!r} is declared already on line {first.line}; remove one")

    def _anything(self, node: Node, above: frozenset[int]) -> Any:
        if id(node) in above:
            return self.complain(self._document.place(node), "an alias to something around itself; a value can't be endless")
        above |= {id(node)}
        if isinstance(node, MappingNode):
            return {scalar(key): self._anything(value, above) for key, value, _ in entries(node) if isinstance(key, ScalarNode)}
        if isinstance(node, SequenceNode):
            return [self._anything(item, above) for item in node.value]
        return scalar(node)


def _dotted(keys: tuple[Key, ...]) -> str:
    return paths.render(keys) or "the file"


def _inner(expected: types.Type) -> types.Type:
    return expected.type if isinstance(expected, types.Metadata) else expected


def _is_null(node: Node) -> bool:
    return isinstance(node, ScalarNode) and scalar(node) is None


def _is_container(expected: types.Type) -> bool:
    return isinstance(_inner(expected), (types.ListType, types.DictType, types.StructType))


def _suits(node: Node, expected: types.Type) -> bool:
    """Whether a node is of the kind a member of a union is about, so that its problems are that member's."""
    expected = _inner(expected)
    if isinstance(node, MappingNode):
        return isinstance(expected, (types.StructType, types.DictType))
    if isinstance(node, SequenceNode):
        return isinstance(expected, types.ListType)
    return _fits(scalar(node), expected)


def _fits(value: Any, expected: types.Type) -> bool:
    match expected:
        case types.StrType():
            return isinstance(value, str)
        case types.BoolType():
            return isinstance(value, bool)
        case types.IntType():
            return isinstance(value, int) and not isinstance(value, bool)
        case types.FloatType():
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case types.NoneType():
            return value is None
        case types.LiteralType():
            return value in expected.values
    return False


def _bound(value: Any, expected: types.Type) -> str:
    match expected:
        case types.StrType(min_length=length) if length and not value.strip():
            return "the text is empty"
        case types.IntType(ge=low, le=high) | types.FloatType(ge=low, le=high):
            if value != value or (low is not None and value < low) or (high is not None and value > high):
                limits = f"between {low} and {high}" if high is not None else f"{low} or more"
                return f"{value} is out of bounds; write a number {limits}"
    return ""


def _described(expected: types.Type) -> str:
    match _inner(expected):
        case types.StrType():
            return "a text"
        case types.BoolType():
            return "true or false"
        case types.IntType():
            return "a whole number"
        case types.FloatType():
            return "a number"
        case types.LiteralType(values=values):
            return _listed([repr(value) for value in values])
        case types.ListType():
            return "a list"
        case types.StructType(fields=fields):
            names = [field.encode_name for field in fields]
            return f"a map (of {', '.join(names[:8])}{', ...' if len(names) > 8 else ''})"
        case types.DictType():
            return "a map"
        case types.UnionType(types=members):
            return _listed([_described(member) for member in members if not isinstance(member, types.NoneType)])
    return "nothing"


def _listed(names: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _found(node: Node) -> str:
    if isinstance(node, MappingNode):
        return "a map"
    if isinstance(node, SequenceNode):
        return "a list"
    value = scalar(node)
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return f"the text {value!r}"
    return f"`{node.value}`" if isinstance(value, bool) else f"the number {node.value}"


def _advice(node: Node, expected: types.Type) -> str:
    expected = _inner(expected)
    if isinstance(expected, types.UnionType):
        members = [_inner(member) for member in expected.types]
        literals = [member for member in members if isinstance(member, types.LiteralType)]
        expected = literals[0] if literals else next((m for m in members if isinstance(m, types.StrType)), members[0])
    if isinstance(expected, types.LiteralType) and isinstance(node, ScalarNode):
        near = nearest(node.value, map(str, expected.values))
        return f"; did you mean {near!r}?" if near else ""
    if isinstance(expected, types.StrType) and isinstance(node, ScalarNode) and not _is_null(node):
        return f"; put quotes around it: \"{node.value}\""
    if isinstance(expected, types.ListType) and not isinstance(node, SequenceNode):
        return "; put each entry on a line of its own, beginning with `- `"
    if isinstance(expected, (types.IntType, types.FloatType, types.BoolType)) and isinstance(node, ScalarNode) and node.style:
        return "; leave out the quotes"
    return ""
