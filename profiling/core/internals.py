"""What the harness needs of pyhmap that users are not offered: the one place that names its private modules."""

from typing import Any

import numpy as np

from pyhmap import HMap
from pyhmap._engine.memory import block_memory
from pyhmap._inspect.check import free_rows
from pyhmap._inspect.state import OFFSET_BITS
from pyhmap._reference.engine import ReferenceMap
from pyhmap._reference.frozen import buckets_for
from pyhmap._reference.table import draw_hash_key, splitmix64
from pyhmap.introspect import hash_words

__all__ = [
    "OFFSET_BITS",
    "ReferenceMap",
    "block_memory",
    "buckets_for",
    "draw_hash_key",
    "field_places",
    "free_rows",
    "hash_words",
    "keys_of",
    "raw_table",
    "splitmix64",
]


def raw_table(m: HMap) -> Any:
    """A snapshot of the map's arrays as they are in memory, with its hash key."""
    return m._state()


def field_places(m: HMap) -> dict[str, tuple[int, int]]:
    """Offset and size of each field within the map's object."""
    return m._memory()


def keys_of(hashes: np.ndarray, seed: int) -> np.ndarray:
    """The int64 keys that have these hashes in a map made with a seed: the hash is a bijection, and is run backwards.

    >>> keys = keys_of(np.array([5, 6], np.uint64), 3)
    >>> hash_words(keys.view(np.uint64), draw_hash_key(splitmix64(3))).tolist()
    [5, 6]
    """
    k, m0, m1, m2 = draw_hash_key(splitmix64(seed))
    x = hashes
    for shift, multiplier in ((32, m2), (29, m1), (32, m0)):
        # Undoes x ^= x >> shift, of which two steps are enough, then the multiplication.
        x = x ^ (x >> np.uint64(shift)) ^ (x >> np.uint64(2 * shift) if 2 * shift < 64 else np.uint64(0))
        x = x * np.uint64(pow(multiplier, -1, 2**64))
    return (x ^ np.uint64(k)).view(np.int64)
