"""What a dict user expects beyond the engine's own methods. Imports introspect only.

An engine (the compiled ``HMapCore`` or the plain-Python twin) stores and finds; :class:`MapSurface` adds, once for
both, what can be said in terms of that: views, operators, comparison, copies, pickling, and looking inside.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, MutableMapping, ValuesView
from contextlib import AbstractContextManager, nullcontext
from reprlib import recursive_repr
from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt

from pyhmap import introspect


class HMapKeys(KeysView[Any]):
    """``m.keys()``: fixed to the map's keys from the call of iter() on, not from the first step."""

    __slots__ = ()
    _mapping: Any

    def __iter__(self) -> Iterator[Any]:
        return iter(self._mapping)


class HMapValues(ValuesView[Any]):
    """``m.values()``: iterates at the engine's speed, without a look-up a value."""

    __slots__ = ()
    _mapping: Any

    def __iter__(self) -> Iterator[Any]:
        return self._mapping._iter_values()  # type: ignore[no-any-return]

    def __contains__(self, value: object) -> bool:
        return any(own is value or own == value for own in self)


class HMapItems(ItemsView[Any, Any]):
    """``m.items()``: iterates at the engine's speed, without a look-up a pair."""

    __slots__ = ()
    _mapping: Any

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return self._mapping._iter_items()  # type: ignore[no-any-return]


class MapSurface(MutableMapping[Any, Any]):
    """The part of a map that both engines share."""

    __slots__ = ()

    # What the engine brings; named here for the reader and the type checker.
    key_dtype: Any
    value_dtype: Any
    _state: Any
    _seed: Any
    finish_growth: Any
    set_many: Any
    lookup_many: Any
    to_arrays: Any
    reserve: Any

    # ---- making maps

    @classmethod
    def from_arrays(
        cls,
        keys: npt.ArrayLike,
        values: npt.ArrayLike,
        *,
        capacity: int = 0,
        hash: str | None = None,
        seed: int | None = None,
    ) -> Self:
        """A map of ``keys[i]`` to ``values[i]``, its types taken from the two one-dimensional arrays.

        ``capacity`` is raised to ``len(keys)``. Raises as the constructor and ``set_many`` do.

        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> m = HMap.from_arrays(np.arange(3), np.array([0.5, 1.5, 2.5]))
        >>> m[2], m.key_dtype, m.value_dtype
        (2.5, dtype('int64'), dtype('float64'))
        """
        keys, values = np.asarray(keys), np.asarray(values)
        room = max(capacity, keys.size) if capacity >= 0 else capacity
        m = cls(keys.dtype, values.dtype, capacity=room, hash=hash, seed=seed)  # type: ignore[call-arg]
        m.set_many(keys, values)
        return m

    @classmethod
    def fromkeys(cls, keys: Iterable[Any], value: Any, /) -> Self:
        """A map of every key to the one value; the types are those that NumPy gives the keys and the value.

        >>> from pyhmap import HMap
        >>> sorted(HMap.fromkeys([3, 4], 0.5).items())
        [(3, 0.5), (4, 0.5)]
        """
        array = np.asarray(keys if isinstance(keys, np.ndarray) else list(keys))
        m = cls(array.dtype, np.asarray(value).dtype, capacity=array.size)  # type: ignore[call-arg]
        m.set_many(array, value)
        return m

    def copy(self) -> Self:
        """A map of the same types and items; with a hash key of its own unless made with ``seed``."""
        return self.__copy__()

    def __copy__(self) -> Self:
        return cast("Self", _remake(*self.__reduce__()[1]))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.__copy__()

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        keys, values = self.to_arrays()
        return _remake, (type(self), self.key_dtype, self.value_dtype, self._seed, keys, values)

    # ---- dict's methods

    def keys(self) -> KeysView[Any]:
        """A set-like view of the keys."""
        return HMapKeys(self)

    def values(self) -> ValuesView[Any]:
        """A view of the values."""
        return HMapValues(self)

    def items(self) -> ItemsView[Any, Any]:
        """A set-like view of the (key, value) pairs."""
        return HMapItems(self)

    def update(self, other: Any = (), /, **kwargs: Any) -> None:
        """Set the pairs of a mapping, or of an iterable of pairs. Pairs before one that cannot be held are set."""
        if isinstance(other, MapSurface) and other.key_dtype == self.key_dtype:
            self.set_many(*other.to_arrays())
            other = ()
        super().update(other, **kwargs)

    def __or__(self, other: Any) -> Self:
        if not isinstance(other, Mapping):
            return NotImplemented
        merged = self.copy()
        merged.update(other)
        return merged

    def __ror__(self, other: Any) -> Self:
        if not isinstance(other, Mapping):
            return NotImplemented
        merged = self._empty_like()
        merged.update(other)
        merged.update(self)
        return merged

    def __ior__(self, other: Any) -> Self:
        self.update(other)
        return self

    def _empty_like(self) -> Self:
        nothing = np.empty(0, self.key_dtype), np.empty(0, self.value_dtype)
        return cast("Self", _remake(type(self), self.key_dtype, self.value_dtype, self._seed, *nothing))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if isinstance(other, MapSurface) and other.key_dtype == self.key_dtype:
            if len(self) != len(other):
                return False
            keys, mine = self.to_arrays()
            theirs, found = other.lookup_many(keys)
            return bool(found.all() and (mine == theirs).all())
        if isinstance(other, Mapping):
            return len(self) == len(other) and dict(self.items()) == dict(other.items())
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    @recursive_repr("HMap(...)")
    def __repr__(self) -> str:
        items = ", ".join(f"{key!r}: {value!r}" for key, value in self.items())
        return f"{type(self).__name__}({self.key_dtype}, {self.value_dtype}, {{{items}}})"

    # ---- looking inside

    def header(self) -> introspect.Header:
        """Go's ``hmap`` fields: ``count, flags, B, noverflow, hash0, buckets, oldbuckets, nevacuate``.

        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> m = HMap(np.int64, np.int64, {i: i for i in range(14)})
        >>> m.header().B, m.header().buckets, m.header().oldbuckets      # the 14th key began a growth
        (2, 4, 0)
        """
        return introspect.header(self._state())

    def stats(self) -> introspect.Stats:
        """Load, overflow, chain and probe lengths, comparisons beside their ideal, growths, bytes. Walks the table."""
        with self._frozen():
            return introspect.stats(self._state())

    def layout(self) -> tuple[introspect.FieldLayout, ...]:
        """Offset, size and dtype of each field of a bucket."""
        return introspect.layout(self._state())

    def bucket_arrays(self) -> introspect.BucketArrays:
        """Read-only views ``tophash[n, 8]``, ``keys[n, 8]``, ``values[n, 8]``, ``overflow[n]`` of the current array.

        Rows 0 to 2**B - 1 are the main buckets, the others overflow buckets. The views follow later writes until a
        growth, which moves the map to another array; they keep theirs alive.
        """
        return introspect.bucket_arrays(self._state())

    def check(self) -> None:
        """Walk every invariant of the table; raises ``CorruptMapError`` naming the first that is broken."""
        with self._frozen():
            introspect.check(self._state())

    @property
    def nbytes(self) -> int:
        """Bytes of the rows in use, of both arrays while growing. Room not yet touched costs none and is left out."""
        raw = self._state()
        arrays = [raw.now, raw.old] if raw.old else [raw.now]
        return sum(a.tophash.nbytes + a.slots.nbytes + a.overflow.nbytes for a in arrays)

    def _frozen(self) -> AbstractContextManager[None]:
        """A context in which other threads' writes wait; the engine that has such writes overrides it."""
        return nullcontext()


def _remake(
    cls: Any, key_dtype: Any, value_dtype: Any, seed: int | None, keys: npt.NDArray[Any], values: npt.NDArray[Any]
) -> Any:
    """Pickle's and copy's way back: the items in a new table."""
    m = cls(key_dtype, value_dtype, capacity=len(keys), seed=seed)
    m.set_many(keys, values)
    return m
