"""What looking into a map gives: the result types of ``header()``, ``stats()``, ``layout()``, ``bucket_arrays()`` and
``occupancy()``, and the hash of words for whoever wants to know in which bucket a key lies.
"""

from pyhmap._inspect.hashes import hash_words
from pyhmap._inspect.stats import Stats
from pyhmap._inspect.views import BucketArrays, FieldLayout, Header, Occupancy

__all__ = ["BucketArrays", "FieldLayout", "Header", "Occupancy", "Stats", "hash_words"]
