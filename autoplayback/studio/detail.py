"""What a report shows of a tape that isn't equal: the tree around its differences, and the timeline of its calls. Bounded."""

from __future__ import annotations

from typing import Any

from autoplayback.config import paths
from autoplayback.config.paths import Part
from autoplayback.equalizer import content, showing
from autoplayback.equalizer.sides import side
from autoplayback.equalizer.verdict import Difference, Judgement
from autoplayback.errors import AutoplaybackError
from autoplayback.tape.model import Call, End, Tape
from autoplayback.tape.values import Tagged, inspect, named, render

_MOST_NODES = 800
_MOST_CALLS = 250
_AROUND = 2
"""Equal items shown before and after a difference in a list; further ones are folded into their number."""

Node = list[Any]
"""`[key, state, recorded, replayed, children]`: state `=` equal, `~` changed, `-` missing, `+` extra, `/` differs below, `…` folded."""


def detail(recorded: Tape, replayed: Tape, judgement: Judgement) -> dict[str, Any]:
    """The tree and both timelines, as JSON-able data; without what can't be read."""
    found: dict[str, Any] = {}
    try:
        found["tree"] = _tree(recorded, judgement.differences)
        found["arguments"] = {name: showing.shown(value, most=40) for name, value in named(recorded.arguments, recorded.target.parameters).items()}
        found["timeline"] = {"recorded": timeline(recorded), "replayed": timeline(replayed)}
        if replayed.playback is not None:
            found["timeline"]["matched"] = [[new, old] for new, old, _ in replayed.playback.matched[:_MOST_CALLS]]
            found["timeline"]["unused"] = list(replayed.playback.unused_calls)
    except (AutoplaybackError, RecursionError, ValueError):
        found.setdefault("tree", [])
    return found


def timeline(tape: Tape) -> list[list[Any]]:
    """`[seq, role, name, started ms, took ms, how it ended, arguments, outcome]` of each call."""
    return [
        [call.seq, call.target.role, call.target.name, round(call.started / 1e6, 3), round(call.duration / 1e6, 3), call.outcome.end.value,
         showing.cut(_arguments(call), 160), showing.cut(_outcome(call), 160)]
        for call in tape.calls[:_MOST_CALLS]
    ]


def _arguments(call: Call) -> str:
    return ", ".join(f"{name}={render(value, 120)}" for name, value in named(call.arguments, call.target.parameters).items())


def _outcome(call: Call) -> str:
    if call.outcome.items is not None:
        return f"{len(call.outcome.items)} items"
    if call.outcome.end in (End.CLOSED, End.UNFINISHED):
        return ""
    return render(inspect(call.outcome.value), 150)


def _tree(recorded: Tape, differences: tuple[Difference, ...]) -> list[Node]:
    trie: dict[Part, Any] = {}
    for difference in differences:
        node = trie
        for segment in paths.parse(difference.at).segments:
            node = node.setdefault(segment.value, {})
        node[""] = difference
    seen = side(recorded)
    roots: dict[Part, Any] = {}
    for parts, tree in seen.roots():
        level = roots
        for part in parts[:-1]:
            level = level.setdefault(part, {})
        level[parts[-1]] = tree
    left = [_MOST_NODES]
    return _children(roots, trie, left)


def _children(value: Any, trie: dict[Part, Any], left: list[int]) -> list[Node]:
    if isinstance(value, Tagged):
        value = value.value
    if isinstance(value, (str, bytes)):
        value = content.structure(value)
    entries = list(paths.children(value))
    keys = {part: place for place, (part, _) in enumerate(entries)}
    folds = isinstance(value, list) and len(entries) > 3 * _AROUND
    near = {place + step for part, place in keys.items() if part in trie for step in range(-_AROUND, _AROUND + 1)}
    nodes: list[Node] = []
    folded = 0
    for place, (part, child) in enumerate(entries):
        below = trie.get(part)
        if below is None and ((folds and place not in near) or left[0] <= 0):
            folded += 1
            continue
        if folded:
            nodes.append(_fold(folded))
            folded = 0
        left[0] -= 1
        if below is None:
            nodes.append([part, "=", showing.shown(child, longest=120, most=12, depth=3), None, []])
        else:
            extra = below.get("")
            if extra is not None and extra.kind == "extra" and isinstance(part, int):
                # The replayed index of an item that was added: shown before the recorded item of that place.
                nodes.append([part, "+", None, extra.replayed, []])
                rest = {key: node for key, node in below.items() if key != ""}
                nodes.append(_node(part, child, rest, left) if rest else [part, "=", showing.shown(child, longest=120, most=12, depth=3), None, []])
            else:
                nodes.append(_node(part, child, below, left))
    if folded:
        nodes.append(_fold(folded))
    nodes.extend(_node(part, None, below, left) for part, below in trie.items() if part not in keys and part != "")
    return nodes


def _fold(count: int) -> Node:
    return [None, "…", f"{count:,} equal", None, []]


def _node(part: Part, value: Any, trie: dict[Part, Any], left: list[int]) -> Node:
    difference = trie.get("")
    if isinstance(difference, Difference):
        state = {"changed": "~", "missing": "-", "extra": "+"}[difference.kind]
        return [part, state, difference.recorded, difference.replayed, []]
    return [part, "/", None, None, _children(value, trie, left)]
