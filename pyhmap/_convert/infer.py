"""Inferring key and value types from data, for ``from_arrays`` and ``fromkeys``.

A collection of str gives the type ``str`` and one of bytes gives ``bytes``, whatever the container: a fixed width taken
from the first batch would refuse a longer key of a later one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from _hmap_bytes.arrow_column import Column as ArrowColumn
from pyhmap._convert.arrow_values import Runs, text_type
from pyhmap._convert.columns import Fields, column_of
from pyhmap._convert.text_batch import text_array

NUMBERS = (bool, int, float, complex, np.number, np.bool, np.datetime64)


class _AnyType:
    """Takes the place of a codec while the type is not known: NaN and NaT are items, not nulls."""

    has_nan = has_nat = True
    is_composite = False
    dtype = str  # so that column_of() leaves a StringDType array as it is

    def __init__(self, what: str) -> None:
        self.what = what

    def text_items(self, texts: Any) -> Any:
        """The objects of a column of texts."""
        return text_array(texts, self)[0]  # type: ignore[arg-type]


def with_type(items: Any, what: str) -> tuple[Any, int, Any]:
    """The items, in a form that can be read again; their number; and their type as ``HMap`` accepts it.

    Raises ``TypeError`` if there is nothing to infer a type from, or if no map has keys or values of the type.

    >>> with_type(np.array(["a"]), "key")[1:], with_type(iter([5, 2**63]), "key")[1:], with_type((1, None), "key")[1:]
    ((1, <class 'str'>), (2, dtype('uint64')), (2, <class 'object'>))
    """
    if not isinstance(items, np.ndarray | list | tuple) and hasattr(items, "__next__"):
        items = list(items)
    column = column_of(items, _AnyType(what))
    values = column.values
    if isinstance(values, np.ndarray) and values.ndim == 0:
        raise ValueError(f"{what}s must be one-dimensional, not of shape (): give a list for a single one")
    if isinstance(values, Fields):
        raise TypeError(f"{what}s are a table, for which no type is inferred: give HMap a structured dtype")
    if isinstance(values, ArrowColumn | Runs):
        return column, len(values), text_type(values.texts if isinstance(values, Runs) else values)
    if isinstance(values, np.ndarray) and values.dtype.kind != "O":
        kind = values.dtype.kind
        inferred = bytes if kind == "S" else str if kind in "UT" else np.dtype((values.dtype, values.shape[1:]))
        return column, len(values), inferred
    present = values if column.valid is None else np.asarray(values, object)[column.valid]
    if len(present) == 0:
        raise TypeError(
            f"there is no {what} to infer a type from: make the map with HMap(key, value), or give an array"
        )
    inferred = _type_of_objects(present.ravel().tolist() if isinstance(present, np.ndarray) else present)
    return items if inferred is object else column, len(values), inferred


def columns_of_table(items: Any) -> tuple[Any, ...]:
    """The columns of a table, or of a column of structs; none if the items are something else.

    >>> columns_of_table([1, 2])
    ()
    """
    try:
        values = column_of(items, _AnyType("item")).values
    except TypeError:
        return ()
    return values.columns if isinstance(values, Fields) else ()


def type_of_value(value: object) -> Any:
    """The type of one value, as ``HMap`` accepts it.

    >>> type_of_value(0.5), type_of_value("a"), type_of_value(None)
    (dtype('float64'), <class 'str'>, <class 'object'>)
    """
    return _type_of_objects([value])


def _type_of_objects(items: list[Any] | tuple[Any, ...]) -> Any:
    types = set(map(type, items))
    for text in str, bytes:
        if types and all(issubclass(each, text) for each in types):
            return text
    for method, time in ("to_datetime64", "M8[ns]"), ("to_timedelta64", "m8[ns]"):  # times of pandas
        if types and all(hasattr(each, method) for each in types):
            return np.dtype(time)
    if not all(issubclass(each, NUMBERS) for each in types):
        return object
    if any(issubclass(each, np.timedelta64 | np.datetime64) for each in types):  # timedelta64 is an np.integer too
        return np.asarray(items).dtype if len(types) == 1 else object
    if types and all(issubclass(each, int | np.integer) for each in types):
        least, most = min(items), max(items)
        if least < -(2**63) or most >= (2**64 if least >= 0 else 2**63):
            return object  # NumPy would convert some of these to floats
        if most >= 2**63:
            return np.dtype(np.uint64)
    dtype = np.asarray(items).dtype
    return object if dtype.kind == "O" else dtype
