"""Values to look at: trees of plain values and Tagged, made without any class of the service, and without importing anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from inspect import Parameter
from typing import Any, Final, TypeAlias, cast

from autoplayback.errors import TapeError
from autoplayback.tape.graph import GraphReader, Reference
from autoplayback.tape.reading import Referring, read_quickly, translated


@dataclass(frozen=True, slots=True)
class Tagged:
    """Any value that is more than plain data.

    `kind` says what `value` is (FORMAT.md lists all):

        tuple set frozenset list   a list of items
        dict                       a dict, or a list of [key, value] where keys aren't strings
        str int float bytes bytearray   the plain value
        object record namedtuple pydantic   a dict of fields by name
        enum                       [name, value]
        exception                  a dict with `args`, and where present `cause`, `context`, `suppress`, `notes`
        class function module method     None (`type` is the name), of a method the object it is bound to
        value array scalar pandas  what the type's adapter wrote
        handle                     its id on this tape
        opaque                     why it could not be recorded
        ref                        the number of a container around it: a cycle
    """

    kind: str
    type: str
    """`module:qualname` of the class; empty for the built-in type that `kind` names."""
    value: Any
    extra: Any = None
    """What restoring needs beyond what one looks at: fields of a subclass, a deque's length, a time's zone."""


Inert: TypeAlias = "bool | int | float | str | bytes | list[Any] | dict[str, Any] | Tagged | None"

_EXPANSION: Final = 1_000_000
"""Nodes that shared containers may add to an inert tree, each time they are met: beyond, they stay references, or a small hostile
document could fill memory of whoever walks its tree."""


class _InertBuilder:
    __slots__ = ()

    def tagged(self, kind: str, type_: str, value: Any, extra: Any) -> Tagged:
        return Tagged(kind, type_, value, extra)

    def bytearray(self, value: bytes) -> Tagged:
        return Tagged("bytearray", "", value)


BUILDER: Final = _InertBuilder()


def inspect(document: bytes) -> Inert:
    """The inert tree of a document. What is shared stands at each of its places; a cycle ends in `Tagged("ref", "", number)`."""
    try:
        try:
            return cast(Inert, read_quickly(document, BUILDER))
        except Referring:
            return cast(Inert, _Expanding(document).tree())
    except Exception as error:
        raise translated(error) from None


class _Expanding:
    """Reads a graph and puts, in the place of each reference, what it refers to: all places see the one node.

    A walk over the tree from outside in, with its own stack: a value may be deeper than Python recurses.
    """

    def __init__(self, document: bytes) -> None:
        self.reader = GraphReader(document, BUILDER)
        self.sizes: dict[int, int] = {}
        """Of each finished node, by identity, how many nodes a walk of it meets."""
        self.spent = 0

    def tree(self) -> Any:
        root = self.reader.read()
        if isinstance(root, Reference):
            raise TapeError("a root that is a reference")
        if not isinstance(root, _NODES):
            return root
        open_: dict[int, list[Any]] = {id(root): [1]}
        stack = [(root, iter(slots(root)))]
        while stack:
            node, rest = stack[-1]
            for slot, inside in rest:
                child = inside
                if isinstance(inside, Reference):
                    child = self.reader.target(inside)
                    if id(child) in open_ or self.spent > _EXPANSION:
                        put(node, slot, Tagged("ref", "", inside.number))
                        continue
                    put(node, slot, child)
                if not isinstance(child, _NODES):
                    continue
                size = self.sizes.get(id(child))
                if size is not None:
                    self.spent += size
                    open_[id(node)][0] += size
                    continue
                open_[id(child)] = [1]
                stack.append((child, iter(slots(child))))
                break
            else:
                stack.pop()
                size = self.sizes[id(node)] = open_.pop(id(node))[0]
                if stack:
                    open_[id(stack[-1][0])][0] += size
        return root


_NODES: Final = (list, dict, Tagged)


def slots(node: Any) -> Iterable[tuple[Any, Any]]:
    """The places of an inert node and what stands there."""
    if isinstance(node, list):
        return list(enumerate(node))
    if isinstance(node, dict):
        return list(node.items())
    return (("value", node.value), ("extra", node.extra))


def put(node: Any, slot: Any, child: Any) -> None:
    """Puts something in a place of an inert node which is still being read."""
    if isinstance(node, Tagged):
        object.__setattr__(node, slot, child)
    else:
        node[slot] = child


def named(arguments: bytes, parameters: Sequence[tuple[str, int]]) -> dict[str, Inert]:
    """The arguments of a call by the names of its parameters.

    What a `*rest` parameter took stands under `*rest` as a list, what a `**options` one took under `**options` as a dict. What
    fits no parameter (the signature is unknown, or was another one) stands under its position (`0`, `1`) or keyword.
    """
    return by_name(inspect(arguments), parameters)


@lru_cache(maxsize=4096)
def reordered(before: tuple[tuple[str, int], ...], after: tuple[tuple[str, int], ...]) -> bool:
    """Whether a parameter has another place than before, so that the same arguments passed by place mean something else. One
    which only has another name at its place counts as the old one renamed."""
    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    places = {name: place for place, (name, kind) in enumerate(before) if kind in kinds}
    return any(places.get(name, place) != place for place, (name, kind) in enumerate(after) if kind in kinds)


def by_name(arguments: Any, parameters: Sequence[tuple[str, int]]) -> dict[str, Inert]:
    """`named` of arguments already inspected."""
    if type(arguments) is not list or len(arguments) != 2 or type(arguments[0]) is not list:
        raise TapeError("not the arguments of a call")
    positional, keywords = arguments
    pairs = keywords.items() if isinstance(keywords, dict) else ((str(key), value) for key, value in keywords.value)
    rest = dict(pairs)
    result: dict[str, Inert] = {}
    at = 0
    for name, kind in parameters:
        if kind == Parameter.VAR_POSITIONAL:
            if positional[at:]:
                result[f"*{name}"] = positional[at:]
            at = len(positional)
        elif kind == Parameter.VAR_KEYWORD:
            if rest:
                result[f"**{name}"], rest = rest, {}
        elif kind != Parameter.KEYWORD_ONLY and at < len(positional):
            result[name] = positional[at]
            at += 1
        elif kind != Parameter.POSITIONAL_ONLY and name in rest:
            result[name] = rest.pop(name)
    result.update((str(i), value) for i, value in enumerate(positional[at:], at))
    result.update(rest)
    return result
