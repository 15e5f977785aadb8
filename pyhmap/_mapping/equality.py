"""When the content of a map equals that of other collections: keys, and values.

Comparisons and set algebra take collections of anything. In them an element that the key type cannot hold is simply not
in the map, and equal numbers are one key, as for ``dict``: ``m.keys() & {1.0, "a"}`` of a map of ints may be ``{1.0}``.
(``"a" in m`` itself is a ``TypeError``: there it is a mistake.)
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
            raise  # the key's own error
    if isinstance(key, Number):
        for kind in int, float:
            try:
                number: Any = kind(cast("Any", key).real)  # of a complex number, if it is nothing else
                if number == key and number in m:
                    return number
            except (TypeError, ValueError, OverflowError):
                continue
    return ABSENT


def same_value(m: Any, a: Any, b: Any) -> bool:
    """Whether two values are equal as ``dict`` compares them; a NaN, another object each time, equals a NaN."""
    if a is b:
        return True
    if m.value_dtype is object:
        return bool(a == b)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(same_value(m, *pair) for pair in zip(a, b, strict=True))
    if isinstance(a, np.ndarray):
        return a.shape == np.shape(b) and bool(np.all((a == b) | ((a != a) & (b != b))))
    return bool(a == b or (a != a and b != b))
