"""Celery workers with Redis as broker and PostgreSQL behind: tasks recorded in forked workers, replayed without either server."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.journeys.moves import Project
from tests.servers import processes

CONFIG = """
service: billing
tapes: ./tapes
operations:
  - celery: billing:invoice
    name: invoice
    metadata: {customer: customer}
inputs:
  - target: billing:connect
    returns: handle
environment: [DATABASE]
trust: [billing, decimal]
"""
SERVICE = """
import os
from decimal import Decimal
import celery, psycopg

app = celery.Celery("billing", broker=os.environ.get("BROKER"), backend=os.environ.get("BROKER"))
app.conf.broker_connection_retry_on_startup = True

def connect():
    return psycopg.connect(os.environ["DATABASE"])

def prepare():
    with connect() as connection:
        connection.execute("create table if not exists items (customer text, price numeric(10, 2))")
        connection.execute("create table if not exists invoices (id serial, customer text, total numeric(12, 2),"
                           " at timestamptz default now())")
        for number in range(10):
            connection.cursor().executemany("insert into items values (%s, %s)",
                                            [(f"c{number}", Decimal(i) / 4) for i in range(number)])

@app.task
def invoice(customer):
    with connect() as connection:
        rows = connection.execute("select price from items where customer = %s order by price", (customer,)).fetchall()
        total = sum((price for price, in rows), Decimal(0))
        insert = "insert into invoices (customer, total) values (%s, %s) returning id, at"
        made = connection.execute(insert, (customer, total)).fetchone()
    if not rows:
        raise LookupError(f"{customer} bought nothing")
    return [made[0], str(total), made[1].isoformat()]
"""


@pytest.mark.timeout(240)
def test_tasks_of_forked_workers_replay_without_broker_or_database(tmp_path, redis_url, postgres):
    """Thirty tasks by `.delay`, some of them failing."""
    project = Project(tmp_path, CONFIG, billing=SERVICE)
    variables = {"DATABASE": postgres, "BROKER": redis_url}
    made = project.python("-c", "import billing; billing.prepare()", **variables)
    assert made.status == 0, made.err

    log = tmp_path / "worker.log"
    command = [sys.executable, "-m", "celery", "--app", "billing", "worker", "--concurrency", "2", "--loglevel", "INFO"]
    environment = project.environment(AUTOPLAYBACK="record", C_FORCE_ROOT="1", **variables)
    with processes.running(command, lambda: " ready." in log.read_text(), log, cwd=tmp_path, env=environment, seconds=60):
        send = (
            "import billing\n"
            "results = [billing.invoice.delay(f'c{n % 10}') for n in range(30)]\n"
            "print([r.get(timeout=60, propagate=False) for r in results][1])\n"
        )
        sent = project.python("-c", send, timeout=100, **variables)
        assert sent.status == 0, sent.err
        assert "'0.00'" in sent.out

    tapes = project.tapes()
    assert len(tapes) == 30, log.read_text()[-3000:]
    assert sum(tape["outcome"] == "raised" for tape in tapes) == 3
    # Neither server is in the environment of the replay: what it needs is on the tapes.
    replay = project.replay()
    assert replay.verdicts == {"equal": 30}, replay.failures()


WHOLE = """
service: shop
tapes: ./tapes
operations:
  - celery: shop:app
inputs:
  - preset: celery
outputs:
  - target: mails:mail
"""
SHOP = """
import os
import celery

app = celery.Celery("shop", broker=os.environ.get("BROKER"), backend=os.environ.get("BROKER"))
app.conf.broker_connection_retry_on_startup = True
app.conf.include = ["mails"]

@app.task(bind=True, max_retries=2)
def charge(self, customer, cents):
    if self.request.retries < 1 and cents % 2:
        raise self.retry(countdown=0.1)
    app.send_task("mails.told", (customer, f"{cents} after {self.request.retries}"), countdown=0)
    return self.request.id
"""
MAILS = """
import celery

def mail(text):
    pass

@celery.shared_task
def told(customer, text):
    mail(f"{customer}: {text}")
    return text
"""


@pytest.mark.timeout(240)
def test_each_task_of_an_application_is_an_operation(tmp_path, redis_url):
    """Its own tasks and shared ones of other modules; bound ones with the request they ran for; and what they send is told."""
    project = Project(tmp_path, WHOLE, shop=SHOP, mails=MAILS)
    variables = {"BROKER": redis_url.replace("/0", "/2")}
    log = tmp_path / "worker.log"
    command = [sys.executable, "-m", "celery", "--app", "shop", "worker", "--concurrency", "2", "--loglevel", "INFO"]
    environment = project.environment(AUTOPLAYBACK="record", C_FORCE_ROOT="1", **variables)
    with processes.running(command, lambda: " ready." in log.read_text(), log, cwd=tmp_path, env=environment, seconds=60):
        send = "import shop; print([r.get(timeout=60) for r in [shop.charge.delay('ann', cents) for cents in range(6)]])"
        sent = project.python("-c", send, timeout=100, **variables)
        assert sent.status == 0, sent.err
        deadline = time.monotonic() + 60
        while log.read_text().count("mails.told") < 12 and time.monotonic() < deadline:  # received, and succeeded
            time.sleep(0.2)
        time.sleep(0.5)

    tapes = project.tapes()
    assert Counter(tape["operation"] for tape in tapes) == {"shop:charge": 9, "mails:told": 6}, log.read_text()[-3000:]
    replay = project.replay()
    assert replay.verdicts == {"equal": 15}, replay.failures()

    def changed(old, new):
        project.write("shop.py", SHOP.replace(old, new))
        return project.replay("--operation", "shop:*").verdicts

    assert changed("countdown=0.1", "countdown=10") == {"equal": 6, "diverged": 3}
    assert changed("        raise self.retry(countdown=0.1)", "        return None") == {"equal": 6, "different": 3}
    assert changed("after {self.request.retries}", "after {self.request.retries + 1}") == {"diverged": 6, "equal": 3}


COUNTING = """
service: counting
tapes: ./tapes
operations:
  - celery: counting:count
    name: count
    metadata: {n: n}
inputs:
  - target: counting:read
outputs:
  - target: counting:begin
  - target: counting:end
"""
COUNTER = """
import os, time
import celery

app = celery.Celery("counting", broker=os.environ.get("BROKER"), backend=os.environ.get("BROKER"))
app.conf.update(broker_connection_retry_on_startup=True, task_acks_late=True, task_reject_on_worker_lost=True,
                worker_prefetch_multiplier=1)

def read(n):
    time.sleep(0.01)
    return n * 2

def begin(seconds):
    with open("begun", "a") as file:
        print(os.getpid(), file=file)
    time.sleep(seconds)

def end(n):
    with open(f"ended-{n}", "a") as file:
        print(os.getpid(), file=file)
    return os.getpid()

@app.task
def count(n, slowly=0):
    if slowly:
        begin(slowly)
    return [read(n), end(n)]
"""
SEND = """
import sys, counting
numbers = range(int(sys.argv[1]), int(sys.argv[2]))
found = [result.get(timeout=60) for result in [counting.count.delay(n) for n in numbers]]
assert [value for value, _ in found] == [2 * n for n in numbers], found
print(*{process for _, process in found})
"""


class Counting:
    """A worker of tasks with numbers, each of which says on disk that it ended, and in which process."""

    def __init__(self, folder, broker):
        self.project = Project(folder, COUNTING, counting=COUNTER)
        self.variables = {"BROKER": broker, "C_FORCE_ROOT": "1"}
        self.log = folder / "worker.log"

    def worker(self, *options):
        # By its script: for HUP Celery starts itself again with Python and its own `sys.argv`, which `-m celery` would break.
        script = str(Path(sys.executable).with_name("celery"))
        command = [sys.executable, script, "--app", "counting", "worker", "--loglevel", "INFO", *options]
        environment = self.project.environment(AUTOPLAYBACK="record", **self.variables)
        return processes.running(
            command, lambda: self.ready(1), self.log, cwd=self.project.folder, env=environment, seconds=60, start_new_session=True
        )

    def ready(self, times):
        return self.log.read_text().count(" ready.") >= times

    def until(self, said):
        until = time.monotonic() + 60
        while not said():
            assert time.monotonic() < until, self.log.read_text()[-3000:]
            time.sleep(0.05)

    def send(self, first, last):
        """The processes that did them."""
        sent = self.project.python("-c", SEND, str(first), str(last), timeout=100, **self.variables)
        assert sent.status == 0, sent.err + self.log.read_text()[-3000:]
        return set(map(int, sent.out.split()))

    def later(self, n, seconds):
        """One that takes its time, which isn't waited for."""
        sent = self.project.python("-c", f"import counting; counting.count.delay({n}, {seconds})", **self.variables)
        assert sent.status == 0, sent.err

    def ended(self):
        """How often each number's task ended."""
        files = self.project.folder.glob("ended-*")
        return {int(file.name.removeprefix("ended-")): len(file.read_text().split()) for file in files}

    def check(self, numbers):
        """Every task that ended is on a tape, none twice, and all of them replay."""
        assert self.ended() == dict.fromkeys(numbers, 1)
        tapes = self.project.tapes()
        finished = [tape["metadata"]["n"] for tape in tapes if tape["outcome"] == "returned"]
        assert sorted(finished) == sorted(numbers), self.log.read_text()[-3000:]


POOLS = [["--pool", "prefork", "--concurrency", "2"], ["--pool", "threads", "--concurrency", "4"], ["--pool", "solo"]]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool[1])
def test_a_worker_restarted_with_hup_loses_nothing(tmp_path, redis_url, pool):
    """It finishes what it has and becomes another by `exec`, of which no exit handler hears. Recorded before and after too."""
    counting = Counting(tmp_path, redis_url.replace("/0", f"/{2 + POOLS.index(pool)}"))
    with counting.worker(*pool) as worker:
        before = counting.send(0, 20)
        counting.later(20, 1)
        counting.until((tmp_path / "begun").exists)
        worker.send_signal(signal.SIGHUP)
        counting.until(lambda: counting.ready(2))
        after = counting.send(21, 40)
        assert pool[1] != "prefork" or not before & after
        worker.send_signal(signal.SIGTERM)
        worker.wait(30)
    counting.check(range(40))
    replay = counting.project.replay()
    assert replay.verdicts == {"equal": 40}, replay.failures()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool[1])
def test_a_worker_told_to_end_finishes_what_it_has(tmp_path, redis_url, pool):
    """SIGTERM: a warm shutdown, with a task under way; the end isn't put off."""
    counting = Counting(tmp_path, redis_url.replace("/0", f"/{5 + POOLS.index(pool)}"))
    with counting.worker(*pool) as worker:
        counting.send(0, 10)
        counting.later(10, 1)
        counting.until((tmp_path / "begun").exists)
        worker.send_signal(signal.SIGTERM)
        worker.wait(30)
    counting.check(range(11))


@pytest.mark.timeout(240)
def test_a_child_of_the_pool_that_is_killed_costs_what_it_did_and_no_more(tmp_path, redis_url):
    """SIGKILL in the midst of a task: another child does that one again, and everything that ended is there once."""
    counting = Counting(tmp_path, redis_url.replace("/0", "/8"))
    with counting.worker("--pool", "prefork", "--concurrency", "2") as worker:
        counting.send(0, 10)
        counting.later(10, 2)
        counting.until((tmp_path / "begun").exists)
        time.sleep(0.5)  # what ended then is on disk
        os.kill(int((tmp_path / "begun").read_text().split()[0]), signal.SIGKILL)
        counting.until((tmp_path / "ended-10").exists)
        counting.send(11, 20)
        worker.send_signal(signal.SIGTERM)
        worker.wait(30)
    counting.check(range(20))


def test_a_worker_killed_while_idle_loses_nothing(tmp_path, redis_url, postgres):
    """SIGKILL to the whole worker half a second after its last task."""
    project = Project(tmp_path, CONFIG, billing=SERVICE)
    variables = {"DATABASE": postgres, "BROKER": redis_url.replace("/0", "/1")}
    project.python("-c", "import billing; billing.prepare()", **variables)
    log = tmp_path / "worker.log"
    command = [sys.executable, "-m", "celery", "--app", "billing", "worker", "--concurrency", "2", "--loglevel", "INFO"]
    environment = project.environment(AUTOPLAYBACK="record", C_FORCE_ROOT="1", **variables)
    with processes.running(
        command, lambda: " ready." in log.read_text(), log, cwd=tmp_path, env=environment, start_new_session=True
    ) as worker:
        send = "import billing; [r.get(timeout=60) for r in [billing.invoice.delay(f'c{1 + n % 9}') for n in range(10)]]"
        sent = project.python("-c", send, timeout=100, **variables)
        assert sent.status == 0, sent.err
        time.sleep(0.5)
        os.killpg(worker.pid, signal.SIGKILL)
    assert len(project.tapes()) == 10
