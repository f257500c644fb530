"""How far it is, and how long it takes, through the streets of a city."""

KM_PER_MINUTE = 0.45


def kilometres(one, other):
    """Along a grid of streets."""
    return abs(one[0] - other[0]) + abs(one[1] - other[1])


def minutes(distance):
    return distance / KM_PER_MINUTE
