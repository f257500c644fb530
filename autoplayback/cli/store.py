"""`export`, `delete`, `prune`, `verify` and `ship`: keeping tapes, and keeping no more than is wanted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from autoplayback.cli import options

if TYPE_CHECKING:
    from autoplayback.cassettes.protocol import Cassette
    from autoplayback.config.settings import Settings
    from autoplayback.tape.model import Summary, Tape

DAMAGED = 1
NOT_SHIPPED = 3

EXPORT_HELP = """Copy tapes to another folder or bucket. Those already there aren't copied again.

\b
autoplayback export ./pinned 01KB7Z 01KB8A
autoplayback --tapes s3://bucket/orders export ./week --since 7d --sample 200 --by customer
"""
DELETE_HELP = """Delete tapes for good: their segments are rewritten without them, and the local caches too.

\b
autoplayback delete 01KB7Z
autoplayback delete --where customer=acme --yes
"""
PRUNE_HELP = """Delete tapes by age, by count of each operation, or by size of all together.

\b
autoplayback prune --older-than 30d --keep 5000 --max-size 10GB
autoplayback prune --older-than 7d --dry-run
"""
VERIFY_HELP = """Read every byte of every tape and say what is damaged; with --secrets also what looks like a secret.

\b
autoplayback verify
autoplayback --tapes s3://bucket/orders verify --secrets

Exit status: 0 nothing found, 1 something found.
"""
SHIP_HELP = """Upload what recorders on this machine left in the spool, and go on doing so (`s3: {ship: process}`).

\b
autoplayback ship          beside the service, until it is stopped
autoplayback ship --once   what is there now; exit status 3 where that can't be uploaded
"""

Ids = Annotated[list[str] | None, typer.Argument(metavar="[TAPE]...", help="Ids, or unambiguous beginnings of them.")]


def register(app: typer.Typer) -> None:
    """Adds this group's commands."""
    app.command("export", help=EXPORT_HELP, short_help="Copy tapes to another folder or bucket.")(export)
    app.command("delete", help=DELETE_HELP, short_help="Delete tapes for good.")(delete)
    app.command("prune", help=PRUNE_HELP, short_help="Delete tapes by age, count or size.")(prune)
    app.command("verify", help=VERIFY_HELP, short_help="Check that every tape can be read.")(verify)
    app.command("ship", help=SHIP_HELP, short_help="Upload recorded tapes to the bucket.")(ship)


def export(
    to: Annotated[str, typer.Argument(metavar="URL", help="The folder or s3://bucket/prefix to copy to.")],
    ids: Ids = None,
    operation: options.Operation = None,
    since: options.Since = None,
    until: options.Until = None,
    where: options.Where = None,
    sample: options.Sample = None,
    by: options.By = None,
    seed: options.Seed = 0,
    limit: options.Limit = None,
    config: options.Config = None,
    tapes: options.Tapes = None,
) -> None:
    """See EXPORT_HELP."""
    from autoplayback.cassettes import open_cassette

    query = options.query(operation, since, until, where, sample, by, seed, limit)
    configuration = options.configuration(config, tapes, required=False)
    source, target = options.cassette(configuration), open_cassette(to, configuration.settings)
    try:
        found = _named(source, ids) if ids else [summary.tape for summary in source.summaries(query)]
        if not found:
            options.nothing(source, query)
        copied = target.add(source.load(id) for id in found)
        there = f", {len(found) - copied:,} were there already" if copied < len(found) else ""
        typer.echo(f"{copied:,} tapes copied to {target.url}{there}")
    finally:
        source.close()
        target.close()


def delete(
    ids: Ids = None,
    operation: options.Operation = None,
    since: options.Since = None,
    until: options.Until = None,
    where: options.Where = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    config: options.Config = None,
    tapes: options.Tapes = None,
) -> None:
    """See DELETE_HELP."""
    if not (ids or operation or since or until or where):
        options.complain("say which tapes: ids, or filters such as --where customer=acme")
        raise typer.Exit(2)
    query = options.query(operation, since, until, where, None, None, 0, None)
    cassette = options.cassette(options.configuration(config, tapes, required=False))
    try:
        found = _named(cassette, ids) if ids else [summary.tape for summary in cassette.summaries(query)]
        if not found:
            options.nothing(cassette, query)
        if not yes and not ids:
            typer.confirm(f"Delete {len(found):,} tapes of {cassette.url} for good?", abort=True)
        typer.echo(f"{cassette.delete(found):,} tapes deleted")
        _tell_of_waiting(cassette)
    finally:
        cassette.close()


def prune(
    older_than: Annotated[str | None, typer.Option(metavar="AGE", help="Older ones go: 30d, 12h, a date.")] = None,
    keep: Annotated[int | None, typer.Option(metavar="N", min=0, help="The newest N of each operation stay.")] = None,
    max_size: Annotated[str | None, typer.Option(metavar="SIZE", help="The newest that fit stay: 500MB, 10GB.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many would go.")] = False,
    config: options.Config = None,
    tapes: options.Tapes = None,
) -> None:
    """See PRUNE_HELP."""
    from autoplayback.studio.retention import Retention

    size = None if max_size is None else _size(max_size)
    if older_than is None and keep is None and size is None:
        options.complain("say what may stay: --older-than, --keep or --max-size")
        raise typer.Exit(2)
    since = options.query(None, older_than, None, None, None, None, 0, None).since
    cassette = options.cassette(options.configuration(config, tapes, required=False))
    try:
        expired: list[Summary] = list(Retention(since, keep, size).expired(cassette.summaries()))
        freed = sum(summary.bytes for summary in expired)
        if dry_run:
            typer.echo(f"{len(expired):,} tapes of {freed:,} bytes would be deleted")
            return
        typer.echo(f"{cassette.delete(summary.tape for summary in expired):,} tapes of {freed:,} bytes deleted")
        if since is not None:
            cassette.forget_losses(since)
        _tell_of_waiting(cassette)
    finally:
        cassette.close()


def verify(
    secrets: Annotated[bool, typer.Option("--secrets", help="Also look for what redaction would have removed.")] = False,
    config: options.Config = None,
    tapes: options.Tapes = None,
) -> None:
    """See VERIFY_HELP."""
    configuration = options.configuration(config, tapes, required=False)
    cassette = options.cassette(configuration)
    try:
        count = 0
        for problem in cassette.verify():
            typer.echo(str(problem))
            count += 1
        if secrets:
            for text in _secrets(cassette, configuration.settings):
                typer.echo(text)
                count += 1
        readable = sum(1 for _ in cassette.summaries())
        typer.echo(f"{readable:,} tapes, {count:,} problems")
        if count:
            raise typer.Exit(DAMAGED)
    finally:
        cassette.close()


def ship(
    once: Annotated[bool, typer.Option("--once", help="Upload what is there, then exit.")] = False,
    every: Annotated[float, typer.Option("--every", metavar="SECONDS", min=0.1, help="How often to look.")] = 10.0,
    config: options.Config = None,
    tapes: options.Tapes = None,
) -> None:
    """See SHIP_HELP."""
    from autoplayback.cassettes.places import spool_folder
    from autoplayback.errors import CassetteError
    from autoplayback.originals import sleep
    from autoplayback.recorder.shipper import Shipper

    settings = options.configuration(config, tapes, required=False).settings
    if not settings.tapes.startswith("s3://"):
        options.complain(f"tapes are kept in {settings.tapes}, a folder: there is nothing to ship")
        raise typer.Exit(2)
    shipper = Shipper(settings, spool_folder(settings.tapes))
    pause, told = every, ""
    while True:
        try:
            done = shipper.ship()
            if done.segments or once:
                busy = "; another process is shipping" if done.busy else ""
                typer.echo(f"{done.segments:,} segments of {done.bytes:,} bytes shipped, {done.waiting:,} waiting{busy}")
            pause, told = every, ""
        except CassetteError as error:
            if once:
                options.complain(str(error))
                raise typer.Exit(NOT_SHIPPED) from None
            if str(error) != told:
                told = str(error)
                options.complain(f"{told}; trying again")
            pause = min(60.0, pause * 2)
        if once:
            return
        sleep(pause)


def _named(cassette: Cassette, prefixes: list[str] | None) -> list[str]:
    return list(dict.fromkeys(cassette.resolve(prefix.upper()) for prefix in prefixes or ()))


def _tell_of_waiting(cassette: Cassette) -> None:
    waiting = getattr(cassette, "waiting", 0)
    if waiting:
        options.complain(f"{waiting:,} of them stand in a file that a recorder is still writing: hidden now, erased by the first "
                         "`delete` or `prune` after it is sealed")


def _size(text: str) -> int:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kMGT]?)i?B?\s*", text, re.IGNORECASE)
    if not found:
        options.complain(f"--max-size: {text!r} is no size; write 500MB or 10GB")
        raise typer.Exit(2)
    return int(float(found[1]) * 1000 ** " kmgt".index(found[2].lower() or " "))


def _secrets(cassette: Cassette, settings: Settings) -> Iterator[str]:
    """Where stored tapes hold what redaction, as it is configured today, would have replaced. Never the secret itself."""
    from autoplayback.errors import TapeError
    from autoplayback.recorder.redaction import Redactor

    redact = Redactor(settings.redact).redact
    for summary in cassette.summaries():
        try:
            tape = cassette.load(summary.tape)
            redacted = redact(tape)
        except TapeError:
            continue  # `verify` has named it
        if redacted != tape:
            yield f"{tape.id}: holds what looks like a secret in {', '.join(_changed(tape, redacted))}"


def _changed(tape: Tape, redacted: Tape) -> list[str]:
    """The parts of a tape that redaction would change."""
    parts = [name for name in ("receiver", "arguments", "outcome", "metadata", "environment", "notes", "handles")
             if getattr(tape, name) != getattr(redacted, name)]
    for before, after in zip(tape.calls, redacted.calls, strict=True):
        if before != after:
            part = "arguments" if before.arguments != after.arguments else "outcome"
            parts.append(f"call {before.seq} {before.target.name} ({part})")
    return parts[:8] + (["..."] if len(parts) > 8 else [])
