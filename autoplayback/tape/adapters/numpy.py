"""numpy: arrays and scalars by their bytes; arrays of objects by their items."""

from __future__ import annotations

import sys
from typing import Any, Final

from autoplayback.errors import TapeError
from autoplayback.tape.adapters.registry import Adapter, Split


def _numpy() -> Any:
    import numpy

    return numpy


def _described(dtype: Any) -> Any:
    """A dtype as plain data: its short name, or the list that makes a structured one."""
    if dtype.fields is None:
        return dtype.str if dtype.subdtype is None else [_described(dtype.subdtype[0]), list(dtype.subdtype[1])]
    return {name: [_described(dtype.fields[name][0]), dtype.fields[name][1]] for name in dtype.names} | {"": dtype.itemsize}


def _dtype(described: Any) -> Any:
    """The dtype of a description."""
    numpy = _numpy()
    if isinstance(described, str):
        dtype = numpy.dtype(described)
    elif isinstance(described, list) and len(described) == 2:
        dtype = numpy.dtype((_dtype(described[0]), tuple(described[1])))
    elif isinstance(described, dict) and "" in described:
        fields = {name: field for name, field in described.items() if name}
        dtype = numpy.dtype({"names": list(fields), "formats": [_dtype(field[0]) for field in fields.values()],
                             "offsets": [field[1] for field in fields.values()], "itemsize": described[""]})
    else:
        raise TapeError("not the description of a numpy dtype")
    return dtype


def dump_array(v: Any) -> Any:
    """An array: its items if they are objects, else its bytes; dtype, shape and memory order beside."""
    numpy = sys.modules["numpy"]
    order = "F" if v.flags.f_contiguous and not v.flags.c_contiguous else "C"
    plain = numpy.ndarray.view(v, numpy.ndarray)
    about = [_described(v.dtype), list(v.shape), order, bool(v.flags.writeable)]
    if v.dtype.hasobject:
        if v.dtype.fields is not None:
            raise TypeError("a structured array of objects")
        return Split(plain.ravel(order).tolist(), about)
    return Split(plain.tobytes(order), about)


def load_array(cls: Any, value: Any, extra: Any) -> Any:
    """The array; `frombuffer` checks that the bytes fit the shape, so a forged shape can't make it allocate."""
    numpy = _numpy()
    described, shape, order, writeable = extra
    dtype = _dtype(described)
    if dtype.hasobject:
        flat = numpy.empty(len(value), dtype=dtype)
        for i, item in enumerate(value):
            flat[i] = item
    else:
        flat = numpy.frombuffer(value, dtype=dtype).copy() if value else numpy.empty(0, dtype=dtype)
    made = flat.reshape(shape, order=order)
    if cls is not numpy.ndarray:
        made = made.view(cls)
    made.flags.writeable = writeable
    return made


def _dump_scalar(v: Any) -> Any:
    return Split(v.tobytes(), _described(v.dtype)) if not v.dtype.hasobject else Split([v.item()], "O")


def _load_scalar(cls: Any, value: Any, extra: Any) -> Any:
    return _numpy().frombuffer(value, dtype=_dtype(extra), count=1)[0]


_SCALARS: Final = (
    "bool_", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "longlong", "ulonglong", "float16",
    "float32", "float64", "longdouble", "complex64", "complex128", "clongdouble", "datetime64", "timedelta64", "void",
)

ADAPTERS: Final[list[Adapter]] = [
    Adapter("numpy:ndarray", dump_array, load_array, kind="array"),
    Adapter("numpy:dtype", _described, lambda cls, value, extra: _dtype(value), closed=True),
    *(Adapter(f"numpy:{name}", _dump_scalar, _load_scalar, kind="scalar") for name in _SCALARS),
    Adapter("numpy:str_", str.__str__, lambda cls, value, extra: cls(value), kind="scalar"),
    Adapter("numpy:bytes_", lambda v: bytes.__getitem__(v, slice(None)), lambda cls, value, extra: cls(value), kind="scalar"),
]
