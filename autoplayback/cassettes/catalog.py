"""A disposable index of a cassette: the rows of its segments' footers in SQLite, under the user's cache folder.

The footers are the truth. Whatever happens to the catalog (deleted, damaged, written by another version), it is made again
from them; and whatever its SQL lets through is judged once more by `Query`, so that SQL only ever narrows.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any

import msgspec

from autoplayback.cassettes.openfile import make_folder
from autoplayback.cassettes.places import cache_folder, digest
from autoplayback.cassettes.query import FIELDS, OUTCOMES, Query, keys_of, sample, value_of
from autoplayback.config.notations import Condition, NotationError, span
from autoplayback.errors import CassetteError
from autoplayback.tape.model import Summary
from autoplayback.tape.segment import Located

SCHEMA = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS segments (number INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, stamp TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tapes (
    id TEXT NOT NULL, segment INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL, operation TEXT NOT NULL,
    started INTEGER NOT NULL, seconds REAL NOT NULL, outcome TEXT NOT NULL, calls INTEGER NOT NULL, bytes INTEGER NOT NULL,
    metadata TEXT NOT NULL, UNIQUE (id, segment));
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

    def stamp(self, segment: str) -> str:
        """The stamp of one of them; empty where it isn't known."""
        with self._connected() as db:
            row = db.execute("SELECT stamp FROM segments WHERE name = ?", (segment,)).fetchone()
        return str(row[0]) if row else ""

    def update(self, put: Iterable[tuple[str, str, Sequence[Located]]], drop: Iterable[str] = ()) -> None:
        """Forgets the segments in `drop`, then takes in (name, stamp, rows) of each of `put`, each whole or not at all.

        A tape may stand in two segments, where a rewriting was interrupted: it is one tape, and stays when either goes.
        """
        with self._connected() as db:
            for name in drop:
                with db:
                    db.execute("BEGIN IMMEDIATE")
                    _forget(db, name)
            for name, stamp, rows in put:
                with db:
                    db.execute("BEGIN IMMEDIATE")  # another process may be synchronising too: the second finds it done
                    _forget(db, name)
                    number = db.execute("INSERT INTO segments (name, stamp) VALUES (?, ?)", (name, stamp)).lastrowid
                    db.executemany("INSERT OR REPLACE INTO tapes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (
                        (s.tape, number, offset, length, s.operation, s.started, s.seconds, s.outcome, s.calls, s.bytes,
                         _encode(s.metadata).decode())
                        for s, offset, length in rows))

    def choose(self, query: Query, besides: Mapping[str, Summary] | None = None,
               without: Collection[str] = ()) -> Iterator[Summary]:
        """What the query chooses from these rows and those `besides`, by id; the ids in `without` don't count."""
        besides = {id: summary for id, summary in (besides or {}).items() if id not in without}
        hidden = {*without, *besides}
        narrowing = _Narrowing(query)
        if query.sample is not None and narrowing.exact and all(key in FIELDS or _is_metadata(key) for key in keys_of(query.by)):
            return self._sampled(query, narrowing, besides, hidden)
        stop = None if query.sample is not None else query.limit
        found = [*besides.values(), *self._matching(query, narrowing, hidden, stop)]
        return query.choose(found)

    def _matching(self, query: Query, narrowing: _Narrowing, hidden: Collection[str], stop: int | None) -> Iterator[Summary]:
        """Rows that match; the newest `stop` of them, or all."""
        order = "" if stop is None else " ORDER BY started DESC, id DESC"
        seen = set(hidden)
        count = 0
        with self._connected() as db:
            for row in db.execute(f"SELECT {_COLUMNS} FROM tapes{narrowing.where}{order}", narrowing.values):
                summary = _summary(row)
                if summary.tape not in seen and query.matches(summary):
                    seen.add(summary.tape)
                    yield summary
                    count += 1
                    if count == stop:
                        return

    def _sampled(self, query: Query, narrowing: _Narrowing, besides: Mapping[str, Summary],
                 hidden: Collection[str]) -> Iterator[Summary]:
        """A sample where SQL says all: only ids and keys of what matches are looked at, rows only of what is drawn."""
        by = keys_of(query.by)
        columns = [_key_column(key) for key in by]
        asked = "".join(f", {column}" for column, _ in columns)
        bound = [value for _, values in columns for value in values]
        with self._connected() as db:
            rows = db.execute(f"SELECT id{asked} FROM tapes{narrowing.where}", bound + narrowing.values)
            keys: dict[str, Any] = {id: tuple(values) for id, *values in rows}
            keys.update((id, tuple(value_of(summary, key) for key in by))
                        for id, summary in besides.items() if query.matches(summary))
            candidates = ((key, id, id) for id, key in keys.items() if id in besides or id not in hidden)
            drawn = sample(candidates, query.sample or 0, query.seed)
            found = {id: besides[id] for id in drawn if id in besides}
            wanted = [id for id in drawn if id not in besides]
            for start in range(0, len(wanted), 500):
                some = wanted[start:start + 500]
                rows = db.execute(f"SELECT {_COLUMNS} FROM tapes WHERE id IN ({_marks(some)})", some)
                found.update((row[0], _summary(row)) for row in rows)
        return replace(query, sample=None).choose(found.values())

    def locate(self, tape_id: str) -> tuple[str, int, int] | None:
        """(segment, offset, length) of a tape's entry, the one read last where there are two."""
        with self._connected() as db:
            row: tuple[str, int, int] | None = db.execute(
                "SELECT name, offset, length FROM tapes JOIN segments ON number = segment WHERE id = ? ORDER BY number DESC",
                (tape_id,)).fetchone()
        return row

    def beginning(self, prefix: str, count: int = 4) -> list[str]:
        """A few of the ids that begin with `prefix`."""
        with self._connected() as db:
            rows = db.execute("SELECT DISTINCT id FROM tapes WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
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
    db.execute("PRAGMA cache_size = -64000")
    db.executescript(_TABLES)
    return db


def _forget(db: sqlite3.Connection, name: str) -> None:
    db.execute("DELETE FROM tapes WHERE segment = (SELECT number FROM segments WHERE name = ?)", (name,))
    db.execute("DELETE FROM segments WHERE name = ?", (name,))


class _Narrowing:
    """The part of a query that SQL can say: each clause holds for every tape that the query means."""

    def __init__(self, query: Query) -> None:
        self.values: list[Any] = []
        self.exact = True
        """Whether the clauses hold for no other tape either."""
        self._clauses: list[str] = []
        if query.since is not None:
            self._add("started >= ?", _bounded(query.since))
        if query.until is not None:
            self._add("started < ?", _bounded(query.until))
        if any(set(name) & set("*?[") for name in query.operations):
            self.exact = False
        elif query.operations:
            self._add(f"operation IN ({_marks(query.operations)})", *query.operations)
        if len(query.ids) > 400:
            self.exact = False
        elif query.ids:
            self._add("(" + " OR ".join(["id >= ? AND id < ?"] * len(query.ids)) + ")",
                      *(bound for id in query.ids for bound in (id, id + "\U0010ffff")))
        for condition in query.where:
            if not self._exactly(condition):
                self.exact = False
                self._roughly(condition)
        self.where = f" WHERE {' AND '.join(self._clauses)}" if self._clauses else ""

    def _add(self, clause: str, *values: Any) -> None:
        self._clauses.append(clause)
        self.values.extend(values)

    def _exactly(self, condition: Condition) -> bool:
        if condition.key in ("seconds", "duration", "calls", "bytes") and condition.operator in ("<", "<=", ">", ">="):
            number = _number(condition.values[0])
            if number is not None:
                self._add(f"{FIELDS[condition.key]} {condition.operator} ?", number)
                return True
        if condition.key == "outcome" and condition.operator == "=":
            self._add(f"outcome IN ({_marks(condition.values)})", *condition.values)
            return True
        return False

    def _roughly(self, condition: Condition) -> None:
        wanted = condition.values
        if condition.operator != "=" or {"", "null"} & set(wanted) or not _is_metadata(condition.key):
            return
        candidates: list[Any] = list(wanted)
        for text in wanted:
            if (number := _number(text)) is not None:
                candidates.append(number)
            if text.lower() in ("true", "false"):
                candidates.append(int(text.lower() == "true"))  # how json_extract gives a boolean
        self._add(f"json_extract(metadata, ?) IN ({_marks(candidates)})", f'$."{condition.key}"', *candidates)


def _is_metadata(key: str) -> bool:
    """Whether a key names metadata, and so that SQLite's paths can say it."""
    return key not in FIELDS and key not in OUTCOMES and not key.startswith("metadata.") and not set(key) & set('"\\\0')


def _key_column(key: str) -> tuple[str, list[Any]]:
    if key in FIELDS:
        return {"tape": "id"}.get(FIELDS[key], FIELDS[key]), []
    return "json_extract(metadata, ?)", [f'$."{key}"']


def _summary(row: Sequence[Any]) -> Summary:
    id, operation, started, seconds, outcome, calls, size, metadata = row
    return Summary(id, operation, started, seconds, outcome, calls, size, _decode(metadata))


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
