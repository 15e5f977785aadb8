"""Rekeying: a chain that is too long for a random hash moves the map to another hash key, once per size."""

import numpy as np
import pytest
import xxhash

from pyhmap import HMap
from pyhmap._reference.engine import ReferenceMap
from pyhmap.introspect import hash_words
from support import assert_same_rows, items_of, keys_by_bucket


def crafted(m, n=45):
    """Keys that this map puts into one bucket. They can be found because the seed is known."""
    return max(keys_by_bucket(m, n * m.header().buckets * 2), key=len)[:n]


def longest_chain(m):
    return len(m.stats().chain_lengths) - 1


@pytest.mark.parametrize("in_bulk", [False, True])
def test_the_41st_key_of_a_bucket_is_an_alarm(hmap_type, in_bulk):
    m = hmap_type(np.int64, np.int64, capacity=416, seed=3)
    keys = crafted(m)
    before = m._state().hash_key
    m.set_many(keys[:40], 1)
    assert (longest_chain(m), m.stats().rekeys, m._state().hash_key) == (5, 0, before)
    if in_bulk:
        m.set_many(keys[40:], 1)
    else:
        m[keys[40]] = 1
        assert m.stats().rekeys == 1
        m.update(dict.fromkeys(keys[40:], 1))
    assert m.stats().rekeys == 1
    assert not set(m._state().hash_key) & set(before)
    assert longest_chain(m) <= 2
    assert items_of(m) == dict.fromkeys(keys, 1)
    m.check()


def test_once_at_each_size(hmap_type):
    m = hmap_type(np.int64, np.int64, capacity=416, seed=3)
    first = crafted(m)
    m.set_many(first, 1)
    assert m.stats().rekeys == 1
    second = [key for key in crafted(m, 60) if key not in first]
    m.set_many(second, 2)
    assert longest_chain(m) >= 6
    assert m.stats().rekeys == 1
    m.check()
    m.update((10**9 + i, 3) for i in range(416))
    m.finish_growth()
    third = [key for key in crafted(m, 80) if key not in m]
    m.set_many(third, 4)
    assert m.stats().rekeys == 2
    m.check()
    assert all(m[key] == 4 for key in third)


def test_iterators_end(hmap_type):
    m = hmap_type(np.int64, np.int64, capacity=416, seed=3)
    keys = crafted(m)
    m.set_many(keys[:40], 1)
    iterator = iter(m)
    m[keys[40]] = 1
    with pytest.raises(RuntimeError, match="changed size"):
        next(iterator)


def test_in_the_middle_of_a_growth(hmap_type):
    m = hmap_type(np.int64, np.int64, seed=3)
    m.update((10**9 + i, 0) for i in range((13 << 5) + 1))
    assert m.header().oldbuckets == 64
    keys = crafted(m, 60)
    for key in keys:
        m[key] = 1
        m.check()
    assert m.stats().rekeys == 1
    assert m.header().oldbuckets == 0
    assert all(m[key] == 1 for key in keys)


def test_both_engines_rekey_alike():
    maps = [hmap_type(np.int64, np.int64, capacity=416, seed=3) for hmap_type in (HMap, ReferenceMap)]
    keys = crafted(maps[0])
    for m in maps:
        m.set_many(keys[:30], 1)
        for key in keys[30:]:
            m[key] = key
    assert_same_rows(*maps)


def test_texts_rekey_too(hmap_type):
    """With XXH64: keys of one bucket, which can be found because the hash key is known."""
    m = hmap_type(bytes, np.int64, hash="xxh64", seed=1, capacity=416)
    candidates = [b"%d" % i for i in range(4000)]
    digests = np.array([xxhash.xxh64_intdigest(key) for key in candidates], np.uint64)
    hashes = hash_words(digests, m._state().hash_key)
    keys = [key for key, hash_ in zip(candidates, hashes.tolist(), strict=True) if hash_ % 64 == 9][:45]
    m.set_many(keys, 1)
    assert m.stats().rekeys == 1
    assert longest_chain(m) <= 2
    assert items_of(m) == dict.fromkeys(keys, 1)
    m.check()


class Same:
    def __hash__(self):
        return 1


def test_objects_of_one_hash_do_not_rekey(hmap_type):
    """No hash key distinguishes them; they are found nevertheless."""
    m = hmap_type(object, np.int64)
    same = [Same() for _ in range(60)]
    for i, key in enumerate(same):
        m[key] = i
    assert m.stats().rekeys == 0
    assert [m[key] for key in same] == list(range(60))
    m.check()
