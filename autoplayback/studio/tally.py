"""Adds up a run: verdicts, rules that did nothing, metrics that drifted; and with them the exit status."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from autoplayback.config.notations import share
from autoplayback.equalizer.drift import Drift, drifts
from autoplayback.equalizer.verdict import Reading, Verdict
from autoplayback.studio import speed
from autoplayback.studio.results import Result
from autoplayback.studio.speed import Speed

EXIT_PASS, EXIT_REGRESSION, EXIT_ERROR, EXIT_NOTHING = 0, 1, 3, 5
_ENOUGH = 5
"""Tapes on which a rule must have had the chance to hide something before it is called idle."""
_HIDING = ("ignore:", "tolerance:", "normalize:", "null_is_missing:", "unordered:")


@dataclass(frozen=True, slots=True)
class Summary:
    """A run as a whole, and the last line of its file."""

    verdicts: Mapping[str, int]
    exit: int
    unmatched: tuple[str, ...] = ()
    """Rules whose path was in no tape of the run."""
    idle: tuple[str, ...] = ()
    """Rules that hide a place which never varied, though others did: perhaps they only weaken the test. Of a run in which all is
    equal nothing can be said: over unchanged code no place varies, and a rule is there for the change to come."""
    drifts: tuple[Drift, ...] = ()
    because: tuple[str, ...] = ()
    """What made the run fail beyond its tapes' own verdicts: a threshold, a drift."""
    vanished: tuple[str, ...] = ()
    """Tapes with an accepted difference that is gone."""
    clock: tuple[int, int] = (0, 0)
    """Values that were each run's own «now», and in how many tapes."""
    seconds: float | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def speeds(self) -> list[Speed]:
        """CPU times against the base of each operation, where the run took them."""
        return [speed.parsed(told) for told in self.more.get("cpu", ())]

    @property
    def tapes(self) -> int:
        """How many tapes were replayed."""
        return sum(self.verdicts.values())

    def line(self) -> dict[str, Any]:
        """The summary's line."""
        optional = {
            "unmatched_rules": list(self.unmatched),
            "idle_rules": list(self.idle),
            "drifts": [asdict(drift) | {"verdict": drift.verdict, "judged": drift.judged} for drift in self.drifts],
            "because": list(self.because),
            "vanished": list(self.vanished),
            "clock": list(self.clock) if self.clock[0] else None,
            "seconds": self.seconds,
        }
        return {"summary": dict(self.verdicts), "exit": self.exit} | {k: v for k, v in optional.items() if v} | dict(self.more)


class Tally:
    """Takes results as they come.

    `strict`: only `equal` passes; `fail_over`: a suite's thresholds; `by`: the metadata key drifts are split by.
    """

    def __init__(self, *, strict: bool = False, fail_over: Mapping[str, int | str] | None = None, by: str | None = None) -> None:
        self.verdicts: Counter[Verdict] = Counter()
        self._strict, self._fail_over, self._by = strict, dict(fail_over or {}), by
        self._rules: dict[str, Counter[str]] = {}
        self._vanished: list[str] = []
        self._clock = (0, 0)
        self._readings: list[tuple[str, Mapping[str, Any], Reading]] = []

    def add(self, result: Result) -> None:
        """Counts one result."""
        self.verdicts[result.verdict] += 1
        if result.clock:
            self._clock = self._clock[0] + result.clock, self._clock[1] + 1
        if result.more.get("vanished"):
            self._vanished.append(result.tape)
        for rule, state in result.rules.items():
            self._rules.setdefault(rule, Counter())[state] += 1
        self._readings.extend((result.operation, result.metadata, reading) for reading in result.metrics)

    @property
    def settled(self) -> frozenset[str]:
        """Rules known to match: `equalizer.compare` needn't look for their places any more."""
        return frozenset(rule for rule, states in self._rules.items() if states["varied"] or states["matched"] >= _ENOUGH)

    def summary(self, seconds: float | None = None, **more: Any) -> Summary:
        """The run so far."""
        asked = {"by": self._by, "fail_over": self._fail_over}
        more = {key: value for key, value in asked.items() if value} | more
        found = tuple(drifts(self._readings, self._by))
        because = [*self._over(), *(drift.described() for drift in found if drift.verdict == "degraded")]
        changed = any(count for verdict, count in self.verdicts.items() if verdict not in (Verdict.EQUAL, Verdict.ERROR))
        code = self._exit(because)
        if left := more.get("interrupted"):
            because.append(f"interrupted: {left} tape{'s were' if left != 1 else ' was'} not replayed")
            code = code or EXIT_ERROR
        return Summary(
            {verdict.value: self.verdicts[verdict] for verdict in Verdict},
            code,
            tuple(sorted(rule for rule, states in self._rules.items() if not states["varied"] and not states["matched"])),
            tuple(
                sorted(
                    rule
                    for rule, states in self._rules.items()
                    if changed and rule.startswith(_HIDING) and not states["varied"] and states["matched"] >= _ENOUGH
                )
            ),
            found,
            tuple(because),
            tuple(self._vanished),
            self._clock,
            seconds,
            more,
        )

    def _over(self) -> list[str]:
        tapes = sum(self.verdicts.values())
        over = []
        for verdict, limit in self._fail_over.items():
            count = self.verdicts[Verdict(verdict)]
            amount, relative = share(limit) if isinstance(limit, str) else (float(limit), False)
            if count > (amount * tapes if relative else amount):
                over.append(f"{count} of {tapes} tapes {'is' if count == 1 else 'are'} {verdict}, more than {limit}")
        return over

    def _exit(self, because: list[str]) -> int:
        if not self.verdicts.total():
            return EXIT_NOTHING
        regressions = [
            verdict
            for verdict, count in self.verdicts.items()
            if count and not verdict.passes(strict=self._strict) and verdict.value not in self._fail_over
        ]
        if because or any(verdict is not Verdict.ERROR for verdict in regressions):
            return EXIT_REGRESSION
        return EXIT_ERROR if regressions else EXIT_PASS


def merged(
    results: Iterable[Result], lines: Sequence[Mapping[str, Any]], *, strict: bool = False, unended: Sequence[str] = ()
) -> Summary:
    """The summary of several files' results as of one run: judged anew, by what their own last lines say was asked for.

    `unended` are files without such a line: what their runs had still to replay can't have passed.
    """
    asked = [line for line in lines if "by" in line or "fail_over" in line] or [{}]
    total = Tally(strict=strict, fail_over=asked[0].get("fail_over"), by=asked[0].get("by"))
    times: dict[str, list[tuple[float, float]]] = {}
    for result in results:
        total.add(result)
        if (cpu := result.more.get("base", {}).get("cpu")) is not None:
            times.setdefault(result.operation, []).append((cpu["base"], cpu["head"]))
    tolerances = {told["operation"]: told["tolerance"] for line in lines for told in line.get("cpu", ())}
    speeds = [speed.speed(name, pairs, tolerances.get(name, speed.TOLERANCE)) for name, pairs in sorted(times.items())]
    more: dict[str, Any] = {"cpu": [one.plain() for one in speeds]} if speeds else {}
    if interrupted := sum(line.get("interrupted", 0) for line in lines):
        more["interrupted"] = interrupted
    summary = total.summary(sum(line.get("seconds") or 0.0 for line in lines) or None, **more)
    if slower := tuple(one.described() for one in speeds if one.degraded):
        summary = replace(summary, exit=EXIT_REGRESSION, because=(*summary.because, *slower))
    unfound = [f"{file}: the run that wrote it didn't come to its end" for file in unended]
    if summary.exit == EXIT_PASS:  # files of tapes that couldn't be read
        unfound += [reason for line in lines if line.get("exit") == EXIT_ERROR for reason in line.get("because", ())]
    if unfound and summary.exit in (EXIT_PASS, EXIT_ERROR):
        summary = replace(summary, exit=EXIT_ERROR, because=(*summary.because, *unfound))
    return summary


def summary_of(line: Mapping[str, Any]) -> Summary:
    """The summary that a file's last line says."""
    clock = line.get("clock") or (0, 0)
    known = {"summary", "exit", "unmatched_rules", "idle_rules", "drifts", "because", "vanished", "clock", "seconds"}
    found = tuple(Drift(**{k: v for k, v in drift.items() if k in Drift.__slots__}) for drift in line.get("drifts", ()))
    return Summary(
        dict(line["summary"]),
        int(line.get("exit", 0)),
        tuple(line.get("unmatched_rules", ())),
        tuple(line.get("idle_rules", ())),
        found,
        tuple(line.get("because", ())),
        tuple(line.get("vanished", ())),
        (int(clock[0]), int(clock[1])),
        line.get("seconds"),
        {k: v for k, v in line.items() if k not in known},
    )
