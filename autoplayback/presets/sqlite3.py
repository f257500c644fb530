"""SQLite through the standard library: connections, cursors and rows are handles, answered without a database file.

Rows made by a row factory come back as what the factory made of them; `sqlite3.Row` comes back as the real thing.
"""

from __future__ import annotations

from autoplayback.presets import PresetTarget

# The package re-exports the C function; SQLAlchemy and others take it from either module.
TARGETS = (
    PresetTarget("sqlite3:connect", "sqlite3.connect", handle=True),
    PresetTarget("sqlite3.dbapi2:connect", "sqlite3.connect", handle=True),
)
