"""The one path grammar: how the config names a place inside a value.

    result.items[0].price      names are keys or attributes, `[0]` is an index of a list
    result.items[*].price      `[*]` any index        result.*.price   `*` any one part, name or index
    **.password                `**` any number of parts, none too      **.*_token   a glob within a name
    headers."x.y"  meta["a b"] quoted: a name with dots, brackets, quotes, stars or spaces in it

A walker over a tree doesn't try each rule at each node: `Rules` compiles them all into one automaton, and the walker carries
a `State` along, one dictionary look-up a step.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from fnmatch import translate
from functools import lru_cache
from typing import Any, Generic, TypeVar

from autoplayback.config.notations import NotationError

T = TypeVar("T")

Part = str | int
"""One step into a tree: a key or attribute, or the index of a list. Keys of other types are walked as their `str`."""


class Kind(Enum):
    """What one segment of a path stands for."""

    NAME = "name"
    INDEX = "index"
    GLOB = "glob"
    ANY_INDEX = "[*]"
    ANY = "*"
    DEEP = "**"


ANY = Kind.ANY
DEEP = Kind.DEEP


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of a path; `value` is the name, the index or the glob."""

    kind: Kind
    value: Part = ""

    def admits(self, part: Part) -> bool:
        """Whether one part of a place fits this segment."""
        match self.kind:
            case Kind.NAME | Kind.INDEX:
                return self.value == part and type(self.value) is type(part)
            case Kind.ANY_INDEX:
                return isinstance(part, int)
            case Kind.GLOB:
                return isinstance(part, str) and _glob(str(self.value)).match(part) is not None
            case _:
                return True


@lru_cache(maxsize=512)
def _glob(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))


@dataclass(frozen=True, slots=True)
class Path:
    """A parsed path; `str()` of it is the text it was written as."""

    segments: tuple[Segment, ...]
    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def root(self) -> str:
        """The name it begins with; empty where it begins with an index or a wildcard."""
        first = self.segments[0]
        return str(first.value) if first.kind is Kind.NAME else ""

    @property
    def parts(self) -> tuple[Part | Kind | Segment, ...]:
        """Names and indexes as they are, `ANY` for `*` and `[*]`, `DEEP` for `**`, a glob as its segment."""
        return tuple(_plain_part(segment) for segment in self.segments)

    @property
    def single(self) -> bool:
        """Whether it names one place, having no wildcard."""
        return all(segment.kind in (Kind.NAME, Kind.INDEX) for segment in self.segments)

    def matches(self, parts: Iterable[Part]) -> bool:
        """Whether exactly the place `parts` is meant."""
        state = _alone(self).start
        for part in parts:
            state = state.step(part)
        return bool(state.accepted)

    def find(self, tree: Any) -> Iterator[tuple[tuple[Part, ...], Any]]:
        """Every place in a tree of plain or inert values that is meant, with its value, from the top down."""
        return _alone(self).find(tree)


def _plain_part(segment: Segment) -> Part | Kind | Segment:
    match segment.kind:
        case Kind.NAME | Kind.INDEX:
            return segment.value
        case Kind.GLOB:
            return segment
        case Kind.ANY_INDEX:
            return ANY
        case _:
            return segment.kind


_PLAIN = re.compile(r"""[^.\[\]"'\s]+""")
_INDEX = re.compile(r"\[\s*(\d+|\*)\s*\]")


@lru_cache(maxsize=4096)
def parse(text: str) -> Path:
    """The path a text means. NotationError says at which character it is no path."""
    segments: list[Segment] = []
    at, end = 0, len(text)
    if not text.strip():
        raise NotationError("the path is empty")
    while at < end:
        if text[at] == "[":
            segment, at = _bracket(text, at)
        else:
            if segments:
                if text[at] != ".":
                    raise NotationError(f"expected `.` or `[` before {text[at:]!r} in the path {text!r}", at)
                at += 1
            segment, at = _name(text, at)
        segments.append(segment)
    return Path(tuple(segments), text)


def _bracket(text: str, at: int) -> tuple[Segment, int]:
    if text[at + 1 : at + 2] in ("'", '"'):
        name, after = _quoted(text, at + 1)
        if text[after : after + 1] != "]":
            raise NotationError(f"`]` is missing after {text[at:after]} in the path {text!r}", after)
        return Segment(Kind.NAME, name), after + 1
    found = _INDEX.match(text, at)
    if not found:
        inside = text[at + 1 :].partition("]")[0]
        raise NotationError(f"`[{inside}]` in the path {text!r} is no index: write [0], [*], or [\"{inside}\"] for a key", at)
    return (Segment(Kind.ANY_INDEX) if found[1] == "*" else Segment(Kind.INDEX, int(found[1]))), found.end()


def _name(text: str, at: int) -> tuple[Segment, int]:
    if text[at : at + 1] in ("'", '"'):
        name, at = _quoted(text, at)
        return Segment(Kind.NAME, name), at
    found = _PLAIN.match(text, at)
    if not found:
        if at >= len(text):
            reason = f"the path {text!r} ends with a dot"
        elif text[at].isspace():
            reason = f"a space in the path {text!r}; quote the name if it belongs to it"
        else:
            reason = f"a name is missing before {text[at:]!r} in the path {text!r}"
        raise NotationError(reason, at)
    name = found[0]
    if name == "**":
        return Segment(Kind.DEEP), found.end()
    if name == "*":
        return Segment(Kind.ANY), found.end()
    if "**" in name:
        raise NotationError(f"`**` stands alone between dots, unlike in {name!r}", at + name.index("**"))
    return Segment(Kind.GLOB if "*" in name else Kind.NAME, name), found.end()


def _quoted(text: str, at: int) -> tuple[str, int]:
    quote, name, position = text[at], list[str](), at + 1
    while position < len(text):
        sign = text[position]
        if sign == quote:
            return "".join(name), position + 1
        if sign == "\\" and position + 1 < len(text):
            position += 1
            sign = text[position]
        name.append(sign)
        position += 1
    raise NotationError(f"the quote {quote} is never closed in the path {text!r}", at)


_BARE = re.compile(r"""[^.\[\]"'\s*]+""")


def render(parts: Iterable[Part]) -> str:
    """A place as text which `parse` reads back as exactly that place."""
    text: list[str] = []
    for part in parts:
        if isinstance(part, int):
            text.append(f"[{part}]")
        elif _BARE.fullmatch(part):
            text.append(f".{part}" if text else part)
        else:
            escaped = part.replace("\\", "\\\\").replace('"', '\\"')
            text.append(f'["{escaped}"]')
    return "".join(text)


class State(Generic[T]):
    """How far every rule has come at one place of a walk."""

    __slots__ = ("_globs", "_known", "_open", "_other_index", "_other_name", "_rules", "_steps", "accepted", "dead")

    accepted: tuple[T, ...]
    """Payloads of the rules which mean exactly this place, in the order they were given."""
    dead: bool
    """No rule means this place or any below it."""

    def __init__(self, rules: Rules[T], positions: frozenset[tuple[int, int]]) -> None:
        ends = sorted(rule for rule, position in positions if position == len(rules.paths[rule].segments))
        self._rules = rules
        self._open = sorted((rule, position) for rule, position in positions if position < len(rules.paths[rule].segments))
        self.accepted = tuple(rules.payloads[rule] for rule in ends)
        self.dead = not positions
        ahead = [rules.paths[rule].segments[position] for rule, position in self._open]
        self._known = {segment.value for segment in ahead if segment.kind in (Kind.NAME, Kind.INDEX)}
        self._globs = any(segment.kind is Kind.GLOB for segment in ahead)
        self._steps: dict[Part, State[T]] = {}
        self._other_name: State[T] | None = None
        self._other_index: State[T] | None = None

    def step(self, part: Part) -> State[T]:
        """The state one part further down."""
        found = self._steps.get(part)
        if found is not None:
            return found
        if part in self._known:
            state = self._steps[part] = self._advance(part)
            return state
        if isinstance(part, int):
            if self._other_index is None:
                self._other_index = self._advance(part)
            return self._other_index
        if self._globs:
            # Any name may fit a glob, so names are looked at one by one; forgotten at times, as keys can be without number.
            if len(self._steps) > 4096:
                self._steps.clear()
            state = self._steps[part] = self._advance(part)
            return state
        if self._other_name is None:
            self._other_name = self._advance(part)
        return self._other_name

    def _advance(self, part: Part) -> State[T]:
        further: set[tuple[int, int]] = set()
        for rule, position in self._open:
            segment = self._rules.paths[rule].segments[position]
            if segment.kind is Kind.DEEP:
                further.add((rule, position))
            elif segment.admits(part):
                further.add((rule, position + 1))
        return self._rules.state(further)


class Rules(Generic[T]):
    """Many paths, each with a payload, compiled for one walk over a tree."""

    def __init__(self, rules: Iterable[tuple[Path | str, T]]) -> None:
        pairs = [(parse(path) if isinstance(path, str) else path, payload) for path, payload in rules]
        self.paths = [path for path, _ in pairs]
        self.payloads = [payload for _, payload in pairs]
        self._states: dict[frozenset[tuple[int, int]], State[T]] = {}
        self.start = self.state({(rule, 0) for rule in range(len(pairs))})

    def state(self, positions: Iterable[tuple[int, int]]) -> State[T]:
        """The one state for these positions, `**` also taken as nothing."""
        reached = set(positions)
        todo = list(reached)
        while todo:
            rule, position = todo.pop()
            segments = self.paths[rule].segments
            if position < len(segments) and segments[position].kind is Kind.DEEP and (rule, position + 1) not in reached:
                reached.add((rule, position + 1))
                todo.append((rule, position + 1))
        key = frozenset(reached)
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = State(self, key)
        return state

    def find(self, tree: Any) -> Iterator[tuple[tuple[Part, ...], Any]]:
        """Every place in a tree that some rule means, with its value; values above a place come before it."""
        todo: list[tuple[Any, tuple[Part, ...], State[T], frozenset[int]]] = [(tree, (), self.start, frozenset())]
        while todo:
            value, parts, state, above = todo.pop()
            if state.accepted:
                yield parts, value
            if id(value) in above:
                continue
            below = [(child, (*parts, part), further, above | {id(value)})
                     for part, child in children(value) if not (further := state.step(part)).dead]
            todo.extend(reversed(below))


@lru_cache(maxsize=1024)
def _alone(path: Path) -> Rules[bool]:
    return Rules([(path, True)])


def children(value: Any) -> Iterable[tuple[Part, Any]]:
    """What stands directly below a plain or inert value: the entries of maps, the items of lists, what is in a tagged node."""
    if isinstance(value, Mapping):
        return [(key if isinstance(key, (str, int)) else str(key), child) for key, child in value.items()]
    if isinstance(value, (list, tuple)):
        return enumerate(value)
    if hasattr(value, "kind") and hasattr(value, "value"):
        return children(value.value)
    return ()


_MISSING: Any = object()


def resolve_live(root: Any, path: Path | str) -> tuple[bool, Any]:
    """Whether a path without wildcards leads anywhere in live objects, and to what: keys of mappings, attributes, items.

    Runs in the service on the service's objects, so it never raises for them, never adds to a defaultdict and never
    consumes an iterator; a property on the way does run, as the config asked for it by name.
    """
    value = root
    try:
        for segment in (parse(path) if isinstance(path, str) else path).segments:
            value = _live_part(value, segment.value)
            if value is _MISSING:
                return False, None
    except Exception:  # a property, `__getattr__` or `__getitem__` of the service failed: there is nothing to be had
        return False, None
    return True, value


def _live_part(value: Any, part: Part) -> Any:
    if isinstance(value, Mapping):
        found = value.get(part, _MISSING)
        if found is _MISSING and isinstance(part, str) and hasattr(value, "__dict__"):
            # A dict with attributes of its own: only those set on the instance, so `items` never means the method.
            found = vars(value).get(part, _MISSING)
        return found
    if isinstance(part, int):
        if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) and part < len(value):
            return value[part]
        return _MISSING
    found = getattr(value, part, _MISSING)
    if found is _MISSING and hasattr(type(value), "__getitem__") and not isinstance(value, Sequence):
        return value[part]
    return found
