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
NUMBERS = [np.dtype(f"{kind}{size}") for kind in "iu" for size in (1, 2, 4, 8)] + [np.dtype("f4"), np.dtype("f8")]


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


def check_combination(codec: Codec, op: str) -> None:
    """Raise unless ``add_many`` can combine values of this type in this way."""
    dtype = codec.dtype
    if op not in OPERATIONS:
        raise ValueError(f"op={op!r}: choose one of {', '.join(OPERATIONS)}")
    if isinstance(dtype, np.dtype) and dtype.kind == "M" and op == "add":
        instead = "give op='max' for the last seen, op='min' for the first"
        raise TypeError(f"add_many cannot add values of type {codec.name}: {instead}")
    if dtype is not object and dtype not in NUMBERS and not (isinstance(dtype, np.dtype) and dtype.kind in "Mm"):
        raise TypeError(f"add_many cannot combine values of type {codec.name}: give ints, floats, times or objects")


def combine(codec: Codec, op: str, old: Any, value: Any) -> Any:
    """What add_many stores in place of ``old``: in the arithmetic of the dtype, or of the objects themselves."""
    if codec.dtype is object:
        return OBJECT_OPERATIONS[op](old, value)
    with np.errstate(over="ignore", invalid="ignore"):
        return OPERATIONS[op](np.array([old], codec.dtype), np.array([value], codec.dtype))[0]


def missing(key: Any, position: int) -> KeyError:
    """What a batch call raises for a missing key."""
    shown = str(key) if isinstance(key, np.datetime64 | np.timedelta64) else repr(getattr(key, "item", lambda: key)())
    return KeyError(f"key {shown} at position {position} is not in the map")
