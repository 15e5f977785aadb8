"""Enrichers: the columns that each kind of frame gets, what is refused, and that a process opens a file once."""

import datetime
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import zoneinfo
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import pyhmap
from pyhmap import FileFormatError, HIndex, HMap, HSet, enricher
from pyhmap.enricher import KEPT_OPEN, Enricher

pl = pytest.importorskip("polars")

pytestmark = [
    pytest.mark.skipif(pd.__version__ < "3", reason="the names of pandas 3's dtypes"),
    # From Python 3.12 on, for a process with threads: a test session may have some.
    pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning"),
]

KEYS = [10, None, 30, 20, 10]
NAN, NAT = float("nan"), np.datetime64("NaT", "s")


def batch_of(columns):
    return pa.record_batch(columns)


def arrays_of(columns):
    return {
        name: np.ma.masked_equal([-1 if item is None else item for item in items], -1) if None in items else items
        for name, items in columns.items()
    }


def pandas_of(columns):
    frame = {name: pd.array(items, "Int64") if None in items else items for name, items in columns.items()}
    return pd.DataFrame(frame)


FRAMES = {"table": pa.table, "batch": batch_of, "polars": pl.DataFrame, "pandas": pandas_of, "dict": arrays_of}
each_frame = pytest.mark.parametrize("make", FRAMES.values(), ids=FRAMES)


def items_of(column):
    """The items of a column as Python objects, and None for what each library takes for missing."""
    if isinstance(column, pa.Array | pa.ChunkedArray):
        return column.to_pylist()
    if isinstance(column, pd.Series):
        return [None if missing else item for item, missing in zip(column.tolist(), column.isna(), strict=True)]
    if isinstance(column, pl.Series):
        return column.to_list()
    if isinstance(column, np.ndarray):
        return [None if item != item else item for item in column.tolist()]
    return column


def column_of(frame, name):
    return frame.column(name) if isinstance(frame, pa.RecordBatch) else frame[name]


def names_of(frame):
    if isinstance(frame, pa.Table | pa.RecordBatch):
        return frame.schema.names
    return frame.columns if isinstance(frame, pl.DataFrame) else list(frame)


def type_of(column):
    return str(column.type if hasattr(column, "type") else column.dtype)


def saved(folder, key, value, items, name="values.pyhmap"):
    path = folder / name
    HMap(key, value, items).save(path)
    return path


@pytest.fixture
def prices(tmp_path):
    """From ints to floats."""
    return saved(tmp_path, np.int64, np.float64, {10: 0.5, 20: 2.5})


@pytest.fixture
def stocks(tmp_path):
    """From shops and items to prices and numbers."""
    key, value = [("shop", "i4"), ("item", "U8")], [("price", "f8"), ("stock", "i4")]
    return saved(
        tmp_path, key, value, {(1, "tea"): (2.5, 10), (1, "cake"): (4.0, 3), (2, "tea"): (2.0, 0)}, "stocks.pyhmap"
    )


# ---- the columns -----------------------------------------------------------------------------------------------------

# The type of the values; two of them; the type of the new column in a table, and in frames of polars and of pandas with
# and without missing values; and of a NumPy array with and without.
LONG = "a text that is longer than a slot"
EPOCH = datetime.datetime(1970, 1, 1)
COLUMNS = {
    "int32": (np.int32, [1, -2], "int32", "Int32", "Int32 int32", "int32 int32"),
    "uint8": (np.uint8, [1, 255], "uint8", "UInt8", "UInt8 uint8", "uint8 uint8"),
    "int64": (np.int64, [1, 2**63 - 1], "int64", "Int64", "Int64 int64", "int64 int64"),
    "bool": (bool, [True, False], "bool", "Boolean", "boolean bool", "bool bool"),
    "float16": (np.float16, [0.5, 2.0], "halffloat", "Float16", "float16 float16", "float16 float16"),
    "float32": (np.float32, [0.5, 2.0], "float", "Float32", "float32 float32", "float32 float32"),
    "float64": (np.float64, [0.1, 2.0], "double", "Float64", "float64 float64", "float64 float64"),
    "str": (str, ["é", LONG], "large_string", "String", "str str", "object object"),
    "U4": ("U4", ["é", "abcd"], "large_string", "String", "str str", "object <U4"),
    "bytes": (bytes, [b"a\0", LONG.encode()], "large_binary", "Binary", "object object", "object object"),
    "S4": ("S4", [b"a", b"abcd"], "large_binary", "Binary", "object object", "object |S4"),
    "V2": ("V2", [b"a\0", b"bc"], "fixed_size_binary[2]", "Binary", "object object", "object |V2"),
}
TIMES = {
    "M8[us]": ("timestamp[us]", "Datetime(time_unit='us', time_zone=None)", "datetime64[us]"),
    "M8[ns]": ("timestamp[ns]", "Datetime(time_unit='ns', time_zone=None)", "datetime64[ns]"),
    "M8[ms]": ("timestamp[ms]", "Datetime(time_unit='ms', time_zone=None)", "datetime64[ms]"),
    "M8[s]": ("timestamp[s]", "Datetime(time_unit='ms', time_zone=None)", "datetime64[s]"),
    "M8[D]": ("date32[day]", "Date", "datetime64[s]"),
    "m8[ns]": ("duration[ns]", "Duration(time_unit='ns')", "timedelta64[ns]"),
    "m8[ms]": ("duration[ms]", "Duration(time_unit='ms')", "timedelta64[ms]"),
    "m8[s]": ("duration[s]", "Duration(time_unit='ms')", "timedelta64[s]"),
}


def type_in(make, row, default):
    """The type of the new column that a row of COLUMNS says."""
    if make in (pa.table, batch_of):
        return row[2]
    if make is pl.DataFrame:
        return row[3]
    return row[4 if make is pandas_of else 5].split()[default is not None]


@pytest.mark.parametrize("row", COLUMNS.values(), ids=COLUMNS)
@each_frame
def test_a_value_of_each_type_becomes_a_column(tmp_path, make, row):
    spec, (first, second) = row[:2]
    path = saved(tmp_path, np.int64, spec, {10: first, 20: second})
    # NumPy has no missing ints and bools.
    for default in (first,) if make is arrays_of and isinstance(first, int) else (None, first):
        enrich = Enricher(path, on="k", out="v", default=default)
        made = enrich(make({"k": KEYS, "n": [1, 2, 3, 4, 5]}))
        assert type(made) is type(make({"k": KEYS}))
        assert names_of(made) == ["k", "n", "v"]
        assert items_of(column_of(made, "v")) == [first, default, default, second, first]
        assert type_of(column_of(made, "v")) == type_in(make, row, default)
        assert items_of(column_of(made, "k")) == KEYS
        empty = enrich(make({"k": KEYS})[:0] if make is not arrays_of else {"k": np.empty(0, int)})
        assert len(column_of(empty, "v")) == 0
        assert type_of(column_of(empty, "v")) == type_of(column_of(made, "v"))


@pytest.mark.parametrize("spec", TIMES)
@each_frame
def test_times_of_each_unit_become_a_column(tmp_path, make, spec):
    arrow, polars, pandas = TIMES[spec]
    one, nat = np.array([1], spec)[0], np.array(["NaT"], spec)[0]
    path = saved(tmp_path, np.int64, spec, {10: one, 20: nat})
    python_one = pd.Timestamp(one) if spec[0] == "M" else pd.Timedelta(one)
    for default in (None, one):
        column = column_of(Enricher(path, on="k", out="v", default=default)(make({"k": KEYS})), "v")
        numpy = str(np.dtype(spec))
        row = None, None, arrow, polars, f"{pandas} {pandas}", f"{numpy} {numpy}"
        assert type_of(column) == type_in(make, row, default)
        missing = None if default is None else python_one
        times = column.to_pandas() if hasattr(column, "to_pandas") else pd.Series(column)
        times = pd.to_datetime(times) if spec[0] == "M" else times
        shown = [None if pd.isna(each) else each for each in times]
        assert shown == [python_one, missing, missing, None, python_one]


@pytest.mark.parametrize("spec", ["M8[Y]", "M8[M]", "M8[W]", "M8[h]", "M8[m]", "M8[2h]", "m8[W]", "m8[h]", "M8[10us]"])
def test_times_in_other_units_are_in_the_next_one_of_pandas(tmp_path, spec):
    one = np.array([1], spec)
    enrich = Enricher(saved(tmp_path, int, spec, {10: one[0]}), on="k")
    made = enrich(pd.DataFrame({"k": [10, 7]}))["value"]
    assert made.dtype == f"{spec[0]}8[{'us' if 'us' in spec else 's'}]"
    assert made[0] == one.astype(made.dtype)[0]
    assert pd.isna(made[1])
    assert enrich({"k": [10]})["value"].dtype == spec


@pytest.mark.parametrize("spec", ["m8[Y]", "m8[M]", "M8[ps]", "m8[fs]"])
def test_times_that_pandas_has_not_are_refused_by_the_name_of_the_column(tmp_path, spec):
    enrich = Enricher(saved(tmp_path, int, spec, {10: np.array([1], spec)[0]}), on="k")
    with pytest.raises(
        TypeError, match=r"new column 'value' would be of .*, which pandas has not: give a dict of arrays"
    ):
        enrich(pd.DataFrame({"k": [10]}))


def test_dates_that_are_too_far_away_are_refused_by_the_name_of_the_column(tmp_path):
    enrich = Enricher(saved(tmp_path, int, "M8[D]", {10: np.datetime64(2**60, "D")}), on="k")
    for make in (pa.table, pl.DataFrame, pd.DataFrame):
        with pytest.raises(OverflowError, match="new column 'value': "):
            enrich(make({"k": [10]}))


def test_fields_that_have_fields_become_structs_of_arrow(tmp_path):
    path = saved(tmp_path, int, [("at", [("x", "i4"), ("y", "i4")]), ("n", "i4")], {10: ((1, 2), 3)})
    enrich = Enricher(path, on="k", out=["at"])
    assert enrich(pa.table({"k": [10, 7]}))["at"].to_pylist() == [{"x": 1, "y": 2}, None]
    with pytest.raises(TypeError, match=r"new column 'at' would be of .*, of which NumPy has no missing value"):
        enrich({"k": [10, 7]})
    assert Enricher(path, on="k", out=["at"], default={"at": (8, 9)})({"k": [7]})["at"].tolist() == [(8, 9)]
    with pytest.raises(TypeError, match=r"new column 'at' would be of .*, which pandas has not"):
        enrich(pd.DataFrame({"k": [10]}))


def test_a_nan_that_is_stored_is_no_missing_value(tmp_path):
    enrich = Enricher(saved(tmp_path, int, float, {10: NAN}), on="k")
    assert str(enrich({"k": [10, 20]})["value"]) == "[nan nan]"
    assert str(enrich(pa.table({"k": [10, 20]}))["value"].to_pylist()) == "[nan, None]"
    assert str(enrich.column([10, 20])) == "[nan, None]"
    filled = Enricher(saved(tmp_path, int, float, {10: 1.0}), on="k", default=NAN)
    assert str(filled(pa.table({"k": [10, 20]}))["value"].to_pylist()) == "[1.0, nan]"


@pytest.mark.parametrize("value", [1, True])
def test_arrays_of_a_type_without_missing_values_need_a_default(tmp_path, value):
    path = saved(tmp_path, int, type(value), {10: value})
    for keys in ([10, 20], [10], []):  # whether one is missing or not
        with pytest.raises(TypeError, match=r"new column 'value' would be of .*give default="):
            Enricher(path, on="k")({"k": np.array(keys, int)})
    assert Enricher(path, on="k", default=0 if type(value) is int else False)({"k": [10, 20]})["value"].tolist() == [
        value,
        0,
    ]


def test_values_that_are_arrays_become_lists_of_arrow(tmp_path):
    path = saved(tmp_path, int, np.dtype(("f4", 2)), {10: [1, 2], 20: [3, 4]})
    enrich = Enricher(path, on="k", out="v")
    assert enrich(pa.table({"k": KEYS}))["v"].to_pylist() == [[1, 2], None, None, [3, 4], [1, 2]]
    assert enrich(pl.DataFrame({"k": KEYS}))["v"].to_list() == [[1, 2], None, None, [3, 4], [1, 2]]
    assert np.array_equal(enrich({"k": [20, 30]})["v"], np.array([[3, 4], [NAN, NAN]], "f4"), equal_nan=True)
    filled = Enricher(path, on="k", out="v", default=[0, 9])
    assert filled({"k": [20, 30]})["v"].tolist() == [[3, 4], [0, 9]]
    with pytest.raises(TypeError, match=r"new column 'v' would be of .*, which pandas has not"):
        enrich(pd.DataFrame({"k": [10]}))


@pytest.mark.parametrize("spec", ["c16", "m8[h]"])
def test_a_type_that_arrow_has_not_is_refused_by_the_name_of_the_column(tmp_path, spec):
    path = saved(tmp_path, int, spec, {10: np.zeros(1, spec)[0]})
    enrich = Enricher(path, on="k", out="v")
    for make in (pa.table, batch_of, pl.DataFrame):
        with pytest.raises(TypeError, match=r"new column 'v' would be of .*, which Arrow has not: give"):
            enrich(make({"k": [10]}))
    assert enrich({"k": [10, 20]})["v"].dtype == spec
    assert len(enrich(pd.DataFrame({"k": [10, 20]}))["v"].dropna()) == 1


def test_a_text_that_arrow_cannot_hold_is_refused_by_the_name_of_the_column(tmp_path):
    enrich = Enricher(saved(tmp_path, int, str, {10: "\ud800"}), on="k", out="v")
    with pytest.raises(ValueError, match="new column 'v': "):
        enrich(pa.table({"k": [10]}))


@each_frame
def test_a_set_says_which_keys_it_has(tmp_path, make):
    path = tmp_path / "known.pyhmap"
    HSet(np.int64, [10, 20]).save(path)
    made = Enricher(path, on="k")(make({"k": KEYS}))
    assert items_of(column_of(made, "found")) == [True, False, False, True, True]
    assert type_of(column_of(made, "found")) in ("bool", "Boolean")


@each_frame
def test_an_index_gives_codes(tmp_path, make):
    path = tmp_path / "index.pyhmap"
    HIndex(np.int64, [20, 10]).save(path)
    made = Enricher(path, on="k")(make({"k": KEYS}))
    assert items_of(column_of(made, "code")) == [1, -1, -1, 0, 1]
    assert type_of(column_of(made, "code")) in ("int64", "Int64")
    assert items_of(column_of(Enricher(path, on="k", default=7)(make({"k": KEYS})), "code")) == [1, 7, 7, 0, 1]


# ---- structured values and keys --------------------------------------------------------------------------------------

SHOPS = {"shop": [1, 2, 1], "item": ["tea", "cake", "cake"], "price": [0, 0, 0]}
SHOPS_ONLY = {"shop": [1, 2, 1], "item": ["tea", "cake", "cake"]}


@each_frame
def test_structured_values_become_several_columns(stocks, make):
    on = ["shop", "item"]
    if make is arrays_of:  # NumPy has no missing ints
        made = Enricher(stocks, on=on, default={"stock": 0})(make(SHOPS_ONLY))
        assert items_of(column_of(made, "stock")) == [10, 0, 3]
    else:
        made = Enricher(stocks, on=on)(make(SHOPS_ONLY))
        assert items_of(column_of(made, "stock")) == [10, None, 3]
    assert names_of(made) == ["shop", "item", "price", "stock"]
    assert items_of(column_of(made, "price")) == [2.5, None, 4.0]
    made = Enricher(stocks, on=on, out={"stock": "left"}, default={"stock": -1})(make(SHOPS))
    assert names_of(made) == ["shop", "item", "price", "left"]
    assert items_of(column_of(made, "left")) == [10, -1, 3]
    made = Enricher(stocks, on=on, out=["stock", "price"], default=(9.5, 7))(make(SHOPS_ONLY))
    assert names_of(made) == ["shop", "item", "stock", "price"]
    assert items_of(column_of(made, "price")) == [2.5, 9.5, 4.0]
    assert items_of(column_of(made, "stock")) == [10, 7, 3]
    made = Enricher(stocks, on=on, out=["price"], default={"price": 0.25})(make(SHOPS_ONLY))
    assert items_of(column_of(made, "price")) == [2.5, 0.25, 4.0]


def test_arrays_of_fields_are_contiguous(stocks):
    made = Enricher(stocks, on=["shop", "item"], default=(0.0, 0))(SHOPS_ONLY)
    for name in ("price", "stock"):
        assert made[name].flags.c_contiguous
        assert made[name].base is None  # it does not keep the other fields in memory


def test_names_of_columns_need_not_be_those_of_the_fields(stocks):
    frame = {"where": [2, 1], "what": ["tea", "tea"]}
    assert Enricher(stocks, on=("where", "what"), out=["price"])(frame)["price"].tolist() == [2.0, 2.5]


def test_a_null_in_one_column_of_a_key_is_a_missing_key(stocks):
    table = pa.table({"shop": [1, None], "item": ["tea", "tea"]})
    assert Enricher(stocks, on=["shop", "item"], out=["stock"])(table)["stock"].to_pylist() == [10, None]


def test_a_column_of_structs_is_a_column_of_structured_keys(stocks):
    enrich = Enricher(stocks, on="key", out=["stock"])
    structs = [{"shop": 1, "item": "tea"}, None, {"shop": 3, "item": "tea"}]
    assert enrich(pa.table({"key": structs}))["stock"].to_pylist() == [10, None, None]
    assert enrich(pl.DataFrame({"key": structs}))["stock"].to_list() == [10, None, None]


def test_a_key_of_one_field_is_given_by_its_column(tmp_path):
    path = saved(tmp_path, [("a", "i8")], int, {(1,): 5})
    enrich = Enricher(path, on=["k"])
    assert enrich(pa.table({"k": [1, 2]}))["value"].to_pylist() == [5, None]
    assert enrich.column([1, 2]) == [5, None]


# ---- columns of keys -------------------------------------------------------------------------------------------------


def chunked(*chunks):
    return pa.chunked_array([pa.array(chunk, pa.int64()) for chunk in chunks])


INT_KEYS = {
    "chunks with nulls": chunked([10, None], [], [30], [20, 10]),
    "a slice": pa.array([99, 10, None, 30, 20, 10, 99]).slice(1, 5),
    "int32": pa.array(KEYS, pa.int32()),
    "dictionary": pa.array(KEYS).dictionary_encode(),
    "polars": pl.Series(KEYS),
    "polars, Int16, a slice": pl.Series([7, *KEYS], dtype=pl.Int16)[1:],
    "pandas, Int32": pd.Series(pd.array(KEYS, "Int32"), index=[5, 5, 1, 2, 3]),
    "pandas, categorical": pd.Series(pd.Categorical(KEYS)),
    "pandas, Arrow": pd.Series(pd.array(KEYS, pd.ArrowDtype(pa.int64()))),
    "a masked array": np.ma.masked_equal([10, -1, 30, 20, 10], -1),
    "every second item": np.array([10, 0, 7, 0, 30, 0, 20, 0, 10, 0])[::2],
}


@pytest.mark.parametrize("keys", INT_KEYS.values(), ids=INT_KEYS)
def test_keys_are_taken_from_every_column(prices, keys):
    column = Enricher(prices, on="k", out="price").column(keys)
    assert type(column) is (np.ndarray if isinstance(keys, np.ndarray) else type(keys)) or isinstance(column, pa.Array)
    assert items_of(column) == [0.5, None, None, 2.5, 0.5]
    if isinstance(keys, pd.Series):
        assert column.index.equals(keys.index)
    if isinstance(keys, pd.Series | pl.Series):
        assert column.name == "price"


def test_a_column_is_of_the_kind_of_the_keys(prices, stocks):
    enrich = Enricher(prices, on="k")
    assert type(enrich.column(pa.array([10]))) is pa.DoubleArray
    assert type(enrich.column(chunked([10], [20]))) is pa.ChunkedArray
    assert type(enrich.column([10])) is list
    left = Enricher(stocks, on=["shop", "item"], out=["stock"])
    assert left.column(pa.array([1, 2]), pa.array(["tea", "ham"])).to_pylist() == [10, None]
    assert left.column([1, 2], ["cake", "tea"]) == [3, 0]


TEXT_KEYS = {
    "string_view": pa.array(["b", None, "a"], pa.string_view()),
    "dictionary": pa.array(["b", None, "a"]).dictionary_encode(),
    "run ends": pa.RunEndEncodedArray.from_arrays([1, 2, 3], pa.array(["b", None, "a"])),
    "polars": pl.Series(["b", None, "a"]),
    "polars, Categorical": pl.Series(["b", None, "a"], dtype=pl.Categorical),
    "pandas": pd.Series(["b", None, "a"]),
    "pandas, object": pd.Series(["b", None, "a"], dtype=object),
    "pandas, categorical": pd.Series(pd.Categorical(["b", None, "a"])),
    "pandas, string[python]": pd.Series(["b", None, "a"], dtype="string[python]"),
}


@pytest.mark.parametrize("keys", TEXT_KEYS.values(), ids=TEXT_KEYS)
def test_texts_are_taken_from_every_column(tmp_path, keys):
    path = saved(tmp_path, str, np.int64, {"a": 1, "b": 2})
    assert items_of(Enricher(path, on="k").column(keys)) == [2, None, 1]


OBJECTS = [None, pd.NA, float("nan"), pd.NaT]


@pytest.mark.parametrize("null", OBJECTS, ids=repr)
def test_objects_that_stand_for_missing_values_are_no_keys(tmp_path, null):
    path = saved(tmp_path, str, np.int64, {"a": 1, "b": 2})
    enrich = Enricher(path, on="k", default=0)
    assert enrich.column(["b", null, "a"]) == [2, 0, 1]
    assert enrich({"k": np.array(["b", null, "a"], object)})["value"].tolist() == [2, 0, 1]
    assert enrich({"k": [null]})["value"].tolist() == [0]
    path = saved(tmp_path, [("s", "U4"), ("n", "i4")], np.int64, {("a", 1): 1}, "pairs.pyhmap")
    frame = {"s": ["a", null, "a"], "n": [1, 1, null]}
    assert Enricher(path, on=["s", "n"], default=0)(frame)["value"].tolist() == [1, 0, 0]


def test_nan_is_a_key_of_floats_and_nat_one_of_times(tmp_path):
    path = saved(tmp_path, float, np.int64, {NAN: 1, 0.5: 2})
    assert Enricher(path, on="k").column([0.5, NAN, None]) == [2, 1, None]
    path = saved(tmp_path, "M8[s]", np.int64, {NAT: 1}, "times.pyhmap")
    assert Enricher(path, on="k").column([EPOCH, pd.NaT, None]) == [None, 1, None]


def test_times_with_a_zone_are_taken_if_it_is_utc(tmp_path):
    path = saved(tmp_path, "M8[us]", int, {np.datetime64(0, "us"): 1})
    enrich = Enricher(path, on="at")
    times = pd.Series([EPOCH, EPOCH + datetime.timedelta(1)]).astype("M8[us]").dt.tz_localize("UTC")
    assert enrich(pd.DataFrame({"at": times}))["value"].tolist() == [1, pd.NA]
    assert enrich(pa.table({"at": pa.Array.from_pandas(times)}))["value"].to_pylist() == [1, None]
    berlin = times.dt.tz_convert(zoneinfo.ZoneInfo("Europe/Berlin"))
    with pytest.raises(TypeError, match=r"column 'at': .*Europe/Berlin.*: convert"):
        enrich(pd.DataFrame({"at": berlin}))


# ---- the rest of a frame ---------------------------------------------------------------------------------------------


def test_a_pandas_frame_keeps_its_index_and_is_not_changed(prices):
    index = pd.Index(["b", "a", "b"], name="row")
    frame = pd.DataFrame({"k": [20, 10, 7], "x": [1, 2, 3], 5: ["u", "v", "w"]}, index=index)
    frame.attrs["of"] = "orders"
    before = frame.copy()
    made = Enricher(prices, on="k", out="price")(frame)
    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_frame_equal(made[["k", "x", 5]], before)
    assert made.index is index or made.index.equals(index)
    assert made.index.name == "row"
    assert made.attrs == {"of": "orders"}
    assert made["price"].tolist()[:2] == [2.5, 0.5]
    assert np.shares_memory(made["x"].to_numpy(), frame["x"].to_numpy())
    made.loc["a", "x"] = 99
    assert frame["x"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("make", [pa.table, batch_of])
def test_an_arrow_table_keeps_its_metadata_and_its_buffers(prices, make):
    fields = [pa.field("k", pa.int64(), metadata={"unit": "piece"}), pa.field("x", pa.string(), nullable=False)]
    table = make({"k": [20, 10, None], "x": ["a", "b", "c"]}).cast(pa.schema(fields, metadata={"of": "orders"}))
    made = Enricher(prices, on="k", out="price")(table)
    assert table.schema.names == ["k", "x"]
    assert made.schema.metadata == {b"of": b"orders"}
    assert made.schema.field("k").metadata == {b"unit": b"piece"}
    assert made.schema.field("x") == fields[1]
    assert made.select(["k", "x"]).equals(table)

    def address(of):
        column = of.column("x")
        return (column.chunk(0) if isinstance(column, pa.ChunkedArray) else column).buffers()[2].address

    assert address(made) == address(table)


def test_a_dict_and_a_polars_frame_are_not_changed(prices):
    arrays = {"k": [10, 20], "x": np.arange(2)}
    made = Enricher(prices, on="k")(arrays)
    assert list(arrays) == ["k", "x"]
    assert made["x"] is arrays["x"]
    frame = pl.DataFrame(arrays)
    Enricher(prices, on="k")(frame)
    assert frame.columns == ["k", "x"]


def test_other_columns_may_share_a_name(prices):
    frame = pd.DataFrame([[10, 1, 2]], columns=["k", "x", "x"])
    assert list(Enricher(prices, on="k")(frame)) == ["k", "x", "x", "value"]
    table = pa.Table.from_arrays([pa.array([10]), pa.array([1]), pa.array([2])], ["k", "x", "x"])
    assert Enricher(prices, on="k")(table).column_names == ["k", "x", "x", "value"]


@each_frame
def test_a_column_is_never_written_over(prices, make):
    with pytest.raises(ValueError, match="the frame has a column 'x' already: drop or rename it"):
        Enricher(prices, on="k", out="x")(make({"k": [10], "x": [1]}))


@each_frame
def test_a_column_that_is_missing_is_named_with_those_that_are_there(prices, make):
    with pytest.raises(ValueError, match="there is no column 'k': the frame has 'a', 'b'"):
        Enricher(prices, on="k")(make({"a": [10], "b": [1]}))


def test_two_columns_of_keys_are_refused(prices):
    frame = pd.DataFrame([[10, 1]], columns=["k", "k"])
    with pytest.raises(ValueError, match="2 columns have the name 'k'"):
        Enricher(prices, on="k")(frame)
    with pytest.raises(ValueError, match="2 columns have the name 'k'"):
        Enricher(prices, on="k")(pa.Table.from_arrays([pa.array([10]), pa.array([1])], ["k", "k"]))


@pytest.mark.parametrize("given", [None, [1, 2], "k", np.zeros(3), pl.LazyFrame({"k": [1]}), pd.Series([1])])
def test_what_is_no_frame_is_refused_with_what_is(prices, given):
    with pytest.raises(TypeError, match="a frame is a pyarrow Table or RecordBatch, a pandas or polars DataFrame, or"):
        Enricher(prices, on="k")(given)


@pytest.mark.parametrize("given", [None, 10, "ten", (10,), np.zeros((2, 2)), pa.scalar(1), pd.DataFrame({"k": [1]})])
def test_what_is_no_column_is_refused_with_what_is(prices, given):
    with pytest.raises(TypeError, match="a column is a pyarrow Array or ChunkedArray, a pandas or polars Series,"):
        Enricher(prices, on="k").column(given)


def test_a_column_alone_needs_one_new_column(stocks):
    enrich = Enricher(stocks, on=["shop", "item"])
    with pytest.raises(ValueError, match="gives the columns 'price', 'stock': make one with one of the fields"):
        enrich.column([1], ["tea"])
    with pytest.raises(TypeError, match="got 3 columns: give those of 'shop', 'item'"):
        Enricher(stocks, on=["shop", "item"], out=["price"]).column([1], ["tea"], [2])


@each_frame
def test_keys_of_another_type_are_refused_by_the_name_of_their_column(prices, make):
    with pytest.raises(TypeError, match=r"column 'k': key.* int64: convert the key"):
        Enricher(prices, on="k")(make({"k": ["10", "20"]}))
    with pytest.raises(TypeError, match=r"column 'k': key.*float.*convert the key"):
        Enricher(prices, on="k")(make({"k": [10.5, 20.0]}))


# ---- making one ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"on": None}, TypeError, "on=None: give the name of a column, or a list"),
        ({"on": []}, TypeError, r"on=\[\]: give the name"),
        ({"on": ["k", 3]}, TypeError, r"on=\['k', 3\]: give the name"),
        ({"on": ["k"]}, ValueError, r"on=\['k'\]: keys are of type int64, so give one name"),
        (
            {"out": ["value"]},
            TypeError,
            r"out=\['value'\]: give the name of one column, since the values are .*float64",
        ),
        ({"out": 5}, TypeError, "out=5: give the name of one column"),
        ({"out": "k"}, ValueError, "the new column 'k' has the name of one in on="),
        ({"default": "x"}, TypeError, "default: value 'x' is of type str; .*float64"),
        ({"default": {"price": 1}}, TypeError, "default: value {'price': 1} is of type dict"),
        ({"verify": "all"}, ValueError, "verify='all': give one of 'header', 'structure', 'lazy', 'full'"),
        ({"prefetch": "all"}, ValueError, "prefetch='all': give one of None, 'touch', 'copy'"),
    ],
)
def test_options_that_do_not_fit_are_refused_at_once(prices, options, error, message):
    with pytest.raises(error, match=message):
        Enricher(prices, **{"on": "k"} | options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"on": ["shop"]}, ValueError, "keys have the fields 'shop', 'item'; give a column for each"),
        ({"on": ["shop", "shop"]}, ValueError, "give each column once"),
        ({"out": "price"}, TypeError, "out='price': the values have the fields 'price', 'stock'; give a list"),
        ({"out": ["prize"]}, ValueError, "out has the field 'prize'; the values have the fields 'price', 'stock'"),
        ({"out": []}, ValueError, "at least one field"),
        ({"out": ["price", "price"]}, ValueError, "each column a name of its own"),
        ({"out": {"price": "a", "stock": "a"}}, ValueError, "each column a name of its own"),
        ({"out": {"price": 5}}, TypeError, r"out\['price'\] is 5"),
        ({"out": ["price"], "default": {"stock": 5}}, ValueError, "default has the field 'stock'; out has 'price'"),
        ({"default": {"stock": 0.5}}, TypeError, "default of 'stock': value 0.5 is of type float; .*int32"),
        ({"default": {"stock": 2**40}}, OverflowError, "default of 'stock': value 1099511627776 is outside int32"),
        ({"default": (0.5,)}, TypeError, r"default: value \(0.5,\) has 1 fields"),
        ({"default": 0.5}, TypeError, "default: value 0.5 is of type float"),
    ],
)
def test_fields_that_do_not_fit_are_refused_at_once(stocks, options, error, message):
    with pytest.raises(error, match=message):
        Enricher(stocks, **{"on": ["shop", "item"]} | options)


def test_a_set_takes_no_default(tmp_path):
    path = tmp_path / "known.pyhmap"
    HSet(int, [1]).save(path)
    with pytest.raises(ValueError, match="default=False: a set has no values"):
        Enricher(path, on="k", default=False)
    with pytest.raises(TypeError, match="out=5: give the name of one column, since the file holds a set"):
        Enricher(path, on="k", out=5)


def test_a_file_that_is_none_is_refused_at_once(tmp_path):
    path = tmp_path / "some.pyhmap"
    with pytest.raises(FileNotFoundError):
        Enricher(path, on="k")
    path.write_bytes(b"{}" * 5000)
    with pytest.raises(FileFormatError, match=r"some\.pyhmap"):
        Enricher(path, on="k")


def test_two_of_one_file_and_options_are_equal(prices, stocks):
    enrich = Enricher(prices, on="k", default=NAN)
    assert enrich == Enricher(str(prices), on="k", default=NAN) == pickle.loads(pickle.dumps(enrich))
    assert len({enrich, Enricher(prices, on="k", default=NAN), Enricher(prices, on="k")}) == 2
    for other in ({"on": "j"}, {"out": "v"}, {"default": 0.0}, {"verify": "full"}, {"prefetch": "copy"}):
        assert enrich != Enricher(prices, **{"on": "k", "default": NAN} | other)
    assert enrich != Enricher(stocks, on=["shop", "item"])
    assert enrich != "an Enricher"


def test_the_repr_says_what_it_does(prices, stocks):
    assert repr(Enricher(prices, on="k")) == f"Enricher({str(prices)!r}, on='k', out='value')"
    names = {"price": "price", "stock": "left"}
    shown = repr(Enricher(stocks, on=["shop", "item"], out=names))
    assert shown == f"Enricher({str(stocks)!r}, on=['shop', 'item'], out={names!r})"


# ---- files and processes ---------------------------------------------------------------------------------------------


def mappings_of(folder):
    """The files of a folder that this process has mapped, one item for each mapping."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return sorted(line.split()[-1] for line in lines if line.split()[-1].startswith(f"{folder}{os.sep}"))


def test_a_file_that_was_replaced_is_refused_by_name(tmp_path, prices):
    before = Enricher(prices, on="k")
    assert before.column([10]) == [0.5]
    unopened = Enricher(prices, on="k", verify="full")
    HMap(int, float, {10: 7.0}).save(prices)
    new = Enricher(prices, on="k")
    assert before.column([10]) == [0.5]  # as long as it is open, a file that was replaced is there
    message = f"values.pyhmap has the id {new.id}, and had {before.id} .*: it was replaced.* Make a new Enricher"
    with pytest.raises(FileFormatError, match=message):
        unopened({"k": [10]})
    assert new.column([10]) == [7.0]
    assert new != before
    prices.unlink()
    with pytest.raises(FileNotFoundError):
        unopened({"k": [10]})


def test_the_same_content_under_the_same_name_is_accepted(tmp_path, prices):
    content = prices.read_bytes()
    enrich = Enricher(prices, on="k")
    prices.unlink()
    prices.write_bytes(content)
    assert enrich.column([10]) == [0.5]


def test_damage_is_found_in_the_first_call(tmp_path, prices):
    enrich = Enricher(prices, on="k", verify="full")
    content = bytearray(prices.read_bytes())
    content[4096] ^= 1
    prices.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"values\.pyhmap is damaged") as caught:
        enrich({"k": [10]})
    assert "column" not in str(caught.value)


def test_a_process_maps_a_file_once(tmp_path, prices):
    enrich = Enricher(prices, on="k")
    assert mappings_of(tmp_path) == []
    copies = [pickle.loads(pickle.dumps(enrich)) for _ in range(5)]
    for each in [enrich, *copies, Enricher(prices, on="j", out="other")]:
        assert each.column([20]) == [2.5]
    assert mappings_of(tmp_path) == [str(prices)]


def test_a_process_keeps_few_files_open(tmp_path):
    enrichers = []
    for i in range(KEPT_OPEN + 3):
        enrichers.append(Enricher(saved(tmp_path, int, int, {1: i}, f"{i}.pyhmap"), on="k"))
    for _ in range(2):
        assert [enrich.column([1]) for enrich in enrichers] == [[i] for i in range(len(enrichers))]
    assert len(mappings_of(tmp_path)) == KEPT_OPEN
    last = mappings_of(tmp_path)
    enrichers[-KEPT_OPEN].column([1])  # now the first one that it would give up is the next
    enrichers[0].column([1])
    assert set(last) - set(mappings_of(tmp_path)) == {enrichers[1 - KEPT_OPEN].path}


def test_threads_that_call_it_first_open_the_file_once(tmp_path, prices, monkeypatch):
    enrich = Enricher(prices, on="k")
    opened, together = [], threading.Barrier(8)

    class Slow(pyhmap.enricher.read.OpenFile):
        def __init__(self, *arguments):
            opened.append(arguments)
            threading.Event().wait(0.05)
            super().__init__(*arguments)

    monkeypatch.setattr(pyhmap.enricher.read, "OpenFile", Slow)
    answers = []

    def call():
        together.wait()
        answers.append(enrich.column([10, 20]))

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [[0.5, 2.5]] * 8
    assert len(opened) == 1


def in_fork(call):
    """The status of a child that makes a call; it is killed after some seconds."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(20)
            status = 0 if call() else 2
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]


def test_a_forked_process_goes_on_with_the_file(tmp_path, prices):
    enrich = Enricher(prices, on="k")
    enrich.column([10])
    HMap(int, float, {10: 7.0}).save(prices)  # it would be refused if the child opened it
    assert in_fork(lambda: enrich.column([10]) == [0.5]) == 0


def test_a_process_that_is_forked_while_a_thread_opens_a_file_can_open_it(tmp_path, prices, monkeypatch):
    enrich = Enricher(prices, on="k")
    parent, begun, go_on = os.getpid(), threading.Event(), threading.Event()

    class Waits(pyhmap.enricher.read.OpenFile):
        def __init__(self, *arguments):
            if os.getpid() == parent:
                begun.set()
                go_on.wait(30)
            super().__init__(*arguments)

    monkeypatch.setattr(pyhmap.enricher.read, "OpenFile", Waits)
    thread = threading.Thread(target=enrich.column, args=([10],))
    thread.start()
    assert begun.wait(30)
    try:
        assert in_fork(lambda: enrich.column([10]) == [0.5]) == 0
    finally:
        go_on.set()
        thread.join()


def test_a_spawned_process_gets_a_path_and_opens_the_file(tmp_path, prices):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for _ in range(2):
            enrich = Enricher(prices, on="k", out="price")
            assert len(pickle.dumps(enrich)) < 1000
            assert pool.apply(enrich, ({"k": [10, 7]},))["price"].tolist()[0] == 0.5
        HMap(int, float, {10: 7.0}).save(prices)
        assert pool.apply(enrich, ({"k": [10]},))["price"].tolist() == [0.5]
        new = Enricher(prices, on="k", out="price")
        assert pool.apply(new, ({"k": [10]},))["price"].tolist() == [7.0]
        pool.apply(os.chdir, ("/",))
        assert pool.apply(pickle.loads(pickle.dumps(new)), ({"k": [10]},))["price"].tolist() == [7.0]
    with multiprocessing.get_context("spawn").Pool(1) as pool, pytest.raises(FileFormatError, match="was replaced"):
        pool.apply(enrich, ({"k": [10]},))


def test_a_path_is_that_of_the_folder_in_which_it_was_given(tmp_path, prices, monkeypatch):
    monkeypatch.chdir(tmp_path)
    enrich = Enricher(Path(prices.name), on="k")
    assert enrich.path == str(prices)
    monkeypatch.chdir("/")
    assert enrich.column([10]) == [0.5]


def test_no_library_is_imported_that_the_caller_has_not_imported(prices):
    program = """
import sys
from pyhmap.enricher import Enricher
enrich = Enricher(sys.argv[1], on="k")
print(enrich({"k": [10]})["value"], enrich.column([20]), {"pandas", "polars", "pyarrow", "fsspec"} & set(sys.modules))
try:
    enrich("no frame")
except TypeError:
    print("refused")
"""
    command = [sys.executable, "-P", "-c", program, str(prices)]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "[0.5] [2.5] set()\nrefused\n"


def test_a_file_is_copied_into_the_cache_of_the_machine(tmp_path, prices):
    cache = tmp_path / "cache"
    enrich = Enricher(prices, on="k", cache=cache)
    assert not cache.exists()
    assert enrich.column([10]) == [0.5]
    assert mappings_of(tmp_path) == [str(cache / f"{enrich.id}.pyhmap")]
    for path in cache.iterdir():
        path.unlink()
    again = Enricher(prices, on="k", cache=cache, verify="full")
    HMap(int, float, {10: 7.0}).save(prices)
    with pytest.raises(FileFormatError, match=r"values\.pyhmap has the id .* Make a new Enricher"):
        again.column([10])


def test_a_file_at_a_url_is_copied_to_a_folder_of_the_user(tmp_path, prices, monkeypatch):
    pytest.importorskip("fsspec")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    enrich = Enricher(f"file://{prices}", on="k")
    assert enrich.path == f"file://{prices}"
    assert enrich.column([10]) == [0.5]
    assert mappings_of(tmp_path) == [str(temporary / f"pyhmap-{os.getuid()}" / f"{enrich.id}.pyhmap")]


@pytest.fixture
def squares(tmp_path):
    """A dataset from ints to their squares."""
    folder = tmp_path / "squares"
    numbers = np.arange(0, 1000, 2)
    pyhmap.build_dataset([(numbers, numbers * numbers)], folder, partitions=4)
    return folder


def test_a_dataset_is_one_map(tmp_path, squares):
    enrich = Enricher(squares, on="k", out="square")
    assert enrich(pa.table({"k": [2, 3, None, 998]}))["square"].to_pylist() == [4, None, None, 996004]
    assert pickle.loads(pickle.dumps(enrich)).column([4]) == [16]
    assert enrich == Enricher(squares, on="k", out="square")
    unopened = Enricher(squares, on="k", verify="full")
    pyhmap.build_dataset([([1], [1])], squares, partitions=4)
    with pytest.raises(FileFormatError, match=r"squares has the id .*: it was replaced.* Make a new Enricher"):
        unopened.column([2])


def test_a_dataset_at_a_url_is_copied_part_by_part(tmp_path, squares):
    pytest.importorskip("fsspec")
    enrich = Enricher(f"file://{squares}", on="k", cache=tmp_path / "cache")
    assert enrich.column([2, 3]) == [4, None]
    assert {Path(path).parent.name for path in mappings_of(tmp_path)} == {"cache"}


@each_frame
def test_an_empty_frame_opens_no_file(tmp_path, monkeypatch, make):
    """The types of the new columns are asked for where the file need not be: by the client of a cluster."""
    for name, m in (("map", HMap(int, float, {1: 0.5})), ("set", HSet(int, [1])), ("index", HIndex(int, [1]))):
        m.save(tmp_path / name)
        enrich = Enricher(tmp_path / name, on="k", out="v")
        full = enrich(make({"k": [1, 2]}))
        os.unlink(tmp_path / name)
        fresh = pickle.loads(pickle.dumps(enrich))
        monkeypatch.setattr(enricher, "_places", type(enricher._places)())
        made = fresh(make({"k": np.empty(0, int)}))
        assert len(column_of(made, "v")) == 0
        assert type_of(column_of(made, "v")) == type_of(column_of(full, "v"))
        with pytest.raises(FileNotFoundError):
            fresh(make({"k": [1]}))
