"""A service of a few functions, recorded in a process of its own against a real server, and replayed when that is gone."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.journeys.moves import Project, Replay

_RUN = """
import asyncio, inspect, sys, service
for name in sys.argv[2:]:
    function = getattr(service, name)
    try:
        result = function(sys.argv[1])
        if inspect.iscoroutine(result):
            result = asyncio.run(result)
        print(name, result)
    except Exception as error:
        print(name, 'raised', type(error).__name__, error)
"""


class Story:
    """Each function `def name(at)` of the service's text is an operation; `at` is where the server is."""

    def __init__(
        self, folder: Path, service: str, *, presets: Sequence[str], more: str = "", interpreter: Path | str = sys.executable
    ) -> None:
        self.names = re.findall(r"^(?:async )?def (\w+)\(at\)", service, re.MULTILINE)
        operations = "".join(f"  - {{target: 'service:{name}', name: {name}}}\n" for name in self.names)
        inputs = "".join(f"  - preset: {preset}\n" for preset in presets) or "  []\n"
        self.interpreter = interpreter
        self.service = service
        self.project = Project(folder, f"operations:\n{operations}inputs:\n{inputs}{more}", service=service)

    def record(self, at: str, *names: str, **variables: str) -> dict[str, str]:
        """Calls the functions recorded, in one process; what each returned or raised, as text."""
        run = self.project.python(
            "-c", _RUN, at, *(names or self.names), AUTOPLAYBACK="record", interpreter=self.interpreter, **variables
        )
        assert run.status == 0, run.err[-3000:]
        assert "autoplayback:" not in run.err, run.err[-3000:]
        return dict(line.partition(" ")[::2] for line in run.out.splitlines() if " " in line)

    def plain(self, at: str, *names: str) -> dict[str, str]:
        """The same without recording."""
        run = self.project.python("-c", _RUN, at, *(names or self.names), interpreter=self.interpreter)
        assert run.status == 0, run.err[-3000:]
        return dict(line.partition(" ")[::2] for line in run.out.splitlines() if " " in line)

    def replay(self, *arguments: str) -> Replay:
        """Replays all tapes."""
        return self.project.replay("--python", str(self.interpreter), *arguments)

    def changed(self, *changes: tuple[str, str]) -> dict[str, dict[str, Any]]:
        """Replays after replacing text in the service; results by operation."""
        text = self.service
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        self.project.write("service.py", text)
        try:
            return {result["operation"]: result for result in self.replay().results}
        finally:
            self.project.write("service.py", self.service)

    def assert_all_equal(self) -> list[dict[str, Any]]:
        """Replays, and holds each result against what a pass promises."""
        replay = self.replay()
        told = "\n".join(
            f"{r['operation']}: {r['verdict']}, {r['reason']}, {r.get('misses')}, {r['differences']}, {r['calls']}"[:1500]
            for r in replay.results
            if r["verdict"] != "equal" or r["calls"]["answered"] != r["calls"]["recorded"]
        )
        assert not told, told
        assert replay.verdicts == {"equal": len(self.project.tapes())}, replay.err[-2000:]
        for result in replay.results:
            assert result["calls"]["unused"] == result["calls"]["unanswered"] == 0, result
        return replay.results
