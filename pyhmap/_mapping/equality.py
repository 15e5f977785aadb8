"""When keys and values of a map equal elements of other collections.

Comparisons and set algebra accept collections of anything. In them, an element that the key type cannot hold is just
absent from the map, and equal numbers are one key, as in ``dict``: for a map of ints, ``m.keys() & {1.0, "a"}`` may be
``{1.0}``. (``"a" in m`` raises ``TypeError``, since a look-up with a wrong type is a mistake.)
"""

from __future__ import annotations

from numbers import Number
from typing import Any, cast

import numpy as np

from pyhmap._convert.sentinels import ABSENT


def find(m: Any, key: Any) -> Any:
    """The map's own key that equals ``key``, or ABSENT."""
    try:
        return key if key in m else ABSENT
    except (TypeError, OverflowError):
        if m.key_dtype is object:
            raise  # an error of the key's own __hash__ or __eq__
    if isinstance(key, Number):
        for kind in int, float:
            try:
                number: Any = kind(cast("Any", key).real)  # a complex number equals its real part, or no key
                if number == key and number in m:
                    return number
            except (TypeError, ValueError, OverflowError):
                continue
    return ABSENT


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
