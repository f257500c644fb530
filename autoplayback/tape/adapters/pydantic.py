"""pydantic models: fields by name; validators and `model_post_init` don't run, neither to write nor to read them."""

from __future__ import annotations

from typing import Any, Final

from autoplayback.tape.adapters.registry import Adapter, Split
from autoplayback.tape.restore import lacking
from autoplayback.tape.state import static

_read = object.__getattribute__
_BASE: Final = "pydantic.main:BaseModel"


def _optional(v: Any, name: str) -> Any:
    try:
        return _read(v, name)
    except AttributeError:  # made by model_construct of an old version, or half made
        return None


def _dump(v: Any) -> Any:
    return Split(
        dict.copy(_read(v, "__dict__")),
        [_optional(v, "__pydantic_fields_set__"), _optional(v, "__pydantic_extra__"), _optional(v, "__pydantic_private__")],
    )


def _load(cls: Any, value: Any, extra: Any) -> Any:
    fields_set, more, private = extra
    given = set(fields_set or ())
    if not given <= {*value, *(more or ())}:  # a field has another name today
        given |= set(value)
    known = static(cls, "__pydantic_fields__") or {}
    name = f"{cls.__module__}:{cls.__qualname__}"
    values = {}
    for field, info in known.items():
        if field in value:
            values[field] = value[field]
        elif info.is_required():
            raise lacking(name, field)
        else:
            values[field] = info.get_default(call_default_factory=True)
    values.update((field, found) for field, found in value.items() if field not in known and static(cls, field) is not None)
    made: Any = object.__new__(cls)
    object.__setattr__(made, "__dict__", values)
    object.__setattr__(made, "__pydantic_fields_set__", given & set(values) | set(more or ()))
    object.__setattr__(made, "__pydantic_extra__", more)
    object.__setattr__(made, "__pydantic_private__", private)
    return made


ADAPTERS: Final[list[Adapter]] = [
    Adapter(_BASE, _dump, _load, kind="pydantic", complete=True),
    Adapter("pydantic_core._pydantic_core:Url", str, lambda cls, value, extra: cls(value)),
    Adapter("pydantic_core._pydantic_core:MultiHostUrl", str, lambda cls, value, extra: cls(value)),
]
