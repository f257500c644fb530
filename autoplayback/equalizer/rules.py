"""What the config says of comparing, compiled: at each place of a walk, which rules hold there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from autoplayback.config import paths
from autoplayback.config.paths import Kind, Segment, State
from autoplayback.config.settings import Compare, Metric, Tolerance

_Option = TypeVar("_Option")
RENAMED_KINDS = ("uuids", "timestamps")
"""What `normalize` takes in place of a path: renames these wherever they stand, inside longer strings too."""


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One line of `compare:`. `text` is how the reports name it."""

    kind: str
    path: str
    option: Any = None

    @property
    def text(self) -> str:
        return f"{self.kind}: {self.path}"


class Treatment:
    """Which rule of each kind holds at one place; where several do, the last one written (the operation's after the global)."""

    __slots__ = ("ignore", "include", "key", "metric", "normalize", "null_is_missing", "tolerance", "unordered")

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self.ignore: Rule | None = None
        self.include: Rule | None = None
        self.tolerance: Rule | None = None
        self.unordered: Rule | None = None
        self.key: Rule | None = None
        self.null_is_missing: Rule | None = None
        self.normalize: Rule | None = None
        self.metric: Rule | None = None
        for rule in rules:
            setattr(self, "metric" if rule.kind == "metrics" else rule.kind, rule)


UNTREATED = Treatment()


class Rulebook:
    """All rules of one operation's comparing."""

    def __init__(self, compare: Compare) -> None:
        self.compare = compare
        self.renamed_kinds = tuple(Rule("normalize", kind) for kind in RENAMED_KINDS if kind in compare.normalize)
        self.rules = tuple(_rules(compare))
        self.metrics = tuple(rule for rule in self.rules if rule.kind == "metrics")
        self._automaton: paths.Rules[Rule] = paths.Rules([(with_index(rule.path), rule) for rule in self.rules])
        self._treatments: dict[State[Rule], Treatment] = {}
        self.includes = bool(compare.include)
        """Whether only what `include` names is compared."""
        self.renames = bool(self.renamed_kinds) or any(rule.kind == "normalize" for rule in self.rules)

    @property
    def start(self) -> State[Rule]:
        """The state at the root, above `result`, `error` and `outputs`."""
        return self._automaton.start

    def at(self, parts: Iterable[paths.Part]) -> State[Rule]:
        """The state at a place."""
        state = self._automaton.start
        for part in parts:
            state = state.step(part)
        return state

    def treatment(self, state: State[Rule]) -> Treatment:
        """What holds at a state."""
        found = self._treatments.get(state)
        if found is None:
            found = self._treatments[state] = Treatment(state.accepted) if state.accepted else UNTREATED
        return found


def _rules(compare: Compare) -> Iterable[Rule]:
    for kind in ("ignore", "include", "unordered", "null_is_missing", "normalize"):
        for path in dict.fromkeys(getattr(compare, kind)):
            if not (kind == "normalize" and path in RENAMED_KINDS):
                yield Rule(kind, path)
    options: dict[str, dict[str, Any]] = {
        "tolerance": dict(compare.tolerance),
        "key": dict(compare.key),
        "metrics": dict(compare.metrics),
    }
    for kind, entries in options.items():
        for path, option in entries.items():
            yield Rule(kind, path, option)


def with_index(text: str) -> paths.Path:
    """The path a rule means: `outputs.mail.send.args.at` is said of every call of it, as if `[*]` stood before `args`."""
    path = paths.parse(text)
    if path.root != "outputs":
        return path
    segments = list(path.segments)
    for place, segment in enumerate(segments[2:], 2):
        if segment == Segment(Kind.NAME, "args"):
            if segments[place - 1].kind in (Kind.NAME, Kind.GLOB):
                segments.insert(place, Segment(Kind.ANY_INDEX))
            break
    return paths.Path(tuple(segments), text)


def _overridden(entries: dict[str, _Option], later: dict[str, _Option]) -> None:
    """Adds a later level's entries behind the earlier ones: of two paths that mean one place, the last counts."""
    for path, option in later.items():
        entries.pop(path, None)
        entries[path] = option


_NOTHING: Final = Compare()


def merged(*compares: Compare | None) -> Compare:
    """Several levels of rules as one, the later going before the earlier: global, operation, suite."""
    given = [compare for compare in compares if compare is not None and compare != _NOTHING]
    if len(given) <= 1:
        return given[0] if given else _NOTHING
    tolerance: dict[str, Tolerance] = {}
    key: dict[str, str] = {}
    metrics: dict[str, Metric] = {}
    lists: dict[str, Any] = {kind: [] for kind in ("ignore", "include", "unordered", "null_is_missing", "normalize")}
    scalars: dict[str, Any] = {}
    for compare in given:
        for kind, entries in lists.items():
            entries.extend(path for path in getattr(compare, kind) if path not in entries)
        _overridden(tolerance, compare.tolerance)
        _overridden(key, compare.key)
        _overridden(metrics, compare.metrics)
        scalars |= {
            name: getattr(compare, name)
            for name in ("comparator", "extractor", "data", "duration", "order")
            if getattr(compare, name) is not None
        }
        if compare.calls == "strict":
            scalars["calls"] = "strict"
        if compare.clock == "exact":
            scalars["clock"] = "exact"
    return Compare(**lists, tolerance=tolerance, key=key, metrics=metrics, **scalars)
