"""Objects that refer to each other: makes the value of a document with references.

A walk from outside in with its own stack, as in `inert`. What can be made empty is made before its contents, so that these may
refer to it.
What can't (a tuple in a cycle) is stood in for by a Promise, and put in at the end.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from autoplayback.errors import TapeError
from autoplayback.tape import restore
from autoplayback.tape.graph import GraphReader, Reference
from autoplayback.tape.inert import BUILDER, Tagged, slots

if TYPE_CHECKING:
    from autoplayback.tape.rebuild import Rebuilder


class Promise:
    """Stands for an object which is still being made."""

    __slots__ = ("kept", "node")

    def __init__(self, node: Any) -> None:
        self.node = node
        self.kept = False


class _Frame:
    """A node whose contents are being made."""

    __slots__ = ("contents", "node", "object", "rest", "slot")

    def __init__(self, node: Any, made: Any) -> None:
        self.node = node
        self.object = made
        self.rest = iter(slots(node))
        self.contents: dict[Any, Any] = {}
        self.slot: Any = None


def assembled(document: bytes, builder: Rebuilder) -> Any:
    """The value of a document with references."""
    reader = GraphReader(document, BUILDER)
    root = reader.read()
    if not isinstance(root, _NODES):
        raise TapeError("a graph of nothing")
    return _Assembly(reader, builder).made(root)


_NODES: Final = (list, dict, Tagged)
_PENDING: Final[Any] = object()


class _Assembly:
    def __init__(self, reader: GraphReader, builder: Rebuilder) -> None:
        self.reader = reader
        self.builder = builder
        self.objects: dict[int, Any] = {}
        """By the identity of an inert node, the object made of it; _PENDING while its contents are made."""
        self.promises: list[Promise] = []
        self.filled: list[Any] = []

    def made(self, root: Any) -> Any:
        stack = [self.begun(root)]
        result: Any = None
        while stack:
            frame = stack[-1]
            for slot, inside in frame.rest:
                child = self.reader.target(inside) if isinstance(inside, Reference) else inside
                if not isinstance(child, _NODES):
                    frame.contents[slot] = child
                    continue
                found = self.objects.get(id(child), self)
                if found is self:
                    frame.slot = slot
                    stack.append(self.begun(child))
                    break
                if found is _PENDING:
                    found = Promise(child)
                    self.promises.append(found)
                frame.contents[slot] = found
            else:
                stack.pop()
                result = self.finished(frame)
                if stack:
                    stack[-1].contents[stack[-1].slot] = result
        if self.promises:
            self.keep_promises()
        return result

    def begun(self, node: Any) -> _Frame:
        """A frame for a node, with its object if that can be made empty."""
        made: Any
        if isinstance(node, Tagged):
            made = self.builder.blank(node.kind, node.type)
        else:
            made = [] if isinstance(node, list) else {}
        self.objects[id(node)] = _PENDING if made is None else made
        return _Frame(node, made)

    def finished(self, frame: _Frame) -> Any:
        """The object of a node whose contents are made."""
        node, made, contents = frame.node, frame.object, frame.contents
        if isinstance(node, list):
            made.extend(contents.values())
        elif isinstance(node, dict):
            made.update(contents)
        elif made is not None:
            self.builder.fill(made, node.kind, node.type, contents["value"], contents["extra"])
        else:
            made = self.builder.tagged(node.kind, node.type, contents["value"], contents["extra"])
            self.objects[id(node)] = made
        if self.promises:
            self.filled.append(made)
        return made

    def keep_promises(self) -> None:
        """Puts the objects promised where their Promises stand."""
        for made in self.filled:
            if isinstance(made, list):
                for i, item in enumerate(list.__iter__(made)):
                    list.__setitem__(made, i, self.kept(item))
            elif isinstance(made, dict):
                for key, value in list(dict.items(made)):
                    dict.__setitem__(made, key, self.kept(value))
            elif isinstance(made, deque):
                for i, item in enumerate(list(deque.__iter__(made))):
                    deque.__setitem__(made, i, self.kept(item))
            fields = restore.fields(made)
            restore.put_fields(made, {name: self.kept(value) for name, value in fields.items() if self.kept(value) is not value})
        for promise in self.promises:
            if not promise.kept:
                raise TapeError("a cycle through a value which can't be changed any more")

    def kept(self, value: Any) -> Any:
        """`value`, or what was promised in its place; of a tuple, also of its items."""
        if isinstance(value, Promise):
            value.kept = True
            return self.objects[id(value.node)]
        if type(value) is tuple and any(isinstance(item, (Promise, tuple)) for item in value):
            items = tuple(self.kept(item) for item in value)
            return value if all(a is b for a, b in zip(items, value, strict=True)) else items
        return value
