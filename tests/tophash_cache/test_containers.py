"""The table of docs/tophash_cache.md: each container of keys, whole, empty, and with a null or a key of a wrong type.

The expected digests are those of the `xxhash` package for the keys that went into the container.
"""

import array
import collections
import ctypes
import decimal
import itertools
import subprocess
import sys
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from arrow_source import Column, bitmap, encoded_column, text_column, unreleased
from tophash_cache import TopHashCache, xxh64

# Short, longer than the 12 bytes of a view and the 32 that a cache holds, of 1 to 4 bytes per character, and twice.
TEXTS = ["a", "user:000000000042", "", "x" * 40, "ä€", "\U0001f600" * 20, "a"]
OCTETS = [text.encode() for text in TEXTS]


@pytest.fixture
def hash_many():
    return TopHashCache().hash_many


@pytest.fixture
def expected(digest):
    return lambda keys: [digest(key) for key in keys]


class Renamed(np.ndarray):
    """An array whose own methods give wrong items: the base array must be read."""

    def tolist(self):
        return ["wrong"] * len(self)

    def astype(self, *args, **options):
        return np.array(["wrong"] * len(self))

    def __array__(self, *args, **options):
        return np.array(["wrong"] * len(self))

    def __getitem__(self, place):
        return "wrong"


class WithArray:
    """An object of another library that converts itself into an array."""

    def __init__(self, keys):
        self.keys = keys

    def __array__(self, dtype=None, copy=None):
        return np.array(self.keys, object)


class Exporter:
    """A column without methods other than those of the Arrow interface."""

    def __init__(self, column):
        self.column = column

    def __arrow_c_array__(self, requested_schema=None):
        return self.column.__arrow_c_array__(requested_schema)


def objects(keys):
    return np.array([*keys, None], object)[:-1]


def chararray(keys):
    """A class that NumPy 2.5 deprecates, and that data may still have."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return np.array(keys, "U40").view(np.char.chararray)


def wide(keys):
    """StringDType cannot be made from an empty list without naming it."""
    return np.array(keys, np.dtypes.StringDType())


PYTHON = {
    "list": list,
    "tuple": tuple,
    "deque": collections.deque,
    "generator": lambda keys: (key for key in keys),
    "iterator": iter,
    "chain": lambda keys: itertools.chain(keys[:2], keys[2:]),
    "dict values": lambda keys: dict(enumerate(keys)).values(),
    "UserList": collections.UserList,
    "object array": objects,
    "strided object array": lambda keys: objects([*itertools.chain.from_iterable((key, 1) for key in keys)])[::2],
    "memoryview of objects": lambda keys: memoryview(objects(keys)),
    "ctypes of objects": lambda keys: (ctypes.py_object * len(keys))(*keys),
}
COLUMNS = {
    "np.ma of objects": lambda keys: np.ma.array(objects(keys)),
    "anything with __array__": WithArray,
}
TEXT_ONLY = {
    "U array": lambda keys: np.array(keys, "U20" if not keys else None),
    "U array, reversed twice": lambda keys: np.array(keys[::-1], "U40")[::-1],
    "U array, other byte order": lambda keys: np.array(keys, "U40").astype(np.dtype("U40").newbyteorder()),
    "U array of a subclass": lambda keys: np.array(keys, "U40").view(Renamed),
    "object array of a subclass": lambda keys: objects(keys).view(Renamed),
    "chararray": chararray,
    "memoryview of U": lambda keys: memoryview(np.array(keys, "U40")),
    "np.ma of U": lambda keys: np.ma.array(np.array(keys, "U40")),
    "np.ma of U, nothing masked": lambda keys: np.ma.array(np.array(keys, "U40"), mask=np.zeros(len(keys), bool)),
    "StringDType": wide,
    "list of np.str_": lambda keys: [np.str_(key) for key in keys],
    "ctypes of c_wchar_p": lambda keys: (ctypes.c_wchar_p * len(keys))(*keys),
}
for na_object in (None, np.nan, "missing", ""):
    # A stored string is a key, even if it equals the na_object.
    TEXT_ONLY[f"StringDType, na_object={na_object!r}"] = lambda keys, na=na_object: wide(keys).astype(
        np.dtypes.StringDType(na_object=na)
    )
BYTES_ONLY = {
    "S array": lambda keys: np.array(keys, "S80"),
    "memoryview of S": lambda keys: memoryview(np.array(keys, "S80")),
    "ctypes of c_char_p": lambda keys: (ctypes.c_char_p * len(keys))(*keys),
}
ARROW = {
    "array": lambda keys, kind: pa.array(keys, kind),
    "slice": lambda keys, kind: pa.array([*keys[:1], *keys, None], kind)[
        1 if keys else 0 : 1 + len(keys) if keys else 0
    ],
    "chunked array": lambda keys, kind: pa.chunked_array([keys[:2], [], keys[2:]], kind),
    "no chunks": lambda keys, kind: pa.chunked_array([pa.array(keys, kind)] if keys else [], kind),
    "dictionary": lambda keys, kind: pa.array(keys, kind).cast(pa.dictionary(pa.int32(), kind)),
    "Arrow interface": lambda keys, kind: Exporter(pa.array(keys, kind)),
}
TEXT_TYPES = [pa.string(), pa.large_string(), pa.string_view()]
BYTES_TYPES = [pa.binary(), pa.large_binary(), pa.binary_view()]


def encodes(kind):
    """Whether pyarrow has a dictionary of such words."""
    return kind not in (pa.string_view(), pa.binary_view())


CASES = []
for name, make in {**PYTHON, **COLUMNS}.items():
    CASES += [(name, make, TEXTS), (f"{name}, bytes", make, OCTETS), (f"{name}, both", make, TEXTS + OCTETS)]
CASES += [(name, make, TEXTS) for name, make in TEXT_ONLY.items()]
CASES += [(name, make, OCTETS) for name, make in BYTES_ONLY.items()]
for name, make in ARROW.items():
    for sample, kinds in ((TEXTS, TEXT_TYPES), (OCTETS, BYTES_TYPES)):
        CASES += [
            (f"{name} of {kind}", lambda keys, make=make, kind=kind: make(keys, kind), sample)
            for kind in kinds
            if name != "dictionary" or encodes(kind)
        ]


@pytest.mark.parametrize(("make", "keys"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
@pytest.mark.parametrize("rows", ["all", "none"])
def test_each_container_gives_the_digests_of_its_keys(hash_many, expected, make, keys, rows):
    keys = keys if rows == "all" else []
    digests = hash_many(make(keys))
    assert digests.dtype == np.uint64
    assert digests.shape == (len(keys),)
    assert digests.tolist() == expected(keys)
    assert digests.flags.owndata


# ---- pandas and polars -----------------------------------------------------------------------------------------------

PANDAS = {
    "Series": lambda pd, keys: pd.Series(keys, dtype="str"),
    "Series, not from 0": lambda pd, keys: pd.Series(keys, index=range(5, 5 + len(keys)), dtype="str"),
    "Series of objects": lambda pd, keys: pd.Series(keys, dtype=object),
    "Series, string[python]": lambda pd, keys: pd.Series(keys, dtype="string[python]"),
    "Series, string[pyarrow]": lambda pd, keys: pd.Series(keys, dtype="string[pyarrow]"),
    "Series, Arrow-backed": lambda pd, keys: pd.Series(keys, dtype=pd.ArrowDtype(pa.large_string())),
    "Series, categorical": lambda pd, keys: pd.Series(keys, dtype="str").astype("category"),
    "Series, categorical of objects": lambda pd, keys: pd.Series(keys, dtype=object).astype("category"),
    "Index": lambda pd, keys: pd.Index(keys, dtype="str"),
    "Index of objects": lambda pd, keys: pd.Index(keys, dtype=object),
    "CategoricalIndex": lambda pd, keys: pd.CategoricalIndex(keys),
    "Categorical": lambda pd, keys: pd.Categorical(keys),
    "array, string[python]": lambda pd, keys: pd.array(keys, dtype="string[python]"),
    "array, string[pyarrow]": lambda pd, keys: pd.array(keys, dtype="string[pyarrow]"),
}
POLARS = {
    "Series": lambda pl, keys: pl.Series(keys, dtype=pl.String),
    "Series, chunked": lambda pl, keys: pl.concat([pl.Series([key], dtype=pl.String) for key in keys], rechunk=False),
    "Categorical": lambda pl, keys: pl.Series(keys, dtype=pl.Categorical),
    "Enum": lambda pl, keys: pl.Series(keys, dtype=pl.Enum([*{key for key in keys if key is not None}, "unused"])),
    "Object": lambda pl, keys: pl.Series(keys, dtype=pl.Object),
}


def of_library(table):
    return pytest.mark.parametrize("make", table.values(), ids=table.keys())


@of_library(PANDAS)
def test_pandas(hash_many, expected, make):
    pd = pytest.importorskip("pandas")
    assert hash_many(make(pd, TEXTS)).tolist() == expected(TEXTS)
    assert hash_many(make(pd, TEXTS)[1:-1:2]).tolist() == expected(TEXTS[1:-1:2])
    with pytest.raises(ValueError, match="position 1 is null"):
        hash_many(make(pd, ["a", None, "b"]))


@pytest.mark.parametrize("missing", ["None", "nan", "NA", "NaT"])
def test_a_missing_item_of_a_pandas_column_of_objects_is_null(hash_many, missing):
    pd = pytest.importorskip("pandas")
    item = {"None": None, "nan": np.nan, "NA": pd.NA, "NaT": pd.NaT}[missing]
    for column in (pd.Series, pd.Index):
        with pytest.raises(ValueError, match="position 1 is null"):
            hash_many(column(["a", item], dtype=object))
    with pytest.raises(TypeError, match="position 1 is of type int: give str or bytes"):
        hash_many(pd.Series(["a", 5, item], dtype=object))


def test_pandas_without_pyarrow(hash_many, expected):
    """Its columns have the methods of the Arrow interface, which then raise. They can be converted to arrays."""

    class Series(WithArray):
        def __arrow_c_stream__(self, requested_schema=None):
            raise ImportError("pyarrow is required")

    assert hash_many(Series(TEXTS)).tolist() == expected(TEXTS)
    with pytest.raises(ValueError, match="position 1 is null"):
        hash_many(Series(["a", np.nan]))


def test_an_export_that_fails_keeps_its_error(hash_many):
    class Broken:
        def __arrow_c_stream__(self, requested_schema=None):
            raise TypeError("not today")

    with pytest.raises(TypeError, match="not today"):
        hash_many(Broken())


@of_library(POLARS)
def test_polars(hash_many, expected, make):
    pl = pytest.importorskip("polars")
    assert hash_many(make(pl, TEXTS)).tolist() == expected(TEXTS)
    assert hash_many(make(pl, TEXTS)[1:5]).tolist() == expected(TEXTS[1:5])
    with pytest.raises(ValueError, match="position 1 is null"):
        hash_many(make(pl, ["a", None, "b"]))


def test_bytes_of_polars(hash_many, expected):
    pl = pytest.importorskip("polars")
    assert hash_many(pl.Series(OCTETS)).tolist() == expected(OCTETS)


# ---- nulls -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["a", None]),
        pa.array([b"ab", None], pa.binary(2)),
        pa.array(["a", "b", None])[1:],
        pa.chunked_array([["a"], [], [None]]),
        pa.array(["a", None]).dictionary_encode(),
        pa.DictionaryArray.from_arrays([0, 1], ["a", None]),
        pa.chunked_array(
            [pa.DictionaryArray.from_arrays([0], ["a"]), pa.DictionaryArray.from_arrays([1], ["a", None])]
        ),
        np.array(["a", None], np.dtypes.StringDType(na_object=None)),
        np.array(["a", np.nan], np.dtypes.StringDType(na_object=np.nan)),
        np.array(["a", "missing"], np.dtypes.StringDType(na_object="missing")),
        np.array(["", "a"], np.dtypes.StringDType(na_object=""))[::-1],
        WithArray(["a", None]),
        WithArray(["a", np.nan]),
        np.ma.array(objects(["a", None])),
        ["a", np.ma.masked],
        ["a", pa.scalar(None, pa.string())],
    ],
    ids=lambda column: f"{type(column).__name__} {getattr(column, 'type', getattr(column, 'dtype', ''))}",
)
def test_a_null_is_an_error_with_its_position(hash_many, column):
    with pytest.raises(ValueError, match="the key at position 1 is null and has no digest: fill or drop nulls"):
        hash_many(column)


@pytest.mark.parametrize("dtype", ["U5", "S5", object, np.dtypes.StringDType()])
def test_a_masked_item_is_an_error_with_its_position(hash_many, dtype):
    items = [b"a", b"b", b"c"] if dtype == "S5" else ["a", "b", "c"]
    masked = np.ma.array(np.array(items, dtype), mask=[False, False, True])
    with pytest.raises(ValueError, match="the key at position 2 is masked"):
        hash_many(masked)
    with pytest.raises(ValueError, match="the key at position 0 is masked"):
        hash_many(masked[::-1])
    hash_many(masked[:2])


@pytest.mark.parametrize(
    "column",
    [
        pa.nulls(0),
        pa.chunked_array([pa.nulls(0)]),
        pa.nulls(0).dictionary_encode(),
        pa.array([], pa.dictionary(pa.int32(), pa.string())),
    ],
    ids=lambda column: str(column.type),
)
def test_a_column_without_items_has_no_digests(hash_many, column):
    assert hash_many(column).tolist() == []


@pytest.mark.parametrize(
    "column",
    [pa.nulls(3), pa.chunked_array([pa.nulls(0), pa.nulls(2)]), pa.DictionaryArray.from_arrays([0], pa.nulls(1))],
    ids=["array", "chunked array", "words"],
)
def test_arrows_null_type_has_a_null_at_its_first_position(hash_many, column):
    with pytest.raises(ValueError, match="position 0 is null"):
        hash_many(column)


# ---- dictionaries ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
@pytest.mark.parametrize("words", ["u", "U", "vu", "z", "Z", "vz", "w:3"])
@pytest.mark.parametrize("offset", [0, 3])
def test_codes_and_words_of_every_width(hash_many, expected, code, words, offset):
    codes = np.array([0, 2, 1, 1, 0, 2], code)
    column = encoded_column(codes, text_column([b"abc", b"def", b"ghi"], words, offset=1), offset=offset)
    assert hash_many(column).tolist() == expected([[b"abc", b"def", b"ghi"][place] for place in codes[offset:]])
    assert unreleased() == 0


def test_a_null_word_that_no_code_names_is_no_null(hash_many, expected):
    assert hash_many(pa.DictionaryArray.from_arrays([1, 1], [None, "a"])).tolist() == expected(["a", "a"])
    # The view of a null is undefined, and may be malformed.
    views = np.array([[99, 0, 7, 0], [1, ord("b"), 0, 0]], "i4")
    words = Column("vu", 2, [bitmap([False, True]), views, np.zeros(0, np.int64)])
    assert hash_many(encoded_column(np.array([1], "i1"), words)).tolist() == expected(["b"])


@pytest.mark.parametrize("code", [-1, 2])
def test_a_code_without_a_word_is_an_error_with_its_position(hash_many, code):
    column = encoded_column(np.array([0, code], "i1"), text_column([b"a", b"b"]))
    with pytest.raises(
        ValueError, match=f"position 1 has code {code}, and its dictionary has 2 words; check the producer"
    ):
        hash_many(column)


def test_a_malformed_word_is_an_error(hash_many):
    words = Column("u", 2, [None, np.array([0, 2, 1], "i4"), np.zeros(2, "u1")])
    with pytest.raises(ValueError, match="word 1 of its dictionary has bad offsets"):
        hash_many(encoded_column(np.array([0], "i1"), words))


@pytest.mark.parametrize("size", [0, 1, 16])
def test_fixed_size_bytes_keep_their_nuls(hash_many, expected, size):
    keys = [b"abc\0".ljust(size, b"\0")[:size], bytes(size)]
    assert hash_many(pa.array(keys, pa.binary(size))).tolist() == expected(keys)
    assert hash_many(pa.array(keys, pa.binary(size))[1:]).tolist() == expected(keys[1:])


# ---- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([1, 2]), "not of int64: cast it"),
        (pa.array([decimal.Decimal("1.5")]), r"not of decimal128\(2, 1\): cast it"),
        (pa.array([1], pa.date32()), "not of date32: cast it"),
        (pa.array([1], pa.timestamp("ns", "UTC")), r"not of timestamp\[ns, tz=UTC\]: cast it"),
        (pa.array([1, 2]).dictionary_encode(), "not of dictionary-encoded int64: cast it"),
        (pa.array([["a"]]), "not of list: give a column of its items"),
        (pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int8())), "not of map: give a column of its items"),
        (pa.array([{"x": "a"}]), "not of struct: give one of its columns"),
        (pa.table({"x": ["a"]}), "not of struct: give one of its columns"),
        (
            pc.run_end_encode(pa.array(["a"])),
            "not of run-end encoded: decode it, in pyarrow by pyarrow.compute.run_end_de",
        ),
        (Column("tiM", 1, [None, None]), "not of month_interval"),
        (encoded_column(np.array([0], "i1"), encoded_column(np.array([0], "i1"), text_column([b"a"]))), "decode it"),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(getattr(value, "type", getattr(value, "format", ""))),
)
def test_an_arrow_column_of_another_type_is_named_in_words(hash_many, column, message):
    with pytest.raises(TypeError, match=message):
        hash_many(column)


def test_the_advice_can_be_followed(hash_many, expected):
    assert hash_many(pa.array([decimal.Decimal("1.5"), 2]).cast("string")).tolist() == expected(["1.5", "2.0"])
    assert hash_many(pc.run_end_decode(pc.run_end_encode(pa.array(TEXTS)))).tolist() == expected(TEXTS)
    assert hash_many(pa.table({"x": TEXTS})["x"]).tolist() == expected(TEXTS)
    assert hash_many(pa.array([["a"], ["b", "c"]]).flatten()).tolist() == expected(["a", "b", "c"])


def test_the_advice_for_pandas_and_polars_can_be_followed(hash_many, expected):
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    assert hash_many(pd.Series([1, 2], dtype="Int64").astype(str)).tolist() == expected(["1", "2"])
    assert hash_many(pl.Series([1, 2]).cast(str)).tolist() == expected(["1", "2"])
    for table in (pd.DataFrame({"x": ["a"]}), pl.DataFrame({"x": ["a"]})):
        with pytest.raises(TypeError, match="not of struct: give one of its columns"):
            hash_many(table)
        assert hash_many(table["x"]).tolist() == expected(["a"])


def test_numbers_of_pandas_and_polars(hash_many):
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    for column, message in [
        (pd.Series([1, 2]), "dtype int64"),
        (pd.Index([1.5]), "dtype float64"),
        (pd.Series([1], dtype="Int64"), "not of int64"),
        (pd.Series([1], dtype="category"), "not of dictionary-encoded int64"),
        (pd.Series(pd.arrays.SparseArray([1, 0])), "dtype int64"),
        (pd.MultiIndex.from_tuples([("a", 1)]), "position 0 is of type tuple"),
        (pl.Series([1], dtype=pl.Int128), "not of int128"),
        (pl.Series([object()], dtype=pl.Object), "position 0 is of type object: give str or bytes"),
    ]:
        with pytest.raises(TypeError, match=message):
            hash_many(column)


@pytest.mark.parametrize("keys", [range(2), collections.deque([0, 1]), iter([0])], ids=lambda keys: type(keys).__name__)
def test_items_of_another_type_are_named(hash_many, keys):
    with pytest.raises(TypeError, match="the key at position 0 is of type int: give str or bytes"):
        hash_many(keys)


@pytest.mark.parametrize("item", [None, np.nan])
def test_none_and_nan_among_python_items_are_keys_of_a_wrong_type(hash_many, item):
    for make in PYTHON.values():
        if make is not PYTHON["chain"]:
            with pytest.raises(TypeError, match=f"the key at position 1 is of type {type(item).__name__}: give str"):
                hash_many(make(["a", item]))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (array.array("q", [1, 2]), "dtype int64: convert the keys first"),
        ((ctypes.c_long * 2)(1, 2), "dtype int64: convert the keys first"),
        (memoryview(b"ab"), "dtype uint8: convert the keys first"),
        (memoryview((ctypes.c_wchar * 2)("a", "b")), "not memoryview: give a list of keys"),
        (np.zeros(2, "i4,f8"), "dtype .*: convert the keys first"),
        ({"a"}, "not set: give a list of keys"),
        (frozenset("a"), "not frozenset: give a list of keys"),
        ({"a": 1}, "not dict: give a list of keys"),
        (None, "not NoneType: give a list of keys"),
        (5, "not int: give a list of keys"),
        ("abc", r"a str is one: call hash\(key\)"),
        (b"abc", r"a bytes is one: call hash\(key\)"),
        (bytearray(b"abc"), r"a bytearray is one: call hash\(key\)"),
        (np.str_("abc"), r"a str_ is one: call hash\(key\)"),
        (pa.scalar("abc"), r"a StringScalar is one: call hash\(key.as_py\(\)\)"),
        ([pa.scalar("abc")], "the key at position 0 is of type StringScalar: give str or bytes, as key.as_py()"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value[:20],
)
def test_what_is_no_batch_of_texts_is_refused_with_what_to_do(hash_many, keys, message):
    with pytest.raises(TypeError, match=message):
        hash_many(keys)


def test_units_of_array_and_ctypes_are_keys(hash_many, expected):
    units = array.array("w" if sys.version_info >= (3, 13) else "u", "aä")
    assert hash_many(units).tolist() == expected(["a", "ä"])
    assert hash_many((ctypes.c_wchar * 2)("a", "ä")).tolist() == expected(["a", "ä"])
    assert hash_many((ctypes.c_char * 2)(b"a", b"b")).tolist() == expected([b"a", b"b"])


# ---- single keys -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [np.str_("user:42"), np.bytes_(b"user:42")])
def test_a_numpy_string_is_a_single_key(digest, key):
    assert TopHashCache().hash(key) == TopHashCache(enabled=False).hash(key) == xxh64(key) == digest(key)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (pa.scalar("a"), "type StringScalar: give str, bytes, bytearray or memoryview, as key.as_py()"),
        (None, "type NoneType: give str, bytes, bytearray or memoryview"),
        (np.ma.masked, "type MaskedConstant: give str"),
        (["a"], "type list: give str"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_single_key_of_another_type_is_named(key, message):
    cache = TopHashCache()
    for call in (cache.hash, cache.tophash, TopHashCache(enabled=False).hash, xxh64):
        with pytest.raises(TypeError, match=f"cannot hash a key of {message}"):
            call(key)


def test_no_other_library_is_imported():
    code = """
import sys
import numpy as np
from tophash_cache import TopHashCache
cache = TopHashCache()
cache.hash_many(np.array(["a"]))
for bad in ([None], [5], 5):
    try:
        cache.hash_many(bad)
    except (TypeError, ValueError):
        pass
print(sorted({"pyhmap", "pandas", "polars", "pyarrow", "numpy.ma"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
