"""`demo`: records and replays a bundled service, and explains what came of it."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from autoplayback.cli import options

HELP = """Record and replay a bundled service, and explain the report. Takes a few seconds; needs no network.

\b
autoplayback demo               leaves ./autoplayback-demo behind, to play with
autoplayback demo /tmp/shop     another folder
"""

_MEANINGS = {
    "equal": "the new code returned what the old one did, and every answer it asked for came from the tape",
    "fixed": "the recorded request failed; on the new code it doesn't (it passes; --strict would not let it)",
    "different": "the new code returned something else: here is where",
    "diverged": "the new code asked the world something the tape can't answer: no verdict on the result is possible",
}


def register(app: typer.Typer) -> None:
    """Adds this group's command."""
    app.command("demo", help=HELP, short_help="Record and replay a bundled service.")(demo)


def demo(
    folder: Annotated[
        Path | None, typer.Argument(help="Where to leave the service and its tapes.  [default: ./autoplayback-demo]")
    ] = None,
) -> None:
    """See HELP."""
    from autoplayback.demo import session

    place = session.lay((folder or Path("autoplayback-demo")).absolute())
    _say(f"A small shop lies in {place}: WSGI, SQLite, and HTTP to a second service.")
    _say("It runs unchanged, with AUTOPLAYBACK=record in its environment ...")
    requests = session.record(place)
    _say(f"... and served {requests} requests, each of them a tape now. Both services are stopped.\n")
    _say(f"Replayed on a changed version of it (see the three CHANGEs in {place.name}/after/shop.py):\n")
    typer.echo(typer.style(f"$ cd {_shell(place)}\n$ autoplayback replay --workdir after --json results.jsonl", dim=True))
    status = session.replay(place)
    if status not in (0, 1):
        options.complain(f"the replay ended with status {status}; {place}/shop.log may say why")
        raise typer.Exit(status)
    found = session.results(place)
    _explain(found)
    verdicts = Counter(result["verdict"] for result in found)
    if len(found) != requests or not all(verdicts[verdict] for verdict in _MEANINGS):
        options.complain(f"expected {requests} tapes with all of {', '.join(_MEANINGS)}; got {dict(verdicts)}")
        raise typer.Exit(3)


def _explain(results: list[dict[str, Any]]) -> None:
    """One tape of each verdict, what it means, and how to look closer."""
    typer.echo("\nOne of each:")
    for verdict, meaning in _MEANINGS.items():
        of_it = [result for result in results if result["verdict"] == verdict]
        result = max(of_it, key=lambda result: result["calls"]["answered"], default=None)  # the one with most to look at
        if result is None:
            continue
        metadata, tape = result["metadata"], result["tape"]
        _say(f"\n{verdict}  {metadata.get('method')} {metadata.get('path')}", bold=True)
        typer.echo(f"  {meaning}.")
        for line in _evidence(result):
            typer.echo(f"  {line}")
        if verdict in ("different", "diverged"):
            typer.echo(f"  closer: autoplayback show {tape}\n          autoplayback replay {tape} --workdir after --debug")
        else:
            typer.echo(f"  closer: autoplayback show {tape}")
    typer.echo(
        "\nChange after/shop.py and replay again: `autoplayback replay --workdir after --last-failed`."
        "\nExit status 1 of a replay means that something regressed, which is what stops a CI job."
    )


def _evidence(result: dict[str, Any]) -> list[str]:
    calls = result["calls"]
    if result["verdict"] == "equal":
        return [
            f"calls: {calls['recorded']} recorded, {calls['answered']} answered from the tape, {calls['unanswered']} unanswered"
        ]
    if result["verdict"] == "diverged":
        return str(result["reason"]).splitlines()
    return [
        f"{difference['at']}: {difference.get('recorded')!r} -> {difference.get('replayed')!r}"
        for difference in result["differences"][:3]
    ]


def _say(text: str, *, bold: bool = False) -> None:
    typer.echo(typer.style(text, bold=bold) if bold else text)


def _shell(path: Path) -> str:
    return shlex.quote(str(path))
