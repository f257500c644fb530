"""The local search: two vehicles swap the rest of their days, wherever that is cheaper."""

import random

ROUNDS = 6000
"""Swaps tried: more find a cheaper plan, and take longer."""

CENT = 0.01
"""Euros that a swap must save; without it, ties would be decided by how floats round."""


def improved(day, blocks, seed):
    """The blocks after ROUNDS random attempts at a cheaper plan."""
    draw = random.Random(seed)
    blocks = [list(block) for block in blocks]
    costs = [day.cost(block) for block in blocks]
    for _ in range(ROUNDS if len(blocks) > 1 else 0):
        one, other = draw.sample(range(len(blocks)), 2)
        moment = draw.choice(day.trips).departs
        swapped = swap(blocks[one], blocks[other], moment)
        if not all(swapped):
            continue
        prices = [day.cost(block) for block in swapped]
        if None not in prices and sum(prices) < costs[one] + costs[other] - CENT:
            blocks[one], blocks[other] = swapped
            costs[one], costs[other] = prices
    return blocks


def swap(one, other, moment):
    """Both blocks, with the trips that depart from a moment on exchanged."""
    first, second = cut(one, moment), cut(other, moment)
    return one[:first] + other[second:], other[:second] + one[first:]


def cut(block, moment):
    return next((number for number, trip in enumerate(block) if trip.departs >= moment), len(block))
