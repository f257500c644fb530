"""What a tape says of the process that made it, so that a replay can be told from another world."""

from __future__ import annotations

import os
import platform
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autoplayback.originals import open, process_id


class Environment:
    """The facts of this process, gathered once per process id and copied onto each tape."""

    def __init__(self, service: str, variables: Sequence[str]) -> None:
        """`variables` are the environment variables whose values the config wants on the tape."""
        self._service = service
        self._variables = tuple(variables)
        self._pid = -1
        self._facts: dict[str, Any] = {}

    def __call__(self) -> Mapping[str, Any]:
        """The facts; read again after a fork, never on each request."""
        if process_id() != self._pid:
            self._facts = self._gather()
            self._pid = process_id()
        if self._variables:
            return {**self._facts, "variables": {name: os.environ.get(name) for name in self._variables}}
        return self._facts

    def _gather(self) -> dict[str, Any]:
        return {
            "service": self._service,
            "python": platform.python_version(),
            "implementation": sys.implementation.name,
            "platform": sys.platform,
            "host": socket.gethostname(),
            "pid": process_id(),
            "hash_seed": os.environ.get("PYTHONHASHSEED", "random"),
            "time_zone": list(time.tzname),
            "tz": os.environ.get("TZ"),
            "code": code_version(Path.cwd()),
        }


def code_version(folder: Path) -> str | None:
    """The version of the code being run: AUTOPLAYBACK_CODE_VERSION, else the commit that git has checked out here.

    Read from git's files, since starting a process is not ours to do inside a service.
    """
    if named := os.environ.get("AUTOPLAYBACK_CODE_VERSION"):
        return named
    for parent in (folder, *folder.parents):
        head = parent / ".git" / "HEAD"
        try:
            with open(head, encoding="utf-8") as file:
                text = file.read(4096).strip()
            if not text.startswith("ref: "):
                return text or None
            with open(parent / ".git" / text[5:], encoding="utf-8") as file:
                return file.read(64).strip() or None
        except OSError:
            continue
    return None
