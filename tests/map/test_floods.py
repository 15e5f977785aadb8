"""Floods: keys that patterns, or somebody who knows the hash, put together. What they cost beside random keys.

Counted are the buckets that look-ups visit while a map grows, its growths and its rekeyings, and how long its longest
chain is; never time. `python profiling floods` times the same floods.
"""

import os

import numpy as np
import pytest
import xxhash

from pyhmap import HMap
from pyhmap._reference.engine import ReferenceMap
from support import assert_same_rows, hash_key_of, items_of, keys_by_bucket, words_with

M64 = 2**64 - 1
LONGEST = 5  # buckets of a chain, which hold 40 keys: at 6.5 on average, the hash puts more together once in 10^19


def inserted(hmap_type, key, keys, *, pieces=16, **settings):
    """A map of these keys, and the buckets that a look-up of its keys has visited on average while it was filled."""
    m = hmap_type(key, np.int64, **settings)
    visited = []
    for piece in np.array_split(np.arange(len(keys)), pieces):
        for i in piece.tolist():
            m[keys[i]] = i
        stats = m.stats()
        visited.append(sum(n * count for n, count in enumerate(stats.probe_lengths)) / stats.count)
    assert len(m) == len(keys)
    return m, float(np.mean(visited))


def assert_like_random(hmap_type, m, visited, key, random_keys, **settings):
    """The map costs at most twice what as many random keys cost, and has grown as often."""
    like, expected = inserted(hmap_type, key, random_keys, **settings)
    assert visited <= 2 * expected
    assert m.stats().growths == like.stats().growths
    assert longest_chain(m) <= LONGEST


def longest_chain(m):
    return len(m.stats().chain_lengths) - 1


# ---- patterns --------------------------------------------------------------------------------------------------------

N = 3000
NUMBERS = np.arange(N)
GOLDEN = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio, odd: hashes that multiply by it take it for the worst
PATTERNS = {
    "dense": NUMBERS,
    "negative": -NUMBERS,
    "strided by 1000": NUMBERS * 1000,
    "strided by 3 * 2^16": NUMBERS * (3 << 16),
    "shifted by 20": NUMBERS << 20,
    "multiples of 2^32": NUMBERS << 32,
    "high bits only": NUMBERS << 50,
    "squares": NUMBERS**2,
    "bit pairs": np.array([1 << i | 1 << j for i in range(63) for j in range(i)]),
    "golden ratio": NUMBERS.astype(np.uint64) * np.uint64(GOLDEN),
    "its inverse": NUMBERS.astype(np.uint64) * np.uint64(pow(GOLDEN, -1, 2**64)),
    "32 bits": (NUMBERS << 19).astype(np.uint32),
    "floats from 1e9": NUMBERS + 1e9,
    "floats, small integers": NUMBERS.astype(float),
    "floats, powers of two": 2.0 ** np.arange(-1000, 1000),
    "floats, tenths": NUMBERS / 10,
    "floats, golden ratio": NUMBERS * 0.6180339887498949 % 1,
}


def random_keys(dtype, n, seed=1):
    """Distinct random keys of a type."""
    rng = np.random.default_rng(seed)
    if dtype == np.float64:
        return rng.random(n)
    return rng.choice(np.iinfo(dtype).max, n, replace=False) if dtype.itemsize < 8 else rng.integers(2**62, size=n)


@pytest.mark.parametrize("keys", PATTERNS.values(), ids=PATTERNS)
def test_a_pattern_costs_what_random_keys_cost(hmap_type, keys):
    m, visited = inserted(hmap_type, keys.dtype, keys, seed=1)
    assert_like_random(hmap_type, m, visited, keys.dtype, random_keys(keys.dtype, len(keys)), seed=1)
    assert m.stats().rekeys == 0


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("order", ["rows", "rows backwards", "by tophash", "half of the rows"])
def test_keys_in_the_order_of_another_map(hmap_type, seed, order):
    """Also where both have one hash key, so that keys arrive sorted by their buckets."""
    other, _ = inserted(hmap_type, np.int64, random_keys(np.dtype(np.int64), N), seed=1)
    other.finish_growth()
    arrays = other.bucket_arrays()
    if order == "by tophash":
        keys = arrays.keys.ravel()[np.argsort(arrays.tophash.ravel(), kind="stable")][-N:]
    else:
        keys = {"rows": other.keys_array(), "rows backwards": other.keys_array()[::-1]}.get(order)
        if keys is None:
            keys = other.keys_array()[: N // 2]
    m, visited = inserted(hmap_type, np.int64, keys, seed=seed)
    assert_like_random(hmap_type, m, visited, np.int64, random_keys(np.dtype(np.int64), len(keys), 3), seed=seed)
    assert m.stats().rekeys == 0


# ---- XXH64 -----------------------------------------------------------------------------------------------------------

P1, P2 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F  # of the specification of XXH64


def xxh64_family(bits):
    """4^bits keys of 16 bytes with 2^bits digests under every seed.

    XXH64 takes each word of 8 bytes into its state by h = rotl(h ^ round(word), 27) * P1 + P4. The first words vary
    those bits of their rounds which the rotation makes the top ones of h; a multiplication moves no bit down, so only
    the top bits of h vary. The second words vary the top bits of their rounds: all that the first did can be undone.
    """

    def word(wanted):  # the word whose round is this one: round(word) = rotl(word * P2, 31) * P1
        x = wanted * pow(P1, -1, 2**64) & M64
        x = (x >> 31 | x << 33) & M64
        return (x * pow(P2, -1, 2**64) & M64).to_bytes(8, "little")

    firsts = [word(pattern << 37 - bits) for pattern in range(2**bits)]
    seconds = [word(pattern << 64 - bits) for pattern in range(2**bits)]
    return [first + second for first in firsts for second in seconds]


@pytest.fixture(scope="module")
def family():
    return xxh64_family(6)


@pytest.mark.parametrize("seed", [0, 1, 2**63 + 5])
def test_the_family_has_the_square_root_of_the_digests(family, seed):
    assert len({xxhash.xxh64_intdigest(key, seed) for key in family}) == 64
    assert len(set(family)) == 4096


@pytest.mark.parametrize("key", [bytes, "V16"])
def test_the_family_costs_what_random_keys_cost(hmap_type, family, key):
    m, visited = inserted(hmap_type, key, family, seed=1)
    rng = np.random.default_rng(1)
    assert_like_random(hmap_type, m, visited, key, [rng.bytes(16) for _ in family], seed=1)
    assert m.stats().rekeys == 0


def test_the_family_in_a_map_of_xxh64_is_found_and_seen_in_the_statistics(hmap_type, family):
    """No hash key tells equal digests apart: for keys that an attacker chooses, the default hash is there."""
    m = hmap_type(bytes, np.int64, hash="xxh64", seed=1)
    m.set_many(family, np.arange(len(family)))
    assert items_of(m) == {key: i for i, key in enumerate(family)}
    assert longest_chain(m) >= 64 // 8
    assert 1 <= m.stats().rekeys <= m.stats().growths + 1
    m.check()


# ---- a seed that others know -----------------------------------------------------------------------------------------


def one_bucket(hash_key, n):
    """Keys of one bucket, in maps of up to 2^24 buckets, with tophashes of all kinds."""
    rng = np.random.default_rng(5)
    return words_with([int(high) << 24 | 9 for high in rng.choice(2**40, n, replace=False)], hash_key)


@pytest.mark.parametrize("capacity", [0, 2000])
def test_keys_of_one_bucket_move_the_map_to_another_hash_key(hmap_type, capacity):
    keys = one_bucket(hash_key_of(3), 2000)
    m = hmap_type(np.uint64, np.int64, seed=3, capacity=capacity)
    for i, key in enumerate(keys[:40].tolist()):
        m[key] = i
    assert (longest_chain(m), m.stats().rekeys) == (LONGEST, 0)

    m, visited = inserted(hmap_type, np.uint64, keys, seed=3, capacity=capacity)
    assert m.stats().rekeys == 1
    assert_like_random(
        hmap_type, m, visited, np.uint64, random_keys(np.dtype(np.int64), 2000), seed=3, capacity=capacity
    )
    assert items_of(m) == {key: i for i, key in enumerate(keys.tolist())}
    m.check()


BATCHES = {
    "set_many": lambda m, keys: m.set_many(keys, 1),
    "set_many of objects": lambda m, keys: m.set_many(keys, "1"),
    "setdefault_many": lambda m, keys: m.setdefault_many(keys, 1),
    "add_many": lambda m, keys: m.add_many(keys),
    "factorize": lambda m, keys: m.factorize(keys),
    "update": lambda m, keys: m.update(dict.fromkeys(keys.tolist(), 1)),
}


@pytest.mark.parametrize("capacity", [0, 2000])
@pytest.mark.parametrize("batch", BATCHES)
def test_a_batch_leaves_a_chain_at_its_41st_key(hmap_type, monkeypatch, batch, capacity):
    """Not at its end: a chain of all keys of a batch takes the square of their number."""
    m = hmap_type(np.uint64, object if "objects" in batch else np.int64, capacity=capacity)
    keys = one_bucket(m._state().hash_key, 2000)
    drawn_at, urandom = [], os.urandom

    def recording(n):
        drawn_at.append(len(m))
        return urandom(n)

    monkeypatch.setattr(os, "urandom", recording)
    BATCHES[batch](m, keys)
    assert set(drawn_at) == {41}
    assert m.stats().rekeys == 1
    assert m.keys() == set(keys.tolist())
    m.check()


def test_both_engines_leave_a_chain_alike():
    maps = [hmap_type(np.uint64, np.int64, seed=3) for hmap_type in (HMap, ReferenceMap)]
    keys = one_bucket(hash_key_of(3), 1000)
    others = random_keys(np.dtype(np.int64), 1000).astype(np.uint64)
    for m in maps:
        m.set_many(np.concatenate([others[:500], keys[:500]]), 1)
        m.set_many(np.stack([others[500:], keys[500:]]).T.ravel(), 2)
    assert maps[0].stats().rekeys >= 1
    assert_same_rows(*maps)


def test_keys_of_one_tophash_compare_with_the_keys_of_their_bucket_only(hmap_type):
    """The alarm does not see them. A hit visits no more buckets than usual, and compares half of the keys there."""
    low = np.random.default_rng(5).choice(2**50, N, replace=False)
    keys = words_with([0xA7 << 56 | int(bits) for bits in low], hash_key_of(3))
    m, visited = inserted(hmap_type, np.uint64, keys, seed=3)
    tophash = m.bucket_arrays().tophash
    assert set(tophash[tophash >= 5].tolist()) == {0xA7}
    assert_like_random(hmap_type, m, visited, np.uint64, random_keys(np.dtype(np.int64), N), seed=3)
    assert m.stats().hit_comparisons <= 1 + 1.2 * m.stats().load_factor / 2


def test_reading_the_order_of_a_map_does_not_flood_one_with_another_hash_key(hmap_type):
    """Keys that lie in one bucket of a map, as its iteration shows, lie anywhere in the next one."""
    known = hmap_type(np.int64, np.int64, seed=1, capacity=416)
    keys = max(keys_by_bucket(known, 60_000), key=len)
    assert len(keys) > 800
    m, visited = inserted(hmap_type, np.int64, keys, seed=2)
    assert m.stats().rekeys == 0
    assert_like_random(hmap_type, m, visited, np.int64, random_keys(np.dtype(np.int64), len(keys)), seed=2)
