"""The batch calls, item by item: for maps of objects, and for the reference.

This is what each batch call means, in terms of single look-ups and writes. The compiled calls of ``batch_read.pyx`` and
``batch_write.pyx`` do the same, faster, for all types but objects. Everything is converted before anything is written.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from pyhmap._convert import codecs
from pyhmap._convert.sentinels import ABSENT, NO_DEFAULT

Array = npt.NDArray[Any]
OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {"add": operator.add, "min": np.minimum, "max": np.maximum}


def array_of(codec: codecs.Codec, items: list[Any]) -> Array:
    """The array in which a batch call returns items: of the codec's dtype; of objects for str, bytes and object."""
    array = np.empty(len(items), object if isinstance(codec.dtype, type) else codec.dtype)
    for position, item in enumerate(items):
        array[position] = item
    return array


def keys_of(m: Any, keys: Any) -> list[Any]:
    """The keys of a read, ABSENT for a null."""
    array, valid = m._key_codec.many(keys)
    return list(array) if valid is None else [key if there else ABSENT for key, there in zip(array, valid, strict=True)]


def keys_to_write(m: Any, keys: Any) -> list[Any]:
    """The keys of a write, which must not be null."""
    array, valid = m._key_codec.many(keys)
    refuse_nulls(valid)
    return list(array)


def refuse_nulls(valid: Array | None) -> None:
    if valid is not None and not valid.all():
        raise ValueError(f"keys[{int((~valid).argmax())}] is null: fill or drop nulls")


def value_of(m: Any, key: Any) -> Any:
    return ABSENT if key is ABSENT else m.get(key, ABSENT)


def values_of(codec: codecs.Codec, values: Any, n: int) -> list[Any]:
    """The values for n keys, one or n of them."""
    if codec.is_scalar(values):
        values = codec.single(values)
        codec.check(values)
        return [values] * n
    array = list(codec.many_values(values))
    if len(array) != n:
        raise ValueError(f"{n} keys but {len(array)} values: give one value per key, or one for all")
    return array


def missing(key: Any, position: int) -> KeyError:
    """What a batch call raises for a missing key."""
    shown = str(key) if isinstance(key, np.datetime64 | np.timedelta64) else repr(getattr(key, "item", lambda: key)())
    return KeyError(f"key {shown} at position {position} is not in the map")


def get_many(m: Any, keys: Any, default: Any) -> Array:
    out = []
    for position, key in enumerate(keys_of(m, keys) if default is not NO_DEFAULT else keys_to_write(m, keys)):
        value = value_of(m, key)
        if value is ABSENT:
            if default is NO_DEFAULT:
                raise missing(key, position)
            value = default
        out.append(value)
    return array_of(m._value_codec, out)


def lookup_many(m: Any, keys: Any) -> tuple[Array, Array]:
    values = [value_of(m, key) for key in keys_of(m, keys)]
    found = np.array([value is not ABSENT for value in values], bool)
    zero = m._value_codec.zero()
    return array_of(m._value_codec, [zero if value is ABSENT else value for value in values]), found


def contains_many(m: Any, keys: Any) -> Array:
    return np.array([key is not ABSENT and key in m for key in keys_of(m, keys)], bool)


def set_many(m: Any, keys: Any, values: Any) -> None:
    array = keys_to_write(m, keys)
    for key, value in zip(array, values_of(m._value_codec, values, len(array)), strict=True):
        m[key] = value


def setdefault_many(m: Any, keys: Any, values: Any) -> Array:
    array = keys_to_write(m, keys)
    pairs = zip(array, values_of(m._value_codec, values, len(array)), strict=True)
    return array_of(m._value_codec, [m.setdefault(key, value) for key, value in pairs])


def add_many(m: Any, keys: Any, values: Any, op: str) -> None:
    array = keys_to_write(m, keys)
    for key, value in zip(array, values_of(m._value_codec, values, len(array)), strict=True):
        old = m.get(key, ABSENT)
        m[key] = value if old is ABSENT else combine(m._value_codec, op, old, value)


def combine(codec: codecs.Codec, op: str, old: Any, value: Any) -> Any:
    """What add_many stores where ``old`` was: in the arithmetic of the dtype, or of the objects themselves."""
    if codec.dtype is object:
        operations: dict[str, Callable[[Any, Any], Any]] = {"add": operator.add, "min": min, "max": max}
        return operations[op](old, value)
    with np.errstate(over="ignore", invalid="ignore"):
        return OPERATIONS[op](np.array([old], codec.dtype), np.array([value], codec.dtype))[0]


def pop_many(m: Any, keys: Any, default: Any) -> Array:
    popped: list[tuple[Any, Any]] = []
    out = []
    for position, key in enumerate(keys_to_write(m, keys)):
        value = m.pop(key, ABSENT)
        if value is not ABSENT:
            popped.append((key, value))
        elif default is NO_DEFAULT:
            for back, its_value in popped:
                m[back] = its_value
            raise missing(key, position)
        out.append(default if value is ABSENT else value)
    return array_of(m._value_codec, out)


def discard_many(m: Any, keys: Any) -> int:
    return sum(m.pop(key, ABSENT) is not ABSENT for key in keys_to_write(m, keys))


def factorize(m: Any, keys: Any, next_code: int) -> tuple[Array, int]:
    """The codes, and the code of the next new key."""
    codes = []
    for position, key in enumerate(keys_to_write(m, keys)):
        code = m.get(key, ABSENT)
        if code is ABSENT:
            code = next_code
            try:
                m[key] = code
            except OverflowError:
                outside = f"code {code} is outside {m._value_codec.name}: use a map with a larger int value type"
                raise OverflowError(f"keys[{position}]: {outside}") from None
            next_code += 1
        codes.append(code)
    return np.array(codes, np.int64), next_code
