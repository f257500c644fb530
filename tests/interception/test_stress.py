"""64 operations at once, of every kind, a hundred calls each: none lost, doubled or crossed."""

from __future__ import annotations

import asyncio
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from autoplayback.interception.context import current
from tests.interception.conftest import operation

SERVICE = '''
import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

pool = ThreadPoolExecutor(8)

def load(op, n): return (op, n)
async def aload(op, n):
    if n % 10 == 0: await asyncio.sleep(0)
    return (op, n)
def stream(op, ns):
    for n in ns: yield (op, n)
async def astream(op, ns):
    for n in ns:
        if n % 10 == 0: await asyncio.sleep(0)
        yield (op, n)
class Repo:
    def get(self, op, n): return (op, n)

def plain(op):
    return [load(op, n) for n in range(100)]
def pooled(op):
    return [f.result() for f in [pool.submit(load, op, n) for n in range(100)]]
def threaded(op):
    got = []
    def some(ns): got.extend(load(op, n) for n in ns)
    threads = [threading.Thread(target=some, args=(range(k, 100, 2),)) for k in range(2)]
    for t in threads: t.start()
    for t in threads: t.join()
    return sorted(got)
def nested(op):
    return [Repo().get(op, n) for n in range(50)] + inner(op)
def inner(op):
    return [load(op, n) for n in range(50, 100)]
def streamed(op):
    """Ten interleaved generators of ten calls' worth each: ten calls of ten items."""
    streams = [stream(op, range(k * 10, k * 10 + 10)) for k in range(10)]
    return sorted(item for items in zip(*streams) for item in items)
def generating(op):
    for n in range(100): yield load(op, n)
async def aplain(op):
    return [await aload(op, n) for n in range(100)]
async def gathered(op):
    return list(await asyncio.gather(*(aload(op, n) for n in range(100))))
async def mixed(op):
    got = [await asyncio.to_thread(load, op, n) for n in range(10)]
    got += [item async for item in astream(op, range(10, 20))]
    got += await asyncio.gather(*(asyncio.get_running_loop().run_in_executor(pool, load, op, n) for n in range(20, 100)))
    return got
async def agenerating(op):
    for n in range(100): yield await aload(op, n)
'''
SYNC = ("plain", "pooled", "threaded", "nested", "streamed", "generating")
ASYNC = ("aplain", "gathered", "mixed", "agenerating")


def run_sync(m, kind, op):
    result = getattr(m, kind)(op)
    return list(result) if kind == "generating" else result


async def run_async(m, kind, op):
    result = getattr(m, kind)(op)
    return [item async for item in result] if kind == "agenerating" else await result


def numbers(page):
    """The (operation, n) pairs that a page's calls speak of, streams by their items."""
    return sorted(pair for call in page.calls for pair in (call.items or [call.value]))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [7])
def test_ten_thousand_operations(service, intercept, notebook, seed):
    """Half in 32 threads, half as 32 tasks on a loop beside them, kinds at random."""
    total = 10_000
    _run(service, intercept, notebook, seed, total)


def test_six_hundred_operations(service, intercept, notebook):
    """The same, short enough for every run."""
    _run(service, intercept, notebook, 1, 600)


def _run(service, intercept, notebook, seed, total):
    m = service.module(SERVICE)
    name = m.__name__
    intercept(
        *(operation(f"{name}:{kind}") for kind in (*SYNC, *ASYNC, "inner")),
        *(f"{name}:{target}" for target in ("load", "aload", "stream", "astream", "Repo.get")),
    )
    rng = random.Random(seed)
    plan = [(op, rng.choice(SYNC if op % 2 else ASYNC)) for op in range(total)]
    results: dict[int, list] = {}

    def aside():
        async def worker(queue):
            while queue:
                op, kind = queue.pop()
                results[op] = await run_async(m, kind, op)
                assert current.get() is None

        async def main():
            queue = [entry for entry in plan if entry[1] in ASYNC]
            await asyncio.gather(*(worker(queue) for _ in range(32)))

        asyncio.run(main())

    loop = threading.Thread(target=aside)
    loop.start()
    with ThreadPoolExecutor(32) as threads:
        jobs = {op: threads.submit(run_sync, m, kind, op) for op, kind in plan if kind in SYNC}
        for op, job in jobs.items():
            results[op] = job.result()
    loop.join()
    m.pool.shutdown()

    assert len(notebook.pages) == total
    for op, _ in plan:
        assert results[op] == [(op, n) for n in range(100)]
    seen = set()
    for page in notebook.pages:
        (op,) = page.heard.args
        seen.add(op)
        assert page.heard.ended == 1
        assert numbers(page) == [(op, n) for n in range(100)], page.heard.name
        assert all(call.ended == 1 for call in page.calls)
        expected = page.heard.items or page.heard.value
        assert expected == [(op, n) for n in range(100)]
    assert len(seen) == total
