"""When keys and values of a map equal elements of other collections.

Comparisons and set algebra accept collections of anything. In them, an element that the key type cannot hold is just
absent from the map, and equal numbers are one key, as in ``dict``: for a map of ints, ``m.keys() & {1.0, "a"}`` may be
``{1}``. (``"a" in m`` raises ``TypeError``, since a look-up with a wrong type is a mistake.)
"""

from __future__ import annotations

from numbers import Number
from typing import Any

import numpy as np

from pyhmap._convert.sentinels import ABSENT

# The units of time in attoseconds, and those of the calendar in months.
UNITS: dict[str, int] = {unit: 1000**power for power, unit in enumerate(("as", "fs", "ps", "ns", "us", "ms", "s"))}
UNITS |= {"m": 60 * 10**18, "h": 3600 * 10**18, "D": 86_400 * 10**18, "W": 604_800 * 10**18, "M": 1, "Y": 12}


def find(m: Any, key: Any) -> Any:
    """The map's own key that equals ``key``, or ABSENT."""
    try:
        return key if key in m else ABSENT
    except (TypeError, OverflowError):
        if m.key_dtype is object:
            raise  # an error of the key's own __hash__ or __eq__
    key = _equal_number(key, m.key_dtype)
    try:
        return key if key in m else ABSENT
    except (TypeError, OverflowError):
        return ABSENT


def _equal_number(key: Any, dtype: Any) -> Any:
    """The int or float of the kind of ``dtype`` that equals ``key``, or else ``key``; in a tuple, field by field."""
    if not isinstance(dtype, np.dtype):
        return key
    if dtype.names is not None and isinstance(key, tuple) and len(key) == len(dtype.names):
        return tuple(_equal_number(part, dtype[name]) for part, name in zip(key, dtype.names, strict=True))
    if dtype.kind not in "biuf" or not isinstance(key, Number):
        return key
    kind: Any = float if dtype.kind == "f" else int
    try:
        number = kind(key.real)  # type: ignore[attr-defined]  # a complex number equals its real part, or no key
        return number if number == key else key
    except (TypeError, ValueError, OverflowError):
        return key


def compared(m: Any, elements: list[Any], typed: Any = None) -> tuple[list[Any], list[bool]]:
    """The map's own keys that equal elements of another collection, and which of the elements equal a key.

    If the elements are the keys of a map, ``typed`` is that map. If it has typed keys and ``m`` has object keys, it
    decides which keys are equal, as in a comparison of the two maps: every NaN is the same key.
    """
    if m.key_dtype is object and typed is not None and typed.key_dtype is not object:
        pairs = [(key, its) for key in m if (its := find(typed, key)) is not ABSENT]
        met = {identity(typed, its) for _, its in pairs}
        return [key for key, _ in pairs], [identity(typed, element) in met for element in elements]
    own = [find(m, element) for element in elements]
    return [key for key in own if key is not ABSENT], [key is not ABSENT for key in own]


def identity(m: Any, key: Any) -> Any:
    """A hashable object that is equal for equal keys of a map, even for two NaN of a map of floats, and no others."""
    if (type(key) in (int, float) and key == key) or m.key_dtype is object or m.key_dtype is type(key):
        return key
    codec = m._key_codec
    stored = codec.encode(key)
    if codec.form in ("word32", "word64") and (number := codec.decode(stored)) == number:
        return number
    return stored


def hashable(item: Any) -> Any:
    """An object whose hash is equal for keys or values that are equal, even in maps of different types: numbers, times
    in any unit, every NaN, texts with and without NULs at the end. Arrays, which only values can be, have one hash."""
    if isinstance(item, tuple):
        return tuple(map(hashable, item))
    if isinstance(item, np.ndarray) or item != item:
        return 0
    if isinstance(item, np.datetime64 | np.timedelta64):
        return _number_of(item)
    if isinstance(item, str):
        return item.rstrip("\0")
    return item.rstrip(b"\0") if isinstance(item, bytes) else item


def _number_of(time: np.datetime64 | np.timedelta64) -> int:
    """A time in attoseconds, or a duration of the calendar in months. NumPy's own hash may differ between units."""
    unit, steps = np.datetime_data(time.dtype)
    number = int(time.astype(np.int64)) * steps * UNITS[unit]
    if unit in ("Y", "M") and isinstance(time, np.datetime64):
        eras, month = divmod(number, 4800)  # of 400 years, which always have 146,097 days
        days = 146_097 * eras + int(np.datetime64(month, "M").astype("M8[D]").astype(np.int64))
        number = days * UNITS["D"]
    return number


def same_value(m: Any, a: Any, b: Any) -> bool:
    """Whether two values are equal as ``dict`` compares them. A NaN equals a NaN: each read makes a new object."""
    if a is b:
        return True
    if m.value_dtype is object:
        return bool(a == b)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(same_value(m, *pair) for pair in zip(a, b, strict=True))
    if isinstance(a, np.ndarray):
        return a.shape == np.shape(b) and bool(np.all((a == b) | ((a != a) & (b != b))))
    return bool(a == b or (a != a and b != b))
