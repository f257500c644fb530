"""`list` and `show`: looking for tapes and into one. Neither needs the service's code."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from autoplayback.cli import options
from autoplayback.errors import CassetteError

if TYPE_CHECKING:
    from autoplayback.cassettes.protocol import Cassette
    from autoplayback.tape.model import Summary

LIST_HELP = """List the recorded tapes, newest first.

\b
autoplayback list --since 1d --operation place_order
autoplayback list --where customer=acme --where 'seconds>2' --limit 20
autoplayback list --where error --json | jq -r .tape | xargs autoplayback replay
autoplayback --tapes s3://bucket/prefix list --since 7d --sample 200 --by customer

Piped, a line a tape with tabs between the columns; --json a JSON object a line. Exit status 5: no tape matched.
"""

SHOW_HELP = """Show one tape: the entry point's arguments, every call in order of start, what came of each, and how long it took.

\b
autoplayback show 01KB7Z            an unambiguous beginning of the id is enough
autoplayback show 01KB7Z --full     values in full
autoplayback show 01KB7Z --json | jq '.calls[] | select(.outcome == "raised")'
"""


def register(app: typer.Typer) -> None:
    """Adds this group's commands."""
    app.command("list", help=LIST_HELP, short_help="List the recorded tapes.")(list_tapes)
    app.command("show", help=SHOW_HELP, short_help="Show one tape as a timeline of calls.")(show)


def list_tapes(
    operation: options.Operation = None,
    since: options.Since = None,
    until: options.Until = None,
    where: options.Where = None,
    sample: options.Sample = None,
    by: options.By = None,
    seed: options.Seed = 0,
    limit: options.Limit = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a line instead of a table.")] = False,
    config: options.Config = None,
    tapes: options.Tapes = None,
) -> None:
    """See LIST_HELP."""
    query = options.query(operation, since, until, where, sample, by, seed, limit)
    cassette = options.cassette(options.configuration(config, tapes, required=False))
    try:
        line = _json if as_json else _row if sys.stdout.isatty() else _columns
        count = 0
        try:
            for count, summary in enumerate(cassette.summaries(query), 1):
                if count == 1 and line is _row:
                    typer.secho(_HEAD, bold=True)
                typer.echo(line(summary))
        except CassetteError:  # what keeps us from reading the folder may have kept recorders from writing it
            _tell_of_losses(cassette)
            raise
        _tell_of_losses(cassette)
        if not count:
            options.nothing(cassette, query)
        options.doubt(cassette, query)
        if line is _row:
            typer.secho(f"{count:,} tape{'s' * (count != 1)}", dim=True)
    finally:
        cassette.close()


def show(
    tape: Annotated[str, typer.Argument(metavar="TAPE", help="A tape's id, or an unambiguous beginning of one.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of the timeline.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Don't shorten values.")] = False,
    config: options.Config = None,
    tapes: options.Tapes = None,
) -> None:
    """See SHOW_HELP."""
    from autoplayback.reports import timeline

    cassette = options.cassette(options.configuration(config, tapes, required=False))
    try:
        found = cassette.load(cassette.resolve(tape.upper()))
    finally:
        cassette.close()
    if as_json:
        typer.echo(json.dumps(timeline.document(found), ensure_ascii=False))
        return
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    for line in timeline.lines(found, None if full else timeline.SHORT):
        console.print(line)


def _json(summary: Summary) -> str:
    """The line of a tape as programs read it."""
    from autoplayback.reports.timeline import plain, timestamp

    return json.dumps({
        "tape": summary.tape, "operation": summary.operation, "started": timestamp(summary.started), "seconds": summary.seconds,
        "outcome": summary.outcome, "calls": summary.calls, "bytes": summary.bytes,
        "metadata": {str(key): plain(value) for key, value in summary.metadata.items()},
    })


_HEAD = f"{'TAPE':<26}  {'STARTED':<19}  {'TOOK':>7}  {'CALLS':>5}  {'SIZE':>8}  OPERATION"


def _row(summary: Summary) -> str:
    """The line of a tape on a terminal."""
    from datetime import datetime

    from autoplayback.reports.words import bytesize, clean, seconds

    when = f"{datetime.fromtimestamp(summary.started / 1e9):%Y-%m-%d %H:%M:%S}"
    raised = typer.style(" raised", fg="red") if summary.outcome == "raised" else ""
    metadata = typer.style(f"  {_metadata(summary)}", dim=True) if summary.metadata else ""
    return (f"{summary.tape:<26}  {when}  {seconds(summary.seconds):>7}  {summary.calls:>5}  {bytesize(summary.bytes):>8}  "
            f"{clean(summary.operation)}{raised}{metadata}")


def _columns(summary: Summary) -> str:
    """The line of a tape in a pipe: tabs between the columns, no rounding."""
    from autoplayback.reports.timeline import timestamp
    from autoplayback.reports.words import clean

    return "\t".join((summary.tape, timestamp(summary.started), f"{summary.seconds:.6f}", str(summary.calls), str(summary.bytes),
                      summary.outcome, clean(summary.operation), _metadata(summary)))


def _metadata(summary: Summary) -> str:
    from autoplayback.reports.words import clean

    return clean(" ".join(f"{key}={value}" for key, value in summary.metadata.items()))


def _tell_of_losses(cassette: Cassette) -> None:
    """What recorders had to drop, and files that couldn't be read: said on stderr, so that no list looks complete which isn't."""
    from autoplayback.cassettes.losses import LEFT_OUT

    counts = cassette.losses()
    left_out = {reason.removeprefix(LEFT_OUT): count for reason, count in counts.items() if reason.startswith(LEFT_OUT)}
    losses = {reason: count for reason, count in counts.items() if not reason.startswith(LEFT_OUT)}
    for told, what in ((losses, "tapes were lost in recording"), (left_out, "operations were left out by sampling")):
        if told:
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(told.items(), key=lambda item: -item[1]))
            options.complain(f"{sum(told.values()):,} {what}: {reasons}")
    for file, why in getattr(cassette, "skipped", {}).items():
        options.complain(f"warning: {file}: {why}")
