"""A hash map over NumPy arrays: a ``dict`` for millions of typed keys, with batch look-ups and an inspectable table.

>>> import numpy as np
>>> from pyhmap import HMap
>>> ids = np.arange(0, 1_000_000, 7)
>>> m = HMap.from_arrays(ids, np.sqrt(ids))
>>> m[49], m.get_many(np.array([0, 7, 8]), default=np.nan).round(2).tolist()
(7.0, [0.0, 2.65, nan])
"""

from pyhmap._release import VERSION
from pyhmap.datasets import Dataset, build_dataset, open_dataset
from pyhmap.enricher import Enricher
from pyhmap.errors import CorruptMapError, FileFormatError, NilMapError
from pyhmap.expiring_map import ExpiringMap
from pyhmap.expiring_set import ExpiringSet
from pyhmap.files import build_file, check_file, open
from pyhmap.frozen import FrozenMap
from pyhmap.frozen_index import FrozenIndex
from pyhmap.frozen_set import FrozenSet
from pyhmap.generations import Publisher, Subscriber
from pyhmap.hindex import HIndex
from pyhmap.hmap import HMap
from pyhmap.hset import HSet
from pyhmap.nil import nil

__all__ = [
    "CorruptMapError",
    "Dataset",
    "Enricher",
    "ExpiringMap",
    "ExpiringSet",
    "FileFormatError",
    "FrozenIndex",
    "FrozenMap",
    "FrozenSet",
    "HIndex",
    "HMap",
    "HSet",
    "NilMapError",
    "Publisher",
    "Subscriber",
    "build_dataset",
    "build_file",
    "check_file",
    "nil",
    "open",
    "open_dataset",
]
__version__ = VERSION
