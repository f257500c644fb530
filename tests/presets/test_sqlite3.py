"""SQLite, plain and under SQLAlchemy, on a real file and then without it."""

from __future__ import annotations

from tests.presets.story import Story

SERVICE = """
import sqlite3, contextlib
from concurrent.futures import ThreadPoolExecutor

def connected(path):
    connection = sqlite3.connect(path, timeout=5)
    connection.row_factory = sqlite3.Row
    return connection

def prepare(at):
    with contextlib.closing(sqlite3.connect(at)) as c, c:
        c.execute("create table orders (id integer primary key, item text unique, price real, data blob)")
        cursor = c.executemany("insert into orders (item, price, data) values (?, ?, ?)",
                               [(f"item {n}", n / 3, bytes([n])) for n in range(20)])
        return cursor.rowcount, c.total_changes

def rows(at):
    with contextlib.closing(connected(at)) as c:
        found = c.execute("select * from orders where id < ?", (4,)).fetchall()
        row = found[0]
        kind = type(row) is sqlite3.Row
        return kind, row.keys(), row["item"], row[0], dict(row), tuple(row), len(row), [r["data"] for r in found]

def iterated(at):
    with contextlib.closing(sqlite3.connect(at)) as c:
        return [item for item, in c.execute("select item from orders order by id")], next(c.execute("select 7"))

def part(at):
    with contextlib.closing(sqlite3.connect(at)) as c:
        cursor = c.cursor()
        cursor.execute("select id from orders order by id")
        return cursor.fetchone(), cursor.fetchmany(2), [row for row, _ in zip(cursor, range(2))]

def written(at):
    with contextlib.closing(sqlite3.connect(at)) as c:
        with c:
            cursor = c.execute("insert into orders (item, price) values (:item, :price)", {"item": "new", "price": 1})
        first = cursor.lastrowid, cursor.rowcount, c.in_transaction, cursor.description
        described = c.execute("select id, price from orders").description
        return first, [column[0] for column in described]

def refused(at):
    with contextlib.closing(sqlite3.connect(at)) as c:
        try:
            with c:
                c.execute("insert into orders (item) values ('item 1')")
        except sqlite3.IntegrityError as error:
            return type(error).__name__, str(error), error.sqlite_errorname, c.in_transaction

def wrong(at):
    with contextlib.closing(sqlite3.connect(at)) as c:
        c.execute("select nothing from nowhere")

def together(at):
    def count(n):
        with contextlib.closing(sqlite3.connect(at)) as c:
            return c.execute("select count(*) from orders where id > ?", (n,)).fetchone()[0]
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(count, range(8)))

def factory(at):
    with contextlib.closing(sqlite3.connect(at)) as c:
        c.row_factory = lambda cursor, row: {d[0]: v for d, v in zip(cursor.description, row)}
        return c.execute("select id, item from orders limit 2").fetchall()

def function(at):
    with contextlib.closing(sqlite3.connect(at)) as c:
        c.create_function("double", 1, lambda x: 2 * x)
        return c.execute("select double(21)").fetchone()

KEPT = None
def lazy(at):
    global KEPT
    if KEPT is None:
        KEPT = sqlite3.connect(at, check_same_thread=False)
    return KEPT.execute("select count(*) from orders").fetchone()

def lazy_again(at):
    return lazy(at)
"""

ALCHEMY = """
import os, sqlalchemy
from sqlalchemy import create_engine, select, func, event, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, Session, relationship

ENGINE = create_engine(os.environ["DATABASE"])

class Base(DeclarativeBase): pass
class Customer(Base):
    __tablename__ = "customers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    orders: Mapped[list["Order"]] = relationship(back_populates="customer")
class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    total: Mapped[float]
    customer_id: Mapped[int] = mapped_column(sqlalchemy.ForeignKey("customers.id"))
    customer: Mapped[Customer] = relationship(back_populates="orders")

Base.metadata.create_all(ENGINE)  # as many services do while they are imported
with Session(ENGINE) as session:
    SEEN = session.scalars(select(Customer)).all()

def prepare(at):
    Base.metadata.create_all(ENGINE)
    return sorted(sqlalchemy.inspect(ENGINE).get_table_names())

def place(at):
    with Session(ENGINE) as session:
        session.add(Customer(name="acme", orders=[Order(total=1.5), Order(total=2.25)]))
        session.commit()
        return session.scalars(select(func.sum(Order.total))).one()

def read(at):
    with Session(ENGINE) as session:
        customer = session.scalars(select(Customer).where(Customer.name == "acme")).one()
        return customer.name, [order.total for order in customer.orders]

def core(at):
    with ENGINE.begin() as connection:
        connection.execute(text("update orders set total = total + :by"), {"by": 1})
        return [tuple(row) for row in connection.execute(select(Order.id, Order.total).order_by(Order.id))]

def refused(at):
    with Session(ENGINE) as session:
        session.add(Customer(name="acme"))
        try:
            session.commit()
        except sqlalchemy.exc.IntegrityError as error:
            return type(error).__name__, type(error.orig).__name__, str(error.orig)

def many(at):
    found = []
    for _ in range(8):
        with ENGINE.connect() as one, ENGINE.connect() as other:
            found.append((one.scalar(text("select 1")), other.scalar(text("select 2"))))
    return found
"""


def test_connections_cursors_rows_and_errors_come_back(tmp_path):
    """Everything a DB-API user does gives at replay what it gave, with the file gone."""
    story = Story(tmp_path / "project", SERVICE, presets=["sqlite3"])
    database = tmp_path / "orders.db"
    story.record(str(database), *story.names)
    assert "OperationalError" in story.plain(str(database), "wrong")["wrong"]
    database.unlink()
    results = {result["operation"]: result for result in story.assert_all_equal()}
    assert results.keys() == set(story.names)


def test_a_recorded_service_gets_what_an_unrecorded_one_gets(tmp_path):
    """The same values, row classes and errors with and without recording; and locks go when they would."""
    story = Story(tmp_path / "project", SERVICE, presets=["sqlite3"])
    assert story.record(str(tmp_path / "one.db")) == story.plain(str(tmp_path / "two.db"))


def test_a_changed_statement_diverges_and_a_changed_use_is_different(tmp_path):
    """Another parameter, statement or a further fetch has no answer; another use of the answer shows in the result."""
    story = Story(tmp_path / "project", SERVICE, presets=["sqlite3"])
    story.record(str(tmp_path / "orders.db"))
    results = story.changed(
        ('row["item"], row[0]', 'row["item"].upper(), row[0]'),
        ("fetchmany(2)", "fetchmany(3)"),
        ('"price": 1}', '"price": 2}'),
        ("select double(21)", "select double(22)"),
    )
    verdicts = {name: result["verdict"] for name, result in results.items() if result["verdict"] != "equal"}
    assert verdicts == {"rows": "different", "part": "diverged", "written": "diverged", "function": "diverged"}


def test_sqlalchemy_over_sqlite(tmp_path, monkeypatch):
    """Each tape replays by itself, whichever of them found the pool empty."""
    story = Story(tmp_path / "project", ALCHEMY, presets=["sqlite3"])
    database = tmp_path / "orders.db"
    recorded = story.record("", DATABASE=f"sqlite:///{database}")
    assert not [text for text in recorded.values() if text.startswith("raised")], recorded
    database.unlink()
    monkeypatch.setenv("DATABASE", f"sqlite:///{database}")
    story.assert_all_equal()
    results = story.changed(("total + :by", "total - :by"), ("select 2", "select 3"))
    assert {name for name, result in results.items() if result["verdict"] == "diverged"} == {"core", "many"}
    results = story.changed(('os.environ["DATABASE"])', 'os.environ["DATABASE"], isolation_level="AUTOCOMMIT")'))
    assert {result["verdict"] for result in results.values()} == {"diverged"}, "nothing is rolled back any more"
