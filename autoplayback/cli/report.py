"""`report`: every report, made from the JSON lines of a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from autoplayback.studio.results import Result
    from autoplayback.studio.tally import Summary

Strict = Annotated[bool, typer.Option("--strict", help="Only `equal` passes.")]


def register(app: typer.Typer) -> None:
    """Adds the commands of this group."""
    app.command("report")(report)


def report(
    results: Annotated[
        list[str], typer.Argument(metavar="RESULTS...", help="Files that `replay --json` wrote; several (shards) become one.")
    ],
    html: Annotated[str | None, typer.Option("--html", metavar="FILE", help="One page, for a browser.")] = None,
    junit: Annotated[str | None, typer.Option("--junit", metavar="FILE", help="JUnit XML, for a CI server.")] = None,
    markdown: Annotated[
        str | None, typer.Option("--markdown", metavar="FILE", help="For a CI job's summary page, below 900 kB.")
    ] = None,
    failures: Annotated[
        str | None, typer.Option("--failures", metavar="DIR", help="A Markdown file per failure, at most 20 of a cause.")
    ] = None,
    strict: Strict = False,
) -> None:
    """Make reports from the results of a replay; without a flag, print them.

    \b
    autoplayback report results.jsonl
    autoplayback report shard-*.jsonl --html report.html --markdown "$GITHUB_STEP_SUMMARY"

    Exits as the replay did: 0 all pass, 1 a regression, 3 only errors, 5 no results.
    """
    from rich.console import Console

    from autoplayback.reports import files, terminal
    from autoplayback.reports.groups import Groups

    run = Run(results, strict)
    wanted = files.Wanted(junit, html, markdown, failures)
    if wanted.any():
        files.write(wanted, run.results, run.summary, strict=strict)
    else:
        console = Console()
        terminal.print_groups(Groups(run.results()), console)
        terminal.print_summary(run.summary, console)
    raise typer.Exit(run.summary.exit)


class Run:
    """The results of one or more files, read anew each time they are asked for."""

    def __init__(self, paths: list[str], strict: bool) -> None:
        from autoplayback.studio import results, tally

        self._paths = paths
        ends = {path: [entry for entry in results.read_lines(path) if not isinstance(entry, results.Result)] for path in paths}
        lines = [line for path in paths for line in ends[path]]
        if len(paths) == len(lines) == 1 and not strict:
            self.summary: Summary = tally.summary_of(lines[0])
        else:
            self.summary = tally.merged(
                self.results(), lines, strict=strict, unended=[path for path, found in ends.items() if not found]
            )

    def results(self) -> Iterator[Result]:
        """Every result, file by file."""
        from autoplayback.studio.results import Result, read_lines

        for path in self._paths:
            yield from (entry for entry in read_lines(path) if isinstance(entry, Result))
