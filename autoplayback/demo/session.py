"""The three moves on the bundled shop, each in a process of its own as a user would make them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from autoplayback.errors import AutoplaybackError

SHOP = Path(__file__).parent / "shop"
_START_SECONDS = 15
_CUSTOMERS = ("ann", "bob", "eve")


class DemoError(AutoplaybackError):
    """The demo's own service didn't start, or was stopped from outside."""


def lay(folder: Path) -> Path:
    """Copies the shop into a new folder, beside any that an earlier demo left, and gives it a database."""
    number = 1
    target = folder
    while target.exists():
        number += 1
        target = folder.with_name(f"{folder.name}-{number}")
    shutil.copytree(SHOP, target, ignore=shutil.ignore_patterns("__pycache__"))
    connection = sqlite3.connect(target / "shop.db")
    connection.executescript((target / "schema.sql").read_text())
    connection.close()
    return target


def record(folder: Path) -> int:
    """Runs the shop as it is under AUTOPLAYBACK=record and uses it; the number of requests made."""
    rates, shop = _free_port(), _free_port()
    environment = {
        **os.environ,
        "AUTOPLAYBACK": "record",
        "AUTOPLAYBACK_CONFIG": str(folder / "autoplayback.yaml"),
        "SHOP_DATABASE": str(folder / "shop.db"),
        "SHOP_RATES": f"http://127.0.0.1:{rates}",
    }
    neighbour = {name: value for name, value in environment.items() if not name.startswith("AUTOPLAYBACK")}
    with (
        _serving([sys.executable, "rates.py", str(rates)], rates, folder, neighbour, folder / "rates.log"),
        _serving([sys.executable, "../serve.py", str(shop)], shop, folder / "before", environment, folder / "shop.log"),
    ):
        return sum(_ask(f"http://127.0.0.1:{shop}", *request) for request in _traffic())


def replay(folder: Path, *arguments: str) -> int:
    """Runs `autoplayback replay --workdir after` in the folder, its report going to the terminal; the exit status."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AUTOPLAYBACK")}
    command = [sys.executable, "-m", "autoplayback.cli", "replay", "--workdir", "after", "--json", "results.jsonl", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


def results(folder: Path) -> list[dict[str, Any]]:
    """The replay's results, a line a tape."""
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    return [line for line in lines if "tape" in line]


def _traffic() -> Iterator[tuple[str, str, dict[str, Any] | None]]:
    """What the shop's customers do: mostly ordinary, with an order of exactly ten and a product nobody sells."""
    for currency in ("USD", "EUR", "GBP", "ILS"):
        yield "GET", "/products", None
        for product in (1, 2, 3):
            yield "GET", f"/product?id={product}&currency={currency}", None
    for number, customer in enumerate(_CUSTOMERS):
        for quantity in (1, 2 + number, 12):
            yield "POST", "/order", {"customer": customer, "product": 1 + (quantity + number) % 5, "quantity": quantity}
    yield "POST", "/order", {"customer": "ann", "product": 3, "quantity": 10}
    yield "GET", "/product?id=77&currency=EUR", None
    yield "GET", "/orders?customer=bob", None
    yield "GET", "/nowhere", None


def _ask(url: str, method: str, path: str, body: dict[str, Any] | None) -> int:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()
    except urllib.error.HTTPError as error:  # the shop's own 404 and 500 are part of the show
        error.read()
    return 1


@contextmanager
def _serving(command: list[str], port: int, folder: Path, environment: dict[str, str], log: Path) -> Iterator[None]:
    with open(log, "wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
    try:
        until = time.monotonic() + _START_SECONDS
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > until:
                raise DemoError(f"{' '.join(command[1:])} didn't start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
