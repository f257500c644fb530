"""A run for a CI job's summary page: what failed and why, readable in a minute, never larger than such a page may be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO

from autoplayback.equalizer.showing import briefly
from autoplayback.equalizer.verdict import Difference, Verdict
from autoplayback.reports.groups import Group, Groups
from autoplayback.reports.remarks import remarks
from autoplayback.reports.words import CAUSES, clean, seconds
from autoplayback.studio.results import Result
from autoplayback.studio.tally import Summary

LARGEST = 900_000
"""Bytes; GitHub drops a summary from 1 MiB on."""
SIGNS = {
    Verdict.EQUAL: "✅",
    Verdict.FIXED: "✅",
    Verdict.IMPROVED: "✅",
    Verdict.DIFFERENT: "❌",
    Verdict.DEGRADED: "📉",
    Verdict.FAILED: "💥",
    Verdict.DIVERGED: "🔀",
    Verdict.ERROR: "⚠️",
}
_MOST_DIFFERENCES = 10
_MOST_REMARKS = 60


def write(stream: IO[str], results: Iterable[Result], summary: Summary) -> None:
    """Writes the page."""
    groups = Groups(results).listed()
    page = [_head(summary)]
    size = len(page[0].encode())
    for place, group in enumerate(groups):
        block = _block(group)
        size += len(block.encode())
        if size > LARGEST - 2_000:
            page.append(f"\n… and {len(groups) - place} more causes. The JSON lines and the HTML report have them all.\n")
            break
        page.append(block)
    stream.write("".join(page))


def _head(summary: Summary) -> str:
    counts = {Verdict(verdict): count for verdict, count in summary.verdicts.items() if count}
    title = (
        "all pass"
        if summary.exit == 0
        else "no tape matched"
        if not summary.tapes
        else "replay failed"
        if summary.exit == 1
        else "replay had errors"
    )
    took = f" in {seconds(summary.seconds)}" if summary.seconds is not None else ""
    lines = [f"## {'✅' if summary.exit == 0 else '❌'} autoplayback: {title}", "", f"{summary.tapes} tapes{took}", ""]
    if counts:
        lines += [
            "| " + " | ".join(f"{SIGNS[verdict]} {verdict.value}" for verdict in counts) + " |",
            "|" + "---:|" * len(counts),
            "| " + " | ".join(f"{count:,}" for count in counts.values()) + " |",
            "",
        ]
    said = sorted(remarks(summary), key=lambda remark: remark.kind != "bad")
    lines += [f"- {'**' if remark.kind == 'bad' else ''}{remark.label}: {text(remark.text)}{'**' if remark.kind == 'bad' else ''}"
              for remark in said[:_MOST_REMARKS]]
    if len(said) > _MOST_REMARKS:
        lines.append(f"- … and {len(said) - _MOST_REMARKS} more remarks")
    return "\n".join(lines) + "\n"


def _block(group: Group) -> str:
    result = group.first
    times = f" × {group.count}" if group.count > 1 else ""
    lines = ["", f"### {SIGNS[result.verdict]} {result.verdict.value}: {text(result.operation)}{times}", ""]
    if result.misses:
        first = result.misses[0]
        lines += [f"**First:** {text(first.reason)}", ""]
        if first.site:
            lines.append(f"- asked at {code(first.site)}")
        if first.nearest:
            lines.append(f"- nearest on the tape: {text(first.nearest)}")
        if first.advice:
            lines += ["", fenced(first.advice, "yaml")]
        lines.append("")
    elif result.verdict is not Verdict.DIFFERENT:
        lines += [text(group.reason), ""]
    lines += table(result.differences[:_MOST_DIFFERENCES])
    rest = len(result.differences) - _MOST_DIFFERENCES
    if rest > 0:
        lines += ["", f"… {rest}{' or more' if result.truncated else ''} more differences"]
    if cause := CAUSES.get(result.more.get("base", {}).get("cause", "")):
        lines.append(f"- changed by {cause}")
    lines += [f"- {text(note)}" for note in result.notes]
    tapes = ", ".join(map(code, group.tapes[:3]))
    lines += [
        "",
        f"Tapes: {tapes}{f' and {group.count - 3} more' if group.count > 3 else ''}",
        "",
        fenced(f"{result.rerun} --debug", "sh"),
        "",
    ]
    return "\n".join(lines)


def table(differences: Iterable[Difference]) -> list[str]:
    """Differences as the rows of a table; nothing where there are none."""
    rows = []
    for difference in differences:
        recorded, replayed = briefly(difference, 300)
        rows.append(
            f"| {code(difference.at)} | {'—' if difference.kind == 'extra' else code(recorded)} "
            f"| {'—' if difference.kind == 'missing' else code(replayed)} |"
        )
    return ["| at | recorded | replayed |", "|---|---|---|", *rows] if rows else []


def text(foreign: str) -> str:
    """A text from a tape, where it can neither mark up the page nor reach beyond its line."""
    cleaned = clean(foreign).replace("\\", "\\\\")
    for sign in "`*_[]<>#|~$@":
        cleaned = cleaned.replace(sign, f"\\{sign}" if sign not in "<>@" else {"<": "&lt;", ">": "&gt;", "@": "&#64;"}[sign])
    return cleaned.replace("://", "&#58;//")


def code(foreign: str) -> str:
    """A text from a tape as code within a line or a table's cell."""
    cleaned = clean(foreign).replace("|", "¦") or " "
    fence = "`"
    while fence in cleaned:
        fence += "`"
    pad = " " if len(fence) > 1 or cleaned[0] == "`" else ""
    return f"{fence}{pad}{cleaned}{pad}{fence}"


def fenced(foreign: str, language: str = "") -> str:
    """A text of several lines as a code block that it can't end itself."""
    fence = "```"
    while fence in foreign:
        fence += "`"
    body = "\n".join(clean(line) for line in foreign.splitlines())
    return f"{fence}{language}\n{body}\n{fence}"
