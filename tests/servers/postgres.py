"""A real PostgreSQL with an empty database."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import processes

_FOLDERS = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a database of this run's own."""
    user = "postgres" if os.geteuid() == 0 else None  # PostgreSQL refuses to be root
    with processes.folder("postgres-", user) as folder:
        data, log, port = folder / "data", folder / "log", processes.free_port()
        subprocess.run(
            [processes.binary("initdb", *_FOLDERS), "-D", str(data), "-U", "app", "--auth=trust", "--no-sync", "-E", "UTF8"],
            user=user,
            cwd=folder,
            check=True,
            capture_output=True,
        )
        command = [
            processes.binary("postgres", *_FOLDERS),
            "-D",
            str(data),
            "-p",
            str(port),
            "-h",
            "127.0.0.1",
            "-k",
            str(folder),
            "-c",
            "fsync=off",
            "-c",
            "full_page_writes=off",
        ]
        url = f"postgresql://app@127.0.0.1:{port}/postgres"
        with processes.running(command, lambda: _answers(url), log, user=user, cwd=folder):
            yield url


def _answers(url: str) -> bool:
    import psycopg

    try:
        with psycopg.connect(url, connect_timeout=2) as connection:
            return connection.execute("select 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False
