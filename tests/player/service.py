"""A service in a folder: recorded the way users record one, replayed through real workers, changed in between."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

from autoplayback import cassettes
from autoplayback.config.load import load
from autoplayback.player.options import Options
from autoplayback.studio import runner
from autoplayback.studio.executors import Lane, Played, Pool, Ready
from autoplayback.studio.results import Result
from autoplayback.tape.model import Tape

ROOT = Path(__file__).resolve().parents[2]
CONFIG = """
service: svc
operations: [{target: "svc:operation"}]
inputs: [{target: "svc:load"}]
outputs: [{target: "svc:send"}]
"""


class Service:
    """One module `svc`, by default with an operation, an input `load` and an output `send`."""

    def __init__(self, folder: Path, code: str, config: str = CONFIG) -> None:
        self.folder = folder
        self.code(code)
        self.config(config)
        self.ready: list[Ready] = []

    def code(self, text: str, module: str = "svc") -> None:
        """Writes, or changes, a module of the service."""
        (self.folder / f"{module}.py").write_text(textwrap.dedent(text))

    def config(self, text: str) -> None:
        (self.folder / "autoplayback.yaml").write_text(textwrap.dedent(text))

    def run(self, *command: str, env: dict[str, str] | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
        """A command in the service's folder."""
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AUTOPLAYBACK")}
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**kept, "PYTHONPATH": path, **(env or {})},
            capture_output=True,
            text=True,
            timeout=120,
            **options,
        )

    def record(self, script: str, **env: str) -> list[Tape]:
        """Runs a script under AUTOPLAYBACK=record; the tapes, oldest first."""
        path = os.pathsep.join([str(ROOT / "autoplayback" / "hook"), str(ROOT)])
        done = self.run(
            sys.executable,
            "-c",
            textwrap.dedent(script),
            env={"PYTHONPATH": path, "AUTOPLAYBACK": "record", "PYTHONHASHSEED": "0", **env},
        )
        assert done.returncode == 0, done.stderr
        assert not done.stderr
        return self.tapes()

    def tapes(self) -> list[Tape]:
        """What was recorded, oldest first."""
        settings = load(str(self.folder / "autoplayback.yaml")).settings
        cassette = cassettes.open_cassette(settings.tapes, settings)
        try:
            return [cassette.load(summary.tape) for summary in cassette.summaries()][::-1]
        finally:
            cassette.close()

    def lane(self, **options: Any) -> Lane:
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        task = Options(str(self.folder / "autoplayback.yaml"), str(self.folder), "", timeout=20)
        return Lane(replace(task, **options), sys.executable, {"PYTHONPATH": path})

    def play(self, tapes: list[Tape] | None = None, **options: Any) -> list[Played]:
        """Replays tapes (all that were recorded); what came of each, in the tapes' order."""
        tapes = self.tapes() if tapes is None else tapes
        with Pool(self.lane(**options), 1, self.ready.append) as pool:
            played = [item for item in pool.run(tapes) if isinstance(item, Played)]
        order = {tape.id: number for number, tape in enumerate(tapes)}
        return sorted(played, key=lambda item: order[item.tape.id])

    def replay(self, tapes: list[Tape] | None = None, **options: Any) -> list[Result]:
        """Replays and judges."""
        settings = load(str(self.folder / "autoplayback.yaml")).settings
        tapes = self.tapes() if tapes is None else tapes
        results = {
            result.tape: result for result in runner.run(tapes, self.lane(**options), settings, on_ready=self.ready.append)
        }
        return [results[tape.id] for tape in tapes]
