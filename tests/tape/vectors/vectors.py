"""What the stored documents beside this file mean. `python -m tests.tape.vectors.vectors` stores those that aren't there yet:
what is
stored is never written again, since tapes like it are out in the world."""

from __future__ import annotations

import collections
import datetime
import decimal
import json
import math
import uuid
import zoneinfo
from pathlib import Path
from typing import Any

from autoplayback.tape import payload, segment
from autoplayback.tape.model import Call, End, HandleNote, Miss, Outcome, Playback, Summary, Tape, TargetNote
from autoplayback.tape.values import Encoder
from tests.tape import independent_reader
from tests.tape.samples import Access, Box, Cents, Color, Headers, Key, Line, Names, Pair, Plain, Point, Refused, greet


def _shared() -> Any:
    inner: list[Any] = [1]
    holder = Plain(a=inner, b={"again": inner}, rows=[(i, "x") for i in range(9)], points=[Point(i, None) for i in range(9)])
    holder.me = (holder, holder.points[3], inner)
    return holder


def _deep() -> Any:
    value: Any = "bottom"
    for _ in range(150):
        value = [value]
    return value


def _error() -> BaseException:
    error = Refused(404, "gone")
    error.__cause__ = KeyError("k")
    error.add_note("note")
    return error


VALUES: dict[str, Any] = {
    "atoms": [None, True, False, 0, -1, 127, 128, -33, 2**63, 1.5, -0.0, math.inf, "zoë", b"\xff"],
    "integers": [2**64, -(2**63) - 1, 2**200, -(2**200)],
    "nan": math.nan,
    "surrogate": ["a\ud800", {"\udc00": 1}],
    "containers": {"list": [[]], "tuple": (1, ()), "set": {5}, "frozenset": frozenset(["a"]), "dict": {1: "a", (2,): None}},
    "bytearray": bytearray(b"x"),
    "object": Plain(a=1, b=[Plain()]),
    "record": [Line("s", decimal.Decimal("1.10")), Point(1), Box("b")],
    "namedtuple": Pair(1, [2]),
    "subclasses": [Key("k"), Cents(5), Names([1]), Headers({"a": 1}), Headers({1: 2})],
    "mappings": [
        collections.OrderedDict(b=1, a=2),
        collections.Counter("ab"),
        collections.defaultdict(list, a=[1]),
        collections.deque([1], 3),
    ],
    "enum": [Color.RED, Color.GREEN, Access.READ | Access.WRITE],
    "exception": _error(),
    "group": ExceptionGroup("g", [OSError(2, "no", "f")]),
    "references": [Plain, greet, len, int],
    "times": [
        datetime.datetime(2026, 1, 2, 3, 4, 5, 6),
        datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
        datetime.date(2026, 1, 2),
        datetime.datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
        datetime.timedelta(1, 2, 3),
    ],
    "others": [uuid.UUID(int=1), 1 + 2j, range(3), slice(1, None), ...],
    "table of tuples": [(i, f"row {i}", None) for i in range(12)],
    "table of instances": [Point(i, "y") for i in range(12)],
    "table of maps": [{"id": i, "name": f"row {i}", "cost": i / 4 if i % 2 else i, "note": None, "odd": b"x"} for i in range(70)],
    "shared": _shared(),
    "deep": _deep(),
}

_OPERATION = TargetNote("vector", "operation", "shop.orders", "place", (("order", 1), ("rest", 2)))
_LOAD = TargetNote("repo.load", "input", "shop.repo", "Repo.load", (("id", 1), ("k", 3)))
TAPE = Tape(
    id="01JQZ0000000000000000000V1",
    operation="vector",
    target=_OPERATION,
    shape="function",
    started=1_790_000_000_000_000_000,
    duration=5_000_000,
    seed=2**100,
    receiver=None,
    arguments=Encoder().arguments((), {}),
    calls=(
        Call(
            0, _LOAD, None, Encoder().arguments((1,), {"k": (2,)}), Outcome(End.RETURNED, Encoder().encode({"id": 1})), 1000, 2000
        ),
        Call(
            1,
            _LOAD,
            1,
            Encoder().arguments((), {}),
            Outcome(End.CLOSED, b"", (Encoder().encode("a"), Encoder().encode("b"))),
            3000,
            10,
        ),
    ),
    outcome=Outcome(End.RAISED, Encoder().encode(ValueError("x"))),
    metadata={"customer": "acme", "total": 1.5},
    environment={"python": "3.11.7"},
    notes=(("key", Encoder().encode([1])),),
    handles=(HandleNote(1, "repo.connect", "shop.repo:Connection", None, Encoder().arguments((), {})),),
    opaque=("_thread:lock",),
    playback=Playback(
        answered=1,
        unused=0,
        unanswered=1,
        misses=(Miss("unanswered", "repo.load", "no such call", at=1),),
        matched=((0, 0, "exact"),),
        boundary=("audit hook",),
        ran=True,
    ),
)


def main() -> None:
    """Stores what isn't stored yet."""
    here = Path(__file__).parent
    file = here / "values.json"
    stored = json.loads(file.read_text()) if file.exists() else {}
    for name, value in VALUES.items():
        document = Encoder().encode(value)
        stored.setdefault(name, {"document": document.hex(), "json": independent_reader.value(document)})
    file.write_text(json.dumps(stored, indent=1) + "\n")
    tape = here / "payload.msgpack"
    if not tape.exists():
        tape.write_bytes(payload.dump(TAPE))
    container = here / "segment.tapes"
    if not container.exists():
        container.write_bytes(_segment([payload.dump(TAPE)] * 2))


def _segment(payloads: list[bytes]) -> bytes:
    """A sealed segment of these payloads."""
    writer, start = segment.EntryWriter(), segment.header({"service": "vectors", "created": 0})
    summary = Summary(TAPE.id, TAPE.operation, TAPE.started, 0.005, "raised", 2, 0, dict(TAPE.metadata))
    entries = [writer.of(summary, data) for data in payloads]
    lengths = [len(entry.data) for entry in entries]
    offsets = [len(start) + sum(lengths[:i]) for i in range(len(lengths))]
    body = start + b"".join(entry.data for entry in entries)
    return body + segment.trailer([entry.row for entry in entries], offsets, lengths, len(body))


if __name__ == "__main__":
    main()
