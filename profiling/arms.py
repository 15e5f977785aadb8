"""The arms that the table compares: five ways to hash the keys of a request, and the request itself.

Owns what one operation does. Imports numpy, xxhash, and the two packages under test.

One operation is a request of 40 identifiers: hash each, look its digest up in a map of digest to code,
count the code in a table. All arms do the same work and must reach the same counts.

Each arm has exactly one function named ``hash_keys``, called once a request, and nothing else hashes. A
profiler can then attribute hashing by that name. A function per key would be easier to read in a
profile, but it would add a Python call to each of 40 keys and hide the very cost that is compared; and
the batch arm could not have it. The comprehension inside ``hash_keys`` counts as hashing in every arm
alike. What a digest costs later, when it is freed, does not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xxhash

import pyhmap
import tophash_cache

Keys = list[str]


@dataclass(frozen=True)
class Arm:
    """One arm, ready to run: its hash function, its request function, and the state they fill."""

    hash_keys: Callable[[Keys], Sequence[int] | np.ndarray]
    request: Callable[[Keys], None]
    counts: Any  # occurrences of each code: a list, or an int64 array in the batch arm
    cache: tophash_cache.TopHashCache | None


def hash_objects() -> Callable[[Keys], list[int]]:
    """The article's "before": a conversion and a hash object for each key."""
    hash_object = xxhash.xxh64

    def hash_keys(keys: Keys) -> list[int]:
        return [hash_object(key.encode()).intdigest() for key in keys]

    return hash_keys


def hash_one_by_one(hash_key: Callable[[str], int]) -> Callable[[Keys], list[int]]:
    """One call a key, of a function that takes the ``str`` as it is."""

    def hash_keys(keys: Keys) -> list[int]:
        return [hash_key(key) for key in keys]

    return hash_keys


def hash_oneshot() -> Callable[[Keys], list[int]]:
    """The second, harder "before": the package's one-shot call, which makes no hash object."""
    oneshot = xxhash.xxh64_intdigest

    def hash_keys(keys: Keys) -> list[int]:
        return [oneshot(key.encode()) for key in keys]

    return hash_keys


def hash_batch(cache: tophash_cache.TopHashCache) -> Callable[[Keys], np.ndarray]:
    """All keys of a request in one call."""
    hash_many = cache.hash_many

    def hash_keys(keys: Keys) -> np.ndarray:
        return hash_many(keys)

    return hash_keys


def count_one_by_one(hash_keys: Callable[[Keys], list[int]], code_of: Any, counts: list[int]) -> Callable[[Keys], None]:
    """The request of every arm but the batch."""

    def request(keys: Keys) -> None:
        for digest in hash_keys(keys):
            counts[code_of[digest]] += 1

    return request


def count_batch(hash_keys: Callable[[Keys], np.ndarray], code_of: Any, counts: np.ndarray) -> Callable[[Keys], None]:
    """The batch arm's request: arrays from end to end."""
    get_many, add_at = code_of.get_many, np.add.at

    def request(keys: Keys) -> None:
        add_at(counts, get_many(hash_keys(keys)), 1)

    return request


# "before2" is the null arm: the same code as "before", which must come out as no different.
NAMES = ("before", "before2", "oneshot", "cache", "direct", "batch")


def build(name: str, vocabulary: list[str], *, seed: int) -> Arm:
    """Build an arm over a map that already holds the code of every identifier.

    ``seed`` makes the map reproducible. Codes are positions in ``vocabulary``. Raises ``ValueError`` for
    an unknown name.
    """
    if name not in NAMES:
        raise ValueError(f"unknown arm {name!r}: choose one of {', '.join(NAMES)}")
    digests = np.array([xxhash.xxh64_intdigest(word.encode()) for word in vocabulary], np.uint64)
    code_of = pyhmap.HMap(np.uint64, np.int64, seed=seed)
    code_of.set_many(digests, np.arange(len(vocabulary)))
    code_of.finish_growth()  # otherwise the arms would also measure how far the growth had come

    cache = tophash_cache.TopHashCache() if name in ("cache", "batch") else None
    if name == "batch":
        hash_batched = hash_batch(cache)
        table = np.zeros(len(vocabulary), np.int64)
        return Arm(hash_batched, count_batch(hash_batched, code_of, table), table, cache)
    if name == "cache":
        hash_keys = hash_one_by_one(cache.hash)
    elif name == "direct":
        hash_keys = hash_one_by_one(tophash_cache.xxh64)
    elif name == "oneshot":
        hash_keys = hash_oneshot()
    else:
        hash_keys = hash_objects()
    counts = [0] * len(vocabulary)
    return Arm(hash_keys, count_one_by_one(hash_keys, code_of, counts), counts, cache)
