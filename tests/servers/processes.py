"""Servers as child processes of the tests: on free ports, with throw-away data, and never outliving the run."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def binary(name: str, *folders: str) -> str:
    """The path of a program. Its absence fails the test: tests/run installs what it needs, so nothing is skipped in silence."""
    found = shutil.which(name, path=os.pathsep.join([*folders, os.environ.get("PATH", "")]))
    if found is None:
        pytest.fail(f"{name} isn't installed; `bash tests/run` installs it")
    return found


def free_port() -> int:
    """A port of the loopback interface that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def folder(prefix: str, owner: str | None = None) -> Iterator[Path]:
    """A throw-away folder, given to another user where the server refuses to run as root."""
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as name:
        if owner is not None:
            shutil.chown(name, owner, owner)
        yield Path(name)


@contextmanager
def running(
    command: list[str], ready: Callable[[], bool], log: Path, *, seconds: float = 60, user: str | None = None, **options: object
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a server until the block ends. Raises with its log where it isn't ready within `seconds`.

    Linux kills it when the tests die without cleaning up (a timeout ends their process at once).
    """
    guard = [] if shutil.which("setpriv") is None else ["setpriv", "--pdeathsig", "KILL"]
    if user is not None:
        guard += [f"--reuid={user}", f"--regid={user}", "--init-groups"]
    with open(log, "ab") as output:
        process = subprocess.Popen([*guard, *command], stdout=output, stderr=output, stdin=subprocess.DEVNULL, **options)  # type: ignore[call-overload]
    try:
        until = time.monotonic() + seconds
        while not ready():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{command[0]} didn't come up:\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.05)
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes], seconds: float = 10) -> None:
    """Ends a child: asked first, then made to."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def listens(port: int) -> bool:
    """Whether somebody accepts connections on a port of the loopback interface."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
