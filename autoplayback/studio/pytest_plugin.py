"""`pytest --autoplayback`: every pinned tape is a test, replayed on the code as it is.

Loaded by pytest at each start wherever autoplayback is installed: nothing of ours is imported before `--autoplayback` is given.
The tapes are those that `autoplayback pin` copied into a folder below the tests: `-k`, `-x`, `--lf` and xdist work as ever.
"""

from __future__ import annotations

import os
import queue
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from autoplayback.studio.results import Result
    from autoplayback.tape.model import Tape

_SUFFIX = ".tapes"
_STRICT = "autoplayback_strict"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the flag, and what an ini file may say."""
    group = parser.getgroup("autoplayback", "replay of recorded production traffic")
    group.addoption("--autoplayback", action="store_true", help="collect pinned tapes (*.tapes) as tests")
    group.addoption(
        "--autoplayback-config", metavar="FILE", help="the config; default: $AUTOPLAYBACK_CONFIG, else ./autoplayback.yaml"
    )
    parser.addini(_STRICT, "with --autoplayback: only `equal` passes", type="bool", default=False)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A file of tapes, where they are asked for."""
    if file_path.suffix == _SUFFIX and parent.config.getoption("autoplayback"):
        return TapesFile.from_parent(parent, path=file_path)
    return None


def pytest_unconfigure(config: pytest.Config) -> None:
    """Ends the workers."""
    player = config.stash.get(_PLAYER, None)
    if player is not None:
        player.close()


class TapesFile(pytest.File):
    """A segment of pinned tapes."""

    def collect(self) -> Iterable[pytest.Item]:
        """A test for each tape in it."""
        from autoplayback.cassettes.folder import read_segment
        from autoplayback.errors import AutoplaybackError

        try:
            rows, lost = read_segment(self.path)
        except AutoplaybackError as error:
            raise self.CollectError(str(error)) from None
        if lost:
            raise self.CollectError(f"{self.path.name}: {lost}")
        for row in sorted(rows, key=lambda row: row.summary.tape):
            operation = row.summary.operation.replace("::", ":").replace("[", "(").replace("]", ")")
            name = f"{operation}-{row.summary.tape}"  # brackets would read as parameters when `--lf` parses the id again
            yield TapeItem.from_parent(self, name=name, tape=row.summary.tape, metadata=row.summary.metadata)


class Regression(Exception):
    """A tape doesn't pass; the text is the report."""


class TapeItem(pytest.Item):
    """One tape."""

    def __init__(self, *, tape: str, metadata: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._tape = tape
        for key, value in metadata.items():
            self.extra_keyword_matches.add(f"{key}={value}")
            self.extra_keyword_matches.add(str(value))
        self.user_properties.extend((f"metadata.{key}", value) for key, value in metadata.items())

    def runtest(self) -> None:
        """Replays it; raises where it doesn't pass."""
        from autoplayback.cassettes.folder import FolderCassette

        cassette = FolderCassette(self.path.parent)
        try:
            tape = cassette.load(self._tape)
        finally:
            cassette.close()
        player = self.config.stash.setdefault(_PLAYER, None) or Player(self.config)
        self.config.stash[_PLAYER] = player
        result = player.play(tape)
        self.add_report_section("call", "autoplayback", f"{result.verdict.value}: {result.reason}")
        if not result.verdict.passes(strict=bool(self.config.getini(_STRICT))):
            from autoplayback.reports.terminal import described

            # Where only pinned tapes exist, the commands have to say that they lie here.
            raise Regression(described(replace(result, flags={"--tapes": os.path.relpath(self.path.parent)})))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The report of the tape in place of a traceback through us."""
        from autoplayback.errors import AutoplaybackError

        if isinstance(excinfo.value, (Regression, AutoplaybackError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it stands, for the header of a failure."""
        return self.path, None, f"{self.name} of {self.path.name}"


class Player:
    """A worker that stays from the first tape of a session to its last: the service is imported once."""

    def __init__(self, config: pytest.Config) -> None:
        from autoplayback import presets
        from autoplayback.config.load import load
        from autoplayback.player.options import Options
        from autoplayback.studio import runner
        from autoplayback.studio.acceptances import Acceptances
        from autoplayback.studio.executors import Lane

        found = load(config.getoption("autoplayback_config"), presets=presets.names())
        if found.file is None:
            raise pytest.UsageError("--autoplayback: there is no autoplayback.yaml here; name one with --autoplayback-config")
        folder = str(found.file.resolve().parent)
        if folder not in sys.path:
            sys.path.insert(0, folder)  # comparators of the config are the service's own code
        self._tapes: queue.SimpleQueue[Tape | None] = queue.SimpleQueue()
        lane = Lane(Options(str(found.file.resolve()), folder, ""), sys.executable)
        self._results = Acceptances.load(folder).over(runner.run(self._asked(), lane, found.settings))

    def _asked(self) -> Iterator[Tape]:
        while (tape := self._tapes.get()) is not None:
            yield tape

    def play(self, tape: Tape) -> Result:
        """The result of one tape."""
        self._tapes.put(tape)
        return next(iter(self._results))

    def close(self) -> None:
        """Ends the worker."""
        self._tapes.put(None)
        close = getattr(self._results, "close", None)
        if close is not None:
            close()


_PLAYER: pytest.StashKey[Player | None] = pytest.StashKey()
