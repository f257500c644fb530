"""A disposable index of a cassette: the rows of its segments' footers in SQLite, under the user's cache folder.

The footers are the truth. Whatever happens to the catalog (deleted, damaged, written by another version), it is made again
from them; and whatever its SQL lets through is judged once more by `Query`, so that SQL only ever narrows.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from math import isfinite
from pathlib import Path
from typing import Any

import msgspec

from autoplayback.cassettes.openfile import make_folder
from autoplayback.cassettes.places import cache_folder, digest
from autoplayback.cassettes.query import Query
from autoplayback.config.notations import Condition, NotationError, span
from autoplayback.errors import CassetteError
from autoplayback.tape.model import Summary
from autoplayback.tape.segment import Located

SCHEMA = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS segments (number INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, stamp TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tapes (
    id TEXT UNIQUE NOT NULL, segment INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL, operation TEXT NOT NULL,
    started INTEGER NOT NULL, seconds REAL NOT NULL, outcome TEXT NOT NULL, calls INTEGER NOT NULL, bytes INTEGER NOT NULL,
    metadata TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS by_operation ON tapes (operation, started, outcome, seconds);
CREATE INDEX IF NOT EXISTS by_start ON tapes (started);
CREATE INDEX IF NOT EXISTS by_segment ON tapes (segment);
"""
_COLUMNS = "id, operation, started, seconds, outcome, calls, bytes, metadata"
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


class CatalogLost(CassetteError):
    """The catalog was damaged and is gone: synchronising makes it again."""


class Catalog:
    """The catalog of one cassette. Safe to use from several threads and processes, and on both sides of a fork."""

    def __init__(self, url: str, folder: Path | None = None) -> None:
        """Opens nothing yet. Without a writable cache folder the catalog lives in memory."""
        self._path = (folder or cache_folder() / "catalog") / f"{digest(url)}-{SCHEMA}.sqlite"
        self._lock = threading.RLock()
        self._pid = -1
        self._connection: sqlite3.Connection | None = None

    def segments(self) -> dict[str, str]:
        """The segments it has read, with the stamp (size and time, or an ETag) each had."""
        with self._connected() as db:
            return dict(db.execute("SELECT name, stamp FROM segments"))

    def update(self, put: Iterable[tuple[str, str, Sequence[Located]]], drop: Iterable[str] = ()) -> None:
        """Forgets the segments in `drop`, then takes in (name, stamp, rows) of each of `put`, a later name winning over an
        earlier one where both hold a tape. Each segment is taken in whole or not at all."""
        with self._connected() as db:
            for name in drop:
                with db:
                    db.execute("DELETE FROM tapes WHERE segment = (SELECT number FROM segments WHERE name = ?)", (name,))
                    db.execute("DELETE FROM segments WHERE name = ?", (name,))
            for name, stamp, rows in put:
                with db:
                    db.execute("INSERT OR REPLACE INTO segments (name, stamp) VALUES (?, ?)", (name, stamp))
                    (number,) = db.execute("SELECT number FROM segments WHERE name = ?", (name,)).fetchone()
                    db.executemany("INSERT OR REPLACE INTO tapes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (
                        (s.tape, number, offset, length, s.operation, s.started, s.seconds, s.outcome, s.calls, s.bytes,
                         _encode(s.metadata).decode())
                        for s, offset, length in rows))

    def find(self, query: Query) -> Iterator[Summary]:
        """The rows which may be meant, in no order; the query itself decides."""
        clauses, values = _narrowed(query)
        where = f" WHERE {' AND '.join(clauses)}" if clauses else ""
        with self._connected() as db:
            rows = db.execute(f"SELECT {_COLUMNS} FROM tapes{where}", values).fetchall()
        for id, operation, started, seconds, outcome, calls, size, metadata in rows:
            yield Summary(id, operation, started, seconds, outcome, calls, size, _decode(metadata))

    def locate(self, tape_id: str) -> tuple[str, int, int] | None:
        """(segment, offset, length) of a tape's entry."""
        with self._connected() as db:
            row: tuple[str, int, int] | None = db.execute(
                "SELECT name, offset, length FROM tapes JOIN segments ON number = segment WHERE id = ?", (tape_id,)).fetchone()
        return row

    def beginning(self, prefix: str, count: int = 4) -> list[str]:
        """A few of the ids that begin with `prefix`."""
        with self._connected() as db:
            rows = db.execute("SELECT id FROM tapes WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
                              (prefix, prefix + "\U0010ffff", count)).fetchall()
        return [id for (id,) in rows]

    def erase(self, ids: Iterable[str]) -> None:
        """Removes tapes, their bytes overwritten."""
        with self._connected() as db, db:
            db.executemany("DELETE FROM tapes WHERE id = ?", ((id,) for id in ids))
        with self._connected() as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the log would otherwise keep what secure_delete overwrites

    def close(self) -> None:
        """Lets go of the file."""
        with self._lock:
            if self._connection is not None and self._pid == os.getpid():
                self._connection.close()
            self._connection = None

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._connection is None or self._pid != os.getpid():
                self._connection, self._pid = self._open(), os.getpid()
            try:
                yield self._connection
            except sqlite3.OperationalError as error:
                raise CassetteError(str(self._path), f"the catalog can't be used ({error}); it may be deleted") from error
            except sqlite3.DatabaseError as error:
                self.close()
                for suffix in ("", "-wal", "-shm"):
                    Path(f"{self._path}{suffix}").unlink(missing_ok=True)
                raise CatalogLost(str(self._path), f"the catalog was damaged ({error}) and is removed; try again") from error

    def _open(self) -> sqlite3.Connection:
        for attempt in range(3):
            try:
                make_folder(self._path.parent)
                if not self._path.exists():
                    os.close(os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o600))
                return _prepared(sqlite3.connect(self._path, timeout=20, check_same_thread=False))
            except OSError:
                break
            except sqlite3.OperationalError:  # another process is making it, or we may not write here
                if attempt == 2:
                    break
            except sqlite3.DatabaseError:
                with suppress(OSError):
                    self._path.unlink()
        return _prepared(sqlite3.connect(":memory:", check_same_thread=False))


def _prepared(db: sqlite3.Connection) -> sqlite3.Connection:
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = OFF")  # it can be made again
    db.execute("PRAGMA secure_delete = ON")
    db.executescript(_TABLES)
    return db


def _narrowed(query: Query) -> tuple[list[str], list[Any]]:
    clauses: list[str] = []
    values: list[Any] = []

    def add(clause: str, *bound: Any) -> None:
        clauses.append(clause)
        values.extend(bound)

    if query.since is not None:
        add("started >= ?", _bounded(query.since))
    if query.until is not None:
        add("started < ?", _bounded(query.until))
    if query.operations and not any(set(name) & set("*?[") for name in query.operations):
        add(f"operation IN ({_marks(query.operations)})", *query.operations)
    if query.ids and len(query.ids) <= 500:
        add("(" + " OR ".join(["id >= ? AND id < ?"] * len(query.ids)) + ")",
            *(bound for id in query.ids for bound in (id, id + "\U0010ffff")))
    for condition in query.where:
        _narrow(condition, add)
    return clauses, values


def _narrow(condition: Condition, add: Any) -> None:
    key, operator, wanted = condition.key, condition.operator, condition.values
    if key in ("seconds", "duration", "calls", "bytes"):
        column = "seconds" if key == "duration" else key
        number = _number(wanted[0]) if operator in ("<", "<=", ">", ">=") else None
        if number is not None:
            add(f"{column} {operator} ?", number)
    elif key == "outcome" and operator == "=":
        add(f"outcome IN ({_marks(wanted)})", *wanted)
    elif key in ("tape", "operation", "error", "raised", "returned") or key.startswith("metadata.") or set(key) & set('"\\\0'):
        return
    elif operator == "=" and not {"", "null"} & set(wanted):
        candidates: list[Any] = list(wanted)
        for text in wanted:
            number = _number(text)
            if number is not None:
                candidates.append(number)
            if text.lower() in ("true", "false"):
                candidates.append(int(text.lower() == "true"))  # how json_extract gives a boolean
        add(f"json_extract(metadata, ?) IN ({_marks(candidates)})", f'$."{key}"', *candidates)


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        try:
            number = span(text)
        except NotationError:
            return None
    return number if isfinite(number) else None


def _bounded(moment: int) -> int:
    return max(-(1 << 63), min(moment, (1 << 63) - 1))
