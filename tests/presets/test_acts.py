"""What of a library's calls acts on the world, and that dropping one is no pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoplayback.presets import _acts
from tests.presets.story import Story

SHOP = """
import sqlite3

def place(at):
    with sqlite3.connect(at) as connection:
        connection.execute("create table if not exists orders (item)")
        connection.execute("insert into orders values ('pear')")
        connection.commit()
        return connection.execute("select count(*) from orders").fetchone()

def look(at):
    with sqlite3.connect(at) as connection:
        first = connection.execute("select 1").fetchone()
        return connection.execute("select 2").fetchone()
"""


@pytest.mark.parametrize(
    ("statement", "writes"),
    [
        ("SELECT 1", False),
        ("  -- a note\n/* another */ (select 1)", False),
        ("PRAGMA table_info(x)", False),
        ("BEGIN", False),
        ("insert into t values (1)", True),
        ("-- note\nUPDATE t SET a = 1", True),
        ("/* x */ DELETE FROM t", True),
        ("CREATE TABLE IF NOT EXISTS t (a)", True),
        ("WITH gone AS (DELETE FROM t RETURNING a) SELECT * FROM gone", True),
        ("WITH x AS (SELECT 1) SELECT updated FROM x", False),
        ("SELECT a FROM t WHERE b = 1 FOR UPDATE OF t", False),
        ("SELECT nextval('ids')", True),
        (b"INSERT INTO t VALUES (1)", True),
    ],
)
def test_statements_by_their_verbs(statement: str | bytes, writes: bool) -> None:
    """A query reads; what defines, changes or removes acts, wherever in the statement it stands."""
    assert _acts.sql("sqlite3.connect.cursor.execute", (statement, ()), {}) is writes


def test_methods_of_connections() -> None:
    """A commit acts; fetching doesn't, whatever it is given."""
    assert _acts.sql("psycopg.connect.commit", (), {})
    assert not _acts.sql("psycopg.connect.rollback", (), {})
    assert _acts.sql("sqlite3.connect.__exit__", (None, None, None), {})
    assert not _acts.sql("sqlite3.connect.__exit__", (ValueError, ValueError(), None), {})
    assert not _acts.sql("sqlite3.connect.cursor.__exit__", (None, None, None), {})
    assert not _acts.sql("psycopg.connect.execute.fetchall", (), {})


@pytest.mark.parametrize(
    ("acts", "args", "writes"),
    [
        (_acts.http, ("GET", "http://x/", {}, None), False),
        (_acts.http, ("post", "http://x/", {}, b"1"), True),
        (_acts.redis, ("GET", "k"), False),
        (_acts.redis, ("SET", "k", 1), True),
        (_acts.redis, ([["GET", "k"], ["INCR", "n"]], True), True),
        (_acts.redis, ([["GET", "k"]], False), False),
        (_acts.aws, ("s3", "GetObject", {}), False),
        (_acts.aws, ("s3", "PutObject", {}), True),
    ],
)
def test_protocols_by_their_own_words(acts: object, args: tuple[object, ...], writes: bool) -> None:
    """Methods, commands and operations that aren't known to only read."""
    assert acts("name", args, {}) is writes  # type: ignore[operator]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dropped", "where"),
    [
        ("""        connection.execute("insert into orders values ('pear')")\n""", "outputs.sqlite3.connect.execute[1]"),
        ("        connection.commit()\n", "outputs.sqlite3.connect.commit[0]"),
    ],
)
def test_a_dropped_write_is_different_and_a_spared_read_is_not(tmp_path: Path, dropped: str, where: str) -> None:
    """Nothing was missed and the result is the same, yet the order isn't stored any more."""
    story = Story(tmp_path, SHOP, presets=["sqlite3"])
    story.record(str(tmp_path / "shop.db"))
    story.assert_all_equal()
    results = story.changed((dropped, ""), ("""        first = connection.execute("select 1").fetchone()\n""", ""))
    assert results["place"]["verdict"] == "different"
    assert [difference["at"] for difference in results["place"]["differences"]] == [where]
    assert results["look"]["verdict"] == "equal"
