"""Hash keys that do not work for a frozen map's keys: they are seen, and another one is drawn.

A seed makes the hash keys known, and the hash of words can be run backwards. So keys can be chosen that have any hashes
under the first hash key of a seed. Under the next one they are like random keys.
"""

import numpy as np
import pytest

from pyhmap import FrozenMap, HMap
from pyhmap._engine import freeze
from pyhmap._reference import frozen as reference
from support import hash_key_of, words_with

SEED = 3
MAX_DRAWS = 100  # as in _engine/freeze.pyx


def one_part(n, rng):
    """n hashes that all come to the first of three parts."""
    assert n // reference.PART_KEYS + 1 == 3
    return rng.integers(0, 2**64 // 3, n, np.uint64)


def one_bucket(n, rng, buckets, parts=1):
    """n hashes that all come to the first bucket of the first part."""
    low = np.arange(n, dtype=np.uint64)
    assert n <= 2**32 // buckets
    return rng.integers(0, 2**32 // parts, n, np.uint64) << np.uint64(32) | low


# ---- one part, from its hashes ---------------------------------------------------------------------------------------

MANY = 5000  # keys: so few of them come to a slot of a large bucket that it finds a pilot


def random_hashes(n, seed=1):
    return np.random.default_rng(seed).integers(0, 2**64, n, np.uint64)


def with_bucket_of(size):
    """Hashes of which so many come to the first bucket."""
    buckets = reference.buckets_for(MANY)
    others = random_hashes(MANY - size)
    others[others % 2**32 < 2**32 // buckets + 1] += np.uint64(2**31)
    return np.concatenate([others, one_bucket(size, np.random.default_rng(2), buckets)])


def test_a_part_with_the_same_hash_twice_is_not_built():
    hashes = random_hashes(MANY)
    assert freeze.build_one_part(hashes) is not None
    assert freeze.build_one_part(np.append(hashes[:-1], hashes[7])) is None


def test_hashes_that_differ_in_one_bit_are_told_apart():
    hashes = random_hashes(MANY)
    hashes[0] = hashes[1] ^ np.uint64(1 << 63)
    hashes[2] = hashes[3] ^ np.uint64(1)
    assert freeze.build_one_part(hashes) is not None


@pytest.mark.parametrize(("size", "is_built"), [(reference.BUCKET_MAX, True), (reference.BUCKET_MAX + 1, False)])
def test_a_bucket_has_a_limited_number_of_keys(size, is_built):
    hashes = with_bucket_of(size)
    at = [reference.bucket_of(h, reference.buckets_for(MANY)) for h in hashes.tolist()]
    assert np.bincount(at).max() == at.count(0) == size
    assert (freeze.build_one_part(hashes) is not None) == is_built


def test_a_bucket_with_all_keys_has_no_pilot():
    n = reference.BUCKET_MAX
    hashes = one_bucket(n, np.random.default_rng(2), reference.buckets_for(n))
    assert len(set(hashes.tolist())) == n
    assert freeze.build_one_part(hashes) is None


# ---- whole maps ------------------------------------------------------------------------------------------------------


def keys_for(hashes_by_draw):
    """The keys that have some hashes under the first hash key of the seed, others under the second, and so on."""
    return np.concatenate([words_with(each, hash_key_of(SEED, draw)) for draw, each in enumerate(hashes_by_draw)])


def in_buckets(draws, size):
    """For each of so many draws, as many hashes of one bucket."""
    rng, buckets = np.random.default_rng(3), reference.buckets_for(draws * size)
    return [one_bucket(size, rng, buckets) for _ in range(draws)]


FLOODS = {
    "a part is overfull": lambda: [one_part(2 * reference.PART_KEYS + 9, np.random.default_rng(3))],
    "a bucket is too large": lambda: in_buckets(1, reference.BUCKET_MAX + 1),
    "a bucket has no pilot": lambda: in_buckets(1, reference.BUCKET_MAX),
    "two hash keys fail": lambda: in_buckets(2, reference.BUCKET_MAX + 1),
    "nine hash keys fail": lambda: in_buckets(9, reference.BUCKET_MAX + 1),
}


def freeze_map(keys, seed, **settings):
    m = HMap(np.uint64, np.int64, seed=77)
    m.set_many(keys, np.arange(len(keys)))
    f = m.freeze(seed=seed, **settings)
    m.check()
    return f


def from_arrays(keys, seed, **settings):
    return FrozenMap.from_arrays(keys, np.arange(len(keys)), seed=seed, **settings)


def assert_found(f, keys):
    assert f.get_many(keys).tolist() == list(range(len(keys)))
    assert not f.contains_many(keys ^ np.uint64(1 << 40)).any()
    f.check()


ways = pytest.mark.parametrize("way", [freeze_map, from_arrays])


@pytest.mark.parametrize("flood", FLOODS)
@ways
def test_another_hash_key_is_drawn(way, flood):
    hashes_by_draw = FLOODS[flood]()
    keys = keys_for(hashes_by_draw)
    assert len(set(keys.tolist())) == len(keys)
    for draw in range(len(hashes_by_draw)):
        assert reference.build(reference.hashes_of(keys.tolist(), hash_key_of(SEED, draw))) is None
    f = way(keys, SEED)
    assert f._sections()[0] == hash_key_of(SEED, len(hashes_by_draw))
    assert_found(f, keys)


@pytest.mark.parametrize("threads", [1, 2, 3])
@ways
def test_a_thread_whose_part_cannot_be_built_ends_the_others(way, threads):
    n = 100_000
    parts = n // reference.PART_KEYS + 1
    buckets = reference.buckets_for(-(-n // parts))
    bucket = one_bucket(reference.BUCKET_MAX + 1, np.random.default_rng(4), buckets, parts)
    keys = keys_for([np.concatenate([bucket, random_hashes(n - len(bucket))])])
    f = way(keys, SEED, threads=threads)
    assert f._sections()[0] == hash_key_of(SEED, 1)
    assert_found(f, keys)


@pytest.mark.parametrize("flood", FLOODS)
@ways
def test_a_seed_that_nobody_knows_cannot_be_flooded(way, flood):
    keys = keys_for(FLOODS[flood]())
    assert_found(way(keys, None), keys)


@ways
def test_keys_against_every_hash_key_of_a_seed_are_refused_in_the_end(way):
    keys = keys_for(in_buckets(MAX_DRAWS, reference.BUCKET_MAX + 1))
    with pytest.raises(RuntimeError, match="no hash key of 100 works"):
        way(keys, SEED)
    assert_found(way(keys, SEED + 1), keys)


@ways
def test_all_but_the_last_hash_key(way):
    keys = keys_for(in_buckets(MAX_DRAWS - 1, reference.BUCKET_MAX + 1))
    f = way(keys, SEED)
    assert f._sections()[0] == hash_key_of(SEED, MAX_DRAWS - 1)
    assert_found(f, keys)
