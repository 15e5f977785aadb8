"""add_many of values that have several numbers: records and arrays, combined field by field. Compared with NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhmap import HMap
from pyhmap._reference.engine import ReferenceMap
from support import items_of, refused

FUNCTIONS = {"add": np.add, "min": np.minimum, "max": np.maximum}
NUMBERS = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8", "m8[s]", "M8[us]"]
# Types of values, with fields in every form.
TYPES = {
    "two columns": [("amount", "f8"), ("n", "i8")],
    "side by side": [("a", "i4"), ("b", "i4"), ("c", "i4")],
    "unaligned": [("a", "i1"), ("b", "f8"), ("c", "u2"), ("d", "f4")],
    "padded": np.dtype([("a", "i1"), ("b", "f8"), ("c", "u2")], align=True),
    "out of order": np.dtype({"names": ["a", "b"], "formats": ["i2", "f8"], "offsets": [12, 2], "itemsize": 20}),
    "alike, with a gap": np.dtype({"names": ["a", "b"], "formats": ["i4", "i4"], "offsets": [0, 8], "itemsize": 12}),
    "alike, backwards": np.dtype({"names": ["a", "b"], "formats": ["u2", "u2"], "offsets": [2, 0], "itemsize": 4}),
    "one field behind a gap": np.dtype({"names": ["a"], "formats": ["i8"], "offsets": [8], "itemsize": 16}),
    "arrays in fields": [("n", "i4"), ("sums", "f8", (2, 3)), ("flags", "u1", (5,))],
    "records in fields": [("x", [("low", "i2"), ("high", "f4")]), ("n", "u8")],
    "records in arrays": [("at", [("x", "f4"), ("n", "i8")], (3,)), ("n", "i1")],
    "an array": ("f8", (3,)),
    "an array of ints": ("i2", (2, 2)),
    "an array of records": ([("x", "f4"), ("n", "u2")], (4,)),
    "all numbers": [(f"field {i}", code) for i, code in enumerate(NUMBERS[:-1])],
}
types = pytest.mark.parametrize("spec", TYPES.values(), ids=TYPES)


def random_values(dtype, n, rng):
    """n values: each byte of them random, but padding zero; floats are small whole numbers, whose sums are exact."""
    values = np.zeros(n, dtype)

    def fill(part):
        if part.dtype.names:
            for name in part.dtype.names:
                fill(part[name])
        elif part.dtype.kind == "f":
            part[...] = rng.integers(-100, 100, part.shape)
        else:
            part[...] = rng.integers(0, 256, (*part.shape, part.dtype.itemsize), np.uint8).view(part.dtype)[..., 0]

    fill(values)
    return values


def combined(function, old, new):
    """What NumPy makes of two values, as arrays of one item. Durations wrap around, which NumPy 2.5 refuses."""
    if old.dtype.kind == "m" and function is np.add:
        made = (old.view("i8") + new.view("i8")).view(old.dtype)
        return np.where(np.isnat(old) | np.isnat(new), np.array("NaT", old.dtype), made)
    if old.dtype.names is None:
        with np.errstate(over="ignore"):
            return function(old, new)
    made = np.zeros(old.shape, old.dtype)  # zeros_like() leaves padding as it is
    for name in old.dtype.names:
        made[name] = combined(function, old[name], new[name])
    return made


def expected(keys, values, op):
    sums = {}
    for key, value in zip(keys, np.split(values, len(values)), strict=True):
        sums[key] = combined(FUNCTIONS[op], sums[key], value) if key in sums else value
    return sums


def assert_holds(m, sums, dtype):
    """The map has these values, byte by byte, and zeros between them."""
    assert set(m) == set(sums)
    keys = list(sums)
    assert m.get_many(keys).tobytes() == b"".join(sums[key].tobytes() for key in keys)
    assert m.get_many(keys).dtype == dtype.base
    m.check()


@types
@pytest.mark.parametrize("op", FUNCTIONS)
@pytest.mark.parametrize("key", [np.int64, np.int32, str, object])
def test_each_field_is_combined_as_numpy_does(hmap_type, spec, op, key):
    rng = np.random.default_rng(len(str(spec)))
    m = hmap_type(key, spec)
    dtype = np.dtype(spec)
    keys = [str(i) if key in (str, object) else i for i in rng.integers(0, 60, 700).tolist()]
    values = random_values(dtype, 700, rng)
    for batch in (slice(0, 30), slice(30, 700)):  # from 512 on, a batch releases the GIL
        m.add_many(keys[batch], values[batch], op=op)
    assert_holds(m, expected(keys, values, op), dtype)


@pytest.mark.parametrize("op", ["min", "max"])
def test_fields_that_are_times(hmap_type, op):
    dtype = np.dtype([("when", "M8[us]"), ("n", "i4"), ("long", "m8[s]", (2,))])
    values = np.array(
        [(np.datetime64(5, "us"), 1, (7, -7)), (np.datetime64(9, "us"), -1, ("NaT", 2)), ("NaT", 5, (3, 3))], dtype
    )
    m = hmap_type(str, dtype)
    m.add_many(["a", "a", "b"], values, op=op)
    assert_holds(m, expected(["a", "a", "b"], values, op), dtype)
    m.add_many(["a", "a", "b"], values[::-1], op=op)
    assert np.isnat(m["a"][0])
    assert np.isnat(m["b"][0])


def test_nan_and_wrapping_in_fields(hmap_type):
    m = hmap_type(str, [("x", "f8"), ("n", "i1")])
    m.add_many(["a", "b", "a", "b"], [(1.0, 127), (np.nan, -128), (np.nan, 1), (1.0, -1)])
    assert np.isnan([m["a"][0], m["b"][0]]).all()
    assert (m["a"][1], m["b"][1]) == (-128, 127)


@pytest.mark.parametrize("key", [np.int64, object])
def test_values_without_any_number(hmap_type, key):
    m = hmap_type(key, ("f8", (0,)))
    m.add_many([1, 2, 1], np.zeros((3, 0)))
    assert {key: value.shape for key, value in m.items()} == {1: (0,), 2: (0,)}
    m.check()


# ---- how the values are given


GIVEN = {
    "records": lambda x, n: np.array(list(zip(x, n, strict=True)), [("x", "f8"), ("n", "i8")]),
    "records in another order": lambda x, n: np.array(list(zip(n, x, strict=True)), [("n", "i4"), ("x", "f4")]),
    "list of tuples": lambda x, n: list(zip(x, n, strict=True)),
    "tuple of columns": lambda x, n: (np.array(x), np.array(n)),
    "tuple of lists": lambda x, n: (x, n),
}


@pytest.mark.parametrize("given_as", GIVEN.values(), ids=GIVEN)
def test_columns_given_in_every_form(hmap_type, given_as):
    m = hmap_type(str, [("x", "f8"), ("n", "i8")])
    m.add_many(["a", "b", "a"], given_as([0.5, 1.0, 2.0], [1, 2, 3]))
    assert items_of(m) == {"a": (2.5, 4), "b": (1.0, 2)}


@pytest.mark.parametrize("key", [str, object])
def test_one_value_for_all_keys(hmap_type, key):
    m = hmap_type(key, [("x", "f8"), ("n", "i8")])
    m.add_many(["a", "b", "a"], (0.5, 1))
    assert items_of(m) == {"a": (1.0, 2), "b": (0.5, 1)}
    arrays = hmap_type(key, ("i4", (2,)))
    arrays.add_many(["a", "b", "a"], [1, 2])
    assert {name: value.tolist() for name, value in arrays.items()} == {"a": [2, 4], "b": [1, 2]}


def test_rows_of_a_matrix(hmap_type):
    m = hmap_type(np.int64, ("f8", (3,)))
    m.add_many([5, 6, 5], np.arange(9.0).reshape(3, 3))
    assert {key: value.tolist() for key, value in m.items()} == {5: [6.0, 8.0, 10.0], 6: [3.0, 4.0, 5.0]}
    with refused(m, ValueError, "give an array of shape"):
        m.add_many([5, 6], np.zeros((2, 2)))


def test_tables_of_other_libraries(hmap_type):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"n": [1, 2, 3], "x": [0.5, 1.0, 2.0]})
    m = hmap_type(str, [("x", "f8"), ("n", "i8")])
    m.add_many(["a", "b", "a"], frame)
    assert items_of(m) == {"a": (2.5, 4), "b": (1.0, 2)}


# ---- what cannot be combined


@pytest.mark.parametrize(
    ("spec", "op", "message"),
    [
        ([("x", "f8"), ("name", "S3")], "max", r"cannot combine .*: value field 'name' is of type \|S3: give ints"),
        ([("x", "f8"), ("a", [("b", "i4"), ("c", "?")])], "add", "value field 'a.c' is of type bool"),
        ([("x", "f2")], "add", "value field 'x' is of type float16"),
        ([("x", "f8"), ("z", "c16", (2,))], "add", "value field 'z' is of type complex128"),
        ([("n", "i8"), ("when", "M8[s]")], "add", r"cannot add .*'when' is of type datetime64\[s\]: give op='max'"),
        (([("name", "U2")], (3,)), "add", "value field 'name' is of type <U2"),
        (("?", (2,)), "add", "cannot combine values of type"),
    ],
)
@pytest.mark.parametrize("key", [np.int64, object])
def test_the_field_that_cannot_be_combined_is_named(hmap_type, key, spec, op, message):
    m = hmap_type(key, spec)
    zero = np.zeros(1, spec)
    m.set_many([1], zero)
    with refused(m, TypeError, message):
        m.add_many([1], zero, op=op)


def test_values_that_do_not_fit_change_nothing(hmap_type):
    m = hmap_type(np.int64, [("x", "f8"), ("n", "i1")], {1: (0.5, 1)})
    with refused(m, OverflowError, r"values\[1\]"):
        m.add_many([1, 2], [(1.0, 1), (1.0, 200)])
    with refused(m, ValueError, "2 keys but 3 values"):
        m.add_many([1, 2], [(1.0, 1)] * 3)
    with refused(m, TypeError, "value 1 is of type int"):
        m.add_many([1, 2])


# ---- large batches, and any values


def test_millions_of_rows_in_groups():
    """Over chunks of 2^20 keys and all growths; the sums are those of NumPy's own grouping."""
    rng = np.random.default_rng(6)
    groups, n = 200_000, (1 << 20) + 300_000
    keys = rng.integers(0, groups, n)
    amounts, counts = rng.integers(-1000, 1000, n).astype(np.float64), rng.integers(0, 5, n, np.int32)
    m = HMap(np.int64, [("amount", "f8"), ("count", "i4")])
    m.add_many(keys, (amounts, counts))
    sums, totals = np.zeros(groups), np.zeros(groups, np.int64)
    np.add.at(sums, keys, amounts)
    np.add.at(totals, keys, counts)
    stored, found = m.lookup_many(np.arange(groups))
    assert np.array_equal(found, np.isin(np.arange(groups), keys))
    assert np.array_equal(stored["amount"], sums)
    assert np.array_equal(stored["count"], totals)
    m.check()


@given(
    rows=st.lists(st.tuples(st.integers(0, 6), st.integers(-(2**31), 2**31 - 1), st.floats(-1e6, 1e6)), max_size=80),
    op=st.sampled_from(["add", "min", "max"]),
)
def test_any_rows_are_combined_as_ufuncs_at_does(rows, op):
    dtype = np.dtype([("n", "i4"), ("x", "f8", (2,))], align=True)
    values = np.zeros(len(rows), dtype)
    values["n"], values["x"] = [n for _, n, _ in rows], np.array([[x, -x] for *_, x in rows]).reshape(-1, 2)
    keys = np.array([key for key, *_ in rows], np.int64)
    first = {key: values[i] for i, key in reversed(list(enumerate(keys.tolist())))}
    start = np.zeros(7, dtype)
    for key, value in first.items():
        start[key] = value
    later = np.array([i for i, key in enumerate(keys.tolist()) if key in keys[:i].tolist()], np.int64)
    for name in ("n", "x"):
        FUNCTIONS[op].at(start[name], keys[later], values[name][later])
    for hmap_type in (HMap, ReferenceMap):
        m = hmap_type(np.int64, dtype, seed=1)
        m.add_many(keys, values, op=op)
        assert_holds(m, {key: start[key : key + 1] for key in first}, dtype)


@pytest.mark.parametrize("spec", [TYPES["padded"], TYPES["out of order"]], ids=["padded", "out of order"])
def test_padding_stays_zero(hmap_type, spec):
    """Whatever is in the padding of the caller's array."""
    dtype = np.dtype(spec)
    dirty = np.frombuffer(b"\xff" * dtype.itemsize * 2, dtype).copy()
    for name in dtype.names:
        dirty[name] = 3
    m = hmap_type(np.int64, dtype)
    for _ in range(3):
        m.add_many([1, 2], dirty)
    clean = np.zeros(2, dtype)
    for name in dtype.names:
        clean[name] = 9
    assert m.get_many([1, 2]).tobytes() == clean.tobytes()
