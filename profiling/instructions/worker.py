"""The counted process of ``instructions``: runs every case between two marks, for callgrind.

Owns the cases: what is built, what is called, and how many operations that is. All seeds are fixed and nothing is
timed, so a case executes the same instructions each time.
"""

import gc
import json
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow

from pyhmap import FrozenMap, HIndex, HMap
from tophash_cache import TopHashCache, xxh64

# Keys of a batch: the fixed cost of a call is then below 1 % of it, and all cases together take seconds.
SIZE = 10_000
# 13 * 2^9 keys are the most that 2^10 buckets hold: so many are in the middle of the growth to 2^11.
FULL_AT = 13 * 2**9
GROWING = FULL_AT + 50
# Calls of one key: each is some ten batch look-ups, and the count of so many is steady.
SINGLES = 2_000
# Keys of a small batch, as users loop over them: such a call is one operation, and costs more than its keys do.
FEW = 10
# Keys that come again and again, for what counts, codes and caches.
DISTINCT = 1_000
# Entries of a cache per key. The cache finds a key object by a hash of its address, and of two objects with one hash
# only the later is found so. Addresses differ between runs; with so much room, two in a thousand objects share a hash.
ROOM = 256

# How many operations, and the call that does them. What it needs is built before.
Case = tuple[int, Callable[[], Any]]


def draw(seed: int, n: int = SIZE) -> np.ndarray:
    """n distinct int64 in random order."""
    rng = np.random.default_rng(seed)
    return rng.permutation(np.unique(rng.integers(-(2**63), 2**63 - 1, size=n + 10)))[:n]


KEYS, OTHERS = draw(1), draw(2)
ORDER = np.random.default_rng(3).permutation(SIZE)
POSITIONS = np.arange(SIZE)
ASKED = KEYS[ORDER]
REPEATED = KEYS[ORDER % DISTINCT]
WORDS = [f"user:{key % 10**12:012}" for key in KEYS.tolist()]  # 17 characters


def full(keys: Any = KEYS, key_type: Any = np.int64) -> HMap:
    """A map of the keys to their positions, its growth finished."""
    m = HMap(key_type, np.int64, seed=1)
    m.set_many(keys, POSITIONS)
    m.finish_growth()
    return m


def growing() -> HMap:
    """A map in the middle of its growth."""
    m = HMap(np.int64, np.int64, seed=1)
    m.set_many(KEYS[:FULL_AT], POSITIONS[:FULL_AT])
    for position in range(FULL_AT, GROWING):  # one by one: a batch would end the growth that it begins
        m[int(KEYS[position])] = position
    header = m.header()
    if not 0 < header.nevacuate < header.oldbuckets:
        raise AssertionError(f"not in the middle of a growth: {header}")
    return m


def warm_cache(words: list[str]) -> TopHashCache:
    """A cache that holds the words, and stays switched on; no window ends while its calls are counted."""
    cache = TopHashCache(policy="always", max_entries=ROOM * len(words), window=1 << 20)
    for _ in range(20):
        call_each(cache.hash, words)
    return cache


def call_each(function: Callable[[Any], Any], keys: list[Any]) -> None:
    for key in keys:
        function(key)


def get_each(m: HMap, keys: list[Any]) -> None:
    for key in keys:
        m[key]


def set_each(m: HMap, keys: list[Any]) -> None:
    for key in keys:
        m[key] = 0


def find_each(m: HMap, keys: list[Any]) -> None:
    for key in keys:
        key in m  # noqa: B015 (what it costs is what is wanted)


def go_through(m: HMap) -> None:
    for _ in m:
        pass


def singles(keys: np.ndarray) -> list[int]:
    return keys[:SINGLES].tolist()


def frozen(keys: Any = KEYS, key_type: Any = np.int64) -> FrozenMap:
    return full(keys, key_type).freeze()


def few(call: Callable[[np.ndarray], Any]) -> Case:
    """Call with few keys at a time."""
    batches = list(ASKED.reshape(-1, FEW))
    return len(batches), lambda: call_each(call, batches)


def set_few(m: HMap) -> Case:
    values = POSITIONS[:FEW]
    return few(lambda keys: m.set_many(keys, values))


def freeze() -> Case:
    m = full()
    return SIZE, m.freeze


def get_many(m: HMap | FrozenMap, keys: Any, *default: int) -> Case:
    """Look up a batch; the other cases are built alike, map and keys before the call that is counted."""
    return len(keys), lambda: m.get_many(keys, *default)


def set_many(m: HMap) -> Case:
    return SIZE, lambda: m.set_many(ASKED, POSITIONS)


def lookup_many() -> Case:
    keys = np.arange(SIZE, dtype=np.int32)
    m, asked = full(keys, np.int32), keys[ORDER]
    return SIZE, lambda: m.lookup_many(asked)


def add_many() -> Case:
    m = HMap(np.int64, np.int64, seed=1)
    return SIZE, lambda: m.add_many(REPEATED)


def factorize() -> Case:
    m = HMap(np.int64, np.int64, seed=1)
    return SIZE, lambda: m.factorize(REPEATED)


def discard_many() -> Case:
    m = full()
    return SIZE, lambda: m.discard_many(ASKED)


def get_single(keys: list[Any], key_type: Any, make: Callable[..., Any] = full) -> Case:
    m, asked = make(keys, key_type), [keys[i] for i in ORDER[:SINGLES]]
    return SINGLES, lambda: get_each(m, asked)


def set_single() -> Case:
    m, keys = HMap(np.int64, np.int64, seed=1), singles(KEYS)
    return SINGLES, lambda: set_each(m, keys)


def contains_single() -> Case:
    m, keys = full(), singles(OTHERS)
    return SINGLES, lambda: find_each(m, keys)


def iterate() -> Case:
    m = full()
    return SIZE, lambda: go_through(m)


def index(keys: Any = KEYS, key_type: Any = np.int64) -> HIndex:
    return HIndex(key_type, keys, seed=1)


def encode(ix: HIndex, keys: Any) -> Case:
    return len(keys), lambda: ix.encode(keys)


def decode() -> Case:
    ix = index()
    return SIZE, lambda: ix.decode(ORDER)


def cache_hit(copy: Callable[[str], str]) -> Case:
    words = WORDS[:DISTINCT]
    cache, asked = warm_cache(words), [copy(word) for word in words]
    return DISTINCT, lambda: call_each(cache.hash, asked)


def direct_hash() -> Case:
    return SINGLES, lambda: call_each(xxh64, WORDS[:SINGLES])


def hash_many() -> Case:
    cache = TopHashCache()
    return SIZE, lambda: cache.hash_many(WORDS)


CASES: dict[str, Callable[[], Case]] = {
    "get_many, int64, hit": lambda: get_many(full(), ASKED),
    "get_many, int64, hit, in mid-growth": lambda: get_many(growing(), KEYS[:GROWING]),
    "get_many, int64, miss": lambda: get_many(full(), OTHERS, -1),
    "get_many, float64, hit": lambda: get_many(full(KEYS.astype(np.float64), np.float64), ASKED.astype(np.float64)),
    "get_many, str of 17, Arrow": lambda: get_many(full(WORDS, str), pyarrow.array(WORDS)),
    "get_many, str of 17, list": lambda: get_many(full(WORDS, str), WORDS),
    "lookup_many, int32, hit": lookup_many,
    "set_many, int64, growing from empty": lambda: set_many(HMap(np.int64, np.int64, seed=1)),
    "set_many, int64, replacing": lambda: set_many(full()),
    "add_many, int64": add_many,
    "factorize, int64": factorize,
    "discard_many, int64": discard_many,
    "get_many, int64, 10 keys, per call": lambda: few(full().get_many),
    "lookup_many, int64, 10 keys, per call": lambda: few(full().lookup_many),
    "contains_many, int64, 10 keys, per call": lambda: few(full().contains_many),
    "set_many, int64, 10 keys, per call": lambda: set_few(full()),
    "add_many, int64, 10 keys, per call": lambda: few(full().add_many),
    "discard_many, int64, 10 keys, per call": lambda: few(full().discard_many),
    "m[k], int64, hit": lambda: get_single(KEYS.tolist(), np.int64),
    "m[k], str of 17, hit": lambda: get_single(WORDS, str),
    "m[k], object, hit": lambda: get_single(WORDS, object),
    "m[k] = v, int64, growing from empty": set_single,
    "k in m, int64, miss": contains_single,
    "for k in m, int64": iterate,
    "freeze, int64": freeze,
    "get_many, frozen, int64, hit": lambda: get_many(frozen(), ASKED),
    "get_many, frozen, int64, miss": lambda: get_many(frozen(), OTHERS, -1),
    "get_many, frozen, str of 17, Arrow": lambda: get_many(frozen(WORDS, str), pyarrow.array(WORDS)),
    "get_many, frozen, int64, 10 keys, per call": lambda: few(frozen().get_many),
    "f[k], frozen, int64, hit": lambda: get_single(KEYS.tolist(), np.int64, frozen),
    "encode, int64, known": lambda: encode(index(), ASKED),
    "encode, int64, new": lambda: encode(HIndex(np.int64, seed=1), ASKED),
    "encode, int64, 10 keys, known, per call": lambda: few(index().encode),
    "encode, str of 17, Arrow, known": lambda: encode(index(WORDS, str), pyarrow.array(WORDS)),
    "decode, int64": decode,
    "TopHashCache.hash, str of 17, the object held": lambda: cache_hit(str),
    "TopHashCache.hash, str of 17, an equal object": lambda: cache_hit(lambda word: word[:1] + word[1:]),
    "xxh64, str of 17": direct_hash,
    "hash_many, str of 17, list": hash_many,
}


def main() -> None:
    """Run each case and print, as JSON, how many operations each was, in the order of their counts."""
    operations = {}
    for name, build in CASES.items():
        build()[1]()  # what happens once in a process, such as imports at a first call, is no part of a count
        operations[name], call = build()
        gc.collect()
        bytes(100_000)  # malloc tidies what was freed before when a large block is next wanted: not in the count either
        gc.disable()
        os.getppid()  # the mark: callgrind writes down and zeroes its counters whenever this is called
        call()
        os.getppid()
        gc.enable()
    print(json.dumps(operations))


if __name__ == "__main__":
    main()
