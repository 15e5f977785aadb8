"""A frozen map consists of the bytes that the reference says: pilots, remap, rows and texts.

`pyhmap._reference.frozen` gives the row of each key; what a row consists of is put together here, from the drawing in
_kernels/layout.pxd.
"""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhmap import FrozenMap, HMap
from pyhmap._engine import freeze
from pyhmap._engine.threads import Helper
from pyhmap._reference import frozen as reference
from support import hash_key_of

SIZES = [0, 1, 2, 3, 10, 1000]
SEVERAL_PARTS = reference.PART_KEYS * 9 // 4


# ---- types of keys and values: what they are as words or bytes, and as bytes of a row --------------------------------


def numbers(dtype, n):
    """n different numbers, as an array and as words."""
    keys = np.random.default_rng(n).permutation(4 * n)[:n].astype(dtype) - dtype(n)
    return keys, keys.view(f"u{keys.itemsize}").tolist()


def texts(n):
    """n different texts of 0 to 36 bytes, as a list and as bytes."""
    keys = ["", *(f"{i}€" + "x" * (i % 29) for i in range(1, n))][:n]
    return keys, [key.encode() for key in keys]


class Arena:
    """The long texts, in the order in which they are put there."""

    def __init__(self):
        self.bytes = b""

    def text(self, data):
        if len(data) <= 12:
            return struct.pack("<I12s", len(data), data)
        self.bytes += data
        return struct.pack("<I4sQ", len(data), data[:4], len(self.bytes) - len(data))


FORMS = {
    "4-byte words": (lambda n: numbers(np.int32, n), np.int64, lambda arena, key, i: struct.pack("<Iq", key, i)),
    "8-byte words": (lambda n: numbers(np.int64, n), np.float64, lambda arena, key, i: struct.pack("<Qd", key, i)),
    "rows with padding": (
        lambda n: numbers(np.int64, n), np.uint8, lambda arena, key, i: struct.pack("<QB7x", key, i % 256),
    ),
    "texts": (texts, np.int64, lambda arena, key, i: arena.text(key) + struct.pack("<q", i)),
    "words to texts": (
        lambda n: numbers(np.int32, n), str, lambda arena, key, i: struct.pack("<Q", key) + arena.text(b"%016d" % i),
    ),
    "texts to texts": (texts, str, lambda arena, key, i: arena.text(key) + arena.text(b"%016d" % i)),
}  # fmt: skip
forms = pytest.mark.parametrize("form", FORMS)


def made(form, n):
    """The keys, what they are in a row, and the values 0, 1, 2, ... or texts of them."""
    make, value, _ = FORMS[form]
    keys, stored = make(n)
    values = [f"{i:016}" for i in range(n)] if value is str else np.arange(n).astype(value)
    return keys, stored, values


def frozen_by(way, form, n, seed, **settings):
    """A frozen map of n keys, and what the keys are in a row, in the order of the values."""
    keys, stored, values = made(form, n)
    key_type = str if isinstance(keys, list) else keys.dtype
    if way == "freeze" or n == 0:
        m = HMap(key_type, FORMS[form][1], seed=n)
        m.set_many(keys, values)
        return m.freeze(seed=seed, **settings), stored
    return FrozenMap.from_arrays(keys, values, seed=seed, **settings), stored


def assert_as_the_reference(f, stored, form, seed):
    hash_key, shape, remap, pilots, entries, long_texts = f._sections()
    assert hash_key == hash_key_of(seed)
    hashes = reference.hashes_of(stored, hash_key)
    expected = reference.build(hashes)
    assert shape == expected.shape
    assert pilots.tobytes() == bytes(expected.pilots)
    assert remap.tolist() == expected.remap
    value_of_row = {expected.row_of(h): i for i, h in enumerate(hashes)}
    arena, entry = Arena(), FORMS[form][2]
    rows = b"".join(entry(arena, stored[value_of_row[row]], value_of_row[row]) for row in range(len(hashes)))
    assert entries.tobytes() == rows
    assert long_texts.tobytes() == arena.bytes


@forms
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("way", ["freeze", "from_arrays"])
def test_a_map_consists_of_the_bytes_that_the_reference_says(way, form, n):
    f, stored = frozen_by(way, form, n, seed=5)
    assert_as_the_reference(f, stored, form, seed=5)


@pytest.mark.parametrize(
    "form", ["4-byte words", "8-byte words", pytest.param("texts to texts", marks=pytest.mark.slow)]
)
def test_a_map_of_several_parts_consists_of_them_too(form):
    f, stored = frozen_by("from_arrays", form, SEVERAL_PARTS, seed=6)
    assert f._sections()[1][1] == 3
    assert_as_the_reference(f, stored, form, seed=6)


@pytest.mark.parametrize(
    ("n", "parts"), [(reference.PART_KEYS - 1, 1), (reference.PART_KEYS, 2), (2 * reference.PART_KEYS, 3)]
)
def test_a_part_has_fewer_keys_than_a_full_one(n, parts):
    f, _ = frozen_by("from_arrays", "8-byte words", n, seed=7)
    assert f._sections()[1][:2] == (n, parts)
    f.check()


# ---- one part whose keys make it hard --------------------------------------------------------------------------------


def crowded(seed, n, used):
    """Hashes that come to a share of the buckets only, so that those are large."""
    rng = np.random.default_rng(seed)
    buckets = reference.buckets_for(n)
    chosen = rng.integers(0, max(1, int(used * buckets)), n)
    low = [(int(bucket) << 32) // buckets + 1 + int(rng.integers(2**20)) for bucket in chosen]
    return [int(high) << 32 | each for high, each in zip(rng.integers(0, 2**32, n), low, strict=True)]


def by_reference(hashes):
    return reference.build_part(hashes, reference.slots_for(len(hashes)), reference.buckets_for(len(hashes)))


def assert_one_part_as_the_reference(hashes):
    compiled, expected = freeze.build_one_part(hashes), by_reference(hashes)
    assert (compiled is None) == (expected is None)
    if expected is not None:
        pilots, slots = compiled
        n, buckets = reference.slots_for(len(hashes)), len(pilots)
        assert pilots.tobytes() == bytes(expected.pilots)
        assert slots.tolist() == [
            reference.slot_of(h, expected.pilots[reference.bucket_of(h, buckets)], n) for h in hashes
        ]
        assert len(set(slots.tolist())) == len(hashes)
    return expected


@given(seed=st.integers(0, 2**32), n=st.integers(0, 300), used=st.floats(0.4, 1))
def test_buckets_are_displaced_as_the_reference_does_it(seed, n, used):
    assert_one_part_as_the_reference(crowded(seed, n, used))


@given(st.lists(st.integers(0, 2**64 - 1), max_size=40))
def test_any_hashes_are_placed_as_the_reference_does_it(hashes):
    """Also the same one twice."""
    assert_one_part_as_the_reference(hashes)


@pytest.mark.slow
def test_buckets_are_displaced_and_parts_fail():
    """The tests around this one try what they say."""
    parts = [
        assert_one_part_as_the_reference(crowded(seed, 300, used / 20)) for used in range(9, 15) for seed in range(3)
    ]
    displaced = [part.displaced for part in parts if part is not None]
    assert None in parts
    assert sum(n > 0 for n in displaced) >= 3
    assert max(displaced) >= 20


@given(data=st.data(), seed=st.integers(0, 2**32), n=st.integers(0, 300), used=st.floats(0.7, 1))
def test_the_order_of_the_keys_matters_only_where_buckets_are_displaced(data, seed, n, used):
    hashes = crowded(seed, n, used)
    expected = by_reference(hashes)
    if expected is not None and expected.displaced == 0:
        mixed = data.draw(st.permutations(hashes))
        assert freeze.build_one_part(mixed)[0].tobytes() == bytes(expected.pilots)


# ---- one look-up -----------------------------------------------------------------------------------------------------


class Counted(list):
    """A list that counts how often an item is read."""

    reads = 0

    def __getitem__(self, index):
        self.reads += 1
        return super().__getitem__(index)


@forms
@pytest.mark.parametrize("n", [1, 10, 1000])
def test_every_look_up_reads_one_pilot_at_most_one_item_of_the_remap_and_one_row(form, n):
    """Of the compiled map's own memory. So a miss costs what a hit costs, and no key costs more than another."""
    keys, _, values = made(form, 3 * n)
    stored = FORMS[form][0](3 * n)[1]
    f = FrozenMap.from_arrays(keys[:n], values[:n], seed=8)
    hash_key, shape, remap, pilots, *_ = f._sections()
    rows = Counted([None] * n)
    for key, row in zip(stored[:n], f.positions(keys[:n]).tolist(), strict=True):
        rows[row] = key
    found = reference.PerfectHash(reference.Shape(*shape), Counted(pilots.tolist()), Counted(remap.tolist()))
    counts = set()
    for i, (key, h) in enumerate(zip(stored, reference.hashes_of(stored, hash_key), strict=True)):
        found.pilots.reads = found.remap.reads = rows.reads = 0
        row = found.row_of(h)
        assert (rows[row] == key) == (i < n)
        counts.add((found.pilots.reads, found.remap.reads, rows.reads))
    assert counts <= {(1, 0, 1), (1, 1, 1)}
    assert f.positions(keys).tolist() == [rows.index(key) if i < n else -1 for i, key in enumerate(stored)]


# ---- what the layout does not depend on ------------------------------------------------------------------------------


def as_bytes(f):
    hash_key, shape, *sections = f._sections()
    return hash_key, shape, *(section.tobytes() for section in sections)


@pytest.mark.parametrize("form", ["8-byte words", "texts to texts"])
@pytest.mark.parametrize("way", ["freeze", "from_arrays"])
def test_the_layout_does_not_depend_on_the_threads(monkeypatch, way, form):
    started, start = [], Helper.start
    monkeypatch.setattr(Helper, "start", lambda helper: (started.append(helper), start(helper)))
    layouts = set()
    for threads in (1, 2, 3):
        started.clear()
        f, _ = frozen_by(way, form, 100_000, seed=9, threads=threads)
        assert (len(started) > 0) == (threads > 1)
        assert all(helper.ended for helper in started)
        layouts.add(as_bytes(f))
    assert len(layouts) == 1
    f.check()


@forms
def test_a_seed_gives_the_same_layout_again_and_another_one_another(form):
    def layout(way, seed):
        return as_bytes(frozen_by(way, form, 500, seed)[0])

    assert layout("from_arrays", 3) == layout("from_arrays", 3) != layout("from_arrays", 4)
    assert layout("freeze", 3) == layout("freeze", 3)
    assert layout("from_arrays", None) != layout("from_arrays", None)


def test_a_map_gives_its_own_seed_to_a_frozen_one():
    items = {i: i for i in range(100)}
    with_seed, without = HMap(np.int64, np.int64, items, seed=3), HMap(np.int64, np.int64, items)
    assert as_bytes(with_seed.freeze()) == as_bytes(with_seed.freeze(seed=3)) != as_bytes(with_seed.freeze(seed=4))
    assert as_bytes(without.freeze()) != as_bytes(without.freeze())
