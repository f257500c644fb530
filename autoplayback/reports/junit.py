"""JUnit XML, as CI servers read it: a suite an operation, a case a tape, valid against the Jenkins schema."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import IO
from xml.sax.saxutils import escape, quoteattr

from autoplayback.equalizer.showing import briefly
from autoplayback.equalizer.verdict import Verdict
from autoplayback.studio.results import Result

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MOST = 20
"""Differences of a tape; CI servers keep the whole file in memory."""


def write(stream: IO[str], results: Iterable[Result], *, strict: bool = False) -> None:
    """Writes the whole report. `strict`: only `equal` passes."""
    suites: dict[str, list[Result]] = {}
    for result in results:
        suites.setdefault(result.operation, []).append(result)
    stream.write('<?xml version="1.0" encoding="UTF-8"?>\n')
    everything = [result for found in suites.values() for result in found]
    stream.write(f'<testsuites name="autoplayback" {_counts(everything, strict)}>\n')
    for operation, found in suites.items():
        started = min((result.started.rstrip("Z") for result in found if result.started), default="1970-01-01T00:00:00")
        stream.write(
            f'  <testsuite name={_attribute(operation)} {_counts(found, strict)} skipped="0" '
            f'timestamp="{started}" hostname="localhost">\n'
        )
        for result in found:
            _case(stream, result, strict)
        stream.write("  </testsuite>\n")
    stream.write("</testsuites>\n")


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
    """Without the characters that XML 1.0 can't hold, not even escaped."""
    return _NOT_XML.sub("\ufffd", text)


def _attribute(text: str) -> str:
    return quoteattr(_clean(text))
