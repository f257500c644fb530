"""Which recorded call answers this one? In tiers, each recorded call once, and each match says which tier gave it.

    exact      same target, same receiver, same arguments: to the byte, or else in their canonical form; first recorded, first
               answered
    sibling    same target, same canonical arguments, on another object that was made alike (threads which each open a connection
               open them in any order); from then on the two objects have changed places
    relaxed    the same without the parameters that the config ignores, or by its `key:` parameters only
    time       the same but for times, each of which is its own operation's «now»: `created_at`, a token's expiry
    order      outputs: what is sent may change (that is a difference), so the next recorded one of the target answers
    configured `on_missing` said what to do: nothing on the tape answered

A matcher isn't locked: whoever asks from several threads holds a lock over `take`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from autoplayback.interception.target import Role, Target
from autoplayback.tape.canonical import canonical_inert
from autoplayback.tape.inert import reordered
from autoplayback.tape.model import Call, Tape
from autoplayback.tape.moments import Window, reading, without_now
from autoplayback.tape.values import Tagged, named

Key = Any
"""A hashable canonical form; equal where two calls count as the same."""
NOW = "\0now"
LATELY = 900_000_000
"""Nanoseconds before a call in which a time is its «now», where the operation is long: `moments` tells distances in a second."""
DEPTH = 50
"""How deep in an argument a time is looked for."""


Reading = Callable[[bytes, Call | None], Key | None]
"""How one tier knows arguments: those of a recorded call, or (None) of the replay's; None where it has no say."""


@dataclass(slots=True)
class Found:
    """A recorded call, taken for a call of the replay."""

    call: Call
    tier: str
    exchanged: list[tuple[Call, Call]] = field(default_factory=list)
    """With a sibling: calls that had answered, and those which count as having answered in their place."""


@dataclass(slots=True)
class Group:
    """The recorded calls of one target, with what has been taken from it."""

    target: Target
    calls: list[Call]
    taken: set[int] = field(default_factory=set)
    verbatim: dict[tuple[int | None, bytes], deque[Call]] = field(default_factory=dict)
    """By receiver and arguments as they are encoded: the same code asks in the same bytes."""
    canonical: dict[Key, deque[Call]] | None = None
    """By receiver and arguments in their canonical form, once somebody has asked in others."""
    by_bytes: dict[tuple[int | None, bytes, tuple[tuple[str, int], ...]], Key] = field(default_factory=dict)
    """Canonical forms that are known: by the parameters too, after which arguments passed by place are named."""
    siblings: dict[str, dict[Key, list[Call]]] = field(default_factory=dict)
    """By tier, the calls on handles by how those came to be."""
    relaxed: dict[Key, deque[Call]] | None = None
    timed: dict[bool, dict[Key, deque[Call]]] = field(default_factory=dict)
    """By whether only what was shortly before the call counts as its time."""
    order: dict[int | None, deque[Call]] = field(default_factory=dict)
    """Of outputs: the calls by receiver, in their order."""


class Matcher:
    """The recorded calls of one tape, given out as answers."""

    def __init__(self, tape: Tape) -> None:
        self._by_name: dict[str, list[Call]] = {}
        for call in tape.calls:
            self._by_name.setdefault(call.target.name, []).append(call)
        self._groups: dict[str, Group] = {}
        self._handles = {note.id: note for note in tape.handles}
        self._external: dict[int, int] = {}
        representative: dict[Key, int] = {}
        for note in tape.handles:
            if note.made_by is None:
                key = (note.name, freeze_arguments(note.arguments, ()))
                self._external[note.id] = representative.setdefault(key, note.id)
        self._made_before: dict[str, dict[Key, int]] = {}
        """By their makers' names and arguments the handles that were made before the operation."""
        self._span: Window = (tape.started, tape.started + tape.duration)
        self._calls = {call.seq: call for call in tape.calls}
        self._origins: dict[int, Key] = {}
        self._by_receiver: dict[int | None, list[Call]] | None = None

    def prepare(self, targets: Iterable[Target]) -> None:
        """Groups the calls of these targets now, as far as any were recorded."""
        for target in targets:
            if target.role is not Role.OPERATION and not self._by_name.keys().isdisjoint(former_names(target)):
                self.group(target)

    def group(self, target: Target) -> Group:
        """The recorded calls which a target answers for, under its name and those it had before."""
        group = self._groups.get(target.name)
        if group is None:
            calls: list[Call] = []
            for name in former_names(target):
                calls += self._by_name.get(name, ())
            calls.sort(key=lambda call: call.seq)
            group = self._groups[target.name] = Group(target, calls)
            for call in calls:
                receiver = self.same_handle(call.receiver)
                if not reordered(call.target.parameters, target.parameters):
                    group.verbatim.setdefault((receiver, call.arguments), deque()).append(call)
                if target.role is Role.OUTPUT:
                    group.order.setdefault(receiver, deque()).append(call)
        return group

    def take(self, target: Target, receiver: int | None, arguments: bytes, now: Window) -> Found | None:
        """The recorded call that answers, now used up; None where none does. `now` is the time that the replay has lasted for."""
        group = self.group(target)
        receiver = self.same_handle(receiver)
        if target.role is Role.OUTPUT:
            return self._output(group, receiver, arguments)
        if (call := self._exact(group, receiver, arguments)) is not None:
            return Found(call, "exact")
        if receiver is not None and (sibling := self._sibling(group, receiver, "exact", self._plain(target), arguments)):
            return sibling
        if (call := self._relaxed(group, receiver, arguments)) is not None:
            return Found(call, "relaxed")
        if (call := self._timed(group, receiver, arguments, now)) is not None:
            return Found(call, "time")
        return None if receiver is None else self._sibling(group, receiver, "time", self._timely(target, now), arguments)

    def _plain(self, target: Target) -> Reading:
        return lambda arguments, call: self._arguments(target, arguments, call)

    def _timely(self, target: Target, now: Window) -> Reading:
        return lambda arguments, call: self._timeless(target, arguments, call, now if call is None else self._span)

    def same_handle(self, receiver: int | None) -> int | None:
        """One number for all handles that came into the operation alike: any connection of a pool stands for another."""
        return receiver if receiver is None else self._external.get(receiver, receiver)

    def external(self, maker: Target, arguments: bytes) -> int | None:
        """The recorded number of a handle made before the operation, found by its maker and the maker's arguments."""
        known = self._made_before.get(maker.name)
        if known is None:
            known = self._made_before[maker.name] = {}
            for note in self._handles.values():
                if note.made_by is None and note.name == maker.name:
                    known.setdefault(freeze_arguments(note.arguments, maker.parameters), self._external[note.id])
        return known.get(freeze_arguments(arguments, maker.parameters)) if known else None

    def unused(self, tape: Tape) -> list[int]:
        """The recorded calls nobody asked for, by `seq`."""
        taken: set[int] = set()
        for group in self._groups.values():
            taken |= group.taken
        return [] if len(taken) == len(tape.calls) else [call.seq for call in tape.calls if call.seq not in taken]

    def _sibling(self, group: Group, receiver: int, tier: str, read: Reading, arguments: bytes) -> Found | None:
        """The call that asked the same, as a tier reads it, of another handle which came to be in the same way."""
        mine = read(arguments, None)
        if mine is None:
            return None
        known = group.siblings.get(tier)
        if known is None:
            known = group.siblings[tier] = {}
            for call in group.calls:
                if call.receiver is not None and (key := read(call.arguments, call)) is not None:
                    known.setdefault((self._origin(call.receiver), key), []).append(call)
        for call in known.get((self._origin(receiver), mine), ()):
            if call.seq not in group.taken and (exchanged := self._exchanged(receiver, call)) is not None:
                group.taken.add(call.seq)
                return Found(call, "sibling", exchanged)
        return None

    def _exchanged(self, receiver: int, call: Call) -> list[tuple[Call, Call]] | None:
        """Lets one object stand for another from this call on, if all that was asked of it so far was asked of the other too."""
        had = [one for one in self._received(receiver) if one.seq in self._taken_of(one)]
        before = [other for other in self._received(call.receiver) if other.seq < call.seq]
        if [(one.target.name, one.arguments) for one in had] != [(one.target.name, one.arguments) for one in before]:
            return None
        exchanged = []
        for mine, other in zip(had, before, strict=True):
            group = self._groups.get(mine.target.name)
            if group is not None and other.seq not in group.taken:
                group.taken.discard(mine.seq)
                group.taken.add(other.seq)
                exchanged.append((mine, other))
                receiver_of = self.same_handle(mine.receiver)
                if not reordered(mine.target.parameters, group.target.parameters):
                    group.verbatim.setdefault((receiver_of, mine.arguments), deque()).appendleft(mine)
                if group.canonical is not None:
                    group.canonical.setdefault(self._key(group, receiver_of, mine.arguments, mine), deque()).appendleft(mine)
                if group.target.role is Role.OUTPUT:
                    group.order.setdefault(receiver_of, deque()).appendleft(mine)
        return exchanged

    def _taken_of(self, call: Call) -> set[int]:
        group = self._groups.get(call.target.name)
        return group.taken if group is not None else set()

    def _received(self, number: int | None) -> list[Call]:
        """The recorded calls on one handle, in their order."""
        if self._by_receiver is None:
            self._by_receiver = {}
            for call in self._calls.values():
                self._by_receiver.setdefault(call.receiver, []).append(call)
        return self._by_receiver.get(number, [])

    def _origin(self, number: int) -> Key:
        """How a handle came to be: the same for handles which the operation can't have told apart when it got them."""
        known = self._origins.get(number)
        if known is None:
            note = self._handles.get(number)
            made = None if note is None or note.made_by is None else self._calls.get(note.made_by)
            if made is None:
                known = ("external", self.same_handle(number))
            else:
                above = None if made.receiver is None else self._origin(made.receiver)
                known = (made.target.name, freeze_arguments(made.arguments, made.target.parameters), above)
            self._origins[number] = known
        return known

    def _output(self, group: Group, receiver: int | None, arguments: bytes) -> Found | None:
        # What is sent can be large, and needn't match: the bytes will do.
        if (call := self._first(group, group.verbatim.get((receiver, arguments)))) is not None:
            return Found(call, "exact")
        call = self._first(group, group.order.get(receiver))
        return None if call is None else Found(call, "order")

    def _relaxed(self, group: Group, receiver: int | None, arguments: bytes) -> Call | None:
        ignore, only = relaxation(group.target)
        if not ignore and only is None:
            return None
        if group.relaxed is None:
            group.relaxed = {}
            for call in group.calls:
                key = (self.same_handle(call.receiver), self._arguments(group.target, call.arguments, call, ignore, only))
                group.relaxed.setdefault(key, deque()).append(call)
        return self._first(group, group.relaxed.get((receiver, self._arguments(group.target, arguments, None, ignore, only))))

    def _timed(self, group: Group, receiver: int | None, arguments: bytes, now: Window) -> Call | None:
        """The call that asked the same at its own time: what lies within an operation's span, on both sides, is its «now».

        In a long operation that is too wide to tell a distance from it (an expiry), so then what was shortly before counts.
        """
        return self._at_time(group, receiver, arguments, now, near=False) or self._at_time(
            group, receiver, arguments, lately(now), near=True
        )

    def _at_time(self, group: Group, receiver: int | None, arguments: bytes, now: Window, *, near: bool) -> Call | None:
        mine = self._timeless(group.target, arguments, None, now)
        if mine is None:
            return None
        if near not in group.timed:
            made = group.timed[near] = {}
            began = self._span[0]
            for call in group.calls:
                span = lately((began, began + call.started)) if near else self._span
                other = self._timeless(group.target, call.arguments, call, span)
                if other is not None:
                    made.setdefault((self.same_handle(call.receiver), other), deque()).append(call)
        return self._first(group, group.timed[near].get((receiver, mine)))

    def _timeless(self, target: Target, arguments: bytes, call: Call | None, now: Window) -> Key | None:
        ignore, only = relaxation(target)
        return timeless(self._values(target, arguments, call, ignore, only), now)

    def _first(self, group: Group, queue: deque[Call] | None) -> Call | None:
        while queue:
            call = queue.popleft()
            if call.seq not in group.taken:
                group.taken.add(call.seq)
                return call
        return None

    def _exact(self, group: Group, receiver: int | None, arguments: bytes) -> Call | None:
        if (call := self._first(group, group.verbatim.get((receiver, arguments)))) is not None:
            return call
        if group.canonical is None:
            group.canonical = {}
            for call in group.calls:
                key = self._key(group, self.same_handle(call.receiver), call.arguments, call)
                group.canonical.setdefault(key, deque()).append(call)
        return self._first(group, group.canonical.get(self._key(group, receiver, arguments)))

    def _key(self, group: Group, receiver: int | None, arguments: bytes, call: Call | None = None) -> Key:
        place = (receiver, arguments, group.target.parameters if call is None else call.target.parameters)
        known = group.by_bytes.get(place)
        if known is None:
            known = group.by_bytes[place] = (receiver, self._arguments(group.target, arguments, call))
        return known

    def _arguments(
        self,
        target: Target,
        arguments: bytes,
        call: Call | None,
        ignore: frozenset[str] = frozenset(),
        only: frozenset[str] | None = None,
    ) -> Key:
        return canonical_inert(self._values(target, arguments, call, ignore, only)) if arguments else b""

    def _values(
        self, target: Target, arguments: bytes, call: Call | None, ignore: frozenset[str], only: frozenset[str] | None
    ) -> dict[str, Any]:
        """The arguments by parameter name, with plain defaults filled in, without those that don't count."""
        parameters = target.parameters if call is None else call.target.parameters or target.parameters
        values: dict[str, Any] = dict(target.extra.get("defaults") or {})
        if arguments:
            values.update(named(arguments, parameters))
        if ignore or only is not None:
            values = {name: value for name, value in values.items() if name not in ignore and (only is None or name in only)}
        return values


@lru_cache(maxsize=4096)
def former_names(target: Target) -> tuple[str, ...]:
    """The name of a target and, from `was:`, its older ones; of a handle's method, those of its maker's."""
    names = [target.name]
    alias = getattr(target.settings, "alias", None)
    for old in getattr(target.settings, "was", ()):
        if alias is not None and target.name.startswith(alias + "."):
            names.append(old + target.name[len(alias) :])
        else:
            names.append(old)
    default = f"{target.module}:{target.qualname}"
    if default not in names:
        names.append(default)  # recorded before it was given an alias
    return tuple(names)


def relaxation(target: Target) -> tuple[frozenset[str], frozenset[str] | None]:
    """The parameters which the config ignores, and those which alone identify a call (None: all)."""
    key = getattr(target.settings, "key", None)
    return frozenset(getattr(target.settings, "ignore", ())), None if key is None else frozenset(key)


def freeze_arguments(arguments: bytes, parameters: tuple[tuple[str, int], ...]) -> Key:
    """The canonical form of one call's arguments, by parameter name."""
    return canonical_inert(named(arguments, parameters)) if arguments else b""


def lately(window: Window) -> Window:
    """The last of it, short enough to tell distances from."""
    return max(window[0], window[1] - LATELY), window[1]


def timeless(values: dict[str, Any], now: Window) -> Key | None:
    """The canonical form with each time of the operation's own taken for the same one; None where there is no such time."""
    found = False

    def stripped(node: Any, depth: int) -> Any:
        nonlocal found
        if (said := reading(node, now)) is not None:
            found = True
            return NOW + said
        if isinstance(node, (str, bytes)):
            neutral = without_now(node, now)
            found = found or neutral is not node
            return neutral
        if depth == 0:
            return node
        if isinstance(node, dict):
            return {key: stripped(value, depth - 1) for key, value in node.items()}
        if isinstance(node, list):
            return [stripped(value, depth - 1) for value in node]
        if isinstance(node, Tagged):
            return replace(node, value=stripped(node.value, depth - 1))
        return node

    tree = stripped(values, DEPTH)
    return canonical_inert(tree) if found else None
