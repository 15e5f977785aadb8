"""Shared by the map's tests: key types, maps in a given state, comparisons, Hypothesis strategies."""

import gc
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import strategies as st

from pyhmap._inspect.hashes import hash_words, text_bytes

INT64_MIN, INT64_MAX, UINT64_MAX = -(2**63), 2**63 - 1, 2**64 - 1
KEY_DTYPES = [np.int64, np.uint64, np.float64]

# Keys that are near a border of their type, or special in it.
EDGE_KEYS = {
    np.int64: [0, 1, -1, -2, INT64_MIN, INT64_MIN + 1, INT64_MAX, 2**32, -(2**32), 2**53 + 1],
    np.uint64: [0, 1, 2, 2**63 - 1, 2**63, 2**63 + 1, UINT64_MAX, UINT64_MAX - 1, 2**32, 2**53 + 1],
    np.float64: [0.0, 1.0, -1.0, 5e-324, -5e-324, 1.7976931348623157e308, float("inf"), -float("inf"), 0.1, 2.0**53],
}


def items_of(m) -> dict:
    """The items of a map as a dict. Fails if a key occurs twice."""
    items = dict(m.items())
    assert len(items) == len(list(m)) == len(m)
    return items


def growing(hmap_type, B: int, *, seed: int = 1, dtype=np.int64):
    """A map of keys 0, 1, 2, ... that has just begun to grow from 2**B buckets (B > 1), and the dict of its items."""
    items = {key: -key for key in range((13 << B - 1) + 1)}
    m = hmap_type(dtype, np.int64, items.items(), seed=seed)
    assert (m.header().B, m.header().oldbuckets) == (B + 1, 1 << B)
    return m, items


def fragmented(hmap_type, B: int, *, seed: int = 1):
    """A map that inserts and deletes have just brought to a same-size growth of 2**B buckets, and its items.

    In each bucket in turn nine keys fill an overflow bucket, then four of the main bucket's go: random keys that come
    and go do not do that, since overflow buckets that become empty are used again.
    """
    m = hmap_type(np.int64, np.int64, capacity=13 << B - 1, seed=seed)
    by_bucket = keys_by_bucket(m, 64 << B)
    items = {}
    for keys in by_bucket:
        for key in keys[:9]:
            m[key] = items[key] = key
        for key in keys[:4]:
            del m[key], items[key]
    m[by_bucket[0][9]] = items[by_bucket[0][9]] = by_bucket[0][9]
    assert (m.header().flags, m.header().oldbuckets) == (8, 1 << B)
    return m, items


def keys_by_bucket(m, n: int) -> list[list[int]]:
    """The keys 0 .. n - 1 by the main bucket in which a map of int64 keys puts them."""
    hashes = hash_words(np.arange(n, dtype=np.uint64), m._state().hash_key)
    buckets = (hashes & np.uint64(m.header().buckets - 1)).astype(int)
    return [np.flatnonzero(buckets == bucket).tolist() for bucket in range(m.header().buckets)]


def hash_key_of(seed: int, draw: int = 0) -> tuple[int, int, int, int]:
    """The hash key that a map of this seed draws first, or after so many others.

    Four words of SplitMix64, of which the last three are made odd; map/test_hash.py has the published words.
    """
    words = []
    for i in range(4 * draw + 1, 4 * draw + 5):
        z = seed + i * 0x9E3779B97F4A7C15 & UINT64_MAX
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & UINT64_MAX
        z = (z ^ z >> 27) * 0x94D049BB133111EB & UINT64_MAX
        words.append(z ^ z >> 31)
    return words[0], words[1] | 1, words[2] | 1, words[3] | 1


def words_with(hashes, hash_key: tuple[int, int, int, int]) -> np.ndarray:
    """The uint64 keys that have these hashes: the hash of words can be run backwards."""
    offset, *multipliers = hash_key
    x = np.array(hashes, np.uint64)
    for multiplier, shift in zip(reversed(multipliers), (32, 29, 32), strict=True):
        x ^= x >> np.uint64(shift) ^ (x >> np.uint64(2 * shift) if 2 * shift < 64 else np.uint64(0))
        x *= np.uint64(pow(multiplier, -1, 2**64))
    return x ^ np.uint64(offset)


@contextmanager
def refused(m, error: type[Exception] | tuple[type[Exception], ...], match: str | None = None) -> Iterator[None]:
    """A context in which the error must be raised. The map must then have the items it had, and its invariants hold."""
    before = [array.tolist() for array in m.to_arrays()]
    with pytest.raises(error, match=match):
        yield
    assert repr([array.tolist() for array in m.to_arrays()]) == repr(before)
    assert len(m) == len(m.keys_array())
    m.check()


@contextmanager
def no_collections() -> Iterator[None]:
    """No collection runs inside: what a signal handler raises while a hook of the collector runs is lost."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """A context in which the main thread is interrupted, as by Ctrl-C, once the process has computed for so long.

    A timer of the system: it needs no thread, which on a busy machine may come too late.
    """
    before = signal.signal(signal.SIGPROF, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def assert_same_rows(a, b) -> None:
    """Two maps have the same header, and in the rows of both bucket arrays the same tophashes, links, keys and values.

    Long texts and objects may lie elsewhere; what an evacuated slot still holds does not matter.
    """
    assert a.header() == b.header()
    ours, theirs = a._state(), b._state()
    assert ours.hash_key == theirs.hash_key
    for counter in ("growths", "same_size_growths", "shrinks", "rekeys"):
        assert getattr(ours, counter) == getattr(theirs, counter), counter
    assert (ours.old is None) == (theirs.old is None)
    for mine, other in zip((ours.now, ours.old), (theirs.now, theirs.old), strict=True):
        if mine is not None:
            np.testing.assert_array_equal(mine.tophash, other.tophash)
            np.testing.assert_array_equal(mine.overflow, other.overflow)
            assert (mine.free_row, mine.nfree) == (other.free_row, other.nfree)
            full = mine.tophash >= 5
            assert mine.slots.dtype == other.slots.dtype
            for field in ("key", "value"):
                assert held(ours, mine, field, full) == held(theirs, other, field, full)


def held(raw, table, field: str, full) -> list:
    """The content of one field of the full slots: stored bytes or objects; for a long double, its value."""
    codec, objects = (raw.key_codec, raw.key_objects) if field == "key" else (raw.value_codec, raw.value_objects)
    slots = table.slots[field][full]
    if codec.form == "text":
        return [text_bytes(raw, text) for text in slots]
    if codec.form == "object":
        return [objects[number] for number in (slots["index"] if field == "key" else slots).tolist()]
    return slots.tolist() if codec.dtype == np.longdouble else [slot.tobytes() for slot in slots]


def key_strategy(dtype) -> st.SearchStrategy:
    """Keys of a type: mostly from a small range, so that they repeat, and some from the whole range."""
    if dtype is np.float64:
        return st.one_of(st.integers(-50, 50).map(float), st.floats())
    if dtype is np.uint64:
        return st.one_of(st.integers(0, 100), st.integers(0, UINT64_MAX))
    return st.one_of(st.integers(-50, 50), st.integers(INT64_MIN, INT64_MAX))


int64s = st.integers(INT64_MIN, INT64_MAX)
