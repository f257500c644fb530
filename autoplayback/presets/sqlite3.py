"""SQLite through the standard library: connections and cursors are handles, answered without a database file; rows are values.

Rows made by a row factory come back as what the factory made of them; `sqlite3.Row` comes back as the real thing.
"""

from __future__ import annotations

from typing import Any

from autoplayback.presets import PresetTarget
from autoplayback.tape.adapters.registry import Adapter, Split, register

# The package re-exports the C function; SQLAlchemy and others take it from either module.
TARGETS = (
    PresetTarget("sqlite3:connect", "sqlite3.connect", handle=True),
    PresetTarget("sqlite3.dbapi2:connect", "sqlite3.connect", handle=True),
)


def _dump_row(row: Any) -> Any:
    kind = _type("Row")
    return Split(list(kind.__iter__(row)), list(kind.keys(row)))


def _load_row(cls: Any, values: Any, names: Any) -> Any:
    """A row can only be made over a cursor which names the same columns: one of a database that exists nowhere."""
    connection = _type("Connection")(":memory:")
    try:
        columns = ", ".join('null as "{}"'.format(str(name).replace('"', '""')) for name in names)
        return cls(connection.execute(f"select {columns}"), tuple(values))
    finally:
        connection.close()


def _type(name: str) -> Any:
    """A class of the library, which by now the service has loaded; `connect` itself may be intercepted, the classes aren't."""
    import sqlite3

    return getattr(sqlite3, name)


register([Adapter("sqlite3:Row", _dump_row, _load_row)])
