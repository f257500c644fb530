"""SQLAlchemy over an intercepted driver: the pool's doings are left out, so that a tape holds what the operation itself asked.

When a connection is made, SQLAlchemy asks the server for its version and the like; and whether a request makes a connection or
finds one in the pool depends on the requests before it. So one checkout is one call, whatever went on within, and its answer is
the driver's connection (a handle), along with what the dialect had learnt of the server. Replaying, no pool is asked.
"""

from __future__ import annotations

import importlib
import inspect
import time
import weakref
from typing import TYPE_CHECKING, Any

from autoplayback.interception.handles import is_handle
from autoplayback.interception.protocol import ResultCodec
from autoplayback.presets import PresetTarget

if TYPE_CHECKING:
    from autoplayback.interception.protocol import Answer, Passage

_PLAIN = frozenset({type(None), bool, int, float, str})
_learnt: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()


class CheckoutCodec(ResultCodec):
    """`Engine.raw_connection`, which every Connection and Session begins with."""

    parameters = (("url", int(inspect.Parameter.POSITIONAL_OR_KEYWORD)),)

    def asked(
        self, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, replaying: bool = False
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (receiver.url.render_as_string(hide_password=True),), {}

    def opened(self, result: Any, passage: Passage) -> Any:
        connection, adapted = result.dbapi_connection, None
        if not is_handle(connection):
            # An async driver's: SQLAlchemy's own class around it.
            adapted = f"{type(connection).__module__}:{type(connection).__qualname__}"
            connection = connection._connection
        passage.returned({"connection": connection, "adapted": adapted, "dialect": _state(result._pool._dialect)})
        return result

    def closed(self, answer: Answer, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        from sqlalchemy.pool.base import _ConnectionFairy, _ConnectionRecord

        dialect, pool = receiver.dialect, receiver.pool
        for name, value in answer.value["dialect"].items():
            if getattr(dialect, name, None) != value:
                setattr(dialect, name, value)
        connection = answer.value["connection"]
        if answer.value["adapted"] is not None:
            module, _, name = answer.value["adapted"].partition(":")
            connection = getattr(importlib.import_module(module), name)(dialect.dbapi, connection)
        record = _ConnectionRecord(pool, connect=False)
        record.dbapi_connection = connection
        record.starttime = time.time()
        fairy = _ConnectionFairy(pool, connection, record, False)
        fairy._counter = 1
        record.fairy_ref = weakref.ref(fairy, lambda _: None)
        return fairy


class CheckinCodec(ResultCodec):
    """`_ConnectionRecord.checkin`: whether the pool keeps the connection or closes it is the pool's business."""

    def asked(
        self, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, replaying: bool = False
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (), {}

    def closed(self, answer: Answer, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        receiver.fairy_ref = None


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
    PresetTarget("sqlalchemy.engine.base:Engine.raw_connection", "sqlalchemy.checkout", codec=CheckoutCodec()),
    PresetTarget("sqlalchemy.pool.base:_ConnectionRecord.checkin", "sqlalchemy.checkin", codec=CheckinCodec()),
)
