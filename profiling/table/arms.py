"""The arms that the table compares: ways to hash the keys of a request, and the request itself.

Owns what one operation does.

One operation is a request of 40 keys: hash each, look its digest up in a map of digest to code, count the code in a
table. All arms do the same work and must reach the same counts.

Each arm has exactly one function named ``hash_keys``, called once per request, and nothing else hashes. So a profiler
can attribute hashing by that name. A function per key would be easier to read in a profile, but would add a Python call
to each of 40 keys and hide the cost that is compared; and the batch arm could not have one. The comprehension inside
``hash_keys`` counts as hashing in every arm. Freeing a digest later does not.

The arm ``inside`` has no such function: its map takes the keys themselves and hashes them where it looks them up, with
the cache in between. So it has a time and allocations, but no share.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xxhash

import pyhmap
import tophash_cache

Key = str | bytes
Keys = list[Key]
Digests = Sequence[int] | np.ndarray


@dataclass(frozen=True)
class Arm:
    """One arm, ready to run: its hash function, its request function, and the state they fill."""

    hash_keys: Callable[[Keys], Digests]
    request: Callable[[Keys], None]
    # The request without its hashing, for digests made beforehand, which it takes out of a list of one: so they are
    # freed where a request frees its own. None where hashing cannot be taken out.
    count_only: Callable[[list[Digests]], None] | None
    counts: Any  # occurrences of each code: a list, or an int64 array in the batch arm
    cache: tophash_cache.TopHashCache | None


def hash_objects(of_bytes: bool) -> Callable[[Keys], list[int]]:
    """The article's "before": a conversion and a hash object for each key; bytes need no conversion."""
    hash_object = xxhash.xxh64
    if of_bytes:

        def hash_keys(keys: Keys) -> list[int]:
            return [hash_object(key).intdigest() for key in keys]

    else:

        def hash_keys(keys: Keys) -> list[int]:
            return [hash_object(key.encode()).intdigest() for key in keys]

    return hash_keys


def hash_oneshot(of_bytes: bool) -> Callable[[Keys], list[int]]:
    """The second, harder "before": the package's one-shot call, which makes no hash object."""
    oneshot = xxhash.xxh64_intdigest

    def hash_keys(keys: Keys) -> list[int]:
        return [oneshot(key.encode()) for key in keys]

    return hash_one_by_one(oneshot) if of_bytes else hash_keys


def hash_one_by_one(hash_key: Callable[[Key], int]) -> Callable[[Keys], list[int]]:
    """One call per key, of a function that takes the key as it is."""

    def hash_keys(keys: Keys) -> list[int]:
        return [hash_key(key) for key in keys]

    return hash_keys


def hash_batch(cache: tophash_cache.TopHashCache) -> Callable[[Keys], np.ndarray]:
    """All keys of a request in one call."""
    hash_many = cache.hash_many

    def hash_keys(keys: Keys) -> np.ndarray:
        return hash_many(keys)

    return hash_keys


def no_hash(box: list[Digests]) -> Digests:
    """Stands in for ``hash_keys`` when hashing is taken out: gives digests away that were made beforehand."""
    return box.pop()


def count_one_by_one(hash_keys: Callable[[Any], Any], code_of: Any, counts: list[int]) -> Callable[[Any], None]:
    """The request of every arm but the batch."""

    def request(keys: Any) -> None:
        for digest in hash_keys(keys):
            counts[code_of[digest]] += 1

    return request


def count_batch(hash_keys: Callable[[Any], Any], code_of: Any, counts: np.ndarray) -> Callable[[Any], None]:
    """The batch arm's request: arrays from end to end."""
    get_many, add_at = code_of.get_many, np.add.at

    def request(keys: Any) -> None:
        add_at(counts, get_many(hash_keys(keys)), 1)

    return request


def count_inside(code_of: Any, counts: list[int]) -> Callable[[Keys], None]:
    """The request of the arm ``inside``: the map takes the key."""

    def request(keys: Keys) -> None:
        for key in keys:
            counts[code_of[key]] += 1

    return request


# The cache of the article: on while its hit rate is above 85 %, whatever its hits cost. By default a cache also goes
# by what they cost, and on these keys, which are new objects, would be off.
CACHE: dict[str, Any] = {"policy": "hit-rate"}

# "before2" is the null arm: the same code as "before", which must come out as no different.
NAMES = ("before", "before2", "oneshot", "cache", "inside", "direct", "batch")


def missing(name: str) -> str | None:
    """Why an arm cannot be built with these packages, or None."""
    if name != "inside":
        return None
    try:
        pyhmap.HMap(str, np.int64, hash="xxh64", hash_cache=tophash_cache.TopHashCache())
    except TypeError:
        return "this HMap takes no hash_cache; build a newer pyhmap"
    return None


def build(name: str, vocabulary: Keys, *, seed: int) -> Arm:
    """Build an arm over a map that already holds the code of every key.

    ``seed`` makes the map reproducible. Codes are positions in ``vocabulary``, whose keys are all ``str`` or all
    ``bytes``. Raises ``ValueError`` for an unknown name.
    """
    if name not in NAMES:
        raise ValueError(f"unknown arm {name!r}: choose one of {', '.join(NAMES)}")
    of_bytes = isinstance(vocabulary[0], bytes)
    counts = [0] * len(vocabulary)
    if name == "inside":
        cache = tophash_cache.TopHashCache(**CACHE)
        kind = bytes if of_bytes else str
        inside = pyhmap.HMap(kind, np.int64, hash="xxh64", hash_cache=cache, seed=seed)
        inside.set_many(vocabulary, np.arange(len(vocabulary)))
        inside.finish_growth()
        return Arm(hash_one_by_one(tophash_cache.xxh64), count_inside(inside, counts), None, counts, cache)

    digests = np.array([tophash_cache.xxh64(key) for key in vocabulary], np.uint64)
    code_of = pyhmap.HMap(np.uint64, np.int64, seed=seed)
    code_of.set_many(digests, np.arange(len(vocabulary)))
    code_of.finish_growth()  # otherwise the arms would also measure how far the growth had come

    cache = tophash_cache.TopHashCache(**CACHE) if name in ("cache", "batch") else None
    if name == "batch":
        hash_batched = hash_batch(cache)
        table = np.zeros(len(vocabulary), np.int64)
        request, count_only = (count_batch(hashing, code_of, table) for hashing in (hash_batched, no_hash))
        return Arm(hash_batched, request, count_only, table, cache)
    if name == "cache":
        hash_keys = hash_one_by_one(cache.hash)
    elif name == "direct":
        hash_keys = hash_one_by_one(tophash_cache.xxh64)
    elif name == "oneshot":
        hash_keys = hash_oneshot(of_bytes)
    else:
        hash_keys = hash_objects(of_bytes)
    request, count_only = (count_one_by_one(hashing, code_of, counts) for hashing in (hash_keys, no_hash))
    return Arm(hash_keys, request, count_only, counts, cache)
