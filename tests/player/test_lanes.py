"""Who made which call of a replay: threads and tasks, numbered alike each time."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from autoplayback.equalizer import Verdict
from autoplayback.player.lanes import Lanes
from tests.player.service import Service


def test_one_thread_needs_no_telling() -> None:
    """The usual tape has nothing more on it than before."""
    lanes = Lanes()
    lanes.enter()
    for _ in range(3):
        lanes.note()
    assert lanes.told() == ()


def test_the_operations_own_thread_is_lane_0() -> None:
    """Also where another makes the first call, or all of them."""
    lanes = Lanes()
    lanes.enter()
    other = threading.Thread(target=lanes.note)
    other.start()
    other.join()
    assert lanes.told() == (1,)
    lanes.note()
    assert lanes.told() == (1, 0)


def test_threads_and_tasks_are_told_apart() -> None:
    """In the order of their first calls; a task's thread is not the task."""
    lanes = Lanes()
    lanes.note()
    other = threading.Thread(target=lanes.note)
    other.start()
    other.join()

    async def twice() -> None:
        lanes.note()
        await asyncio.sleep(0)
        lanes.note()

    async def both() -> None:
        await asyncio.gather(twice(), twice())

    asyncio.run(both())
    lanes.note()
    assert lanes.told() == (0, 1, 2, 3, 2, 3, 0)


CODE = """
import asyncio, random, time
from concurrent.futures import ThreadPoolExecutor

def load(n): time.sleep(random.random() * 0.004); return n
def charge(n): time.sleep(random.random() * 0.003)
def reserve(n): time.sleep(random.random() * 0.003)
async def fetch(n): await asyncio.sleep(random.random() * 0.01); return n

def plain():
    charge(1)
    reserve(1)

def pooled():
    def work(n):
        load(n)
        charge(n)
        reserve(n)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(6)))
    charge(100)
    reserve(100)

async def gathered():
    async def one(n):
        await fetch(n)
        charge(n)
        reserve(n)
    await asyncio.gather(*map(one, range(4)))
    charge(100)
    reserve(100)
"""
CONFIG = """
operations: [{target: "svc:plain"}, {target: "svc:pooled"}, {target: "svc:gathered"}]
inputs: [{target: "svc:load"}, {target: "svc:fetch"}]
outputs: [{target: "svc:charge"}, {target: "svc:reserve"}]
compare: {unordered: ["outputs.svc:charge", "outputs.svc:reserve"]}
"""


def test_unchanged_code_keeps_its_order_and_changed_code_does_not(tmp_path: Path) -> None:
    """Whatever a pool's threads and gathered tasks do at replay; what comes after them has an order."""
    service = Service(tmp_path, CODE, CONFIG)
    service.record("import asyncio, svc\nfor _ in range(6): svc.plain(); svc.pooled(); asyncio.run(svc.gathered())")
    for _ in range(3):
        results = service.replay()
        assert [(result.operation, result.verdict) for result in results if result.verdict is not Verdict.EQUAL] == []
    for n in ("1", "100"):
        changed = f"reserve({n})\n    charge({n})"
        service.code(CODE.replace(f"charge({n})\n    reserve({n})", changed))
        assert {(result.operation, result.differences[0].at) for result in service.replay() if result.differences} == (
            {("svc:plain", "order")} if n == "1" else {("svc:pooled", "order"), ("svc:gathered", "order")}
        )
