"""Tables: lists of many tuples, or of many instances of one class, which hold atoms only. What databases and ORMs return.

They are written as one extension, MANY, at C speed and with the fields' names once, in place of an extension an item. To readers
it is the same list. (Lists of dicts: `columns`.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import ormsgpack

from autoplayback.errors import TapeError
from autoplayback.tape import columns
from autoplayback.tape.wire import ATOMS, Code, Ext, packb

if TYPE_CHECKING:
    from autoplayback.tape.walk import Walk

FEW: Final = 8
"""Items below which a list is written item by item."""

Table = tuple[str, str, Callable[[list[Any]], "tuple[list[str], list[tuple[Any, ...]]]"]]
"""Of a class: kind, type, and what reads the fields' names and each instance's values from a list of instances."""

_TUPLES: Final = ormsgpack.OPT_PASSTHROUGH_BIG_INT | ormsgpack.OPT_PASSTHROUGH_SUBCLASS
"""For `packb`: tuples as arrays, as nobody can change them meanwhile."""
_all_atoms: Final = ATOMS.issuperset


def many_tuples(walk: Walk, values: list[tuple[Any, ...]]) -> Ext | None:
    """The MANY of a list of tuples; None where one holds more than atoms."""
    if not _all_atoms(map(type, chain.from_iterable(values))):
        return None
    walk.count += len(values)
    return walk.extension(Code.MANY, packb([Code.TUPLE, values], None, _TUPLES))


def many_instances(walk: Walk, table: Table, values: list[Any]) -> Ext | None:
    """The MANY of a list of instances of one class; None where they are not alike, hold more than atoms, or were met before."""
    kind, type_, read = table
    identities = list(map(id, values))
    if len(set(identities)) < len(values) or not walk.numbers.keys().isdisjoint(identities) or walk.level >= walk.depth:
        return None
    try:
        names, rows = read(values)
    except (AttributeError, KeyError):  # a field which not all of them have
        return None
    if not _all_atoms(map(type, chain.from_iterable(rows))):
        return None
    content = packb([Code.TAGGED, kind, type_, names, rows], None, _TUPLES)
    walk.numbers.update(zip(identities, range(walk.count, walk.count + 2 * len(values), 2), strict=True))
    walk.keep += values
    walk.count += 2 * len(values)
    return walk.extension(Code.MANY, content)


def dictionary_reader(read: Callable[[Any], dict[str, Any]], declared: Iterable[str] | None) -> Callable[[list[Any]], Any]:
    """Reads instances which keep their fields in a dictionary."""

    def table(values: list[Any]) -> tuple[list[str], list[tuple[Any, ...]]]:
        states = list(map(read, values))
        names = list(states[0])
        if len(names) < 2 or set(map(len, states)) != {len(names)} or (declared is not None and not set(names) <= set(declared)):
            raise KeyError
        return names, list(map(itemgetter(*names), states))

    return table


def slots_reader(slots: list[tuple[str, Callable[[Any], Any]]]) -> Callable[[list[Any]], Any]:
    """Reads instances which keep their fields in slots."""
    names = [name for name, _ in slots]

    def table(values: list[Any]) -> tuple[list[str], list[tuple[Any, ...]]]:
        return names, list(zip(*(map(read, values) for _, read in slots), strict=True))

    return table


def expanded(content: Any) -> list[tuple[int | None, Any]]:
    """What a MANY stands for: of each item its extension code and content; None as code where it is a plain map itself."""
    if type(content) is list and content:
        code, *rest = content
        if code == Code.TUPLE and len(rest) == 1 and _is_rows(rest[0]):
            return [(code, row) for row in rest[0]]
        if code == Code.TAGGED and len(rest) == 4:
            kind, type_, names, rows = rest
            if _is_names(names) and _is_rows(rows) and all(len(row) == len(names) for row in rows):
                return [(code, [kind, type_, dict(zip(names, row, strict=True))]) for row in rows]
        if code == Code.MAP and len(rest) == 3:
            return [(None, item) for item in columns.dicts(*rest)]
    raise TapeError("a table of another form")


def _is_names(names: Any) -> bool:
    return type(names) is list and {str}.issuperset(map(type, names))


def _is_rows(rows: Any) -> bool:
    return type(rows) is list and {list}.issuperset(map(type, rows)) and _all_atoms(map(type, chain.from_iterable(rows)))
