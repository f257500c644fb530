"""`noise`: which places answer anew each time, found by replaying unchanged code."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from autoplayback.cli import options

if TYPE_CHECKING:
    from autoplayback.studio.executors import Unreadable
    from autoplayback.tape.model import Tape


def register(app: typer.Typer) -> None:
    """Adds the command of this group."""
    app.command("noise")(noise)


def noise(
    operation: options.Operation = None,
    since: options.Since = None,
    until: options.Until = None,
    where: options.Where = None,
    sample: options.Sample = 100,
    by: options.By = None,
    seed: options.Seed = 0,
    limit: options.Limit = None,
    repeat: Annotated[int, typer.Option("--repeat", metavar="N", min=2, help="How often each tape is replayed.")] = 3,
    python: options.Python = None,
    config: options.Config = None,
    tapes: options.Tapes = None,
) -> None:
    """Replay unchanged code several times, and propose rules for what answers anew each time.

    \b
    autoplayback noise --sample 100 --repeat 3 > noise.yaml

    The proposal goes to stdout, as YAML with the evidence beside each rule; nothing is changed. What differs from the tape in
    the same way each time is no noise, and is listed on stderr.
    """
    from autoplayback.errors import CassetteError, TapeError
    from autoplayback.player.options import Options
    from autoplayback.studio import noise as experiments
    from autoplayback.studio import runner
    from autoplayback.studio.executors import Lane, Unreadable

    found = options.configuration(config, tapes)
    cassette = options.cassette(found)
    try:
        query = options.query(operation, since, until, where, sample, by, seed, limit)
        chosen = list(cassette.summaries(query))
        if not chosen:
            options.nothing(cassette, query)
        options.doubt(cassette, query)

        def loaded() -> Iterator[Tape | Unreadable]:
            for summary in chosen:
                try:
                    yield cassette.load(summary.tape)
                except (TapeError, CassetteError) as error:
                    yield Unreadable(summary, str(error))

        folder = os.path.dirname(os.path.abspath(found.file or "autoplayback.yaml"))
        sys.path.insert(0, folder)
        lane = Lane(Options(os.path.abspath(found.file or ""), folder, ""), python or sys.executable)
        experiment = experiments.Experiment()
        for _ in range(repeat):
            experiment.begin()
            for result in runner.run(loaded(), lane, found.settings, jobs=min(len(os.sched_getaffinity(0)), len(chosen))):
                experiment.add(result)
    finally:
        cassette.close()
    proposals = experiment.proposals()
    typer.echo(experiments.patch(proposals, found.settings), nl=False)
    for tape, reason in list(experiment.unfit.items())[:20]:
        options.complain(f"{tape} teaches nothing, it is {reason.splitlines()[0]}")
    for difference in experiment.steady()[:20]:
        options.complain(f"no noise: {difference}")
    if not proposals:
        options.complain(f"nothing varied in {repeat} replays of {len(chosen)} tapes")
