"""Items that NumPy or another library would round, wrap, merge or read twice on the way to a map."""

import datetime

import numpy as np
import pytest

from pyhmap import HMap, HSet
from support import refused

pytestmark = pytest.mark.frozen_too

BEYOND = 2**53 + 1  # no float64


def test_durations_beyond_64_bits_of_microseconds_do_not_wrap(hmap_type):
    long = datetime.timedelta(days=2 * 10**8)
    m = hmap_type("m8[us]", np.int64)
    for call in (lambda: m.__setitem__(long, 1), lambda: m.set_many([long], 1), lambda: m.get(long)):
        with pytest.raises(OverflowError):
            call()
    assert len(m) == 0
    days = hmap_type("m8[D]", np.int64, {datetime.timedelta(999999999): 1})
    assert days[np.timedelta64(999999999, "D")] == 1


@pytest.mark.parametrize(
    ("value_type", "value"),
    [
        ("c16", BEYOND),
        ("c8", 2**25 + 1),
        ("g", 2**64 + 1),
        ("f8", np.longdouble("1e4000")),
        ("c8", complex(np.nan, 1e300)),
        (("f8", 2), [BEYOND, 0.5]),
        (("M8[ns]", 2), [np.datetime64("9999-01-01"), np.datetime64(1, "ns")]),
    ],
)
def test_a_value_that_would_lose_something_is_an_error(hmap_type, value_type, value):
    m = hmap_type(np.int64, np.dtype(value_type))
    with pytest.raises(OverflowError):
        m[1] = value
    with pytest.raises(OverflowError, match=r"values\[0\]"):
        m.set_many([1], [value])
    assert len(m) == 0


@pytest.mark.parametrize("value", [None, np.timedelta64(3, "s"), np.datetime64(3, "s"), "1", [1]])
def test_a_long_double_is_made_of_numbers_only(hmap_type, value):
    m = hmap_type(np.int64, "g")
    with pytest.raises(TypeError):
        m[1] = value


def test_a_complex_long_double_keeps_its_digits(hmap_type):
    third = np.longdouble(1) / 3
    assert hmap_type(np.int64, "G", {1: np.clongdouble(third)})[1].real == third


def test_parts_of_array_values_are_not_converted_to_one_type(hmap_type):
    m = hmap_type(np.int64, np.dtype(("U8", 2)))
    with pytest.raises(TypeError, match="value 5 is of type int"):
        m[1] = ["a", 5]
    m = hmap_type(np.int64, np.dtype(("u8", 2)), {1: [2**64 - 1, np.int8(1)]})
    assert m[1].tolist() == [2**64 - 1, 1]


@pytest.mark.parametrize("rows", [[[1, 2], [3]], [[1, 2], None], np.array([[1, 1], [2, 2**40]])])
def test_an_error_names_the_row_of_an_array_value(hmap_type, rows):
    m = hmap_type(np.int64, np.dtype(("i4", 2)))
    with pytest.raises((TypeError, OverflowError), match=r"values\[1\]: value"):
        m.set_many([1, 2], rows)
    assert len(m) == 0


def test_bytes_of_a_bool_array_are_one_true(hmap_type):
    m = hmap_type(bool, np.int64)
    m.set_many(np.array([1, 2, 3], "u1").view(bool), [1, 2, 3])
    assert dict(m) == {True: 3}
    assert len(HSet(np.dtype([("a", "?")]), np.array([1, 2], "u1").view([("a", "?")]))) == 1


def test_a_mask_behind_the_array_protocol_counts(hmap_type):
    class Holder:
        def __array__(self, dtype=None, copy=None):
            return np.ma.array([1, 2], mask=[False, True])

    assert hmap_type(np.int64, np.int64, {2: 5}).get_many(Holder(), default=-1).tolist() == [-1, -1]


def test_masks_of_nested_records(hmap_type):
    spec = np.dtype([("a", "i8"), ("n", [("p", "i4"), ("q", "U2")])])
    masked = np.ma.array([(1, (2, "x")), (1, (2, "y"))], dtype=spec, mask=[(0, (1, 0)), (0, (0, 0))])
    assert hmap_type(spec, np.int64).factorize(masked).tolist() == [-1, 0]


def test_numbers_mixed_with_times_make_a_map_of_objects(hmap_type):
    m = hmap_type.from_arrays([1, np.timedelta64(5, "s")], [1, 2])
    assert (m.key_dtype, m[1]) == (object, 1)


@pytest.mark.parametrize("items", ["times", "durations", "times of day"])
def test_no_two_times_of_a_polars_column_become_one_object(items):
    pl = pytest.importorskip("polars")
    kind = {"times": pl.Datetime("ns"), "durations": pl.Duration("ns"), "times of day": pl.Time}[items]
    with pytest.raises(OverflowError, match=r"keys\[0\] has nanoseconds"):
        HSet(object, pl.Series([1, 2, 3]).cast(kind))
    assert len(HSet(object, pl.Series([1000, 2000]).cast(kind))) == 2


def test_set_algebra_compares_the_nanoseconds_of_a_column():
    pl = pytest.importorskip("polars")
    s = HSet("M8[us]", [np.datetime64(5, "us")])
    column = pl.Series([5001]).cast(pl.Datetime("ns"))
    assert s.difference(column) == s
    assert not s.issuperset(column)
    with pytest.raises(OverflowError, match=r"keys\[0\]"):
        s.union(column)


def test_a_stream_is_read_once():
    pa = pytest.importorskip("pyarrow")
    s = HSet(np.dtype([("a", "i1")]))
    with pytest.raises(OverflowError, match=r"keys\[1\]"):
        s.update(pa.table({"a": [1, 1000]}).to_reader())
    assert len(s) == 0


@pytest.mark.parametrize("make", ["tuple", "struct", "pandas", "polars"])
def test_set_algebra_with_tables_takes_what_does_not_fit_for_absent(make):
    pa, pd, pl = (pytest.importorskip(name) for name in ("pyarrow", "pandas", "polars"))
    columns = {"a": [1, 1], "b": ["x", "toolong"]}
    other = {
        "tuple": lambda: (np.array(columns["a"]), columns["b"]),
        "struct": lambda: pa.array([{"a": 1, "b": "x"}, {"a": 1, "b": "toolong"}]),
        "pandas": lambda: pd.DataFrame(columns),
        "polars": lambda: pl.DataFrame(columns),
    }[make]()
    s = HSet(np.dtype([("a", "i8"), ("b", "U2")]), [(1, "x")])
    assert s.intersection(other) == s
    assert not s.issuperset(other)
    with pytest.raises(OverflowError, match=r"keys\[1\]"):
        s.union(other)


def test_levels_of_an_index_are_matched_by_name_if_one_has_a_name():
    pd = pytest.importorskip("pandas")
    spec = np.dtype([("a", "i8"), ("b", "i8")])
    make = pd.MultiIndex.from_tuples
    assert list(HSet(spec, make([(1, 2)], names=["b", "a"]))) == [(2, 1)]
    assert list(HSet(spec, make([(1, 2)]))) == [(1, 2)]
    with pytest.raises(TypeError, match="fields b, None"):
        HSet(spec, make([(1, 2)], names=["b", None]))


def test_maps_are_made_from_categoricals_of_strings():
    pd = pytest.importorskip("pandas")
    assert HMap.from_arrays(pd.Categorical(["a", "b"]), [1, 2]) == {"a": 1, "b": 2}
    with pytest.raises(ValueError, match=r"keys\[1\] is null"):
        HMap.from_arrays(pd.Categorical(["a", None]), [1, 2])


def test_an_empty_column_of_nulls_is_an_empty_batch():
    pa = pytest.importorskip("pyarrow")
    assert HMap(str, np.int64).get_many(pa.nulls(0)).shape == (0,)
    HMap(str, np.int64).set_many([], pa.nulls(0))


NOT_TEXT = np.array([65, 0x110000], np.uint32).view("U1")


@pytest.mark.parametrize(
    ("key_type", "value_type", "keys", "values"),
    [
        (object, np.int64, NOT_TEXT, [1, 2]),
        ("U4", np.int64, NOT_TEXT, [1, 2]),
        (str, np.int64, NOT_TEXT, [1, 2]),
        (np.int64, object, [1, 2], NOT_TEXT),
        (np.int64, "U4", [1, 2], NOT_TEXT),
        (np.int64, "U1", [1, 2], NOT_TEXT.astype(">U1")),
        ([("t", "U1"), ("n", "i8")], np.int64, (NOT_TEXT, [1, 2]), [1, 2]),
    ],
    ids=["object keys", "U4 keys", "str keys", "object values", "U4 values", "swapped values", "a field"],
)
def test_numbers_that_are_no_characters_are_refused(hmap_type, key_type, value_type, keys, values):
    m = hmap_type(key_type, value_type)
    with refused(m, ValueError, r"s\[1\] is not text: it has a number above U\+10FFFF; correct the array"):
        m.set_many(keys, values)


NO_TEXTS = [np.array([0x110041, 0x41], np.uint32), np.array([0x3D00002C, 0xFF32FF], np.uint32)]


@pytest.mark.parametrize("points", NO_TEXTS, ids=["as other text", "as no UTF-8"])
@pytest.mark.parametrize("form", [lambda item: item, str, lambda item: np.array(item)], ids=["np.str_", "str", "0-d"])
@pytest.mark.parametrize("dtype", [str, "U2"])
def test_a_str_of_numbers_that_are_no_characters_is_refused(hmap_type, dtype, form, points):
    """NumPy makes such a str without a check, and Python encodes it to the UTF-8 of another text, or to none at all."""
    item = form(points.view("U2")[0])
    keyed, valued = hmap_type(dtype, np.int64, {"a": 1}), hmap_type(np.int64, dtype, {1: "a"})
    for m, call in [
        (keyed, lambda: keyed.__setitem__(item, 2)),
        (keyed, lambda: keyed.get(item)),
        (keyed, lambda: item in keyed),
        (valued, lambda: valued.__setitem__(2, item)),
        (valued, lambda: valued.setdefault(2, item)),
        (valued, lambda: valued.set_many([2, 3], item)),
        (valued, lambda: valued.get_many([1, 2], default=item)),
    ]:
        with refused(m, ValueError, "is not text: it has a number above"):
            call()
    if not isinstance(item, np.ndarray):
        with refused(keyed, ValueError, r"keys\[1\].* is not text"):
            keyed.set_many(["b", item], [2, 3])
        with refused(valued, ValueError, r"values\[1\].* is not text"):
            valued.set_many([2, 3], ["b", item])


@pytest.mark.parametrize("unit", ["ps", "fs", "as"])
def test_days_are_exact_in_the_finest_units(hmap_type, unit):
    m = hmap_type(f"M8[{unit}]", np.int64)
    epoch = datetime.date(1970, 1, 1)
    m.set_many([epoch], [1])
    m.set_many(np.array([0, 1], "M8[s]"), [2, 3])
    assert m.get_many(np.array(["1970-01-01"], "M8[D]")).tolist() == [2]
    assert m[datetime.datetime(1970, 1, 1, 0, 0, 1)] == 3
    with refused(m, OverflowError, r"keys\[1\]: key .*2500-01-01.* is outside datetime64"):
        m.set_many(np.array(["1970-01-01", "2500-01-01"], "M8[D]"), [1, 2])
    coarse = hmap_type("M8[D]", np.int64, {epoch: 7})
    assert coarse[np.datetime64(0, unit)] == 7
    for inexact in 1, -(2**63) + 1:  # the day of the second begins before the unit does
        with refused(coarse, OverflowError, r"keys\[1\]: key .* has no exact datetime64\[D\]"):
            coarse.set_many(np.array([0, inexact], f"M8[{unit}]"), [1, 2])


def test_a_chunk_of_nulls_without_words_keeps_the_type_of_the_others(hmap_type):
    pa = pytest.importorskip("pyarrow")
    words = pa.array([1, 2], pa.timestamp("ns"))
    chunks = [
        pa.DictionaryArray.from_arrays(pa.array([None, None], pa.int32()), words[:0]),
        pa.DictionaryArray.from_arrays(pa.array([1, 0], pa.int32()), words),
    ]
    m = hmap_type("M8[ns]", np.int64)
    assert m.factorize(pa.chunked_array(chunks)).tolist() == [-1, -1, 0, 1]
    assert m.keys_array().view(np.int64).tolist() == [2, 1]


@pytest.mark.parametrize("what", ["keys", "values"])
def test_an_arrow_table_is_no_column_of_objects(hmap_type, what):
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"a": [1, 2], "b": [3, 4]})
    m = hmap_type(object, object)
    with refused(m, TypeError, f"{what} are a table: give one of its columns"):
        m.set_many(*((table, [1, 2]) if what == "keys" else ([1, 2], table)))


def test_an_array_in_a_composite_key_is_a_tuple(hmap_type):
    key = ((1, 2), b"x")
    m = hmap_type([("pair", "i4", (2,)), ("name", "S4")], np.int64, {key: 5})
    assert list(m) == [key]
    assert set(m.items()) == {(key, 5)}
    assert m.popitem() == (key, 5)
    m.set_many([key, ((3, 4), b"y")], [6, 7])
    assert dict(m) == {key: 6, ((3, 4), b"y"): 7}
    assert m.copy() == m
