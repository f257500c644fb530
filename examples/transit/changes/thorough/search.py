"""The local search: two vehicles swap the rest of their days, wherever that is cheaper.

Only the two links that a swap cuts are priced, not both days, which leaves time for more swaps.
"""

import random

ROUNDS = 15_000
"""Swaps tried: more find a cheaper plan, and take longer."""
CENT = 0.01
"""Euros that a swap must save; without it, ties would be decided by how floats round."""


def improved(day, blocks, seed):
    """The blocks after ROUNDS random attempts at a cheaper plan."""
    draw = random.Random(seed)
    blocks = [list(block) for block in blocks]
    for _ in range(ROUNDS if len(blocks) > 1 else 0):
        one, other = draw.sample(range(len(blocks)), 2)
        moment = draw.choice(day.trips).departs
        first, second = cut(blocks[one], moment), cut(blocks[other], moment)
        if gain(day, blocks[one], first, blocks[other], second) > CENT:
            heads = blocks[one][:first], blocks[other][:second]
            blocks[one], blocks[other] = heads[0] + blocks[other][second:], heads[1] + blocks[one][first:]
    return blocks


def gain(day, one, first, other, second):
    """Euros saved by swapping the tails, or 0 where it can't be done."""
    heads = one[first - 1] if first else None, other[second - 1] if second else None
    tails = one[first] if first < len(one) else None, other[second] if second < len(other) else None
    now = joint(day, heads[0], tails[0]), joint(day, heads[1], tails[1])
    then = joint(day, heads[0], tails[1]), joint(day, heads[1], tails[0])
    return 0 if None in then else sum(now) - sum(then)


def joint(day, head, tail):
    """Euros between a head and a tail, one of which may be the depot; None where they don't fit, or nothing would be left."""
    if head is None:
        return None if tail is None else day.pull_out(tail)
    return day.pull_in(head) if tail is None else day.link(head, tail)


def cut(block, moment):
    return next((number for number, trip in enumerate(block) if trip.departs >= moment), len(block))
