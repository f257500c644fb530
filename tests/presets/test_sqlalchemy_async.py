"""SQLAlchemy's asyncio engine, which runs what is synchronous in it in greenlets: over a real database, and then without."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from tests.presets.story import Story
from tests.servers.proxy import Proxy

SERVICE = '''
import asyncio, os, sqlalchemy
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncAttrs, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

ENGINE = create_async_engine(os.environ["DATABASE"])
SESSIONS = async_sessionmaker(ENGINE, expire_on_commit=False)

class Base(AsyncAttrs, DeclarativeBase): pass
class Customer(Base):
    __tablename__ = "async_customers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    orders: Mapped[list["Order"]] = relationship(back_populates="customer")
class Order(Base):
    __tablename__ = "async_orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    total: Mapped[float]
    customer_id: Mapped[int] = mapped_column(sqlalchemy.ForeignKey("async_customers.id"))
    customer: Mapped[Customer] = relationship(back_populates="orders")

async def prepare(at):
    async with ENGINE.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        names = await connection.run_sync(lambda c: sorted(sqlalchemy.inspect(c).get_table_names()))
        return [name for name in names if name.startswith("async_")]

async def place(at):
    async with SESSIONS() as session:
        session.add(Customer(name="acme", orders=[Order(total=1.5), Order(total=2.25)]))
        await session.commit()
        return (await session.scalars(select(func.sum(Order.total)))).one()

async def eager(at):
    async with SESSIONS() as session:
        found = (await session.scalars(select(Customer).options(selectinload(Customer.orders)))).all()
        return [(c.name, [o.total for o in c.orders]) for c in found]

async def lazily(at):
    """A relationship that is loaded in a greenlet when somebody asks for it."""
    async with SESSIONS() as session:
        customer = (await session.scalars(select(Customer))).first()
        return [order.total for order in await customer.awaitable_attrs.orders]

def rate(least):
    return 10 + least

def total(connection, least):
    """Synchronous, as a service's older code is, with an input of its own: called within a greenlet."""
    found = connection.execute(text("select sum(total) from async_orders where total > :least"), {"least": least}).scalar()
    return found * rate(least)

async def within(at):
    async with ENGINE.connect() as connection:
        return [await connection.run_sync(total, least) for least in (0, 2)]

async def refused(at):
    try:
        async with SESSIONS.begin() as session:
            session.add(Customer(name="acme"))
    except sqlalchemy.exc.IntegrityError as error:
        return type(error).__name__, type(error.orig).__name__

async def streamed(at):
    async with ENGINE.connect() as connection:
        return [tuple(row) async for row in await connection.stream(text("select id, total from async_orders order by id"))]

async def nested(at):
    async with SESSIONS.begin() as session:
        try:
            async with session.begin_nested():
                session.add(Customer(name="acme"))
                await session.flush()
        except sqlalchemy.exc.IntegrityError:
            pass
        session.add(Customer(name="bolt"))
    return "committed"

async def together(at):
    async def one(n):
        async with ENGINE.connect() as connection:
            return (await connection.execute(text("select count(*) from async_orders where id > :n"), {"n": n})).scalar()
    return await asyncio.gather(*(one(n) for n in range(6)))

async def crossed(n):
    """Many of it run at once, over connections which each has from another, or makes first."""
    found = []
    for k in range(5):
        async with ENGINE.connect() as connection:
            found.append((await connection.execute(text("select :n * 10 + :k"), {"n": n, "k": k})).scalar())
    return found
'''
RUN = """
import asyncio, sys, service
async def main():
    for name in sys.argv[1:]:
        print(name, await getattr(service, name)(""))
    numbers = range(20)
    found = await asyncio.gather(*map(service.crossed, numbers))
    assert found == [[n * 10 + k for k in range(5)] for n in numbers], found
    await service.ENGINE.dispose()
asyncio.run(main())
"""


@pytest.fixture
def server(postgres):
    """PostgreSQL behind a port which can be closed."""
    where = urlsplit(postgres)
    proxy = Proxy(where.port)
    proxy.database = postgres.replace(f":{where.port}/", f":{proxy.port}/").replace("postgresql:", "postgresql+psycopg:")
    yield proxy
    proxy.close()


def told(folder, presets, monkeypatch, database, gone):
    """One process with one event loop and one pool does it all; each of its tapes replays by itself, with no database left."""
    monkeypatch.setenv("DATABASE", database)
    more = "  - target: service:rate\n"
    story = Story(folder, SERVICE.replace("async def crossed(n)", "async def crossed(at)"), presets=presets, more=more)
    story.project.write("service.py", SERVICE)
    names = [name for name in story.names if name != "crossed"]
    ran = story.project.python("-c", RUN, *names, AUTOPLAYBACK="record")
    assert ran.status == 0, ran.err[-3000:]
    assert ran.err == ""
    gone()
    assert len(story.project.tapes()) == len(names) + 20
    results = story.assert_all_equal()
    assert all(result["calls"]["recorded"] for result in results)
    return story, dict(line.partition(" ")[::2] for line in ran.out.splitlines())


def test_sqlite(tmp_path, monkeypatch):
    """Over aiosqlite, whose threads serve whoever has their connection."""
    file = tmp_path / "x.db"
    story, said = told(tmp_path / "it", ["sqlite3"], monkeypatch, f"sqlite+aiosqlite:///{file}", file.unlink)
    assert (said["place"], said["lazily"], said["within"], said["streamed"]) == (
        "3.75", "[1.5, 2.25]", "[37.5, 27.0]", "[(1, 1.5), (2, 2.25)]",
    )
    service = story.project.folder / "service.py"
    service.write_text(SERVICE.replace("async_orders where id > :n", "async_orders where id >= :n").replace("(0, 2)", "(0, 1)"))
    verdicts = {result["operation"]: result["verdict"] for result in story.replay().results}
    assert {name for name, verdict in verdicts.items() if verdict != "equal"} == {"together", "within"}


def test_postgresql(tmp_path, monkeypatch, server):
    """Over psycopg."""
    _, said = told(tmp_path, ["psycopg"], monkeypatch, server.database, server.close)
    assert (said["lazily"], said["nested"], said["together"]) == ("[1.5, 2.25]", "committed", "[2, 1, 0, 0, 0, 0]")


AIOSQLITE = '''
import aiosqlite

async def prepare(at):
    async with aiosqlite.connect(at) as db:
        await db.execute("create table t (id integer primary key, name text)")
        await db.executemany("insert into t (name) values (?)", [("a",), ("b",), ("c",)])
        await db.commit()
        return db.total_changes

async def read(at):
    db = await aiosqlite.connect(at)
    try:
        db.row_factory = aiosqlite.Row
        async with db.execute("select id, name from t where id > ?", (1,)) as cursor:
            rows = [dict(row) async for row in cursor]
        cursor = await db.execute("select count(*) from t")
        return rows, await cursor.fetchone(), await db.execute_fetchall("select 7"), db.in_transaction
    finally:
        await db.close()

async def refused(at):
    async with aiosqlite.connect(at) as db:
        try:
            await db.execute("insert into t (id) values (1)")
        except aiosqlite.IntegrityError as error:
            return str(error)
'''


def test_aiosqlite_by_itself(tmp_path):
    """Connections, cursors and rows, with and without `async with`; a statement that isn't recorded diverges."""
    file = tmp_path / "x.db"
    story = Story(tmp_path / "it", AIOSQLITE, presets=["sqlite3"])
    said = story.record(str(file))
    assert not [text for text in said.values() if text.startswith("raised")], said
    assert "UNIQUE" in said["refused"]
    file.unlink()
    story.assert_all_equal()
    verdicts = {name: result["verdict"] for name, result in story.changed(("id > ?", "id >= ?")).items()}
    assert verdicts == {"prepare": "equal", "read": "diverged", "refused": "equal"}
