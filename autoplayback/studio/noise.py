"""Noise by experiment: the same tapes on the same code, several times. What the code answers anew each time is no regression.

It is only proposed, never applied: a rule that hides a place weakens every later replay. A place where all replays agree with
each other, though not with the tape, isn't noise but a difference, and no rule is proposed for it.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from autoplayback.config.settings import Settings
from autoplayback.equalizer.renames import KINDS
from autoplayback.equalizer.showing import brief
from autoplayback.studio.results import Result

_INDEX = re.compile(r"\[\d+\]")
_SAMPLES = 4
_NEAR = 0.01
"""Numbers that differ by no more than this share of themselves are proposed a tolerance rather than ignored."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """One rule that would quiet one place, with what speaks for it."""

    operation: str
    rule: str
    """`ignore`, `normalize` or `tolerance`."""
    path: str
    option: Any
    tapes: int
    """In how many tapes the place varied from replay to replay."""
    steady: int
    """In how many it differed from the tape, but in the same way each time: those the rule would wrongly hide."""
    of: int
    """Tapes of the operation."""
    samples: tuple[str, ...]

    @property
    def evidence(self) -> str:
        """For the comment beside the rule."""
        doubt = f"; CAREFUL: steady, and so a real difference, in {self.steady}" if self.steady else ""
        return f"varied in {self.tapes} of {self.of} tapes, e.g. {', '.join(self.samples)}{doubt}"


class Experiment:
    """Collects the results of every round."""

    def __init__(self) -> None:
        self._rounds = 0
        self._operations: dict[str, str] = {}
        self._values: dict[str, dict[str, list[tuple[str, Any, Any]]]] = defaultdict(lambda: defaultdict(list))
        self._unfit: dict[str, str] = {}

    def begin(self) -> None:
        """Starts a round."""
        self._rounds += 1

    def add(self, result: Result) -> None:
        """Adds one result of the round."""
        self._operations[result.tape] = result.operation
        if result.verdict.value in ("diverged", "error", "failed"):
            self._unfit[result.tape] = f"{result.verdict.value}: {result.reason}"
        for difference in result.differences:
            self._values[result.tape][difference.at].append((difference.digest, difference.recorded, difference.replayed))

    @property
    def unfit(self) -> dict[str, str]:
        """Tapes that didn't play to their end: nothing can be learned from them, they are to be mended first."""
        return dict(self._unfit)

    def proposals(self) -> list[Proposal]:
        """A rule for each kind of place that varied, those with most tapes behind them first."""
        varied: dict[tuple[str, str], list[tuple[str, list[Any]]]] = defaultdict(list)
        steady: Counter[tuple[str, str]] = Counter()
        seen_at: dict[tuple[str, str], list[str]] = defaultdict(list)
        for tape, at, values in self._places():
            key = (self._operations[tape], _INDEX.sub("[*]", at))
            if self._varies(values):
                seen_at[key].append(at)
                varied[key].append((tape, [value for _, recorded, replayed in values for value in (recorded, replayed)]))
            else:
                steady[key] += 1
        sizes = Counter(self._operations.values())
        found = []
        for (operation, path), places in varied.items():
            values = [value for _, seen in places for value in seen]
            rule, option = _rule(values)
            samples = tuple(dict.fromkeys(brief(value, 40) for value in values))[:_SAMPLES]
            tapes = len({tape for tape, _ in places})
            place = _narrowed(path, seen_at[operation, path])
            found.append(Proposal(operation, rule, place, option, tapes, steady[operation, path], sizes[operation], samples))
        return sorted(found, key=lambda proposal: (proposal.operation, -proposal.tapes, proposal.path))

    def steady(self) -> list[str]:
        """Differences that were the same in every round, a sentence a kind of place: regressions, or a changed environment."""
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for tape, at, values in self._places():
            if not self._varies(values):
                example = f"{tape}: recorded {brief(values[0][1])}, replayed {brief(values[0][2])}"
                found[self._operations[tape], _INDEX.sub("[*]", at)].append(example)
        return [
            f"{operation}: {path} differs in the same way each time in {len(examples)} tapes, as in {examples[0]}"
            for (operation, path), examples in sorted(found.items(), key=lambda item: -len(item[1]))
        ]

    def _places(self) -> Iterator[tuple[str, str, list[tuple[str, Any, Any]]]]:
        for tape, places in self._values.items():
            if tape not in self._unfit:
                yield from ((tape, at, values) for at, values in places.items())

    def _varies(self, values: list[tuple[str, Any, Any]]) -> bool:
        """Whether the replays disagree with each other: another value, or equal to the tape in one round and not in another."""
        return len(values) < self._rounds or len({digest for digest, _, _ in values}) > 1


def _narrowed(pattern: str, places: list[str]) -> str:
    """A pattern with the index in it wherever only one item ever varied: the others are steady, and stay compared.

    The calls of an output are alike, so that a rule is of all of them.
    """
    indexes = [set(found) for found in zip(*(_INDEX.findall(place) for place in places), strict=True)]
    pieces = pattern.split("[*]")
    written = pieces[0]
    for index, piece in zip(indexes, pieces[1:], strict=True):
        written += (next(iter(index)) if len(index) == 1 and not piece.startswith(".args") else "[*]") + piece
    return written


def _rule(values: list[Any]) -> tuple[str, Any]:
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) == len(values):
        for kind, pattern in KINDS.items():
            if all(pattern.fullmatch(text) for text in texts):
                return "normalize", kind
    numbers = [float(value) for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    # Whole numbers that are near each other are counters and ids: the next run's would be beyond any bound.
    if len(numbers) == len(values) and any(isinstance(value, float) for value in values):
        largest = max(map(abs, numbers))
        if largest and (max(numbers) - min(numbers)) / largest <= _NEAR:
            return "tolerance", {"rel": float(f"{2 * (max(numbers) - min(numbers)) / largest:.2g}")}
    return "ignore", None


def patch(proposals: list[Proposal], settings: Settings | None = None) -> str:
    """The proposals as YAML to be merged into the config by hand, the evidence beside each.

    With the settings, an operation stands there as in the config, by its target, so that `check` takes the patch as it is.
    """
    lines = ["operations:"]
    for operation in dict.fromkeys(proposal.operation for proposal in proposals):
        lines += [*_entry(operation, settings or Settings()), "    compare:"]
        own = [proposal for proposal in proposals if proposal.operation == operation]
        for rule in ("ignore", "normalize", "tolerance"):
            chosen = [proposal for proposal in own if proposal.rule == rule]
            if chosen:
                lines.append(f"      {rule}:")
            for proposal in chosen:
                comment = f"  # {_one_line(proposal.evidence)}"
                if rule == "tolerance":
                    lines.append(f"        {_scalar(proposal.path)}: {{rel: {proposal.option['rel']}}}{comment}")
                else:
                    lines.append(f"        - {_scalar(proposal.path)}{comment}")
    return "\n".join(lines) + "\n" if proposals else ""


def _entry(operation: str, settings: Settings) -> list[str]:
    for declared in settings.operations:
        for key in ("target", "wsgi", "asgi", "celery"):
            target = getattr(declared, key)
            if target is not None and operation in (declared.name or target.removesuffix("()"), *declared.was):
                name = [f"    name: {_scalar(declared.name)}"] if declared.name else []
                return [f"  - {key}: {_scalar(target)}", *name]
    return [f"  - name: {_scalar(operation)}"]


def _one_line(text: str) -> str:
    """What a comment can hold: a recorded value may have lines and characters that YAML doesn't take, even there."""
    return "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in text)


def _scalar(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a JSON string is a YAML one
