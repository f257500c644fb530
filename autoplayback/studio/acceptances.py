"""Differences that were looked at and are intended: kept in a file beside the config, reviewed with the code.

What is accepted is exact: of these tapes, at these places, these new values. A replay that shows the same again is `equal`; one
that shows anything else is judged as ever; an accepted difference that is gone is told.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from autoplayback.config.notations import Condition
from autoplayback.equalizer.showing import first
from autoplayback.equalizer.verdict import Verdict
from autoplayback.errors import ConfigError, Place
from autoplayback.originals import open as real_open
from autoplayback.originals import process_id
from autoplayback.studio.results import Result

FILE = "autoplayback.accepted.yaml"
_HEAD = """# Differences that are intended. Written by `autoplayback accept`, read by `autoplayback replay`.
# Review it with the code. An entry that a replay no longer shows can be deleted.
"""
_KEYS = ("tape", "operation", "verdict", "reason", "author", "date", "differences", "metrics")
ACCEPTABLE = (Verdict.DIFFERENT, Verdict.FAILED, Verdict.DEGRADED, Verdict.FIXED, Verdict.IMPROVED)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What is accepted of one tape."""

    tape: str
    operation: str
    verdict: str
    reason: str
    author: str
    date: str
    differences: Mapping[str, str]
    """Per place the digest of its new value."""
    metrics: Mapping[str, float]
    """Per metric the value that is good enough now."""

    @property
    def by(self) -> str:
        """Who accepted it, when and why, for a sentence."""
        return f"accepted by {self.author or 'someone'} on {self.date}: {self.reason}"

    def covers(self, result: Result) -> bool:
        """Whether all that a result shows was accepted."""
        if result.truncated or result.verdict not in ACCEPTABLE or result.misses:
            return False
        if any(not d.digest or self.differences.get(d.at) != d.digest for d in result.differences):
            return False
        return all(
            r.path in self.metrics and abs(r.replayed - self.metrics[r.path]) <= r.allowed for r in result.metrics if r.degraded
        )

    def gone(self, result: Result) -> list[str]:
        """Places that were accepted as different, or as worse, and no longer are."""
        still = {difference.at for difference in result.differences}
        better = [reading.path for reading in result.metrics if reading.path in self.metrics and not reading.degraded]
        return [at for at in self.differences if at not in still] + better


def accepted(result: Result, reason: str, author: str, date: str) -> Acceptance | str:
    """The acceptance of a result; a text saying why it can't be accepted."""
    if result.verdict is Verdict.DIVERGED:
        return "it diverged: declare the new call in the config, then record or replay again"
    if result.verdict not in ACCEPTABLE:
        return f"there is nothing to accept in the verdict {result.verdict.value}"
    if result.truncated:
        return "it has more differences than are listed: name the place with a rule (`compare: {ignore: ...}`) instead"
    if any(not difference.digest for difference in result.differences):
        return "a value is too deep to be known again"
    metrics = {reading.path: reading.replayed for reading in result.metrics if reading.degraded}
    if not result.differences and not metrics:
        return "it names no place that differs"
    places = {**result.more.get("beside", {}), **{difference.at: difference.digest for difference in result.differences}}
    return Acceptance(result.tape, result.operation, result.verdict.value, reason, author, date, places, metrics)


class Acceptances:
    """The file of accepted differences of one config."""

    def __init__(self, entries: Iterable[Acceptance] = ()) -> None:
        self._entries = {entry.tape: entry for entry in entries}

    def __len__(self) -> int:
        return len(self._entries)

    @classmethod
    def load(cls, folder: str | Path) -> Acceptances:
        """The acceptances beside a config; none where there is no file. ConfigError where it can't be read."""
        path = Path(folder) / FILE
        try:
            with real_open(path, encoding="utf-8") as stream:
                document = yaml.safe_load(stream)
        except FileNotFoundError:
            return cls()
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError((Place(str(path)), f"can't be read: {str(error).splitlines()[0]}")) from None
        entries = (document or {}).get("accepted") if isinstance(document, (dict, type(None))) else None
        if document is not None and not isinstance(entries, list):
            raise ConfigError((Place(str(path)), "isn't a file of `autoplayback accept`: a list `accepted:` is missing"))
        return cls(_read(entry, path, number) for number, entry in enumerate(entries or (), 1))

    def add(self, entry: Acceptance) -> None:
        """Adds what is accepted of a tape, in place of what was; what stays of that stays with its reason."""
        before = self._entries.get(entry.tape)
        if before is not None and before.reason not in entry.reason and before.differences.items() & entry.differences.items():
            entry = replace(entry, reason=f"{before.reason}; {entry.reason}")
        self._entries[entry.tape] = entry

    def save(self, folder: str | Path) -> Path:
        """Writes the file, in the order of the tapes, so that two branches merge well."""
        path = Path(folder) / FILE
        entries = [_written(entry) for entry in sorted(self._entries.values(), key=lambda entry: entry.tape)]
        partial = path.with_name(f".{path.name}.{process_id()}.partial")
        with real_open(partial, "w", encoding="utf-8") as stream:
            stream.write(_HEAD)
            yaml.safe_dump({"accepted": entries}, stream, sort_keys=False, allow_unicode=True, width=120)
        os.replace(partial, path)
        return path

    def applied(self, result: Result) -> Result:
        """The result as the acceptances have it."""
        entry = self._entries.get(result.tape)
        if entry is None:
            return result
        gone = entry.gone(result)
        notes = [*result.notes]
        if gone:
            notes.append(f"no longer different, though {entry.by}: {', '.join(gone[:5])}")
            result = replace(result, more={**result.more, "vanished": gone})
        if result.verdict is not Verdict.EQUAL and entry.covers(result):
            more = {
                **result.more,
                "accepted": {"verdict": result.verdict.value, "by": entry.author, "on": entry.date, "reason": entry.reason},
            }
            # The run's mean too starts from what was accepted, or accepting each tape would never let the run pass.
            readings = tuple(replace(each, recorded=entry.metrics.get(each.path, each.recorded)) for each in result.metrics)
            result = replace(result, metrics=readings)
            return replace(
                result, verdict=Verdict.EQUAL, reason=entry.by, notes=(*notes, f"was {result.verdict.value}"), more=more
            )
        known = [d for d in result.differences if d.digest and entry.differences.get(d.at) == d.digest]
        if known and result.verdict is Verdict.DIFFERENT and not result.truncated and len(known) < len(result.differences):
            # What is new stands first, and alone: what was accepted would only be in its way.
            new = tuple(difference for difference in result.differences if difference not in known)
            beside = {difference.at: difference.digest for difference in known}
            result = replace(result, differences=new, reason=first(new, len(new)), more={**result.more, "beside": beside})
            notes.append(f"beside what was {entry.by}: {', '.join(d.at for d in known[:5])}")
        return replace(result, notes=tuple(notes))

    def over(self, results: Iterable[Result]) -> Iterator[Result]:
        """Lets results pass, as the acceptances have them; closing it closes them."""
        try:
            for result in results:
                yield self.applied(result)
        finally:
            close = getattr(results, "close", None)
            if close is not None:
                close()


def _written(entry: Acceptance) -> dict[str, Any]:
    written = {key: getattr(entry, key) for key in _KEYS}
    return {key: dict(value) if isinstance(value, Mapping) else value for key, value in written.items() if value}


def _read(entry: Any, path: Path, number: int) -> Acceptance:
    try:
        places = {str(at): str(digest) for at, digest in entry.get("differences", {}).items()}
        metrics = {str(at): float(value) for at, value in entry.get("metrics", {}).items()}
        texts = {key: str(entry.get(key, "")) for key in ("operation", "verdict", "reason", "author", "date")}
        return Acceptance(tape=str(entry["tape"]), differences=places, metrics=metrics, **texts)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError((Place(str(path)), f"entry {number} can't be read: {type(error).__name__}: {error}")) from None


def matching(results: Iterable[Result], conditions: Collection[Condition]) -> Iterator[Result]:
    """Results that fulfil all conditions on `tape`, `operation`, `verdict` or a metadata key; a tape's id may be abbreviated."""
    for result in results:
        if all(_holds(result, condition) for condition in conditions):
            yield result


def _holds(result: Result, condition: Condition) -> bool:
    if condition.key == "tape" and condition.operator == "=":
        return any(result.tape.startswith(value.upper()) or result.tape.startswith(value) for value in condition.values)
    known = {"tape": result.tape, "operation": result.operation, "verdict": result.verdict.value}
    return condition.holds(known.get(condition.key, result.metadata.get(condition.key)))
