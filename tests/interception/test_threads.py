"""The operation goes with what it starts, and nowhere else."""

from __future__ import annotations

import asyncio
import contextvars
import multiprocessing.pool
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest


@pytest.fixture
def load(service, intercept):
    m = service.module("def load(x): return x")
    intercept(f"{m.__name__}:load")
    return m.load


def arguments(page):
    return sorted(call.args[0] for call in page.calls)


def test_threads_timers_and_subclasses(load, notebook):
    """Started inside: part of the operation; a subclass's own `run` too. The thread's `run` is as it was afterwards."""

    class Own(threading.Thread):
        def run(self):
            load("own")

    with notebook.open() as page:
        threads = [threading.Thread(target=load, args=("thread",)), threading.Timer(0, load, ["timer"]), Own()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with pytest.raises(RuntimeError, match="once"):
            threads[0].start()
    assert arguments(page) == ["own", "thread", "timer"]
    assert "run" not in vars(threads[2])


def test_a_pool_serves_each_operation_as_its_own(load, notebook):
    """Threads of a shared pool belong to whoever submits, and to nobody afterwards."""
    with ThreadPoolExecutor(1) as pool, multiprocessing.pool.ThreadPool(1) as old:
        pool.submit(load, "before").result()
        pages = []
        for n in range(3):
            with notebook.open() as page:
                pool.submit(load, f"submit {n}").result()
                assert list(pool.map(load, [f"map {n}"])) == [f"map {n}"]
                old.apply(load, (f"apply {n}",))
                old.map(load, [f"pool map {n}"])
                assert list(old.imap_unordered(load, [f"imap {n}"])) == [f"imap {n}"]
                pages.append(page)
            pool.submit(load, "between").result()
            old.apply(load, ("between",))
    assert [arguments(page) for page in pages] == [
        [f"apply {n}", f"imap {n}", f"map {n}", f"pool map {n}", f"submit {n}"] for n in range(3)
    ]


@pytest.mark.parametrize("kind", ["executor", "pool"])
def test_a_pool_made_inside_an_operation_is_not_its_own(load, notebook, kind):
    """Its threads were started there, and serve others while that operation still runs: what others submit isn't its."""
    inside, asked = threading.Event(), threading.Event()
    pools = []

    def lazily():
        with notebook.open():
            pools.append(ThreadPoolExecutor(1) if kind == "executor" else multiprocessing.pool.ThreadPool(1))
            submit("first")
            inside.set()
            asked.wait(5)
            submit("last")

    def submit(x):
        return pools[0].submit(load, x).result() if kind == "executor" else pools[0].apply(load, (x,))

    making = threading.Thread(target=lazily)
    making.start()
    inside.wait(5)
    submit("nobody's")
    with notebook.open() as other:
        submit("another's")
    asked.set()
    making.join()
    pools[0].shutdown() if kind == "executor" else pools[0].terminate()
    assert arguments(notebook.pages[0]) == ["first", "last"]
    assert arguments(other) == ["another's"]


def test_asyncio_tasks_executors_and_threads(load, notebook):
    """create_task, gather, to_thread, run_in_executor, call_soon_threadsafe."""

    async def child(x):
        await asyncio.sleep(0)
        return load(x)

    async def story():
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def from_elsewhere():
            loop.call_soon_threadsafe(lambda: (load("soon"), done.set()))

        await asyncio.gather(child("gathered"), asyncio.create_task(child("task")))
        await asyncio.to_thread(load, "to_thread")
        await loop.run_in_executor(None, load, "executor")
        await loop.run_in_executor(None, from_elsewhere)
        await done.wait()

    with notebook.open() as page:
        asyncio.run(story())
    assert arguments(page) == ["executor", "gathered", "soon", "task", "to_thread"]


def test_background_work_that_outlives_its_operation(load, notebook):
    """Its calls after the end are on no tape, and another operation isn't theirs."""
    go = threading.Event()
    ended = threading.Event()

    def background():
        load("early")
        go.set()
        ended.wait(5)
        load("late")

    with notebook.open() as page:
        thread = threading.Thread(target=background)
        thread.start()
        go.wait(5)
    with notebook.open() as other:
        ended.set()
        thread.join()
    assert arguments(page) == ["early"]
    assert other.calls == []


def test_only_our_variable_goes_over(load, notebook):
    """The service's own context variables keep meaning what they meant in its threads."""
    mine = contextvars.ContextVar("mine", default="default")
    mine.set("set")
    seen = []
    with notebook.open():
        thread = threading.Thread(target=lambda: seen.append(mine.get()))
        thread.start()
        thread.join()
        with ThreadPoolExecutor(1) as pool:
            seen.append(pool.submit(mine.get).result())
    assert seen == ["default", "default"]


def test_threads_started_inside_a_call_are_the_calls_business(service, intercept, notebook):
    """Muted as the call is, until its operation is over: then an operation may begin there."""
    m = service.module("""
        import threading
        def load(x): return x
        def outer(done, wait):
            def work():
                load("inner")
                done.set()
                wait.wait(5)
                operate()
            threading.Thread(target=work).start()
        def operate(): return load("operated")
    """)
    from tests.interception.conftest import operation

    intercept(operation(f"{m.__name__}:operate"), f"{m.__name__}:load", f"{m.__name__}:outer")
    done, wait = threading.Event(), threading.Event()
    with notebook.open() as page:
        m.outer(done, wait)
        done.wait(5)
    wait.set()
    for _ in range(100):
        if len(notebook.pages) == 2 and notebook.pages[1].closed:
            break
        time.sleep(0.05)
    assert [call.name.partition(":")[2] for call in page.calls] == ["outer"]
    assert arguments(notebook.pages[1]) == ["operated"]


GEVENT = """
import sys, types
if {patched}:
    from gevent import monkey; monkey.patch_all()
from tests.interception.notebook import Notebook
from autoplayback.interception.install import Interception
from autoplayback.interception.target import Declaration, Role
import service_gevent as m
notebook = Notebook()
declared = [Declaration(Role.INPUT, "service_gevent:load"), Declaration(Role.OPERATION, "service_gevent:operate")]
Interception(declared, notebook).install()
import gevent, gevent.pool, gevent.threadpool
results = gevent.pool.Pool(20).map(m.operate, range(50))
assert results == [[n] * 7 for n in range(50)], results
assert len(notebook.pages) == 50
for page in notebook.pages:
    n = page.heard.args[0]
    assert [call.args[0] for call in page.calls] == [n] * 7, (n, page.calls)
greenlet = gevent.spawn(m.load, "outside"); greenlet.join()
print("fine")
"""


@pytest.mark.parametrize("patched", [True, False])
def test_gevent(tmp_path, patched):
    """Greenlets spawned in an operation, pools, native threads, monkey-patched threads: 50 operations at once."""
    pytest.importorskip("gevent")
    (tmp_path / "service_gevent.py").write_text(
        "import gevent, gevent.event, gevent.threadpool, threading\n"
        "def load(x):\n    gevent.sleep(.001)\n    return x\n"
        "def operate(n):\n"
        "    got = [load(n)]\n"
        "    got.append(gevent.spawn(load, n).get())\n"
        "    later = gevent.spawn_later(.001, load, n)\n"
        "    got += [g.get() for g in (later,)]\n"
        "    got.append(gevent.spawn(lambda: gevent.spawn(load, n).get()).get())\n"
        "    got.append(gevent.get_hub().threadpool.apply(load, (n,)))\n"
        "    raw = gevent.event.AsyncResult(); gevent.spawn_raw(lambda: raw.set(load(n))); got.append(raw.get())\n"
        "    t = threading.Thread(target=lambda: got.append(load(n)))\n"
        "    t.start(); t.join()\n"
        "    return got\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", GEVENT.format(patched=patched)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        env={"PYTHONPATH": f"{tmp_path}:{root}", "PATH": "/usr/bin:/bin"},
    )
    assert (done.stdout, done.stderr) == ("fine\n", "")


EVENTLET = """
import warnings; warnings.simplefilter("ignore")
import eventlet; eventlet.monkey_patch()
from tests.interception.notebook import Notebook
from autoplayback.interception.install import Interception
from autoplayback.interception.target import Declaration, Role
import service_eventlet as m
notebook = Notebook()
declared = [Declaration(Role.INPUT, "service_eventlet:load"), Declaration(Role.OPERATION, "service_eventlet:operate")]
Interception(declared, notebook).install()
results = list(eventlet.GreenPool(20).imap(m.operate, range(50)))
assert results == [[n] * 5 for n in range(50)], results
assert len(notebook.pages) == 50
for page in notebook.pages:
    n = page.heard.args[0]
    assert [call.args[0] for call in page.calls] == [n] * 6, (n, page.calls)
print("fine")
"""


def test_eventlet(tmp_path):
    """Green threads spawned in an operation in each way, pools, monkey-patched threads: 50 operations at once."""
    pytest.importorskip("eventlet")
    (tmp_path / "service_eventlet.py").write_text(
        "import eventlet, threading\n"
        "def load(x):\n    eventlet.sleep(.001)\n    return x\n"
        "def operate(n):\n"
        "    got = [load(n), eventlet.spawn(load, n).wait(), *eventlet.GreenPool(2).imap(load, [n])]\n"
        "    t = threading.Thread(target=lambda: got.append(load(n)))\n"
        "    t.start(); t.join()\n"
        "    eventlet.spawn_n(load, n)\n"
        "    eventlet.sleep(.01)\n"
        "    return [*got, load(n)]\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", EVENTLET],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        env={"PYTHONPATH": f"{tmp_path}:{root}", "PATH": "/usr/bin:/bin"},
    )
    assert done.stdout == "fine\n", done.stderr


GREENLETS = """
import asyncio, gc, sys, threading, weakref
import greenlet
from concurrent.futures import ThreadPoolExecutor
from tests.interception.notebook import Notebook
from autoplayback.interception.install import Interception
from autoplayback.interception.target import Declaration, Role
import service_greenlet as m
heard = []
if {listened}: greenlet.settrace(lambda event, args: heard.append(event))
notebook = Notebook()
declared = [Declaration(Role.INPUT, "service_greenlet:load")]
declared += [Declaration(Role.OPERATION, f"service_greenlet:{{name}}") for name in ("operate", "aoperate")]
Interception(declared, notebook).install()

def pages(check):
    for page in notebook.pages:
        n = page.heard.args[0]
        assert [call.args[0] for call in page.calls] == [n] * 7, (n, page.calls)
    assert len(notebook.pages) == check, len(notebook.pages)
    notebook.pages.clear()

assert [m.operate(n) for n in range(5)] == [[n] * 7 for n in range(5)]
pages(5)
with ThreadPoolExecutor(8) as pool:  # threads that aren't ours, and many at once
    assert list(pool.map(m.operate, range(100))) == [[n] * 7 for n in range(100)]
pages(100)
async def main():
    return await asyncio.gather(*map(m.aoperate, range(50)))
assert asyncio.run(main()) == [[n] * 7 for n in range(50)]
pages(50)

# Older than the operation: nobody's, though it is the operation that switches to it.
old = greenlet.greenlet(m.serve)
old.switch()
with notebook.open() as page:
    assert old.switch("asked") == "asked"
assert page.calls == []
# Its own context, given to it: left alone.
import contextvars
own = greenlet.greenlet(m.load)
own.gr_context = contextvars.Context()
with notebook.open() as page:
    own.switch("own")
assert page.calls == []
# It outlives its operation.
with notebook.open() as page:
    late = greenlet.greenlet(m.serve)
    late.switch()
    late.switch("inside")
late.switch("after")
with notebook.open() as other:
    late.switch("another's")
assert [[call.args[0] for call in p.calls] for p in (page, other)] == [["inside"], []]
# Thrown into before its first step, and left to die in the midst.
class Thing: pass
with notebook.open():
    try: greenlet.greenlet(m.load).throw(KeyError("k"))
    except KeyError: pass
    half = greenlet.greenlet(m.serve)
    half.switch()
    thing = Thing(); half.switch(thing); alive = weakref.ref(thing)
notebook.pages.clear()
del half, thing
gc.collect()
assert alive() is None
assert bool(heard) == {listened}
print("fine")
"""


@pytest.mark.parametrize("listened", [True, False])
def test_greenlets_without_gevent(tmp_path, listened):
    """Started inside an operation, in it to its end; in threads and tasks, nested, with generators in between."""
    pytest.importorskip("greenlet")
    (tmp_path / "service_greenlet.py").write_text(
        "import asyncio\n"
        "from greenlet import getcurrent, greenlet\n"
        "def load(x): return x\n"
        "def serve():\n"
        "    got = None\n"
        "    while True:\n"
        "        asked = getcurrent().parent.switch(got)\n"
        "        got = load(asked)\n"
        "def ask(n):\n"
        "    return load(getcurrent().parent.switch(load(n)))\n"
        "def operate(n):\n"
        "    got = [greenlet(load).switch(n)]\n"
        "    first, second = greenlet(ask), greenlet(ask)\n"
        "    got += [first.switch(n), second.switch(n)]\n"
        "    got += [second.switch(n), first.switch(n)]\n"
        "    got.append(greenlet(lambda: greenlet(load).switch(n)).switch())\n"
        "    return [*got, load(n)]\n"
        "async def aoperate(n):\n"
        "    first, second = greenlet(ask), greenlet(ask)\n"
        "    got = [first.switch(n)]\n"
        "    await asyncio.sleep(0)\n"
        "    got += [second.switch(n), first.switch(n)]\n"
        "    await asyncio.sleep(0)\n"
        "    got += [second.switch(n), greenlet(load).switch(n)]\n"
        "    got.append(await asyncio.to_thread(lambda: greenlet(load).switch(n)))\n"
        "    return [*got, load(n)]\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", GREENLETS.format(listened=listened)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        env={"PYTHONPATH": f"{tmp_path}:{root}", "PATH": "/usr/bin:/bin"},
    )
    assert (done.stdout, done.stderr) == ("fine\n", "")
