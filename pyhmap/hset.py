"""The public set: a map without values.

A set has its map instead of being one, so that nothing of the mapping shows.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, MutableSet, Set
from itertools import compress
from reprlib import recursive_repr
from typing import Any, ClassVar, Self, TypeVar, cast, overload

import numpy as np
import numpy.typing as npt

from _hmap_bytes.arrow_column import is_arrow
from pyhmap import introspect
from pyhmap._convert.codecs import Many
from pyhmap._convert.sentinels import ABSENT
from pyhmap._mapping import pickling
from pyhmap._mapping.equality import find
from pyhmap.hmap import HMap

_K = TypeVar("_K")
_M = TypeVar("_M", np.datetime64, np.timedelta64)
_S = TypeVar("_S")
_P = TypeVar("_P", bool, int, float, str, bytes)

NO_VALUE = b""  # what every key is mapped to: the one value of dtype V0


class HSet(MutableSet[_K]):
    """A hash set of one type, stored in NumPy arrays.

    Parameters
    ----------
    key
        The type, as :class:`HMap` takes it for its keys.
    items
        An iterable of keys; an array, a list or an Arrow column is taken in one batch.
    capacity, hash, seed
        As for :class:`HMap`.

    It behaves as a ``set`` does, also mixed with ``set`` and ``frozenset``, except that a key the type cannot hold
    raises ``TypeError`` or ``OverflowError`` where it would have to be stored, and in ``in``, ``remove`` and
    ``discard``. In comparisons and set algebra such an element of the other set is simply not in this one. Operators
    take sets, methods take any iterables; a result is a set of the same type as the left one, or as the only HSet.

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

    # As for HMap, what a type checker takes the keys for: NumPy's times, its other scalars, Python's types, others.
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
        self._map = self._map_type(key, "V0", **settings)

    @property
    def key_dtype(self) -> Any:
        """The type of the keys: a dtype, or ``str``, ``bytes`` or ``object``."""
        return self._map.key_dtype

    # ---- single keys

    def __len__(self) -> int:
        return len(self._map)

    def __contains__(self, key: object) -> bool:
        return key in self._map

    def __iter__(self) -> Iterator[_K]:
        return iter(self._map)

    def add(self, key: _K, /) -> None:
        """Add a key; nothing changes if it is there."""
        self._map[key] = NO_VALUE

    def discard(self, key: _K, /) -> None:
        """Remove a key if it is there."""
        self._map.pop(key, None)

    def remove(self, key: _K, /) -> None:
        """Remove a key; ``KeyError`` if it is missing."""
        del self._map[key]

    def pop(self) -> _K:
        """Remove and return some key; ``KeyError`` if there is none."""
        if not self._map:
            raise KeyError(f"pop(): {type(self).__name__} is empty")
        return self._map.popitem()[0]

    def clear(self) -> None:
        """Remove every key and release the arrays."""
        self._map.clear()

    # ---- many keys

    def add_many(self, keys: Many[_K]) -> int:
        """Add n keys, an array or Arrow column of shape (n,) or a sequence; returns how many were new.

        Everything is checked before anything is added. If another thread writes meanwhile, its keys are counted too.

        >>> HSet(str).add_many(["to", "be", "or", "not", "to", "be"])
        4
        """
        before = len(self._map)
        self._map.set_many(keys, NO_VALUE)
        return len(self._map) - before

    def discard_many(self, keys: Many[_K]) -> int:
        """Remove those of many keys that are there; returns how many were.

        >>> HSet(str, ["a", "b"]).discard_many(["b", "c"])
        1
        """
        return self._map.discard_many(keys)

    def contains_many(self, keys: Many[_K], *, threads: int = 1) -> npt.NDArray[np.bool_]:
        """Which of n keys are in the set: a bool array of shape (n,).

        >>> HSet(str, ["a", "b"]).contains_many(["b", "c"])
        array([ True, False])
        """
        return self._map.contains_many(keys, threads=threads)

    def to_array(self) -> npt.NDArray[Any]:
        """A copy of the keys, of shape (len,), in the order of iteration; of objects for str, bytes and object keys."""
        return self._map.keys_array()

    def _batch(self, other: Any) -> npt.NDArray[Any] | list[Any]:
        """The elements of another collection, as an array or a list."""
        if isinstance(other, HSet) and other.key_dtype == self.key_dtype:
            return other.to_array()
        return np.asarray(other) if hasattr(other, "__array__") else list(other)

    def _common(self, elements: npt.NDArray[Any] | list[Any]) -> npt.NDArray[Any] | list[Any]:
        """The own keys that equal elements of another collection, one for each such element."""
        try:
            found = self.contains_many(elements)
        except (TypeError, OverflowError):  # some this set cannot hold
            return [own for element in elements if (own := find(self._map, element)) is not ABSENT]
        return elements[found] if isinstance(elements, np.ndarray) else list(compress(elements, found))

    def _of(self, keys: Any) -> Self:
        return cast("Self", pickling.restored_set(type(self), self.key_dtype, self._map._settings, keys))

    # ---- comparisons

    def isdisjoint(self, other: Iterable[Any], /) -> bool:
        """Whether no element of another collection is in the set."""
        return len(self._common(self._batch(other))) == 0

    def issuperset(self, other: Iterable[Any], /) -> bool:
        """Whether every element of another collection is in the set."""
        elements = self._batch(other)
        return len(self._common(elements)) == len(elements)

    def issubset(self, other: Iterable[Any], /) -> bool:
        """Whether every key is in another collection."""
        return len(self.intersection(other)) == len(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Set):
            return NotImplemented
        return len(self) == len(other) and self.issuperset(other)

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
        """Add the elements of other collections."""
        for other in others:
            self.add_many(other if is_arrow(other) else self._batch(other))

    def intersection_update(self, *others: Iterable[Any]) -> None:
        """Keep the keys that are in all other collections."""
        for other in others:
            kept = self._of(self._common(self._batch(other)))
            keys = self.to_array()
            self.discard_many(keys[~kept.contains_many(keys)])

    def difference_update(self, *others: Iterable[Any]) -> None:
        """Remove the keys that are in other collections."""
        for other in others:
            self.discard_many(self._common(self._batch(other)))

    def symmetric_difference_update(self, other: Iterable[Any], /) -> None:
        """Keep the keys that are in one of the two collections only."""
        theirs = self._of(self._batch(other))
        common = theirs._common(self._batch(self))
        self.add_many(theirs.to_array())
        self.discard_many(common)

    # ---- results

    def union(self, *others: Iterable[Any]) -> Self:
        """A set of the keys, and of the elements of other collections."""
        result = self.copy()
        result.update(*others)
        return result

    def intersection(self, *others: Iterable[Any]) -> Self:
        """A set of the keys that are in all other collections."""
        result = self.copy()
        result.intersection_update(*others)
        return result

    def difference(self, *others: Iterable[Any]) -> Self:
        """A set of the keys that are in no other collection."""
        result = self.copy()
        result.difference_update(*others)
        return result

    def symmetric_difference(self, other: Iterable[Any], /) -> Self:
        """A set of what is in one of the two collections only."""
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
        return self._of(list(other)).difference(self) if isinstance(other, Set) else NotImplemented

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
        """A set of the same type and keys; with a hash key of its own unless made with ``seed``."""
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
        keys = ", ".join(map(repr, self))
        return f"{type(self).__name__}({self._map._key_codec.name}, {{{keys}}})"

    # ---- life, and looking inside: as for HMap

    def reserve(self, n: int, /) -> None:
        """Make room for ``n`` keys in all, so that the set will not grow before it holds them."""
        self._map.reserve(n)

    def compact(self) -> None:
        """Move everything to the smallest arrays that hold it; see :meth:`HMap.compact`."""
        self._map.compact()

    def finish_growth(self) -> None:
        """Evacuate what is left of the old array and release it."""
        self._map.finish_growth()

    def header(self) -> introspect.Header:
        """Go's ``hmap`` fields; see :meth:`HMap.header`."""
        return self._map.header()

    def stats(self) -> introspect.Stats:
        """Load, overflow, chain and probe lengths, and more; see :meth:`HMap.stats`."""
        return self._map.stats()

    def layout(self) -> tuple[introspect.FieldLayout, ...]:
        """Offset, size and dtype of each field of a bucket; the values have no bytes."""
        return self._map.layout()

    def bucket_arrays(self) -> introspect.BucketArrays:
        """Read-only views of the current array; see :meth:`HMap.bucket_arrays`."""
        return self._map.bucket_arrays()

    def occupancy(self) -> introspect.Occupancy:
        """How many slots of each row are full; see :meth:`HMap.occupancy`."""
        return self._map.occupancy()

    def check(self) -> None:
        """Walk every invariant of the table; raises ``CorruptMapError`` naming the first that is broken."""
        self._map.check()

    @property
    def nbytes(self) -> int:
        """Bytes of the table; see :attr:`HMap.nbytes`."""
        return self._map.nbytes
