"""The same tape on the same code is the same replay, a hundred times over: byte by byte, but for measured times."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from autoplayback.studio.executors import Played
from autoplayback.tape.model import Tape
from tests.player.service import CONFIG, Service

TIMES = 100
CODE = """
import asyncio, datetime, os, queue, random, secrets, tempfile, threading, time, uuid
from concurrent.futures import ThreadPoolExecutor, as_completed
import numpy
from numpy.random import rand

def load(key):
    time.sleep(0.001 * random.random())
    return {"key": key, "tags": {f"tag {n}" for n in range(5)}, "at": datetime.datetime.now()}

def send(value): return value

async def aload(key):
    await asyncio.sleep(0.001)
    return key, time.time()

def worker(jobs, results):
    while (job := jobs.get()) is not None:
        results.append((load(job)["key"], time.monotonic(), datetime.datetime.now()))

def threads():
    jobs, results = queue.Queue(), []
    workers = [threading.Thread(target=worker, args=(jobs, results)) for _ in range(3)]
    for thread in workers: thread.start()
    for job in range(9): jobs.put(job)
    for _ in workers: jobs.put(None)
    for thread in workers: thread.join(timeout=60)
    return results

def pool():
    with ThreadPoolExecutor(4) as executor:
        futures = [executor.submit(load, f"pool {n}") for n in range(8)]
        return [future.result(timeout=60) for future in as_completed(futures)]

async def tasks():
    async with asyncio.TaskGroup() as group:
        made = [group.create_task(aload(n)) for n in range(5)]
        threaded = group.create_task(asyncio.to_thread(load, "from a loop"))
    return [task.result() for task in made], threaded.result()

def operation():
    names = {f"name {n}" for n in range(20)}
    objects = sorted((object() for _ in range(5)), key=hash)
    for name in names: send(name)
    return [
        threads(), pool(), asyncio.run(tasks()), list(names), hash("text"), list({uuid.uuid4() for _ in range(5)}), len(objects),
        random.random(), random.Random().random(), random.SystemRandom().random(), rand(3).tolist(),
        numpy.random.shuffle(list("ab")), numpy.random.default_rng().random(), secrets.choice("abc"), secrets.randbelow(1000),
        os.urandom(8), uuid.uuid1(), os.path.basename(tempfile.mktemp()), time.time(), time.perf_counter_ns(),
        datetime.datetime.now(datetime.timezone.utc),
    ]
"""


def compared(played: Played) -> Tape:
    """A replay's tape without what was measured."""
    assert played.replay is not None, played.error
    assert played.replay.playback is not None
    assert not played.replay.playback.misses, played.replay.playback.misses[0]
    return replace(
        played.replay,
        started=0,
        duration=0,
        calls=tuple(replace(call, started=0, duration=0) for call in played.replay.calls),
        playback=replace(played.replay.playback, cpu=0),
    )


def test_a_hundred_replays_are_one(tmp_path: Path) -> None:
    """Threads, pools, tasks, sets, clocks, every source of randomness."""
    service = Service(tmp_path, CODE, CONFIG.replace('"svc:load"}', '"svc:load"}, {target: "svc:aload"}'))
    [tape] = service.record("import svc; svc.operation()")
    first, *others = map(compared, service.play([tape] * TIMES))
    assert len(others) == TIMES - 1
    for other in others:
        assert repr(other) == repr(first)
