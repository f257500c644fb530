"""What a team brings to comparing: comparators and extractors, and the plain values they are given.

A comparator is a function `(recorded, replayed, context)`; both sides are a `Replica`. It returns a Verdict (or its name), a
bool (equal or different), a Judgement, or a tuple `(verdict, message)` or `(verdict, message, differences)` where a difference is
a `Difference`, a dict or `(at, recorded, replayed)`. It is asked where both sides returned; what it raises makes the verdict
`error`. Packages offer comparators by name through the entry-point group `autoplayback.comparators`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from autoplayback.config.nearest import suggestion
from autoplayback.config.settings import Compare, Settings
from autoplayback.equalizer import showing
from autoplayback.equalizer.differ import RawDifference
from autoplayback.equalizer.patience import within
from autoplayback.equalizer.sides import Side
from autoplayback.equalizer.verdict import Difference, Judgement, Verdict
from autoplayback.errors import AutoplaybackError, ReplayError
from autoplayback.tape.model import Tape
from autoplayback.tape.values import Tagged, Trust, inspect, named, rebuild

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "autoplayback.comparators"
MOST = 100
"""Differences taken of a comparator, as many as are listed of our own."""
PATIENCE = 60.0
"""Seconds that a plug-in may take for one tape."""
IMPATIENCE = 1.0
"""And from then on, once it has hung: one that never ends must not cost a minute a tape."""
_patience: dict[str, float] = {}
_NOBODY = Trust(frozenset(), {})


class Record(Mapping[str, Any]):
    """An object of one of the service's classes, without the class: its fields as attributes and as items."""

    def __init__(self, type_name: str, fields: Mapping[str, Any]) -> None:
        self._type, self._fields = type_name, dict(fields)

    def __getitem__(self, name: str) -> Any:
        return self._fields[name]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_fields"][name]
        except KeyError:
            raise AttributeError(f"the recorded {self.__dict__.get('_type', 'object')} has no field {name!r}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and (self._type, self._fields) == (other._type, other._fields)

    def __hash__(self) -> int:
        return hash((self._type, len(self._fields)))

    def __repr__(self) -> str:
        return f"<{self._type} {self._fields!r}>"


@dataclass(frozen=True, slots=True)
class Replica:
    """One side of a comparison in plain Python values; objects of the service's classes are `Record`s."""

    result: Any
    """What it returned, or None where it raised."""
    error: Any
    """`{"type", "args"}`, or None where it returned."""
    arguments: dict[str, Any]
    """Of the operation, by the names of its parameters."""
    outputs: dict[str, list[dict[str, Any]]]
    """Per output's name the arguments of each call, in order."""
    metadata: Mapping[str, Any]
    seconds: float


@dataclass(frozen=True, slots=True)
class Context:
    """What a comparator may want to know beside the two sides."""

    operation: str
    tape: str
    differences: tuple[Difference, ...]
    """What the rules of the config would call different."""
    data: Any = None
    """What the function of `data:` made of the recorded side."""
    options: Mapping[str, Any] = field(default_factory=dict)


def plain(value: Any) -> Any:
    """An inert value as the plain Python value it is nearest to."""
    if isinstance(value, dict):
        return {key: plain(child) for key, child in value.items()}
    if isinstance(value, list):
        return [plain(child) for child in value]
    if not isinstance(value, Tagged):
        return value
    return _tagged(value)


def _tagged(node: Tagged) -> Any:
    inner = plain(node.value)
    match node.kind:
        case "tuple":
            return tuple(inner)
        case "set" | "frozenset":
            try:
                return frozenset(inner)
            except TypeError:
                return inner
        case "dict":
            return inner if isinstance(inner, dict) else {_hashable(key): child for key, child in inner}
        case "list" | "str" | "int" | "float" | "bytes" | "bytearray":
            return inner
        case "enum":
            return inner[1]
        case "array":
            from autoplayback.equalizer.arrays import nested

            items = nested(node)
            return node if items is None else items
        case "scalar":
            from autoplayback.equalizer.arrays import scalar

            number = scalar(node)
            return node if number is None else number
        case "value":
            return _standard(node)
    return Record(node.type or node.kind, inner) if isinstance(inner, dict) else node


def _standard(node: Tagged) -> Any:
    """A value of the standard library as itself."""
    from autoplayback.equalizer.tolerances import moment, number

    if node.type == "fractions:Fraction":
        return Fraction(*node.value)
    if node.type == "decimal:Decimal":
        from decimal import Decimal

        return Decimal(node.value)
    if node.type in ("datetime:datetime", "datetime:date", "datetime:time", "uuid:UUID") and node.extra is None:
        import datetime
        import uuid

        kind: Any = uuid.UUID if node.type == "uuid:UUID" else getattr(datetime, node.type.partition(":")[2])
        return kind(node.value) if kind is uuid.UUID else kind.fromisoformat(node.value)
    return node if moment(node) is None and number(node) is None else node.value


def _hashable(key: Any) -> Any:
    try:
        hash(key)
    except TypeError:
        return repr(key)
    return key


def replica(tape: Tape, side: Side) -> Replica:
    """A side as plug-ins see it."""
    from autoplayback.equalizer.differ import MISSING

    def value(document: bytes, inert: Any) -> Any:
        if inert is MISSING:
            return None
        try:
            return rebuild(document, _NOBODY) if side.status is None and document else plain(inert)
        except AutoplaybackError:  # it holds objects of the service's classes
            return plain(inert)

    outputs = {name: [plain(call["args"]) for call in calls] for name, calls in side.outputs.items()}
    error = None if side.error is MISSING else plain(side.error)
    document = tape.outcome.value if tape.outcome.items is None else b""
    arguments = {name: plain(argument) for name, argument in named(tape.arguments, tape.target.parameters).items()}
    return Replica(value(document, side.result), error, arguments, outputs, dict(tape.metadata), tape.duration / 1e9)


@lru_cache(maxsize=64)
def load(reference: str) -> Callable[..., Any]:
    """The function that `module:function`, or the name of an entry point, means. ReplayError where there is none."""
    try:
        if ":" not in reference:
            found = _offered(reference).load()
        else:
            module, _, name = reference.partition(":")
            found = importlib.import_module(module)
            for part in name.split("."):
                found = getattr(found, part)
    except ReplayError:
        raise
    except Exception as error:
        raise ReplayError(f"{reference} can't be loaded: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise ReplayError(f"{reference} is no function")
    return found  # type: ignore[no-any-return]


def _offered(name: str) -> EntryPoint:
    """What an installed package offers under a name."""
    from importlib.metadata import entry_points

    points = {point.name: point for point in entry_points(group=GROUP)}
    if name not in points:
        known = suggestion(name, points, what="there are") or f"; no package with entry points {GROUP} is installed"
        raise ReplayError(f"no installed package offers {name!r}{known}; a function is written module:function")
    return points[name]


def unavailable(settings: Settings) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """Of each plug-in that the config names and no installed package offers: its place in the config, its name, what is wrong."""
    levels: list[tuple[tuple[str | int, ...], Compare]] = [(("compare",), settings.compare)]
    levels += [(("operations", at, "compare"), operation.compare) for at, operation in enumerate(settings.operations)]
    levels += [(("suites", name, "compare"), suite.compare) for name, suite in settings.suites.items()]
    for place, compare in levels:
        for field_ in ("comparator", "extractor", "data"):
            name = getattr(compare, field_)
            if name is None or ":" in name:
                continue
            try:
                _offered(name)
            except ReplayError as error:
                yield (*place, field_), name, f"{field_}: {error}"


def call(reference: str, *arguments: Any) -> Any:
    """What a plug-in's function returns; ReplayError, with the line that failed, where it raises or doesn't come to an end."""
    patience = _patience.get(reference, PATIENCE)
    answer = within(patience, load(reference), *arguments)
    if answer is None:
        _patience[reference] = IMPATIENCE
        raise ReplayError(f"{reference} took longer than {patience:g} s and was given up")
    value, error = answer
    if error is None:
        return value
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})" if trace is not None else ""
    raise ReplayError(f"{reference} raised {type(error).__name__}: {error}{where}") from error


def inert(value: Any) -> Any:
    """What a plug-in returned, as a tree that can be compared."""
    from autoplayback.tape.values import Encoder

    return inspect(Encoder().encode(value))


def judged(answer: Any, reference: str) -> Judgement:
    """What a comparator returned, as a Judgement. ReplayError where it means nothing."""
    if isinstance(answer, Judgement):
        return answer
    verdict, message, truncated = answer, "", False
    differences: tuple[Difference, ...] = ()
    if isinstance(answer, tuple) and 2 <= len(answer) <= 3:
        verdict, message = answer[0], str(answer[1])
        given = list(islice(answer[2], MOST + 1)) if len(answer) == 3 else []
        truncated = len(given) > MOST
        differences = tuple(_difference(one, reference) for one in given[:MOST])
    if isinstance(verdict, bool):
        verdict = Verdict.EQUAL if verdict else Verdict.DIFFERENT
    try:
        verdict = Verdict(verdict)
    except ValueError:
        known = ", ".join(v.value for v in Verdict)
        raise ReplayError(f"{reference} returned {answer!r}, which is no verdict ({known}), bool or tuple") from None
    return Judgement(verdict, message or f"{reference} calls it {verdict.value}", differences, truncated=truncated)


def _difference(given: Any, reference: str) -> Difference:
    if isinstance(given, Difference):
        return given
    try:
        if isinstance(given, Mapping):
            at, recorded, replayed = given.get("at", "result"), given.get("recorded"), given.get("replayed")
        else:
            at, recorded, replayed = given
    except (TypeError, ValueError):
        raise ReplayError(
            f"{reference} returned {given!r} as a difference; it is (at, recorded, replayed), a dict of these, or a Difference"
        ) from None
    return replace(showing.difference(RawDifference((), inert(recorded), inert(replayed))), at=str(at))
