"""JUnit XML, as CI servers read it: a suite an operation, a case a tape.

There is no one schema of it. This is valid against both that servers check with: that of Jenkins' xUnit plug-in, and that of
Ant's reports, which wants properties and output of each suite, knows no counts on the root, and no output of a single case.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import IO
from xml.sax.saxutils import escape, quoteattr

from autoplayback.equalizer.showing import briefly
from autoplayback.equalizer.verdict import Verdict
from autoplayback.reports.words import clean
from autoplayback.studio.results import Result

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MOST_PASSING = 200
_MOST = 20
"""Differences of a tape; CI servers keep the whole file in memory."""


def write(stream: IO[str], results: Iterable[Result], *, strict: bool = False) -> None:
    """Writes the whole report. `strict`: only `equal` passes."""
    suites: dict[str, list[Result]] = {}
    for result in results:
        suites.setdefault(result.operation, []).append(result)
    stream.write('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n')
    for number, (operation, found) in enumerate(suites.items()):
        started = min((result.started.rstrip("Z") for result in found if result.started), default="1970-01-01T00:00:00")
        stream.write(
            f'  <testsuite id="{number}" name={_attribute(operation)} package="autoplayback" {_counts(found, strict)} '
            f'skipped="0" timestamp="{started}" hostname="localhost">\n'
        )
        _properties(stream, found)
        for result in found:
            _case(stream, result, strict)
        told = escape(_clean(_passing(found, strict)))
        stream.write(f"    <system-out>{told}</system-out>\n    <system-err/>\n  </testsuite>\n")
    stream.write("</testsuites>\n")


def _properties(stream: IO[str], found: list[Result]) -> None:
    """How many tapes of the operation have which verdict: a server counts only passed and failed."""
    counts = Counter(result.verdict for result in found)
    stream.write("    <properties>\n")
    for verdict in filter(counts.get, Verdict):
        stream.write(f'      <property name="verdict.{verdict.value}" value="{counts[verdict]}"/>\n')
    stream.write("    </properties>\n")


def _passing(found: list[Result], strict: bool) -> str:
    """What passes and is worth a look all the same: what was raised before and is returned now, and what got better."""
    told = [result for result in found if result.verdict is not Verdict.EQUAL and result.verdict.passes(strict=strict)]
    lines = [f"{result.verdict.value}  {result.tape}  {result.reason}" for result in told[:_MOST_PASSING]]
    if len(told) > _MOST_PASSING:
        lines.append(f"… {len(told) - _MOST_PASSING} more that pass and aren't equal")
    return "\n".join(lines)


def _case(stream: IO[str], result: Result, strict: bool) -> None:
    name = result.tape + "".join(f" {key}={value}" for key, value in list(result.metadata.items())[:3])
    seconds = result.replayed_seconds or 0.0
    stream.write(
        f'    <testcase classname={_attribute("autoplayback." + result.operation)} name={_attribute(name)} time="{seconds:.3f}"'
    )
    if result.verdict.passes(strict=strict):
        stream.write("/>\n")
        return
    tag = "error" if result.verdict is Verdict.ERROR else "failure"
    stream.write(
        f'>\n      <{tag} type="{result.verdict.value}" message={_attribute(result.reason[:500])}>'
        f"{escape(_clean(_text(result)))}</{tag}>\n"
    )
    stream.write("    </testcase>\n")


def _text(result: Result) -> str:
    lines = [f"{result.verdict.value}: {result.reason}", ""]
    for miss in result.misses[:3]:
        lines += [
            line
            for line in (
                miss.reason,
                miss.site and f"asked at {miss.site}",
                miss.nearest and f"nearest: {miss.nearest}",
                miss.advice,
            )
            if line
        ]
    for difference in result.differences[:_MOST]:
        recorded, replayed = briefly(difference, 200)
        lines.append(f"{difference.at} ({difference.kind}): recorded {recorded}, replayed {replayed}")
    if len(result.differences) > _MOST:
        lines.append(f"… {len(result.differences) - _MOST} more differences")
    return "\n".join([*lines, "", result.rerun])


def _counts(results: list[Result], strict: bool) -> str:
    errors = sum(result.verdict is Verdict.ERROR for result in results)
    failures = sum(not result.verdict.passes(strict=strict) for result in results) - errors
    seconds = sum(result.replayed_seconds or 0.0 for result in results)
    return f'tests="{len(results)}" failures="{failures}" errors="{errors}" time="{seconds:.3f}"'


def _clean(text: str) -> str:
    """Without the characters that XML 1.0 can't hold, not even escaped, and those that turn the direction of what follows."""
    return _NOT_XML.sub("\ufffd", "\n".join(clean(line) for line in text.split("\n")))


def _attribute(text: str) -> str:
    return quoteattr(_clean(text))
