"""What is kept in SQLite: depots and their timetables, plans, and the queue of jobs."""

import json
import sqlite3
from dataclasses import dataclass

from planner import Trip

DATABASE = "transit.db"
SCHEMA = """
create table depots (id text primary key, customer text, east real, north real);
create table trips (depot text, id text, departs int, arrives int, from_east real, from_north real, to_east real, to_north real);
create table plans (id text primary key, depot text, cost real, trips int, blocks text, saved_at text default current_timestamp);
create table jobs (id integer primary key, customer text, depot text, seed int, state text default 'waiting', plan text);
"""


@dataclass(frozen=True)
class Job:
    id: int
    customer: str
    depot: str
    seed: int


def database():
    connection = sqlite3.connect(DATABASE, timeout=30)
    connection.row_factory = sqlite3.Row
    return connection


def timetable(customer, depot):
    """Where a depot is and the trips to run from it; None where this customer has no such depot."""
    with database() as connection:
        place = connection.execute("select east, north from depots where id = ? and customer = ?", (depot, customer)).fetchone()
        rows = connection.execute("select * from trips where depot = ? order by id", (depot,)).fetchall()
    if place is None:
        return None
    trips = [
        Trip(row["id"], row["departs"], row["arrives"], (row["from_east"], row["from_north"]), (row["to_east"], row["to_north"]))
        for row in rows
    ]
    return (place["east"], place["north"]), trips


def save(plan_id, depot, plan):
    with database() as connection:
        connection.execute(
            "insert into plans (id, depot, cost, trips, blocks) values (?, ?, ?, ?, ?)",
            (plan_id, depot, plan.cost, plan.trips, json.dumps(plan.blocks)),
        )


def saved(plan_id):
    with database() as connection:
        row = connection.execute("select id, depot, trips, blocks, saved_at from plans where id = ?", (plan_id,)).fetchone()
    return None if row is None else {**dict(row), "blocks": json.loads(row["blocks"])}


def enqueue(customer, depot, seed):
    with database() as connection:
        return connection.execute("insert into jobs (customer, depot, seed) values (?, ?, ?)", (customer, depot, seed)).lastrowid


def next_job():
    """Takes the oldest waiting job for this worker alone; None where nothing waits."""
    with database() as connection:
        row = connection.execute(
            "update jobs set state = 'running' where id = (select min(id) from jobs where state = 'waiting')"
            " returning id, customer, depot, seed"
        ).fetchone()
    return None if row is None else Job(*row)


def finish(job, plan_id):
    with database() as connection:
        connection.execute("update jobs set state = 'done', plan = ? where id = ?", (plan_id, job.id))


def job(number):
    with database() as connection:
        row = connection.execute("select id, customer, depot, state, plan from jobs where id = ?", (number,)).fetchone()
    return None if row is None else dict(row)
