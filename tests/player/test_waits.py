"""Waits with a timeout cost no time at replay, and end as they did in production."""

from __future__ import annotations

import threading
from pathlib import Path

from autoplayback.equalizer.verdict import Verdict
from autoplayback.tape.values import inspect
from tests.player.service import CONFIG, Service

CODE = """
import asyncio, os, queue, select, threading, time
from concurrent.futures import ThreadPoolExecutor, TimeoutError, as_completed

def load(key):
    time.sleep(key)
    return key

def send(value): pass

async def aload(key):
    await asyncio.sleep(key)
    return key

def operation(way):
    began = time.monotonic()
    try:
        result = WAYS[way]()
    except Exception as error:
        result = type(error).__name__
    return result, round(time.monotonic() - began, 1)

def held(make):
    lock = make()
    thread = threading.Thread(target=lock.acquire)
    thread.start()
    thread.join()
    return lock

def polled(make, unit):
    poll = make()
    poll.register(os.pipe()[0], select.POLLIN)
    return poll.poll(3 * unit)

def joined():
    thread = threading.Thread(target=threading.Event().wait, daemon=True)
    thread.start()
    thread.join(3)
    return thread.is_alive()

def beside_idle_threads():
    with ThreadPoolExecutor(2) as pool:
        pool.submit(int).result()
        return threading.Event().wait(3)

def timer():
    event = threading.Event()
    threading.Timer(1, event.set).start()
    return event.wait(3)

def sleepers():
    woken = []
    def sleep(seconds):
        time.sleep(seconds)
        woken.append(seconds)
    threads = [threading.Thread(target=sleep, args=(seconds,)) for seconds in (1.5, 0.5, 1)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    return woken

def too_late():
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(load, 1.5)
        try:
            return future.result(timeout=0.5)
        except TimeoutError:
            return "late", future.result()

def in_time():
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(load, 0.5).result(timeout=1.5)

def as_they_end():
    with ThreadPoolExecutor(3) as pool:
        return [future.result() for future in as_completed([pool.submit(load, key) for key in (1.5, 0.5, 1)])]

async def too_late_for_a_task():
    try:
        return await asyncio.wait_for(aload(1.5), 0.5)
    except asyncio.TimeoutError:
        return "late"

async def too_late_in_a_thread():
    try:
        return await asyncio.wait_for(asyncio.to_thread(load, 1.5), 0.5)
    except asyncio.TimeoutError:
        return "late"

async def tasks_as_they_end():
    return [await task for task in asyncio.as_completed([aload(key) for key in (1.5, 0.5, 1)])]

WAYS = {
    "sleep": lambda: time.sleep(3),
    "event": lambda: threading.Event().wait(3),
    "queue": lambda: queue.Queue().get(timeout=3),
    "simple queue": lambda: queue.SimpleQueue().get(timeout=3),
    "semaphore": lambda: threading.Semaphore(0).acquire(timeout=3),
    "barrier": lambda: threading.Barrier(2).wait(3),
    "lock": lambda: held(threading.Lock).acquire(timeout=3),
    "lock that knows its owner": lambda: held(threading.RLock).acquire(timeout=3),
    "select": lambda: select.select([os.pipe()[0]], [], [], 3),
    "poll": lambda: polled(select.poll, 1000),
    "epoll": lambda: polled(select.epoll, 1),
    "join": joined,
    "beside idle threads": beside_idle_threads,
    "timer": timer,
    "sleepers": sleepers,
    "too late": too_late,
    "in time": in_time,
    "as they end": as_they_end,
    "too late for a task": lambda: asyncio.run(too_late_for_a_task()),
    "too late in a thread": lambda: asyncio.run(too_late_in_a_thread()),
    "tasks as they end": lambda: asyncio.run(tasks_as_they_end()),
}
"""
WAYS = [line.split('"')[1] for line in CODE.partition("WAYS = {")[2].splitlines() if line.startswith('    "')]
ASYNC = CONFIG.replace('"svc:load"}', '"svc:load"}, {target: "svc:aload"}') + "compare: {tolerance: {'result[1]': {abs: 1}}}\n"


def test_waits_pass_at_once_and_end_as_recorded(tmp_path: Path) -> None:
    """What came first in production comes first again: what was waited for, or the end of patience; in any order of threads."""
    service = Service(tmp_path, CODE, ASYNC)
    # All at once, so that recording takes the time of the longest; in processes of their own, where none disturbs another.
    service.record(
        f"""
        import subprocess, sys
        running = [subprocess.Popen([sys.executable, "-c", "import svc, sys; svc.operation(sys.argv[1])", way]) for way in {WAYS}]
        assert not any(process.wait() for process in running)
        """
    )
    tapes = service.tapes()
    assert len(tapes) == len(WAYS)
    for result, tape in zip(service.replay(tapes), tapes, strict=True):
        assert result.verdict is Verdict.EQUAL, (inspect(tape.arguments), result)
        assert result.replayed_seconds is not None
        assert result.replayed_seconds < tape.duration / 1e9 * 0.5, inspect(tape.arguments)


def test_the_stand_ins_of_locks_look_like_them(tmp_path: Path) -> None:
    """A lock in a result is the same opaque thing on both tapes; conditions and `with` work on both kinds."""
    service = Service(
        tmp_path,
        """
        import threading, queue, copy
        def load(key): return key
        def send(value): pass
        class Holder:
            def __init__(self): self.lock, self.owned, self.queue = threading.Lock(), threading.RLock(), queue.SimpleQueue()
        def operation():
            holder, told = Holder(), []
            condition = threading.Condition(threading.Lock())
            with holder.lock, holder.owned, holder.owned, condition:
                condition.notify_all()
                told += [holder.lock.locked(), holder.lock.acquire(False), holder.owned.acquire(blocking=False)]
            try: copy.deepcopy(holder.lock)
            except TypeError as error: told.append(str(error))
            return told, holder, type(holder.lock).__name__, repr(holder.lock).startswith("<unlocked _thread.lock")
        """,
    )
    service.record("import svc; svc.operation()")
    [result] = service.replay()
    assert result.verdict is Verdict.EQUAL, result.differences


def test_a_thread_that_computes_is_waited_for(tmp_path: Path) -> None:
    """However slow a machine is: time is up when nobody can go on, not when real seconds have passed."""
    service = Service(
        tmp_path,
        """
        import threading
        def load(key): return key
        def send(value): pass
        def operation():
            done = threading.Event()
            def compute():
                found = sum(i * i for i in range(2_000_000))
                load(found)
                done.set()
            threading.Thread(target=compute).start()
            return done.wait(30)
        """,
    )
    service.record("import svc; svc.operation()")
    [result] = service.replay()
    assert result.verdict is Verdict.EQUAL, result


def test_plain_threads_notice_nothing() -> None:
    """Outside a tape the waits are the interpreter's own."""
    from autoplayback.player import clock

    assert clock._running is None
    assert not threading.Event().wait(0.01)
