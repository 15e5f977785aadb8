"""Reads the containers of batch calls: the items of any container, and which of them are null.

    container                                    column_of()                           objects_of()
    ──────────────────────────────────────────   ───────────────────────────────────   ──────────────────────────────
    list, tuple, other iterables                 the list                              the list
    ndarray, np.ma, memoryview, ctypes arrays    the base array                        its items as Python objects
    pandas Series, Index, extension arrays       an array of its NumPy type            what the container gives
    pyarrow and polars columns, Arrow streams    an array; a text column as it is      what the container gives
    tables, struct columns, tuples of columns    `Fields`, for composite keys          its objects, or TypeError

Owns what counts as missing (a *null*), what counts as many items, and which time zones are taken for UTC. What a key or
value type accepts is decided afterwards, by its codec. No other library is imported: its objects are recognised by
their methods, and pandas is imported already when one of its objects is given.
"""

from __future__ import annotations

import datetime
import operator
import sys
from collections import deque
from collections.abc import ItemsView, Iterator, KeysView, Sequence, ValuesView
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from _hmap_bytes.arrow_column import Column as ArrowColumn
from _hmap_bytes.arrow_column import is_arrow
from pyhmap._convert.arrow_values import Runs, arrow_values, first_with_nanoseconds, is_utc

Array = npt.NDArray[Any]

MAX_CODE_POINT = 0x10FFFF  # of Unicode; the items of a U array are 32-bit numbers


@dataclass(frozen=True, slots=True)
class Column:
    """n items, and which of them are not null."""

    values: Any  #: an ndarray, a list, an Arrow column of texts (``ArrowColumn`` or ``Runs``), or ``Fields``
    valid: Array | None  #: bool, of shape (n,), False at nulls; None if there are none


@dataclass(frozen=True, slots=True)
class Fields:
    """The columns of composite items."""

    names: tuple[str, ...] | None  #: None: the columns are in the order of the fields
    columns: tuple[Any, ...]  #: containers of n items each


OF_DATETIME = (datetime.date, datetime.timedelta)
SINGLE = {int, float, bool, str, bytes, type(None)}  # known at once: most scalars are of these types
MANY = (list, tuple, range, deque, Iterator, KeysView, ValuesView, ItemsView, memoryview, Column)


# ---- one or many -----------------------------------------------------------------------------------------------------


def is_many(items: Any) -> bool:
    """Whether an argument is a batch of typed items and not a single one.

    >>> is_many([1]), is_many(np.array(1)), is_many("ab"), is_many(range(3))
    (True, False, False, True)
    """
    if type(items) in SINGLE:
        return False
    if isinstance(items, np.ndarray):
        return items.ndim > 0
    if isinstance(items, str | bytes | np.generic) or _is_scalar_of_arrow(items):
        return False
    return hasattr(items, "__iter__") or isinstance(items, Column) or _is_column(items) or _is_array(items)


def is_many_objects(items: Any) -> bool:
    """Whether an argument is a batch of objects. Sets, mappings, texts and objects of other classes are one object.

    >>> is_many_objects(iter("ab")), is_many_objects({"a"}), is_many_objects("ab")
    (True, False, False)
    """
    if isinstance(items, np.ndarray):
        return items.ndim > 0
    return isinstance(items, MANY) or (
        not isinstance(items, str | bytes | bytearray | np.generic) and _is_column(items)
    )


def _is_column(items: Any) -> bool:
    polars_objects = _dtype_name(items) == "Object"
    return (
        is_arrow(items)
        or _of_pandas(items)
        or _is_buffer(items)
        or polars_objects
        or isinstance(getattr(items, "dtype", None), np.dtype)
    )


def _is_array(items: Any) -> bool:
    return (hasattr(items, "__array__") or hasattr(items, "__array_interface__")) and np.ndim(items) > 0


def _is_buffer(items: Any) -> bool:
    """Whether this is an array of the standard library: ``array.array`` or one of ``ctypes``."""
    return (
        type(items).__module__ in ("array", "_ctypes")
        or isinstance(items, memoryview)
        or (hasattr(items, "_length_") and hasattr(items, "_type_"))
    )


def _of_pandas(items: Any) -> bool:
    """Whether this is a Series, an Index or an extension array of pandas, which need not be installed."""
    pd = sys.modules.get("pandas")
    return pd is not None and isinstance(items, (pd.Series, pd.Index, pd.api.extensions.ExtensionArray))


def _is_scalar_of_arrow(item: Any) -> bool:
    return hasattr(item, "as_py")


# ---- single items of other libraries ---------------------------------------------------------------------------------


def plain(item: Any) -> Any:
    """A scalar of pyarrow, or a zero-dimensional array, as an object of Python or NumPy; any other item as it is.

    Raises ``TypeError`` for a time zone that is not UTC.
    """
    if type(item) is np.ndarray and item.ndim == 0:
        return item[()]
    if not _is_scalar_of_arrow(item):
        return item
    unit = getattr(item.type, "unit", None)
    if unit is None or not hasattr(item, "value") or not item.is_valid:
        return item.as_py()
    if not hasattr(item.type, "tz"):  # as_py() would lose the nanoseconds of times and durations
        return np.timedelta64(item.value, unit) if "Duration" in type(item).__name__ else item.as_py()
    zone = item.type.tz
    if zone is not None and not is_utc(zone):
        raise TypeError(
            f"the timestamp is in time zone {zone!r}: convert to UTC, with cast(pa.timestamp({unit!r}, 'UTC'))"
        )
    return np.datetime64(item.value, unit)


def zone_error(zone: Any, what: str, conversion: str) -> TypeError:
    """The error for a time in another zone than UTC."""
    return TypeError(f"{what} in time zone {str(zone)!r}: convert to UTC, with {conversion}")


def check_zone(zone: datetime.tzinfo | None, what: str, conversion: str) -> None:
    """Raise unless a zone is missing, or its offset is always zero."""
    if zone is not None and zone.utcoffset(None) != datetime.timedelta(0) and not is_utc(str(zone)):
        raise zone_error(zone, what, conversion)


def _is_missing(item: Any) -> bool:
    """Whether an item of a sequence is a null in every type: pd.NA, np.ma.masked, a null scalar of pyarrow."""
    if _is_scalar_of_arrow(item):
        return not item.is_valid
    return item is np.ma.masked or type(item).__name__ == "NAType"


def _is_nat(item: Any) -> bool:
    return type(item).__name__ == "NaTType" or (isinstance(item, np.datetime64 | np.timedelta64) and np.isnat(item))


# ---- typed items -----------------------------------------------------------------------------------------------------


def column_of(items: Any, codec: Any) -> Column:
    """The items of a batch of one type, from any container.

    Parameters
    ----------
    items
        The container; a ``Column`` is returned as it is.
    codec
        The type. If it has no NaN (``has_nan``), a NaN in a column of objects is a null; without NaT (``has_nat``), so
        are NaT in such a column and every ``pd.NaT``. ``what`` is "key" or "value", for messages.

    Raises
    ------
    TypeError
        The container is not a collection, or its items are of a kind that no type takes: decimals, times of day, lists,
        periods, times in other zones than UTC. The message says how to convert them.
    """
    if isinstance(items, Column):
        return items
    if type(items) is list or type(items) is tuple:
        return _from_sequence(items, codec)
    if isinstance(items, np.ma.MaskedArray):
        return _from_masked(items, codec)
    if isinstance(items, np.ndarray):
        return _from_array(np.asarray(items), codec)
    if isinstance(items, str | bytes):
        raise no_sequence(items, codec)
    if _of_pandas(items):
        return _from_pandas(items, codec)
    if (table := _table_of(items)) is not None:
        return Column(table, None)
    if _dtype_name(items) == "Object":  # polars exports the addresses of such objects
        return _from_objects(items.to_list(), codec)
    if is_arrow(items):
        try:
            values, valid = arrow_values(items, f"{codec.what}s")
            return Column(Fields(*values) if isinstance(values, tuple) else values, valid)
        except ImportError:  # pandas without pyarrow: its columns are arrays as well
            if not hasattr(items, "__array__"):
                raise
    if hasattr(items, "__array__") or hasattr(items, "__array_interface__") or _is_buffer(items):
        return column_of(np.asanyarray(items), codec)  # perhaps a masked array
    return _from_sequence(_listed(items, codec), codec)


def no_sequence(items: Any, codec: Any) -> TypeError:
    """The error for an argument that is not a collection."""
    given = type(items).__name__
    return TypeError(
        f"{codec.what}s must be an array, a column or a sequence, not {given}: give a list for a single one"
    )


def _listed(items: Any, codec: Any) -> list[Any]:
    if not hasattr(items, "__iter__") and not (hasattr(items, "__len__") and hasattr(items, "__getitem__")):
        raise no_sequence(items, codec)
    return list(items)


def _from_array(array: Array, codec: Any) -> Column:
    if array.dtype.kind == "O" and array.ndim == 1:
        return _from_sequence(array, codec)
    if array.dtype.kind == "T" and codec.dtype is not str and hasattr(array.dtype, "na_object"):
        return _from_strings(array, codec)
    return Column(array, None)


def _from_strings(array: Array, codec: Any) -> Column:
    """The str objects of a StringDType array, whose missing strings are nulls whatever object stands for them."""
    missing = array.dtype.na_object  # type: ignore[attr-defined]
    found = object_array(python_items(array, codec))
    return _without(found, np.array([item is missing or item != item for item in found], bool))


def _from_sequence(items: Any, codec: Any) -> Column:
    """Python objects as they are. Only objects that can mean nothing else are nulls."""
    types = set(map(type, items))
    if (
        codec.is_composite
        and type(items) is tuple
        and types
        and all(isinstance(item, list | np.ndarray) or _is_column(item) or _is_array(item) for item in items)
    ):
        return Column(Fields(None, items), None)
    if not any(_may_be_null(each) for each in types):
        return Column(items, None)
    null = [_is_missing(item) or (not codec.has_nat and type(item).__name__ == "NaTType") for item in items]
    return _without(list(map(plain, items)), np.array(null, bool))


def _may_be_null(of: type) -> bool:
    return of.__name__ in ("NAType", "NaTType", "MaskedConstant") or hasattr(of, "as_py")


def _without(values: Any, null: Array) -> Column:
    return Column(values, ~null if null.any() else None)


def _from_objects(items: Any, codec: Any) -> Column:
    """The objects of a column of a library. None is a null; so are NaN and NaT if the type does not have them."""
    array = object_array(items)
    null = np.fromiter((_is_null_of_column(item, codec) for item in array), bool, len(array))
    return _without(array, null)


def _is_null_of_column(item: Any, codec: Any) -> bool:
    if item is None or _is_missing(item):
        return True
    if isinstance(item, float | np.floating):
        return not codec.has_nan and item != item
    return not codec.has_nat and _is_nat(item)


def _from_masked(items: Any, codec: Any) -> Column:
    if items.ndim == 0:
        many = f"{codec.what}s"
        raise ValueError(f"{many} must be one-dimensional, not of shape (): give a list for a single one")
    return _without(np.asarray(np.ma.getdata(items)), _any_masked(np.ma.getmaskarray(items)))


def _any_masked(mask: Any) -> Array:
    """Which items are masked, or have a field or part that is."""
    if mask.dtype.names:
        return cast("Array", np.logical_or.reduce([_any_masked(mask[name]) for name in mask.dtype.names]))
    return cast("Array", mask.reshape(len(mask), -1).any(1) if mask.ndim > 1 else mask)


# ---- pandas ----------------------------------------------------------------------------------------------------------


def _from_pandas(items: Any, codec: Any) -> Column:
    pd = sys.modules["pandas"]
    if isinstance(items, pd.MultiIndex):
        levels = tuple(items.get_level_values(i) for i in range(items.nlevels))
        named = any(name is not None for name in items.names)
        return Column(Fields(tuple(map(str, items.names)) if named else None, levels), None)
    array = getattr(items, "array", items)  # of a Series or an Index
    dtype = array.dtype
    what = f"{codec.what}s"
    if isinstance(array, pd.arrays.NumpyExtensionArray):
        values = np.asarray(array)
    elif isinstance(dtype, np.dtype):
        values = np.asarray(items)
    else:
        values = None
    if values is not None:
        return _from_objects(values, codec) if values.dtype.kind == "O" else Column(values, None)
    if isinstance(dtype, pd.CategoricalDtype):
        return _taken(column_of(dtype.categories, codec), np.asarray(array.codes), codec)
    if isinstance(dtype, pd.DatetimeTZDtype):
        accessor = "dt." if isinstance(items, pd.Series) else ""
        check_zone(dtype.tz, f"{what} are", f'{what}.{accessor}tz_convert("UTC")')
        return Column(np.asarray(array.tz_convert("UTC").tz_localize(None)), None)
    if isinstance(dtype, pd.ArrowDtype) or (isinstance(dtype, pd.StringDtype) and dtype.storage == "pyarrow"):
        return column_of(array.__arrow_array__(), codec)
    if isinstance(dtype, pd.PeriodDtype | pd.IntervalDtype):
        raise TypeError(
            f"{what} are of pandas' dtype {dtype}: convert them, such as with to_timestamp(), or use object"
        )
    if isinstance(dtype, pd.SparseDtype):
        return column_of(pd.Series(np.asarray(array)), codec)
    number = getattr(dtype, "numpy_dtype", None)
    null = np.asarray(array.isna())
    if isinstance(number, np.dtype) and number.kind in "biuf":  # Int64, Float32, boolean, ...
        return _without(array.to_numpy(number, na_value=number.type(0)), null)
    return _without(np.asarray(array, object), null)


def _taken(words: Column, codes: Array, codec: Any) -> Column:
    """The items that the codes of a categorical choose; code -1 is a null."""
    null = codes < 0
    values = words.values
    if not isinstance(values, np.ndarray):
        values = object_array(codec.text_items(values) if isinstance(values, ArrowColumn | Runs) else values)
    if len(values) == 0:
        return _without(np.full(len(codes), None), np.ones(len(codes), bool))
    if words.valid is not None:
        null |= ~words.valid[codes]
    return _without(values[codes], null)


# ---- tables ----------------------------------------------------------------------------------------------------------


def _table_of(items: Any) -> Fields | None:
    """The columns of a DataFrame of pandas. (Other tables are Arrow structs.)"""
    pd = sys.modules.get("pandas")
    if pd is None or not isinstance(items, pd.DataFrame):
        return None
    names = tuple(map(str, items.columns))
    return Fields(names, tuple(items.iloc[:, i] for i in range(len(names))))


def _dtype_name(items: Any) -> str:
    return str(items.dtype) if hasattr(items, "dtype") and type(items).__module__.startswith("polars.") else ""


# ---- objects ---------------------------------------------------------------------------------------------------------


def objects_of(items: Any, codec: Any) -> tuple[Array, Array | None]:
    """The items of a batch as an object array, with None at nulls; and which items are not null.

    The items are the Python objects that the container itself gives. In a column, None and pd.NA are nulls; in a list
    or an array of objects they are objects like others.
    """
    if isinstance(items, Column):
        return _nulls_as_none(items.values, items.valid)
    if isinstance(items, list | tuple):
        return object_array(items), None
    if isinstance(items, np.ma.MaskedArray):
        column = _from_masked(items, codec)
        return _nulls_as_none(python_items(column.values, codec), column.valid)
    if isinstance(items, np.ndarray) and items.dtype.kind == "T" and hasattr(items.dtype, "na_object"):
        column = _from_strings(np.asarray(items), codec)
        return _nulls_as_none(column.values, column.valid)
    if isinstance(items, np.ndarray):
        return object_array(python_items(np.asarray(items), codec)), None
    if isinstance(items, str | bytes):
        raise no_sequence(items, codec)
    if _of_pandas(items):
        found = object_array(items.tolist())
        plain_array = isinstance(items, sys.modules["pandas"].arrays.NumpyExtensionArray)
        if not plain_array and not isinstance(items.dtype, np.dtype):  # a type with nulls of its own
            return _nulls_as_none(found, ~np.asarray(items.isna()))
        return _without_none(found) if items.dtype.kind == "O" else (found, None)
    if _table_of(items) is not None or (is_arrow(items) and hasattr(items, "num_columns")):
        raise TypeError(f"{codec.what}s are a table: give one of its columns")
    if _dtype_name(items) == "Object":
        return _without_none(object_array(items.to_list()))
    for method in "to_pylist", "to_list":  # of pyarrow, of polars
        if is_arrow(items) and hasattr(items, method):
            return _without_none(object_array(_python_list(items, method, codec)))
    if is_arrow(items):
        column = column_of(items, codec)
        values = column.values
        if isinstance(values, Fields):
            raise TypeError(f"{codec.what}s are a table or a struct column: give one of its columns")
        if isinstance(values, np.ndarray):
            objects: Any = python_items(values, codec)
            if values.dtype.kind in "mM":  # objects of datetime, where one holds the time
                objects = [each.item() if isinstance(each.item(), OF_DATETIME) else each for each in objects]
            return _nulls_as_none(objects, column.valid)
        return _without_none(codec.text_items(values))
    if hasattr(items, "__array__") or hasattr(items, "__array_interface__") or _is_buffer(items):
        return objects_of(np.asanyarray(items), codec)
    return object_array(_listed(items, codec)), None


def _python_list(items: Any, method: str, codec: Any) -> Any:
    """The objects that a column's library makes. Raises ``OverflowError`` for times that no Python object holds."""
    if (position := first_with_nanoseconds(items, times_too=method == "to_list")) is not None:
        raise OverflowError(
            f"{codec.what}s[{position}] has nanoseconds, which no object of Python's datetime holds: "
            "round the column to microseconds, or use a typed map"
        )
    try:
        return getattr(items, method)()
    except BaseException as error:  # a panic of polars is not an Exception
        if isinstance(error, Exception | KeyboardInterrupt | SystemExit) and not isinstance(
            error, OverflowError | ValueError
        ):
            raise
        raise OverflowError(
            f"{codec.what}s have an item that no object of Python holds ({error}): use a typed map"
        ) from None


def _without_none(array: Array) -> tuple[Array, Array | None]:
    null = np.fromiter((item is None or _is_missing(item) for item in array), bool, len(array))
    return _nulls_as_none(array, ~null)


def _nulls_as_none(items: Any, valid: Array | None) -> tuple[Array, Array | None]:
    array = object_array(items)
    if valid is None or valid.all():
        return array, None
    array[~valid] = None
    return array, valid


def python_items(array: Array, codec: Any) -> list[Any]:
    """The items of an array as Python objects. Times stay NumPy scalars: no Python object has nanoseconds."""
    if array.ndim != 1:
        many = f"{codec.what}s"
        raise ValueError(f"{many} must be one-dimensional, not of shape {array.shape}: give {many}.ravel()")
    if array.dtype.kind == "U":
        check_code_points(array, codec)
    return list(array) if array.dtype.kind in "mMV" else array.tolist()


def check_code_points(array: Array, codec: Any) -> None:
    """Raise ``ValueError`` if an item of a U array is not text: NumPy does not check, and no str can hold it."""
    points = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False)).view(np.uint32)
    if points.size and points.max() > MAX_CODE_POINT:
        position = int((points > MAX_CODE_POINT).argmax()) * len(array) // len(points)
        raise ValueError(f"{codec.what}s[{position}] is not text: it has a number above U+10FFFF; correct the array")


def concatenated(arrays: Sequence[Array]) -> Array:
    """One array of all items, of the type of the first array. NumPy alone would remove the padding of records, or leave
    in it what the memory held before."""
    first = arrays[0]
    if first.dtype.names is None:
        return np.concatenate(arrays, dtype=first.dtype)
    made, end = np.zeros((sum(map(len, arrays)), *first.shape[1:]), first.dtype), 0
    for array in arrays:
        made[end : end + len(array)] = array
        end += len(array)
    return made


def object_array(items: Any) -> Array:
    """A one-dimensional array of the objects themselves. NumPy would unpack those that are sequences."""
    if isinstance(items, np.ndarray) and items.dtype.kind == "O" and items.ndim == 1:
        return np.array(items)
    return np.fromiter(items, object, len(items))


def index_or_self(item: Any) -> Any:
    """An int for whatever has ``__index__``; any other object as it is."""
    return operator.index(item) if hasattr(item, "__index__") else item
