"""Handles: a live object and all that is done with it, recorded, and answered without the library."""

from __future__ import annotations

import asyncio
import copy
import sqlite3

import pytest

from autoplayback.interception import handles
from autoplayback.interception.handles import is_handle, replayed, state
from autoplayback.interception.protocol import Answer
from autoplayback.tape.values import inspect as decoded

LIBRARY = '''
class Connection:
    """A connection."""
    kind = "real"
    def __init__(self, dsn):
        self.dsn = dsn
        self.closed = False
        self.log = []
    def __enter__(self): return self
    def __exit__(self, *exc):
        self.closed = True
        return exc[0] is ZeroDivisionError
    def cursor(self, **options): return Cursor(self)
    def savepoint(self): return Connection(self.dsn + "/sp")
    @property
    def status(self): return len(self.log)
    def add(self, other): return type(other)
    def fail(self): raise OSError("gone")
    def me(self): return self
    @classmethod
    def parse(cls, text): return text
class Cursor:
    def __init__(self, connection):
        self.connection = connection
        self.at = 0
    def execute(self, sql, *args):
        self.connection.log.append(sql)
        self.rows = [(1,), (2,), (3,)]
        return self
    def __iter__(self): return self
    def __next__(self):
        if not self.rows: raise StopIteration
        return self.rows.pop(0)
    def __len__(self): return 3
    def __getitem__(self, i): return i
class AsyncConnection:
    async def __aenter__(self): return self
    async def __aexit__(self, *exc): return None
    async def fetch(self, n): return n
    def acquire(self): return Acquiring()
    async def __aiter__(self):
        yield 1
        yield 2
class Acquiring:
    def __await__(self):
        yield from ()
        return AsyncConnection()
def connect(dsn): return Connection(dsn)
def aconnect(): return AsyncConnection()
'''


@pytest.fixture
def library(service, intercept):
    m = service.module(LIBRARY)
    intercept(f"{m.__name__}:connect", f"{m.__name__}:aconnect", handle=True)
    return m


def names(page):
    return [call.name.partition(":")[2] for call in page.calls]


def test_a_handle_passes_for_the_real_thing(library, notebook):
    """isinstance, repr, equality, hash, dir, attributes, docs, copy."""
    with notebook.open():
        connection = library.connect("db")
        assert is_handle(connection)
        assert isinstance(connection, library.Connection)
        assert connection.__class__ is library.Connection
        real = state(connection).real
        assert (connection == real, hash(connection), repr(connection)) == (True, hash(real), repr(real))
        assert dir(connection) == dir(real)
        assert type(connection).__doc__ == "A connection."
        assert not callable(connection)
        assert not hasattr(type(connection), "__iter__")
        assert copy.copy(connection).dsn == "db"
        connection.note = 5
        assert real.note == connection.note == 5
        with pytest.raises(AttributeError):
            connection.missing
        del connection.note
        assert not hasattr(real, "note")


def test_everything_done_with_it_is_a_call(library, notebook):
    """Methods, attributes, context manager, iteration, special methods; handles it returns are handles in turn."""
    with notebook.open() as page:
        with library.connect("db") as connection:
            cursor = connection.cursor(fast=True)
            assert is_handle(cursor)
            assert cursor.execute("select", 1) is cursor
            assert next(cursor) == (1,)
            assert list(iter(cursor)) == [(2,), (3,)]
            assert (len(cursor), cursor[7], connection.status, connection.dsn, connection.parse("x")) == (3, 7, 1, "db", "x")
            assert cursor.connection is connection
            assert connection.me() is connection
            1 / 0
        with pytest.raises(OSError, match="gone"):
            connection.fail()
    made = page.calls[0].value
    assert names(page) == [
        f"connect{rest}"
        for rest in (
            "",
            ".__enter__",
            ".cursor",
            ".cursor.execute",
            ".cursor.__next__",
            ".cursor.__iter__",
            ".cursor.__len__",
            ".cursor.__getitem__",
            ".status",
            ".dsn",
            ".parse",
            ".cursor.connection",
            ".me",
            ".__exit__",
            ".fail",
        )
    ]
    assert page.calls[1].receiver is made
    assert page.calls[1].value is made
    assert page.calls[5].items == [(2,), (3,)]
    assert (page.calls[2].args, page.calls[2].kwargs) == ((), {"fast": True})
    assert page.calls[3].args == ("select", 1)


def test_facts_of_a_handle(library, notebook):
    """What the recorder writes into a HandleNote."""
    with notebook.open():
        connection = library.connect(dsn="db")
        savepoint = connection.savepoint()
        nested = savepoint.savepoint()
    facts = state(connection)
    assert facts.maker.name == f"{library.__name__}:connect"
    assert facts.type == f"{library.__name__}:Connection"
    assert decoded(facts.arguments) == [[], {"dsn": "db"}]
    assert state(savepoint).maker is state(nested).maker is facts.maker, "a chain of the same class doesn't grow names"


def test_handles_older_than_the_operation(library, notebook):
    """Made at import or by an earlier operation, used in this one."""
    connection = library.connect("db")
    cursor = connection.cursor()
    assert is_handle(connection)
    assert is_handle(cursor)
    assert notebook.calls == []
    with notebook.open() as page:
        cursor.execute("select")
    assert names(page) == ["connect.cursor.execute"]
    assert page.calls[0].receiver is cursor
    assert page.calls[0].value is cursor


def test_the_library_gets_its_own_objects_back(library, notebook):
    """A handle as an argument of a handle's method arrives as the real object."""
    with notebook.open() as page:
        one, two = library.connect("1"), library.connect("2")
        assert one.add(two) is library.Connection
        assert not is_handle(state(one).real.cursor(x=two).connection)
    assert page.calls[2].args == (two,)
    assert is_handle(page.calls[2].args[0])


def test_asynchronous_handles(library, notebook):
    """async with, await on a method, an awaitable that is no coroutine, async for."""

    async def story():
        async with library.aconnect() as connection:
            assert await connection.fetch(4) == 4
            other = await connection.acquire()
            assert is_handle(other)
            return [item async for item in connection]

    with notebook.open() as page:
        assert asyncio.run(story()) == [1, 2]
    assert names(page) == [
        "aconnect",
        "aconnect.__aenter__",
        "aconnect.fetch",
        "aconnect.acquire",
        "aconnect.acquire.__await__",
        "aconnect.__aiter__",
        "aconnect.__aexit__",
    ]


def test_a_class_as_the_maker(service, intercept, notebook):
    """`returns: handle` on a class: the class stays itself for isinstance, subclasses and pickle's copies."""
    m = service.module(LIBRARY)
    connection_class = m.Connection
    intercept(f"{m.__name__}:Connection", handle=True)

    class Own(m.Connection):
        def own(self):
            return super().cursor()

    with notebook.open() as page:
        connection = m.Connection("db")
        own = Own("mine")
        assert is_handle(connection)
        assert isinstance(connection, connection_class)
        assert (connection.dsn, own.dsn, type(state(own).real)) == ("db", "mine", Own)
        assert copy.copy(connection).dsn == "db"
        own.own()
    assert page.calls[0].args == ("db",)
    assert names(page)[-1] == "Connection.own"


def test_sqlite_for_real(intercept, notebook, tmp_path):
    """A C library: connection, cursor, rows, transactions, errors."""
    intercept("sqlite3:connect", handle=True)
    with notebook.open() as page:
        connection = sqlite3.connect(tmp_path / "x.db")
        connection.row_factory = sqlite3.Row
        with connection:
            connection.execute("create table t (a, b)")
            connection.executemany("insert into t values (?, ?)", [(1, "x"), (2, "y")])
        assert [tuple(row) for row in connection.execute("select * from t")] == [(1, "x"), (2, "y")]
        with pytest.raises(connection.OperationalError, match="no such"):
            connection.execute("select * from missing")
        assert isinstance(connection, sqlite3.Connection)
        assert connection.total_changes == 2
        cursor = connection.cursor()
        assert cursor.execute("select count(*) from t") is cursor
        assert tuple(cursor.fetchone()) == (2,)
        connection.close()
    assert "connect.execute.__iter__" in names(page)
    assert "connect.cursor.fetchone" in names(page)


class _Tape:
    """A player in miniature: answers by target name, first recorded first answered."""

    outside = True

    def __init__(self, calls):
        self.calls = calls
        self.asked = []

    def call(self, target, receiver, args, kwargs):
        self.asked.append((target.name, receiver, args))
        found = self.calls[target.name].pop(0)
        value = found(target, self) if callable(found) else found
        return type("Answered", (), {"answer": value if isinstance(value, Answer) else Answer(value=value), "scope": None})()


def test_replayed_without_the_library(service):
    """Answers come from the tape, for methods, attributes, streams and handles in turn; no real object is there."""
    m = service.module(LIBRARY)
    from autoplayback.interception.target import Role, Target

    maker = Target(Role.INPUT, "connect", m.__name__, "connect", handle=True)
    tape = _Tape(
        {
            "connect.cursor": [lambda target, tape: replayed(target, tape, 2, f"{m.__name__}:Cursor")],
            "connect.status": [5],
            "connect.dsn": ["db"],
            "connect.__enter__": [lambda target, tape: connection],
            "connect.__exit__": [True],
            "connect.cursor.execute": [lambda target, tape: tape.calls["cursor"]],
            "connect.cursor.__iter__": [Answer(items=[(1,), (2,)])],
            "connect.missing": [Answer(error=AttributeError("missing"))],
        }
    )
    connection = replayed(maker, tape, 1, f"{m.__name__}:Connection")
    assert isinstance(connection, m.Connection)
    with connection as same:
        assert same is connection
        cursor = tape.calls["cursor"] = connection.cursor()
        assert isinstance(cursor, m.Cursor)
        assert cursor.execute("select") is cursor
        assert list(cursor) == [(1,), (2,)]
        assert (connection.status, connection.dsn) == (5, "db")
        assert not hasattr(connection, "missing")
        connection.row_factory = 5
        raise ValueError("swallowed by the recorded __exit__")
    assert [receiver for _, receiver, _ in tape.asked if receiver is None] == []
    assert (state(cursor).id, state(cursor).maker.name) == (2, "connect.cursor")
    assert repr(connection) == f"<replayed {m.__name__}:Connection 1>"


def test_replayed_handle_of_an_unknown_class(service):
    """The library isn't even imported: what is asked is taken for a method, until the player knows better."""
    from autoplayback.interception.target import Role, Target

    maker = Target(Role.INPUT, "connect", "nowhere", "connect", handle=True)
    tape = _Tape({"connect.query": [[1]], "connect.__enter__": [1], "connect.__exit__": [None]})
    connection = replayed(maker, tape, None, "nowhere:Connection")
    with connection:
        assert connection.query("x") == [1]
    assert bool(connection)

    tape = _Tape({"connect.status": [5]})
    tape.type_of = lambda handle: f"{m.__name__}:Connection"
    m = service.module(LIBRARY)
    assert replayed(maker, tape, None, "").status == 5


def test_names_of_a_family():
    """The player finds the target of any handle note in the family of the answered call."""
    from autoplayback.interception.target import Role, Target

    maker = Target(Role.INPUT, "db.connect", "m", "connect", handle=True)
    cursor = handles.derived(maker, "cursor")
    tape = _Tape({})
    assert state(replayed(cursor, tape, 1, "", "db.connect")).maker is maker
    assert state(replayed(maker, tape, 1, "", "db.connect.cursor")).maker is cursor
    assert state(replayed(cursor, tape, 1, "", "db.connect.cursor.rows")).maker.name == "db.connect.cursor.rows"
