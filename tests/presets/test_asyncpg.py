"""PostgreSQL through asyncpg and its pool, on a real server and then without one."""

from __future__ import annotations

from tests.presets.story import Story
from tests.presets.test_postgresql import gone  # noqa: F401  # a fixture

SERVICE = """
import asyncpg, decimal, uuid

async def prepare(at):
    c = await asyncpg.connect(at)
    await c.execute("drop table if exists ta; create table ta (id serial primary key, name text unique, price numeric)")
    await c.executemany("insert into ta (name, price) values ($1, $2)", [(f"n{n}", decimal.Decimal(n) / 4) for n in range(8)])
    await c.close()

async def rows(at):
    c = await asyncpg.connect(at)
    found = await c.fetch("select id, name, timestamptz '2026-01-02 03:04:05+00' as at from ta where id < $1 order by id", 4)
    row = found[0]
    seen = (dict(row), row["name"], row[1], tuple(row), list(row.keys()), row.get("none"), "name" in row, len(row),
            row == found[0], isinstance(row, asyncpg.Record), repr(row), c.get_server_version().major > 9,
            await c.fetchrow("select 1 where false"))
    await c.close()
    return seen, found

async def transaction(at):
    c = await asyncpg.connect(at)
    try:
        async with c.transaction():
            await c.execute("insert into ta (name) values ('tx')")
            raise ValueError("roll back")
    except ValueError:
        pass
    async with c.transaction(isolation="serializable"):
        made = await c.fetchval("insert into ta (name) values ($1) returning id", f"kept {uuid.uuid4()}")
        async for row in c.cursor("select name from ta where id <= 3 order by id"):
            made += len(row["name"])
    status = await c.execute("update ta set price = price + 1 where name = 'n1'")
    await c.close()
    return made, status

async def prepared(at):
    c = await asyncpg.connect(at)
    statement = await c.prepare("select name from ta where id = $1")
    found = [await statement.fetchval(n) for n in (1, 2)]
    await c.close()
    return found

async def refused(at):
    c = await asyncpg.connect(at)
    try:
        await c.execute("insert into ta (name) values ('n1')")
    except asyncpg.UniqueViolationError as error:
        return type(error).__name__, error.sqlstate, error.constraint_name, str(error)
    finally:
        await c.close()

async def pooled(at):
    async with asyncpg.create_pool(at, min_size=1, max_size=2) as pool:
        async with pool.acquire() as c:
            one = await c.fetchval("select count(*) from ta where id <= 4")
        return one, [dict(row) for row in await pool.fetch("select name from ta where id = 2")]

POOL = None

async def shared(at):
    global POOL
    if POOL is None:
        POOL = await asyncpg.create_pool(at, min_size=1, max_size=2)
    found = []
    async with POOL.acquire() as c, c.transaction():
        found.append(await c.fetchval("select price from ta where name = $1", "n3"))
    c = await POOL.acquire()
    found.append(await c.fetchval("select 41 + 1"))
    await POOL.release(c)
    await POOL.close()
    return found
"""


def test_asyncpg(tmp_path, gone):  # noqa: F811
    """Rows, transactions, statements, cursors, errors and pools come back without the server; what is changed is told."""
    story = Story(tmp_path, SERVICE, presets=["asyncpg"])
    plain = story.plain(gone.database)
    recorded = story.record(gone.database)
    assert not [text for text in plain.values() if text.startswith("raised")], plain
    varying = {"transaction"}  # the next serial number
    assert {name: text for name, text in recorded.items() if name not in varying} == {
        name: text for name, text in plain.items() if name not in varying
    }
    gone.close()
    story.assert_all_equal()
    results = story.changed(
        ("where id < $1", "where id <= $1"),
        ("error.sqlstate", "error.sqlstate[:2]"),
        ("for n in (1, 2)]", "for n in (1, 3)]"),
        ("41 + 1", "41 + 2"),
    )
    verdicts = {name: result["verdict"] for name, result in results.items() if result["verdict"] != "equal"}
    assert verdicts == {"rows": "diverged", "refused": "different", "prepared": "diverged", "shared": "diverged"}
    update = "await c.execute(\"update ta set price = price + 1 where name = 'n1'\")"
    dropped = story.changed((update, "'UPDATE 1'"))
    assert dropped["transaction"]["verdict"] == "different", dropped["transaction"]


ALCHEMY = """
import os
from sqlalchemy import text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

engine = create_async_engine(os.environ["DATABASE"])
Session = async_sessionmaker(engine)

async def work():
    async with Session() as session:
        await session.execute(text("create table if not exists tb (n int)"))
        await session.execute(text("insert into tb values (:n)"), {"n": 1})
        await session.commit()
        return (await session.execute(text("select count(*) > 0 from tb where n = :n"), {"n": 1})).scalar()

async def first(at):
    return await work()

async def second(at):
    return await work()
"""


def test_sqlalchemy_over_asyncpg(tmp_path, gone, monkeypatch):  # noqa: F811
    """A statement that an earlier operation has prepared, on a connection that it has made, is there for the next one."""
    url = gone.database.replace("postgresql:", "postgresql+asyncpg:")
    monkeypatch.setenv("DATABASE", url)
    story = Story(tmp_path, ALCHEMY, presets=["asyncpg"])
    both = "async def main():\n    await service.first(''); await service.second('')\n"
    script = f"import asyncio, service\n{both}asyncio.run(main())\n"
    run = story.project.python("-c", script, AUTOPLAYBACK="record")
    assert run.status == 0, run.err
    gone.close()
    assert len(story.assert_all_equal()) == 2
    lost = story.changed(("        await session.commit()\n", "        await session.flush()\n"))
    assert {result["verdict"] for result in lost.values()} == {"different"}
    other = story.changed(("count(*) > 0", "count(*) > 1"))
    assert {result["verdict"] for result in other.values()} == {"diverged"}
