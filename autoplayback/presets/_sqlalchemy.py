"""SQLAlchemy over an intercepted driver: the pool's doings are left out, so that a tape holds what the operation itself asked.

When a connection is made, SQLAlchemy asks the server for its version and the like; and whether a request makes a connection or
finds one in the pool depends on the requests before it. So one checkout is one call, whatever went on within, and its answer is
the driver's connection (a handle), along with what the dialect had learnt of the server. Replaying, no pool is asked.
"""

from __future__ import annotations

import importlib
import inspect
import re
import time
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from autoplayback.interception.handles import is_handle
from autoplayback.interception.protocol import ResultCodec
from autoplayback.presets import PresetTarget

if TYPE_CHECKING:
    from autoplayback.interception.protocol import Answer, Passage

_PLAIN = frozenset({type(None), bool, int, float, str})
_ITS_OWN = frozenset({"_on_connect_isolation_level"})
"""What a dialect was told by the code, rather than learnt of the server: at replay the code is another."""
_learnt: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()


class CheckoutCodec(ResultCodec):
    """`Engine.raw_connection`, which every Connection and Session begins with."""

    parameters = (("url", int(inspect.Parameter.POSITIONAL_OR_KEYWORD)),)

    def asked(
        self, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, replaying: bool = False
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        url = receiver.url.render_as_string(hide_password=True)
        # The one thing an engine sets on its connections unseen: under AUTOCOMMIT a rollback undoes nothing.
        level = receiver.dialect._on_connect_isolation_level
        return (url,), {} if level is None else {"isolation_level": level}

    def opened(self, result: Any, passage: Passage) -> Any:
        connection, adapted = result.dbapi_connection, None
        if not is_handle(connection):
            # An async driver's: SQLAlchemy's own class around it.
            adapted = f"{type(connection).__module__}:{type(connection).__qualname__}"
            connection = connection._connection
        passage.returned({"connection": connection, "adapted": adapted, "dialect": _state(result._pool._dialect)})
        return result

    def closed(self, answer: Answer, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        dialect = receiver.dialect
        for name, value in answer.value["dialect"].items():
            if name not in _ITS_OWN and getattr(dialect, name, None) != value:
                setattr(dialect, name, value)
        connection = answer.value["connection"]
        if answer.value["adapted"] is not None:
            module, _, name = answer.value["adapted"].partition(":")
            connection = getattr(importlib.import_module(module), name)(dialect.dbapi, connection)
        return _fairy(receiver.pool, connection)

    def outside(self, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return ... if receiver.dialect.is_async else _fairy(receiver.pool, NoConnection())


class CheckinCodec(ResultCodec):
    """`_ConnectionRecord.checkin`: whether the pool keeps the connection or closes it is the pool's business."""

    def asked(
        self, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, replaying: bool = False
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (), {}

    def closed(self, answer: Answer, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        receiver.fairy_ref = None

    def outside(self, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        receiver.fairy_ref = None


class NoConnection:
    """A driver's connection to an empty database, for what a service does while it is imported: `create_all`, a first look."""

    notices: tuple[str, ...] = ()

    def cursor(self, *args: Any, **kwargs: Any) -> NoCursor:
        return NoCursor(self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _nothing


class NoCursor:
    """Takes every statement; has no rows for any."""

    arraysize, lastrowid, rowcount = 1, 1, 0

    def __init__(self, connection: NoConnection) -> None:
        self.connection = connection
        self.description: Any = None

    def execute(self, statement: Any, *args: Any, **kwargs: Any) -> NoCursor:
        columns = _columns(str(statement))
        self.description = [(name, None, None, None, None, None, None) for name in columns] or None
        return self

    executemany = execute

    def fetchone(self) -> None:
        return None

    def fetchall(self, *args: Any) -> list[Any]:
        return []

    fetchmany = fetchall

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _nothing


def _columns(statement: str) -> list[str]:
    """The columns a statement asks for, by the names it gives them; none where it asks for nothing."""
    found = re.search(r"\b(SELECT|RETURNING|PRAGMA|SHOW)\b", statement, re.IGNORECASE)
    if found is None:
        return []
    names, depth, last = [], 0, ""
    for token in re.findall(r'"[^"]*"|[\w.]+|\S', statement[found.end() :]):
        depth += (token == "(") - (token == ")")
        if depth == 0 and (token == "," or token.upper() == "FROM"):
            names.append(last)
            if token != ",":
                return names
        last = token.strip('"').rpartition(".")[2]
    return [*names, last]


def _nothing(*args: Any, **kwargs: Any) -> None:
    return None


def _fairy(pool: Any, connection: Any) -> Any:
    """What an engine gives out: SQLAlchemy's own object around a connection, as its pool makes it."""
    from sqlalchemy.pool.base import _ConnectionFairy, _ConnectionRecord

    record = _ConnectionRecord(pool, connect=False)
    record.dbapi_connection = connection
    record.starttime = time.time()
    fairy = _ConnectionFairy(pool, connection, record, False)
    fairy._counter = 1
    record.fairy_ref = weakref.ref(fairy, lambda _: None)
    return fairy


def _state(dialect: Any) -> dict[str, Any]:
    """What a dialect knows, as far as it is plain; the same once it has been initialized."""
    known = _learnt.get(dialect)
    if known is None:
        known = {
            name: value
            for name, value in vars(dialect).items()
            if type(value) in _PLAIN or (type(value) is tuple and all(type(part) in _PLAIN for part in value))
        }
        _learnt[dialect] = known
    return known


TARGETS = (
    PresetTarget("sqlalchemy.engine.base:Engine.raw_connection", "sqlalchemy.checkout", codec=CheckoutCodec(), beside=True),
    PresetTarget("sqlalchemy.pool.base:_ConnectionRecord.checkin", "sqlalchemy.checkin", codec=CheckinCodec(), beside=True),
)
