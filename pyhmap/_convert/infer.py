"""Inferring key and value types from data, for ``from_arrays`` and ``fromkeys``.

A collection of str gives the type ``str`` and one of bytes gives ``bytes``, whatever the container: a fixed width taken
from the first batch would refuse a longer key of a later one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from _hmap_bytes.arrow_column import is_arrow
from pyhmap._convert import codecs
from pyhmap._convert.arrow_numbers import arrow_array
from pyhmap._convert.text_batch import text_batch

NUMBERS = (bool, int, float, complex, np.number, np.bool, np.datetime64, np.timedelta64)


def with_type(items: Any) -> tuple[Any, Any]:
    """The items (those of an iterator in a list), and their type as ``HMap`` accepts it for keys or values.

    >>> with_type(np.array(["a"]))
    (array(['a'], dtype='<U1'), <class 'str'>)
    >>> with_type(iter([5, 2**63])), with_type((1, None))
    (([5, 9223372036854775808], dtype('uint64')), ((1, None), <class 'object'>))
    """
    if is_arrow(items):
        try:
            return items, _type_of_column(items)
        except ImportError:  # pandas without pyarrow: its columns are arrays as well
            pass
    if hasattr(items, "__array__") or isinstance(items, memoryview):
        items = np.asarray(items)
    if not isinstance(items, np.ndarray):
        items = items if isinstance(items, list | tuple) else list(items)
        return items, _type_of_objects(items)
    if items.dtype.kind in "SUT":
        return items, bytes if items.dtype.kind == "S" else str
    if items.dtype.kind == "O":
        return items, _type_of_objects(items.ravel().tolist())
    return items, np.dtype((items.dtype, items.shape[1:]))


def type_of_value(value: object) -> Any:
    """The type of one value, as ``HMap`` accepts it.

    >>> type_of_value(0.5), type_of_value("a"), type_of_value(None)
    (dtype('float64'), <class 'str'>, <class 'object'>)
    """
    return _type_of_objects([value])


def _type_of_column(column: Any) -> Any:
    try:
        return arrow_array(column)[0].dtype
    except TypeError as not_numbers:
        for text in str, bytes:
            try:
                text_batch(column, codecs.key_codec(text))
            except TypeError:
                continue
            return text
        raise not_numbers from None


def _type_of_objects(items: list[Any] | tuple[Any, ...]) -> Any:
    types = set(map(type, items))
    for text in str, bytes:
        if types and all(issubclass(each, text) for each in types):
            return text
    if not all(issubclass(each, NUMBERS) for each in types):
        return object
    if types and all(issubclass(each, int | np.integer) for each in types):
        least, most = min(items), max(items)
        if least < -(2**63) or most >= (2**64 if least >= 0 else 2**63):
            return object  # NumPy would convert some of these to floats
        if most >= 2**63:
            return np.dtype(np.uint64)
    dtype = np.asarray(items).dtype
    return object if dtype.kind == "O" else dtype
