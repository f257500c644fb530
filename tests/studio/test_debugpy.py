"""`--debugpy PORT`: an editor attaches, before the sandbox closes, and stops at its breakpoints in the replayed operation."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.player.service import ROOT, Service

pytest.importorskip("debugpy")

CODE = """def load(key): return key
def send(value): pass
def operation(key):
    value = load(key)
    return value
"""


class Editor:
    """As much of the Debug Adapter Protocol as an editor needs to stop somewhere and look."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._file = self._socket.makefile("rb")
        self._sent = 0

    def ask(self, command: str, **arguments: Any) -> None:
        self._sent += 1
        body = json.dumps({"seq": self._sent, "type": "request", "command": command, "arguments": arguments}).encode()
        self._socket.sendall(b"Content-Length: %d\r\n\r\n" % len(body) + body)

    def until(self, wanted: str) -> dict[str, Any]:
        """The next answer to a command, or event, of that name."""
        for message in self._messages():
            if wanted in (message.get("event"), message.get("command")):
                return message
        raise AssertionError(f"no {wanted!r} came")

    def close(self) -> None:
        self._socket.close()

    def _messages(self) -> Iterator[dict[str, Any]]:
        while True:
            size = 0
            while line := self._file.readline().strip():
                size = int(line.split()[1])
            if not size:
                return
            yield json.loads(self._file.read(size))


def test_an_editor_attaches_and_stops(tmp_path: Path) -> None:
    """The breakpoint is hit, the value is the recorded one, and the verdict is as without a debugger."""
    service = Service(tmp_path, CODE)
    service.record("import svc; svc.operation(41)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "autoplayback.cli", "replay", "--debugpy", str(port)], cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    assert process.stdout is not None
    assert any("waiting for an editor" in line for line in process.stderr)
    editor = Editor(port)
    editor.ask("initialize", adapterID="test", pathFormat="path", linesStartAt1=True)
    editor.until("initialize")
    editor.ask("attach", justMyCode=False)
    editor.until("initialized")
    editor.ask("setBreakpoints", source={"path": str(tmp_path / "svc.py")}, breakpoints=[{"line": 5}])
    editor.until("setBreakpoints")
    editor.ask("configurationDone")
    thread = editor.until("stopped")["body"]["threadId"]
    editor.ask("stackTrace", threadId=thread)
    frame = editor.until("stackTrace")["body"]["stackFrames"][0]
    assert frame["name"] == "operation"
    editor.ask("evaluate", expression="value + 1", frameId=frame["id"])
    assert editor.until("evaluate")["body"]["result"] == "42"
    editor.ask("continue", threadId=thread)
    editor.until("terminated")
    editor.close()
    assert process.wait(30) == 0
