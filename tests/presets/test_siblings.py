"""Objects made alike by threads are told apart by what is asked of them, not by who came first."""

from __future__ import annotations

from tests.presets.story import Story

SERVICE = '''
import sqlite3, threading, os

def crowd(at):
    """Each thread opens a connection; the order of opening is the reverse of the other run's."""
    found, turn = {}, [threading.Event() for _ in range(6)]
    order = range(6) if os.environ.get("ORDER") else range(5, -1, -1)
    def work(n, before, after):
        before.wait(10)
        connection = sqlite3.connect(at)
        with connection:
            after.set()
            cursor = connection.cursor()
            cursor.execute("select ? * 2", (n,))
            found[n] = cursor.fetchone(), connection.execute("select ? * 3", (n,)).fetchall()
        connection.close()
    events = [threading.Event() for _ in range(7)]
    threads = [threading.Thread(target=work, args=(n, events[i], events[i + 1])) for i, n in enumerate(order)]
    for thread in threads: thread.start()
    events[0].set()
    for thread in threads: thread.join()
    return sorted(found.items())

def pair(at):
    one, other = sqlite3.connect(at), sqlite3.connect(at)
    first = one.execute("select 1").fetchone()
    second = one.execute("select 2").fetchone()
    third = other.execute("select 3").fetchone()
    one.close(); other.close()
    return first, second, third

def stamped(at):
    from datetime import datetime
    connection = sqlite3.connect(at)
    connection.execute("create table log (what, at)")
    for what in ("begun", "done"):
        connection.cursor().execute("insert into log values (?, ?)", (what, datetime.now()))
    connection.commit()
'''


def test_threads_may_open_their_connections_in_another_order(tmp_path):
    """The recorded order of opening isn't the replayed one; every thread still gets its own rows."""
    story = Story(tmp_path, SERVICE, presets=["sqlite3"])
    story.record(":memory:", ORDER="1")
    story.assert_all_equal()


def test_moving_a_statement_to_another_connection_diverges(tmp_path):
    """Two connections opened alike may change places, but a statement can't move from the one to the other."""
    story = Story(tmp_path, SERVICE, presets=["sqlite3"])
    story.record(":memory:", "pair")
    swapped = story.changed(("one, other =", "other, one ="))
    moved = story.changed(('one.execute("select 2")', 'other.execute("select 2")'))
    assert swapped["pair"]["verdict"] == "equal", swapped
    assert moved["pair"]["verdict"] == "diverged", moved


def test_a_dropped_statement_does_not_strand_those_after_it_that_hold_their_own_time(tmp_path):
    """The next cursor takes the place of the one that is gone, whatever time it writes: what was dropped is told, that alone."""
    story = Story(tmp_path, SERVICE, presets=["sqlite3"])
    story.record(":memory:", "stamped")
    [dropped] = story.changed(('("begun", "done")', '("done",)')).values()
    assert dropped["verdict"] == "different", dropped
    [difference] = dropped["differences"]
    assert "begun" in str(difference["recorded"])
