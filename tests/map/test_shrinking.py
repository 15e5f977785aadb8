"""When deletion shrinks a table, what compact() releases, and the new hash key of an emptied map."""

import numpy as np
import pytest

from pyhmap import HMap, HSet
from pyhmap._reference.engine import ReferenceMap
from support import assert_same_rows, growing, items_of


def settled(hmap_type, B, n=None, **how):
    """A map of n keys (by default as many as fit) in 2**B buckets, without capacity= or reserve()."""
    full = 13 << B - 1
    m = hmap_type(np.int64, np.int64, seed=1, **how)
    m.set_many(np.arange(full), np.arange(full))
    m.finish_growth()
    assert (m.header().B, m.header().oldbuckets) == (B, 0)
    if n is not None:
        m.discard_many(np.arange(n, full))
    return m


@pytest.mark.parametrize("B", [7, 8, 9])
def test_the_rule(hmap_type, B):
    """An eighth of 6.5 keys per bucket is 13/16. With one key less, the move to a quarter of the buckets begins."""
    limit = (13 << B) // 16
    m = settled(hmap_type, B, limit)
    assert (m.header().B, m.stats().shrinks) == (B, 0)
    del m[limit - 1]
    assert (m.header().B, m.header().oldbuckets, m.stats().shrinks) == (B - 2, 1 << B, 1)
    m.check()
    m.finish_growth()
    assert (m.header().B, m.header().oldbuckets) == (B - 2, 0)
    assert items_of(m) == {i: i for i in range(limit - 1)}


def test_up_to_64_buckets_stay(hmap_type):
    m = settled(hmap_type, 6)
    while m:
        m.popitem()
        assert m.header().B == 6
    assert m.stats().shrinks == 0


@pytest.mark.parametrize("remove", ["del", "pop", "popitem", "discard_many", "pop_many"])
def test_every_call_that_removes_shrinks(hmap_type, remove):
    m = settled(hmap_type, 9)
    keys = list(range(len(m)))
    while keys:
        if remove == "del":
            del m[keys.pop()]
        elif remove == "pop":
            assert m.pop(keys[-1]) == keys.pop()
        elif remove == "popitem":
            keys.remove(m.popitem()[0])
        else:
            gone, keys = keys[-40:], keys[:-40]
            assert getattr(m, remove)(gone) is not None
        if len(keys) % 37 == 0:
            m.check()
            assert sorted(m.keys_array().tolist()) == keys
    assert len(m) == 0
    assert m.header().B <= 6
    assert m.stats().shrinks == 2
    m.check()


def test_one_batch_shrinks_as_far_as_it_goes(hmap_type):
    m = settled(hmap_type, 10)
    m.discard_many(np.arange(5, len(m)))
    assert (m.header().B, m.header().oldbuckets, m.stats().shrinks) == (6, 0, 2)
    assert items_of(m) == {i: i for i in range(5)}
    m.check()


def test_memory_falls(hmap_type):
    m = settled(hmap_type, 10)
    before = m.nbytes
    m.discard_many(np.arange(5, len(m)))
    assert m.nbytes < before / 12
    m.compact()
    assert m.nbytes == 8 + 8 * 16 + 4


@pytest.mark.parametrize("asked", ["capacity", "reserve"])
def test_room_that_was_asked_for_stays_until_compact(hmap_type, asked):
    how = {"capacity": 13 << 7} if asked == "capacity" else {}
    m = hmap_type(np.int64, np.int64, **how)
    if asked == "reserve":
        m.reserve(13 << 7)
    m.update((i, i) for i in range(13 << 8))
    m.finish_growth()
    assert m.header().B == 9
    for i in range(13 << 8):
        del m[i]
        if i == 13 << 7:
            m.check()
    m.finish_growth()
    assert m.header().B == 8
    m[1] = 1
    m.compact()
    assert m.header().B == 0
    m.update((i, i) for i in range(1000))
    for i in range(1000):
        del m[i]
    assert m.header().B < 8


def test_clear_gives_the_room_up_too(hmap_type):
    m = hmap_type(np.int64, np.int64, capacity=13 << 7)
    m.clear()
    m.update((i, i) for i in range(1000))
    m.discard_many(range(1000))
    assert m.header().B <= 6


@pytest.mark.parametrize("make", [lambda m: m.copy(), lambda m: m | {}, lambda m: type(m).from_arrays(*m.to_arrays())])
def test_copies_have_room_that_nobody_asked_for(hmap_type, make):
    m = make(settled(hmap_type, 9))
    assert m.header().B == 9
    m.discard_many(np.arange(1, len(m)))
    assert m.header().B <= 6


def test_a_map_between_two_sizes_does_not_move_all_the_time(hmap_type):
    """One key is deleted and one inserted at the limit, again and again: no further shrink, no growth."""
    m = settled(hmap_type, 9, 13 << 5)
    growths = m.stats().growths
    for i in range(2000):
        m.pop(i % 50, None)
        m[i % 50] = i
    assert m.stats().shrinks == 1
    assert m.stats().growths == growths
    m.check()


# ---- compact ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 8, 9, 13, 14, 500, 832, 833])
def test_compact_takes_the_smallest_table(hmap_type, n):
    m = settled(hmap_type, 8, capacity=13 << 7)
    for i in range(n, len(m)):
        del m[i]
    growths = m.stats().growths
    m.compact()
    assert m.header().B == hmap_type(np.int64, np.int64, capacity=n).header().B
    assert m.header().oldbuckets == 0
    assert m.stats().growths == growths
    assert items_of(m) == {i: i for i in range(n)}
    m.check()


def test_compact_while_growing(hmap_type):
    m, items = growing(hmap_type, 5)
    m.compact()
    assert items_of(m) == items
    m.check()


@pytest.mark.parametrize("key", [str, object, "S40"])
def test_compact_of_texts_and_objects(hmap_type, key):
    """Dead texts and free places of objects are dropped; the other items can be read, written and deleted."""

    def name(i):
        return f"{i:034d}".encode() if key == "S40" else f"{i:034d}"

    m = hmap_type(key, object, [(name(i), [i]) for i in range(3000)])
    for i in range(10, 3000):
        del m[name(i)]
    m.compact()
    assert m.nbytes < 10 * 300
    m.check()
    assert items_of(m) == {name(i): [i] for i in range(10)}
    m[name(5)] = m.pop(name(6))
    del m[name(7)]
    m[name(70)] = "new"
    assert items_of(m) == {name(i): [i] for i in (0, 1, 2, 3, 4, 8, 9)} | {name(5): [6], name(70): "new"}
    m.check()


def test_compact_stops_iterators_and_sets_can_too(hmap_type):
    m = hmap_type(np.int64, np.int64, {1: 2})
    iterator = iter(m)
    m.compact()
    with pytest.raises(RuntimeError, match="changed size"):
        next(iterator)
    s = HSet(np.int64, range(1000))
    s.discard_many(range(3, 1000))
    s.compact()
    assert s.header().B == 0
    assert set(s) == {0, 1, 2}


# ---- keys that come and go -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("load", [3.3, 4.9, 6.4])
def test_churn_keeps_within_1_3_times_a_fresh_map(load):
    """Each key is replaced ten times, in random order. Compares the rows in use, and so the memory."""
    n, rng = int(load * 1024), np.random.default_rng(3)
    m = HMap(np.int64, np.int64, zip(range(n), range(n), strict=True), seed=2)
    m.finish_growth()
    B, live = m.header().B, list(range(n))
    most = 0
    for key in range(n, 11 * n):
        place = int(rng.integers(n))
        del m[live[place]]
        m[key] = key
        live[place] = key
        if key % 500 == 0:
            most = max(most, m.nbytes)
    m.check()
    assert m.header().B == B
    fresh = HMap(np.int64, np.int64, zip(live, live, strict=True), seed=2)
    fresh.finish_growth()
    assert fresh.header().B == B
    assert most <= 1.3 * fresh.nbytes
    assert m.stats().same_size_growths == 0


def test_overflow_buckets_are_used_again(hmap_type):
    m = settled(hmap_type, 6)
    rows = len(m.bucket_arrays().overflow)
    assert m.header().noverflow == rows - 64 > 5
    gone = list(range(100, len(m)))
    for i in gone:
        del m[i]
    assert m.header().noverflow < 3
    m.check()
    m.update((i, i) for i in gone)
    assert len(m.bucket_arrays().overflow) == rows
    m.check()


# ---- the last key ----------------------------------------------------------------------------------------------------

LAST = {
    "del": lambda m: m.__delitem__(7),
    "pop": lambda m: m.pop(7),
    "popitem": lambda m: m.popitem(),
    "discard_many": lambda m: m.discard_many([7]),
    "pop_many": lambda m: m.pop_many([7]),
}


@pytest.mark.parametrize("last", LAST.values(), ids=LAST)
def test_the_hash_key_is_new_when_the_last_key_is_gone(hmap_type, last):
    m = hmap_type(np.int64, np.int64, {7: 1, 8: 2})
    before = m._state().hash_key
    del m[8]
    assert m._state().hash_key == before
    last(m)
    assert len(m) == 0
    assert not set(m._state().hash_key) & set(before)
    m[7] = 3
    assert m[7] == 3
    m.check()


def test_the_hash_key_stays_when_nothing_is_deleted(hmap_type):
    m = hmap_type(np.int64, np.int64)
    before = m._state().hash_key
    m.discard_many([1, 2])
    m.pop(1, None)
    m.compact()
    m.get(1)
    assert m._state().hash_key == before


def test_emptying_a_seeded_map_is_reproducible():
    maps = [hmap_type(np.int64, np.int64, seed=5) for hmap_type in (HMap, ReferenceMap)]
    for round_ in range(4):
        for m in maps:
            m.update((i, i) for i in range(300))
            m.discard_many(range(300)) if round_ % 2 else [m.popitem() for _ in range(300)]
        assert_same_rows(*maps)


def test_a_map_that_is_emptied_while_it_grows(hmap_type):
    m, items = growing(hmap_type, 5)
    for key in items:
        del m[key]
    assert len(m) == 0
    m.check()
    m.update(items)
    assert items_of(m) == items
    m.check()


def test_an_emptied_map_lets_go_of_its_texts():
    m = HMap(str, str, ((f"{i:050d}", "v" * 50) for i in range(5000)))
    assert m.nbytes > 5000 * 100
    held = list(m.items())[:2]
    for key in list(m):
        del m[key]
    m.finish_growth()
    assert m.nbytes < 300 * (8 + 8 * 32 + 4)  # buckets only
    assert held[0][1] == "v" * 50
    m["x" * 100] = "y" * 100
    assert m["x" * 100] == "y" * 100
    m.check()
