"""The public map: the compiled engine with the dict surface."""

from __future__ import annotations

from typing import Any

from pyhmap._engine.map import HMapEngine
from pyhmap._mapping.mapping import MapMethods


class HMap(HMapEngine, MapMethods):
    """A hash map from one dtype to another, stored in NumPy arrays.

    Parameters
    ----------
    key, value
        ``str``, ``bytes``, ``object``, or a dtype as ``np.dtype`` takes it. Keys: ints, floats, bool, datetime64 and
        timedelta64 of a unit, fixed S, U and V, and structured dtypes, whose keys are tuples. Values: every dtype of a
        fixed size.
    items
        A mapping, or an iterable of (key, value) pairs.
    capacity
        Keys to make room for, so that inserting them causes no growth. ``ValueError`` below 0, ``OverflowError`` above
        6,979,321,856 (2**30 buckets at 6.5 keys each).
    hash
        ``None``: the keyed hash of the key type. ``"xxh64"``: faster for texts (``str``, ``bytes``, S, U, V and
        structured keys), but whoever chooses the keys can make them collide.
    seed
        An int makes the map's layout reproducible. Without it the key of the hash comes from ``os.urandom``, so nobody
        can prepare keys that collide.
    hash_cache
        A ``tophash_cache.TopHashCache``, for ``str`` or ``bytes`` keys of ``hash="xxh64"``: calls with a single key
        take its digest from there (of ``str`` keys if it is ASCII), batches hash directly. Nothing else changes. The
        map keeps the cache alive; copies and pickles of the map have none.

    It behaves as a ``dict`` does, except that iteration is in the order of the table, that a key or value the dtype
    cannot hold raises ``TypeError`` or ``OverflowError`` (also in look-ups), that all NaN are one key, and that -0.0
    is stored as 0.0. The calls ending in ``_many`` take and return arrays and work without the GIL.

    The design is that of Go's classic map (``src/runtime/map.go``, up to Go 1.23).

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
        value: Any,
        items: Any = None,
        /,
        *,
        capacity: int = 0,
        hash: str | None = None,
        seed: int | None = None,
        hash_cache: object = None,
    ) -> None:
        super().__init__(key, value, capacity=capacity, hash=hash, seed=seed, hash_cache=hash_cache)
        if items is not None:
            self.update(items)
