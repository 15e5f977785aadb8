"""Data of pandas, polars, pyarrow and np.ma in maps and sets: special cases. test_containers.py has all containers."""

import collections
import ctypes
import datetime
import decimal
import pickle
import re
import uuid
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from pyhmap import HSet
from support import refused

pytestmark = pytest.mark.frozen_too

NS = np.datetime64(1, "ns")
ODD = 2**53 + 1  # an int that float64 does not hold


@pytest.fixture
def pd():
    return pytest.importorskip("pandas")


@pytest.fixture
def pa():
    return pytest.importorskip("pyarrow")


@pytest.fixture
def pl():
    return pytest.importorskip("polars")


# ---- times -----------------------------------------------------------------------------------------------------------


def test_times_keep_their_nanoseconds(hmap_type, pd):
    """Given as a scalar, by map() of a Series, in a list, in a Series of objects, in a record, as a value."""
    times = pd.to_datetime(range(5))
    m = hmap_type("M8[ns]", int)
    m.set_many(times, np.arange(5))
    assert pd.Series(times).map(m.get).tolist() == [0, 1, 2, 3, 4]
    assert [m[time] for time in times] == [0, 1, 2, 3, 4]
    assert m.get_many(list(times)).tolist() == [0, 1, 2, 3, 4]
    assert m.get_many(pd.Series(times, dtype=object)).tolist() == [0, 1, 2, 3, 4]
    m[pd.Timestamp(7)] = 7
    assert m[np.datetime64(7, "ns")] == 7
    records = hmap_type([("at", "M8[ns]"), ("n", "i4")], int, {(pd.Timestamp(1), 2): 3})
    assert records[(np.datetime64(1, "ns"), 2)] == 3
    assert (np.datetime64(0, "ns"), 2) not in records
    values = hmap_type(int, "M8[ns]", {0: pd.Timestamp(1)})
    values.set_many([1, 2], [pd.Timestamp(2), pd.NaT])
    assert values[0] == np.datetime64(1, "ns")
    assert values[1] == np.datetime64(2, "ns")
    assert np.isnat(values[2])


def test_durations_keep_their_nanoseconds(hmap_type, pd):
    m = hmap_type("m8[ns]", "m8[ns]", {pd.Timedelta(1): pd.Timedelta(3)})
    m.set_many([pd.Timedelta(2)], [pd.Timedelta(4)])
    assert m[np.timedelta64(1, "ns")] == np.timedelta64(3, "ns")
    assert m[np.timedelta64(2, "ns")] == np.timedelta64(4, "ns")
    assert np.timedelta64(0, "ns") not in m


def test_a_coarser_map_refuses_nanoseconds_that_are_left_over(hmap_type, pd):
    m = hmap_type("M8[us]", "m8[us]", {NS.astype("M8[us]"): np.timedelta64(0, "us")})
    late, long = pd.Timestamp(1), pd.Timedelta(1)
    for call in (
        lambda: m[late],
        lambda: late in m,
        lambda: m.__setitem__(late, 0),
        lambda: m.__setitem__(pd.Timestamp(0), long),
        lambda: m.get_many([late]),
        lambda: m.contains_many(pd.Series([late], dtype=object)),
        lambda: m.set_many([pd.Timestamp(0)], [long]),
    ):
        with refused(m, OverflowError, r"datetime64\[us\]|timedelta64\[us\]"):
            call()


@pytest.mark.parametrize("unit", ["M", "Y"])
def test_a_month_is_no_number_of_seconds(hmap_type, unit):
    m = hmap_type("m8[s]", "m8[s]", {np.timedelta64(1, "s"): np.timedelta64(1, "s")})
    month = np.timedelta64(1, unit)
    for call in (
        lambda: m[month],
        lambda: m.get_many([month]),
        lambda: m.contains_many(np.array([month])),
        lambda: m.__setitem__(np.timedelta64(1, "s"), month),
        lambda: m.set_many(np.array([1], "m8[s]"), np.array([month])),
    ):
        with refused(m, TypeError):
            call()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # NumPy 2.5 warns of times without a unit
def test_a_duration_without_unit_is_refused(hmap_type):
    m = hmap_type("m8[s]", int)
    for call in (lambda: m[np.timedelta64(5)], lambda: m.get_many(np.array([5], "m8"), 0)):
        with refused(m, TypeError):
            call()


def test_nat_of_pandas_is_the_key_nat_and_no_key_of_other_types(hmap_type, pd):
    times = hmap_type("M8[ns]", int, {pd.NaT: 5})
    assert times[np.datetime64("NaT", "s")] == 5
    assert times.get_many(pd.Series([pd.NaT])).tolist() == [5]
    ints = hmap_type(int, int, {0: 1})
    for call in (lambda: ints[pd.NaT], lambda: ints.get(pd.NaT), lambda: ints.get(pd.NA), lambda: ints.get(None)):
        with refused(ints, TypeError, "of type"):
            call()
    assert ints.get_many([0, pd.NaT], -1).tolist() == [1, -1]


def test_lists_of_numpy_durations_make_maps(hmap_type):
    spans = [np.timedelta64(2**62, "ns"), np.timedelta64(1, "ns")]
    m = hmap_type.from_arrays(spans, spans)
    assert (m.key_dtype, m.value_dtype) == (np.dtype("m8[ns]"), np.dtype("m8[ns]"))
    assert m[spans[0]] == spans[0]
    assert hmap_type.fromkeys(spans, 1)[spans[1]] == 1


@pytest.mark.parametrize("zone", ["UTC", "Etc/UTC", "Zulu"])
def test_an_instant_in_utc_is_taken_under_any_name(hmap_type, pd, zone):
    m = hmap_type("M8[us]", int, {datetime.datetime(2000, 1, 1): 1})
    aware = datetime.datetime(2000, 1, 1, tzinfo=ZoneInfo(zone))
    assert m[aware] == 1
    assert m[pd.Timestamp(aware)] == 1
    assert m.get_many([aware]).tolist() == [1]
    assert m.get_many(pd.DatetimeIndex([aware])).tolist() == [1]
    assert m.get_many(pd.Series([aware], dtype=object)).tolist() == [1]


def test_another_zone_is_refused_with_the_conversion(hmap_type, pd, pa):
    m = hmap_type("M8[us]", int, {datetime.datetime(2000, 1, 1): 1})
    berlin = pd.Timestamp(2000, 1, 1, tz="Europe/Berlin")
    for call in (
        lambda: m[berlin],
        lambda: m[berlin.to_pydatetime()],
        lambda: m.get_many([berlin.to_pydatetime()]),
        lambda: m.get_many(pd.Series([berlin], dtype=object)),
    ):
        with refused(m, TypeError, r"astimezone\(datetime\.timezone\.utc\)"):
            call()
    for column in (pd.DatetimeIndex([berlin]), pd.Series([berlin]), pa.array([berlin])):
        with refused(m, TypeError, "UTC.*convert"):
            m.get_many(column)
    assert m.get_many(pd.DatetimeIndex([berlin]).tz_convert("UTC"), 0).tolist() == [0]


# ---- numbers ---------------------------------------------------------------------------------------------------------


def test_maps_of_objects_read_columns_of_ints_exactly(hmap_type, pd, pa, pl):
    m = hmap_type(object, int, {2**53: 1, ODD: 2})
    for column in (
        pa.array([ODD, None]),
        pa.chunked_array([[ODD], [None]]),
        pd.Series([ODD, None], dtype="Int64"),
        pd.array([ODD, None], dtype="Int64"),
        pl.Series([ODD, None]),
    ):
        assert m.get_many(column, -1).tolist() == [2, -1]
        values = hmap_type(str, object)
        values.set_many(["a", "b"], column)
        assert (values["a"], values["b"]) == (ODD, None)


def test_a_null_of_a_column_is_no_nan_key(hmap_type, pd, pa, pl):
    nan = float("nan")
    for spec in (float, object):
        m = hmap_type(spec, int, {nan: 1, 0.5: 2})
        for column in (pa.array([0.5, None]), pl.Series([0.5, None]), pd.array([0.5, None], dtype="Float64")):
            assert m.get_many(column, -1).tolist() == [2, -1]
            with refused(m, ValueError, r"keys\[1\] is null"):
                m.set_many(column, 0)
    assert hmap_type(str, int, {"a": 1}).get_many(pd.Series(["a", None], dtype="string"), 0).tolist() == [1, 0]


def test_maps_are_made_from_nullable_arrays_without_floats(hmap_type, pd):
    for keys in (pd.Index([ODD, 2], dtype="Int64"), pd.array([ODD, 2], dtype="Int64")):
        m = hmap_type.from_arrays(keys, keys)
        assert (m.key_dtype, m.value_dtype) == (np.dtype("i8"), np.dtype("i8"))
        assert m[ODD] == ODD
    with pytest.raises(ValueError, match=r"keys\[1\] is null"):
        hmap_type.from_arrays(pd.Index([ODD, None], dtype="Int64"), [1, 2])


@pytest.mark.parametrize(
    ("spec", "value"), [("f4", 1e300), ("f4", np.float64(-1e300)), ("f2", 70_000), ("f8", ODD), ("f4", 2**24 + 1)]
)
def test_a_value_never_becomes_infinite_and_an_int_never_loses_digits(hmap_type, spec, value):
    m = hmap_type(int, spec, {1: 0})
    for call in (
        lambda: m.__setitem__(1, value),
        lambda: m.set_many([1], value),
        lambda: m.set_many([1], [value]),
        lambda: m.set_many([1], np.array([value])),
        lambda: m.get_many([5], value),
    ):
        with refused(m, OverflowError):
            call()
    m[1] = float("inf")
    assert m[1] == float("inf")


def test_a_float_is_rounded_to_the_type_of_the_values(hmap_type):
    m = hmap_type(int, "f4")
    m.set_many([1, 2], [0.1, 1e-60])
    assert (m[1], m[2]) == (float(np.float32(0.1)), 0.0)


# ---- masks and nulls -------------------------------------------------------------------------------------------------


def test_masked_items_are_nulls(hmap_type):
    keys = np.ma.array([1, 2, 3], mask=[False, True, False])
    m = hmap_type(int, float, {1: 10.0, 2: 20.0})
    assert m.get_many(keys, -1).tolist() == [10, -1, -1]
    assert m.contains_many(keys).tolist() == [True, False, False]
    with refused(m, ValueError, r"keys\[1\] is null: fill or drop nulls"):
        m.set_many(keys, 0)
    m.set_many([1, 2, 3], np.ma.array([1.5, 2.5, 3.5], mask=[False, False, True]))
    assert str([m[1], m[2], m[3]]) == "[1.5, 2.5, nan]"
    objects = hmap_type(str, object)
    objects.set_many(["a", "b"], np.ma.array([1, 2], mask=[False, True]))
    assert (objects["a"], objects["b"]) == (1, None)
    assert HSet(int, [1, 2]).contains_many(keys).tolist() == [True, False, False]


def test_a_null_has_no_code(hmap_type, pa):
    m = hmap_type(str, "i4")
    assert m.factorize(pa.array(["b", None, "a", "b", None])).tolist() == [0, -1, 1, 0, -1]
    assert m.factorize(["c", "a"]).tolist() == [2, 1]


def test_nan_among_objects_of_pandas_is_missing_where_no_key_is_nan(hmap_type, pd):
    nan = float("nan")
    column = pd.Series(["a", nan, None], dtype=object)
    assert hmap_type(str, int, {"a": 1}).get_many(column, 0).tolist() == [1, 0, 0]
    floats = hmap_type(float, int, {0.5: 1, nan: 2})
    assert floats.get_many(pd.Series([0.5, nan, None], dtype=object), 0).tolist() == [1, 2, 0]
    m = hmap_type(str, int)
    with refused(m, TypeError, r"keys\[1\]"):
        m.get_many(["a", nan], 0)


def test_none_in_a_list_is_an_error_and_in_a_map_of_objects_a_key(hmap_type):
    m = hmap_type(str, int, {"a": 1})
    with refused(m, TypeError, r"keys\[1\]"):
        m.get_many(["a", None], 0)
    assert hmap_type(object, int, {None: 5}).get_many([None, "x"], 0).tolist() == [5, 0]


@pytest.mark.parametrize(
    "spec", [np.int8, np.float32, bool, "M8[us]", "m8[s]", str, bytes, "S3", "U3", "V3", [("a", "i4")], object]
)
def test_a_column_of_nulls_alone_fits_every_type(hmap_type, pa, spec):
    m, nulls = hmap_type(spec, int), pa.nulls(2)
    assert m.get_many(nulls, -1).tolist() == [-1, -1]
    assert m.contains_many(nulls).tolist() == [False, False]
    with refused(m, ValueError, r"keys\[0\] is null"):
        m.set_many(nulls, 1)


@pytest.mark.parametrize(
    ("spec", "items"),
    [("i8", [ODD, None]), ("f8", [0.1, None]), ("M8[D]", [datetime.date(2000, 1, 1), None]), (str, ["a", None]),
     (bytes, [b"a\0", None]), ("?", [True, None])],
)  # fmt: skip
def test_dictionary_columns_are_the_columns_that_they_encode(hmap_type, pa, spec, items):
    m = hmap_type(spec, int, {items[0]: 5})
    assert m.get_many(pa.array(items).dictionary_encode(), -1).tolist() == [5, -1]


# ---- objects as values -----------------------------------------------------------------------------------------------


def test_columns_and_iterators_are_many_object_values(hmap_type, pd, pa, pl):
    for many in (
        [1, 2], (1, 2), range(1, 3), collections.deque([1, 2]), iter([1, 2]), (n for n in (1, 2)), np.array([1, 2]),
        pd.Series([1, 2]), pd.Index([1, 2]), pd.array([1, 2]), pa.array([1, 2]), pa.chunked_array([[1], [2]]),
        pl.Series([1, 2]), memoryview(np.array([1, 2])),
    ):  # fmt: skip
        m = hmap_type(str, object)
        m.set_many(["a", "b"], many)
        assert (m["a"], m["b"]) == (1, 2), many


def test_texts_sets_and_mappings_are_one_object_value(hmap_type):
    for one in ("ab", b"ab", {1, 2}, frozenset([1, 2]), {1: 2}, 5, None, object()):
        m = hmap_type(str, object)
        m.set_many(["a", "b"], one)
        assert m["a"] is m["b"] is one


def test_a_polars_column_of_objects_gives_the_objects(hmap_type, pl):
    things = ["a", (1, 2), None, uuid.UUID(int=1)]
    column = pl.Series(things, dtype=pl.Object)
    m = hmap_type(object, int, {(1, 2): 5, uuid.UUID(int=1): 6})
    assert m.get_many(column, -1).tolist() == [-1, 5, -1, 6]
    values = hmap_type(int, object)
    values.set_many(range(4), column)
    assert [values[i] for i in range(4)] == things


# ---- records ---------------------------------------------------------------------------------------------------------

POINT = np.dtype([("x", "i8"), ("y", "i8")])


def test_records_are_matched_by_the_names_of_their_fields(hmap_type, pd, pa, pl):
    m = hmap_type(POINT, int, {(1, 2): 12, (2, 1): 21})
    turned = np.array([(2, 1)], [("y", "i8"), ("x", "i8")])
    assert m.get_many(turned).tolist() == [12]
    assert m[turned[0]] == 12
    columns = {"y": [2], "x": [1]}
    for table in (pd.DataFrame(columns), pl.DataFrame(columns), pa.table(columns), pa.table(columns).to_batches()[0]):
        assert m.get_many(table).tolist() == [12]
    assert m.get_many(pa.StructArray.from_arrays([pa.array([2]), pa.array([1])], ["y", "x"])).tolist() == [12]
    assert m.get_many((np.array([1]), pa.array([2]))).tolist() == [12]
    assert m.get_many([(1, 2)]).tolist() == [12]


def test_other_names_are_refused_and_both_are_said(hmap_type, pd):
    m = hmap_type(POINT, int, {(1, 2): 12})
    for other in (np.array([(1, 2)], [("x", "i8"), ("z", "i8")]), pd.DataFrame({"x": [1], "z": [2]})):
        with refused(m, TypeError, "y.*z|z.*y"):
            m.get_many(other)


def test_the_columns_of_a_record_are_exact_too(hmap_type, pd):
    """The attribute .values of a DataFrame would make floats of both columns."""
    m = hmap_type([("x", "i8"), ("y", "f8")], int, {(ODD, 0.5): 1, (2**53, 0.5): 2})
    frame = pd.DataFrame({"x": pd.array([ODD, None], dtype="Int64"), "y": [0.5, 0.5]})
    assert m.get_many(frame, 0).tolist() == [1, 0]
    with refused(m, ValueError, r"keys\[1\] is null"):
        m.set_many(frame, 0)


def test_a_field_of_type_str_is_refused_when_the_map_is_made(hmap_type):
    with pytest.raises(TypeError, match="name"):
        hmap_type([("name", str), ("n", "i8")], int)


def test_a_map_whose_records_have_arrays_copies_and_pickles_or_is_refused(hmap_type):
    spec = np.dtype([("xyz", "i4", (3,)), ("n", "i8")])
    item = ([1, 2, 3], 4)
    for types, pair in (((spec, "i8"), (item, 1)), (("i8", spec), (1, item))):
        try:
            m = hmap_type(*types)
        except TypeError as error:
            assert re.search("xyz|array", str(error))  # noqa: PT017
            continue
        m[pair[0]] = pair[1]
        for other in (m.copy(), pickle.loads(pickle.dumps(m)), hmap_type(*types)):
            other.update(m)
            other.set_many(*m.to_arrays())
            assert [array.tobytes() for array in other.to_arrays()] == [array.tobytes() for array in m.to_arrays()]


# ---- types of others -------------------------------------------------------------------------------------------------


def test_dtypes_of_other_libraries_name_types(hmap_type, pd, pa, pl):
    for spec, expected in [
        (pd.Int64Dtype(), np.dtype("i8")), (pd.Float32Dtype(), np.dtype("f4")), (pd.BooleanDtype(), np.dtype("?")),
        (pd.StringDtype(), str), ("string", str), (pd.DatetimeTZDtype("ns", "UTC"), np.dtype("M8[ns]")),
        (pa.int64(), np.dtype("i8")), (pa.string(), str), (pa.binary(), bytes),
        (pa.timestamp("us"), np.dtype("M8[us]")),
        (pl.Int64, np.dtype("i8")), (pl.String, str), (pl.Datetime("ns"), np.dtype("M8[ns]")),
        (pl.Boolean, np.dtype("?")),
    ]:  # fmt: skip
        m = hmap_type(spec, spec)
        assert (m.key_dtype, m.value_dtype) == (expected, expected), spec
        assert HSet(spec).key_dtype == expected


@pytest.mark.parametrize("spec", [uuid.UUID, datetime.datetime, dict, "flaot64", "Int46"])
def test_a_class_that_is_no_type_is_refused(hmap_type, spec):
    for make in (lambda: hmap_type(spec, int), lambda: hmap_type(int, spec), lambda: HSet(spec)):
        with pytest.raises(TypeError, match="object"):
            make()


@pytest.mark.parametrize("items", [[1, 2, 3], {1, 2}, {"a": 1}, range(3), np.array([1, 2])])
def test_items_where_the_type_is_expected(items):
    with pytest.raises(TypeError, match=r"give the type first, as in HSet\(int, items\)"):
        HSet(items)


def test_a_series_is_no_type_although_it_has_one(pd):
    with pytest.raises(TypeError, match="the key type is a Series: give the type first"):
        HSet(pd.Series([1, 2]))


@pytest.mark.parametrize("nothing", [[], (), iter([]), np.empty(0, object)])
def test_a_map_of_nothing_needs_its_types(hmap_type, nothing):
    with pytest.raises(TypeError, match=r"HMap\(key, value\)"):
        hmap_type.from_arrays(nothing, [])
    assert hmap_type.from_arrays(np.array([], "i8"), np.array([], "f4")).key_dtype == np.dtype("i8")


# ---- messages --------------------------------------------------------------------------------------------------------


def test_what_is_no_column_is_named_in_words(hmap_type, pa):
    m = hmap_type(int, int)
    for column, words in [
        (pa.table({"a": [1]}), "table|struct"),
        (pa.array([{"a": 1}]), "struct"),
        (pa.array([decimal.Decimal("1.5")]), "decimal.*cast"),
        (pa.array([datetime.time(1)]), "time.*cast"),
        (pa.array([[1]]), "list"),
    ]:
        with refused(m, TypeError, words):
            m.get_many(column)


def test_an_array_is_no_single_key(hmap_type):
    m = hmap_type(int, int, {1: 1})
    with refused(m, TypeError, "get_many"):
        m[np.array([1, 2])]


def test_ctypes_arrays_are_batches(hmap_type):
    m = hmap_type(int, int, {1: 10, 2: 20})
    assert m.get_many((ctypes.c_long * 2)(1, 2)).tolist() == [10, 20]


def test_each_key_has_a_default_of_its_own(hmap_type):
    m = hmap_type(int, int, {1: 10})
    assert m.get_many([1, 2], default=np.array([5, 6])).tolist() == [10, 6]
    assert m.pop_many([1, 2], default=[5, 6]).tolist() == [10, 6]
    with refused(m, ValueError, "2 keys but 3"):
        m.get_many([1, 2], default=[5, 6, 7])
