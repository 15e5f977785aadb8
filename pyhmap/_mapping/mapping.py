"""The methods of a map that follow from an engine's look-ups and writes.

An engine (the compiled ``HMapEngine`` or the reference) stores and finds keys. :class:`MapMethods` adds the rest, once
for both: operators, copies, pickling, inspection. What only reads is in reading.py.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from pyhmap._convert import infer
from pyhmap._convert.codec import Many
from pyhmap._inspect import check, notebook, stats, views
from pyhmap._mapping import pickling
from pyhmap._mapping.reading import ReadMethods

if TYPE_CHECKING:
    from _typeshed import SupportsKeysAndGetItem

_K = TypeVar("_K")
_V = TypeVar("_V")


class MapMethods(ReadMethods[_K, _V], MutableMapping[_K, _V]):
    """The methods that both engines share."""

    __slots__ = ()

    # The engine provides these, and the abstract methods of MutableMapping. _begin is the __init__ of the engine, also
    # where a subclass has its own.
    _settings: Any
    _begin: Any
    _state: Any
    finish_growth: Any
    set_many: Any
    _make_room: Any
    _next_code: Any

    # ---- making maps

    @classmethod
    def from_arrays(
        cls,
        keys: Many[Any],
        values: Many[Any],
        *,
        capacity: int = 0,
        hash: str | None = None,
        seed: int | None = None,
    ) -> Self:
        """A map from ``keys[i]`` to ``values[i]``, whose types are inferred from the data.

        Parameters
        ----------
        keys, values
            n items each: arrays of shape (n,), sequences, or Arrow columns. If all items are str (in an array of dtype
            U, StringDType or object, in a list, or in Arrow), the type is ``str``; if all are bytes, ``bytes``; if the
            items are mixed, ``object``.
        capacity, hash, seed
            As for the constructor. There is room for at least n keys.

        Notes
        -----
        Raises what the constructor and ``set_many`` raise.

        Examples
        --------
        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> m = HMap.from_arrays(np.arange(3), np.array([0.5, 1.5, 2.5]))
        >>> m[2], m.key_dtype, m.value_dtype
        (2.5, dtype('int64'), dtype('float64'))
        >>> HMap.from_arrays(["a", "b"], [b"x", None])["a"]
        b'x'
        """
        key_items, n, key_type = infer.with_type(keys, "key")
        value_items, _, value_type = infer.with_type(values, "value")
        m = cls(key_type, value_type, capacity=capacity, hash=hash, seed=seed)  # type: ignore[call-arg]
        m._make_room(n)
        m.set_many(key_items, value_items)
        return m

    @classmethod
    def fromkeys(cls, keys: Iterable[Any], value: Any = None, /) -> Self:
        """A map from each key of an iterable to one value. The types are inferred as in ``from_arrays``.

        >>> from pyhmap import HMap
        >>> sorted(HMap.fromkeys([3, 4], 0.5).items())
        [(3, 0.5), (4, 0.5)]
        """
        keys = list(keys) if isinstance(keys, str | bytes) else keys  # as dict.fromkeys() takes them
        items, n, key_type = infer.with_type(keys, "key")
        m = cls(key_type, infer.type_of_value(value))  # type: ignore[call-arg]
        m._make_room(n)
        m.set_many(items, [value] * n)
        return m

    def copy(self) -> Self:
        """A map of the same types and items.

        >>> from pyhmap import HMap
        >>> m = HMap("i8", "i8", {1: 10})
        >>> m.copy() == m
        True
        """
        m = self._copied()
        return copy.copy(self) if m is None else m

    def _copied(self) -> Self | None:
        """A copy made at once, without inserting each key; None where that cannot be."""
        return None

    def __reduce__(self) -> tuple[Any, ...]:
        types = map(pickling.portable, (self.key_dtype, self.value_dtype))
        kind = type(self), *types, self._settings
        if object in kind:  # item by item, since the items may refer to the map
            begun = (*kind, len(self), self._next_code)
            return pickling.begun, begun, self.__getstate__(), None, self._iter_items()
        columns = map(pickling.Packed, self.to_arrays())
        return pickling.restored_map, (*kind, self._next_code, *columns), self.__getstate__()

    # ---- dict's methods

    def update(self, other: SupportsKeysAndGetItem[_K, _V] | Iterable[tuple[_K, _V]] = (), /, **kwargs: _V) -> None:
        """Set the pairs of a mapping or of an iterable, and of keyword arguments (for ``str`` keys).

        An invalid pair raises ``TypeError`` or ``OverflowError``; the pairs before it are set.

        >>> from pyhmap import HMap
        >>> m = HMap(str, "i8", {"a": 1})
        >>> m.update({"a": 2}, b=3)
        >>> sorted(m.items())
        [('a', 2), ('b', 3)]
        """
        if isinstance(other, ReadMethods) and other.key_dtype == self.key_dtype:
            self.set_many(*other.to_arrays())
            other = ()
        super().update(other, **kwargs)

    def __or__(self, other: Mapping[_K, _V]) -> Self:
        if not isinstance(other, Mapping):
            return NotImplemented
        merged = self.copy()
        merged.update(other)
        return merged

    def __ror__(self, other: Mapping[_K, _V]) -> Self:
        if not isinstance(other, Mapping):
            return NotImplemented
        merged = pickling.begun(type(self), self.key_dtype, self.value_dtype, self._settings, len(self))
        merged.update(other)
        merged.update(self)
        return cast("Self", merged)

    def __ior__(self, other: SupportsKeysAndGetItem[_K, _V] | Iterable[tuple[_K, _V]]) -> Self:
        self.update(other)
        return self

    __hash__ = None  # type: ignore[assignment]

    # ---- inspection

    def header(self) -> views.Header:
        """Go's ``hmap`` fields: ``count, flags, B, noverflow, hash0, buckets, oldbuckets, nevacuate``.

        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> m = HMap(np.int64, np.int64, {i: i for i in range(14)})
        >>> m.header().B, m.header().buckets, m.header().oldbuckets      # the 14th key began a growth
        (2, 4, 0)
        """
        return views.header(self._state())

    def stats(self) -> stats.Stats:
        """Statistics: load, overflow, chain and probe lengths, comparisons, growths, bytes. Walks the whole table.

        >>> from pyhmap import HMap
        >>> HMap("i8", "i8", {1: 1, 2: 2}).stats().probe_lengths     # two keys in the first bucket of their chain
        (0, 2)
        """
        with self._frozen():
            return stats.stats(self._state())

    def layout(self) -> tuple[views.FieldLayout, ...]:
        """Offset, size and dtype of each field of a bucket: ``FieldLayout(name, array, offset, size, dtype)``.

        >>> from pyhmap import HMap
        >>> [(field.name, field.offset) for field in HMap("i8", "f4").layout()][1:4]
        [('key[0]', 0), ('value[0]', 8), ('key[1]', 16)]
        """
        return views.layout(self._state())

    def bucket_arrays(self) -> views.BucketArrays:
        """Read-only views ``tophash[n, 8]``, ``keys[n, 8]``, ``values[n, 8]``, ``overflow[n]`` of the current array.

        Rows 0 to 2**B - 1 are the main buckets, the others overflow buckets. The views show later writes until the next
        growth, which moves the map to another array. They keep their array alive.

        >>> from pyhmap import HMap
        >>> arrays = HMap("i8", "i8", {5: 6}).bucket_arrays()
        >>> arrays.tophash.shape, int(arrays.keys[0, 0]), int(arrays.values[0, 0])
        ((1, 8), 5, 6)
        """
        return views.bucket_arrays(self._state(lend=True))

    def occupancy(self) -> views.Occupancy:
        """The number of full slots in each row, while growing also in the old array.

        >>> from pyhmap import HMap
        >>> HMap("i8", "i8", {1: 1, 2: 2}).occupancy().full
        array([2], dtype=uint8)
        """
        with self._frozen():
            return views.occupancy(self._state())

    def check(self) -> None:
        """Check every invariant of the table. Raises ``CorruptMapError``, which names the first that is broken.

        >>> from pyhmap import HMap
        >>> HMap("i8", "i8", {1: 10}).check()
        """
        with self._frozen():
            check.check(self._state())

    def _shown(self) -> dict[str, Any]:
        with self._frozen():
            raw = self._state()
            return {"count": raw.count, "nbytes": self.nbytes, "table": notebook.buckets(raw)}

    @property
    def nbytes(self) -> int:
        """Bytes of the rows in use (of both arrays while growing), of long texts, and of references to objects.

        Rows that were never used take no memory and are not included, nor are the objects.

        >>> from pyhmap import HMap
        >>> HMap("i8", "i8").nbytes     # one bucket: 8 tophashes, 8 slots of 16 bytes, a link of 4
        140
        """
        raw = self._state()
        arrays = [raw.now, raw.old] if raw.old else [raw.now]
        rows: int = sum(a.tophash.nbytes + a.slots.nbytes + a.overflow.nbytes for a in arrays) - raw.returned
        arena: int = sum(block.nbytes for block in raw.texts.blocks[:-1]) + raw.texts.used
        return rows + arena + 8 * (len(raw.key_objects) + len(raw.value_objects))

    def _frozen(self) -> AbstractContextManager[None]:
        """A context in which writes by other threads wait. The compiled engine overrides it."""
        return nullcontext()
