"""SQLite through the standard library, aiosqlite, SQLAlchemy and others: connections and cursors are handles; no file is opened.

Rows made by a row factory come back as what the factory made of them; `sqlite3.Row` comes back as the real thing.
"""

from __future__ import annotations

import functools
from typing import Any

from autoplayback.presets import PresetTarget, _acts, _aiosqlite, _django, _sqlalchemy
from autoplayback.tape.adapters import registry
from autoplayback.tape.adapters.registry import Adapter, Split


@functools.lru_cache(maxsize=1024)
def _described(names: tuple[str, ...]) -> Any:
    """A cursor whose description has these column names: what a Row takes its keys from."""
    import sqlite3

    columns = ", ".join('NULL AS "{}"'.format(name.replace('"', '""')) for name in names)
    return sqlite3.Connection(":memory:").execute(f"SELECT {columns}")


def _row(cls: Any, values: list[Any], names: list[str]) -> Any:
    return cls(_described(tuple(names)), tuple(values))


registry.register([Adapter("sqlite3:Row", lambda row: Split(list(row), row.keys()), _row)])

# The package re-exports the C function; SQLAlchemy and others take it from either module.
TARGETS = (
    PresetTarget("sqlite3:connect", "sqlite3.connect", handle=True, acts=_acts.sql),
    PresetTarget("sqlite3.dbapi2:connect", "sqlite3.connect", handle=True, acts=_acts.sql),
    *_aiosqlite.TARGETS,
    *_sqlalchemy.TARGETS,
    *_django.TARGETS,
)
