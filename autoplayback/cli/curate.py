"""`accept` and `pin`: what a team keeps of its runs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autoplayback.cli import options

if TYPE_CHECKING:
    from autoplayback.config.notations import Condition


def register(app: typer.Typer) -> None:
    """Adds the commands of this group."""
    app.command("accept")(accept)
    app.command("pin")(pin)


def accept(
    results: Annotated[list[str], typer.Argument(metavar="RESULTS...", help="What `replay --json` wrote.")],
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="CONDITION",
            help="Only results whose tape, operation, verdict or metadata fulfil it; repeat for and.",
        ),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why it is intended; the reviewers read it.")] = "",
    config: options.Config = None,
) -> None:
    """Mark differences as intended: later replays judge against them.

    \b
    autoplayback replay --json results.jsonl
    autoplayback accept results.jsonl --where operation=place_order --reason "prices are rounded up now (#123)"

    They are written to autoplayback.accepted.yaml beside the config, with author and date, to be reviewed with the code.
    """
    from datetime import UTC, datetime

    from autoplayback.errors import ConfigError
    from autoplayback.studio import acceptances
    from autoplayback.studio.results import Result, read_lines

    if not reason.strip():
        raise ConfigError((None, "say with --reason why the difference is intended"))
    file = options.configuration(config, None, required=False).file
    folder = file.resolve().parent if file is not None else Path.cwd()
    kept = acceptances.Acceptances.load(folder)
    today, author = datetime.now(UTC).strftime("%Y-%m-%d"), _author(str(folder))
    entries = [entry for path in results for entry in read_lines(path) if isinstance(entry, Result)]
    chosen = [result for result in acceptances.matching(entries, _conditions(where)) if result.verdict.value != "equal"]
    added = 0
    for result in chosen:
        entry = acceptances.accepted(result, reason.strip(), author, today)
        if isinstance(entry, str):
            options.complain(f"{result.tape}: {entry}")
        else:
            kept.add(entry)
            added += 1
    if not chosen:
        options.complain("no result that differs matched")
        raise typer.Exit(5)
    if added:
        typer.echo(f"{added} tape{'s' * (added != 1)} accepted in {os.path.relpath(kept.save(folder))}")
    raise typer.Exit(0 if added == len(chosen) else 1)


def _conditions(where: list[str] | None) -> list[Condition]:
    from autoplayback.config.notations import NotationError, condition
    from autoplayback.errors import ConfigError

    try:
        return [condition(text) for text in where or []]
    except NotationError as error:
        raise ConfigError((None, f"--where: {error}")) from None


def _author(folder: str) -> str:
    """As git knows whoever runs this; empty without git."""
    found = []
    for key in ("user.name", "user.email"):
        try:
            asked = subprocess.run(["git", "config", key], cwd=folder, capture_output=True, text=True, timeout=10, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return ""
        found.append(asked.stdout.strip())
    name, email = found
    return f"{name} <{email}>" if name and email else name or email


def pin(
    tape: Annotated[list[str], typer.Argument(metavar="TAPE...", help="Ids of tapes, or unambiguous beginnings.")],
    to: Annotated[str, typer.Option("--to", metavar="DIR", help="Where they are kept, with the tests.")] = "tests/tapes",
    config: options.Config = None,
    tapes: options.Tapes = None,
) -> None:
    """Copy tapes beside the tests, where `pytest --autoplayback` makes a test of each.

    \b
    autoplayback pin 01KB7Z 01KC11
    pytest --autoplayback

    A tape holds recorded data: look at it (`autoplayback show`) before it goes into a repository.
    """
    from autoplayback.cassettes import open_cassette

    found = options.configuration(config, tapes)
    source = options.cassette(found)
    target = open_cassette(to, found.settings)
    try:
        ids = list(dict.fromkeys(source.resolve(prefix) for prefix in tape))
        for tape_id in ids:
            new = target.add([source.load(tape_id)])  # each on its own: a file a tape, so that one can be removed again
            typer.echo(f"{tape_id} {'pinned in ' + to if new else 'is in ' + to + ' already'}")
    finally:
        source.close()
        target.close()
