"""A run of many kinds, judged by the real equalizer, for the reports to show."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from autoplayback.config.settings import Compare, Metric
from autoplayback.equalizer import compare
from autoplayback.studio import results
from autoplayback.studio.results import Result
from autoplayback.tape.model import Miss
from tests.equalizer.tapes import Raises, Sent, replay, tape

HOSTILE = "</script><img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
CUSTOMERS = ("acme", "globex", "initech", "umbrella")
RULES = Compare(metrics={"result.cost": Metric(better="lower", tolerance="1%")}, ignore=["result.trace_id"])


def ulid(number: int) -> str:
    """An id that looks like one."""
    return f"01JD{number:022d}"


def order(rng: random.Random, number: int) -> dict[str, Any]:
    """A result as a service would give it."""
    lines = [
        {"sku": f"SKU-{rng.randrange(900):03}", "quantity": rng.randrange(1, 9), "price": round(rng.uniform(2, 90), 2)}
        for _ in range(14)
    ]
    return {
        "id": number,
        "customer": rng.choice(CUSTOMERS),
        "items": lines,
        "total": 412.5,
        "cost": round(rng.uniform(80, 130), 3),
        "trace_id": rng.random(),
        "note": "Leave it at the door,\nring twice.\nThank you.",
    }


def run(count: int, seed: int = 1) -> Iterator[Result]:
    """So many results: mostly equal, with each of the other verdicts among them."""
    rng = random.Random(seed)
    for number in range(count):
        result = order(rng, number)
        metadata = {"customer": result["customer"], "lines": len(result["items"])}
        new = dict(result, trace_id=rng.random(), cost=result["cost"] * (1 + rng.gauss(0.004, 0.002)))
        calls = [Sent("orders.repo:load", {"sku": line["sku"]}, "input", line) for line in result["items"][:9]]
        calls.append(Sent("mail.send", {"to": f"{result['customer']}@example.com", "subject": f"Order {number}"}))
        common: dict[str, Any] = {"id": ulid(number), "metadata": metadata, "duration": int(rng.lognormvariate(16, 1))}
        recorded = tape(result, *calls, **common)
        faster = {**common, "duration": int(common["duration"] * rng.uniform(0.2, 1.4))}
        kind = number % 40
        if kind == 3:
            new["total"] = 411.0
            replayed = replay(new, *calls, **faster)
        elif kind in (7, 8):
            new["items"] = [
                dict(line, price=round(line["price"] * 1.1, 2)) if place == 4 else line for place, line in enumerate(new["items"])
            ]
            new["note"] = new["note"].replace("twice", "once")
            replayed = replay(
                new, *calls[:-1], Sent("mail.send", {"to": calls[-1].args["to"], "subject": f"Your order {number}"}), **faster
            )
        elif kind == 11:
            miss = Miss(
                "unanswered",
                "orders.repo:load_stock",
                "orders.repo:load_stock(sku='SKU-007', warehouse='north') is not on the tape",
                "orders/checkout.py:42 in place",
                "orders.repo:load(sku='SKU-007'); 1 of 1 used",
                "inputs:\n  - target: orders.repo:load_stock\n    on_missing: call",
                at=5,
            )
            replayed = replay(Raises(RuntimeError("no stock")), *calls[:5], misses=[miss], **faster)
        elif kind == 15:
            replayed = replay(Raises(KeyError("discount")), *calls[:4], **faster)
        elif kind == 19:
            recorded, replayed = (
                tape(Raises(ZeroDivisionError("division by zero")), *calls[:3], **common),
                replay(new, *calls[:3], **faster),
            )
        elif kind == 23:
            new["cost"] = result["cost"] * 1.03
            replayed = replay(new, *calls, **faster)
        elif kind == 27:
            new["cost"] = result["cost"] * 0.96
            replayed = replay(new, *calls, **faster)
        elif kind == 31:
            yield results.failure(
                ulid(number), "place_order", "the replay took longer than 30 s and was ended", recorded=recorded
            )
            continue
        elif kind == 35:
            new["items"] = [*new["items"][:3], {"sku": HOSTILE, "quantity": 1, "price": 0.0}, *new["items"][3:]]
            replayed = replay(new, *calls, **faster)
        else:
            replayed = replay(new, *calls, **faster)
        yield results.of(recorded, replayed, compare(recorded, replayed, RULES))
