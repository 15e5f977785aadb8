"""How a map's content meets other collections: the views, and equality of keys and of values. Imports NumPy only.

Comparisons and set algebra take collections of anything. In them an element that the key type cannot hold is simply not
in the map, and numbers that are equal are one key, as for ``dict``: ``m.keys() & {1.0, "a"}`` of a map of ints may be
``{1.0}``. (``"a" in m`` itself is a ``TypeError``: there it is a mistake.)
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from numbers import Number
from typing import Any, cast

import numpy as np

ABSENT: Any = object()


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


class HMapKeys(KeysView[Any]):
    """``m.keys()``: fixed to the map's keys from the call of iter() on, not from the first step."""

    __slots__ = ()
    _mapping: Any

    def __iter__(self) -> Iterator[Any]:
        return iter(self._mapping)

    def __contains__(self, key: object) -> bool:
        return find(self._mapping, key) is not ABSENT


class HMapValues(ValuesView[Any]):
    """``m.values()``: iterates at the engine's speed, without a look-up a value."""

    __slots__ = ()
    _mapping: Any

    def __iter__(self) -> Iterator[Any]:
        return self._mapping._iter_values()  # type: ignore[no-any-return]

    def __contains__(self, value: object) -> bool:
        return any(same_value(self._mapping, own, value) for own in self)


class HMapItems(ItemsView[Any, Any]):
    """``m.items()``: iterates at the engine's speed, without a look-up a pair."""

    __slots__ = ()
    _mapping: Any

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return self._mapping._iter_items()  # type: ignore[no-any-return]

    def __contains__(self, item: object) -> bool:
        if not isinstance(item, tuple) or len(item) != 2:
            return False
        own = find(self._mapping, item[0])
        if own is ABSENT:
            return False
        value = self._mapping.get(own, ABSENT)  # gone if a comparison removed it meanwhile
        return value is not ABSENT and same_value(self._mapping, value, item[1])
