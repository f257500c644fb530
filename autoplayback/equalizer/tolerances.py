"""How near two leaves are: numbers of any kind, moments and lengths of time, each also where it is written as text."""

from __future__ import annotations

import math
from datetime import datetime, time
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from autoplayback.config.settings import Tolerance
from autoplayback.equalizer.arrays import scalar
from autoplayback.equalizer.sameness import same
from autoplayback.tape.values import Tagged

Number = int | float | Fraction


def number(value: Any) -> Number | None:
    """The number an inert value is: int, float, Decimal, Fraction, numpy's scalars, a timedelta's seconds. Not bool."""
    if isinstance(value, Tagged):
        match value.kind, value.type:
            case _, "decimal:Decimal":
                return _decimal(value.value)
            case _, "fractions:Fraction":
                return Fraction(*value.value)
            case _, "datetime:timedelta":
                return duration(value)
            case "scalar", _:
                value = scalar(value)
            case "int" | "float", _:
                value = value.value
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _decimal(text: str) -> Number | None:
    try:
        decimal = Decimal(text)
    except InvalidOperation:
        return None
    if not decimal.is_finite():
        return math.nan if decimal.is_nan() else float(decimal)
    return Fraction(decimal) if abs(decimal.adjusted()) <= 400 else None  # a huge exponent would be written out in full


def moment(value: Any) -> float | None:
    """Seconds since the epoch of a datetime or date, also as ISO text; without a zone both sides are read as UTC."""
    if isinstance(value, Tagged):
        if value.type not in ("datetime:datetime", "datetime:date"):
            return None
        value = value.value
    if not isinstance(value, str) or not 8 <= len(value) <= 40:
        return None
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (when - (_EPOCH_AWARE if when.tzinfo else _EPOCH)).total_seconds()


_EPOCH = datetime(1970, 1, 1)
_EPOCH_AWARE = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def duration(value: Any) -> float | None:
    """Seconds of a timedelta or a time of day."""
    if not isinstance(value, Tagged):
        return None
    if value.type == "datetime:timedelta":
        days, seconds, microseconds = value.value
        return float(days * 86400 + seconds + microseconds / 1e6)
    if value.type == "datetime:time":
        clock = time.fromisoformat(value.value)
        return clock.hour * 3600 + clock.minute * 60 + clock.second + clock.microsecond / 1e6
    return None


def within(recorded: Any, replayed: Any, tolerance: Tolerance) -> bool:
    """Whether two leaves are near enough. `abs` and `rel` (of the recorded value) are for numbers, the larger one counts;
    `time` is for moments and lengths of time. Infinite and NaN are near only to themselves."""
    if tolerance.time is not None:
        for read in (moment, duration):
            one, other = read(recorded), read(replayed)
            if one is not None and other is not None and _same_zone(recorded, replayed):
                return abs(one - other) <= tolerance.time
    old, new = number(recorded), number(replayed)
    if old is None or new is None:
        return False
    if not (math.isfinite(old) and math.isfinite(new)):
        return old == new or (math.isnan(old) and math.isnan(new))
    by_time = tolerance.time if tolerance.abs is None and tolerance.rel is None else None
    allowed = max(_exact(tolerance.abs or by_time), _exact(tolerance.rel) * abs(_exact(old)))
    return abs(_exact(old) - _exact(new)) <= allowed


def _exact(value: Number | None) -> Fraction:
    """A number as it is written: 0.1 is a tenth, so that 1.1 is within 0.1 of 1.0. None counts as zero."""
    return Fraction(repr(value)) if isinstance(value, float) else Fraction(value or 0)


def _same_zone(recorded: Any, replayed: Any) -> bool:
    """Whether two moments can be compared as written: both with a zone or both without, and typed ones with the same."""
    if isinstance(recorded, Tagged) or isinstance(replayed, Tagged):
        return same(getattr(recorded, "extra", None), getattr(replayed, "extra", None)) and type(recorded) is type(replayed)
    return _zoned(recorded) == _zoned(replayed)


def _zoned(text: str) -> bool:
    return text.endswith("Z") or "+" in text[10:] or "-" in text[10:]
