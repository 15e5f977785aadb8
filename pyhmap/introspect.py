"""The result types of ``header()``, ``stats()``, ``layout()``, ``bucket_arrays()`` and ``occupancy()``; and the hash of
words, from which a program can compute the bucket of a key.
"""

from pyhmap._inspect.hashes import hash_words
from pyhmap._inspect.stats import Stats
from pyhmap._inspect.views import BucketArrays, FieldLayout, Header, Occupancy

__all__ = ["BucketArrays", "FieldLayout", "Header", "Occupancy", "Stats", "hash_words"]
