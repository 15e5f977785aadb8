"""Batch writes with `threads=`: the map is the same, slot by slot, as one thread makes it."""

import os
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest

from pyhmap import HMap, HSet
from pyhmap._inspect.hashes import hash_words

ENOUGH = 1 << 16  # keys from which on a batch is shared
KEYS = {
    "i8": lambda numbers: numbers,
    "u4": lambda numbers: numbers.astype("u4"),
    "i2": lambda numbers: numbers.astype("i2"),
    "f8": lambda numbers: np.where(numbers % 7 == 0, np.nan, np.where(numbers % 11 == 0, -0.0, numbers / 3)),
    "M8[s]": lambda numbers: numbers.astype("M8[s]"),
}


def rows(m):
    """Everything in the table: states, slots, and links of the chains, row by row."""
    m.finish_growth()
    array = m._state().now
    return array.tophash.tobytes(), array.slots.tobytes(), array.overflow.tobytes(), m.header()


def assert_equal_tables(m, other):
    m.check()
    assert rows(m) == rows(other)


def batches(rng):
    """Batches that grow a map from nothing, hit what is there, repeat keys, and mix all of that."""
    yield rng.integers(0, 2**40, ENOUGH + 7)
    yield rng.integers(0, 2**40, 3 * ENOUGH)
    yield rng.integers(0, 50, ENOUGH)
    yield np.full(ENOUGH, 3)
    yield rng.zipf(1.2, 2 * ENOUGH) % 2**40
    yield np.arange(4 * ENOUGH)


@pytest.mark.parametrize("threads", [2, 3, 8, "auto"])
@pytest.mark.parametrize("key", KEYS)
def test_every_write_makes_the_same_table_as_with_one_thread(key, threads):
    rng = np.random.default_rng(len(key))
    shared, alone = HMap(key, np.int64, seed=5), HMap(key, np.int64, seed=5)
    for numbers in batches(rng):
        keys, values = KEYS[key](numbers), rng.integers(-9, 9, len(numbers))
        shared.set_many(keys, values, threads=threads)
        alone.set_many(keys, values)
        assert_equal_tables(shared, alone)
        keys = KEYS[key](rng.permutation(numbers) + rng.integers(0, 2))
        shared.add_many(keys, values, op="max", threads=threads)
        alone.add_many(keys, values, op="max")
        assert_equal_tables(shared, alone)
        found = shared.setdefault_many(keys[::-1], values, threads=threads)
        assert np.array_equal(found, alone.setdefault_many(keys[::-1], values))
        assert_equal_tables(shared, alone)
        gone = keys[: len(keys) // 3]
        assert shared.discard_many(gone) == alone.discard_many(gone)


@pytest.mark.parametrize("value", ["f4", "u1", [("a", "i8"), ("b", "f4")], ("i2", (3,)), "M8[us]"])
def test_values_of_every_size(value):
    rng = np.random.default_rng(1)
    shared, alone = HMap(np.int64, value, seed=5), HMap(np.int64, value, seed=5)
    dtype = shared.value_dtype
    for keys in batches(rng):
        values = np.frombuffer(rng.integers(0, 100, len(keys) * dtype.itemsize, "u1").tobytes(), dtype.base)
        values = values.reshape(len(keys), *dtype.shape)
        for m, threads in ((shared, 3), (alone, 1)):
            m.set_many(keys, values, threads=threads)
            m.setdefault_many(keys + 1, values[0], threads=threads)
        assert_equal_tables(shared, alone)


@pytest.mark.parametrize("threads", [2, 5])
def test_a_set_tells_which_keys_were_new(threads):
    rng = np.random.default_rng(2)
    shared, alone = HSet(np.int64, seed=5), HSet(np.int64, seed=5)
    for keys in batches(rng):
        new = shared.add_many(keys, return_new=True, threads=threads)
        assert np.array_equal(new, alone.add_many(keys, return_new=True))
        assert shared.add_many(keys + 1, threads=threads) == alone.add_many(keys + 1)
        assert list(shared) == list(alone)


def test_a_table_that_is_full_grows_where_it_would_with_one_thread():
    rng = np.random.default_rng(3)
    keys = rng.permutation(np.arange(13 << 14))  # what 2^15 buckets hold
    shared, alone = (HMap(np.int64, np.int64, seed=5) for _ in range(2))
    for m in (shared, alone):
        m.set_many(keys, 0)
        assert m.header().buckets == 1 << 15
    for m, threads in ((shared, 2), (alone, 1)):
        m.set_many(keys[:ENOUGH], 1, threads=threads)  # none is new
        m.add_many(np.r_[keys[-ENOUGH:], [-1, -2, -1], keys], np.int64(1), threads=threads)  # few are
        m.set_many(np.arange(3 * ENOUGH) - 2 * ENOUGH, 5, threads=threads)  # most are
    assert_equal_tables(shared, alone)


def test_chains_of_overflow_buckets():
    """All keys go to a tenth of the buckets, so that chains are long, and the map moves to another hash key."""
    m = HMap(np.int64, np.int64, seed=5)
    m.reserve(13 << 14)
    raw = m._state()
    candidates = np.arange(1 << 22)
    home = hash_words(candidates.astype(np.uint64), raw.hash_key) & np.uint64(raw.now.nmain - 1)
    chosen = candidates[home < 3000]
    assert len(chosen) > ENOUGH
    m.set_many(chosen, chosen, threads=4)
    m.check()
    assert m.stats().rekeys == 1
    assert len(m) == len(chosen)
    assert np.array_equal(m.get_many(chosen), chosen)


def test_types_that_are_no_words_are_written_all_the_same():
    texts = [str(i % 40_000) for i in range(ENOUGH + 5)]
    for key, keys in ((str, texts), (object, texts), ([("a", "i4"), ("b", "i8"), ("c", "i8")], None)):
        if keys is None:
            keys = (np.arange(ENOUGH) % 999, np.arange(ENOUGH) % 999, np.arange(ENOUGH) % 999)
        shared, alone = HMap(key, np.int64, seed=5), HMap(key, np.int64, seed=5)
        shared.add_many(keys, threads=2)
        alone.add_many(keys)
        assert list(shared.items()) == list(alone.items())
    m = HMap(np.int64, str, seed=5)
    m.set_many(np.arange(ENOUGH), texts[:ENOUGH], threads=2)
    assert m[ENOUGH - 1] == texts[ENOUGH - 1]


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", "AUTO", None])
def test_another_number_of_threads_is_refused(hmap_type, threads):
    m = hmap_type(np.int64, np.int64, {1: 2})
    calls = [
        lambda: m.set_many([1], 3, threads=threads),
        lambda: m.setdefault_many([4], 3, threads=threads),
        lambda: m.add_many([1], 3, threads=threads),
        lambda: m.get_many([1], threads=threads),
        lambda: m.lookup_many([1], threads=threads),
        lambda: m.contains_many([1], threads=threads),
        lambda: HSet(np.int64).add_many([1], threads=threads),
        lambda: m.freeze(threads=threads) if hmap_type is HMap else m.get_many([1], threads=threads),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r'threads=.*: give a whole number from 1 on, or "auto"'):
            call()
    assert dict(m) == {1: 2}


def test_a_growth_near_the_end_of_a_batch():
    """With one thread, the rest of the batch would go on with the work of the growth."""
    rng = np.random.default_rng(4)
    keys = rng.permutation(np.arange(13 << 14))  # what 2^15 buckets hold
    for new in (0, 1, 700):
        shared, alone = HMap(np.int64, np.int64, seed=5), HMap(np.int64, np.int64, seed=5)
        for m, threads in ((shared, 4), (alone, 1)):
            m.set_many(keys, 0)
            m.set_many(np.r_[keys[:ENOUGH], -5 - np.arange(new), keys[:900]], 1, threads=threads)
            m.set_many(-5000 - np.arange(2 * ENOUGH), 1, threads=threads)
        assert_equal_tables(shared, alone)


def test_a_shared_write_keeps_no_memory():
    keys = np.arange(ENOUGH)
    m = HMap(np.int64, np.int64, capacity=ENOUGH)
    tracemalloc.start()
    try:
        for _ in range(2):
            m.set_many(keys, keys, threads=4)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(50):
            m.set_many(keys, keys, threads=4)
        assert tracemalloc.get_traced_memory()[0] - before < ENOUGH // 8
    finally:
        tracemalloc.stop()


PROGRAM = """
import ctypes, numpy as np
from pyhmap import HMap
refused = ctypes.c_int.in_dll(ctypes.CDLL(None), "refused")
keys = np.arange(1 << 17) * 3
shared, alone = HMap(np.int64, np.int64, seed=5), HMap(np.int64, np.int64, seed=5)
refused.value = 0
shared.set_many(keys, keys, threads=3)
shared.add_many(keys[::-1], keys, threads=3)
attempts, refused.value = refused.value, -1
alone.set_many(keys, keys)
alone.add_many(keys[::-1], keys)
shared.check()
print(attempts > 0, list(shared.items()) == list(alone.items()))
"""


def test_threads_that_cannot_be_started(refused_threads):
    """The calling thread does their work."""
    assert run_alone(PROGRAM, refused_threads) == "True True"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not say which cores may be used")
def test_auto_is_the_number_of_cores_that_the_process_may_use():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    code += "from pyhmap._engine.threads import thread_count; print(thread_count('auto'), thread_count(2**70))"
    assert run_alone(code) == "1 65536"


def run_alone(code, environment=()):
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | dict(environment), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="the threads of a process are listed by Linux")
def test_other_threads_write():
    keys = np.arange(1 << 21)
    m = HMap(np.int64, np.int64, capacity=len(keys))
    alone = len(os.listdir("/proc/self/task")) + 1
    most, done = 0, threading.Event()

    def count():
        nonlocal most
        while not done.is_set():
            most = max(most, len(os.listdir("/proc/self/task")))

    counter = threading.Thread(target=count)
    counter.start()
    for _ in range(1000):
        m.set_many(keys, keys, threads=3)
        if most >= alone + 2:
            break
    done.set()
    counter.join()
    assert most >= alone + 2
