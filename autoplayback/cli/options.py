"""The options that several commands share, and what they lead to."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from autoplayback.cassettes.protocol import Cassette
    from autoplayback.cassettes.query import Query
    from autoplayback.config.load import Configuration

NO_TAPE = 5
"""The exit status where no tape matched."""

Config = Annotated[
    str | None,
    typer.Option("--config", metavar="FILE", help="The config  [default: $AUTOPLAYBACK_CONFIG, else ./autoplayback.yaml]",
                 show_default=False),
]
Tapes = Annotated[
    str | None,
    typer.Option("--tapes", metavar="URL", help="Where tapes are, a folder or s3://bucket/prefix  [default: the config's]",
                 show_default=False),
]
Operation = Annotated[
    list[str] | None, typer.Option("--operation", metavar="NAME", help="Only this operation; a glob or several are allowed.")
]
Since = Annotated[
    str | None, typer.Option("--since", metavar="WHEN", help="Not older than 7d, 12h, 2026-11-01 or 2026-11-01T12:30.")
]
Until = Annotated[str | None, typer.Option("--until", metavar="WHEN", help="Older than that.")]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="CONDITION",
                 help="A condition on metadata: customer=acme, total>100, path~/api/*, customer=a,b; several must all hold. "
                 "Also on seconds, calls, bytes, outcome."),
]
Sample = Annotated[int | None, typer.Option("--sample", metavar="N", min=1, help="Only N of them, drawn at random.")]
By = Annotated[
    str | None,
    typer.Option("--by", metavar="KEY", help="Draw uniformly over the values of this metadata; operation,customer: of both."),
]
Seed = Annotated[int, typer.Option("--seed", metavar="S", help="Of the draw: the same seed draws the same tapes.")]
Limit = Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="At most N, the newest.")]
Python = Annotated[
    str | None,
    typer.Option("--python", metavar="PATH", help="The interpreter, and so the environment, of the service.  [default: this one]",
                 show_default=False),
]
Workdir = Annotated[
    str | None,
    typer.Option("--workdir", metavar="DIR", help="Where the service runs and is imported from.  [default: the config's folder]",
                 show_default=False),
]


def complain(text: str) -> None:
    """Says something on stderr; stdout is for results."""
    try:
        print(f"autoplayback: {text}", file=sys.stderr, flush=True)
    except BrokenPipeError:
        pass


def remember(config: str | None, tapes: str | None) -> None:
    """Makes `--config` and `--tapes` hold for this process and those it starts, as the environment variables would."""
    if config:
        os.environ["AUTOPLAYBACK_CONFIG"] = config
    if tapes:
        os.environ["AUTOPLAYBACK_TAPES"] = tapes


def configuration(config: str | None, tapes: str | None, *, required: bool = True) -> Configuration:
    """The config that is meant; its warnings go to stderr. Not `required`: without a file, the defaults."""
    from autoplayback import presets
    from autoplayback.config.load import load

    remember(config, tapes)
    found = load(presets=presets.names(), required=required)
    for place, text in found.warnings:
        complain(f"warning: {place}: {text}" if place else f"warning: {text}")
    return found


def cassette(configuration: Configuration) -> Cassette:
    """Where the config says that tapes are."""
    from autoplayback.cassettes import open_cassette

    return open_cassette(configuration.settings.tapes, configuration.settings)


def query(
    operation: list[str] | None, since: str | None, until: str | None, where: list[str] | None, sample: int | None,
    by: str | None, seed: int, limit: int | None, ids: list[str] | None = None,
) -> Query:
    """The selection that the filter options mean. Raises ConfigError."""
    from autoplayback.studio import selection

    return selection.query(operations=operation or [], since=since, until=until, where=where or [], sample=sample, by=by,
                           seed=seed, limit=limit, ids=ids or [])


def nothing(cassette: Cassette, query: Query) -> NoReturn:
    """Says why a selection is empty, and ends with the exit status for that."""
    from autoplayback.studio import selection

    complain(selection.nothing(cassette, query))
    raise typer.Exit(NO_TAPE)


def doubt(cassette: Cassette, query: Query) -> None:
    """Warns of a selection that found tapes though a key in it is nobody's: `--where 'custommer!=acme'`, `--by custommer`."""
    from autoplayback.studio import selection

    if query.by is not None or any(condition.operator == "!=" for condition in query.where):
        for told in selection.unknown_keys(cassette, query):
            complain(f"warning: {told}")
