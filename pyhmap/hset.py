"""The public set."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, ClassVar, TypeVar, overload

import numpy as np

from pyhmap import introspect
from pyhmap._engine.threads import Threads
from pyhmap._mapping.sets import TypedSet, WritableSet
from pyhmap.frozen import Progress, halves
from pyhmap.frozen_set import FrozenSet
from pyhmap.hmap import HMap

_K = TypeVar("_K")
_M = TypeVar("_M", np.datetime64, np.timedelta64)
_S = TypeVar("_S")
_P = TypeVar("_P", bool, int, float, str, bytes)


class HSet(WritableSet[_K]):
    """A hash set of one type, stored in NumPy arrays.

    Parameters
    ----------
    key
        The type of the keys: one that :class:`HMap` accepts for keys. A set alone, ``HSet(s)`` or ``HSet(f)``, gives
        its type and its keys.
    items
        An iterable of keys. An array, a list or an Arrow column is added as one batch.
    capacity, hash, seed
        As for :class:`HMap`, which also lists the errors.

    Notes
    -----
    A set behaves like a ``set``, also together with ``set`` and ``frozenset``, with one exception. A key that the type
    cannot hold raises ``TypeError`` or ``OverflowError`` when it is added, and in ``in``, ``remove`` and ``discard``.
    In comparisons and set algebra, such an element of the other set is just absent from this one. Operators take sets;
    methods take any iterables, and arrays. A result is a set of the type of the left operand, or of the only HSet or
    :class:`FrozenSet`. The type must hold the elements that the result adds. ``np.asarray(s)`` is :meth:`to_array`, so
    ``np.isin(a, s)`` works.

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

    __slots__ = ()

    _map: HMap[_K, bytes]
    _map_type: ClassVar[Any] = HMap

    # As in hmap.pyi: an overload for each group of key types, from which a type checker finds K.
    @overload
    def __init__(
        self: HSet[_K], key: TypedSet[_K], *, capacity: int = 0, hash: str | None = None, seed: int | None = None
    ) -> None: ...
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
        if items is None and isinstance(key, TypedSet):
            items, key = key, key.key_dtype
        self._begin(key, capacity=capacity, hash=hash, seed=seed)
        if items is not None:
            self.update(items)

    def _copied(self) -> HSet[_K] | None:
        if type(self) is not HSet:  # which may keep more than a set does
            return None
        s: HSet[_K] = HSet.__new__(HSet)
        s._map = HMap.__new__(HMap)
        return s if self._map._copy_to(s._map) else None

    def freeze(
        self, *, seed: int | None = None, threads: Threads = 1, progress: Progress | None = None
    ) -> FrozenSet[_K]:
        """A :class:`FrozenSet` of the same keys: it is read faster, in half the memory, and cannot be written.

        Takes and raises what :meth:`HMap.freeze` does.

        >>> from pyhmap import HSet
        >>> f = HSet("i8", [1, 2]).freeze()
        >>> f == {1, 2}, HSet(f) == f
        (True, True)
        """
        return FrozenSet._of_set(self, seed, threads, progress)

    def save(self, path: str | os.PathLike[str], *, threads: Threads = 1, progress: Progress | None = None) -> None:
        """Freeze the set and write that to a file, which :func:`pyhmap.open` opens; see :meth:`HMap.save`.

        >>> import os, tempfile
        >>> import pyhmap
        >>> path = os.path.join(tempfile.mkdtemp(), "known.pyhmap")
        >>> pyhmap.HSet("i8", [1, 2]).save(path)
        >>> sorted(pyhmap.open(path))
        [1, 2]
        """
        freezing, saving = halves(progress)
        self.freeze(threads=threads, progress=freezing).save(path, progress=saving)

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
