"""Operation bodies to measure recording with: a usual request, many small calls, one large result, one large blob; and the
usual request with results that never repeat, since the recorder remembers documents that it found clean."""

from __future__ import annotations

import itertools
import random
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_random = random.Random(7)

Load = Callable[[Any], Any]


def _word(length: int) -> str:
    return "".join(_random.choices(string.ascii_lowercase, k=length))


def _record(i: int) -> dict[str, Any]:
    return {
        "id": i,
        "customer": _word(8),
        "email": _word(10) + "@example.com",
        "active": bool(i % 2),
        "score": _random.random(),
        "tags": [_word(5) for _ in range(6)],
        "address": {"street": _word(14), "city": _word(9), "zip": str(10000 + i)},
        "created": f"2026-01-{i % 28 + 1:02d}T10:00:00Z",
        "history": [{"at": j, "amount": _random.randint(1, 999), "currency": "EUR"} for j in range(8)],
        "note": _word(120),
    }


RECORDS = [_record(i) for i in range(64)]
_numbers = itertools.count()


def _fresh(k: int) -> dict[str, Any]:
    number = next(_numbers)
    return {**RECORDS[k % 64], "id": number, "note": f"{number:0120d}"}


ROWS = [
    {"id": i, "route": i % 40, "depart": i * 30, "arrive": i * 30 + 900, "cost": i * 0.25, "name": f"trip-{i}"}
    for i in range(10_000)
]
BLOB = _random.randbytes(65536) * 16


@dataclass(frozen=True)
class Workload:
    """`body(load, store, i)` makes `calls` calls to `load(key)` and `store(value)`, itself counted."""

    body: Callable[[Load, Load, int], Any]
    load: Load
    store: Load
    calls: int


def _api(load: Load, store: Load, i: int) -> Any:
    total = sum(load(k)["score"] for k in range(10))
    store({"total": total})
    store({"i": "done"})
    return {"total": total}


def _chatty(load: Load, store: Load, i: int) -> Any:
    return sum(load(k) for k in range(1000))


def _rows(load: Load, store: Load, i: int) -> Any:
    cost = sum(row["cost"] for row in load("rows"))
    store(cost)
    return cost


def _blob(load: Load, store: Load, i: int) -> Any:
    return len(load("blob"))


WORKLOADS = {
    "api": Workload(_api, lambda k: RECORDS[k % 64], lambda v: "key", 13),
    "fresh": Workload(_api, _fresh, lambda v: "key", 13),
    "chatty": Workload(_chatty, lambda k: k, lambda v: None, 1001),
    "rows": Workload(_rows, lambda k: ROWS, lambda v: None, 3),
    "blob": Workload(_blob, lambda k: BLOB, lambda v: None, 2),
}
