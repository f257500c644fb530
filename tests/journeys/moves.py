"""A user's moves on a service: write the YAML, start it recorded, talk to it, stop it, and use the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers import processes


@dataclass
class Run:
    """What one command printed and how it ended."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class Replay(Run):
    """A replay, with its JSON lines."""

    results: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)

    @property
    def verdicts(self) -> dict[str, int]:
        return dict(Counter(result["verdict"] for result in self.results))

    def failures(self) -> str:
        """What went wrong, for a failing assertion."""
        bad = [result for result in self.results if result["verdict"] != "equal"]
        return json.dumps(bad[:5], indent=1, default=str)[:6000] + self.err[-3000:]


class Project:
    """A user's folder with a config in it."""

    def __init__(self, folder: Path, config: str, **files: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.write("autoplayback.yaml", config)
        for name, text in files.items():
            self.write(f"{name}.py", text)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def environment(self, **more: str) -> dict[str, str]:
        """What a shell of the user's has set. The folder isn't on the path of scripts, so it is named."""
        return {**os.environ, "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1", **more}

    def autoplayback(self, *arguments: str, timeout: float = 150) -> Run:
        """Runs the command line."""
        done = subprocess.run(
            [sys.executable, "-m", "autoplayback.cli", *arguments],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Run(done.returncode, done.stdout, done.stderr)

    def python(self, *arguments: str, interpreter: Path | str = sys.executable, timeout: float = 150, **variables: str) -> Run:
        """Runs Python, recorded where `variables` say so."""
        done = subprocess.run(
            [str(interpreter), *arguments],
            cwd=self.folder,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Run(done.returncode, done.stdout, done.stderr)

    def tapes(self) -> list[dict[str, Any]]:
        """What `list` says, as a user sees it."""
        run = self.autoplayback("list", "--json")
        assert run.status == 0, run.err
        return [line for line in run.lines if "tape" in line]

    def replay(self, *arguments: str, timeout: float = 300) -> Replay:
        """Replays, and reads the results."""
        name = self.folder / "results.jsonl"
        name.unlink(missing_ok=True)
        run = self.autoplayback("replay", "--json", str(name), *arguments, timeout=timeout)
        lines = [json.loads(line) for line in name.read_text().splitlines()] if name.exists() else []
        results = [line for line in lines if "tape" in line]
        summary = next((line for line in lines if "summary" in line), {})
        return Replay(run.status, run.out, run.err, results, summary)

    @contextmanager
    def serving(
        self, command: Sequence[str], port: int, *, stop: int = signal.SIGTERM, **variables: str
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Runs a server recorded, from its first accepted connection to its end by `stop`; its log stays in `server.log`."""
        log = self.folder / "server.log"
        environment: Mapping[str, str] = self.environment(**{"AUTOPLAYBACK": "record", **variables})
        with processes.running(list(command), lambda: processes.listens(port), log, cwd=self.folder, env=environment) as process:
            yield process
            process.send_signal(stop)
            process.wait(30)
