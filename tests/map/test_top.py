"""top() and most_common(): the items with the largest or smallest values. Compared with sorting, and with Counter."""

import threading
import tracemalloc
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinds import VALUE_KINDS, array_of, kinds
from pyhmap import HMap
from support import refused

pytestmark = pytest.mark.frozen_too

NUMBERS = [name for name in VALUE_KINDS if any(part in name for part in ("int", "float", "bool", "time", "longdouble"))]
NAN = float("nan")


def best(m, n, smallest=False):
    """The first n items of the map, sorted by value with Python's sort, which keeps the order of equal ones."""
    return sorted(m.items(), key=lambda item: item[1], reverse=not smallest)[:n]


def pairs(arrays):
    keys, values = arrays
    assert len(keys) == len(values)
    return list(zip(keys.tolist(), values.tolist(), strict=True))


@kinds
def test_every_key_type(hmap_type, kind):
    keys = list(dict.fromkeys([*kind.keys, *kind.edge]))
    m = hmap_type(kind.spec, np.int64, {key: i * 37 % 11 for i, key in enumerate(keys)})
    for n in (0, 1, 3, len(keys), 1000):
        for smallest in (False, True):
            expected = best(m, n, smallest)
            top = m.top(n, smallest=smallest)
            array = array_of(kind.spec, [key for key, _ in expected])
            assert top[0].dtype == array.dtype
            assert top[0].tolist() == array.tolist()
            assert top[1].tolist() == [value for _, value in expected]
        assert m.most_common(n) == best(m, n)
    assert m.most_common() == best(m, None)
    assert [type(key) for key, _ in m.most_common()] == [type(key) for key, _ in best(m, None)]


@pytest.mark.parametrize("name", NUMBERS)
def test_every_type_of_numbers_and_times(hmap_type, name):
    values = VALUE_KINDS[name].values * 3
    m = hmap_type(np.int64, VALUE_KINDS[name].spec, enumerate(values))
    for n in (0, 1, 2, 5, len(values)):
        for smallest in (False, True):
            top = m.top(n, smallest=smallest)
            assert top[1].dtype == m.value_dtype
            expected = best(m, n, smallest)
            assert top[0].tolist() == [key for key, _ in expected]
            assert list(top[1]) == [value for _, value in expected]
    assert m.most_common() == best(m, None)
    assert {type(value) for _, value in m.most_common()} == {type(value) for value in m.values()}


def test_keys_that_are_records_come_as_the_map_returns_them(hmap_type):
    """With fields that NumPy would make other objects of."""
    m = hmap_type([("when", "M8[ns]"), ("at", "i2", (2,)), ("name", "U3")], np.int64)
    key = (np.datetime64(1_234_567_891, "ns"), (3, 4), "a")
    m[key] = 1
    assert m.most_common() == [(key, 1)]
    assert [type(part) for part in m.most_common()[0][0]] == [np.datetime64, tuple, str]
    assert m.top(1)[0].tobytes() == m.keys_array().tobytes()


def test_words_are_counted_as_counter_counts_them(hmap_type):
    rng = np.random.default_rng(4)
    words = [f"word {i}" for i in rng.zipf(1.5, 2000).tolist()]
    m = hmap_type(str, np.int64)
    m.add_many(words)
    counter = Counter(words)
    for n in (1, 10, None):
        ours, theirs = m.most_common(n), counter.most_common(n)
        assert [count for _, count in ours] == [count for _, count in theirs]
        assert all(counter[word] == count for word, count in ours)
        assert {type(word) for word, _ in ours} == {str}
        assert {type(count) for _, count in ours} == {int}


@pytest.mark.parametrize("values", [[1, NAN, 3, NAN, -float("inf"), 3, float("inf"), -0.0, 0.0], [NAN, NAN]])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "g"])
def test_nan_comes_last_in_both_directions(hmap_type, values, dtype):
    m = hmap_type(np.int64, dtype, enumerate(values))
    present = [(key, value) for key, value in m.items() if value == value]
    missing = [key for key, value in m.items() if value != value]
    for smallest in (False, True):
        order = [key for key, _ in sorted(present, key=lambda item: item[1], reverse=not smallest)] + missing
        for n in range(len(values) + 2):
            assert m.top(n, smallest=smallest)[0].tolist() == order[:n]


def test_a_signalling_nan_is_one_too(hmap_type):
    """It comes last without a warning, which NumPy gives when one is compared."""
    values = np.array([1, 0x7FF0000000000001, 2, 3], np.uint64).view(np.float64)
    values[[0, 2, 3]] = [1.0, 2.0, 3.0]
    m = hmap_type(np.int64, np.float64)
    m.set_many(np.arange(4), values)
    for n in range(1, 5):
        assert m.top(n)[0].tolist() == [3, 2, 0, 1][:n]


@pytest.mark.parametrize("unit", ["M8[s]", "m8[D]"])
def test_nat_comes_last_in_both_directions(hmap_type, unit):
    values = np.array([5, "NaT", -7, 5, "NaT", 2**62], unit)
    m = hmap_type(np.int64, unit, enumerate(values))
    order = list(m)
    missing = [key for key in order if key in (1, 4)]
    equal = [key for key in order if key in (0, 3)]
    for n in range(8):
        assert m.top(n)[0].tolist() == [5, *equal, 2, *missing][:n]
        assert m.top(n, smallest=True)[0].tolist() == [2, *equal, 5, *missing][:n]


@pytest.mark.parametrize("name", ["complex64", "str", "bytes", "S3", "U3", "V3", "record", "object"])
def test_values_without_an_order_of_numbers_are_refused(hmap_type, name):
    m = hmap_type(np.int64, VALUE_KINDS[name].spec, {1: VALUE_KINDS[name].values[0]})
    with refused(m, TypeError, r"top needs values that are ints, floats, bools or times, not .*heapq\.nlargest"):
        m.most_common()
    with refused(m, TypeError, r"heapq\.nsmallest\(n, m\.items\(\)"):
        m.top(1, smallest=True)


def test_sub_array_values_are_refused(hmap_type):
    with pytest.raises(TypeError, match="top needs values"):
        hmap_type(np.int64, ("i8", (2,))).top(1)


def test_numbers_of_items_that_are_none(hmap_type):
    m = hmap_type(np.int64, np.int64, {1: 10, 2: 20})
    with refused(m, ValueError, "n=-1: give a whole number from 0 on"):
        m.top(-1)
    with refused(m, ValueError, "n=-1"):
        m.most_common(-1)
    for wrong in (1.0, "1", None):
        with refused(m, TypeError, "int"):
            m.top(wrong)
    assert m.top(np.int8(1))[0].tolist() == [2]
    assert m.top(10**30)[0].tolist() == [2, 1]


def test_an_empty_map(hmap_type):
    m = hmap_type("M8[s]", np.float32)
    for n in (0, 3):
        keys, values = m.top(n)
        assert (keys.shape, keys.dtype, values.shape, values.dtype) == ((0,), "M8[s]", (0,), np.float32)
    assert m.most_common() == []


@given(
    items=st.dictionaries(
        st.text(max_size=20), st.one_of(st.integers(-3, 3).map(float), st.floats(width=64)), max_size=60
    ),
    n=st.integers(0, 70),
    smallest=st.booleans(),
)
def test_any_items_are_those_that_sorting_gives(hmap_type, items, n, smallest):
    m = hmap_type(str, np.float64, items, seed=1)
    present = {key: value for key, value in m.items() if value == value}
    order = sorted(present, key=present.__getitem__, reverse=not smallest)
    order += [key for key, value in m.items() if value != value]
    keys, values = m.top(n, smallest=smallest)
    assert keys.tolist() == order[:n]
    assert [repr(value) for value in values.tolist()] == [repr(items[key]) for key in order[:n]]


@pytest.mark.frozen_too(False)
def test_a_growing_map(hmap_type):
    m = hmap_type(np.int64, np.int64, ((i, i) for i in range(13 * 32 + 1)))
    assert m.header().oldbuckets
    assert m.most_common(2) == [(416, 416), (415, 415)]
    m.check()


@pytest.mark.frozen_too(False)
@pytest.mark.parametrize("freeze", [False, True])
def test_no_object_is_made_of_a_key_that_is_not_returned(freeze):
    n = 50_000
    m = HMap(str, np.int64)
    m.set_many([f"{i:0100}" for i in range(n)], range(n))
    m = m.freeze() if freeze else m
    m.top(1)
    tracemalloc.start()
    try:
        assert m.most_common(2) == [(f"{n - 1:0100}", n - 1), (f"{n - 2:0100}", n - 2)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 60 * n  # a str of 100 characters takes 149 bytes


@pytest.mark.frozen_too(False)
@pytest.mark.parametrize("key", [np.int64, str])
def test_items_of_one_moment_while_another_thread_writes(key):
    """The thread moves one large value from key to key, so at each moment there is exactly one."""
    names = [i if key is np.int64 else f"the key of number {i}" for i in range(1000)]
    m = HMap(key, np.int64, dict.fromkeys(names, 0))
    m[names[0]] = 1
    stop = threading.Event()

    def move():
        i = 0
        while not stop.is_set():
            i += 1
            m.set_many([names[(i - 1) % 1000], names[i % 1000]], [0, 1])

    writer = threading.Thread(target=move)
    writer.start()
    try:
        for _ in range(300):
            keys, values = m.top(2)
            assert values.tolist() == [1, 0]
            assert len(set(keys.tolist())) == 2
    finally:
        stop.set()
        writer.join()
    m.check()
