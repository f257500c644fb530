"""PostgreSQL through psycopg2, its pools and SQLAlchemy: connections and cursors are handles.

Functions in C that take a connection are intercepted too, so that they are given the real one. `error.diag` of an exception that
comes from a tape is empty; its class, text, `pgcode` and `pgerror` are there.
"""

from __future__ import annotations

from autoplayback.presets import PresetTarget, _acts, _django, _sqlalchemy
from autoplayback.tape.adapters import registry
from autoplayback.tape.adapters.registry import Adapter

registry.register([Adapter("psycopg2.extensions:Column", list, lambda cls, value, extra: cls(*value))])

TARGETS = (
    PresetTarget("psycopg2:connect", "psycopg2.connect", handle=True, acts=_acts.sql),
    *(PresetTarget(f"psycopg2._psycopg:{name}", f"psycopg2.{name}", handle=True) for name in ("register_type", "quote_ident")),
    PresetTarget("psycopg2.sql:Composable.as_string", "psycopg2.sql.as_string", handle=True),
    *_sqlalchemy.TARGETS,
    *_django.TARGETS,
)
