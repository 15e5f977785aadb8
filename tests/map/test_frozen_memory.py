"""What a frozen map takes: bytes per entry, and while it is built."""

import tracemalloc

import numpy as np
import pytest

from pyhmap import FrozenMap, HMap
from pyhmap._reference.frozen import SHIFTS

N = 200_000
RNG = np.random.default_rng(1)
WORDS = RNG.permutation(np.arange(N) * 7919)
TEXTS = [f"{word:017}" for word in WORDS.tolist()]
# Keys, values, and the bytes of an entry: in its row, and in the arena.
MAPS = {
    "int64": (WORDS, WORDS, 16),
    "int32 without values": (WORDS.astype(np.int32), np.zeros(N, "V0"), 4),
    "str of 17": (TEXTS, WORDS, 24 + 17),
    "str of 17 to str of 17": (WORDS, TEXTS, 24 + 17),
    "values of 100 bytes": (WORDS, np.zeros(N, "S100"), 8 + 104),
}


def traced(build) -> tuple:
    """What a call returns, and the most bytes that it held beyond what was there."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        result = build()
        return result, tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("threads", [1, 2])
def test_building_takes_no_more_than_twice_the_memory_of_the_result(name, threads):
    keys, values, entry = MAPS[name]
    codecs = (str if isinstance(items, list) else items.dtype for items in (keys, values))
    m = HMap(*codecs, capacity=N)
    m.set_many(keys, values)
    f, peak = traced(lambda: m.freeze(threads=threads))
    assert len(f) == N
    assert f.nbytes / N < entry + 1
    assert peak < 2 * f.nbytes + 1_000_000  # and what a part takes, which is most in a small map


@pytest.mark.slow
def test_building_from_arrays_takes_no_more_than_that():
    f, peak = traced(lambda: FrozenMap.from_arrays(WORDS, WORDS))
    assert peak < 2 * f.nbytes + 1_000_000


def test_a_small_map_has_no_spare_rows():
    for n in range(40):
        f = FrozenMap.from_arrays(np.arange(n), np.arange(n))
        assert f.nbytes <= 17 * n + 4 * SHIFTS + 8
