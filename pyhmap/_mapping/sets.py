"""The methods of sets: look-ups, comparisons, algebra, changes.

    TypedSet ──> FrozenSet                what only reads, and algebra, whose results are new sets
        └──────> WritableSet ──> HSet     what changes the set

A set holds a map without values instead of being one, so that it has no methods of a mapping.
"""

from __future__ import annotations

import copy
import sys
from abc import abstractmethod
from collections.abc import Iterable, Iterator, MutableSet, Set
from reprlib import recursive_repr
from typing import Any, ClassVar, Literal, NamedTuple, Self, TypeVar, cast, overload

import numpy as np
import numpy.typing as npt

from _hmap_bytes.arrow_column import is_arrow
from pyhmap._convert.arrow_table import table_stream
from pyhmap._convert.codec import Many
from pyhmap._convert.codecs import key_codec, value_codec
from pyhmap._convert.columns import Column
from pyhmap._engine.map import HMapEngine
from pyhmap._engine.threads import Threads
from pyhmap._inspect import notebook
from pyhmap._mapping import pickling
from pyhmap._mapping.equality import compared
from pyhmap._mapping.reading import first_of

_K = TypeVar("_K")

NO_VALUE = b""  # the value of every key: the only one of dtype V0
NOTHING = value_codec("V0")  # the values of the map below a set
OBJECTS = value_codec(object)  # takes any elements as they are


class _Compared(NamedTuple):
    """Another collection, compared with a set."""

    elements: npt.NDArray[Any]  # those of the collection that are not null
    found: npt.NDArray[np.bool_]  # which of them equal keys of the set
    common: npt.NDArray[Any] | list[Any]  # the keys of the set that equal some, maybe repeatedly
    null: int | None  # the position of the first null


def _without_nulls(array: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None) -> tuple[npt.NDArray[Any], int | None]:
    """The items of a batch that are not null, and the position of the first null."""
    if valid is None or valid.all():
        return array, None
    return array[valid], int(valid.argmin())


class TypedSet(Set[_K]):
    """The reading half of a set, and algebra."""

    __slots__ = ("__weakref__", "_map")

    _map: Any
    # Operators refuse arrays. Without this, NumPy would take the set for an array, and `s & array` would combine bits.
    __array_ufunc__: ClassVar[None] = None

    @abstractmethod
    def _of(self, keys: Any) -> WritableSet[_K]:
        """A set of this key type, with these keys, that can be written."""

    @abstractmethod
    def _draft(self) -> WritableSet[_K]:
        """A set with the keys of this one, of which an operation makes its result."""

    @abstractmethod
    def _result(self, draft: Any) -> Self:
        """What the operation returns."""

    @property
    def key_dtype(self) -> Any:
        """The type of the keys: a dtype, or ``str``, ``bytes`` or ``object``.

        >>> from pyhmap import HSet
        >>> HSet("i8").key_dtype
        dtype('int64')
        """
        return self._map.key_dtype

    def __len__(self) -> int:
        return len(self._map)

    def __contains__(self, key: object) -> bool:
        return key in self._map

    def __iter__(self) -> Iterator[_K]:
        return iter(self._map)

    def contains_many(self, keys: Many[_K], *, threads: Threads = 1) -> npt.NDArray[np.bool_]:
        """Look up n keys: an array of shape (n,), a sequence, or an Arrow column. Returns a bool array of shape (n,):
        which of them are present.

        ``TypeError`` or ``OverflowError`` names the position of an invalid key; a null is absent. ``threads`` threads
        share the keys; ``ValueError`` below 1.

        >>> from pyhmap import HSet
        >>> HSet(str, ["a", "b"]).contains_many(["b", "c"])
        array([ True, False])
        """
        return self._map.contains_many(keys, threads=threads)  # type: ignore[no-any-return]

    def to_array(self) -> npt.NDArray[Any]:
        """A copy of the keys, of shape (len,), in iteration order. Its dtype is object for str, bytes and object keys.

        >>> from pyhmap import HSet
        >>> HSet("i4", [7]).to_array()
        array([7], dtype=int32)
        """
        return self._map.keys_array()  # type: ignore[no-any-return]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            name = type(self).__name__
            raise ValueError(f"the keys of {name} can only be copied to an array: give copy=None, or use np.asarray")
        keys = self.to_array()
        return keys if dtype is None else keys.astype(dtype, copy=False)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The set as an Arrow table with one column, ``key``; see :meth:`HMap.__arrow_c_stream__`.

        >>> from pyhmap import HSet
        >>> HSet("i8", [7]).__arrow_c_stream__()  # doctest: +ELLIPSIS
        <capsule object "arrow_array_stream" at 0x...>
        """
        return table_stream([self._map._key_codec], lambda: self._map._columns(False))

    @property
    def _key_map(self) -> Any:
        return self._map

    def _batch(self, other: Any) -> Any:
        """Another collection, in a form that batch calls take."""
        if isinstance(other, TypedSet):
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
        typed = other._key_map if isinstance(other, TypedSet) and other.key_dtype is not object else None
        if not objects or typed is None:
            try:
                array, null = _without_nulls(*codec.many(elements))
                found = self.contains_many(array)
                return _Compared(array, found, array[found], null)
            except (TypeError, OverflowError):
                if objects:
                    raise  # an error of an element's own __hash__ or __eq__
        if objects or isinstance(other, TypedSet):
            array, null = _without_nulls(*OBJECTS.many(list(other) if isinstance(other, TypedSet) else elements))
        else:
            array, null = _without_nulls(*codec.objects(elements))
        common, is_found = compared(self._map, list(array), typed)
        return _Compared(array, np.array(is_found, bool), common, null)

    # ---- comparisons

    def isdisjoint(self, other: Iterable[Any], /) -> bool:
        """Whether no element of another collection is in the set: any iterable, as for all methods of set algebra.

        >>> from pyhmap import HSet
        >>> HSet("i8", [1, 2]).isdisjoint([3])
        True
        """
        return not self._compare(other).found.any()

    def issuperset(self, other: Iterable[Any], /) -> bool:
        """Whether every element of another collection is in the set.

        >>> from pyhmap import HSet
        >>> HSet("i8", [1, 2]).issuperset([1])
        True
        """
        compared = self._compare(other)
        return compared.null is None and bool(compared.found.all())

    def issubset(self, other: Iterable[Any], /) -> bool:
        """Whether every key is in another collection.

        >>> from pyhmap import HSet
        >>> HSet("i8", [1, 2]).issubset(range(5))
        True
        """
        common = self._compare(other).common
        distinct = isinstance(other, TypedSet) and other.key_dtype == self.key_dtype
        return (len(common) if distinct else len(self._of(common))) == len(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Set):
            return NotImplemented
        # Not issuperset: two elements of the other set, such as two NaN, may be one key in this set.
        return len(self) == len(other) and self.issubset(other)

    def __le__(self, other: Set[Any]) -> bool:
        return self.issubset(other) if isinstance(other, Set) else NotImplemented

    def __ge__(self, other: Set[Any]) -> bool:
        return self.issuperset(other) if isinstance(other, Set) else NotImplemented

    def __lt__(self, other: Set[Any]) -> bool:
        return len(self) < len(other) and self.issubset(other) if isinstance(other, Set) else NotImplemented

    def __gt__(self, other: Set[Any]) -> bool:
        return len(self) > len(other) and self.issuperset(other) if isinstance(other, Set) else NotImplemented

    # ---- results

    def union(self, *others: Iterable[Any]) -> Self:
        """A set of the keys and of the elements of other collections.

        >>> from pyhmap import HSet
        >>> sorted(HSet("i8", [1, 2]).union([3]))
        [1, 2, 3]
        """
        draft = self._draft()
        draft.update(*others)
        return self._result(draft)

    def intersection(self, *others: Iterable[Any]) -> Self:
        """A set of the keys that are in all other collections.

        >>> from pyhmap import HSet
        >>> sorted(HSet("i8", [1, 2]).intersection([2, 3]))
        [2]
        """
        draft = self._draft()
        draft.intersection_update(*others)
        return self._result(draft)

    def difference(self, *others: Iterable[Any]) -> Self:
        """A set of the keys that are in no other collection.

        >>> from pyhmap import HSet
        >>> sorted(HSet("i8", [1, 2]).difference([2, 3]))
        [1]
        """
        draft = self._draft()
        draft.difference_update(*others)
        return self._result(draft)

    def symmetric_difference(self, other: Iterable[Any], /) -> Self:
        """A set of the keys and elements that are in only one of the two collections.

        >>> from pyhmap import HSet
        >>> sorted(HSet("i8", [1, 2]).symmetric_difference([2, 3]))
        [1, 3]
        """
        draft = self._draft()
        draft.symmetric_difference_update(other)
        return self._result(draft)

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
        draft = self._of([])
        draft._store_missing(self._compare(other))
        return self._result(draft)

    def __getstate__(self) -> Any:
        attributes, slots = cast("Any", super().__getstate__())
        slots = {name: value for name, value in slots.items() if name != "_map"}
        return (attributes, slots) if slots else attributes

    @recursive_repr("HSet(...)")
    def __repr__(self) -> str:
        keys = first_of(map(repr, self), len(self))
        return f"{type(self).__name__}({self._map._key_codec.name}, {{{keys}}})"

    def _repr_html_(self) -> str | None:
        return notebook.page(f"{type(self).__name__}({self._map._key_codec.name})", **self._map._shown())

    def check(self) -> None:
        """Check every invariant of the set. Raises ``CorruptMapError``, which names the first that is broken.

        >>> from pyhmap import HSet
        >>> HSet("i8", [1]).check()
        """
        self._map.check()

    def __sizeof__(self) -> int:
        """The bytes that ``sys.getsizeof`` returns: of this object and its map; see :meth:`HMap.__sizeof__`."""
        return object.__sizeof__(self) + sys.getsizeof(self._map)

    @property
    def nbytes(self) -> int:
        """Bytes of the keys and of what leads to them; see :attr:`HMap.nbytes` and :attr:`FrozenMap.nbytes`."""
        return self._map.nbytes  # type: ignore[no-any-return]


class WritableSet(TypedSet[_K], MutableSet[_K]):
    """A set that can be written. By itself, it is what algebra on frozen sets makes its results of."""

    __slots__ = ()

    _map: HMapEngine[_K, bytes]
    _map_type: ClassVar[Any] = HMapEngine

    __hash__ = None  # type: ignore[assignment]

    def _begin(self, key: Any, **settings: Any) -> None:
        self._map = self._map_type(key_codec(key, "set"), NOTHING, **settings)

    def add(self, key: _K, /) -> None:
        """Add a key, if it is absent.

        >>> from pyhmap import HSet
        >>> s = HSet(str)
        >>> s.add("a")
        >>> "a" in s
        True
        """
        self._map[key] = NO_VALUE

    def discard(self, key: _K, /) -> None:
        """Remove a key, if it is present.

        >>> from pyhmap import HSet
        >>> s = HSet(str, ["a"])
        >>> s.discard("a")
        >>> s.discard("b")
        >>> len(s)
        0
        """
        self._map.pop(key, None)

    def remove(self, key: _K, /) -> None:
        """Remove a key. Raises ``KeyError`` if it is absent.

        >>> from pyhmap import HSet
        >>> HSet(str).remove("a")
        Traceback (most recent call last):
        KeyError: 'a'
        """
        del self._map[key]

    def pop(self) -> _K:
        """Remove and return an arbitrary key. Raises ``KeyError`` if the set is empty.

        >>> from pyhmap import HSet
        >>> HSet(str, ["a"]).pop()
        'a'
        """
        if not self._map:
            raise KeyError(f"pop(): {type(self).__name__} is empty")
        return self._map.popitem()[0]

    def clear(self) -> None:
        """Remove all keys and release the arrays.

        >>> from pyhmap import HSet
        >>> s = HSet(str, ["a"])
        >>> s.clear()
        >>> len(s)
        0
        """
        self._map.clear()

    # ---- many keys

    @overload
    def add_many(self, keys: Many[_K], *, return_new: Literal[False] = False, threads: Threads = 1) -> int: ...
    @overload
    def add_many(self, keys: Many[_K], *, return_new: Literal[True], threads: Threads = 1) -> npt.NDArray[np.bool_]: ...
    @overload
    def add_many(self, keys: Many[_K], *, return_new: bool, threads: Threads = 1) -> int | npt.NDArray[np.bool_]: ...
    def add_many(
        self, keys: Many[_K], *, return_new: bool = False, threads: Threads = 1
    ) -> int | npt.NDArray[np.bool_]:
        """Add n keys: an array of shape (n,), a sequence, or an Arrow column. Returns how many of them were new; with
        ``return_new=True`` which of them, a bool array of shape (n,): among equal new keys, the first.

        All keys are checked before one is added: ``TypeError``, ``OverflowError`` or ``ValueError`` (a null) names the
        position of an invalid one. The number includes keys that other threads add at the same time. If several threads
        add the same key, it is new for one of them. ``threads`` is that of :meth:`HMap.set_many`.

        >>> from pyhmap import HSet
        >>> HSet(str).add_many(["to", "be", "or", "not", "to", "be"])
        4
        >>> HSet(str, ["or"]).add_many(["to", "be", "or", "not", "to", "be"], return_new=True)
        array([ True,  True, False,  True, False, False])
        """
        if return_new:
            return self._map._insert_many(keys, threads)
        before = len(self._map)
        self._map.set_many(keys, NO_VALUE, threads=threads)
        return len(self._map) - before

    def discard_many(self, keys: Many[_K]) -> int:
        """Remove those of n keys that are present. Returns how many were. Takes and raises what ``add_many`` does.

        >>> from pyhmap import HSet
        >>> HSet(str, ["a", "b"]).discard_many(["b", "c"])
        1
        """
        return self._map.discard_many(keys)

    # ---- changes

    def update(self, *others: Iterable[Any]) -> None:
        """Add the elements of other collections: iterables, arrays or Arrow columns, each in one batch.

        An element that the key type cannot hold raises ``TypeError`` or ``OverflowError``, and nothing of its
        collection is added. It is not an error if it equals a key: ``HSet("i8", [1]) | {1.0}`` has nothing to add.

        >>> import numpy as np
        >>> from pyhmap import HSet
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

        >>> from pyhmap import HSet
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

        >>> from pyhmap import HSet
        >>> s = HSet("i8", [1, 2, 3])
        >>> s.difference_update([2], [3])
        >>> sorted(s)
        [1]
        """
        for other in others:
            self.discard_many(self._compare(other).common)

    def symmetric_difference_update(self, other: Iterable[Any], /) -> None:
        """Keep the keys, and add the elements of the other collection, that are in only one of the two.

        >>> from pyhmap import HSet
        >>> s = HSet("i8", [1, 2])
        >>> s.symmetric_difference_update([2, 3])
        >>> sorted(s)
        [1, 3]
        """
        compared = self._compare(other)
        self._store_missing(compared)
        self.discard_many(compared.common)

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
        """A set of the same type and keys.

        >>> from pyhmap import HSet
        >>> s = HSet("i8", [1])
        >>> s.copy() == s
        True
        """
        s = self._copied()
        return copy.copy(self) if s is None else s

    def _copied(self) -> Self | None:
        """A copy made at once, without inserting each key; None where that cannot be."""
        return None

    def _of(self, keys: Any) -> Self:
        return cast("Self", pickling.restored_set(type(self), self.key_dtype, self._map._settings, keys))

    def _draft(self) -> Self:
        return self.copy()

    def _result(self, draft: Any) -> Self:
        return cast("Self", draft)

    def __reduce__(self) -> tuple[Any, ...]:
        keys = list(self) if self.key_dtype is object else pickling.Packed(self.to_array())
        arguments = type(self), pickling.portable(self.key_dtype), self._map._settings, keys
        return pickling.restored_set, arguments, self.__getstate__()
