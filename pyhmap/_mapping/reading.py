"""The reading half of a map's methods, which follow from an engine's look-ups: views, comparison, ``repr``.

Maps that change (:class:`MapMethods`) and frozen ones share it.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import ItemsView, Iterable, KeysView, Mapping, ValuesView
from functools import partial
from itertools import islice
from reprlib import recursive_repr
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from pyhmap._convert.arrow_table import table_stream
from pyhmap._convert.sentinels import ABSENT
from pyhmap._inspect import notebook
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


def rows_of_top(values: npt.NDArray[Any], n: int, smallest: bool) -> npt.NDArray[np.intp]:
    """The rows of the n largest numbers or times, or of the n smallest, best first; of equal ones the first row first.
    NaN and NaT come last."""
    kind = values.dtype.kind
    missing = np.isnat(values) if kind in "mM" else np.isnan(values) if kind == "f" else np.zeros(len(values), bool)
    # Comparing a signalling NaN would warn. np.errstate() prevents that, but not safely while finalisers may run: they
    # can make CPython keep a setting that is freed.
    there = np.flatnonzero(~missing)
    present = values[there] if missing.any() else values
    if n == 0:
        rows = np.empty(0, np.intp)
    elif n >= len(present):
        rows = np.arange(len(present))
    else:
        at = n - 1 if smallest else len(present) - n
        last = np.partition(present, at)[at]
        better = np.flatnonzero(present < last if smallest else present > last)
        rows = np.concatenate([better, np.flatnonzero(present == last)[: n - len(better)]])
    if smallest:
        rows = rows[np.argsort(present[rows], kind="stable")]
    else:  # backwards, so that the sort, which keeps the order of equal ones, has the first of them last
        rows = rows[::-1]
        rows = rows[np.argsort(present[rows], kind="stable")][::-1]
    return np.concatenate([there[rows], np.flatnonzero(missing)[: n - len(rows)]])


class ReadMethods(Mapping[_K, _V]):
    """The methods that only read."""

    __slots__ = ()

    # The engine provides these, and the abstract methods of Mapping.
    key_dtype: Any
    value_dtype: Any
    _key_codec: Any
    _value_codec: Any
    _chosen: Any
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

    def top(self, n: int, *, smallest: bool = False) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """The n items with the largest values, largest first; with ``smallest=True`` with the smallest, smallest first.

        Returns ``(keys, values)``, both of shape (min(n, len),), as :meth:`to_arrays` has them and as they are at one
        moment. Among equal values, the first in iteration order comes first. NaN and NaT come last in both directions.
        No Python object is made of a key that is not returned.

        Raises ``TypeError`` if the values are not ints, floats, bools or times, or ``n`` is not an int; ``ValueError``
        if ``n`` is negative.

        >>> from pyhmap import HMap
        >>> words = HMap(str, "i8")
        >>> words.add_many(["to", "be", "or", "to", "be", "to"])
        >>> words.top(2)
        (array(['to', 'be'], dtype=object), array([3, 2]))
        >>> words.top(1, smallest=True)
        (array(['or'], dtype=object), array([1]))
        """
        dtype, n = self.value_dtype, operator.index(n)
        if not isinstance(dtype, np.dtype) or dtype.kind not in "biufmM":
            instead = f"give heapq.n{'smallest' if smallest else 'largest'}(n, m.items(), key=lambda item: item[1])"
            wanted = f"ints, floats, bools or times, not {self._value_codec.name}"
            raise TypeError(f"top needs values that are {wanted}: if they have an order, {instead}")
        if n < 0:
            raise ValueError(f"n={n}: give a whole number from 0 on")
        return self._chosen(partial(rows_of_top, n=n, smallest=smallest))  # type: ignore[no-any-return]

    def most_common(self, n: int | None = None) -> list[tuple[_K, _V]]:
        """The n items with the largest values, or all of them: a list of (key, value) pairs, largest value first, as of
        ``collections.Counter``. Takes and raises what :meth:`top` does.

        >>> from pyhmap import HMap
        >>> words = HMap(str, "i8")
        >>> words.add_many(["to", "be", "or", "to", "be", "to"])
        >>> words.most_common(2)
        [('to', 3), ('be', 2)]
        """
        keys, values = self.top(sys.maxsize if n is None else n)
        return list(zip(self._key_codec.as_returned(keys), self._value_codec.as_returned(values), strict=True))

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The map as an Arrow table: a capsule of a stream of one record batch, with the columns ``key`` and ``value``.

        So ``pyarrow.table(m)``, ``polars.from_dataframe(m)``, ``pandas.DataFrame.from_arrow(m)`` and queries of DuckDB
        read a map directly. It is a copy of the items as they are at this moment, in iteration order; no Python object
        is made per item. NaT is null. ``requested_schema`` is ignored, as the protocol allows.

        Raises ``TypeError`` if the type of a column has no equal in Arrow: object, complex, long double, times in other
        units than s, ms, us, ns and, for dates, D. ``ValueError`` if a str is not valid UTF-8, since it has a lone
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

    def _repr_html_(self) -> str | None:
        """What a notebook shows: types, keys and memory; for a map that can be written, its load too, and a picture of
        the full slots of up to 64 buckets. It takes the same time for a map of any size.

        >>> from pyhmap import HMap
        >>> "<svg" in HMap("i8", "i8", {1: 10})._repr_html_()
        True
        """
        return notebook.page(
            f"{type(self).__name__}({self._key_codec.name}, {self._value_codec.name})", **self._shown()
        )

    def _shown(self) -> dict[str, Any]:
        """What notebook.page() takes."""
        return {"count": len(self), "nbytes": cast("Any", self).nbytes}
