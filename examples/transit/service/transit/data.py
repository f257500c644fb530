"""Where trips and jobs are kept: SQLite, in the file that TRANSIT_DATABASE names."""

import json
import os
import random
import sqlite3

from transit.model import Plan, Trip


def database() -> sqlite3.Connection:
    return sqlite3.connect(os.environ["TRANSIT_DATABASE"])


def load_trips(depot: str) -> list[Trip]:
    with database() as connection:
        rows = connection.execute("select id, start, end, x1, y1, x2, y2 from trips where depot = ? order by start, id", (depot,))
        return [Trip(id, start, end, (x1, y1), (x2, y2)) for id, start, end, x1, y1, x2, y2 in rows]


def save_plan(plan: Plan) -> None:
    with database() as connection:
        values = plan.depot, plan.cost, json.dumps(plan.blocks)
        connection.execute("insert into plans (depot, cost, blocks) values (?, ?, ?)", values)


def enqueue(depot: str) -> None:
    with database() as connection:
        connection.execute("insert into jobs (depot) values (?)", (depot,))


def take_job() -> tuple[int, str] | None:
    with database() as connection:
        row = connection.execute("select id, depot from jobs order by id limit 1").fetchone()
        if row is not None:
            connection.execute("delete from jobs where id = ?", (row[0],))
        return row


def create(depots: int, trips: int) -> None:
    """A city with some depots, each with its day of trips."""
    draw = random.Random(4)
    with database() as connection:
        connection.executescript(
            "create table trips (depot text, id text, start int, end int, x1 real, y1 real, x2 real, y2 real);"
            "create table plans (depot text, cost real, blocks text); create table jobs (id integer primary key, depot text);"
        )
        for depot in range(depots):
            for number in range(trips + depot):
                start = draw.randint(5 * 60, 22 * 60)
                place = [round(draw.uniform(-9, 9), 2) for _ in range(4)]
                connection.execute("insert into trips values (?, ?, ?, ?, ?, ?, ?, ?)",
                                   (f"depot-{depot}", f"{depot}.{number}", start, start + draw.randint(20, 70), *place))
