"""Time zones of dateutil, which boto3 and pandas put into their datetimes."""

from __future__ import annotations

from typing import Any, Final

from autoplayback.tape.adapters.registry import Adapter


def _load_offset(cls: type, value: Any, extra: Any) -> Any:
    return cls(value["name"], value["seconds"])


def _load_file(cls: type, value: str, extra: Any) -> Any:
    from dateutil import tz

    found = tz.gettz(value)
    if found is None:
        raise ValueError(f"no time zone {value!r} here")
    return found


ADAPTERS: Final = [
    Adapter("dateutil.tz.tz:tzutc", lambda zone: None, lambda cls, value, extra: cls()),
    Adapter("dateutil.tz.tz:tzlocal", lambda zone: None, lambda cls, value, extra: cls()),
    Adapter("dateutil.tz.tz:tzoffset", lambda zone: {"name": zone._name, "seconds": zone._offset.total_seconds()}, _load_offset),
    Adapter("dateutil.tz.tz:tzfile", lambda zone: str(zone._filename), _load_file),
]
