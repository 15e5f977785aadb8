"""The public map: the compiled engine with the methods of a dict."""

from __future__ import annotations

import os
from typing import Any

from pyhmap._engine.map import HMapEngine
from pyhmap._engine.threads import Threads
from pyhmap._mapping.mapping import MapMethods
from pyhmap._mapping.reading import ReadMethods
from pyhmap.frozen import FrozenMap, Progress, halves


class HMap(HMapEngine, MapMethods):
    """A hash map from one type to another, stored in NumPy arrays.

    Parameters
    ----------
    key, value
        The types: ``str``, ``bytes``, ``object``, or anything that ``np.dtype`` accepts. Keys may be ints, floats,
        bool, datetime64 and timedelta64 with a unit, fixed-size S, U and V, and structured dtypes, whose keys are
        tuples. Values may be of every dtype of fixed size.
        A map alone, ``HMap(m)`` or ``HMap(f)``, gives its types and its items.
    items
        A mapping, or an iterable of (key, value) pairs.
    capacity
        The number of keys to make room for: inserting so many causes no growth.
    hash
        ``None``: the keyed hash of the key type. ``"xxh64"``: XXH64, for texts (``str``, ``bytes``, S, U, V and
        structured keys); an attacker who chooses the keys can make them collide.
    seed
        An int makes the map's layout reproducible. Without it, the hash key comes from ``os.urandom``, so nobody can
        prepare keys that collide. Anyone who knows the seed can.
    hash_cache
        A ``tophash_cache.TopHashCache``, for ``str`` or ``bytes`` keys and ``hash="xxh64"``. Calls with a single key
        (``bytes``, or an ASCII ``str``) take its digest from the cache; batches hash directly. Nothing else changes.
        The map keeps the cache alive; copies and pickles of the map have no cache.

    Raises
    ------
    TypeError
        A type is not supported; an item is of another type than the map's; an argument is of the wrong type.
    OverflowError
        An item is outside its type; or ``capacity`` is above 6,979,321,856 (2**30 buckets of 6.5 keys).
    ValueError
        ``capacity`` is below 0; ``hash`` or ``hash_cache`` does not fit the key type.

    Notes
    -----
    A map behaves like a ``dict``, with these exceptions. Iteration follows the order of the table. A key or value that
    the type cannot hold raises ``TypeError`` or ``OverflowError``, in look-ups too. All NaN are one key, and -0.0 is
    stored as 0.0. The methods whose names end in ``_many`` take arrays, and release the GIL for 512 keys
    or more, except in maps of objects.

    Source: Go's map before its Swiss rewrite (``src/runtime/map.go`` up to Go 1.23).

    Examples
    --------
    >>> import numpy as np
    >>> from pyhmap import HMap
    >>> m = HMap(np.int64, np.float64, {10: 0.5})
    >>> m[11] = 1.5
    >>> m.get_many(np.array([11, 10, 12]), default=-1.0)
    array([ 1.5,  0.5, -1. ])
    >>> len(m), 12 in m, m.get(12)
    (2, False, None)
    """

    __slots__ = ("__weakref__",)

    _begin = HMapEngine.__init__

    def __init__(
        self,
        key: Any,
        value: Any = ...,
        items: Any = None,
        /,
        *,
        capacity: int = 0,
        hash: str | None = None,
        seed: int | None = None,
        hash_cache: object = None,
    ) -> None:
        if value is ...:
            if not isinstance(key, ReadMethods):
                raise TypeError(f"HMap({key!r}) has no value type: give HMap(key, value), or a map to copy")
            items, key, value = key, key.key_dtype, key.value_dtype
        super().__init__(key, value, capacity=capacity, hash=hash, seed=seed, hash_cache=hash_cache)
        if items is not None:
            self.update(items)

    def _copied(self) -> HMap[Any, Any] | None:
        if type(self) is not HMap:  # which may keep more than a map does
            return None
        m = HMap.__new__(HMap)
        return m if self._copy_to(m) else None

    def freeze(
        self, *, seed: int | None = None, threads: Threads = 1, progress: Progress | None = None
    ) -> FrozenMap[Any, Any]:
        """A :class:`FrozenMap` of the same items: it is read faster, in half the memory, and cannot be written.

        Parameters
        ----------
        seed
            An int makes the layout, and so the order of iteration, reproducible. Without it, the seed of this map, if
            it has one; or else the hash key comes from ``os.urandom``.
        threads
            The number of threads that share the work.
        progress
            A function of one argument. It is called in this thread, several times per second of a long build, with the
            part of the work that is done: a float up to 1.0. It may raise, which ends the build. If the keys do not fit
            under a hash key, the work begins again with another.

        Notes
        -----
        While the map is frozen, writes by other threads wait, and writes by this one (in ``progress``, or in a signal
        handler) raise ``RuntimeError``. Besides the new map, building takes memory for its spare slots and for one part
        of it per thread.

        Raises
        ------
        TypeError
            Keys or values are objects.
        ValueError
            ``threads`` is below 1.

        Examples
        --------
        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> m = HMap(np.int64, np.int64, {1: 10, 2: 20})
        >>> f = m.freeze()
        >>> f.get_many([2, 1]), f == m
        (array([20, 10]), True)
        """
        f = FrozenMap._empty(self.key_dtype, self.value_dtype, self._settings["seed"] if seed is None else seed)
        f._freeze_map(self, threads, progress)
        return f

    def save(self, path: str | os.PathLike[str], *, threads: Threads = 1, progress: Progress | None = None) -> None:
        """Freeze the map and write that to a file, which :func:`pyhmap.open` opens; see :meth:`FrozenMap.save`.

        Takes and raises what that and :meth:`freeze` do. ``HMap(pyhmap.open(path))`` is a map to go on writing.

        >>> import os, tempfile
        >>> import pyhmap
        >>> path = os.path.join(tempfile.mkdtemp(), "squares.pyhmap")
        >>> pyhmap.HMap(int, int, {2: 4, 3: 9}).save(path)
        >>> m = pyhmap.HMap(pyhmap.open(path))
        >>> m[4] = 16
        >>> sorted(m.items())
        [(2, 4), (3, 9), (4, 16)]
        """
        freezing, saving = halves(progress)
        self.freeze(threads=threads, progress=freezing).save(path, progress=saving)
