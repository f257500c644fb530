"""Makes transit.db: two customers' depots, each with a day of trips, the same at each run."""

import random
import sqlite3

import geography
import store

DEPOTS = {"acme": {"harbour": 120, "north": 150, "airport": 180}, "metro": {"old town": 130, "east": 150, "university": 170}}


def trips(count, draw):
    """A day's trips between a few dozen stops, from five in the morning to ten at night."""
    stops = [(round(draw.uniform(-9, 9), 2), round(draw.uniform(-9, 9), 2)) for _ in range(24)]
    for number in range(count):
        start, end = draw.sample(stops, 2)
        departs = draw.randrange(5 * 60, 22 * 60)
        yield f"T{number:03}", departs, departs + 8 + int(geography.kilometres(start, end) * 2.6), *start, *end


if __name__ == "__main__":
    draw = random.Random(2026)
    with sqlite3.connect(store.DATABASE) as connection:
        connection.executescript(store.SCHEMA)
        for customer, depots in DEPOTS.items():
            for depot, count in depots.items():
                place = round(draw.uniform(-4, 4), 2), round(draw.uniform(-4, 4), 2)
                connection.execute("insert into depots values (?, ?, ?, ?)", (depot, customer, *place))
                for trip in trips(count, draw):
                    connection.execute("insert into trips values (?, ?, ?, ?, ?, ?, ?, ?)", (depot, *trip))
