"""Looking into a map: the types that ``header()``, ``stats()``, ``layout()``, ``bucket_arrays()`` and ``occupancy()``
return, the state they are read from, and the hashes of the map in NumPy.

Call the methods of a map, such as ``m.check()``. The functions here that take a ``raw`` work on a state that was read
before. Only ``m._state()`` reads one: it is private, and may change in any release.
"""

from pyhmap._inspect.check import check
from pyhmap._inspect.hashes import hash_words, key_hashes, siphash13, siphash13_many, text_bytes, tophashes
from pyhmap._inspect.state import SAME_SIZE_GROW, SLOTS, RawBuckets, RawTable, RawTexts, slot_dtype
from pyhmap._inspect.stats import Stats, stats
from pyhmap._inspect.views import (
    BucketArrays,
    FieldLayout,
    Header,
    Occupancy,
    bucket_arrays,
    header,
    layout,
    occupancy,
)

__all__ = [
    "SAME_SIZE_GROW",
    "SLOTS",
    "BucketArrays",
    "FieldLayout",
    "Header",
    "Occupancy",
    "RawBuckets",
    "RawTable",
    "RawTexts",
    "Stats",
    "bucket_arrays",
    "check",
    "hash_words",
    "header",
    "key_hashes",
    "layout",
    "occupancy",
    "siphash13",
    "siphash13_many",
    "slot_dtype",
    "stats",
    "text_bytes",
    "tophashes",
]
