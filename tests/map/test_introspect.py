"""Inspection: the results agree with the memory of the table, and `check()` finds every broken invariant."""

import ctypes
import gc
import weakref

import numpy as np
import pytest

from pyhmap import CorruptMapError, HMap
from pyhmap._inspect.check import check
from pyhmap._inspect.hashes import hash_words, tophashes
from pyhmap._reference.engine import ReferenceMap
from support import fragmented, growing, items_of


@pytest.fixture
def m(hmap_type):
    """A settled map of 16 buckets with overflow buckets."""
    return hmap_type(np.int64, np.float64, ((i, i / 2) for i in range(100)), seed=3)


# ---- header ----------------------------------------------------------------------------------------------------------


def test_the_header_has_the_fields_of_the_articles_hmap(hmap_type):
    m = hmap_type(np.int64, np.int64, seed=0)
    header = m.header()
    assert header._fields == ("count", "flags", "B", "noverflow", "hash0", "buckets", "oldbuckets", "nevacuate")
    assert header == (0, 0, 0, 0, 0xE220A8397B1DCDAF & 0xFFFFFFFF, 1, 0, 0)
    assert all(type(field) is int for field in header)


def test_the_header_of_a_growing_map(hmap_type):
    m, items = growing(hmap_type, 5)
    header = m.header()
    assert (header.count, header.flags, header.B) == (len(items), 0, 6)
    assert (header.buckets, header.oldbuckets) == (64, 32)
    assert 0 <= header.nevacuate < 32
    m.finish_growth()
    assert m.header()[-2:] == (0, 0)


def test_noverflow_is_exact(hmap_type):
    m, _ = fragmented(hmap_type, 4)
    m.finish_growth()
    links = m.bucket_arrays().overflow
    assert m.header().noverflow == np.count_nonzero(links) == len(links) - 16
    m.update((key, 0) for key in range(10_000, 10_020))
    links = m.bucket_arrays().overflow
    assert m.header().noverflow == np.count_nonzero(links) == len(links) - 16 > 0


# ---- layout ----------------------------------------------------------------------------------------------------------


def test_layout_against_memory(hmap_type):
    m = hmap_type(np.int64, np.uint64, ((-i, i * i) for i in range(50)))
    arrays = m.bucket_arrays()
    start = {"tophash": arrays.tophash, "slots": arrays.keys, "overflow": arrays.overflow}
    start = {name: array.__array_interface__["data"][0] for name, array in start.items()}
    row_size = {"tophash": 8, "slots": 128, "overflow": 4}
    seen = 0
    for field in m.layout():
        for row in range(len(arrays.overflow)):
            address = start[field.array] + row * row_size[field.array] + field.offset
            got = np.frombuffer(ctypes.string_at(address, field.size), field.dtype.base)
            name, _, slot = field.name.rstrip("]").partition("[")
            shown = {"tophash": arrays.tophash, "key": arrays.keys, "value": arrays.values, "overflow": arrays.overflow}
            expected = shown[name][row] if slot == "" else shown[name][row, int(slot)]
            assert got.tolist() == np.ravel(expected).tolist()
            seen += 1
    assert seen == 18 * len(arrays.overflow)


def test_a_bucket_is_8_and_128_and_4_bytes_without_gaps(m):
    ends = {"tophash": 0, "slots": 0, "overflow": 0}
    for field in m.layout():
        assert field.offset == ends[field.array]
        assert field.size == field.dtype.itemsize
        ends[field.array] += field.size
    assert ends == {"tophash": 8, "slots": 128, "overflow": 4}
    assert [field.dtype for field in m.layout()[1:3]] == [np.int64, np.float64]


def test_occupancy_counts_full_slots_row_by_row(hmap_type):
    m, items = growing(hmap_type, 5)
    for steps in (0, 10, 100):
        m._evacuate(steps)
        got = m.occupancy()
        assert got.nmain == 64
        assert int(got.full.sum()) + (0 if got.old_full is None else int(got.old_full.sum())) == len(items)
        if steps < 100:
            assert (len(got.evacuated), got.nevacuate) == (32, m.header().nevacuate)
            assert not (got.old_full[:32][got.evacuated]).any()
    assert (got.old_full, got.evacuated) == (None, None)
    assert got.full.tolist() == [int((row >= 5).sum()) for row in m.bucket_arrays().tophash]


def test_rows_start_on_cache_lines():
    """But in the smallest maps, which a few lines hold wherever they begin."""
    for B in range(5, 12, 3):
        arrays = HMap(np.int64, np.int64, capacity=6 << B).bucket_arrays()
        for array in (arrays.tophash, arrays.keys, arrays.overflow):
            assert array.__array_interface__["data"][0] % 64 == 0


# ---- bucket_arrays ---------------------------------------------------------------------------------------------------


def test_bucket_arrays_hold_the_items(m):
    arrays = m.bucket_arrays()
    n = len(arrays.overflow)
    assert n == m.header().buckets + m.header().noverflow
    assert (arrays.tophash.shape, arrays.keys.shape, arrays.values.shape) == ((n, 8), (n, 8), (n, 8))
    assert (arrays.tophash.dtype, arrays.overflow.dtype) == (np.uint8, np.uint32)
    assert (arrays.keys.dtype, arrays.values.dtype) == (np.int64, np.float64)
    full = arrays.tophash >= 5
    assert dict(zip(arrays.keys[full].tolist(), arrays.values[full].tolist(), strict=True)) == items_of(m)
    assert arrays.keys[full].tolist() == list(m)
    assert not arrays.keys[~full].any()


def test_bucket_arrays_cannot_be_written(m):
    for array in m.bucket_arrays():
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True
        base = array
        while isinstance(base.base, np.ndarray):
            base = base.base
            assert not base.flags.writeable
    m.check()


@pytest.mark.parametrize(
    "move",
    [
        lambda m: m.update((i, 0) for i in range(1000, 5000)),
        lambda m: m.set_many(np.arange(1000, 20_000), 0),
        lambda m: m.clear(),
        lambda m: m.reserve(10_000),
        lambda m: [m.popitem() for _ in range(90)] and m.clear(),
    ],
    ids=["grow", "batch", "clear", "reserve", "pop"],
)
def test_bucket_arrays_outlive_what_they_show(m, move):
    arrays = m.bucket_arrays()
    move(m)
    del m
    gc.collect()
    full = arrays.tophash >= 5
    assert set(arrays.keys[full].tolist()) <= {*range(100), *range(1000, 20_000)}  # the map's keys, and those written
    assert all(array.sum() >= 0 for array in arrays)


def test_bucket_arrays_do_not_keep_the_map_alive_nor_does_a_cycle(hmap_type):
    m = hmap_type(np.int64, np.int64, {1: 2})
    arrays, gone = m.bucket_arrays(), weakref.ref(m)
    del m
    gc.collect()
    assert gone() is None
    assert arrays.values.sum() == 2


# ---- stats -----------------------------------------------------------------------------------------------------------


def walk(m):
    """Chain lengths, the place in its chain of each key's bucket, and comparisons, by walking the chains."""
    raw = m._state()
    chains, depths, hits, misses = {}, {}, 0, 0.0
    evacuated = [] if raw.old is None else [2 <= first <= 4 for first in raw.old.tophash[: raw.old.nmain, 0].tolist()]
    live = [] if raw.old is None else [(raw.old, row) for row, moved in enumerate(evacuated) if not moved]
    live += [(raw.now, row) for row in range(raw.now.nmain) if raw.old is None or evacuated[row % raw.old.nmain]]
    for array, row in live:
        weight = raw.now.nmain // array.nmain  # of an old bucket: the new buckets that it still stands for
        seen, length = [], 0
        while True:
            length += 1
            for top in array.tophash[row].tolist():
                if top >= 5:
                    hits += 1 + seen.count(top)
                    seen.append(top)
                    depths[length] = depths.get(length, 0) + 1
            row = int(array.overflow[row])
            if row == 0:
                break
        chains[length] = chains.get(length, 0) + 1
        misses += weight * sum(2 if top < 10 else 1 for top in seen) / 256
    return chains, depths, hits / max(raw.count, 1), misses / raw.now.nmain


def histogram(lengths) -> dict:
    return {length: n for length, n in enumerate(lengths) if n}


@pytest.mark.parametrize(
    "make",
    [
        lambda t: t(np.int64, np.int64),
        lambda t: t(np.int64, np.int64, {1: 1}),
        lambda t: t(np.int64, np.int64, ((i, i) for i in range(5000)), seed=1),
        lambda t: growing(t, 6)[0],
        lambda t: fragmented(t, 5)[0],
    ],
    ids=["empty", "one", "settled", "growing", "same-size"],
)
def test_stats_against_a_walk_in_plain_python(hmap_type, make):
    m = make(hmap_type)
    stats = m.stats()
    chains, depths, hits, misses = walk(m)
    assert histogram(stats.chain_lengths) == chains
    assert histogram(stats.probe_lengths) == depths
    assert stats.hit_comparisons == pytest.approx(hits)
    assert stats.miss_comparisons == pytest.approx(misses)
    header = m.header()
    assert (stats.count, stats.buckets, stats.overflow_buckets) == (header.count, header.buckets, header.noverflow)
    assert stats.load_factor == header.count / header.buckets


def test_comparisons_come_out_as_expected_of_a_good_hash(hmap_type):
    m = hmap_type(np.int64, np.int64, ((i, i) for i in range(13 << 10)), seed=2)
    stats = m.stats()
    assert stats.load_factor == 6.5
    assert stats.expected_hit_comparisons == pytest.approx(1 + 6.5 / 2 * 266 / 65536)
    assert stats.expected_miss_comparisons == pytest.approx(6.5 * 266 / 65536)
    assert stats.hit_comparisons == pytest.approx(stats.expected_hit_comparisons, abs=0.003)
    assert stats.miss_comparisons == pytest.approx(stats.expected_miss_comparisons, abs=0.003)


def test_stats_count_growths_and_bytes(hmap_type):
    m = hmap_type(np.int64, np.int64)
    for i in range(100):
        m[i] = i
    assert (m.stats().growths, m.stats().same_size_growths) == (4, 0)
    rows = m.header().buckets + m.header().noverflow
    stats = m.stats()
    assert (stats.tophash_bytes, stats.slot_bytes, stats.overflow_bytes) == (8 * rows, 128 * rows, 4 * rows)
    assert stats.nbytes == m.nbytes == 140 * rows
    m, _ = growing(hmap_type, 5)
    rows = 64 + 32 + m.header().noverflow + len(m._state().old.overflow) - 32
    assert m.nbytes == 140 * rows
    settled = m.nbytes
    m.finish_growth()
    assert m.nbytes < settled


# ---- check -----------------------------------------------------------------------------------------------------------


def planted(raw, **changes):
    """A copy of a map's state whose arrays can be written."""

    def writable(array):
        return array and array._replace(
            **{name: getattr(array, name).copy() for name in ("tophash", "slots", "overflow")}
        )

    return raw._replace(**{"now": writable(raw.now), "old": writable(raw.old)} | changes)


@pytest.fixture(scope="module")
def settled():
    """The state of a map in which every state of a slot occurs, with chains of two and of three buckets."""
    m, _ = fragmented(ReferenceMap, 6, seed=5)
    m.finish_growth()
    for key in list(m)[:150]:
        m.popitem()
        m[10**6 + key] = 1
    raw = m._state()
    check(raw)
    assert {0, 1} < set(raw.now.tophash.ravel().tolist())
    assert (raw.now.overflow[:64] != 0).sum() > 3
    return raw


@pytest.fixture(scope="module")
def half_grown():
    m, _ = growing(ReferenceMap, 6, seed=5)
    for key in range(10):
        m[key] = 1
    raw = m._state()
    check(raw)
    return raw


def first(condition):
    """Row and slot of the first place where it holds."""
    return tuple(int(i) for i in np.argwhere(condition)[0])


def corrupt(raw, match):
    with pytest.raises(CorruptMapError, match=match):
        check(raw)


def test_check_finds_a_wrong_count(settled):
    corrupt(planted(settled, count=settled.count + 1), f"count is {settled.count + 1}, but {settled.count}")
    corrupt(planted(settled, count=settled.count - 1), "count")


def test_check_finds_a_wrong_B(settled):
    corrupt(planted(settled, B=settled.B + 1), "B is 7")


def test_check_finds_an_overloaded_map_that_does_not_grow(settled):
    corrupt(planted(settled, count=13 * 32 + 1), "no growth")


@pytest.mark.parametrize("change", [1, 7, -1])
def test_check_finds_any_changed_tophash(settled, change):
    for row, slot in np.argwhere(settled.now.tophash >= 14)[::17].tolist():
        raw = planted(settled)
        raw.now.tophash[row, slot] = max(5, (int(raw.now.tophash[row, slot]) + change) % 256)
        corrupt(raw, f"row {row} slot {slot} .*tophash")


def test_check_finds_any_changed_bit_of_a_key(settled):
    for n, (row, slot) in enumerate(np.argwhere(settled.now.tophash >= 5)[::11].tolist()):
        raw = planted(settled)
        raw.now.slots["key"][row, slot] ^= 1 << n % 63
        corrupt(raw, f"row {row} slot {slot}")


def test_check_finds_a_key_in_another_bucket(settled):
    raw = planted(settled)
    rows = [row for row in range(64) if raw.now.tophash[row, 0] >= 5]
    a, b = rows[0], rows[-1]
    raw.now.slots[[a, b], 0] = raw.now.slots[[b, a], 0]
    raw.now.tophash[[a, b], 0] = raw.now.tophash[[b, a], 0]
    corrupt(raw, f"row {a} slot 0 belongs to another bucket")


def test_check_finds_a_key_that_is_there_twice(settled):
    raw = planted(settled, count=settled.count + 1)
    row, slot = first((raw.now.tophash[:64] < 2) & (raw.now.tophash[:64, :1] >= 5))
    raw.now.tophash[row, : slot + 1] = np.where(
        raw.now.tophash[row, : slot + 1] == 0, 1, raw.now.tophash[row, : slot + 1]
    )
    raw.now.tophash[row, slot] = raw.now.tophash[row, 0]
    raw.now.slots[row, slot] = raw.now.slots[row, 0]
    corrupt(raw, f"key {raw.now.slots['key'][row, 0]} is in two slots")


def test_check_finds_a_lost_key(settled):
    raw = planted(settled)
    row, slot = first((raw.now.tophash[:, :-1] >= 5) & (raw.now.tophash[:, 1:] >= 5))
    raw.now.tophash[row, slot] = 1
    raw.now.slots[row, slot] = 0
    corrupt(raw, "count")


def test_check_finds_an_end_before_the_end(settled):
    raw = planted(settled)
    row, slot = first((raw.now.tophash[:, :-1] == 1) & (raw.now.tophash[:, 1:] >= 5))
    raw.now.tophash[row, slot] = 0
    corrupt(raw, f"row {row} slot {slot} is EMPTY_REST")


def test_check_finds_an_end_in_the_last_slot_before_a_full_overflow_bucket(settled):
    raw = planted(settled)
    row = next(row for row in range(64) if (link := raw.now.overflow[row]) and raw.now.tophash[link, 0] >= 5)
    raw.now.tophash[row, 7] = 0
    raw.now.slots[row, 7] = 0
    corrupt(raw, f"row {row} slot 7 is EMPTY_REST")


def test_check_finds_an_end_that_is_not_marked(settled):
    raw = planted(settled)
    row, slot = first((raw.now.tophash[:, :-1] >= 5) & (raw.now.tophash[:, 1:] == 0))
    raw.now.tophash[row, slot + 1] = 1
    corrupt(raw, f"row {row} slot {slot + 1} is EMPTY_ONE")


@pytest.mark.parametrize("state", [2, 3, 4])
def test_check_finds_a_mark_of_evacuation_in_a_settled_map(settled, state):
    raw = planted(settled)
    row, slot = first(raw.now.tophash >= 5)
    raw.now.tophash[row, slot] = state
    corrupt(raw, f"row {row} slot {slot} is marked evacuated")


@pytest.mark.parametrize("field", ["key", "value"])
def test_check_finds_an_empty_slot_that_is_not_zero(settled, field):
    raw = planted(settled)
    row, slot = first(raw.now.tophash < 2)
    raw.now.slots[field][row, slot] = 1
    corrupt(raw, f"row {row} slot {slot} is empty but not zeroed")


def test_check_finds_links_to_nowhere_and_to_main_buckets(settled):
    row = int(np.flatnonzero(settled.now.overflow)[0])
    for target in (5, len(settled.now.overflow), 2**32 - 1):
        raw = planted(settled)
        raw.now.overflow[row] = target
        corrupt(raw, f"link to row {target}")


def test_check_finds_a_lost_a_shared_and_a_circular_overflow_bucket(settled):
    rows = np.flatnonzero(settled.now.overflow)
    raw = planted(settled)
    lost = int(raw.now.overflow[rows[0]])
    raw.now.overflow[rows[0]] = 0
    corrupt(raw, f"overflow row {lost} is linked to 0 times")
    raw = planted(settled)
    shared = int(raw.now.overflow[rows[0]])
    raw.now.overflow[np.flatnonzero(raw.now.overflow[:64] == 0)[0]] = shared
    corrupt(raw, f"overflow row {shared} is linked to 2 times")
    raw = planted(settled)
    ring = int(raw.now.overflow[rows[0]])
    raw.now.overflow[rows[0]] = 0
    raw.now.overflow[ring] = ring
    corrupt(raw, f"overflow row {ring} is reached from no main bucket")


def test_check_finds_free_overflow_buckets_that_are_not():
    """A free one that holds keys, a list of them that is too long, too short or a ring, one that is a main bucket."""
    m = ReferenceMap(np.int64, np.int64, ((i, i) for i in range(400)), capacity=416, seed=1)
    for i in range(20, 400):
        del m[i]
    good = m._state()
    assert good.now.nfree > 3
    free = good.now.free_row

    def now(raw, **changes):
        return raw._replace(now=raw.now._replace(**changes))

    raw = planted(good)
    raw.now.tophash[free, 0] = 9
    corrupt(raw, f"free row {free} holds keys")
    corrupt(now(planted(good), nfree=good.now.nfree - 1), "free rows are counted, but more are linked")
    corrupt(now(planted(good), nfree=good.now.nfree + 1), f"but {good.now.nfree} are linked")
    corrupt(now(planted(good), free_row=5), "free row 5 is no overflow row")
    raw = planted(good)
    raw.now.overflow[free] = free
    corrupt(raw, "more are linked")
    raw = planted(good)
    main = int(np.flatnonzero(raw.now.overflow[:64] == 0)[0])
    raw.now.overflow[main], second = free, int(raw.now.overflow[free])
    raw.now.overflow[free] = 0
    corrupt(now(raw, free_row=second, nfree=good.now.nfree - 1), f"overflow row {free} is empty but in a chain")


@pytest.mark.parametrize("bits", [0x7FF8000000000001, 0xFFF8000000000000, 0x7FF0000000000001, 1 << 63])
def test_check_finds_nan_and_zero_that_are_not_canonical(bits):
    """Such a key could never be found, although tophash and bucket may be right: the check compares the bits."""
    raw = planted(ReferenceMap(np.float64, np.int64, {1.0: 1}, seed=1)._state())
    word = np.array([bits], np.uint64)
    raw.now.slots["key"][0, 0] = word.view(np.float64)[0]
    raw.now.slots["key"].view(np.uint64)[0, :1] = word
    raw.now.tophash[0, 0] = tophashes(hash_words(word, raw.hash_key))[0]
    corrupt(raw, "row 0 slot 0 has a NaN or zero that is not canonical")


def test_check_finds_a_wrong_mark_of_progress(half_grown):
    check(planted(half_grown, nevacuate=0))
    corrupt(planted(half_grown, nevacuate=64), "below nevacuate")


def test_check_finds_a_bucket_that_is_evacuated_in_part(half_grown):
    evacuated = (half_grown.old.tophash[:64, 0] >= 2) & (half_grown.old.tophash[:64, 0] <= 4)
    for row, state in ((int(evacuated.argmax()), 9), (int(evacuated.argmin()), 4)):
        raw = planted(half_grown)
        raw.old.tophash[row, 7] = state
        corrupt(raw, f"oldbuckets row {row} is evacuated in part")


def test_check_finds_a_key_that_came_before_its_bucket_was_evacuated(half_grown):
    for row in np.flatnonzero(half_grown.old.tophash[:64, 0] >= 5).tolist():
        raw = planted(half_grown)
        word = raw.old.slots["key"][row, :1].view(np.uint64)
        early = int(hash_words(word, raw.hash_key)[0]) & 127
        raw.now.slots[early, 0] = raw.old.slots[row, 0]
        raw.now.tophash[early, 0] = raw.old.tophash[row, 0]
        corrupt(raw, f"buckets row {early} is in use before its old bucket was evacuated")


def test_check_finds_damage_in_the_old_array(half_grown):
    old = half_grown.old
    row = int(np.flatnonzero(old.tophash[:64, 0] >= 5)[0])
    raw = planted(half_grown)
    raw.old.slots["key"][row, 0] += 1
    corrupt(raw, f"oldbuckets row {row} slot 0")
    raw = planted(half_grown)
    raw.old.overflow[np.flatnonzero(raw.old.overflow)[0]] = 0
    corrupt(raw, "oldbuckets: overflow row")


def test_check_finds_old_arrays_of_a_size_that_cannot_be(half_grown):
    corrupt(planted(half_grown, flags=8), "64 old main buckets cannot grow to 128")
    corrupt(planted(half_grown, B=6, now=half_grown.old), "64 old main buckets cannot grow to 64")


def test_check_looks_at_the_map_itself():
    """`check()` of the reference finds damage to its private table."""
    m = ReferenceMap(np.int64, np.int64, {i: i for i in range(8)})
    m.check()
    m._now.tophash[2] = 77
    with pytest.raises(CorruptMapError, match="row 0 slot 2 has a tophash that is not its key's"):
        m.check()
