"""The public set: a map without values.

A set holds a map instead of being one, so that it has no methods of a mapping.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterable, Iterator, MutableSet, Set
from reprlib import recursive_repr
from typing import Any, ClassVar, NamedTuple, Self, TypeVar, cast, overload

import numpy as np
import numpy.typing as npt

from _hmap_bytes.arrow_column import is_arrow
from pyhmap import introspect
from pyhmap._convert.codec import Many
from pyhmap._convert.codecs import key_codec, value_codec
from pyhmap._convert.columns import Column
from pyhmap._mapping import pickling
from pyhmap._mapping.equality import compared
from pyhmap._mapping.mapping import first_of
from pyhmap.hmap import HMap

_K = TypeVar("_K")
_M = TypeVar("_M", np.datetime64, np.timedelta64)
_S = TypeVar("_S")
_P = TypeVar("_P", bool, int, float, str, bytes)

NO_VALUE = b""  # the value of every key: the only one of dtype V0
OBJECTS = value_codec(object)  # takes any elements as they are


class _Compared(NamedTuple):
    """Another collection, compared with a set."""

    elements: npt.NDArray[Any]  # those of the collection that are no nulls
    found: npt.NDArray[np.bool_]  # which of them equal keys of the set
    common: npt.NDArray[Any] | list[Any]  # the keys of the set that equal some, maybe repeatedly
    null: int | None  # the position of the first null


def _without_nulls(array: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None) -> tuple[npt.NDArray[Any], int | None]:
    """The items of a batch that are no nulls, and the position of the first null."""
    if valid is None or valid.all():
        return array, None
    return array[valid], int(valid.argmin())


class HSet(MutableSet[_K]):
    """A hash set of one type, stored in NumPy arrays.

    Parameters
    ----------
    key
        The type of the keys: one that :class:`HMap` accepts for keys.
    items
        An iterable of keys. An array, a list or an Arrow column is added as one batch.
    capacity, hash, seed
        As for :class:`HMap`, which also lists the errors.

    A set behaves like a ``set``, also together with ``set`` and ``frozenset``, with one exception. A key that the type
    cannot hold raises ``TypeError`` or ``OverflowError`` when it is added, and in ``in``, ``remove`` and ``discard``.
    In comparisons and set algebra, such an element of the other set is just absent from this one. Operators take sets;
    methods take any iterables, and arrays. A result is a set of the type of the left operand, or of the only HSet. The
    type must hold the elements that the result adds. ``np.asarray(s)`` is :meth:`to_array`, so ``np.isin(a, s)`` works.

    Examples
    --------
    >>> import numpy as np
    >>> from pyhmap import HSet
    >>> seen = HSet(np.int64, [3, 1, 4])
    >>> seen.add_many(np.array([1, 5, 9]))
    2
    >>> seen.contains_many([4, 6]), sorted(seen & {1, 2, 3})
    (array([ True, False]), [1, 3])
    """

    __slots__ = ("__weakref__", "_map")

    _map: HMap[_K, bytes]
    _map_type: ClassVar[Any] = HMap
    # Operators refuse arrays. Without this, NumPy would take the set for an array, and `s & array` would combine bits.
    __array_ufunc__: ClassVar[None] = None

    # As in hmap.pyi: an overload for each group of key types, from which a type checker finds K.
    @overload
    def __init__(
        self: HSet[_M],
        key: type[_M] | np.dtype[_M],
        items: Iterable[_M] | None = None,
        *,
        capacity: int = 0,
        hash: str | None = None,
        seed: int | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: HSet[_S],
        key: type[np.generic[_S]] | np.dtype[np.generic[_S]],
        items: Iterable[_S] | None = None,
        *,
        capacity: int = 0,
        hash: str | None = None,
        seed: int | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: HSet[_P],
        key: type[_P],
        items: Iterable[_P] | None = None,
        *,
        capacity: int = 0,
        hash: str | None = None,
        seed: int | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: HSet[Any],
        key: Any,
        items: Iterable[Any] | None = None,
        *,
        capacity: int = 0,
        hash: str | None = None,
        seed: int | None = None,
    ) -> None: ...
    def __init__(
        self,
        key: Any,
        items: Iterable[Any] | None = None,
        *,
        capacity: int = 0,
        hash: str | None = None,
        seed: int | None = None,
    ) -> None:
        self._begin(key, capacity=capacity, hash=hash, seed=seed)
        if items is not None:
            self.update(items)

    def _begin(self, key: Any, **settings: Any) -> None:
        codec = key_codec(key)
        codec.holder = "set"
        self._map = self._map_type(codec, "V0", **settings)

    @property
    def key_dtype(self) -> Any:
        """The type of the keys: a dtype, or ``str``, ``bytes`` or ``object``.

        >>> HSet("i8").key_dtype
        dtype('int64')
        """
        return self._map.key_dtype

    # ---- single keys

    def __len__(self) -> int:
        return len(self._map)

    def __contains__(self, key: object) -> bool:
        return key in self._map

    def __iter__(self) -> Iterator[_K]:
        return iter(self._map)

    def add(self, key: _K, /) -> None:
        """Add a key, if it is absent.

        >>> s = HSet(str)
        >>> s.add("a")
        >>> "a" in s
        True
        """
        self._map[key] = NO_VALUE

    def discard(self, key: _K, /) -> None:
        """Remove a key, if it is present.

        >>> s = HSet(str, ["a"])
        >>> s.discard("a")
        >>> s.discard("b")
        >>> len(s)
        0
        """
        self._map.pop(key, None)

    def remove(self, key: _K, /) -> None:
        """Remove a key. Raises ``KeyError`` if it is absent.

        >>> HSet(str).remove("a")
        Traceback (most recent call last):
        KeyError: 'a'
        """
        del self._map[key]

    def pop(self) -> _K:
        """Remove and return an arbitrary key. Raises ``KeyError`` if the set is empty.

        >>> HSet(str, ["a"]).pop()
        'a'
        """
        if not self._map:
            raise KeyError(f"pop(): {type(self).__name__} is empty")
        return self._map.popitem()[0]

    def clear(self) -> None:
        """Remove all keys and release the arrays.

        >>> s = HSet(str, ["a"])
        >>> s.clear()
        >>> len(s)
        0
        """
        self._map.clear()

    # ---- many keys

    def add_many(self, keys: Many[_K]) -> int:
        """Add n keys: an array of shape (n,), a sequence, or an Arrow column. Returns how many of them were new.

        All keys are checked before one is added: ``TypeError``, ``OverflowError`` or ``ValueError`` (a null) names the
        position of an invalid one. The result includes keys that other threads add at the same time.

        >>> HSet(str).add_many(["to", "be", "or", "not", "to", "be"])
        4
        """
        before = len(self._map)
        self._map.set_many(keys, NO_VALUE)
        return len(self._map) - before

    def discard_many(self, keys: Many[_K]) -> int:
        """Remove those of n keys that are present. Returns how many were. Takes and raises what ``add_many`` does.

        >>> HSet(str, ["a", "b"]).discard_many(["b", "c"])
        1
        """
        return self._map.discard_many(keys)

    def contains_many(self, keys: Many[_K], *, threads: int = 1) -> npt.NDArray[np.bool_]:
        """Look up n keys. Returns a bool array of shape (n,): which of them are present.

        Takes and raises what ``add_many`` does, except that a null is absent. ``threads`` threads share the keys;
        ``ValueError`` below 1.

        >>> HSet(str, ["a", "b"]).contains_many(["b", "c"])
        array([ True, False])
        """
        return self._map.contains_many(keys, threads=threads)

    def to_array(self) -> npt.NDArray[Any]:
        """A copy of the keys, of shape (len,), in iteration order. Its dtype is object for str, bytes and object keys.

        >>> HSet("i4", [7]).to_array()
        array([7], dtype=int32)
        """
        return self._map.keys_array()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("the keys of an HSet can only be copied to an array: give copy=None, or use np.asarray")
        keys = self.to_array()
        return keys if dtype is None else keys.astype(dtype, copy=False)

    @property
    def _key_map(self) -> Any:
        return self._map

    def _batch(self, other: Any) -> Any:
        """Another collection, in a form that batch calls take."""
        if isinstance(other, HSet):
            return other.to_array()
        as_it_is = (
            isinstance(other, Column)
            or is_arrow(other)
            or hasattr(other, "__array__")
            or isinstance(other, list | tuple | memoryview)
        )
        return other if as_it_is else list(other)

    def _compare(self, other: Any) -> _Compared:
        """Compare another collection with this set. An element that the key type cannot hold equals no key."""
        codec, objects = self._map._key_codec, self.key_dtype is object
        elements = self._batch(other)
        if not objects:
            elements = codec.column(elements)  # read once; it may be converted twice
        typed = other._key_map if isinstance(other, HSet) and other.key_dtype is not object else None
        if not objects or typed is None:
            try:
                array, null = _without_nulls(*codec.many(elements))
                found = self.contains_many(array)
                return _Compared(array, found, array[found], null)
            except (TypeError, OverflowError):
                if objects:
                    raise  # an error of an element's own __hash__ or __eq__
        if objects or isinstance(other, HSet):
            array, null = _without_nulls(*OBJECTS.many(list(other) if isinstance(other, HSet) else elements))
        else:
            array, null = _without_nulls(*codec.objects(elements))
        common, is_found = compared(self._map, list(array), typed)
        return _Compared(array, np.array(is_found, bool), common, null)

    def _of(self, keys: Any) -> Self:
        return cast("Self", pickling.restored_set(type(self), self.key_dtype, self._map._settings, keys))

    def _store_missing(self, other: _Compared) -> None:
        """Add the elements of another collection that equal no key."""
        if other.null is not None:
            raise ValueError(f"keys[{other.null}] is null: fill or drop nulls")
        missing = np.flatnonzero(~other.found)
        try:
            self.add_many(other.elements[missing])
        except (TypeError, OverflowError):
            for position in missing.tolist():  # a position in the other collection
                try:
                    self._map._key_codec.check(other.elements[position])
                except (TypeError, OverflowError) as error:
                    raise type(error)(f"keys[{position}]: {error}") from None
            raise

    # ---- comparisons

    def isdisjoint(self, other: Iterable[Any], /) -> bool:
        """Whether no element of another collection is in the set: any iterable, as for all methods of set algebra.

        >>> HSet("i8", [1, 2]).isdisjoint([3])
        True
        """
        return not self._compare(other).found.any()

    def issuperset(self, other: Iterable[Any], /) -> bool:
        """Whether every element of another collection is in the set.

        >>> HSet("i8", [1, 2]).issuperset([1])
        True
        """
        compared = self._compare(other)
        return compared.null is None and bool(compared.found.all())

    def issubset(self, other: Iterable[Any], /) -> bool:
        """Whether every key is in another collection.

        >>> HSet("i8", [1, 2]).issubset(range(5))
        True
        """
        common = self._compare(other).common
        distinct = isinstance(other, HSet) and other.key_dtype == self.key_dtype
        return (len(common) if distinct else len(self._of(common))) == len(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Set):
            return NotImplemented
        # Not issuperset: two elements of the other set, such as two NaN, may be one key in this set.
        return len(self) == len(other) and self.issubset(other)

    __hash__ = None  # type: ignore[assignment]

    def __le__(self, other: Set[Any]) -> bool:
        return self.issubset(other) if isinstance(other, Set) else NotImplemented

    def __ge__(self, other: Set[Any]) -> bool:
        return self.issuperset(other) if isinstance(other, Set) else NotImplemented

    def __lt__(self, other: Set[Any]) -> bool:
        return len(self) < len(other) and self.issubset(other) if isinstance(other, Set) else NotImplemented

    def __gt__(self, other: Set[Any]) -> bool:
        return len(self) > len(other) and self.issuperset(other) if isinstance(other, Set) else NotImplemented

    # ---- changes

    def update(self, *others: Iterable[Any]) -> None:
        """Add the elements of other collections: iterables, arrays or Arrow columns, each in one batch.

        An element that the key type cannot hold raises ``TypeError`` or ``OverflowError``, and nothing of its
        collection is added. It is no error if it equals a key: ``HSet("i8", [1]) | {1.0}`` has nothing to add.

        >>> s = HSet("i8", [1])
        >>> s.update([2], np.array([3]))
        >>> sorted(s)
        [1, 2, 3]
        """
        for other in others:
            elements = self._batch(other)
            if self.key_dtype is not object:
                elements = self._map._key_codec.column(elements)  # read once; it may be converted twice
            try:
                self.add_many(elements)
                continue
            except (TypeError, OverflowError):
                pass  # an element that the type cannot hold may equal a key
            self._store_missing(self._compare(elements))

    def intersection_update(self, *others: Iterable[Any]) -> None:
        """Keep only the keys that are in all other collections.

        >>> s = HSet("i8", [1, 2, 3])
        >>> s.intersection_update([2, 3], [3])
        >>> sorted(s)
        [3]
        """
        for other in others:
            kept = self._of(self._compare(other).common)
            own = self.to_array()
            self.discard_many(own[~kept.contains_many(own)])

    def difference_update(self, *others: Iterable[Any]) -> None:
        """Remove the keys that are in another collection.

        >>> s = HSet("i8", [1, 2, 3])
        >>> s.difference_update([2], [3])
        >>> sorted(s)
        [1]
        """
        for other in others:
            self.discard_many(self._compare(other).common)

    def symmetric_difference_update(self, other: Iterable[Any], /) -> None:
        """Keep the keys, and add the elements of the other collection, that are in only one of the two.

        >>> s = HSet("i8", [1, 2])
        >>> s.symmetric_difference_update([2, 3])
        >>> sorted(s)
        [1, 3]
        """
        compared = self._compare(other)
        self._store_missing(compared)
        self.discard_many(compared.common)

    # ---- results

    def union(self, *others: Iterable[Any]) -> Self:
        """A set of the keys and of the elements of other collections.

        >>> sorted(HSet("i8", [1, 2]).union([3]))
        [1, 2, 3]
        """
        result = self.copy()
        result.update(*others)
        return result

    def intersection(self, *others: Iterable[Any]) -> Self:
        """A set of the keys that are in all other collections.

        >>> sorted(HSet("i8", [1, 2]).intersection([2, 3]))
        [2]
        """
        result = self.copy()
        result.intersection_update(*others)
        return result

    def difference(self, *others: Iterable[Any]) -> Self:
        """A set of the keys that are in no other collection.

        >>> sorted(HSet("i8", [1, 2]).difference([2, 3]))
        [1]
        """
        result = self.copy()
        result.difference_update(*others)
        return result

    def symmetric_difference(self, other: Iterable[Any], /) -> Self:
        """A set of the keys and elements that are in only one of the two collections.

        >>> sorted(HSet("i8", [1, 2]).symmetric_difference([2, 3]))
        [1, 3]
        """
        result = self.copy()
        result.symmetric_difference_update(other)
        return result

    def __or__(self, other: Set[Any]) -> Self:
        return self.union(other) if isinstance(other, Set) else NotImplemented

    def __and__(self, other: Set[Any]) -> Self:
        return self.intersection(other) if isinstance(other, Set) else NotImplemented

    def __sub__(self, other: Set[Any]) -> Self:
        return self.difference(other) if isinstance(other, Set) else NotImplemented

    def __xor__(self, other: Set[Any]) -> Self:
        return self.symmetric_difference(other) if isinstance(other, Set) else NotImplemented

    __ror__, __rand__, __rxor__ = __or__, __and__, __xor__

    def __rsub__(self, other: Set[Any]) -> Self:
        if not isinstance(other, Set):
            return NotImplemented
        result = self._of([])
        result._store_missing(self._compare(other))
        return result

    def __ior__(self, other: Set[Any]) -> Self:
        if not isinstance(other, Set):
            return NotImplemented
        self.update(other)
        return self

    def __iand__(self, other: Set[Any]) -> Self:
        if not isinstance(other, Set):
            return NotImplemented
        self.intersection_update(other)
        return self

    def __isub__(self, other: Set[Any]) -> Self:
        if not isinstance(other, Set):
            return NotImplemented
        self.difference_update(other)
        return self

    def __ixor__(self, other: Set[Any]) -> Self:
        if not isinstance(other, Set):
            return NotImplemented
        self.symmetric_difference_update(other)
        return self

    def copy(self) -> Self:
        """A set of the same type and keys. It has its own hash key, unless the set was made with ``seed``.

        >>> s = HSet("i8", [1])
        >>> s.copy() == s
        True
        """
        return copy.copy(self)

    def __getstate__(self) -> Any:
        attributes, slots = cast("Any", super().__getstate__())
        slots = {name: value for name, value in slots.items() if name != "_map"}
        return (attributes, slots) if slots else attributes

    def __reduce__(self) -> tuple[Any, ...]:
        keys = list(self) if self.key_dtype is object else pickling.Packed(self.to_array())
        arguments = type(self), self.key_dtype, self._map._settings, keys
        return pickling.restored_set, arguments, self.__getstate__()

    @recursive_repr("HSet(...)")
    def __repr__(self) -> str:
        keys = first_of(map(repr, self), len(self))
        return f"{type(self).__name__}({self._map._key_codec.name}, {{{keys}}})"

    # ---- memory and inspection, as for HMap

    def reserve(self, n: int, /) -> None:
        """Make room for ``n`` keys in total: the set does not grow before it holds more. See :meth:`HMap.reserve`."""
        self._map.reserve(n)

    def compact(self) -> None:
        """Move all keys to the smallest arrays that hold them; see :meth:`HMap.compact`."""
        self._map.compact()

    def finish_growth(self) -> None:
        """Evacuate the rest of the old array, if the set is growing, and release it."""
        self._map.finish_growth()

    def header(self) -> introspect.Header:
        """Go's ``hmap`` fields; see :meth:`HMap.header`."""
        return self._map.header()

    def stats(self) -> introspect.Stats:
        """Statistics of the table; see :meth:`HMap.stats`."""
        return self._map.stats()

    def layout(self) -> tuple[introspect.FieldLayout, ...]:
        """Offset, size and dtype of each field of a bucket; values have no bytes. See :meth:`HMap.layout`."""
        return self._map.layout()

    def bucket_arrays(self) -> introspect.BucketArrays:
        """Read-only views of the current array; see :meth:`HMap.bucket_arrays`."""
        return self._map.bucket_arrays()

    def occupancy(self) -> introspect.Occupancy:
        """The number of full slots in each row; see :meth:`HMap.occupancy`."""
        return self._map.occupancy()

    def check(self) -> None:
        """Check every invariant of the table. Raises ``CorruptMapError``, which names the first that is broken.

        >>> HSet("i8", [1]).check()
        """
        self._map.check()

    def __sizeof__(self) -> int:
        """The bytes that ``sys.getsizeof`` returns: of this object and its map; see :meth:`HMap.__sizeof__`."""
        return object.__sizeof__(self) + sys.getsizeof(self._map)

    @property
    def nbytes(self) -> int:
        """Bytes of the table; see :attr:`HMap.nbytes`."""
        return self._map.nbytes
