"""Vehicle scheduling: which vehicle runs which trips of a day, so that the whole costs least.

A vehicle's day is a *block*: trips in order of departure, from its depot and back to it. Between two trips it runs empty (a
*deadhead*) and waits. A first plan is built greedily, trip by trip; a local search then improves it (see search.py).
"""

import itertools
from dataclasses import dataclass

import geography
import search

PER_VEHICLE = 140.0
"""Euros a vehicle costs a day, before it moves."""
PER_KM = 1.9
"""Euros an empty kilometre costs."""
PER_WAITING_MINUTE = 0.35


@dataclass(frozen=True)
class Trip:
    id: str
    departs: int
    """Minutes after midnight."""
    arrives: int
    start: tuple[float, float]
    """Kilometres east and north of the city's centre."""
    end: tuple[float, float]


@dataclass(frozen=True)
class Plan:
    cost: float
    """Euros of the whole day: the number that planners are paid for."""
    trips: int
    blocks: list[list[str]]
    """Per vehicle the ids of its trips, in order."""


class Day:
    """The trips of one day from one depot, and what it costs to run one after another."""

    def __init__(self, depot, trips):
        self.depot = depot
        self.trips = sorted(trips, key=lambda trip: (trip.departs, trip.id))

    def link(self, before, after):
        """Euros of going from the end of one trip to the start of the next, or None where there is no time for it."""
        distance = geography.kilometres(before.end, after.start)
        slack = after.departs - before.arrives - geography.minutes(distance)
        if slack < 0:
            return None
        return distance * PER_KM + slack * PER_WAITING_MINUTE

    def pull_out(self, trip):
        return geography.kilometres(self.depot, trip.start) * PER_KM

    def pull_in(self, trip):
        return geography.kilometres(trip.end, self.depot) * PER_KM

    def cost(self, block):
        """Euros of a vehicle's whole day, or None where its trips can't be run one after another."""
        total = PER_VEHICLE + self.pull_out(block[0]) + self.pull_in(block[-1])
        for before, after in itertools.pairwise(block):
            euros = self.link(before, after)
            if euros is None:
                return None
            total += euros
        return total


def plan(depot, trips, seed):
    """The cheapest plan found. The same arguments give the same plan: the search draws from a generator of its own."""
    day = Day(depot, trips)
    blocks = search.improved(day, greedy(day), seed)
    return Plan(
        cost=round(sum(day.cost(block) for block in blocks), 2),
        trips=sum(len(block) for block in blocks),
        blocks=[[trip.id for trip in block] for block in blocks],
    )


def greedy(day):
    """Gives each trip to the vehicle that gets there cheapest, and to a new one where none can."""
    blocks = []
    for trip in day.trips:
        offers = [(day.link(block[-1], trip), number) for number, block in enumerate(blocks)]
        offers = [(euros, number) for euros, number in offers if euros is not None]
        if offers:
            blocks[min(offers)[1]].append(trip)
        else:
            blocks.append([trip])
    return blocks
