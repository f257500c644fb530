"""One tape's result, and its line of JSON: the source of every report.

The keys that DESIGN.md fixes come first in a line; whatever else a report can use follows. Reading takes lines of other
versions: keys it doesn't know are kept aside, keys it misses have defaults.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from autoplayback.equalizer.verdict import Difference, Judgement, Reading, Verdict
from autoplayback.errors import AutoplaybackError
from autoplayback.studio import detail as details
from autoplayback.tape.model import Miss, Summary, Tape


class ResultsError(AutoplaybackError):
    """A file of results that can't be read."""


@dataclass(frozen=True, slots=True)
class Calls:
    """The proof: how the calls of a tape were answered."""

    recorded: int = 0
    answered: int = 0
    unused: int = 0
    unanswered: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """What came of replaying one tape."""

    tape: str
    operation: str
    verdict: Verdict
    reason: str
    differences: tuple[Difference, ...] = ()
    calls: Calls = Calls()
    recorded_seconds: float | None = None
    replayed_seconds: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    started: str = ""
    """When it was recorded, ISO, UTC."""
    truncated: bool = False
    misses: tuple[Miss, ...] = ()
    metrics: tuple[Reading, ...] = ()
    counts: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Per target whose number of calls changed, the recorded and the replayed number."""
    notes: tuple[str, ...] = ()
    rules: Mapping[str, str] = field(default_factory=dict)
    boundary: tuple[str, ...] = ()
    detail: Mapping[str, Any] | None = None
    """For the reports: the tree around the differences, and the timeline of calls; only of what isn't equal."""
    clock: int = 0
    """Values, and arguments of calls, that differed only by being each run's own «now»."""
    flags: Mapping[str, str] = field(default_factory=dict)
    """The options the run had that a rerun needs too: `{"--workdir": "after"}`."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of the line: what a runner adds (`base`, `output`), or a later version wrote."""

    @property
    def rerun(self) -> str:
        """The command that replays this tape alone."""
        return f"autoplayback replay {self.tape}{self._written(*self.flags)}"

    @property
    def look(self) -> str:
        """The command that shows this tape's timeline."""
        return f"autoplayback show {self.tape}{self._written('--config', '--tapes')}"

    def _written(self, *wanted: str) -> str:
        return "".join(f" {flag} {shlex.quote(self.flags[flag])}" for flag in wanted if flag in self.flags)

    @property
    def signature(self) -> str:
        """What failures of one cause have in common: the operation, the verdict and the places, without indexes and values."""
        if self.misses:
            first = self.misses[0]
            what = f"{first.kind} {first.target} {first.site}"
        elif self.differences and self.verdict not in (Verdict.FAILED, Verdict.FIXED):
            what = " ".join(dict.fromkeys(_pattern(difference) for difference in self.differences[:20]))
        elif self.verdict in (Verdict.DEGRADED, Verdict.IMPROVED):
            what = " ".join(reading.path for reading in self.metrics if reading.degraded or reading.improved)
        else:
            what = _cause(self.reason)
        return f"{self.operation} {self.verdict.value} {what}"

    def line(self) -> dict[str, Any]:
        """The line, as JSON-able data."""
        written: dict[str, Any] = {
            "tape": self.tape,
            "operation": self.operation,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "differences": [_difference(difference) for difference in self.differences],
            "calls": asdict(self.calls),
            "seconds": {"recorded": self.recorded_seconds, "replayed": self.replayed_seconds},
            "metadata": dict(self.metadata),
            "started": self.started,
        }
        optional: dict[str, Any] = {
            "truncated": self.truncated,
            "misses": [asdict(miss) for miss in self.misses],
            "metrics": [asdict(reading) for reading in self.metrics],
            "counts": {name: list(pair) for name, pair in self.counts.items()},
            "notes": list(self.notes),
            "rules": dict(self.rules),
            "boundary": list(self.boundary),
            "clock": self.clock,
            "flags": dict(self.flags),
            "rerun": "" if self.verdict is Verdict.EQUAL else self.rerun,
            "detail": self.detail,
        }
        return written | {key: value for key, value in optional.items() if value} | dict(self.more)


_VALUES = re.compile(r"""'[^']*'|"[^"]*"|\d+""")


_PLACE = re.compile(r" at \S+:\d+ in \S+(?: \(\w+\))?$")

_MESSAGE = re.compile(r"(replayed: raised [\w.]+): .*", re.DOTALL)


def _cause(reason: str) -> str:
    """A reason without the values that differ from tape to tape: of an exception whose line is known, its class and the line."""
    what = reason.partition("; replayed: returned")[0]
    found = _PLACE.search(what)
    if found is None:
        return _VALUES.sub("…", what)
    return _VALUES.sub("…", _MESSAGE.sub(r"\1", what[: found.start()])) + found[0]


def _pattern(difference: Difference) -> str:
    at = difference.at
    while "[" in at:
        head, _, tail = at.partition("[")
        index, _, rest = tail.partition("]")
        if not index.isdigit():
            break
        at = f"{head}\0{rest}"
    return f"{at.replace(chr(0), '[*]')} {difference.kind}"


def _difference(difference: Difference) -> dict[str, Any]:
    written: dict[str, Any] = {"at": difference.at, "recorded": difference.recorded, "replayed": difference.replayed}
    if difference.kind != "changed":
        written["kind"] = difference.kind
    if difference.digest:
        written["digest"] = difference.digest
    return written


def of(recorded: Tape, replayed: Tape, judgement: Judgement) -> Result:
    """The result of a replay that was judged."""
    playback = replayed.playback
    return Result(
        recorded.id,
        recorded.operation,
        judgement.verdict,
        judgement.reason,
        judgement.differences,
        Calls(len(recorded.calls), playback.answered, playback.unused, playback.unanswered)
        if playback
        else Calls(len(recorded.calls)),
        recorded.duration / 1e9,
        replayed.duration / 1e9,
        dict(recorded.metadata),
        _when(recorded.started),
        judgement.truncated,
        playback.misses if playback else (),
        judgement.metrics,
        judgement.counts,
        judgement.notes,
        judgement.rules,
        playback.boundary if playback else (),
        None if judgement.verdict is Verdict.EQUAL else details.detail(recorded, replayed, judgement),
        judgement.clock + (sum(tier == "time" for _, _, tier in playback.matched) if playback else 0),
    )


def failure(tape: str, operation: str, reason: str, *, recorded: Tape | Summary | None = None, **more: Any) -> Result:
    """The result of a tape that could not be replayed: the verdict `error`."""
    result = Result(tape, operation, Verdict.ERROR, reason, more=more)
    if isinstance(recorded, Tape):
        result = replace(result, calls=Calls(recorded=len(recorded.calls)), recorded_seconds=recorded.duration / 1e9)
    elif recorded is not None:
        result = replace(result, calls=Calls(recorded=recorded.calls), recorded_seconds=recorded.seconds)
    return result if recorded is None else replace(result, metadata=dict(recorded.metadata), started=_when(recorded.started))


def _when(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC).replace(tzinfo=None).isoformat() + "Z"


_KNOWN = frozenset(
    [
        "tape",
        "operation",
        "verdict",
        "reason",
        "differences",
        "calls",
        "seconds",
        "metadata",
        "started",
        "truncated",
        "misses",
        "metrics",
        "counts",
        "notes",
        "rules",
        "boundary",
        "rerun",
        "detail",
        "clock",
        "flags",
    ]
)


def parsed(line: Mapping[str, Any]) -> Result:
    """The result a line says. ResultsError where it isn't one."""
    try:
        seconds = line.get("seconds", {})
        return Result(
            str(line["tape"]),
            str(line["operation"]),
            Verdict(line["verdict"]),
            str(line.get("reason", "")),
            tuple(
                Difference(str(d["at"]), d.get("recorded"), d.get("replayed"), d.get("kind", "changed"), str(d.get("digest", "")))
                for d in line.get("differences", ())
            ),
            Calls(**{name: int(line.get("calls", {}).get(name, 0)) for name in Calls.__slots__}),
            seconds.get("recorded"),
            seconds.get("replayed"),
            dict(line.get("metadata", {})),
            str(line.get("started", "")),
            bool(line.get("truncated")),
            tuple(Miss(**{k: v for k, v in miss.items() if k in Miss.__slots__}) for miss in line.get("misses", ())),
            tuple(Reading(**{k: v for k, v in reading.items() if k in Reading.__slots__}) for reading in line.get("metrics", ())),
            {name: (int(pair[0]), int(pair[1])) for name, pair in line.get("counts", {}).items()},
            tuple(map(str, line.get("notes", ()))),
            dict(line.get("rules", {})),
            tuple(map(str, line.get("boundary", ()))),
            line.get("detail"),
            int(line.get("clock", 0)),
            {str(flag): str(value) for flag, value in line.get("flags", {}).items()},
            {key: value for key, value in line.items() if key not in _KNOWN},
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ResultsError(f"not a result's line: {type(error).__name__}: {error}") from None


def write_line(stream: IO[str], document: Mapping[str, Any]) -> None:
    """Writes one line, and lets whoever follows the file see it at once."""
    stream.write(dumped(document) + "\n")
    stream.flush()


def dumped(document: Any) -> str:
    """Strict JSON on one line: a number that it lacks (a NaN in metadata) stands as text, or browsers would read nothing."""
    try:
        return json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=str, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(document), ensure_ascii=False, separators=(",", ":"), default=str)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {key: _finite(child) for key, child in value.items()}
    return [_finite(child) for child in value] if isinstance(value, (list, tuple)) else value


def write_lines(stream: IO[str], results: Iterable[Result], summary: Mapping[str, Any] | None = None) -> None:
    """Writes results as they come, then the summary."""
    for result in results:
        write_line(stream, result.line())
    if summary is not None:
        write_line(stream, summary)


def read_lines(path: str | Path) -> Iterator[Result | dict[str, Any]]:
    """Every result of a file, then (where the run came to its end) its summary as a dict. ResultsError names the line."""
    try:
        with open(path, encoding="utf-8") as lines:
            for number, text in enumerate(lines, 1):
                if not text.strip():
                    continue
                try:
                    document = json.loads(text)
                    if not isinstance(document, dict):
                        raise ResultsError("not an object")
                    yield document if "summary" in document else parsed(document)
                except (json.JSONDecodeError, ResultsError, RecursionError) as error:
                    raise ResultsError(f"{path}:{number}: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else "not UTF-8 text"
        raise ResultsError(f"{path}: {reason}") from None


def flagged(results: Iterable[Result], flags: Mapping[str, str]) -> Iterator[Result]:
    """Lets results pass with the options that a rerun of one of them needs; closing it closes them."""
    try:
        for result in results:
            yield replace(result, flags=flags) if flags else result
    finally:
        close = getattr(results, "close", None)
        if close is not None:
            close()


def recorded(results: Iterable[Result], stream: IO[str]) -> Iterator[Result]:
    """Lets results pass, writing each one's line as it does: what a run has found stays if it is interrupted."""
    for result in results:
        write_line(stream, result.line())
        yield result
