"""The reading half of a map's methods, which follow from an engine's look-ups: views, comparison, ``repr``.

Maps that change (:class:`MapMethods`) and frozen ones share it.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, KeysView, Mapping, ValuesView
from itertools import islice
from reprlib import recursive_repr
from typing import Any, TypeVar

import numpy as np

from pyhmap._convert.arrow_table import table_stream
from pyhmap._convert.sentinels import ABSENT
from pyhmap._mapping.equality import identity
from pyhmap._mapping.views import HMapItems, HMapKeys, HMapValues

_K = TypeVar("_K")
_V = TypeVar("_V")

IN_REPR = 100  # items: about a screenful; a map may hold millions


def first_of(texts: Iterable[str], n: int) -> str:
    """The items of a ``repr``: the first ones, and how many more of the n there are."""
    shown = list(islice(texts, IN_REPR))
    more = [f"... and {n - len(shown):,} more"] if n > len(shown) else []
    return ", ".join(shown + more)


class ReadMethods(Mapping[_K, _V]):
    """The methods that only read."""

    __slots__ = ()

    # The engine provides these, and the abstract methods of Mapping.
    key_dtype: Any
    value_dtype: Any
    _key_codec: Any
    _value_codec: Any
    _columns: Any
    _iter_values: Any
    _iter_items: Any
    lookup_many: Any
    to_arrays: Any

    def keys(self) -> KeysView[_K]:
        """A set-like view of the keys.

        >>> from pyhmap import HMap
        >>> HMap("i8", "i8", {1: 10, 2: 20}).keys() & {2, 3}
        {2}
        """
        return HMapKeys(self)

    def values(self) -> ValuesView[_V]:
        """A view of the values.

        >>> from pyhmap import HMap
        >>> sum(HMap("i8", "i8", {1: 10, 2: 20}).values())
        30
        """
        return HMapValues(self)

    def items(self) -> ItemsView[_K, _V]:
        """A set-like view of the (key, value) pairs.

        >>> from pyhmap import HMap
        >>> sorted(HMap("i8", "i8", {1: 10, 2: 20}).items())
        [(1, 10), (2, 20)]
        """
        return HMapItems(self)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The map as an Arrow table: a capsule of a stream of one record batch, with the columns ``key`` and ``value``.

        So ``pyarrow.table(m)``, ``polars.from_dataframe(m)``, ``pandas.DataFrame.from_arrow(m)`` and queries of DuckDB
        read a map directly. It is a copy of the items as they are at this moment, in iteration order; no Python object
        is made per item. NaT is null. ``requested_schema`` is ignored, as the protocol allows.

        Raises ``TypeError`` if the type of a column has no equal in Arrow: object, complex, long double, times in other
        units than s, ms, us, ns and, for dates, D. ``ValueError`` if a str is no valid UTF-8, since it has a lone
        surrogate; ``OverflowError`` if a date is outside date32.

        >>> from pyhmap import HMap
        >>> HMap(str, "f8", {"a": 0.5}).__arrow_c_stream__()  # doctest: +ELLIPSIS
        <capsule object "arrow_array_stream" at 0x...>
        """
        _ = self.key_dtype  # raises if __init__ was not called
        return table_stream([self._key_codec, self._value_codec], lambda: self._columns(True))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Mapping):
            return NotImplemented
        if len(self) != len(other):
            return False
        if isinstance(other, ReadMethods):
            types = self.key_dtype, self.value_dtype
            if self.key_dtype is object is not other.key_dtype:
                return other == self  # the typed map decides which keys are equal: all NaN are
            if (
                types == (other.key_dtype, other.value_dtype)
                and object not in types
                and not self._has_composite_values()
            ):
                keys, mine = self.to_arrays()
                theirs, found = other.lookup_many(keys)
                return bool(np.all(found & ((mine == theirs) | ((mine != mine) & (theirs != theirs)))))
        items, met = HMapItems(self), set()
        for item in other.items():
            pair = items._find(item)
            if pair is ABSENT:
                return False
            met.add(identity(self, pair[0]))
        return len(met) == len(self)  # two keys of the other map, such as two NaN, may be one in this map

    def _has_composite_values(self) -> bool:
        return isinstance(self.value_dtype, np.dtype) and self.value_dtype.kind == "V"

    @recursive_repr("HMap(...)")
    def __repr__(self) -> str:
        items = first_of((f"{key!r}: {value!r}" for key, value in self.items()), len(self))
        return f"{type(self).__name__}({self._key_codec.name}, {self._value_codec.name}, {{{items}}})"
