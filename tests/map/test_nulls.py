"""Nulls in batches: absent when read, an error with its position when written."""

import numpy as np
import pytest

from pyhmap import HMap, HSet
from support import refused

pytestmark = pytest.mark.frozen_too

pa = pytest.importorskip("pyarrow")

# Of each key type: a map, and a column whose second item is a null. What a null hides, 0 or the empty text, is a key.
NUMBERS = pytest.param(np.int64, [7, None, 0, 9], id="int64")
NARROW = pytest.param(np.int32, pa.array([7, None, 0, 9], pa.int32()), id="int32")
TEXTS = pytest.param(str, ["key", None, "", "a long absent key"], id="str")
CHUNKS = pytest.param(str, pa.chunked_array([["key", None], ["", "none"]]), id="str, chunks")
OBJECTS = pytest.param(object, ["key", None, "", "none"], id="object")
columns = pytest.mark.parametrize(("key_type", "column"), [NUMBERS, NARROW, TEXTS, CHUNKS, OBJECTS])


def of(hmap_type, key_type, column, value, values):
    """A map of the first and the third key, and the column."""
    column = pa.array(column) if isinstance(column, list) else column
    keys = column.to_pylist()
    m = hmap_type(key_type, value)
    m[keys[0]], m[keys[2]] = values
    return m, column


@columns
def test_a_null_is_absent_when_read(hmap_type, key_type, column):
    m, column = of(hmap_type, key_type, column, np.int64, [10, 20])
    assert m.get_many(column, default=-1).tolist() == [10, -1, 20, -1]
    values, found = m.lookup_many(column)
    assert (values.tolist(), found.tolist()) == ([10, 0, 20, 0], [True, False, True, False])
    assert m.contains_many(column).tolist() == [True, False, True, False]


@columns
def test_a_null_gives_the_default_of_every_value_type(hmap_type, key_type, column):
    m, column = of(hmap_type, key_type, column, str, ["a value of some length", ""])
    default = "a default of some length"
    assert m.get_many(column, default=default).tolist() == ["a value of some length", default, "", default]
    assert m.lookup_many(column)[0].tolist() == ["a value of some length", "", "", ""]
    defaults = ["w", "x", "another default of some length", "z"]
    expected = ["a value of some length", "x", "", "z"]
    assert m.get_many(column, default=defaults).tolist() == expected
    assert m.get_many(column, default=pa.array(defaults)).tolist() == expected
    m, column = of(hmap_type, key_type, column, np.dtype((np.float64, 2)), [[1, 2], [3, 4]])
    assert m.get_many(column, default=[8, 9]).tolist() == [[1, 2], [8, 9], [3, 4], [8, 9]]


@columns
def test_a_null_without_a_default_is_an_error_with_its_position(hmap_type, key_type, column):
    m, column = of(hmap_type, key_type, column, np.int64, [10, 20])
    with refused(m, ValueError, r"keys\[1\] is null: fill or drop nulls"):
        m.get_many(column)


@columns
@pytest.mark.parametrize(
    "write",
    [
        lambda m, column: m.set_many(column, 1),
        lambda m, column: m.setdefault_many(column, 1),
        lambda m, column: m.add_many(column),
        lambda m, column: m.pop_many(column, default=0),
        lambda m, column: m.discard_many(column),
    ],
)
def test_a_null_key_is_not_written(hmap_type, key_type, column, write):
    m, column = of(hmap_type, key_type, column, np.int64, [10, 20])
    with refused(m, ValueError, r"keys\[1\] is null: fill or drop nulls"):
        write(m, column)


@columns
def test_a_null_has_the_code_minus_one_and_uses_none(hmap_type, key_type, column):
    """Although the bytes in the place of the null are those of a key."""
    m, column = hmap_type(key_type, np.int64), pa.array(column) if isinstance(column, list) else column
    assert m.factorize(column).tolist() == [0, -1, 1, 2]
    assert len(m) == 3
    assert m.factorize(column).tolist() == [0, -1, 1, 2]


def test_the_key_that_gets_no_code_is_named_by_its_position_among_nulls():
    m = HMap(np.int64, np.int8, {i: i for i in range(128)})
    with refused(m, OverflowError, r"keys\[3\]: code 128 is outside int8"):
        m.factorize(pa.array([None, 5, None, 200]))


@pytest.mark.parametrize(("value", "column"), [(np.int64, [1, 2, None]), (str, ["a", "b", None])])
def test_a_null_value_is_not_written(hmap_type, value, column):
    m = hmap_type(np.int64, value, {5: column[0]})
    with refused(m, ValueError, r"values\[2\] is null: fill or drop nulls"):
        m.set_many([1, 2, 3], pa.array(column))


def test_a_set_has_no_null():
    s = HSet(str, ["key", ""])
    assert s.contains_many(pa.array(["key", None, ""])).tolist() == [True, False, True]
    with pytest.raises(ValueError, match=r"keys\[1\] is null"):
        s.add_many(pa.array(["new", None]))
    with pytest.raises(ValueError, match=r"keys\[1\] is null"):
        s.add_many(pa.array(["new", None]), return_new=True)
    assert s == {"key", ""}
