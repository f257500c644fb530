"""PostgreSQL through psycopg 3, psycopg2, their pools and SQLAlchemy, on a real server and then without one."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from tests.presets.story import Story
from tests.presets.test_sqlite3 import ALCHEMY
from tests.servers.proxy import Proxy

PSYCOPG = """
import psycopg, datetime, decimal, uuid, psycopg_pool, os
from psycopg.rows import dict_row, class_row
from psycopg.types.json import Jsonb
POOL = psycopg_pool.ConnectionPool(os.environ["DATABASE"], min_size=1, max_size=3, open=True)

def prepare(at):
    with psycopg.connect(at, autocommit=True) as c:
        c.execute("drop table if exists t3")
        c.execute("create table t3 (id serial primary key, name text unique, price numeric, doc jsonb, raw bytea)")
        cur = c.cursor()
        cur.executemany("insert into t3 (name, price, doc) values (%s, %s, %s)",
                        [(f"n{n}", decimal.Decimal(n) / 4, Jsonb({"n": n})) for n in range(10)])
        return cur.rowcount

def rows(at):
    with psycopg.connect(at) as c:
        cur = c.execute("select id, name, price, doc, '2026-01-02 03:04:05+00'::timestamptz"
                        " from t3 where id < %s order by id", (4,))
        return cur.fetchall(), cur.rowcount, [d.name for d in cur.description], cur.statusmessage

def dicts(at):
    with psycopg.connect(at, row_factory=dict_row) as c, c.cursor() as cur:
        cur.execute("select name from t3 order by id")
        return cur.fetchone(), cur.fetchmany(2), [row for row in cur]

def transaction(at):
    with psycopg.connect(at) as c:
        try:
            with c.transaction():
                c.execute("insert into t3 (name) values ('tx')")
                raise ValueError("roll back")
        except ValueError:
            pass
        with c.transaction() as tx:
            c.execute("update t3 set price = price + 1 where name = 'n1'")
        return c.execute("select count(*) from t3 where name = 'tx'").fetchone(), c.info.transaction_status.name

def refused(at):
    with psycopg.connect(at) as c:
        try:
            c.execute("insert into t3 (name) values ('n1')")
        except psycopg.errors.UniqueViolation as error:
            return type(error).__name__, error.sqlstate, error.diag.constraint_name, str(error)

def pooled(at):
    found = []
    for n in range(3):
        with POOL.connection() as c:
            found.append(c.execute("select name from t3 where id = %s", (n + 1,)).fetchone())
    return found

def copied(at):
    with psycopg.connect(at) as c, c.cursor() as cur:
        with cur.copy("copy (select id, name from t3 order by id limit 3) to stdout") as copy:
            return [row for row in copy.rows()]

def composed(at):
    from psycopg import sql
    with psycopg.connect(at) as c:
        q = sql.SQL("select {} from {} order by id limit 1").format(sql.Identifier("name"), sql.Identifier("t3"))
        return c.execute(q).fetchone(), q.as_string(c)

async def asynchronous(at):
    async with await psycopg.AsyncConnection.connect(at) as c:
        async with c.cursor(row_factory=dict_row) as cur:
            await cur.execute("select id, name from t3 order by id")
            first = await cur.fetchone()
            found = [row["name"] async for row in cur]
        async with c.transaction():
            await c.execute("update t3 set price = 2 where id = 1")
        return first, found, (await (await c.execute("select price from t3 where id = 1")).fetchone())

async def asynchronous_pool(at):
    async with psycopg_pool.AsyncConnectionPool(at, min_size=1, open=False) as pool:
        async with pool.connection() as c:
            return await (await c.execute("select 41 + 1")).fetchone()
"""

PSYCOPG2 = """
import psycopg2, psycopg2.extras, psycopg2.pool, psycopg2.sql, uuid
from contextlib import closing

def prepare(at):
    with closing(psycopg2.connect(at)) as c, c, c.cursor() as cur:
        cur.execute("drop table if exists t2")
        cur.execute("create table t2 (id serial primary key, name text unique, price numeric)")
        psycopg2.extras.execute_values(cur, "insert into t2 (name, price) values %s", [(f"n{n}", n / 4) for n in range(10)])
        return cur.rowcount, cur.statusmessage

def rows(at):
    with closing(psycopg2.connect(at)) as c, c.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cur:
        cur.execute("select id, name, price, now() is not null as now from t2 where id < %(n)s order by id", {"n": 4})
        return [dict(row) for row in cur], cur.rowcount, [d.name for d in cur.description]

def part(at):
    with closing(psycopg2.connect(at)) as c, c.cursor() as cur:
        cur.execute("select id from t2 order by id")
        return cur.fetchone(), cur.fetchmany(2), cur.fetchall()

def refused(at):
    with closing(psycopg2.connect(at)) as c, c.cursor() as cur:
        try:
            cur.execute("insert into t2 (name) values ('n1')")
        except psycopg2.errors.UniqueViolation as error:
            return type(error).__name__, error.pgcode, str(error), isinstance(error, psycopg2.IntegrityError)

def pooled(at):
    pool = psycopg2.pool.ThreadedConnectionPool(1, 3, at)
    c = pool.getconn()
    with c, c.cursor() as cur:
        psycopg2.extras.register_uuid(conn_or_curs=c)
        cur.execute("select '00000000-0000-0000-0000-000000000001'::uuid")
        found = cur.fetchone()
    pool.putconn(c)
    pool.closeall()
    return found

def composed(at):
    with closing(psycopg2.connect(at)) as c, c.cursor() as cur:
        from psycopg2.sql import SQL, Identifier
        q = SQL("select {} from {} order by id limit 1").format(Identifier("name"), Identifier("t2"))
        cur.execute(q)
        return cur.fetchone(), q.as_string(c), cur.mogrify("%s", ("it's",)), psycopg2.extensions.quote_ident("x", c)
"""


@pytest.fixture
def gone(postgres):
    """The server behind a port which can be closed: `gone.url`, then `gone.close()`."""
    where = urlsplit(postgres)
    proxy = Proxy(where.port)
    proxy.database = postgres.replace(f":{where.port}/", f":{proxy.port}/")
    yield proxy
    proxy.close()


def test_psycopg(tmp_path, gone, monkeypatch):
    """Rows, factories, transactions, errors with their diagnosis, COPY, pools, sync and async."""
    monkeypatch.setenv("DATABASE", gone.database)
    story = Story(tmp_path, PSYCOPG, presets=["psycopg"])
    plain = story.plain(gone.database)
    assert story.record(gone.database) == plain
    assert not [text for text in plain.values() if text.startswith("raised")], plain
    gone.close()
    story.assert_all_equal()
    results = story.changed(
        ("where id < %s", "where id <= %s"),
        ("fetchmany(2)", "fetchmany(3)"),
        ("select 41 + 1", "select 41 + 2"),
        ("error.sqlstate", "error.sqlstate[:2]"),
    )
    verdicts = {name: result["verdict"] for name, result in results.items() if result["verdict"] != "equal"}
    assert verdicts == {"rows": "diverged", "dicts": "diverged", "asynchronous_pool": "diverged", "refused": "different"}


def test_psycopg2(tmp_path, gone):
    """Rows, cursor factories, errors, pools, and the helpers in C that want a real connection."""
    story = Story(tmp_path, PSYCOPG2, presets=["psycopg2"])
    plain = story.plain(gone.database)
    assert story.record(gone.database) == plain
    assert not [text for text in plain.values() if text.startswith("raised")], plain
    gone.close()
    story.assert_all_equal()
    results = story.changed(('{"n": 4}', '{"n": 5}'), ("error.pgcode", "error.pgcode[:2]"))
    verdicts = {name: result["verdict"] for name, result in results.items() if result["verdict"] != "equal"}
    assert verdicts == {"rows": "diverged", "refused": "different"}


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_sqlalchemy(tmp_path, gone, monkeypatch, driver):
    """The ORM over each driver: every tape replays by itself, whichever of them found the pool empty."""
    url = gone.database.replace("postgresql:", f"postgresql+{driver}:")
    monkeypatch.setenv("DATABASE", url)
    service = ALCHEMY
    for name in ("orders", "customers"):  # tables of each driver's own
        for before, after in (
            (f'__tablename__ = "{name}"', f'__tablename__ = "{name}_{driver}"'),
            (f'"{name}.id"', f'"{name}_{driver}.id"'),
            (f"update {name} ", f"update {name}_{driver} "),
        ):
            service = service.replace(before, after)
    story = Story(tmp_path, service, presets=[driver])
    recorded = story.record("")
    assert not [text for text in recorded.values() if text.startswith("raised")], recorded
    gone.close()
    story.assert_all_equal()
    results = story.changed(("total + :by", "total - :by"), ("select 2", "select 3"))
    assert {name for name, result in results.items() if result["verdict"] == "diverged"} == {"core", "many"}
    results = story.changed(('os.environ["DATABASE"])', 'os.environ["DATABASE"], isolation_level="AUTOCOMMIT")'))
    assert {result["verdict"] for result in results.values()} == {"diverged"}, "nothing is rolled back any more"
