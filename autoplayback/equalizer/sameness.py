"""When two inert values are the same, exactly: `1`, `True` and `1.0` are three values, NaN is one."""

from __future__ import annotations

import math
from itertools import count
from typing import Any, Final

import ormsgpack

from autoplayback.tape.values import Tagged

PLAIN: Final = frozenset({str, int, float, bool, type(None), bytes})
_OPTIONS = (
    ormsgpack.OPT_PASSTHROUGH_BIG_INT
    | ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_TUPLE
    | ormsgpack.OPT_PASSTHROUGH_SUBCLASS
    | ormsgpack.OPT_SORT_KEYS
)
_TAGGED, _BIG, _OTHER = 1, 2, 3
_never = count().__next__


def fingerprint(value: Any) -> bytes | str | int:
    """Something hashable that is equal for the same values only; for what can't be packed, unlike everything else."""
    try:
        return ormsgpack.packb(value, default=_pack, option=_OPTIONS)
    except (TypeError, ValueError, RecursionError):
        # Lone surrogates, exotic keys or too deep a nest. `repr` tells types apart as well; failing that too, the walk decides.
        try:
            return repr(value)
        except RecursionError:
            return _never()


def _pack(value: Any) -> ormsgpack.Ext:
    if isinstance(value, Tagged):
        inner = [value.kind, value.type, value.value, value.extra]
        return ormsgpack.Ext(_TAGGED, ormsgpack.packb(inner, default=_pack, option=_OPTIONS))
    if isinstance(value, int):
        return ormsgpack.Ext(_BIG, str(value).encode())
    return ormsgpack.Ext(_OTHER, repr(value).encode("utf-8", "surrogatepass"))


def same(one: Any, other: Any) -> bool:
    """Whether two inert values are equal in type and value all the way down. Dicts in any order; 0.0 and -0.0 are equal."""
    if one is other:
        return True
    kind = type(one)
    if kind is not type(other):
        return False
    if kind in PLAIN:
        return bool(one == other) or (kind is float and math.isnan(one) and math.isnan(other))
    return fingerprint(one) == fingerprint(other)
