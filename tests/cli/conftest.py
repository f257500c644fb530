"""A command line in a process of its own, and a small shop for it to work on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from autoplayback.cassettes import open_cassette
from autoplayback.tape import ulid
from autoplayback.tape.model import Call, End, Outcome, Scalar, Tape, TargetNote
from autoplayback.tape.values import Encoder

ROOT = Path(__file__).parents[2]
MINUTE = 60 * 10**9

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A service: a package with an entry point, an input and an output, and its config."""
    files = {
        "orders/__init__.py": "",
        "orders/checkout.py": """\
from orders import mail, repo

class Checkout:
    def place(self, customer, items, *, note=None):
        total = sum(repo.load_price(item) for item in items)
        if total > 100:
            raise ValueError("too much")
        mail.send(customer, total)
        return {"total": total}

class NeedsRepo:
    def __init__(self, repo):
        self.repo = repo

    def place(self):
        return self.repo
""",
        "orders/repo.py": "def load_price(item):\n    return len(item) * 10\n",
        "orders/mail.py": "def send(to, total):\n    print('mail to', to)\n",
        "main.py": "from orders.checkout import Checkout\nprint(Checkout().place('acme', ['a', 'bb']))\n",
        "autoplayback.yaml": """\
operations:
  - target: orders.checkout:Checkout.place
    name: place_order
    metadata: {customer: customer, total: result.total}
inputs:
  - target: orders.repo:load_*
outputs:
  - target: orders.mail:send
""",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def command(shop: Path) -> Command:
    """Runs `autoplayback ARGS` in the shop's folder, in a process of its own."""

    def run(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("AUTOPLAYBACK")}
        return subprocess.run(
            [sys.executable, "-m", "autoplayback.cli", *arguments], cwd=cwd or shop, text=True, capture_output=True, timeout=120,
            env={**clean, "PYTHONPATH": str(ROOT), "COLUMNS": "100", **environment},
        )

    return run


def tape(
    operation: str = "place_order", *, age: int = 0, raised: bool = False, metadata: dict[str, Scalar] | None = None,
    body: object = "hello",
) -> Tape:
    """A tape of one operation with two calls, `age` minutes old."""
    encoder = Encoder()
    started = 1_790_000_000 * 10**9 - age * MINUTE
    entry = TargetNote(operation, "operation", "orders.checkout", "Checkout.place", (("customer", 1), ("items", 1)))
    price = TargetNote("repo.load_price", "input", "orders.repo", "load_price", (("item", 1),))
    send = TargetNote("mail.send", "output", "orders.mail", "send", (("to", 1), ("body", 1)))

    def returned(value: object) -> Outcome:
        return Outcome(End.RETURNED, encoder.encode(value))

    return Tape(
        id=ulid.new(started), operation=operation, target=entry, shape="function", started=started, duration=7_000_000, seed=1,
        receiver=None, arguments=encoder.arguments(("acme",), {"items": ("bolt",)}),
        calls=(
            Call(0, price, None, encoder.arguments(("bolt",), {}), returned(40), 1_000_000, 2_500_000),
            Call(1, send, None, encoder.arguments(("acme",), {"body": body}), returned(None), 4_000_000, 90_000),
        ),
        outcome=Outcome(End.RAISED, encoder.encode(ValueError("too much"))) if raised else returned({"total": 40}),
        metadata=metadata or {}, environment={"service": "shop", "host": "web-1", "pid": 7},
    )


@pytest.fixture
def recorded(shop: Path) -> list[Tape]:
    """Four tapes in the shop's default folder, oldest first."""
    tapes = [
        tape(age=30, metadata={"customer": "acme", "total": 40}),
        tape(age=20, raised=True, metadata={"customer": "globex"}),
        tape("cancel_order", age=10, metadata={"customer": "acme", "note": "\x1b[31mred\n"}),
        tape(age=0, metadata={"customer": "initech", "total": 12.5}, body="x" * 5000),
    ]
    cassette = open_cassette(str(shop / ".autoplayback/tapes"))
    cassette.add(tapes)
    cassette.close()
    return tapes
