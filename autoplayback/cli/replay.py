"""`replay`: the recorded operations run again on the code as it is now, and are compared."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from autoplayback.cli import lastfailed, options

if TYPE_CHECKING:
    from autoplayback.cassettes.protocol import Cassette
    from autoplayback.cassettes.query import Query
    from autoplayback.config.load import Configuration
    from autoplayback.config.settings import Suite
    from autoplayback.studio.executors import Lane, Ready, Unreadable
    from autoplayback.studio.results import Result
    from autoplayback.studio.speed import Speed
    from autoplayback.studio.tally import Summary as Outcome
    from autoplayback.studio.tally import Tally
    from autoplayback.tape.model import Summary, Tape

INTERRUPTED = 130

HELP = """Run recorded operations again on the code as it is now, cut off from the world, and compare.

\b
autoplayback replay                                  every tape
autoplayback replay 01KB7Z                           one, by an unambiguous beginning of its id
autoplayback replay --since 1d --where customer=acme --sample 200 --by customer
autoplayback replay --last-failed                    those that did not pass last time
autoplayback replay --python ../next/bin/python      on another environment
autoplayback replay --json results.jsonl --junit junit.xml --html report.html
autoplayback replay 01KB7Z --debug                   in the foreground: breakpoint() stops
autoplayback replay --base main --repeat 5           against another version: whose change is it, and is it slower?
git bisect run autoplayback replay 01KB7Z

Exit status: 0 all pass, 1 a regression, 2 usage or config, 3 a tape couldn't be replayed, 5 no tape matched.
"""


def register(app: typer.Typer) -> None:
    """Adds this group's command."""
    app.command("replay", help=HELP, short_help="Replay recorded operations and compare.")(replay)


def replay(
    tape: Annotated[
        list[str] | None, typer.Argument(metavar="[TAPE]...", help="Ids of tapes, or unambiguous beginnings.")
    ] = None,
    operation: options.Operation = None,
    since: options.Since = None,
    until: options.Until = None,
    where: options.Where = None,
    sample: options.Sample = None,
    by: options.By = None,
    seed: options.Seed = 0,
    limit: options.Limit = None,
    suite: Annotated[str | None, typer.Option("--suite", metavar="NAME", help="A selection with rules, from the config.")] = None,
    last_failed: Annotated[bool, typer.Option("--last-failed", help="Only those that did not pass last time.")] = False,
    python: options.Python = None,
    workdir: options.Workdir = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", metavar="N", min=1, help="Worker processes.  [default: a CPU each]")
    ] = None,
    isolation: Annotated[
        str,
        typer.Option(
            "--isolation",
            metavar="fork|spawn|auto",
            help="A fork of one import for each tape, or a fresh process; auto forks unless the import starts threads.",
        ),
    ] = "auto",
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="S", min=0, help="Seconds that a tape may take; 0: no bound.")
    ] = 60.0,
    memory: Annotated[int, typer.Option("--memory", metavar="MB", min=0, help="That a tape's process may use; 0: no bound.")] = 0,
    strict: Annotated[bool, typer.Option("--strict", help="Only `equal` passes.")] = False,
    base: Annotated[
        str | None,
        typer.Option("--base", metavar="REV|DIR", help="Also replay on this version of the code, and tell the two apart."),
    ] = None,
    base_python: Annotated[str | None, typer.Option("--base-python", metavar="PATH", help="The interpreter for --base.")] = None,
    repeat: Annotated[
        int, typer.Option("--repeat", metavar="N", min=1, help="With --base: how often, to compare CPU times too.")
    ] = 1,
    debug: Annotated[bool, typer.Option("--debug", help="One tape in the foreground; breakpoint() works.")] = False,
    debugpy: Annotated[
        int, typer.Option("--debugpy", metavar="PORT", min=0, help="The same for an editor, which attaches to this port.")
    ] = 0,
    json_file: Annotated[str | None, typer.Option("--json", metavar="FILE", help="Results as JSON Lines; `-` is stdout.")] = None,
    junit: Annotated[str | None, typer.Option("--junit", metavar="FILE", help="JUnit XML.")] = None,
    html: Annotated[str | None, typer.Option("--html", metavar="FILE", help="One page for a browser.")] = None,
    markdown: Annotated[str | None, typer.Option("--markdown", metavar="FILE", help="For a CI job's summary.")] = None,
    config: options.Config = None,
    tapes: options.Tapes = None,
) -> None:
    """See HELP."""
    from autoplayback.errors import ConfigError
    from autoplayback.studio import runner
    from autoplayback.studio.acceptances import Acceptances
    from autoplayback.studio.baseline import Trials, checked_out
    from autoplayback.studio.results import flagged
    from autoplayback.studio.tally import Tally

    if isolation not in ("fork", "spawn", "auto"):
        raise ConfigError((None, f"--isolation {isolation}: fork, spawn or auto"))
    debug = debug or bool(debugpy)
    found = options.configuration(config, tapes)
    chosen_suite = _suite(found, suite)
    _check_plug_ins(found, suite)
    for flag, path in (("--junit", junit), ("--html", html), ("--markdown", markdown), ("--json", json_file)):
        if path is not None and os.path.isdir(path):  # told now, not after the run
            raise ConfigError((None, f"{flag} {path}: this is a folder; name a file"))
    cassette = options.cassette(found)
    cleanup = contextlib.ExitStack()
    try:
        filters: dict[str, Any] = {
            "operations": operation or [],
            "since": since,
            "until": until,
            "where": where or [],
            "sample": sample,
            "by": by,
            "seed": seed,
            "limit": limit,
        }
        ids = [cassette.resolve(prefix) for prefix in tape or []]
        if last_failed:
            ids += [known for known in lastfailed.remembered(found) if known not in ids]
        query = _query(filters, chosen_suite, ids)
        if last_failed and not ids:
            options.complain("no tape failed last time")
            raise typer.Exit(options.NO_TAPE)
        chosen = list(cassette.summaries(query))
        if not chosen:
            options.nothing(cassette, query)
        options.doubt(cassette, query)
        damaged = {} if ids else dict(getattr(cassette, "skipped", {}))
        for file, why in damaged.items():
            options.complain(f"warning: {file}: {why}")
        if repeat > 1 and not (base or base_python):
            raise ConfigError((None, "--repeat compares CPU times with another version of the code; --base says with which"))
        if debug and (base or base_python):
            raise ConfigError((None, "--debug runs one version of the code: leave --base out"))
        if debug and len(chosen) != 1:
            raise ConfigError((None, f"--debug replays one tape in the foreground, and {len(chosen)} match: name one"))
        folder = os.path.abspath(workdir or _file(found).parent)
        if not os.path.isdir(folder):
            raise ConfigError((None, f"--workdir {folder}: there is no such folder"))
        sys.path.insert(0, folder)  # comparators of the config are the service's own code
        isolation = "spawn" if debugpy else isolation  # the debugger is in this process: a fork would leave it behind
        lane = _lane(found, chosen, folder, python, isolation, timeout, memory, debug=debug, debugpy=debugpy)
        count = 1 if debug else min(jobs or len(os.sched_getaffinity(0)), len(chosen))
        over = {str(verdict): most for verdict, most in chosen_suite.fail_over.items()} if chosen_suite else None
        tally = Tally(strict=strict, fail_over=over, by=query.by)
        acceptances = Acceptances.load(found.file.parent if found.file else folder)
        rules = chosen_suite.compare if chosen_suite else None
        trials = Trials(found.settings, rules, repeat=repeat) if base or base_python else None
        if trials is not None:
            other = cleanup.enter_context(checked_out(base or folder, folder))
            elsewhere = replace(lane.options, workdir=other, extra={"head": folder})
            before = replace(lane, python=base_python or lane.python, options=elsewhere)
            played = trials.run(_loaded(cassette, chosen), lane, before, count, _tell)
        else:
            played = runner.run(
                _loaded(cassette, chosen), lane, found.settings, jobs=count, suite=rules, on_ready=_tell,
                settled=lambda: tally.settled,
            )  # fmt: skip
        results = acceptances.over(played)
        given = {
            "--base": base,
            "--base-python": base_python,
            "--config": config,
            "--tapes": tapes,
            "--python": python,
            "--workdir": workdir,
        }
        results = flagged(results, {flag: value for flag, value in given.items() if value})
        status = _report(
            results,
            tally,
            len(chosen),
            found,
            strict=strict,
            json_file=json_file,
            reports={"junit": junit, "html": html, "markdown": markdown},
            speeds=trials.speeds if trials is not None else list,
            damaged=damaged,
        )
    finally:
        cassette.close()
        cleanup.close()
    raise typer.Exit(status)


def _lane(
    found: Configuration,
    chosen: list[Summary],
    folder: str,
    python: str | None,
    isolation: str,
    timeout: float,
    memory: int,
    *,
    debug: bool,
    debugpy: int,
) -> Lane:
    from autoplayback.player.options import Options
    from autoplayback.studio.executors import Lane

    task = Options(
        config=str(_file(found).resolve()),
        workdir=folder,
        scratch="",
        operations=tuple(sorted({summary.operation for summary in chosen})),
        isolation=isolation,
        timeout=timeout,
        memory=memory,
        debug=debug,
        debugpy=debugpy,
    )
    return Lane(task, python or sys.executable)


def _file(found: Configuration) -> Path:
    assert found.file is not None  # `options.configuration` requires one
    return found.file


def _check_plug_ins(found: Configuration, suite: str | None) -> None:
    """Before anything is replayed: a comparator that nobody has installed would make each tape an error of its own."""
    from autoplayback.equalizer.plugins import unavailable
    from autoplayback.errors import ConfigError

    absent = [(keys, fault) for keys, _, fault in unavailable(found.settings) if keys[0] != "suites" or keys[1] == suite]
    if absent:
        raise ConfigError(*((found.place(*keys), fault) for keys, fault in absent))


def _suite(found: Configuration, name: str | None) -> Suite | None:
    from autoplayback.config.nearest import suggestion
    from autoplayback.errors import ConfigError

    if name is None:
        return None
    suites = found.settings.suites
    if name not in suites:
        raise ConfigError((None, f"--suite {name}: the config has no such suite{suggestion(name, list(suites))}"))
    return suites[name]


def _query(filters: dict[str, Any], suite: Suite | None, ids: list[str]) -> Query:
    """Which tapes are meant: a suite's selection, narrowed or changed by flags."""
    from autoplayback.studio import selection

    if suite is not None:
        listed = suite.operation if isinstance(suite.operation, list) else [suite.operation] if suite.operation else []
        conditions = suite.where if isinstance(suite.where, list) else [suite.where]
        filters = {
            "operations": filters["operations"] or listed,
            "where": [*conditions, *filters["where"]],
            "seed": filters["seed"] or suite.seed,
            "by": filters["by"] or (",".join(suite.by) if isinstance(suite.by, list) else suite.by),
            **{
                key: filters[key] if filters[key] is not None else getattr(suite, key)
                for key in ("since", "until", "sample", "limit")
            },
        }
    return selection.query(**filters, ids=ids)


def _loaded(cassette: Cassette, chosen: Iterable[Summary]) -> Iterator[Tape | Unreadable]:
    """Each tape when a worker is ready for it."""
    from autoplayback.errors import CassetteError, TapeError
    from autoplayback.studio.executors import Unreadable

    for summary in chosen:
        try:
            yield cassette.load(summary.tape)
        except (TapeError, CassetteError) as error:
            yield Unreadable(summary, f"the tape can't be read: {error}")


def _report(
    results: Iterator[Result],
    tally: Tally,
    total: int,
    found: Configuration,
    *,
    strict: bool,
    json_file: str | None,
    reports: dict[str, str | None],
    speeds: Callable[[], list[Speed]],
    damaged: dict[str, str],
) -> int:
    """Prints and writes as results come; also of a run that Ctrl-C has cut short. The exit status."""
    from rich.console import Console

    from autoplayback.reports import files, terminal
    from autoplayback.studio.results import write_line
    from autoplayback.studio.tally import EXIT_ERROR

    began = time.monotonic()
    kept: list[Result] = []
    with contextlib.ExitStack() as stack:
        lines = _opened(json_file, stack)

        def seen() -> Iterator[Result]:
            for result in results:
                if lines is not None:
                    write_line(lines, result.line())
                kept.append(result)
                yield result

        def closing(seconds: float) -> Outcome:
            """The run as a whole: with what the base says of its speed, and what could not even be found."""
            compared = speeds()
            more: dict[str, Any] = {"cpu": [speed.plain() for speed in compared]} if compared else {}
            if len(kept) < total:
                more["interrupted"] = total - len(kept)
            summary = tally.summary(seconds, **more)
            slower = [speed.described() for speed in compared if speed.degraded]
            if slower:
                summary = replace(summary, exit=1, because=(*summary.because, *slower))
            if damaged and summary.exit == 0:  # tapes that can't be found can't have passed
                told = tuple(f"{file}: {why}" for file, why in damaged.items())
                summary = replace(summary, exit=EXIT_ERROR, because=(*summary.because, *told))
            return summary

        interrupted = False
        console = Console(stderr=json_file == "-", highlight=False)
        try:
            summary = terminal.print_run(seen(), console, tally, total=total, closing=closing)
        except KeyboardInterrupt:
            interrupted = True
            options.complain(f"interrupted: {len(kept)} of {total} tapes were replayed")
            summary = closing(time.monotonic() - began)
        finally:
            results.close()  # type: ignore[attr-defined]  # a generator: closing it ends the workers
        if lines is not None:
            write_line(lines, summary.line())
    files.write(files.Wanted(**reports), lambda: kept, summary, strict=strict)
    lastfailed.remember(found, kept, strict=strict)
    return INTERRUPTED if interrupted else int(summary.exit)


def _opened(path: str | None, stack: contextlib.ExitStack) -> IO[str] | None:
    from autoplayback.errors import ConfigError

    if path is None or path == "-":
        return sys.stdout if path else None
    try:
        return stack.enter_context(open(path, "w", encoding="utf-8"))
    except OSError as error:
        raise ConfigError((None, f"--json {path}: {error.strerror}")) from error


def _tell(ready: Ready) -> None:
    """What a person should know of the replay itself, once a run."""
    if ready.reason:
        options.complain(f"each tape gets a fresh process, not a fork: {ready.reason}")
    for note in ready.notes:
        options.complain(f"warning: {note}")
    if "seccomp" not in ready.boundary and "network namespace" not in ready.boundary:
        options.complain(f"warning: this system offers no boundary below Python; in force: {', '.join(ready.boundary)}")
