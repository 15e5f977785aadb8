"""What may be a key or a value, and how it becomes a 64-bit word. Imports NumPy only.

Both engines use these functions, so they agree on what is accepted and on every error. The compiled one has a shorter
way for exact ``int`` and ``float`` objects and comes here with everything else.

Keys must survive the way into the table and back: an int map takes ints (anything with ``__index__``: bool and NumPy
ints too), a float map takes floats and those ints that a float64 holds exactly. Values are assigned as NumPy assigns
them, within their kind: an int becomes a float, a float never becomes an int.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import numpy.typing as npt

CANONICAL_NAN = 0x7FF8000000000000
KEY_KINDS = {"i": "int64", "u": "uint64", "f": "float64"}
VALUE_KINDS = "iufc"

ToWord = Callable[[object, np.dtype[Any]], int]


def key_dtype(spec: npt.DTypeLike) -> np.dtype[Any]:
    """The native dtype of a map's keys; ``TypeError`` if such keys are not supported.

    >>> key_dtype(">i8"), key_dtype(float)
    (dtype('int64'), dtype('float64'))
    """
    dtype = _native(spec, "key")
    if dtype.itemsize != 8 or dtype.kind not in KEY_KINDS:
        raise TypeError(f"keys of dtype {dtype} are not supported: use one of {', '.join(KEY_KINDS.values())}")
    return dtype


def value_dtype(spec: npt.DTypeLike) -> np.dtype[Any]:
    """The native dtype of a map's values; ``TypeError`` if such values are not supported."""
    dtype = _native(spec, "value")
    if dtype.itemsize != 8 or dtype.kind not in VALUE_KINDS:
        raise TypeError(f"values of dtype {dtype} are not supported: use a numeric dtype of 8 bytes")
    return dtype


def _native(spec: npt.DTypeLike, what: str) -> np.dtype[Any]:
    if spec is None:  # NumPy would read it as float64
        raise TypeError(f"the {what} dtype is None: name one, such as np.int64")
    return np.dtype(spec).newbyteorder("=")


# ---- one key or value ------------------------------------------------------------------------------------------------


def key_to_word(key: object, dtype: np.dtype[Any]) -> int:
    """The canonical 64-bit word of a key.

    Raises ``TypeError`` for a key of another kind and ``OverflowError`` for one the dtype cannot hold.

    >>> hex(key_to_word(-1, np.dtype(np.int64)))
    '0xffffffffffffffff'
    """
    if dtype.kind == "f":
        return _float_word(_exact_float(key))
    return _int_word(key, dtype, "key")


def word_to_key(word: int, dtype: np.dtype[Any]) -> int | float:
    """The ``int`` or ``float`` that a key word stands for."""
    return cast("int | float", np.array(word, np.uint64).view(dtype).item())


def value_to_word(value: object, dtype: np.dtype[Any]) -> int:
    """The 64-bit word of a value; ``TypeError`` or ``OverflowError`` if the dtype cannot hold it."""
    if dtype.kind in "iu":
        return _int_word(value, dtype, "value")
    convert: type = complex if dtype.kind == "c" else float
    real = dtype.kind != "c"  # a NumPy complex would lose its imaginary part with a warning only
    if isinstance(value, str | bytes | bytearray) or (real and isinstance(value, np.complexfloating)):
        raise TypeError(f"value {value!r} is of type {type(value).__name__}; this map holds {dtype}")
    try:
        number = convert(value)
    except TypeError:
        raise TypeError(f"value {value!r} is of type {type(value).__name__}; this map holds {dtype}") from None
    except OverflowError:
        raise OverflowError(f"value {value!r} is outside {dtype}") from None
    with np.errstate(over="ignore"):
        return int(np.array(number, dtype).view(np.uint64))


def word_to_value(word: int, dtype: np.dtype[Any]) -> int | float | complex:
    """The Python number that a value word stands for."""
    return cast("int | float | complex", np.array(word, np.uint64).view(dtype).item())


def _int_word(number: object, dtype: np.dtype[Any], what: str) -> int:
    try:
        integer = operator.index(cast("Any", number.item() if isinstance(number, np.bool_) else number))
    except TypeError:
        if hasattr(number, "__index__"):
            raise  # its own error
        raise TypeError(f"{what} {number!r} is of type {type(number).__name__}; this map holds {dtype}") from None
    info = np.iinfo(dtype)
    if not info.min <= integer <= info.max:
        raise OverflowError(f"{what} {integer} is outside {dtype} ({info.min} to {info.max})")
    return integer & 0xFFFFFFFFFFFFFFFF


def _exact_float(key: object) -> float:
    if isinstance(key, float):  # np.float64 too
        return float(key)
    if isinstance(key, np.bool_):
        return float(key)
    if isinstance(key, np.floating) or hasattr(key, "__index__"):
        exact = key if isinstance(key, np.floating) else operator.index(cast("Any", key))
        try:
            number = float(exact)
        except OverflowError:
            raise OverflowError(f"key {exact} is outside float64") from None
        if number != exact and exact == exact:
            raise OverflowError(f"key {exact} has no exact float64; the nearest is {number!r}")
        return number
    raise TypeError(f"key {key!r} is of type {type(key).__name__}; this map holds float64")


def _float_word(number: float) -> int:
    if number != number:
        return CANONICAL_NAN
    return int(np.array(number + 0.0).view(np.uint64))  # -0.0 + 0.0 is 0.0


# ---- many ------------------------------------------------------------------------------------------------------------


def as_keys(keys: object, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """``keys`` as a one-dimensional, contiguous, aligned array of the map's dtype; itself if it is one already.

    Takes what a scalar key takes, element by element. Raises ``TypeError`` for another dtype, ``OverflowError`` with
    the position of the first element the dtype cannot hold, ``ValueError`` unless one-dimensional.

    >>> as_keys(np.arange(6, dtype=np.int32)[::2], np.dtype(np.int64))
    array([0, 2, 4])
    """
    if type(keys) is np.ndarray and keys.ndim == 1 and _is_plain(keys, dtype):
        return keys
    array = _as_array(keys, "keys")
    if dtype.kind != "f":
        return _as_integers(array, dtype, "keys", key_to_word)
    if array.dtype.kind not in "biuf":
        return _one_by_one(array, dtype, "keys", key_to_word)
    with np.errstate(over="ignore", invalid="ignore"):
        floats = np.require(array, dtype, ["C", "A"])
        if array.dtype.itemsize >= 8 and array.dtype != dtype:  # 64-bit ints and long doubles may not fit
            inexact = (floats.astype(array.dtype) != array) & (array == array)
            if array.dtype.kind in "iu":  # 2^63 and 2^64 wrap on the way back
                inexact |= floats >= (2.0**63 if array.dtype.kind == "i" else 2.0**64)
            if inexact.any():
                _raise_at(array, int(inexact.argmax()), dtype, "keys", key_to_word)
    return floats


def as_values(values: object, dtype: np.dtype[Any], n: int) -> npt.NDArray[Any]:
    """``values`` as a contiguous array of the map's value dtype and of length ``n``; a scalar is repeated.

    Raises like :func:`as_keys`, and ``ValueError`` if there are not ``n`` values.
    """
    array = _as_array(values, "values", scalar=True)
    if array.ndim == 0:  # converted once, however many keys there are
        return np.full(n, value_to_word(array[()], dtype), np.uint64).view(dtype)
    if len(array) != n:
        raise ValueError(f"{n} keys but {len(array)} values: give one value a key, or one for all")
    if _is_plain(array, dtype):
        return array
    if dtype.kind in "iu":
        return _as_integers(array, dtype, "values", value_to_word)
    if array.dtype.kind in "biufc" and (array.dtype.kind != "c" or dtype.kind == "c"):
        with np.errstate(over="ignore"):
            return np.require(array, dtype, ["C", "A"])
    return _one_by_one(array, dtype, "values", value_to_word)


def _is_plain(array: npt.NDArray[Any], dtype: np.dtype[Any]) -> bool:
    return array.dtype == dtype and array.flags.c_contiguous and array.flags.aligned


def _as_array(items: object, what: str, *, scalar: bool = False) -> npt.NDArray[Any]:
    if isinstance(items, np.ndarray | np.generic):
        array: npt.NDArray[Any] = np.asarray(items)
    elif isinstance(items, str | bytes):
        raise TypeError(f"{what} must be an array or a sequence, not {type(items).__name__}")
    elif hasattr(items, "__array__") or hasattr(items, "__array_interface__") or isinstance(items, memoryview):
        array = np.asarray(items)
    elif hasattr(items, "__iter__"):
        listed = items if isinstance(items, list | tuple) else list(items)
        array = _from_list(listed)
    elif scalar:
        array = np.empty((), object)
        array[()] = items
    else:
        raise TypeError(f"{what} must be an array or a sequence, not {type(items).__name__}")
    if array.ndim != 1 and not (scalar and array.ndim == 0):
        raise ValueError(f"{what} must be one-dimensional, not of shape {array.shape}")
    return array


def _from_list(items: list[Any] | tuple[Any, ...]) -> npt.NDArray[Any]:
    """A typed array if every item is exactly an int or exactly a float, else the objects as they are.

    NumPy alone would merge the types: [1, 2.5] becomes floats, and so does [-1, 2**63].
    """
    types = set(map(type, items))
    if types == {int}:
        try:
            return np.array(items, np.int64)
        except OverflowError:
            pass
    elif types == {float}:
        return np.array(items, np.float64)
    array = np.empty(len(items), object)
    for position, item in enumerate(items):  # array[:] = items would look inside items that are sequences
        array[position] = item
    return array


def _as_integers(array: npt.NDArray[Any], dtype: np.dtype[Any], what: str, to_word: ToWord) -> npt.NDArray[Any]:
    if array.dtype.kind not in "biu":
        return _one_by_one(array, dtype, what, to_word)
    if array.dtype.kind != "b" and not np.can_cast(array.dtype, dtype, "safe"):
        info = np.iinfo(dtype)
        outside = array < 0 if dtype.kind == "u" else array > info.max
        if outside.any():
            _raise_at(array, int(outside.argmax()), dtype, what, to_word)
    return np.require(array, dtype, ["C", "A"])


def _one_by_one(array: npt.NDArray[Any], dtype: np.dtype[Any], what: str, to_word: ToWord) -> npt.NDArray[Any]:
    if len(array) and array.dtype.kind != "O":
        raise TypeError(f"{what} are of dtype {array.dtype}; this map holds {dtype}")
    words = np.empty(len(array), np.uint64)
    for position in range(len(array)):
        try:
            words[position] = to_word(array[position], dtype)
        except (TypeError, OverflowError):
            _raise_at(array, position, dtype, what, to_word)
    return words.view(dtype)


def _raise_at(array: npt.NDArray[Any], position: int, dtype: np.dtype[Any], what: str, to_word: ToWord) -> None:
    """Raise what converting this item raises, with its position in the batch."""
    try:
        to_word(array[position], dtype)
    except (TypeError, OverflowError) as error:
        raise type(error)(f"{what}[{position}]: {error}") from None
