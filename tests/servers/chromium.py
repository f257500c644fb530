"""A real browser: the system's Chromium, driven by Playwright."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers import processes


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Playwright's `Browser`, a module's own: while it lives an event loop runs, and other modules' asyncio.run would fail."""
    from playwright.sync_api import sync_playwright

    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=processes.binary("chromium", "/usr/lib/chromium"), args=options)
        try:
            yield browser
        finally:
            browser.close()
