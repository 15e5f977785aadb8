"""Data frames of other libraries: their columns, the same frame with more columns, and a column like another one.

    given                          read as keys      new columns
    ────────────────────────────   ───────────────   ─────────────────────────────────────────────────────
    pyarrow Table, RecordBatch     its column        Arrow arrays; a missing value is null
    polars DataFrame               its Series        Series; a missing value is null
    pandas DataFrame               its Series        NaN, NaT, or a dtype of pandas that has missing values
    dict of arrays                 its array         NumPy arrays; NaN, NaT, None of texts; TypeError of others

The type of a new column follows from the type of its values and from whether some may be missing, never from the values
themselves: so each part of a large frame gets the same type. No other library is imported here: a caller that gives a
frame of a library has imported it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyhmap._convert import columns as containers
from pyhmap._convert.arrow_table import ArrowArray
from pyhmap._convert.codec import Array, Codec
from pyhmap._convert.codecs import value_codec

FRAMES = "a pyarrow Table or RecordBatch, a pandas or polars DataFrame, or a dict of arrays"
COLUMNS = "a pyarrow Array or ChunkedArray, a pandas or polars Series, a one-dimensional NumPy array, or a list"
PRESENT = {int, bool, str, bytes, tuple, np.str_, np.bytes_}  # types whose objects are never nulls


@dataclass(frozen=True, slots=True)
class Values:
    """The values of a new column."""

    name: str
    codec: Codec  #: of the type of the values
    items: Array  #: n of them, as batch calls return them; this object may change them
    valid: Array | None  #: bool, of shape (n,), False where a value is missing; None if the column cannot have these


# ---- frames ----------------------------------------------------------------------------------------------------------


def columns_named(frame: Any, names: Sequence[str]) -> list[Any]:
    """The columns of a frame that have these names.

    Raises ``TypeError`` if it is not a frame; ``ValueError`` if it has no column of a name, or several.
    """
    library = _library_of_frame(frame)
    there = _names(frame, library)
    found = []
    for name in names:
        number = there.count(name)
        if number == 0:
            raise ValueError(f"there is no column {name!r}: the frame has {', '.join(map(repr, there)) or 'none'}")
        if number > 1:
            raise ValueError(f"{number} columns have the name {name!r}: rename all but one")
        found.append(frame.column(there.index(name)) if library == "pyarrow" else frame[name])
    return found


def with_columns(frame: Any, columns: Sequence[Values]) -> Any:
    """A frame of the same kind with new columns behind its own. It shares the old columns with the given one, which
    does not change.

    Raises ``TypeError`` if the library has no columns of the type of some values. The message names the column.
    """
    library = _library_of_frame(frame)
    if library == "pandas":
        made = frame.copy(deep=False)
        for column in columns:
            made[column.name] = _pandas_series(column, frame.index)
        return made
    if library == "polars":
        return frame.with_columns([_polars_series(column) for column in columns])
    if library == "pyarrow":
        for column in columns:
            frame = frame.append_column(column.name, _arrow_array(column))
        return frame
    return frame | {column.name: numpy_column(column) for column in columns}


def refuse_names(frame: Any, names: Sequence[str]) -> None:
    """Raise ``ValueError`` if a frame has a column of one of these names."""
    there = set(_names(frame, _library_of_frame(frame)))
    for name in names:
        if name in there:
            raise ValueError(f"the frame has a column {name!r} already: drop or rename it, or give out= another name")


def _library_of_frame(frame: Any) -> str:
    """The library whose frame it is; ``"dict"`` for a dict of arrays."""
    if isinstance(frame, dict):
        return "dict"
    for library, types in (("pandas", ["DataFrame"]), ("polars", ["DataFrame"]), ("pyarrow", ["Table", "RecordBatch"])):
        if _is_of(frame, library, types):
            return library
    raise TypeError(f"a frame is {FRAMES}, not {_type_name(frame)}")


def _names(frame: Any, library: str) -> list[Any]:
    if library == "pyarrow":
        return list(frame.schema.names)
    return list(frame if library == "dict" else frame.columns)


def _is_of(given: Any, library: str, types: Sequence[str]) -> bool:
    """Whether it is an object of one of these types. If nobody has imported the library, or some
    thread only begins to, it cannot be one."""
    module = sys.modules.get(library)
    return module is not None and isinstance(given, tuple(getattr(module, name, ()) for name in types))


def _type_name(given: Any) -> str:
    of = type(given)
    return of.__name__ if of.__module__ == "builtins" else f"{of.__module__.partition('.')[0]}.{of.__name__}"


def keys_in(column: Any, codec: Codec) -> Any:
    """A column as a batch of keys of a type. In a list or an array of objects, what stands for a missing value in the
    columns of other libraries is a null, too: None, NA, and NaN and NaT if the type has none."""
    if not isinstance(column, list | np.ndarray) or isinstance(column, np.ma.MaskedArray):
        return column
    if (isinstance(column, np.ndarray) and (column.dtype.kind != "O" or column.ndim != 1)) or (
        PRESENT.issuperset(map(type, column))
    ):
        return column
    null = np.fromiter((containers._is_null_of_column(item, codec) for item in column), bool, len(column))
    return np.ma.MaskedArray(containers.object_array(column), null) if null.any() else column


# ---- single columns --------------------------------------------------------------------------------------------------


def check_column(given: Any) -> None:
    """Raise ``TypeError`` if it is nothing that :func:`column_like` makes columns of."""
    known = isinstance(given, list) or (isinstance(given, np.ndarray) and given.ndim == 1)
    if not known and not any(
        _is_of(given, library, types)
        for library, types in (("pandas", ["Series"]), ("polars", ["Series"]), ("pyarrow", ["Array", "ChunkedArray"]))
    ):
        raise TypeError(f"a column is {COLUMNS}, not {_type_name(given)}")


def column_like(given: Any, column: Values) -> Any:
    """The values as a column of the kind of another one, which has as many items; of pandas, with its index."""
    if _is_of(given, "pandas", ["Series"]):
        return _pandas_series(column, given.index).rename(column.name)
    if _is_of(given, "polars", ["Series"]):
        return _polars_series(column)
    if _is_of(given, "pyarrow", ["Array", "ChunkedArray"]):
        array = _arrow_array(column)
        return sys.modules["pyarrow"].chunked_array([array]) if hasattr(given, "chunks") else array
    if isinstance(given, np.ndarray):
        return numpy_column(column)
    items = column.codec.as_returned(column.items)
    for at in _missing(column):
        items[at] = None
    return items


# ---- new columns -----------------------------------------------------------------------------------------------------


def _arrow_array(column: Values) -> Any:
    return sys.modules["pyarrow"].array(_exported(column))


def _polars_series(column: Values) -> Any:
    return sys.modules["polars"].Series(_exported(column)).alias(column.name)  # it takes no name for an Arrow array


def _exported(column: Values) -> ArrowArray:
    items, valid = column.items, column.valid
    if valid is not None and items.dtype.kind in "mM":  # their nulls are NaT
        items[~valid], valid = np.array("NaT", items.dtype), None
    try:
        return ArrowArray(column.codec, items, valid)
    except TypeError:
        given = f"new column {column.name!r} would be of {column.codec.name}, which Arrow has not"
        raise TypeError(f"{given}: give a dict of arrays, or save values of another type") from None
    except (ValueError, OverflowError) as error:  # a str that is not valid UTF-8; a date that is too far away
        raise type(error)(f"new column {column.name!r}: {error}") from None


def _pandas_series(column: Values, index: Any) -> Any:
    pd: Any = sys.modules["pandas"]
    codec, items, valid = column.codec, column.items, column.valid
    if codec.is_array or codec.is_composite:
        raise TypeError(
            f"new column {column.name!r} would be of {codec.name}, which pandas has not: give a pyarrow table"
        )
    kind = "OS"["SV".find(items.dtype.kind) >= 0] if items.dtype.kind in "OSV" else items.dtype.kind
    if kind in "mM":
        items = _time_of_pandas(column)
    if kind == "U" or codec.dtype is str:
        texts = containers.object_array(items.tolist()) if kind == "U" else items
        texts[_missing(column)] = None
        made = pd.array(texts, dtype=pd.StringDtype(na_value=np.nan))
    elif kind in "OS":
        made = containers.object_array(items.tolist())
        made[_missing(column)] = None
    elif valid is None:
        made = items
    elif kind in "iu":
        made = pd.arrays.IntegerArray(items, ~valid)
    elif kind == "b":
        made = pd.arrays.BooleanArray(items, ~valid)
    else:
        made = items
        made[~valid] = np.array("NaT" if kind in "mM" else np.nan, made.dtype)
    return pd.Series(made, index=index, dtype=made.dtype, copy=False)


def _time_of_pandas(column: Values) -> Array:
    """Times in a unit of pandas, which has none coarser than seconds."""
    kind = column.items.dtype.kind
    unit, count = np.datetime_data(column.items.dtype)
    if unit in ("W", "D", "h", "m") or (kind == "M" and unit in ("Y", "M")):
        unit = "s"
    elif unit not in ("s", "ms", "us", "ns"):
        given = f"new column {column.name!r} would be of {column.codec.name}, which pandas has not"
        raise TypeError(f"{given}: give a dict of arrays, or save times in ns")
    elif count == 1:
        return column.items
    try:
        return value_codec(f"{kind}8[{unit}]").many(column.items)[0]
    except OverflowError as error:
        raise OverflowError(f"new column {column.name!r}: {error}") from None


def numpy_column(column: Values) -> Array:
    """The values as a NumPy array. Missing ones are NaN or NaT, and None of texts.

    Raises ``TypeError`` if the type has none: consumers of dicts of arrays, such as Ray, do not all look at masks.
    """
    items, valid = column.items, column.valid
    if valid is None:
        return items
    kind = items.dtype.kind
    if kind in "OSU" or (kind == "V" and items.dtype.names is None):
        found = containers.object_array(items.tolist())
        found[~valid] = None
        return found
    if kind in "fcmM":
        items[~valid] = np.array("NaT" if kind in "mM" else np.nan, items.dtype)
        return items
    given = f"new column {column.name!r} would be of {column.codec.name}, of which NumPy has no missing value"
    raise TypeError(f"{given}: give default=, or a frame of Arrow, pandas or polars")


def _missing(column: Values) -> Array:
    """The positions of the missing values."""
    return np.empty(0, np.intp) if column.valid is None else np.flatnonzero(~column.valid)
