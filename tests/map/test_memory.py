"""Bytes per entry, as the map reports them; test_introspect.py compares these reports with the arrays."""

import gc
import pickle
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from pyhmap import FrozenMap, FrozenSet, HMap, HSet


def million(make):
    numbers = np.random.default_rng(17).permutation(10**6)
    return make(numbers)


@pytest.mark.release_only
@pytest.mark.slow
def test_a_million_keys_of_17_characters_take_at_most_72_bytes_each():
    keys = million(lambda numbers: [f"{number:017d}" for number in numbers])
    m = HMap(str, np.int64)
    m.set_many(keys, np.arange(10**6))
    assert len(m) == 10**6
    assert m.nbytes / len(m) <= 72


@pytest.mark.release_only
def test_a_million_int64_pairs_take_at_most_40_bytes_each_after_growing():
    """At 3.8 keys per bucket, some time after a growth. Just before the next growth it is 27 bytes."""
    m = HMap(np.int64, np.int64)
    million(lambda numbers: m.set_many(numbers, numbers))
    assert m.nbytes / len(m) <= 40
    m.set_many(np.arange(10**6, 1_703_000), 0)
    assert m.header().B == 18
    assert m.nbytes / len(m) <= 27


TEXTS = [f"a text of some length {i}" for i in range(20_000)]
MADE = {
    "empty": lambda: HMap(np.int64, np.int64),
    "int64": lambda: HMap.from_arrays(np.arange(100_000), np.arange(100_000)),
    "growing": lambda: HMap("i8", "i8", ((i, i) for i in range(26_700))),
    "str": lambda: HMap.from_arrays(TEXTS, TEXTS),
    "objects": lambda: HMap(object, object, zip(TEXTS, TEXTS, strict=True)),
    "set": lambda: HSet(str, TEXTS),
    "set of objects": lambda: HSet(object, TEXTS),
    "frozen, empty": lambda: HMap(np.int64, np.int64).freeze(),
    "frozen, int64": lambda: FrozenMap.from_arrays(np.arange(100_000), np.arange(100_000)),
    "frozen, str": lambda: FrozenMap.from_arrays(TEXTS, TEXTS),
    "frozen set": lambda: FrozenSet.from_array(TEXTS),
}


def half_empty():
    m = MADE["objects"]()
    m.discard_many(TEXTS[:15_000])
    return m


@pytest.mark.parametrize("make", [*MADE.values(), half_empty], ids=[*MADE, "half empty"])
def test_sizeof_is_what_was_allocated(make):
    """To within 1 % and 8 KiB: the objects that hold the arrays take memory too."""
    gc.collect()
    tracemalloc.start()
    try:
        make()  # allocates what is needed only once per process
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        m = make()
        gc.collect()
        traced = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert abs(sys.getsizeof(m) - traced) <= 8192 + traced / 100
    assert sys.getsizeof(m) > m.nbytes


@pytest.mark.parametrize(("key", "value"), [(np.int64, np.int64), (str, str), (object, object)])
def test_a_map_that_is_gone_leaves_no_reference_behind(key, value):
    """Also not to shared objects, of which no memory meter would show a leaked reference (immortal from 3.12 on)."""
    text = "a text that is too long for a slot"
    items = {1: 2} if key is np.int64 else {text: text}
    shared = [None, ..., True, NotImplemented, HMap, FrozenMap, text]

    def references():
        gc.collect()
        return [sys.getrefcount(each) for each in shared]

    before = references()
    for _ in range(100):
        m = HMap(key, value, items)
        m.bucket_arrays()
        if key is not object:
            f = m.freeze()
            list(f.items())
            f.lookup_many([*items, *items])
            pickle.loads(pickle.dumps(f))
        del m
    assert np.abs(np.subtract(references(), before)).max() < 20


# The arena block that a batch has only begun gets no huge pages, each of which would take 2 MiB.
BEGUN = """
import numpy as np, psutil
from pyhmap import HMap
own = lambda: psutil.Process().memory_full_info().uss
warm = HMap(bytes, np.int64)
warm.set_many([b"some bytes"], [1])
keys = np.array([b"%0200d" % i for i in range({n})])
values = np.arange({n})
before = own()
m = HMap(bytes, np.int64, capacity={n})
m.set_many(keys, values)
print(own() - before, m.nbytes)
"""
ARENA = 0x10000 * (2**7 - 1)  # bytes of the blocks before the one of 8 MiB


@pytest.mark.release_only
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="huge pages on demand are Linux's")
def test_memory_of_the_system_is_what_the_map_says_it_takes():
    n = ARENA // 200 + 500  # so that the last block has 0.1 MB
    done = subprocess.run([sys.executable, "-P", "-c", BEGUN.format(n=n)], capture_output=True, text=True, check=True)
    taken, said = map(int, done.stdout.split())
    assert abs(taken - said) < 1_000_000


VIEWS = """
import gc, tracemalloc
from pyhmap import HIndex, HMap
import numpy as np
ix, m = HIndex(np.int64, range(60)), HMap(np.int64, np.int64, [(1, 2)])
def calls(n):
    apart = []  # so that each new string has another address
    for i in range(n):
        apart.append(f"{i:08d}")
        ix.labels()
        ix.freeze().labels()
        m.freeze().keys_array()
    del apart
    gc.collect()
calls(10)
tracemalloc.start()
before = len(tracemalloc.take_snapshot().traces)
calls(2000)
print(len(tracemalloc.take_snapshot().traces) - before)
"""


@pytest.mark.release_only
def test_views_leave_nothing_in_the_cache_of_attributes():
    """NumPy's `flags.writeable = False` looks a method up by a new string, and CPython keeps up to 4096 of them."""
    done = subprocess.run([sys.executable, "-P", "-c", VIEWS], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 50
