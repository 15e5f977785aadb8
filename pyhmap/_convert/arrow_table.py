"""Maps and sets as Arrow tables: the Arrow type of each key and value type, and the buffers of its items.

    type                                              Arrow type
    ───────────────────────────────────────────────   ────────────────────────────────────────────────────
    ints, floats of up to 8 bytes, bool               the same
    str, U                                            large_string
    bytes, S                                          large_binary
    V                                                 fixed_size_binary
    datetime64[D]                                     date32
    datetime64, timedelta64 of s, ms, us or ns        timestamp without a time zone, duration; a NaT is null
    structured dtypes                                 struct, of the types of the fields
    arrays of one shape                               fixed_size_list, one in the other
    others: object, complex, longdouble, other units  TypeError

The type of a column depends on no item: all maps of one type have one schema. Texts have offsets, of 64 bits: every
consumer reads that layout, and computes with it. Arrow's views look like the Texts of a slot, but a long one holds the
number of a buffer and an offset of 32 bits, and an arena may be larger; so they would be written one by one, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pyhmap._convert.arrow_out import Exported, array_capsules, stream_capsule
from pyhmap._convert.codec import Array, Codec
from pyhmap._convert.text_batch import joined

# The C data interface's formats of NumPy's types.
NUMBERS = {
    "i1": "c", "u1": "C", "i2": "s", "u2": "S", "i4": "i", "u4": "I", "i8": "l", "u8": "L",
    "f2": "e", "f4": "f", "f8": "g",
}  # fmt: skip
UNITS = {"s": "s", "ms": "m", "us": "u", "ns": "n"}


def table_stream(codecs: Sequence[Codec], read: Callable[[], Sequence[Any]]) -> object:
    """A capsule of an Arrow stream: a table in one record batch, with a column for each codec, named "key" or "value".

    Parameters
    ----------
    codecs
        The types of the columns.
    read
        Is called once, if all types have an equal in Arrow. Returns the items of each column: an array as the batch
        calls return them, or ``(offsets, data)`` for the stored bytes of texts (``joined``). They are not copied, and
        must not change any more.

    Raises
    ------
    TypeError
        A type has no equal in Arrow. The message names the column.
    ValueError, OverflowError
        A str is not valid UTF-8; a date is outside date32.
    """
    for codec in codecs:
        _column(codec, np.empty(0, object if isinstance(codec.dtype, type) else codec.dtype), codec.what)
    columns = [_column(codec, items, codec.what) for codec, items in zip(codecs, read(), strict=False)]
    return stream_capsule(Exported("", "+s", len(columns[0]), [None], columns))


class ArrowArray:
    """Keys as an Arrow array, for every consumer of the Arrow PyCapsule interface: ``pyarrow.array(a)``,
    ``polars.Series(a)``, or a batch of pyhmap."""

    __slots__ = ("_column",)

    def __init__(self, codec: Codec, items: Any, valid: Array | None) -> None:
        """``items`` as ``table_stream`` takes them; where the bool array ``valid`` is False, they are null."""
        self._column = _column(codec, items, codec.what)
        if valid is not None:
            self._column.mask(_bits(valid), len(valid) - int(np.count_nonzero(valid)))

    def __len__(self) -> int:
        return len(self._column)

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        return array_capsules(self._column)


def _column(codec: Any, items: Any, *path: str) -> Exported:
    """The items of one type. ``path``: the name of the column, of its field, of the field's field."""
    name, dtype = path[-1], codec.dtype
    if isinstance(dtype, type):
        return _texts(name, codec, items) if dtype is not object else _refuse(codec, path)
    if dtype.kind in "SU" and not codec.is_array:
        return _texts(name, codec, items)
    if isinstance(items, tuple):  # of one size: one behind the other, they are an array
        items = items[1].view(dtype)
    n = len(items)
    if codec.is_array:
        size, *shape = items.shape[1:]
        part = _column(codec if shape else codec.items, items.reshape(n * size, *shape), *path, "item")
        return Exported(name, f"+w:{size}", n, [None], [part])
    if codec.is_composite:
        fields = [_column(part, items[field], *path, field) for field, part in codec.fields]
        return Exported(name, "+s", n, [None], fields)
    items = np.require(items, None, ["C", "A"])  # a field of a record may be anywhere
    if dtype.kind == "V":
        return Exported(name, f"w:{dtype.itemsize}", n, [None, _bytes_of(items)])
    if dtype.kind == "b":
        return Exported(name, "b", n, [None, _bits(items)])
    if dtype.kind in "mM":
        return _times(codec, items, path)
    if dtype.str[1:] not in NUMBERS:
        return _refuse(codec, path)
    return Exported(name, NUMBERS[dtype.str[1:]], n, [None, _bytes_of(items)])


def _texts(name: str, codec: Any, items: Any) -> Exported:
    offsets, data = items if isinstance(items, tuple) else joined(items, codec)
    is_str = codec.dtype is str or (codec.dtype is not bytes and codec.dtype.kind == "U")
    return Exported(name, "U" if is_str else "Z", len(offsets) - 1, [None, _bytes_of(offsets), data])


def _times(codec: Any, items: Array, path: tuple[str, ...]) -> Exported:
    unit, count = np.datetime_data(codec.dtype)
    valid = ~np.isnat(items)
    numbers = items.view(np.int64)
    if count != 1:
        return _refuse(codec, path)
    if codec.dtype.kind == "M" and unit == "D":
        format, days = "tdD", np.where(valid, numbers, 0)
        numbers = days.astype(np.int32)
        if (numbers != days).any():
            given = f"{codec.what} {items[(numbers != days).argmax()]!r} is outside Arrow's date32"
            raise OverflowError(f"{given}: use datetime64[s]")
    elif unit in UNITS:
        format = f"ts{UNITS[unit]}:" if codec.dtype.kind == "M" else f"tD{UNITS[unit]}"
    else:
        return _refuse(codec, path)
    nulls = len(items) - int(np.count_nonzero(valid))
    validity = _bits(valid) if nulls else None
    return Exported(path[-1], format, len(items), [validity, _bytes_of(numbers)], nulls=nulls)


def _refuse(codec: Codec, path: tuple[str, ...]) -> Exported:
    advice = (
        "use the unit s, ms, us or ns" if codec.name.startswith(("datetime64", "timedelta64")) else "use another type"
    )
    raise TypeError(
        f"column {'.'.join(path)!r} is of type {codec.name}, which Arrow has not: {advice}, or make a table from "
        f"the array of the {codec.what}s, converted"
    )


def _bits(flags: Array) -> Array:
    """A bitmap of bools, from the lowest bit of each byte."""
    return np.packbits(flags, bitorder="little")


def _bytes_of(array: Array) -> Array:
    """The bytes of a contiguous array."""
    return array.reshape(-1).view(np.uint8) if array.dtype.itemsize else np.empty(0, np.uint8)
