"""A Markdown file per failure: all that a person, or a coding agent, needs to find the cause and to check the repair."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from autoplayback.reports.markdown import SIGNS, code, fenced, table, text
from autoplayback.reports.words import CAUSES, clean, seconds
from autoplayback.studio.results import Result

_MOST_CALLS = 60
MEANINGS = {
    "different": "The operation ran to its end, but what it returned or sent out isn't what production did.",
    "failed": "In production the operation returned; the new code raised.",
    "diverged": "The new code asked the outside world something that production never asked: the tape has no answer to it.",
    "degraded": "The result is right, but a number with a direction got worse beyond its tolerance.",
    "error": "The tape could not be replayed or compared; that says nothing yet of the code under test.",
    "fixed": "In production the operation raised; the new code returns.",
    "improved": "A number with a direction got better beyond its tolerance.",
}


MOST, OF_A_CAUSE = 1000, 20
"""Pages written at all, and of failures of one cause: hundreds that say the same hide the others."""


def write(folder: Path, results: Iterable[Result], *, strict: bool = False) -> list[Path]:
    """Writes a file for each tape that doesn't pass, within the bounds; returns them."""
    written: list[Path] = []
    causes: Counter[str] = Counter()
    folder.mkdir(parents=True, exist_ok=True)
    for result in results:
        if result.verdict.passes(strict=strict) or causes[result.signature] >= OF_A_CAUSE:
            continue
        if len(written) >= MOST:
            break
        causes[result.signature] += 1
        path = folder / f"{result.verdict.value}-{_plain(result.operation)[:100]}-{_plain(result.tape)[:100]}.md"
        path.write_text(page(result), encoding="utf-8")
        written.append(path)
    return written


def _plain(text: str) -> str:
    """A part of a file's name that every file system takes; cut, as one may have 255 bytes."""
    return "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-_.") else "_" for sign in text)


def page(result: Result) -> str:
    """The page of one result."""
    verdict = result.verdict.value
    lines = [
        f"# {SIGNS[result.verdict]} {verdict}: {text(result.operation)}",
        "",
        MEANINGS.get(verdict, ""),
        "",
        f"**{text(result.reason)}**",
        "",
    ]
    lines += _facts(result)
    if cause := CAUSES.get(result.more.get("base", {}).get("cause", "")):
        lines.append(f"- changed by {cause}")
    detail: Any = result.detail or {}
    for miss in result.misses[:5]:
        lines += ["", f"## Asked without an answer: {text(miss.target)}", "", text(miss.reason)]
        lines += [f"- asked at {code(miss.site)}"] * bool(miss.site) + [f"- nearest on the tape: {text(miss.nearest)}"] * bool(
            miss.nearest
        )
        lines += ["", "If the new question is right, declare it in `autoplayback.yaml`:", "", fenced(miss.advice, "yaml")] * bool(
            miss.advice
        )
    if result.differences:
        note = " (a consequence of the above perhaps)" if result.misses else ""
        lines += ["", f"## What differs{note}", "", *table(result.differences)]
        if result.truncated:
            lines.append("\nThere are more differences than are listed.")
    if result.metrics:
        lines += ["", "## Metrics", "", "| metric | recorded | replayed | allowed | |", "|---|---:|---:|---:|---|"]
        for reading in sorted(result.metrics, key=lambda reading: not reading.degraded)[:_MOST_CALLS]:
            said = "worse" if reading.degraded else "better" if reading.improved else "within its tolerance"
            row = f"{reading.recorded:.12g} | {reading.replayed:.12g} | ±{reading.allowed:.6g}"
            lines.append(f"| {code(reading.path)} | {row} | {said}, {reading.better} is better |")
    if result.counts:
        lines += ["", "## Calls", "", "| target | recorded | replayed |", "|---|---:|---:|"]
        lines += [f"| {code(name)} | {before} | {after} |" for name, (before, after) in result.counts.items()]
    if detail.get("arguments"):
        lines += ["", "## Called with", "", fenced(json.dumps(detail["arguments"], indent=2, ensure_ascii=False), "json")]
    lines += _timeline(detail.get("timeline") or {})
    lines += [f"\n> {text(note)}" for note in result.notes]
    lines += [
        "",
        "## Check the repair",
        "",
        fenced(f"{result.rerun}\n{result.rerun} --debug    # breakpoints work\n{result.look}", "sh"),
        "",
        "It is repaired when the first command exits with status 0. If the new behaviour is intended, accept it:",
        "",
        fenced(f"autoplayback accept RESULTS --where tape={result.tape} --reason '...'", "sh"),
        "",
    ]
    return "\n".join(lines)


def _facts(result: Result) -> list[str]:
    facts = [("tape", code(result.tape)), ("recorded at", result.started)]
    facts += [(text(key), code(str(value))) for key, value in result.metadata.items()]
    if result.recorded_seconds is not None:
        facts.append(
            (
                "took",
                f"{seconds(result.recorded_seconds)} recorded"
                + (f", {seconds(result.replayed_seconds)} replayed" if result.replayed_seconds is not None else ""),
            )
        )
    calls = result.calls
    facts.append(
        (
            "calls",
            f"{calls.recorded} recorded, {calls.answered} from the tape, {calls.unused} unused, {calls.unanswered} unanswered",
        )
    )
    if result.boundary:
        facts.append(("closed off by", ", ".join(result.boundary)))
    return [f"- {name}: {value}" for name, value in facts if value]


def _timeline(timeline: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    for side in ("recorded", "replayed"):
        calls = timeline.get(side) or []
        if not calls:
            continue
        rows = [
            f"{seq:>4} {role:<6} {name}({arguments}) -> {f'{end} ' if end != 'returned' else ''}{outcome}"
            for seq, role, name, _, _, end, arguments, outcome in calls[:_MOST_CALLS]
        ]
        if len(calls) > _MOST_CALLS:
            rows.append(f"     … {len(calls) - _MOST_CALLS} more")
        lines += ["", f"## Calls as {side}", "", fenced("\n".join(clean(row) for row in rows))]
    return lines
