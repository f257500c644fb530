"""A run on the terminal: one block a cause, what went wrong first on top, the command to look closer at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from autoplayback.equalizer.showing import briefly
from autoplayback.equalizer.verdict import Difference, Verdict
from autoplayback.originals import monotonic_ns
from autoplayback.reports.groups import Group, Groups
from autoplayback.reports.remarks import remarks
from autoplayback.reports.words import CAUSES, clean, seconds
from autoplayback.studio.results import Result
from autoplayback.studio.tally import Summary, Tally
from autoplayback.tape.model import Miss

COLOURS = {
    Verdict.EQUAL: "green",
    Verdict.FIXED: "green",
    Verdict.IMPROVED: "green",
    Verdict.DIFFERENT: "red",
    Verdict.DEGRADED: "yellow",
    Verdict.FAILED: "red",
    Verdict.DIVERGED: "magenta",
    Verdict.ERROR: "red",
}
_VERDICTS: dict[str, Verdict] = {verdict.value: verdict for verdict in Verdict}
_KINDS = {"bad": "red", "odd": "yellow", "good": "green", "calm": "dim"}
_MOST_GROUPS = 30
_MOST_DIFFERENCES = 6
_MOST_NAMED = 3
_VALUE = 100
_WIDE = 110
"""Characters of a place with its two values that stand on one line."""


def print_run(
    results: Iterable[Result],
    console: Console,
    tally: Tally,
    *,
    total: int | None = None,
    closing: Callable[[float], Summary] | None = None,
) -> Summary:
    """Follows a run to its end and prints it; progress is drawn while `console` is a terminal, and vanishes.

    Each result is added to `tally`; `closing` makes the summary, of so many seconds, where that says not all. Interrupted, it
    prints what there is and raises on.
    """
    began = monotonic_ns()
    close = closing or tally.summary
    groups = Groups()
    try:
        with _progress(console, total) as advance:
            for result in results:
                tally.add(result)
                groups.add(result)
                advance(tally)
    except BaseException:
        if tally.verdicts:
            print_groups(groups, console)
            print_summary(close((monotonic_ns() - began) / 1e9), console)
        raise
    summary = close((monotonic_ns() - began) / 1e9)
    print_groups(groups, console)
    print_summary(summary, console)
    return summary


def described(result: Result) -> str:
    """One result as text: what a failing test shows."""
    return "\n".join(line.plain for line in _block(Group.of(result)))


def print_groups(groups: Groups, console: Console) -> None:
    """What isn't equal, a block a cause; what passes (fixed, improved) last."""
    listed = groups.listed()
    for group in listed[:_MOST_GROUPS]:
        for line in _block(group):
            console.print(line, soft_wrap=True, highlight=False)
        console.print()
    if len(listed) > _MOST_GROUPS:
        rest = sum(group.count for group in listed[_MOST_GROUPS:])
        console.print(f"… and {len(listed) - _MOST_GROUPS} more causes in {rest} tapes: see --html or --json\n", highlight=False)


def print_summary(summary: Summary, console: Console) -> None:
    """The run in a line; below it what is worth doing about the rules, and why it failed where no tape says so."""

    def say(text: Text) -> None:
        console.print(text, soft_wrap=True, highlight=False)

    for remark in remarks(summary):
        known = _VERDICTS.get(remark.label)
        style = COLOURS[known] if known is not None and remark.kind != "calm" else _KINDS[remark.kind]
        say(Text.assemble((f"{remark.label:<9} ", style), (clean(remark.text), "dim" if remark.kind == "calm" else "")))
    if not summary.tapes:
        say(Text("no tape matched", "yellow"))
        return
    line = Text(f"{summary.tapes} tape{'s' * (summary.tapes != 1)}")
    if summary.seconds is not None:
        line.append(f" in {seconds(summary.seconds)}")
    line.append(": ")
    counts = [(Verdict(verdict), count) for verdict, count in summary.verdicts.items() if count]
    for place, (verdict, count) in enumerate(counts):
        line.append(", " if place else "")
        line.append(f"{count} {verdict.value}", COLOURS[verdict])
    say(line)


@contextmanager
def _progress(console: Console, total: int | None) -> Iterator[Any]:
    if not console.is_terminal:
        yield lambda tally: None
        return
    columns = (SpinnerColumn(), MofNCompleteColumn(), BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)

        def advance(tally: Tally) -> None:
            bad = ", ".join(
                f"[{COLOURS[verdict]}]{count} {verdict.value}[/]"
                for verdict, count in tally.verdicts.items()
                if verdict is not Verdict.EQUAL
            )
            bar.update(task, advance=1, description=bad)

        yield advance


def _block(group: Group) -> Iterator[Text]:
    result = group.first
    times = f"  × {group.count}" if group.count > 1 else ""
    yield Text.assemble((result.verdict.value, f"bold {COLOURS[result.verdict]}"), "  ", (clean(result.operation), "bold"), times)
    if result.misses:
        yield from _miss(result.misses[0], len(result.misses) - 1)
    elif result.verdict is not Verdict.DIFFERENT:
        yield from _indented(group.reason, "  ")
    if result.verdict not in (Verdict.FAILED, Verdict.ERROR):
        yield from _differences(result)
    for name, (before, after) in list(result.counts.items())[:5]:
        now = f"was called {_times(after)}" if after else "was not called"
        yield Text(f"  {clean(name)} {now}, recorded {_times(before)}", "dim")
    if cause := CAUSES.get(result.more.get("base", {}).get("cause", "")):
        yield Text(f"  changed by {cause}")
    for note in result.notes:
        yield Text(f"  {clean(note)}", "dim")
    yield from _closer(group)


def _times(count: int) -> str:
    return {0: "not at all", 1: "once", 2: "twice"}.get(count, f"{count} times")


def _indented(text: str, indent: str) -> Iterator[Text]:
    lines = text.splitlines() or [""]
    for line in lines[:12]:
        yield Text(indent + clean(line))
    if len(lines) > 12:
        yield Text(f"{indent}… {len(lines) - 12} more lines", "dim")


def _miss(miss: Miss, more: int) -> Iterator[Text]:
    yield Text.assemble(("  first: ", "bold"), clean(miss.reason))
    if miss.site:
        yield Text(f"         asked at {clean(miss.site)}", "dim")
    if miss.nearest:
        yield Text("         nearest on the tape: " + clean(miss.nearest))
    if miss.advice:
        yield Text("         to allow it:", "dim")
        yield from _indented(miss.advice, "             ")
    if more:
        yield Text(f"         and {more} more after it", "dim")


def _differences(result: Result) -> Iterator[Text]:
    if result.misses and result.differences:
        yield Text("  then, as its consequence perhaps:", "dim")
    # What a repaired operation raised is in its reason.
    listed = [d for d in result.differences if not (result.verdict is Verdict.FIXED and d.at == "error")]
    for difference in listed[:_MOST_DIFFERENCES]:
        yield from _difference(difference)
    rest = len(listed) - _MOST_DIFFERENCES
    if rest > 0:
        yield Text(f"  … {rest}{' or more' if result.truncated else ''} more differences", "dim")


def _difference(difference: Difference) -> Iterator[Text]:
    """One line; of long values three, so that what differs stands one above the other."""
    at = clean(difference.at)
    recorded, replayed = map(clean, briefly(difference, _VALUE))
    if difference.kind == "missing":
        yield Text.assemble(f"  {at}  ", ("is missing", "red"), "  recorded ", (recorded, "red"))
    elif difference.kind == "extra":
        yield Text.assemble(f"  {at}  ", ("was not there", "green"), "  replayed ", (replayed, "green"))
    elif len(at) + len(recorded) + len(replayed) <= _WIDE:
        yield Text.assemble(f"  {at}  recorded ", (recorded, "red"), "  replayed ", (replayed, "green"))
    else:
        yield Text(f"  {at}")
        yield Text.assemble("    recorded ", (recorded, "red"))
        yield Text.assemble("    replayed ", (replayed, "green"))


def _closer(group: Group) -> Iterator[Text]:
    """Which tapes, and the commands that show more of the first."""
    result = group.first
    about = ", ".join(f"{key}={value}" for key, value in list(result.metadata.items())[:4])
    named = result.tape + (f" ({clean(about)})" if about else "")
    if group.count > 1:
        others = group.tapes[1 : 1 + _MOST_NAMED]
        named += f", {', '.join(others)}"
        if group.count > 1 + len(others):
            named += f" and {group.count - 1 - len(others)} more"
    yield Text.assemble(("  tape  " if group.count == 1 else "  tapes ", "dim"), named)
    yield Text.assemble(("  look  ", "dim"), result.look)
    yield Text.assemble(("  debug ", "dim"), f"{result.rerun} --debug")
