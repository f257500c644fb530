"""Celery workers with Redis as broker and PostgreSQL behind: tasks recorded in forked workers, replayed without either server."""

from __future__ import annotations

import os
import signal
import sys
import time

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
