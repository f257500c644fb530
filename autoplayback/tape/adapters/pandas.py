"""pandas: frames and series as columns, each with its dtype and index; numbers as numpy bytes, the rest as items."""

from __future__ import annotations

import sys
from typing import Any, Final

from autoplayback.tape.adapters.registry import Adapter, Split


def _pandas() -> Any:
    import pandas

    return pandas


def _dump_values(values: Any) -> list[Any]:
    """A column's values: `["numpy", array]`, or `[dtype text, items]` for what only pandas knows."""
    pandas, numpy = sys.modules["pandas"], sys.modules["numpy"]
    dtype = values.dtype
    if isinstance(dtype, numpy.dtype):
        return ["numpy", values.to_numpy()]
    if isinstance(dtype, pandas.CategoricalDtype):
        codes = (values.cat if hasattr(values, "cat") else values).codes
        return ["categorical", numpy.asarray(codes), dtype.categories, bool(dtype.ordered)]
    if isinstance(dtype, pandas.DatetimeTZDtype):
        times = values.dt if hasattr(values, "dt") else values
        local = _pandas().DatetimeIndex(times.tz_convert("UTC")).tz_localize(None)
        return ["datetime", local.to_numpy(), dtype.tz, dtype.unit]
    return [str(dtype), [None if item is pandas.NA else item for item in values.tolist()]]


def _load_values(content: Any) -> Any:
    pandas = _pandas()
    kind = content[0]
    if kind == "numpy":
        return content[1]
    if kind == "categorical":
        return pandas.Categorical.from_codes(content[1], categories=content[2], ordered=content[3])
    if kind == "datetime":
        return pandas.DatetimeIndex(content[1]).tz_localize("UTC").tz_convert(content[2])
    return pandas.array(content[1], dtype=kind)


def _dump_series(v: Any) -> Any:
    return Split({"index": v.index, "values": _dump_values(v)}, [v.name, dict(v.attrs)])


def _load_series(cls: Any, value: Any, extra: Any) -> Any:
    name, attrs = extra
    made = _pandas().Series(_load_values(value["values"]), index=value["index"], name=name, copy=True)
    made.attrs.update(attrs)
    return made


def _dump_frame(v: Any) -> Any:
    columns = [_dump_values(v.iloc[:, i]) for i in range(v.shape[1])]
    return Split({"columns": v.columns, "index": v.index, "values": columns}, [dict(v.attrs)])


def _load_frame(cls: Any, value: Any, extra: Any) -> Any:
    pandas = _pandas()
    index = value["index"]
    columns = [pandas.Series(_load_values(column), index=index) for column in value["values"]]
    made = pandas.DataFrame(dict(enumerate(columns)), index=index)
    made.columns = value["columns"]
    made.attrs.update(extra[0])
    return made


def _dump_index(v: Any) -> Any:
    return Split(_dump_values(v), [v.name])


def _load_index(cls: Any, value: Any, extra: Any) -> Any:
    pandas = _pandas()
    return pandas.Index(_load_values(value), name=extra[0], dtype=value[1].dtype if value[0] == "numpy" else None)


def _dump_datetime_index(v: Any) -> Any:
    return Split(_dump_values(v), [v.name, v.freqstr])


def _load_datetime_index(cls: Any, value: Any, extra: Any) -> Any:
    return _pandas().DatetimeIndex(_load_values(value), name=extra[0], freq=extra[1])


def _load_timedelta_index(cls: Any, value: Any, extra: Any) -> Any:
    return _pandas().TimedeltaIndex(_load_values(value), name=extra[0], freq=extra[1])


def _dump_range_index(v: Any) -> Any:
    return Split([v.start, v.stop, v.step], [v.name])


def _load_range_index(cls: Any, value: Any, extra: Any) -> Any:
    return _pandas().RangeIndex(*value, name=extra[0])


def _dump_multi_index(v: Any) -> Any:
    numpy = sys.modules["numpy"]
    return {"levels": list(v.levels), "codes": [numpy.asarray(codes) for codes in v.codes], "names": list(v.names)}


def _load_multi_index(cls: Any, value: Any, extra: Any) -> Any:
    return _pandas().MultiIndex(levels=value["levels"], codes=value["codes"], names=value["names"])


def _dump_timestamp(v: Any) -> Any:
    return Split(v.isoformat(), [int(v.tz_localize(None).asm8.view("i8")), v.unit, v.tz, v.fold])


def _load_timestamp(cls: Any, value: Any, extra: Any) -> Any:
    pandas = _pandas()
    import numpy

    ticks, unit, zone, fold = extra
    local = pandas.Timestamp(numpy.datetime64(ticks, unit))
    if zone is None:
        return local
    return local.replace(fold=fold, tzinfo=zone).as_unit(unit)


def _dump_timedelta(v: Any) -> Any:
    return Split(v.isoformat(), [int(v.asm8.view("i8")), v.unit])


def _load_timedelta(cls: Any, value: Any, extra: Any) -> Any:
    import numpy

    return _pandas().Timedelta(numpy.timedelta64(extra[0], extra[1]))


def _singleton(name: str, attribute: str) -> Adapter:
    return Adapter(name, lambda v: None, lambda cls, value, extra: getattr(_pandas(), attribute), atomic=True)


def _both(name: str, dump: Any, load: Any) -> list[Adapter]:
    """pandas 3 names its classes `pandas:DataFrame`, pandas 2 by the module they are in."""
    return [Adapter(name, dump, load, kind="pandas"), Adapter(f"pandas:{name.partition(':')[2]}", dump, load, kind="pandas")]


ADAPTERS: Final[list[Adapter]] = [
    *_both("pandas.core.frame:DataFrame", _dump_frame, _load_frame),
    *_both("pandas.core.series:Series", _dump_series, _load_series),
    *_both("pandas.core.indexes.base:Index", _dump_index, _load_index),
    *_both("pandas.core.indexes.category:CategoricalIndex", _dump_index, _load_index),
    *_both("pandas.core.indexes.datetimes:DatetimeIndex", _dump_datetime_index, _load_datetime_index),
    *_both("pandas.core.indexes.timedeltas:TimedeltaIndex", _dump_datetime_index, _load_timedelta_index),
    *_both("pandas.core.indexes.range:RangeIndex", _dump_range_index, _load_range_index),
    *_both("pandas.core.indexes.multi:MultiIndex", _dump_multi_index, _load_multi_index),
    *_both("pandas._libs.tslibs.timestamps:Timestamp", _dump_timestamp, _load_timestamp),
    *_both("pandas._libs.tslibs.timedeltas:Timedelta", _dump_timedelta, _load_timedelta),
    _singleton("pandas._libs.tslibs.nattype:NaTType", "NaT"),
    _singleton("pandas:NaTType", "NaT"),
    _singleton("pandas._libs.missing:NAType", "NA"),
    _singleton("pandas.api.typing:NAType", "NA"),
    _singleton("pandas.api.typing:NaTType", "NaT"),
]
