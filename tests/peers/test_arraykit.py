"""What arraykit's property tests check in AutoMap, checked in a map that numbers its keys.

An AutoMap maps each key to its position. Here that is a map of int64 values, numbered by `factorize`, or made by
`from_arrays` of an array and `arange`. Where the two differ, a test names the line of docs/semantics.md.
"""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pyhmap import HMap

# A NaN object equals only itself (line 13), in an AutoMap as in a dict.
plain = st.one_of(st.integers(), st.text(), st.floats(), st.booleans(), st.binary(), st.tuples(st.integers()))
keys_of_objects = st.sets(plain)

# The key dtypes, also in the other byte order.
DTYPES = ["?", "i1", "i2", "i4", "i8", ">i8", "u1", "u4", "u8", ">u2", "f2", "f4", "f8", ">f8", "M8[s]", "m8[ns]", "U5"]


@st.composite
def key_arrays(draw):
    """Arrays of different keys, of each dtype, contiguous or every second item of an array."""
    array = draw(arrays(draw(st.sampled_from(DTYPES)), st.integers(0, 30), unique=True))
    if array.dtype.kind in "fmM":
        array = array[array == array]  # several NaN or NaT are one key: lines 5 and 6
    return array[::2] if draw(st.booleans()) else array


def numbered(keys):
    m = HMap(object, np.int64)
    assert m.factorize(list(keys)).tolist() == list(range(len(keys)))
    return m


def positions(array):
    return HMap.from_arrays(array, np.arange(len(array)))


@given(keys_of_objects, keys_of_objects)
def test_objects_have_their_positions(keys, others):
    m = numbered(keys)
    assert len(m) == len(keys)
    assert [m[key] for key in keys] == list(range(len(keys)))
    assert all(key in m for key in keys)
    for key in others - keys:
        assert key not in m
        with pytest.raises(KeyError):
            m[key]


@given(key_arrays())
def test_keys_of_an_array_have_their_positions(array):
    m = positions(array)
    assert len(m) == len(array)
    assert all(key in m for key in array)
    assert [m[key] for key in array] == list(range(len(array)))
    assert m.get_many(array).tolist() == m.get_many(list(array)).tolist() == list(range(len(array)))
    m.check()


@given(keys_of_objects)
def test_iteration_has_no_order(keys):
    """Line 28: an AutoMap iterates in the order of the positions, also backwards; a map in that of the table."""
    m = numbered(keys)
    assert sorted(m.items(), key=lambda item: item[1]) == [(key, i) for i, key in enumerate(keys)]
    assert sorted(m.values()) == list(range(len(keys)))
    with pytest.raises(TypeError):
        reversed(m)  # line 46


@given(keys_of_objects)
def test_keys_are_added_one_by_one(keys):
    m = HMap(object, np.int64)
    for i, key in enumerate(keys):
        assert m.factorize([key]).tolist() == [i]
        assert (len(m), m[key]) == (i + 1, i)


@given(key_arrays())
def test_keys_that_occur_twice_are_no_error(array):
    """Line 23: an AutoMap refuses them; `factorize` gives them one code, and in `set_many` the last one counts."""
    twice = np.concatenate([array, array])
    m = HMap(positions(array).key_dtype, np.int64)
    assert m.factorize(twice).tolist() == [*range(len(array))] * 2
    assert positions(twice).get_many(array).tolist() == list(range(len(array), 2 * len(array)))


@given(key_arrays())
def test_pickles_of_arrays(array):
    m = positions(array)
    assert pickle.loads(pickle.dumps(m)) == m


@given(st.sets(st.one_of(st.integers(), st.text(), st.binary(), st.tuples(st.integers()))))
def test_pickles_of_objects(keys):
    m = numbered(keys)
    assert pickle.loads(pickle.dumps(m)) == m


@given(key_arrays(), st.data())
def test_all_of_some_keys_or_those_that_are_present(array, data):
    """AutoMap's `get_all` raises for a missing key, and `get_any` leaves it out."""
    kept = data.draw(arrays(bool, len(array)))
    m = positions(array[kept])
    expected = np.arange(kept.sum())
    assert m.contains_many(array).tolist() == kept.tolist()
    assert m.get_many(array[m.contains_many(array)]).tolist() == expected.tolist()
    if not kept.all():
        with pytest.raises(KeyError, match=f"at position {kept.argmin()} is not in the map"):
            m.get_many(array)


@pytest.mark.parametrize("dtype", ["c16", "g"])
def test_complex_numbers_and_long_doubles_are_no_keys(dtype):
    """Line 1: a key is stored exactly or refused; keys are ints, floats of up to 64 bits, times and texts."""
    with pytest.raises(TypeError, match="are not supported"):
        positions(np.array([1, 2], dtype))


def test_floats_are_no_keys_of_ints():
    """Line 2: an AutoMap of an int array finds 1 under 1.0; here that is a mistake."""
    m = positions(np.array([1, 100]))
    assert (m[True], m[np.uint8(100)]) == (0, 1)
    with pytest.raises(TypeError, match=r"key 1\.0 is of type float"):
        m.get(1.0)
    with pytest.raises(TypeError, match="key 'f' is of type str"):
        m.get("f")


def test_equal_times_of_any_unit_are_one_key():
    """Lines 1 and 6: equal times are one key. An AutoMap finds only times of its own unit, and NaT of any unit."""
    m = positions(np.array(["1970-01", "2023-05"], "M8[D]"))
    assert m[np.datetime64("2023-05")] == m[np.datetime64("2023-05-01T00", "h")] == 1
    assert m.get(np.datetime64("NaT", "s")) is None
    with pytest.raises(OverflowError, match="has no exact"):
        m.get(np.datetime64("2023-05-01T01", "h"))


def test_trailing_nuls_of_fixed_texts():
    """Line 8: NumPy cannot tell them from padding."""
    m = positions(np.array(["", "\x000\x00"], "U3"))
    assert (m[""], m["\x000"]) == (0, 1)
    assert "\x000\x00" not in m
