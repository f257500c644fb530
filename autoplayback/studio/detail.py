"""What a report shows of a tape that isn't equal: the tree around its differences, and the timeline of its calls. Bounded."""

from __future__ import annotations

from typing import Any

from autoplayback.config import paths
from autoplayback.config.notations import NotationError
from autoplayback.config.paths import Part
from autoplayback.equalizer import content, showing
from autoplayback.equalizer.differ import MISSING
from autoplayback.equalizer.rules import RENAMED_KINDS, with_index
from autoplayback.equalizer.sides import side
from autoplayback.equalizer.verdict import Difference, Judgement
from autoplayback.tape.model import Call, End, Tape
from autoplayback.tape.values import Tagged, inspect, named, render

_MOST_NODES = 800
_MOST_CALLS = 250
_AROUND = 2
"""Equal items shown before and after a difference in a list; further ones are folded into their number."""

Node = list[Any]
"""`[key, state, recorded, replayed, children]`: state `=` equal (in the place of the replayed value: how
much it holds), `~` changed, `-` missing, `+` extra, `/` differs below,
`…` folded, `≈` forgiven by the rule that stands in the place of the replayed value, `≐` another value that counts as equal (each
run's own time, a renamed id)."""


def detail(recorded: Tape, replayed: Tape, judgement: Judgement) -> dict[str, Any]:
    """The tree and both timelines, as JSON-able data; without what can't be read."""
    found: dict[str, Any] = {}
    try:
        found["tree"] = _Tree(judgement).of(recorded, replayed)
        found["arguments"] = {
            name: showing.shown(value, most=40) for name, value in named(recorded.arguments, recorded.target.parameters).items()
        }
        found["timeline"] = {"recorded": timeline(recorded), "replayed": timeline(replayed)}
        if replayed.playback is not None:
            found["timeline"]["matched"] = [[new, old] for new, old, _ in replayed.playback.matched[:_MOST_CALLS]]
            found["timeline"]["unused"] = list(replayed.playback.unused_calls)
    except Exception:  # whatever it is, it may cost this tape its tree, not the run its end
        found.setdefault("tree", [])
    return found


def timeline(tape: Tape) -> list[list[Any]]:
    """`[seq, role, name, started ms, took ms, how it ended, arguments, outcome]` of each call."""
    return [
        [
            call.seq,
            call.target.role,
            call.target.name,
            round(call.started / 1e6, 3),
            round(call.duration / 1e6, 3),
            call.outcome.end.value,
            showing.cut(showing.called(call), 160),
            showing.cut(_outcome(call), 160),
        ]
        for call in tape.calls[:_MOST_CALLS]
    ]


def _outcome(call: Call) -> str:
    if call.outcome.items is not None:
        return f"{len(call.outcome.items)} items"
    if call.outcome.end in (End.CLOSED, End.UNFINISHED):
        return ""
    return render(inspect(call.outcome.value), 150)


class _Tree:
    """Makes the tree of one result: the way down to each difference, with what is near it."""

    def __init__(self, judgement: Judgement) -> None:
        self._left = _MOST_NODES
        self._differences: dict[Part, Any] = {}
        for difference in judgement.differences:
            node = self._differences
            for part in _parts(difference.at):
                node = node.setdefault(part, {})
            node[""] = difference
        forgiving = [
            rule for rule, state in judgement.rules.items() if state == "varied" and rule.partition(": ")[2] not in RENAMED_KINDS
        ]
        forgiven = [(with_index(rule.partition(": ")[2]), rule) for rule in forgiving]
        metrics = [(with_index(reading.path), f"{reading.replayed:.12g} (a metric)") for reading in judgement.metrics]
        self._rules: paths.Rules[str] = paths.Rules([*forgiven, *metrics])

    def of(self, recorded: Tape, replayed: Tape) -> list[Node]:
        """The tree of the recorded tape, with the differences in it."""
        return self._children(_rooted(recorded), _rooted(replayed), self._differences, self._rules.start)

    def _children(self, value: Any, other: Any, trie: dict[Part, Any], state: paths.State[str]) -> list[Node]:
        value, other = _opened(value), _opened(other)
        entries = list(paths.children(value))
        # Where a rule pairs a list's items, or their number differs, the item at the same place isn't the one compared with.
        paired = isinstance(value, list) and (state.accepted or not isinstance(other, list) or len(other) != len(value))
        others = {} if paired else dict(paths.children(other))
        keys = {part: place for place, (part, _) in enumerate(entries)}
        folds = isinstance(value, list) and len(entries) > 3 * _AROUND
        near = {keys[part] + step for part in trie if part in keys for step in range(-_AROUND, _AROUND + 1)}
        nodes: list[Node] = []
        folded = 0
        for place, (part, child) in enumerate(entries):
            below = trie.get(part)
            if below is None and ((folds and place not in near) or self._left <= 0):
                folded += 1
                continue
            if folded:
                nodes.append(_fold(folded))
                folded = 0
            self._left -= 1
            nodes.extend(self._entry(part, child, others.get(part, MISSING), below or {}, state.step(part)))
        if folded:
            nodes.append(_fold(folded))
        nodes.extend(
            self._node(part, None, MISSING, below, state.step(part))
            for part, below in trie.items()
            if part not in keys and part != ""
        )
        return nodes

    def _entry(self, part: Part, child: Any, other: Any, below: dict[Part, Any], state: paths.State[str]) -> list[Node]:
        added = below.get("")
        if isinstance(added, Difference) and added.kind == "extra" and isinstance(part, int):
            # It has the replayed index: shown before the recorded item of that place.
            rest = {key: node for key, node in below.items() if key != ""}
            return [[part, "+", None, added.replayed, []], *self._entry(part, child, other, rest, state)]
        if below:
            return [self._node(part, child, other, below, state)]
        shown = _little(child)
        if state.accepted:
            return [[part, "≈", shown, state.accepted[-1], []]]
        if other is not MISSING and (instead := _little(other)) != shown:
            return [[part, "≐", shown, instead, []]]
        return [[part, "=", shown, _size(child), []]]

    def _node(self, part: Part, value: Any, other: Any, trie: dict[Part, Any], state: paths.State[str]) -> Node:
        difference = trie.get("")
        if isinstance(difference, Difference):
            sign = {"changed": "~", "missing": "-", "extra": "+"}[difference.kind]
            return [part, sign, difference.recorded, difference.replayed, []]
        return [part, "/", None, None, self._children(value, other, trie, state)]


def _parts(at: str) -> list[Part]:
    """The place of a difference; a comparator may call it whatever it likes."""
    try:
        return [segment.value for segment in paths.parse(at).segments]
    except NotationError:
        return [at]


def _rooted(tape: Tape) -> dict[Part, Any]:
    """All that is compared of a tape, as one tree."""
    roots: dict[Part, Any] = {}
    for parts, tree in side(tape).roots():
        level = roots
        for part in parts[:-1]:
            below = level.get(part)
            if not isinstance(below, dict):  # `connect` is an output, and so is `connect.execute`: both hang here
                below = level[part] = {} if below is None else dict(paths.children(below))
            level = below
        there = level.get(parts[-1])
        level[parts[-1]] = {**dict(paths.children(tree)), **there} if isinstance(there, dict) else tree
    return roots


def _opened(value: Any) -> Any:
    """What stands below a value: the fields of an object, the structure of a text."""
    if isinstance(value, Tagged):
        value = value.value
    return content.structure(value) if isinstance(value, (str, bytes)) else value


def _little(value: Any) -> Any:
    return showing.shown(value, longest=120, most=12, depth=3)


def _size(value: Any) -> str | None:
    """How much a container holds, which its beginning alone doesn't show."""
    inner = value.value if isinstance(value, Tagged) else value
    if not isinstance(inner, (dict, list)):
        return None
    return f"{len(inner):,} {'item' if isinstance(inner, list) else 'field'}{'s' * (len(inner) != 1)}"


def _fold(count: int) -> Node:
    return [None, "…", f"{count:,} equal", None, []]
