"""Is a list or dict plain data all through, and a tree? Looked up at C speed: what is goes to ormsgpack as it stands.

`get_referents` gives all that the containers of a level hold (of a dict with string keys only the values: such keys are plain
already); types and reference counts of many objects are asked for in one call. Python code never sees a single value.
"""

from __future__ import annotations

from gc import get_referents
from operator import itemgetter
from sys import getrefcount
from typing import Any, Final

from autoplayback.tape.wire import ATOMS

CONTAINERS: Final = frozenset({list, dict})
PLAIN: Final = ATOMS | CONTAINERS
_LEVELS: Final = 48
"""Deeper than this the walk takes over: ormsgpack recurses on the C stack of a thread whose size we don't know."""
_SMALL: Final = 128
"""Values below a container of up to so many are one shape, to be remembered."""
_SHAPES: Final = 512

_is_atomic = ATOMS.issuperset
_shapes: dict[tuple[type, ...], tuple[Any, int]] = {}
"""By the types of all that is below a container, level by level: what gives those which are containers, and their number."""


def is_plain(value: Any, limit: int) -> bool:
    """Whether a list or dict holds nothing but plain values, at most `limit` of them, and no container twice."""
    inside = get_referents(value)
    if _is_atomic(map(type, inside)):
        return len(inside) <= limit
    below: list[Any] = []
    while inside:
        below += inside
        if len(below) > _SMALL:
            del below, inside  # which would count as references
            return _is_large_plain(value, limit)
        inside = get_referents(*inside)
    types = tuple(map(type, below))
    shape = _shapes.get(types)
    if shape is None:
        if not PLAIN.issuperset(types):
            return False
        shape = _remember(types)
    containers = shape[0](below)
    return sum(map(getrefcount, containers)) == _ONCE * shape[1] or distinct([value, *containers])


def _is_large_plain(value: Any, limit: int) -> bool:
    level = [value]
    containers = [value]
    nodes, once = 0, True
    for _ in range(_LEVELS):
        inside = get_referents(*level)
        nodes += len(inside)
        if nodes > limit:
            return False
        types = _types(inside, len(level))
        if types <= ATOMS:
            return True
        if not types <= PLAIN:
            return False
        level = inside if types <= CONTAINERS else [item for item in inside if type(item) in CONTAINERS]
        del inside  # which may count as a reference
        once = once and held_once(level)
        containers += level
        if not once and not distinct(containers):  # at each level: what refers to itself twice would double with each
            return False
    return False


def _types(inside: list[Any], parents: int) -> set[type]:
    """The types of what is inside so many containers. Rows of a table repeat their types, which one comparison of lists (by
    identity,
    faster than hashing) confirms."""
    types = list(map(type, inside))
    width, rest = divmod(len(types), parents)
    if parents > 1 and width and not rest and types == types[:width] * parents:
        return set(types[:width])
    return set(types)


def held_once(containers: list[Any]) -> bool:
    """Whether containers, in a list of ours, are held by nothing else but their parent."""
    return sum(map(getrefcount, containers)) == _ONCE_LISTED * len(containers)


def distinct(containers: list[Any]) -> bool:
    """The sure way, where reference counts can't exclude that a container stands at two places (or something else holds it)."""
    return len(set(map(id, containers))) == len(containers)


def _remember(types: tuple[type, ...]) -> tuple[Any, int]:
    at = [i for i, kind in enumerate(types) if kind in CONTAINERS]
    shape = (itemgetter(*at), len(at)) if len(at) > 1 else (lambda below: (below[at[0]],), 1)
    if len(_shapes) < _SHAPES:
        _shapes[types] = shape
    return shape


_ONCE = 4
"""What `getrefcount` says, within `sum(map(...))`, of a container that its parent holds, and a list and a tuple of ours."""
_ONCE_LISTED = 3
"""The same, for one that its parent and one list of ours hold."""


def _calibrated() -> None:
    """Asks the interpreter for both numbers: later ones may count borrowed references differently. Too low costs a little time
    (always
    the sure way), never a wrong answer, as a container at two places counts more than one at one."""
    global _ONCE, _ONCE_LISTED
    value: list[Any] = [[], []]
    below = get_referents(value)
    containers = itemgetter(0, 1)(below)
    _ONCE = sum(map(getrefcount, containers)) // 2
    del containers
    _ONCE_LISTED = sum(map(getrefcount, below)) // 2


_calibrated()
