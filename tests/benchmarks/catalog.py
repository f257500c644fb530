"""How fast the right tapes are found among a million: `python tests/benchmarks/catalog.py [ROWS]` prints the figures.

The rows are real ones: they go through a segment's entries and footer into the catalog, as `list` would take them from a folder
of that many tapes; only the tapes themselves are empty. Absolute times mean nothing elsewhere; compare within one run.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path

from autoplayback.cassettes.catalog import Catalog
from autoplayback.cassettes.query import Query
from autoplayback.config.notations import condition
from autoplayback.tape import segment, ulid
from autoplayback.tape.segment import EntryWriter, Located

DAY = 86_400_000_000_000
DAYS = 30
PER_SEGMENT = 6_000
OPERATIONS = [f"operation_{number}" for number in range(10)]


def segments(rows: int, now: int):
    """(name, stamp, rows) of footers written and read by the format's own code."""
    writer, draw = EntryWriter(), random.Random(1)
    for first in range(0, rows, PER_SEGMENT):
        packed, offsets, lengths, at = [], [], [], 100
        for number in range(first, min(rows, first + PER_SEGMENT)):
            started = now - DAYS * DAY + number * DAYS * DAY // rows
            entry = writer.entry(ulid.new(started), draw.choice(OPERATIONS), started, draw.expovariate(1.0),
                                 "raised" if draw.random() < 0.1 else "returned", draw.randrange(40),
                                 {"customer": f"customer-{min(int(draw.paretovariate(0.7)), 500)}", "total": number}, b"")
            packed.append(entry.row)
            offsets.append(at)
            lengths.append(len(entry.data))
            at += len(entry.data)
        tail = segment.trailer(packed, offsets, lengths, at)
        offset, length = segment.index_range(tail[-segment.FOOTER_BYTES:], at + len(tail))
        found: list[Located] = segment.read_index(tail[offset - at:offset - at + length], offset)
        yield f"{ulid.new(now)}.tapes", "1-1", found


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    now = time.time_ns()
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog("benchmark", Path(folder))
        seconds = 0.0
        for footer in segments(rows, now):
            started = time.perf_counter()
            catalog.update([footer])
            seconds += time.perf_counter() - started
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        print(f"{rows:,} rows catalogued in {seconds:.1f} s, {size / 1e6:.0f} MB")
        catalog.close()
        week, one = now - 7 * DAY, ("operation_3",)
        questions = {
            "200 of 7 days, one operation, slower than 2 s, errors, uniform over customers":
                Query(one, since=week, where=(condition("seconds>2"), condition("outcome=raised")), sample=200, by="customer"),
            "200 of 7 days, one operation, uniform over customers": Query(one, since=week, sample=200, by="customer"),
            "100 newest": Query(limit=100),
            "100 newest of one operation": Query(one, limit=100),
            "one customer of 7 days, any operation": Query(since=week, where=(condition("customer=customer-77"),)),
            "one customer, any time": Query(where=(condition("customer=customer-77"),)),
            "200 of all": Query(sample=200),
        }
        for text, query in questions.items():
            times, found = [], 0
            for _ in range(3):
                started = time.perf_counter()
                found = sum(1 for _ in catalog.choose(query))
                times.append(time.perf_counter() - started)
                catalog.close()
            print(f"{min(times) * 1000:8.0f} ms (first {times[0] * 1000:.0f})  {found:6,} found  {text}")


if __name__ == "__main__":
    main()
