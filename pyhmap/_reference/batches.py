"""What a batch call of the reference takes and returns. Owns how add_many combines values."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from pyhmap._convert.codec import Codec

Array = npt.NDArray[Any]
OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {"add": operator.add, "min": np.minimum, "max": np.maximum}
OBJECT_OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {"add": operator.add, "min": min, "max": max}


def array_of(codec: Codec, items: list[Any]) -> Array:
    """The array in which a batch call returns items: of the codec's dtype; of objects for str, bytes and object."""
    array = np.zeros(len(items), object if isinstance(codec.dtype, type) else codec.dtype)  # also what is padding
    for position, item in enumerate(items):
        array[position] = item
    return array


def values_of(codec: Codec, values: Any, n: int) -> list[Any]:
    """n values for n keys."""
    array = codec.many_values(values)
    if len(array) != n:
        raise ValueError(f"{n} keys but {len(array)} values: give one value per key, or one for all")
    return list(array)


def check_operation(op: str) -> None:
    """Raise unless ``add_many`` has this operation."""
    if op not in OPERATIONS:
        raise ValueError(f"op={op!r}: choose one of {', '.join(OPERATIONS)}")


def combine(codec: Codec, op: str, old: bytes, value: bytes) -> bytes:
    """What add_many stores in place of ``old``: in the arithmetic of the dtype, field by field and item by item."""
    combined = bytearray(old)
    if combined:
        with np.errstate(over="ignore", invalid="ignore"):
            _combine_into(np.frombuffer(combined, codec.dtype), op, np.frombuffer(value, codec.dtype))
    return bytes(combined)


def _combine_into(old: Array, op: str, value: Array) -> None:
    """Combine arrays in place. Fields are views, so bytes that are in none of them stay as they are."""
    if op == "add" and old.dtype.kind == "m":  # as ints, which wrap around; NumPy 2.5 refuses such a sum of times
        sums = old.view(np.int64) + value.view(np.int64)
        sums[np.isnat(old) | np.isnat(value)] = np.iinfo(np.int64).min  # NaT
        old.view(np.int64)[...] = sums
    elif old.dtype.names is None:
        old[...] = OPERATIONS[op](old, value)
    else:
        for name in old.dtype.names:
            _combine_into(old[name], op, value[name])


def missing(key: Any, position: int) -> KeyError:
    """What a batch call raises for a missing key."""
    shown = str(key) if isinstance(key, np.datetime64 | np.timedelta64) else repr(getattr(key, "item", lambda: key)())
    return KeyError(f"key {shown} at position {position} is not in the map")
