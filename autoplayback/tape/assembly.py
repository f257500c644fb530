"""Objects that refer to each other: makes the value of a document with references.

A walk from outside in with its own stack, as in `inert`. What can be made empty is made before its contents, so that these may
refer to it.
What can't (a tuple in a cycle) is stood in for by a Promise, and put in at the end.

A cause or context that can't be made costs only itself. Services raise their own exceptions while they handle a library's, whose
package nobody trusts: the exception must come back all the same, with a stand-in for what merely explains it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from autoplayback.errors import TapeError
from autoplayback.tape import restore
from autoplayback.tape.graph import GraphReader, Reference
from autoplayback.tape.inert import BUILDER, Tagged, slots
from autoplayback.tape.opaque import OpaqueException
from autoplayback.tape.reading import Referring, read_quickly

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

    __slots__ = ("before", "contents", "node", "object", "rest", "slot")

    def __init__(self, node: Any, made: Any) -> None:
        self.node = node
        self.object = made
        self.rest = iter(slots(node))
        self.contents: dict[Any, Any] = {}
        self.slot: Any = None
        """What is being made."""
        self.before = (0, 0, 0)
        """How much the assembly held when that began."""


def assembled(document: bytes, builder: Rebuilder) -> Any:
    """The value of a document, with or without references."""
    reader = GraphReader(document, BUILDER)
    try:
        root = read_quickly(document, BUILDER)
    except Referring:
        root = reader.read()
    if not isinstance(root, _NODES):
        raise TapeError("a graph of nothing")
    return _Assembly(reader, builder).made(root)


_MOST_STAND_INS: Final = 100
"""Of one value; more were put there to make us begin again and again."""
_NODES: Final = (list, dict, Tagged)
_PENDING: Final[Any] = object()
_CHAIN: Final = ("cause", "context")


class _Assembly:
    def __init__(self, reader: GraphReader, builder: Rebuilder) -> None:
        self.reader = reader
        self.builder = builder
        self.objects: dict[int, Any] = {}
        """By the identity of an inert node, the object made of it; _PENDING while its contents are made."""
        self.promises: list[Promise] = []
        self.filled: list[Any] = []
        self.stand_ins = 0

    def made(self, root: Any) -> Any:
        stack = [self.begun(root)]
        result: Any = None
        while stack:
            try:
                result = self.step(stack)
            except Exception:
                if not self.stood_in(stack):
                    raise
        if self.promises:
            self.keep_promises()
        return result

    def step(self, stack: list[_Frame]) -> Any:
        """Makes what stands in the topmost node until a child has to be made first, or the node is finished: then its object."""
        frame = stack[-1]
        for slot, inside in frame.rest:
            frame.slot = slot
            child = self.reader.target(inside) if isinstance(inside, Reference) else inside
            if not isinstance(child, _NODES):
                frame.contents[slot] = child
                continue
            found = self.objects.get(id(child), self)
            if found is self:
                frame.before = len(self.objects), len(self.promises), len(self.filled)
                stack.append(self.begun(child))
                return None
            if found is _PENDING:
                found = Promise(child)
                self.promises.append(found)
            frame.contents[slot] = found
        stack.pop()
        result = self.finished(frame)
        if stack:
            stack[-1].contents[stack[-1].slot] = result
        return result

    def stood_in(self, stack: list[_Frame]) -> bool:
        """Whether what has failed belongs to an exception's cause or context, in whose place there is now a stand-in."""
        for place in range(len(stack) - 1, 0, -1):
            frame, around = stack[place], stack[place - 1].node
            if frame.slot not in _CHAIN or not (isinstance(around, Tagged) and around.kind == "exception"):
                continue
            if stack[place - 1].slot != "value" or self.stand_ins >= _MOST_STAND_INS:
                continue
            self.stand_ins += 1
            del stack[place + 1 :]
            objects, promises, filled = frame.before
            for key in list(self.objects)[objects:]:  # half made: who else refers to them has them made again
                del self.objects[key]
            del self.promises[promises:], self.filled[filled:]
            frame.contents[frame.slot] = self.stand_in(frame.node[frame.slot])
            return True
        return False

    def stand_in(self, node: Any) -> OpaqueException:
        """For an exception that can't be made: with its type's name, and its arguments where they are plain."""
        if isinstance(node, Reference):
            node = self.reader.target(node)
        if not isinstance(node, Tagged):
            raise TapeError("an exception's cause is no exception")
        content = node.value
        if isinstance(content, Reference):
            content = self.reader.target(content)
        args = content.get("args") if isinstance(content, dict) else None
        if isinstance(args, Reference):
            args = self.reader.target(args)
        plain = isinstance(args, list) and not any(isinstance(arg, (*_NODES, Reference)) for arg in args)
        return OpaqueException(node.type, args if plain and args else ())

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
