"""What several test files of the map share: key types, maps in a wanted state, comparisons, Hypothesis strategies.

Imports pyhmap only.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import strategies as st

from pyhmap import HMap, introspect

INT64_MIN, INT64_MAX, UINT64_MAX = -(2**63), 2**63 - 1, 2**64 - 1
KEY_DTYPES = [np.int64, np.uint64, np.float64]

# Keys that are near a border of their type, or special in it.
EDGE_KEYS = {
    np.int64: [0, 1, -1, -2, INT64_MIN, INT64_MIN + 1, INT64_MAX, 2**32, -(2**32), 2**53 + 1],
    np.uint64: [0, 1, 2, 2**63 - 1, 2**63, 2**63 + 1, UINT64_MAX, UINT64_MAX - 1, 2**32, 2**53 + 1],
    np.float64: [0.0, 1.0, -1.0, 5e-324, -5e-324, 1.7976931348623157e308, float("inf"), -float("inf"), 0.1, 2.0**53],
}


def items_of(m) -> dict:
    """A map's items as a dict; fails if a key is there twice."""
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
    """A map that inserts and deletes have just brought to a same-size growth of 2**B buckets, and its items."""
    newest, oldest = _churn_to_same_size_growth(B, seed)
    m, live = hmap_type(np.int64, np.int64, capacity=13 << B - 1, seed=seed), 6 << B
    for key in range(newest + 1):
        m[key] = key
        if key >= live and key < newest:
            del m[key - live]
    assert (m.header().flags, m.header().oldbuckets) == (8, 1 << B)
    return m, {key: key for key in range(oldest, newest + 1)}


@functools.cache
def _churn_to_same_size_growth(B: int, seed: int) -> tuple[int, int]:
    """The keys, first inserted, first deleted, at which a map of constant length begins a same-size growth."""
    m, live = HMap(np.int64, np.int64, capacity=13 << B - 1, seed=seed), 6 << B
    for key in range(1000 << B):
        m[key] = key
        if m.header().flags == 8:
            return key, max(key - live, 0)
        if key >= live:
            del m[key - live]
    raise AssertionError("a thousand keys a bucket came and went without a same-size growth")


@contextmanager
def refused(m, error: type[Exception] | tuple[type[Exception], ...], match: str | None = None) -> Iterator[None]:
    """The block must raise the error, and leave the map's items and invariants as they were."""
    before = [array.tolist() for array in m.to_arrays()]
    with pytest.raises(error, match=match):
        yield
    assert repr([array.tolist() for array in m.to_arrays()]) == repr(before)
    assert len(m) == len(m.keys_array())
    m.check()


def assert_same_rows(a, b) -> None:
    """Two maps have the same header, and in the rows of both bucket arrays the same tophashes, links, keys and values.

    Long texts and objects may lie elsewhere; what an evacuated slot still holds does not matter.
    """
    assert a.header() == b.header()
    ours, theirs = a._state(), b._state()
    assert ours.hash_key == theirs.hash_key
    assert (ours.growths, ours.same_size_growths) == (theirs.growths, theirs.same_size_growths)
    assert (ours.old is None) == (theirs.old is None)
    for mine, other in zip((ours.now, ours.old), (theirs.now, theirs.old), strict=True):
        if mine is not None:
            np.testing.assert_array_equal(mine.tophash, other.tophash)
            np.testing.assert_array_equal(mine.overflow, other.overflow)
            full = mine.tophash >= 5
            assert mine.slots.dtype == other.slots.dtype
            for field in ("key", "value"):
                assert held(ours, mine, field, full) == held(theirs, other, field, full)


def held(raw, table, field: str, full) -> list:
    """What the full slots hold in one field: stored bytes or objects, or what those of a long double stand for."""
    codec, objects = (raw.key_codec, raw.key_objects) if field == "key" else (raw.value_codec, raw.value_objects)
    slots = table.slots[field][full]
    if codec.form == "text":
        return [introspect.text_bytes(raw, text) for text in slots]
    if codec.form == "object":
        return [objects[number] for number in (slots["index"] if field == "key" else slots).tolist()]
    return slots.tolist() if codec.dtype == np.longdouble else [slot.tobytes() for slot in slots]


def key_strategy(dtype) -> st.SearchStrategy:
    """Keys of a type: mostly from a small range, so that they meet again, and some from the whole of it."""
    if dtype is np.float64:
        return st.one_of(st.integers(-50, 50).map(float), st.floats())
    if dtype is np.uint64:
        return st.one_of(st.integers(0, 100), st.integers(0, UINT64_MAX))
    return st.one_of(st.integers(-50, 50), st.integers(INT64_MIN, INT64_MAX))


int64s = st.integers(INT64_MIN, INT64_MAX)
