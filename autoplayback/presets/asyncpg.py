"""PostgreSQL through asyncpg and its pool: connections, transactions, cursors and prepared statements are handles.

A pool's own doings are left out, as psycopg's are: what is recorded is which connection was taken and what was asked of it. Rows
come back as stand-ins, since nothing outside asyncpg can make a `Record`; they have all that one has, and pass for one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from autoplayback.interception.protocol import ResultCodec
from autoplayback.presets import PresetTarget, _acts, _sqlalchemy
from autoplayback.tape.adapters import registry
from autoplayback.tape.adapters.registry import Adapter, Split

if TYPE_CHECKING:
    from autoplayback.interception.protocol import Answer, Passage

_FETCHES = frozenset({"fetch", "fetchrow", "fetchval", "fetchmany", "prepare", "cursor"})


class Record:
    """A row from a tape: asyncpg's mapping, whose iteration gives values and whose equality is a tuple's."""

    __slots__ = ("_names", "_values")

    def __init__(self, names: list[str], values: list[Any]) -> None:
        self._names = tuple(names)
        self._values = tuple(values)

    @property  # type: ignore[misc]  # isinstance(row, asyncpg.Record) holds, as it did
    def __class__(self) -> Any:
        return sys.modules["asyncpg"].Record

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            return self._values[key]
        try:
            # Of columns with one name the last counts, as in asyncpg.
            return self._values[len(self._names) - 1 - self._names[::-1].index(key)]
        except ValueError:
            raise KeyError(key) from None

    def get(self, key: str, default: Any = None) -> Any:
        return self[key] if key in self._names else default

    def keys(self) -> Iterator[str]:
        return iter(self._names)

    def values(self) -> Iterator[Any]:
        return iter(self._values)

    def items(self) -> Iterator[tuple[str, Any]]:
        return zip(self._names, self._values, strict=True)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __contains__(self, key: object) -> bool:
        return key in self._names

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        return self._values == (tuple(other) if isinstance(other, type(self)) else other)

    def __hash__(self) -> int:
        return hash(self._values)

    def __repr__(self) -> str:
        return f"<Record {' '.join(f'{name}={value!r}' for name, value in self.items())}>"


Record.__module__, Record.__qualname__ = "asyncpg.protocol.record", "Record"  # on a replay's own tape it stands as what it is for


class PoolCodec(ResultCodec):
    """A pool's start and end: at replay there is nothing to start."""

    def asked(
        self, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, replaying: bool = False
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (), {}

    def opened(self, result: Any, passage: Passage) -> Any:
        passage.returned(None)
        return result

    def closed(self, answer: Answer, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self.outside(receiver, args, kwargs)

    def outside(self, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        receiver._initialized = True
        return receiver


def _acting(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """As of any driver; asyncpg also fetches what a statement with RETURNING gives, and copies by methods of their own."""
    holder, _, method = name.rpartition(".")
    if method.startswith("copy_") and method.endswith("to_table"):
        return True
    return _acts.sql(f"{holder}.execute" if method in _FETCHES else name, args, kwargs)


def _statement(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return _acts.sql("connect.execute", args, kwargs)


def _by_pool(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a pool connects, which looks at the class of what it gets; it names its event loop, which others needn't."""
    return kwargs.get("loop") is not None


def _fields(record: Any) -> Split:
    return Split(list(record.values()), list(record.keys()))


registry.register(
    [Adapter("asyncpg.protocol.record:Record", _fields, lambda cls, value, extra: Record(extra, value), closed=True)]
)

POOL = PoolCodec()
TARGETS = (
    PresetTarget(
        "asyncpg.connection:connect", "asyncpg.connect", ignore=("timeout", "loop"), handle=True, acts=_acting, apart=_by_pool
    ),
    PresetTarget("asyncpg.pool:Pool._acquire", "asyncpg.acquire", ignore=("timeout",), handle=True, acts=_acting),
    PresetTarget("asyncpg.pool:Pool.release", "asyncpg.release", ignore=("timeout",), handle=True),
    PresetTarget("asyncpg.pool:Pool._async__init__", "asyncpg.pool", codec=POOL),
    *(PresetTarget(f"asyncpg.pool:Pool.{name}", f"asyncpg.pool.{name}", missing=None) for name in ("close", "terminate")),
    # SQLAlchemy keeps statements, by their text, as long as it has the connection.
    PresetTarget(
        "sqlalchemy.dialects.postgresql.asyncpg:AsyncAdapt_asyncpg_connection._prepare",
        "asyncpg.prepared",
        ignore=("invalidate_timestamp",),
        trusts=("asyncpg",),
        acts=_statement,
        beside=True,
    ),
    *_sqlalchemy.TARGETS,
)
