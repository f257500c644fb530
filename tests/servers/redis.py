"""A real Redis that writes nothing to disk."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import processes


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of a server of this run's own."""
    with processes.folder("redis-") as folder:
        port = processes.free_port()
        command = [
            processes.binary("redis-server"),
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            str(folder),
        ]
        with processes.running(command, lambda: processes.listens(port), folder / "log"):
            yield f"redis://127.0.0.1:{port}/0"
