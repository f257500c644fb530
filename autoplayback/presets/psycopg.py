"""PostgreSQL through psycopg 3, sync and async, its pool and SQLAlchemy: connections, cursors and transactions are handles.

A pool's own doings (its threads, the connections it makes and checks) are left out: what is recorded is which connection was
taken and what was asked of it. Replaying, no pool is started.
"""

from __future__ import annotations

from typing import Any

from autoplayback.interception import handles
from autoplayback.presets import PresetTarget, _acts, _django, _sqlalchemy
from autoplayback.tape.adapters import registry
from autoplayback.tape.adapters.registry import Adapter


class Result(dict[Any, Any]):
    """A result of libpq's at replay: what psycopg's own errors pickle of it, which `error.diag` looks at, and how it went."""

    status: Any = None


def _fields(result: Any) -> dict[int | str, bytes | int | None]:
    from psycopg.pq import DiagnosticField

    return {"status": int(result.status), **{int(field): result.error_field(field) for field in DiagnosticField}}


def _result(cls: type, value: Any, extra: Any) -> Any:
    from psycopg.pq import DiagnosticField, ExecStatus

    result = Result({DiagnosticField(int(field)): text for field, text in value.items() if field != "status"})
    result.status = ExecStatus(value.get("status", ExecStatus.FATAL_ERROR))  # older tapes tell of failed ones only
    return result


handles.internals["psycopg"] = frozenset({"pgconn", "adapters"})
handles.absent["psycopg"] = {"_close": lambda: None}  # how SQLAlchemy closes an asynchronous connection's cursors
registry.register(
    Adapter(name, _fields, _result, complete=True)
    for name in ("psycopg_binary.pq:PGresult", "psycopg_c.pq:PGresult", "psycopg.pq.pq_ctypes:PGresult")
)

_NAMES = ("name",)
"""Of cursors on the server, which SQLAlchemy makes of where its objects lie in memory."""


def _pool(name: str) -> tuple[PresetTarget, ...]:
    start = f"psycopg_pool:{name}."
    plumbing = ("_start_workers", "_start_initial_tasks", "wait", "close")
    return (
        PresetTarget(f"{start}getconn", "psycopg_pool.getconn", ignore=("timeout", *_NAMES), handle=True, acts=_acts.sql),
        PresetTarget(f"{start}putconn", "psycopg_pool.putconn"),
        *(PresetTarget(f"{start}{inner}", f"psycopg_pool.{inner}", ignore=("timeout",), missing=None) for inner in plumbing),
    )


TARGETS = (
    PresetTarget("psycopg:Connection.connect", "psycopg.connect", ignore=_NAMES, handle=True, acts=_acts.sql),
    PresetTarget("psycopg:AsyncConnection.connect", "psycopg.connect_async", ignore=_NAMES, handle=True, acts=_acts.sql),
    *(PresetTarget(f"psycopg.sql:Composable.{name}", f"psycopg.sql.{name}", handle=True) for name in ("as_string", "as_bytes")),
    PresetTarget("psycopg.types:TypeInfo.fetch", "psycopg.TypeInfo.fetch", handle=True),
    *_pool("ConnectionPool"),
    *_pool("AsyncConnectionPool"),
    *_sqlalchemy.TARGETS,
    *_django.TARGETS,
)
