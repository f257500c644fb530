"""The optimiser: a greedy start, then a search that moves trips between vehicles for as long as it pays."""

import math
import random
from itertools import pairwise

from transit.model import Block, Plan, Trip

VEHICLE, KILOMETRE, MINUTE = 310.0, 2.4, 0.35
SPEED = 0.5
"""Kilometres a minute, empty."""
ROUNDS = 3000


def distance(a: tuple[float, float], b: tuple[float, float]) -> float:
    return math.dist(a, b)


def link(before: Trip, after: Trip) -> float | None:
    """What it costs to drive one trip after another; None where there isn't the time."""
    empty = distance(before.destination, after.origin)
    wait = after.start - before.end - empty / SPEED
    return None if wait < 0 else empty * KILOMETRE + wait * MINUTE


def block_cost(trips: list[Trip]) -> float | None:
    """A vehicle's day; None where its trips overlap."""
    total = VEHICLE if trips else 0.0
    for before, after in pairwise(trips):
        price = link(before, after)
        if price is None:
            return None
        total += price
    return total


def start(trips: list[Trip]) -> list[Block]:
    """Each trip to the vehicle that reaches it cheapest."""
    blocks: list[Block] = []
    for trip in sorted(trips, key=lambda trip: trip.start):
        prices = [(price, block.vehicle) for block in blocks if (price := link(block.trips[-1], trip)) is not None]
        if prices and min(prices)[0] < VEHICLE:
            blocks[min(prices)[1]].trips.append(trip)
        else:
            blocks.append(Block(len(blocks), [trip]))
    return blocks


def improve(blocks: list[Block], rounds: int = ROUNDS) -> None:
    """Takes the tails of two random blocks and swaps them where that is cheaper."""
    for _ in range(rounds):
        one, other = random.choice(blocks), random.choice(blocks)
        if one is other:
            continue
        cut_one, cut_other = random.randint(0, len(one.trips)), random.randint(0, len(other.trips))
        new_one = one.trips[:cut_one] + other.trips[cut_other:]
        new_other = other.trips[:cut_other] + one.trips[cut_one:]
        prices = block_cost(new_one), block_cost(new_other)
        if None in prices:
            continue
        if sum(prices) < block_cost(one.trips) + block_cost(other.trips):
            one.trips, other.trips = new_one, new_other


def plan(depot: str, trips: list[Trip]) -> Plan:
    blocks = start(trips)
    improve(blocks)
    used = [block for block in blocks if block.trips]
    cost = round(sum(block_cost(block.trips) for block in used), 2)
    return Plan(depot, cost, len(used), {block.vehicle: [trip.id for trip in block.trips] for block in used})
