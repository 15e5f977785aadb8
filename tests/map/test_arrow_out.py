"""Maps and sets as Arrow tables: every type through pyarrow, polars, pandas and DuckDB, lifetimes, snapshots, threads.

The expected items are those that a dict was filled with. The structs themselves are read with ctypes.
"""

import ctypes
import gc
import subprocess
import sys
import threading
import tracemalloc
from ctypes import byref, pythonapi

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import arrow_source
import pyhmap
from arrow_source import CArray, CSchema, CStream, text_column
from kinds import KINDS, VALUE_KINDS, kinds, value_kinds
from pyhmap import FrozenMap, FrozenSet, HMap, HSet
from support import growing
from tophash_cache import TopHashCache

pytestmark = pytest.mark.frozen_too

pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")
pd = pytest.importorskip("pandas")

LACKING = {"object", "longdouble", "complex64", "complex128", "timedelta64[D]"}  # types that Arrow has not


def taken(name, items):
    """Those items of a kind that Arrow's type of the same name holds."""
    if name == "str":
        return [item for item in items if not any("\ud800" <= character < "\ue000" for character in item)]
    if name == "datetime64[D]":
        return [item for item in items if abs(item.astype(int)) < 2**31]
    return items


def plain(item):
    """An item as Python compares it: a record, which is a dict in Arrow and a tuple in a map, as a tuple."""
    if isinstance(item, dict):
        return tuple(map(plain, item.values()))
    if isinstance(item, np.datetime64 | np.timedelta64):
        return str(item.dtype), int(item.astype(np.int64))
    return item


def of_arrow(column):
    """The items of a column of pyarrow. Its times are read through NumPy: Python has none of nanoseconds."""
    if pa.types.is_temporal(column.type):
        return [plain(item) for item in column.to_numpy()]
    return [plain(item) for item in column.to_pylist()]


# ---- every type ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_keys_of_every_type(hmap_type, name):
    kind = KINDS[name]
    keys = taken(name, list(dict.fromkeys([*kind.keys, *kind.edge])))
    items = {key: i for i, key in enumerate(keys)}
    m = hmap_type(kind.spec, np.int64, items)
    if name in LACKING:
        with pytest.raises(TypeError, match=r"column 'key' is of type object, which Arrow has not"):
            pa.table(m)
        return
    table = pa.table(m)
    assert table.column_names == ["key", "value"]
    found = dict(zip(of_arrow(table["key"]), table["value"].to_pylist(), strict=True))
    assert found == {plain(key): i for key, i in items.items()}
    table.validate(full=True)


@pytest.mark.parametrize("name", VALUE_KINDS)
def test_values_of_every_type(hmap_type, name):
    values = taken(name, VALUE_KINDS[name].values)
    m = hmap_type(np.int64, VALUE_KINDS[name].spec, dict(enumerate(values)))
    if name in LACKING:
        with pytest.raises(TypeError, match=r"column 'value' is of type .*, which Arrow has not"):
            pa.table(m)
        return
    table = pa.table(m)
    found = dict(zip(table["key"].to_pylist(), of_arrow(table["value"]), strict=True))
    assert found == {i: plain(value) for i, value in enumerate(values)}
    table.validate(full=True)


@kinds
def test_a_map_made_of_its_own_table_is_the_same(hmap_type, kind):
    if kind.spec is object:
        return
    name = next(name for name, each in KINDS.items() if each is kind)
    keys = taken(name, kind.keys)
    m = hmap_type(kind.spec, kind.spec, zip(keys, keys, strict=True))
    table = pa.table(m)
    again = HMap(kind.spec, kind.spec)
    again.set_many(table["key"], table["value"])
    assert again == dict(zip(keys, keys, strict=True))


TYPES = {
    "i1": "int8", "u1": "uint8", "i2": "int16", "u2": "uint16", "i4": "int32", "u4": "uint32", "i8": "int64",
    "u8": "uint64", "f2": "halffloat", "f4": "float", "f8": "double", "?": "bool", "S5": "large_binary",
    "U4": "large_string", "V3": "fixed_size_binary[3]", "M8[D]": "date32[day]", "M8[s]": "timestamp[s]",
    "M8[ms]": "timestamp[ms]", "M8[us]": "timestamp[us]", "M8[ns]": "timestamp[ns]", "m8[s]": "duration[s]",
    "m8[ms]": "duration[ms]", "m8[us]": "duration[us]", "m8[ns]": "duration[ns]",
}  # fmt: skip


def test_the_types_depend_on_no_item(hmap_type):
    fields = [(f"field {spec}", spec) for spec in TYPES]
    record = np.dtype([*fields, ("inner", [("x", "f4"), ("y", "S2")]), ("row", "i4", (2, 3))])
    for spec, expected in [*TYPES.items(), (str, "large_string"), (bytes, "large_binary")]:
        m = hmap_type(spec, spec)
        assert [str(field.type) for field in pa.table(m).schema] == [expected, expected]
        assert [field.nullable for field in pa.table(m).schema] == [True, True]
    zero = np.zeros(1, record)[0]
    for m in hmap_type(record, record), hmap_type(record, record, [(zero, zero)]):
        for field in pa.table(m).schema:
            assert [(part.name, str(part.type)) for part in field.type] == [
                *((f"field {spec}", name) for spec, name in TYPES.items()),
                ("inner", "struct<x: float, y: large_binary>"),
                ("row", "fixed_size_list<item: fixed_size_list<item: int32>[3]>[2]"),
            ]


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 64, 1000])
def test_any_number_of_bools_and_nulls(hmap_type, n):
    """Bits are packed eight to a byte."""
    flags = {i: i % 3 == 0 for i in range(n)}
    times = {i: np.datetime64("NaT", "s") if i % 3 == 0 else np.datetime64(i, "s") for i in range(n)}
    for spec, items in ("?", flags), ("M8[s]", times):
        table = pa.table(hmap_type(np.int64, spec, items))
        found = dict(zip(table["key"].to_pylist(), table["value"].is_null().to_pylist(), strict=True))
        assert found == {i: spec != "?" and flags[i] for i in range(n)}
        assert table["value"].null_count == sum(found.values())
        if spec == "?":
            assert dict(zip(table["key"].to_pylist(), table["value"].to_pylist(), strict=True)) == flags


@pytest.mark.parametrize("spec", ["M8[D]", "M8[s]", "M8[ns]", "m8[ms]"])
def test_nat_is_null(hmap_type, spec):
    nat, time = np.array([-(2**63), 1]).view(spec)
    table = pa.table(hmap_type(spec, spec, {nat: time, time: nat}))
    pairs = zip(of_arrow(table["key"]), of_arrow(table["value"]), strict=True)
    assert {repr(pair) for pair in pairs} == {repr((plain(nat), plain(time))), repr((plain(time), plain(nat)))}
    assert (table["key"].null_count, table["value"].null_count) == (1, 1)
    record = np.dtype([("at", spec)])
    table = pa.table(hmap_type(record, np.int64, {(nat,): 1, (time,): 2}))
    assert table["key"].combine_chunks().field("at").null_count == 1
    assert table["key"].null_count == 0


def test_arrays_of_one_shape(hmap_type):
    rows = {i: np.arange(6).reshape(2, 3) + i for i in range(5)}
    table = pa.table(hmap_type(np.int64, ("i2", (2, 3)), rows))
    found = dict(zip(table["key"].to_pylist(), table["value"].to_pylist(), strict=True))
    assert found == {i: row.tolist() for i, row in rows.items()}
    pairs = np.dtype([("id", "i4"), ("names", "U3", (2,))])
    table = pa.table(hmap_type(pairs, np.int64, {(7, ("a", "äöü")): 1}))
    assert table["key"].to_pylist() == [{"id": 7, "names": ["a", "äöü"]}]


def test_records_with_fields_at_odd_places(hmap_type):
    packed = np.dtype({"names": ["a", "b", "c"], "formats": ["i8", "f4", "S3"], "offsets": [1, 11, 20], "itemsize": 33})
    for items in {}, {0: (1, 0.5, b"x")}, {i: (i, i / 2, b"%d" % i) for i in range(100)}:
        table = pa.table(hmap_type(np.int64, packed, items))
        found = dict(zip(table["key"].to_pylist(), map(plain, table["value"].to_pylist()), strict=True))
        assert found == items
        assert table["value"].type == pa.struct([("a", "int64"), ("b", "float"), ("c", "large_binary")])


@pytest.mark.parametrize(
    ("spec", "column", "what"),
    [
        ("c8", "value", "complex64"),
        ("m8[h]", "value", r"timedelta64\[h\], which Arrow has not: use the unit s, ms, us or ns"),
        ("M8[M]", "value", r"datetime64\[M\]"),
        ("M8[ps]", "value", r"datetime64\[ps\]"),
        ("M8[25s]", "value", r"datetime64\[25s\]"),
        ([("a", "i4"), ("b", [("c", "g")])], "value.b.c", "longdouble|float128"),
        (("c16", (2,)), "value.item", "complex128"),
    ],
    ids=str,
)
def test_a_type_that_arrow_has_not_is_named_with_its_column(hmap_type, spec, column, what):
    with pytest.raises(TypeError, match=rf"column '{column}' is of type ({what}).*make a table from .*values, conv"):
        pa.table(hmap_type(np.int64, spec))


@pytest.mark.frozen_too(False)
def test_objects_are_refused_before_anything_is_copied():
    for m in HMap(object, str, {1: "\ud800"}), HMap(str, object, {"\ud800": 1}):
        with pytest.raises(TypeError, match="is of type object, which Arrow has not"):
            pa.table(m)


def test_a_date_that_date32_does_not_hold_is_named(hmap_type):
    least, most = np.array([-(2**31), 2**31 - 1], "M8[D]")
    table = pa.table(hmap_type("M8[D]", "M8[D]", {least: most, most: least}))
    assert sorted(of_arrow(table["key"])) == [("datetime64[D]", -(2**31)), ("datetime64[D]", 2**31 - 1)]
    for day in np.array([-(2**31) - 1, 2**31], "M8[D]"):
        with pytest.raises(OverflowError, match=r"key np.datetime64\('.*'\) is outside Arrow's date32: use datetime64"):
            pa.table(hmap_type("M8[D]", np.int64, {np.datetime64(0, "D"): 0, day: 1}))


# ---- texts -----------------------------------------------------------------------------------------------------------

LENGTHS = [0, 1, 3, 4, 7, 8, 11, 12, 13, 14, 31, 300]
WORDS = [("é€\U0001f511x" * 100)[:n] + f" {i}" for i, n in enumerate(LENGTHS * 200)]  # as many as release the GIL


def test_texts_of_every_length(hmap_type):
    items = {word: word[::-1] for word in WORDS}
    table = pa.table(hmap_type(str, str, items))
    assert dict(zip(table["key"].to_pylist(), table["value"].to_pylist(), strict=True)) == items
    items = {word.encode(): word[::-1].encode() for word in WORDS}
    table = pa.table(hmap_type(bytes, bytes, items))
    assert dict(zip(table["key"].to_pylist(), table["value"].to_pylist(), strict=True)) == items


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "x" * 40 + "\udc00"])
def test_a_lone_surrogate_is_refused(hmap_type, text):
    for m in (
        hmap_type(str, np.int64, {"fine": 1, text: 2}),
        hmap_type(np.int64, str, {1: text}),
        hmap_type("U50", np.int64, {text: 2}),
        hmap_type(np.int64, "U50", {1: text}),
        hmap_type(np.int64, [("a", "i4"), ("b", "U50")], {1: (2, text)}),
    ):
        with pytest.raises(ValueError, match=r"(key|value) '.*\\ud.*' is no valid UTF-8") as caught:
            pa.table(m)
        assert repr(text) in str(caught.value)


@given(st.lists(st.binary(max_size=24) | st.text(max_size=12).map(str.encode), unique=True))
def test_just_what_is_utf8_gets_out(items):
    """A column of Arrow may claim to be text and hold any bytes; a map stores them as they are."""
    m = HMap(str, np.int64)
    m.set_many(text_column(items), np.arange(len(items)))
    try:
        expected = {item.decode(): i for i, item in enumerate(items)}
    except UnicodeDecodeError:
        with pytest.raises(ValueError, match="is no valid UTF-8, which Arrow's strings must be"):
            m.__arrow_c_stream__()
    else:
        assert dict(zip(*pa.table(m).to_pydict().values(), strict=True)) == expected
    assert arrow_source.unreleased() == 0


@pytest.mark.parametrize(
    "before",
    [b"1234567", *(pytest.param(text, marks=pytest.mark.slow) for text in (b"", b"a", b"12345678", "é".encode()))],
)
def test_utf8_at_its_borders(before):
    """Each lead byte with the first and last bytes that may follow it, and the ones beyond; cut off; and overlong."""
    borders = (0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF)
    for lead in range(0x80, 0x100):
        for second in borders:
            for tail in b"", b"\x80", b"\xbf\x80", b"\x80\xbf", b"\x7f\x80", b"\x80\xc0":
                text = before + bytes([lead, second]) + tail
                m = HMap(str, np.int64)
                m.set_many(text_column([text]), [1])
                try:
                    text.decode()
                except UnicodeDecodeError:
                    with pytest.raises(ValueError, match="is no valid UTF-8"):
                        m.__arrow_c_stream__()
                else:
                    m.__arrow_c_stream__()


def test_no_object_is_made_per_text():
    n = 100_000
    m = HMap(str, str)
    words = [f"{i:05}" for i in range(n)]
    m.set_many(words, words)
    for source in m, m.freeze():
        source.__arrow_c_stream__()
        tracemalloc.start()
        try:
            capsule = source.__arrow_c_stream__()
            held, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert held < 2 * (8 + 5) * n + 100_000
        assert peak < 2 * (16 + 8 + 5) * n + 100_000  # a str takes more than 50 bytes
        del capsule


# ---- sets, nil maps, subclasses --------------------------------------------------------------------------------------


@kinds
def test_sets_have_one_column(any_set, kind):
    name = next(name for name, each in KINDS.items() if each is kind)
    keys = taken(name, kind.keys)
    s = any_set(kind.spec, keys)
    if kind.spec is object:
        with pytest.raises(TypeError, match="column 'key' is of type object"):
            pa.table(s)
        return
    table = pa.table(s)
    assert table.column_names == ["key"]
    found = of_arrow(table["key"])
    assert len(found) == len(keys)
    assert set(found) == set(map(plain, keys))


def test_nil_maps_have_their_types():
    assert pa.table(pyhmap.nil(str, "f4")).schema == pa.schema([("key", "large_string"), ("value", "float")])


# ---- other libraries -------------------------------------------------------------------------------------------------


def test_polars(hmap_type):
    items = {word: i for i, word in enumerate(WORDS)}
    frame = pl.from_dataframe(hmap_type(str, np.int64, items))
    assert frame.schema == {"key": pl.String, "value": pl.Int64}
    assert dict(frame.iter_rows()) == items
    frame = pl.DataFrame(HSet(bytes, [b"a", b"bc"]))
    assert (frame.columns, set(frame["key"])) == (["key"], {b"a", b"bc"})
    frame = pl.from_dataframe(HMap("M8[us]", "?", {np.datetime64("NaT", "us"): True, np.datetime64(5, "us"): False}))
    assert dict(zip(frame["key"].dt.timestamp(), frame["value"], strict=True)) == {None: True, 5: False}


@value_kinds
def test_polars_takes_values_of_every_type(value_kind):
    name = next(name for name, each in VALUE_KINDS.items() if each is value_kind)
    if name in LACKING:
        return
    values = taken(name, value_kind.values)
    frame = pl.from_dataframe(HMap(np.int64, value_kind.spec, dict(enumerate(values)))).sort("key")
    if frame["value"].dtype.is_temporal():  # as numbers: to_numpy() of polars leaks a dtype, which `make asan` sees
        assert frame["value"].to_physical().to_list() == np.array(values).astype(np.int64).tolist()
    else:
        assert [plain(item) for item in frame["value"].to_list()] == list(map(plain, values))


def test_pandas(hmap_type):
    items = {word: i / 2 for i, word in enumerate(WORDS)}
    m = hmap_type(str, np.float64, items)
    frame = pd.DataFrame.from_arrow(m) if hasattr(pd.DataFrame, "from_arrow") else pa.table(m).to_pandas()
    assert list(frame.columns) == ["key", "value"]
    assert frame["value"].dtype == np.float64
    assert dict(zip(frame["key"], frame["value"], strict=True)) == items


@pytest.mark.release_only  # DuckDB is large, and a sanitizer would watch all of it
def test_duckdb():
    duckdb = pytest.importorskip("duckdb")
    m = HMap(str, np.int64, {word: i for i, word in enumerate(WORDS)})
    f = m.freeze()
    for name in "m", "f":
        assert duckdb.sql(f"SELECT count(*), sum(value) FROM {name}").fetchall() == [
            (len(WORDS), sum(range(len(WORDS))))
        ]
        found = duckdb.sql(f"SELECT value, key FROM {name} WHERE value < 30 ORDER BY value").fetchall()
        assert found == list(enumerate(WORDS[:30]))
    assert len(f) == len(WORDS)
    record = np.dtype([("x", "f8"), ("name", "U3"), ("tag", "S2"), ("on", "?"), ("at", "M8[us]"), ("row", "i4", (2,))])
    s = HSet(record, [(0.5, "äöü", b"t", True, np.datetime64("2024-05-06T07:08:09", "us"), (1, 2))])
    assert s
    row = duckdb.sql("SELECT key.x, key.name, key.tag, key.on, key.at::VARCHAR, key.row FROM s").fetchall()
    assert row == [(0.5, "äöü", b"t", True, "2024-05-06 07:08:09", (1, 2))]


# ---- one moment ------------------------------------------------------------------------------------------------------


@pytest.mark.frozen_too(False)
def test_a_growing_map(hmap_type):
    m, items = growing(hmap_type, 5)
    assert dict(zip(*pa.table(m).to_pydict().values(), strict=True)) == items
    m.check()


@pytest.mark.frozen_too(False)
def test_later_changes_do_not_show(hmap_type):
    items = {word: word * 2 for word in WORDS}
    m = hmap_type(str, str, items)
    reader = pa.RecordBatchReader.from_stream(m)
    for word in WORDS:
        m[word] = "other"
    m.clear()
    assert dict(zip(*reader.read_all().to_pydict().values(), strict=True)) == items
    assert pa.table(m).num_rows == 0


def test_tables_that_outlive_their_map():
    items = {word: word * 2 for word in WORDS}
    for freeze in False, True:
        m = HMap(str, str, items)
        source = m.freeze() if freeze else m
        table, reader, capsule = pa.table(source), pa.RecordBatchReader.from_stream(source), source.__arrow_c_stream__()
        del m, source
        gc.collect()
        assert dict(zip(*table.to_pydict().values(), strict=True)) == items
        assert dict(zip(*reader.read_all().to_pydict().values(), strict=True)) == items
        assert read(capsule) == (["key", "value"], len(items))


@pytest.mark.frozen_too(False)
def test_exports_while_other_threads_write():
    """Each table is of one moment: its pairs belong together, and no key is there twice."""
    m = HMap(str, str, {f"key {i}": f"value {i}" for i in range(2000)})
    stop, failures = threading.Event(), []

    def write(offset):
        number = 0
        while not stop.is_set():
            number += 1
            i = (number * 7 + offset) % 4000
            m.set_many([f"key {i}", f"key {i + 1}"], [f"value {i}", f"value {i + 1}"])
            m.discard_many([f"key {(i + 2000) % 4000}"])
            if number % 1000 == 0:
                m.compact()

    def export():
        try:
            for _ in range(60):
                keys, values = pa.table(m).to_pydict().values()
                assert [key.replace("key", "value") for key in keys] == values
                assert len(set(keys)) == len(keys)
        except BaseException as error:
            failures.append(error)

    writers = [threading.Thread(target=write, args=(offset,)) for offset in (0, 1000)]
    readers = [threading.Thread(target=export) for _ in range(2)]
    for thread in writers + readers:
        thread.start()
    for thread in readers:
        thread.join()
    stop.set()
    for thread in writers:
        thread.join()
    assert not failures
    m.check()


# ---- the structs, and their release ----------------------------------------------------------------------------------

pythonapi.PyCapsule_GetPointer.restype = ctypes.c_void_p
pythonapi.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]


def stream_of(capsule):
    return CStream.from_address(pythonapi.PyCapsule_GetPointer(capsule, b"arrow_array_stream"))


def got(stream, call, struct):
    """What one of the calls of a stream gives, which returns 0."""
    out = struct()
    assert call(ctypes.addressof(stream), byref(out)) == 0
    return out


def child(parent, i):
    return type(parent).from_address(ctypes.cast(parent.children, ctypes.POINTER(ctypes.c_void_p))[i])


def release(struct):
    struct.release(ctypes.addressof(struct))
    assert not struct.release


def read(capsule):
    """The names of the columns and the number of rows. Releases the stream and what it gave."""
    stream = stream_of(capsule)
    schema, array = got(stream, stream.get_schema, CSchema), got(stream, stream.get_next, CArray)
    release(stream)
    answer = [child(schema, i).name.decode() for i in range(schema.n_children)], array.length
    release(array)
    release(schema)
    return answer


def test_a_stream_has_one_batch_and_then_its_end(hmap_type):
    for items in {}, {1: 10, 2: 20}:
        capsule = hmap_type(np.int64, np.int64, items).__arrow_c_stream__()
        stream = stream_of(capsule)
        schemas = [got(stream, stream.get_schema, CSchema) for _ in range(2)]
        array = got(stream, stream.get_next, CArray)
        assert not got(stream, stream.get_next, CArray).release
        assert not got(stream, stream.get_next, CArray).release
        assert (array.length, array.null_count, array.offset, array.n_children) == (len(items), 0, 0, 2)
        for schema in schemas:
            assert [child(schema, i).format for i in range(2)] == [b"l", b"l"]
            release(schema)
        release(array)
        release(stream)


def test_the_requested_schema_is_no_demand(hmap_type):
    m = hmap_type(np.int64, np.int64, {1: 2})
    wanted = pa.schema([("key", "int8"), ("value", "string")]).__arrow_c_schema__()
    assert read(m.__arrow_c_stream__(wanted)) == read(m.__arrow_c_stream__(requested_schema=wanted))
    with pytest.raises(TypeError):
        m.__arrow_c_stream__(wanted, wanted)


def test_a_capsule_is_read_once():
    m = HMap(np.int64, np.int64, {1: 2})

    class Again:
        capsule = m.__arrow_c_stream__()

        def __arrow_c_stream__(self, requested_schema=None):
            return self.capsule

    again = Again()
    assert pa.table(again).to_pylist() == [{"key": 1, "value": 2}]
    with pytest.raises((pa.ArrowInvalid, ValueError), match="released"):
        pa.table(again)
    with pytest.raises(ValueError, match="has been released, or read by another library"):
        HSet([("key", "i8"), ("value", "i8")], again)
    assert pa.table(m).num_rows == 1


def test_a_child_may_be_taken_out_and_outlive_its_parent():
    items = {word: i for i, word in enumerate(WORDS)}
    m = HMap([("name", "U400"), ("n", "i4")], np.int64, {(word, i): i for word, i in items.items()})
    stream = stream_of(capsule := m.__arrow_c_stream__())
    whole = {CSchema: got(stream, stream.get_schema, CSchema), CArray: got(stream, stream.get_next, CArray)}
    moved = {}
    for struct, parent in whole.items():
        there = child(child(parent, 0), 0)  # the field `name` of the column `key`
        moved[struct] = struct.from_buffer_copy(there)
        there.release = arrow_source.Release()
        release(parent)
    release(stream)
    del m, capsule
    gc.collect()
    column = pa.Array._import_from_c(ctypes.addressof(moved[CArray]), ctypes.addressof(moved[CSchema]))
    assert set(column.to_pylist()) == set(items)


def test_all_memory_is_given_back():
    """However far a consumer gets: it takes the capsule only, the stream, the schema, the array, or all of them."""
    n = 200_000
    m = HMap([("name", "S8"), ("n", "i4")], "M8[s]")
    keys = np.zeros(n, m.key_dtype)
    keys["n"] = np.arange(n)
    m.set_many(keys, np.arange(n).astype("M8[s]"))

    def only_the_stream():
        release(stream_of(capsule := m.__arrow_c_stream__()))
        del capsule

    def only_the_schema():
        stream = stream_of(capsule := m.__arrow_c_stream__())
        release(got(stream, stream.get_schema, CSchema))
        del capsule

    def the_array_after_the_stream():
        stream = stream_of(capsule := m.__arrow_c_stream__())
        array = got(stream, stream.get_next, CArray)
        del capsule
        release(array)

    for consume in (
        m.__arrow_c_stream__,
        only_the_stream,
        only_the_schema,
        the_array_after_the_stream,
        lambda: read(m.__arrow_c_stream__()),
        lambda: pa.table(m),
        lambda: pl.from_dataframe(m),
    ):
        consume()
        gc.collect()
        tracemalloc.start()
        try:
            for _ in range(3):
                consume()
            left, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak > 16 * n  # it is there that the arrays are traced
        assert left < 100_000, consume


def test_structs_are_released_in_threads_that_python_does_not_know():
    libc = ctypes.CDLL(None)
    libc.pthread_join.argtypes = [ctypes.c_ulong, ctypes.c_void_p]
    m = HMap(np.int64, str, dict(enumerate(WORDS)))
    for _ in range(20):
        stream = stream_of(capsule := m.__arrow_c_stream__())
        structs = [got(stream, stream.get_schema, CSchema), got(stream, stream.get_next, CArray), stream]
        threads = [ctypes.c_ulong() for _ in structs]
        for thread, struct in zip(threads, structs, strict=True):
            call = ctypes.cast(struct.release, ctypes.c_void_p)
            assert libc.pthread_create(byref(thread), None, call, ctypes.c_void_p(ctypes.addressof(struct))) == 0
        for thread in threads:
            assert libc.pthread_join(thread, None) == 0
        assert not any(struct.release for struct in structs)
        del capsule


def test_tables_that_are_there_when_the_interpreter_exits():
    code = """if True:
        import numpy as np, polars as pl, pyarrow as pa
        from pyhmap import HMap
        m = HMap(np.int64, str, {i: str(i) for i in range(1000)})
        kept = [pa.table(m), pl.from_dataframe(m), pa.RecordBatchReader.from_stream(m), m.__arrow_c_stream__()]
        kept.append(kept)
    """
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


# ---- a map is still no column ----------------------------------------------------------------------------------------


def test_batches_take_maps_and_sets_as_mappings_and_sets():
    m, s = HMap(str, np.int64, {"a": 1, "b": 2}), HSet(str, ["a", "c"])
    for one, other in ((m, s), (m.freeze(), s.freeze())):
        assert HSet(str, one) == {"a", "b"}
        assert s.contains_many(one).sum() == 1
        assert sorted(s.union(one, other)) == ["a", "b", "c"]
        assert m.contains_many(other).sum() == 1
        assert HMap.fromkeys(one, 0) == {"a": 0, "b": 0}
        assert FrozenSet.from_array(one) == {"a", "b"}
        assert FrozenMap.from_arrays(one, [1, 2]).keys() == {"a", "b"}
        hashes = TopHashCache().hash_many(list(other))
        assert TopHashCache().hash_many(other).tolist() == hashes.tolist()
    objects = HMap(np.int64, object)
    objects.set_many([1, 2], m)  # one object, as a dict is
    objects.setdefault_many([3], s)
    assert objects[1] is objects[2] is m
    assert objects[3] is s
