"""A map whose single-key calls take the hash from a cache has the rows and results of a map without a cache."""

import copy
import pickle

import numpy as np
import pytest

from pyhmap import HMap
from pyhmap._reference.engine import ReferenceMap
from support import assert_same_rows, items_of
from tophash_cache import TopHashCache

WORDS = ["", "a", "user:42", "x" * 12, "x" * 13, "y" * 40, "ключ", "with\0nul", "\ud800"]


@pytest.fixture(params=[str, bytes])
def kind(request):
    return request.param


@pytest.fixture
def keys(kind):
    words = [*WORDS, *(f"key {number}" for number in range(500))]
    return words if kind is str else [word.encode("utf-8", "surrogatepass") for word in words]


def cache_in(state):
    return TopHashCache(enabled=state != "off", max_entries=16, window=64, policy="always")


def test_no_cache_changes_a_row(kind, keys):
    """The same calls on a map with a cache, without one, and on the reference leave the same bytes."""
    maps = [
        HMap(kind, np.int64, hash="xxh64", hash_cache=cache_in("on"), seed=3),
        HMap(kind, np.int64, hash="xxh64", seed=3),
        ReferenceMap(kind, np.int64, hash="xxh64", hash_cache=cache_in("on"), seed=3),
    ]
    for m in maps:
        for number, key in enumerate(keys):
            m[key] = number
        for key in keys[::3]:
            del m[key]
        m.set_many(keys[::6], 7)
        assert m.pop(keys[1]) == 1
        assert m.setdefault(keys[1], 9) == 9
    assert_same_rows(maps[0], maps[1])
    assert_same_rows(maps[0], maps[2])
    maps[0].check()


@pytest.mark.parametrize("state", ["on", "off"])
def test_single_and_batch_calls_find_one_another_s_keys(kind, keys, state):
    m = HMap(kind, np.int64, hash="xxh64", hash_cache=cache_in(state))
    half = len(keys) // 2
    for number, key in enumerate(keys[:half]):
        m[key] = number
    m.set_many(keys[half:], np.arange(half, len(keys)))
    assert [m[key] for key in keys] == m.get_many(keys).tolist() == list(range(len(keys)))
    assert all(key in m for key in keys)
    assert keys[0] + keys[3] + keys[3] not in m
    m.compact()
    assert items_of(m) == {key: number for number, key in enumerate(keys)}
    while m:
        key, number = m.popitem()
        assert keys[number] == key
        assert m.get(key) is None


def test_look_ups_come_from_the_cache(kind):
    cache = TopHashCache()
    m = HMap(kind, np.int64, hash="xxh64", hash_cache=cache)
    key = "user:42" if kind is str else b"user:42"
    m[key] = 1
    for _ in range(3):
        assert m[key] == 1
    assert cache.cache_info()[:2] == (3, 1)
    m.get_many([key])
    assert cache.cache_info()[:2] == (3, 1)


def test_a_cache_may_be_switched_and_cleared_while_maps_use_it(kind, keys):
    cache = cache_in("on")
    maps = [HMap(kind, np.int64, hash="xxh64", hash_cache=cache) for _ in range(2)]
    for number, key in enumerate(keys):
        (cache.disable, cache.enable, cache.clear)[number % 3]()
        for m in maps:
            m[key] = number
    for m in maps:
        assert [m[key] for key in keys] == list(range(len(keys)))


@pytest.mark.parametrize("send", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_have_no_cache(send):
    cache = TopHashCache()
    m = HMap(str, np.int64, {"a": 1}, hash="xxh64", hash_cache=cache)
    sent = send(m)
    before = cache.stats()
    assert sent == m.copy() == {"a": 1}
    assert sent["a"] == 1
    assert cache.stats() == before


@pytest.mark.parametrize(
    ("key", "settings", "error", "message"),
    [
        (str, {"hash": None}, ValueError, "with hash=None and keys of type str: it needs hash='xxh64'"),
        ("S8", {"hash": "xxh64"}, ValueError, "keys of type .S8: it needs hash='xxh64' and str or bytes"),
        (np.int64, {"hash": None}, ValueError, "keys of type int64: it needs"),
        (str, {"hash": "xxh64", "hash_cache": {}}, TypeError, "must be a tophash_cache.TopHashCache, not dict"),
    ],
)
def test_what_cannot_have_a_cache_is_refused(hmap_type, key, settings, error, message):
    with pytest.raises(error, match=message):
        hmap_type(key, np.int64, **{"hash_cache": TopHashCache(), **settings})
