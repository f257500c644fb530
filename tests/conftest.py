"""What all tests share: the servers, a process untouched by the caller's environment, and which tests are slow."""

from __future__ import annotations

import os

import pytest

pytest_plugins = ["tests.servers.chromium", "tests.servers.postgres", "tests.servers.redis", "tests.servers.seaweedfs"]

_SERVERS = {"bucket", "chromium", "postgres", "redis_url", "seaweedfs"}

# A developer's shell may itself be recorded, or point at real tapes and a real bucket.
for _name in [name for name in os.environ if name.startswith(("AUTOPLAYBACK", "AWS_"))]:
    del os.environ[_name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks as slow what needs a server or is a journey, and starts with that: the longest must not come last."""
    for item in items:
        if "journeys" in item.path.parts or _SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
