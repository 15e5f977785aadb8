"""Arrow columns as batches of texts and as arrays of numbers: every layout, nulls, malformed columns, releases.

arrow_source builds columns byte by byte; pyarrow, polars and pandas are tested as well if they are installed.
"""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import arrow_source
from _hmap_bytes.arrow_column import is_arrow
from arrow_source import Column, Stream, bitmap, encoded_column, text_column
from pyhmap._convert.arrow_values import arrow_values
from pyhmap._convert.codec import MAX_TEXT
from pyhmap._convert.codecs import key_codec
from pyhmap._convert.text_batch import _as_list, text_batch
from text_support import BYTES, ENCODABLE, STR, texts, utf8


@pytest.fixture(autouse=True)
def all_columns_are_released():
    yield
    assert arrow_source.unreleased() == 0


# ---- Arrow columns ---------------------------------------------------------------------------------------------------

STR_FORMATS, BYTES_FORMATS = ["u", "U", "vu"], ["z", "Z", "vz"]
NULLED = [None, b"a", b"", b"\xf0\x9f\x98\x80", None, b"123456789012", b"1234567890123", b"z" * 300, None]


def codec_of(format):
    return STR if format in STR_FORMATS else BYTES


@pytest.mark.parametrize("format", STR_FORMATS + BYTES_FORMATS)
@pytest.mark.parametrize("offset", [0, 1, 7, 8, 13])
def test_arrow_columns(format, offset):
    codec, plain = codec_of(format), utf8(ENCODABLE)
    assert texts(text_column(plain, format, offset), codec) == plain
    assert texts(text_column(NULLED, format, offset), codec) == NULLED


@pytest.mark.parametrize("format", STR_FORMATS + BYTES_FORMATS)
def test_arrow_columns_in_chunks(format):
    chunks = [
        text_column(part, format, offset) for part, offset in [(NULLED, 0), ([], 2), ([b"1"], 5), (NULLED[::-1], 3)]
    ]
    assert texts(Stream(chunks), codec_of(format)) == [*NULLED, b"1", *NULLED[::-1]]


@pytest.mark.parametrize("format", STR_FORMATS + BYTES_FORMATS)
def test_arrow_columns_of_nothing(format):
    assert texts(text_column([], format), codec_of(format)) == texts(Stream([], format), codec_of(format)) == []
    assert texts(Column(format, 0, [None] * 3), codec_of(format)) == []
    empty = text_column([b"", b""], format)
    empty.buffers[2] = None if format[0] != "v" else empty.buffers[2]  # no bytes, no buffer
    assert texts(empty, codec_of(format)) == [b"", b""]


@given(st.lists(st.none() | st.text()), st.sampled_from(STR_FORMATS), st.integers(0, 9))
def test_any_arrow_column(items, format, offset):
    stored = [None if item is None else item.encode() for item in items]
    assert texts(text_column(stored, format, offset)) == stored


def moved(buffer):
    """The same buffer at an odd address."""
    room = np.empty(buffer.nbytes + 2, np.uint8)
    start = 1 - room.ctypes.data % 2
    room[start : start + buffer.nbytes] = buffer.view(np.uint8).ravel()
    return room[start : start + buffer.nbytes]


@pytest.mark.parametrize("format", STR_FORMATS)
def test_buffers_at_any_address(format):
    column = text_column(NULLED, format)
    column.buffers = [moved(buffer) for buffer in column.buffers]
    assert texts(column) == NULLED
    codes = moved(np.array([2, 0, 1], "u4")).view(np.uint8)
    assert texts(Column("I", 3, [None, codes], dictionary=column)) == [NULLED[2], NULLED[0], NULLED[1]]
    array, _ = arrow_values(Column("l", 3, [None, moved(np.array([5, -6, 7]))]))
    assert array.tolist() == [5, -6, 7]


def test_columns_without_nulls_have_no_mask():
    batch = text_batch(Column("u", 2, [bitmap([True, True]), np.array([0, 1, 2], "i4"), np.array([97, 98], "u1")]), STR)
    assert (_as_list(batch), batch.valid) == ([b"a", b"b"], None)


def test_a_null_may_hide_anything():
    offsets = np.array([0, 1, -7, 1, 2], np.int32)
    data = np.frombuffer(b"ab", np.uint8)
    valid = bitmap([True, False, False, True])
    assert texts(Column("u", 4, [valid, offsets, data])) == [b"a", None, None, b"b"]
    views = np.full((2, 4), -1, np.int32)
    assert texts(Column("vu", 2, [bitmap([False, False]), views, np.empty(0, "i8")])) == [None, None]


def test_a_column_of_nothing_but_nulls_has_no_type():
    assert texts(Column("n", 3, [])) == texts(Column("n", 3, []), BYTES) == [None] * 3


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
@pytest.mark.parametrize("format", STR_FORMATS + BYTES_FORMATS)
def test_dictionary_encoded_columns(dtype, format):
    words = [b"red", b"a word of many bytes", b"", None]
    codes = np.array([1, 1, 0, 3, 2, 0, 1], dtype)
    expected = [words[code] for code in codes]
    assert texts(encoded_column(codes, text_column(words, format, 2)), codec_of(format)) == expected
    assert texts(encoded_column(codes, text_column(words, format), offset=3), codec_of(format)) == expected[3:]
    nulls = [True, False, True, True, True, True, False]
    expected = [word if valid else None for word, valid in zip(expected, nulls, strict=True)]
    assert texts(encoded_column(codes, text_column(words, format), bitmap(nulls)), codec_of(format)) == expected


def test_a_null_code_needs_no_word():
    assert texts(encoded_column(np.array([99, 0], "i4"), text_column([b"a"]), bitmap([False, True]))) == [None, b"a"]


def test_null_words_that_nobody_uses_are_no_nulls():
    words = text_column([b"a", None])
    chunks = [encoded_column(np.array([0, 0], "i4"), words), encoded_column(np.array([0], "i4"), words)]
    batch = text_batch(Stream(chunks), STR)
    assert (_as_list(batch), batch.valid) == ([b"a"] * 3, None)


def test_chunks_have_dictionaries_of_their_own():
    chunks = [
        encoded_column(np.array([0, 1], "u4"), text_column([b"a", b"b"])),
        encoded_column(np.array([0, 1], "u4"), text_column([b"c", None])),
    ]
    assert texts(Stream(chunks)) == [b"a", b"b", b"c", None]


def test_fixed_size_keys_from_arrow():
    assert texts(text_column([b"abcd", None, b"e"], "w:4"), BYTES) == [b"abcd", None, b"e###"]
    assert texts(text_column([b"abcd", None], "w:4", 3), key_codec("V4")) == [b"abcd", None]
    assert texts(text_column([b"ab\0", None, b"c", b"\0"], "z"), key_codec("S4")) == [b"ab", None, b"c", b""]
    assert texts(text_column(utf8(["日本語\0", "x" * 20]), "vu"), key_codec("U20")) == utf8(["日本語", "x" * 20])
    with pytest.raises(OverflowError, match=r"keys\[1\]: key b'abcde' has 5 bytes; this map holds \|S4"):
        text_batch(text_column([None, b"abcde"], "z"), key_codec("S4"))
    with pytest.raises(OverflowError, match=r"keys\[0\]: key '日本語' has 3 characters, too many for <U2"):
        text_batch(text_column(utf8(["日本語"])), key_codec("U2"))
    with pytest.raises(OverflowError, match=r"keys\[0\]: key b'abc' has 3 bytes; this map holds \|V4"):
        text_batch(text_column([b"abc"], "z"), key_codec("V4"))


@pytest.mark.parametrize(
    ("column", "codec", "named"),
    [
        (Column("l", 1, [None, np.array([1])]), STR, "dtype int64; this map holds str"),
        (Column("+s", 1, [None]), STR, "a table or struct with the columns ; this map holds str: give one column"),
        (text_column([b"a"], "z"), STR, "type binary; this map holds str"),
        (text_column([b"a"], "u"), BYTES, "type string; this map holds bytes"),
        (text_column([b"a"], "u"), key_codec("S4"), r"type string; this map holds \|S4"),
        (encoded_column(np.array([0]), text_column([b"a"], "z")), STR, "type binary; this map holds str"),
    ],
)
def test_columns_of_other_types_are_refused(column, codec, named):
    for source in (column, Stream([column])):
        with pytest.raises(TypeError, match=f"keys are (an Arrow column )?(of )?{named}"):
            text_batch(source, codec)


def test_columns_that_are_too_long_or_malformed_are_refused():
    data = np.frombuffer(b"abc", np.uint8)
    large = Column("U", 2, [None, np.array([0, 1, MAX_TEXT + 2]), data])
    with pytest.raises(OverflowError, match=r"keys\[1\]: a key of 4,294,967,296 bytes is too long"):
        text_batch(large, STR)
    for format, dtype in (("u", "i4"), ("U", "i8")):
        with pytest.raises(ValueError, match=r"keys\[3\]: its Arrow offsets run backwards"):
            text_batch(
                Stream(
                    [text_column([b"a", b"b"], format), Column(format, 2, [None, np.array([0, 3, 2], dtype), data])]
                ),
                STR,
            )
    for format, dtype in (("u", "i4"), ("U", "i8")):
        for offsets, named in (
            ([0, 1, -5], r"keys\[1\]: its Arrow offsets run backwards"),
            ([-5, 1, 2], r"keys\[0\]: its Arrow offset is negative"),
        ):
            with pytest.raises(ValueError, match=named):
                text_batch(Column(format, 2, [None, np.array(offsets, dtype), data]), STR)
    for view in ([-1, 0, 0, 0], [13, 0, 1, 0], [13, 0, 0, -1], [13, 0, -1, 0], [20, 0, 0, 1]):
        views = np.array([[1, 97, 0, 0], view], np.int32)
        with pytest.raises(ValueError, match=r"keys\[1\]: its Arrow view lies outside"):
            text_batch(Column("vu", 2, [None, views, np.zeros(20, "u1"), np.array([20])]), STR)
    for code in (2, -1):
        with pytest.raises(ValueError, match=r"keys\[1\]: its Arrow dictionary has 2 words, none for code"):
            text_batch(encoded_column(np.array([0, code]), text_column([b"a", b"b"])), STR)
    with pytest.raises(OverflowError, match=r"in the dictionary of the keys, keys\[1\]: a key of 4,294,967,296 bytes"):
        text_batch(encoded_column(np.array([0]), large), STR)
    for column in (Column("u", -1, [None] * 3), Column("u", 1, [None] * 3, offset=-1), Column("u", 1, [None] * 2)):
        with pytest.raises(ValueError, match="the Arrow array is malformed"):
            text_batch(column, STR)
    nowhere = encoded_column(np.array([0]), text_column([b"a"]))
    nowhere.c_array = Column("l", 1, [None, np.array([0])]).c_array
    with pytest.raises(ValueError, match="it is encoded and has no dictionary"):
        text_batch(nowhere, STR)


def test_failing_streams():
    column = text_column([b"a" * 20])
    for fails_at in (-1, 0, 1):
        with pytest.raises(OSError, match="the Arrow stream failed: the disk is on fire"):
            text_batch(Stream([column, column], fails_at=fails_at), STR)


def test_capsules_that_were_read_before_are_refused():
    class Again:
        def __init__(self, source):
            self.capsules = source

        def __arrow_c_array__(self):
            return self.capsules

    again = Again(text_column([b"a"]).__arrow_c_array__())
    assert texts(again) == [b"a"]
    with pytest.raises(ValueError, match="read by another library, before: export it again"):
        text_batch(again, STR)


def test_objects_that_only_look_like_arrow():
    class Wrong:
        def __arrow_c_array__(self):
            return 1, 2

    with pytest.raises((TypeError, ValueError)):
        text_batch(Wrong(), STR)


def test_a_column_that_cannot_be_exported_is_read_as_an_array():
    """pandas has the interface's methods also where pyarrow, which they need, is not installed."""

    class Series:
        def __arrow_c_stream__(self):
            raise ImportError("pyarrow")

        def __array__(self, dtype=None, copy=None):
            return np.array(["a", "é"], object)

    assert texts(Series()) == utf8(["a", "é"])


def test_a_column_is_held_while_its_batch_is():
    batch = text_batch(text_column([b"x" * 50]), STR)
    assert arrow_source.unreleased() == 2  # schema and array
    assert _as_list(batch) == [b"x" * 50]
    del batch
    assert arrow_source.unreleased() == 0


# ---- numbers from Arrow ----------------------------------------------------------------------------------------------

NUMBERS = {
    "c": "i1", "C": "u1", "s": "i2", "S": "u2", "i": "i4", "I": "u4", "l": "i8", "L": "u8",
    "e": "f2", "f": "f4", "g": "f8",
    "tdm": "M8[ms]", "tss:": "M8[s]", "tsm:UTC": "M8[ms]", "tsu:": "M8[us]", "tsn:UTC": "M8[ns]",
    "tDs": "m8[s]", "tDm": "m8[ms]", "tDu": "m8[us]", "tDn": "m8[ns]",
}  # fmt: skip


@pytest.mark.parametrize("format", NUMBERS)
def test_numbers(format):
    held = np.arange(100, 120).astype(NUMBERS[format])
    array, valid = arrow_values(Column(format, 15, [None, held], offset=5))
    assert array.dtype == held.dtype
    assert array.tolist() == held[5:].tolist()
    assert valid is None
    assert np.shares_memory(array, held)
    assert not array.flags.writeable
    array, valid = arrow_values(Stream([Column(format, 15, [None, held], offset=5), Column(format, 20, [None, held])]))
    assert array.dtype == held.dtype
    assert array.tolist() == [*held[5:].tolist(), *held.tolist()]
    for nothing in (Column(format, 0, [None, None]), Stream([], format)):
        array, valid = arrow_values(nothing)
        assert (array.dtype, array.shape, valid) == (held.dtype, (0,), None)


def test_dates():
    days = np.array([-1, 0, 19_000], np.int32)
    array, _ = arrow_values(Column("tdD", 2, [None, days], offset=1))
    assert array.dtype == "M8[D]"
    assert array.astype(str).tolist() == ["1970-01-01", "2022-01-08"]


@pytest.mark.parametrize("offset", [0, 1, 7, 8, 9, 21])
def test_bools_and_nulls(offset):
    flags = [True, False, False, True, True, True, False, True, False, True, True]
    valid = [True, True, False, True, True, True, True, True, True, False, True]
    column = Column("b", 11, [bitmap(valid, offset), bitmap(flags, offset)], offset=offset)
    array, mask = arrow_values(column)
    assert (array.dtype, mask.dtype) == (bool, bool)
    assert (array.tolist(), mask.tolist()) == (flags, valid)
    array, mask = arrow_values(Stream([column, Column("b", 2, [None, bitmap([True, False])])]))
    assert (array.tolist(), mask.tolist()) == ([*flags, True, False], [*valid, True, True])
    assert arrow_values(Column("b", 0, [None, None], offset=offset))[0].shape == (0,)


def test_arrays_outlive_their_column():
    array, _ = arrow_values(Column("l", 5, [None, np.arange(5)]))
    view = array[1:]
    del array
    assert arrow_source.unreleased() == 1  # the schema has been
    assert view.tolist() == [1, 2, 3, 4]
    del view
    assert arrow_source.unreleased() == 0


@pytest.mark.parametrize(
    ("format", "name"),
    [("+l", "list"), ("d:10,2", "decimal128(10, 2)"), ("tts", "time32[s]"), ("tiM", "month_interval")],
)
def test_columns_of_types_without_a_numpy_type_are_refused(format, name):
    with pytest.raises(TypeError, match=re.escape(f"items are an Arrow column of type {name}: ")):
        arrow_values(Column(format, 1, [None, np.arange(2), np.arange(2)]))


def test_other_columns_that_are_refused():
    with pytest.raises(TypeError, match="in time zone 'Europe/Paris': convert to UTC"):
        arrow_values(Column("tsu:Europe/Paris", 1, [None, np.arange(1)]))
    with pytest.raises(ValueError, match="malformed: it has 1 buffers, its type needs 2"):
        arrow_values(Column("l", 1, [None]))


# ---- the libraries ---------------------------------------------------------------------------------------------------


def test_pyarrow():
    pa = pytest.importorskip("pyarrow")
    items = [*ENCODABLE, None, "x" * 13, None]
    expected = [None if item is None else item.encode() for item in items]
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        array = pa.array(items, kind)
        assert texts(array) == expected
        assert texts(array[3:-1]) == expected[3:-1]
        assert texts(pa.chunked_array([array, array[:2], array[2:2]], kind)) == [*expected, *expected[:2]]
        assert texts(pa.array([], kind)) == texts(pa.chunked_array([], kind)) == []
    assert texts(pa.array(items).dictionary_encode()) == expected
    assert texts(pa.array(items).dictionary_encode()[4:]) == expected[4:]
    for kind in (pa.binary(), pa.large_binary(), pa.binary_view()):
        assert texts(pa.array(expected, kind), BYTES) == expected
    assert texts(pa.array([b"abcd", None, b"efgh"], pa.binary(4))[1:], BYTES) == [None, b"efgh"]
    assert texts(pa.nulls(2)) == [None, None]
    with pytest.raises(TypeError, match="a table or struct with the columns a"):
        text_batch(pa.table({"a": ["x"]}), STR)


def test_pyarrow_numbers():
    pa = pytest.importorskip("pyarrow")
    for items, kind in [
        ([1, None, 3], pa.int16()),
        ([1.5, 2.5, None], pa.float64()),
        ([True, None, False], pa.bool_()),
        (np.array(["2020-01-01", "1969-12-31"], "M8[D]"), pa.date32()),
        (np.array(["2020-01-01", "1969-12-31"], "M8[us]"), pa.timestamp("us", "UTC")),
        (np.array([1, -5], "m8[ns]"), pa.duration("ns")),
    ]:
        column = pa.array(items, kind)
        array, valid = arrow_values(column)
        mask = np.array([item.is_valid for item in column])
        assert valid is None if mask.all() else valid.tolist() == mask.tolist()
        given = items.tolist() if isinstance(items, np.ndarray) else [item for item in items if item is not None]
        assert array[mask].tolist() == given
        sliced, _ = arrow_values(pa.chunked_array([column[1:], column]))
        assert sliced[len(items) - 1 :].tolist() == array.tolist()


def test_polars():
    pl = pytest.importorskip("polars")
    items = [*ENCODABLE, None, "x" * 13]
    expected = [None if item is None else item.encode() for item in items]
    series = pl.Series(items)
    assert texts(series) == expected
    assert texts(series[2:-1]) == expected[2:-1]
    assert texts(pl.concat([series, series], rechunk=False)) == expected * 2
    assert texts(series.cast(pl.Categorical)) == expected
    assert texts(pl.Series(expected, dtype=pl.Binary), BYTES) == expected
    assert texts(pl.Series([], dtype=pl.String)) == []
    assert not is_arrow(pl.Series([object()], dtype=pl.Object))  # its Arrow form has the addresses of the objects
    array, valid = arrow_values(pl.Series([1, None, 3]))
    assert (array[[0, 2]].tolist(), valid.tolist()) == ([1, 3], [True, False, True])


def test_pandas():
    pd = pytest.importorskip("pandas")
    items = ["a", "Zürich", None, "x" * 13]
    expected = [None if item is None else item.encode() for item in items]
    objects = pd.Series(["a", "b"], dtype=object)
    assert not is_arrow(objects)
    assert not is_arrow(pd.Series([1, 2]))
    assert texts(objects) == [b"a", b"b"]
    pytest.importorskip("pyarrow")
    for dtype in ("str", "string", "category"):
        series = pd.Series(items, dtype=dtype)
        assert is_arrow(series)
        assert texts(series) == expected
        assert texts(series[1:]) == expected[1:]
    array, valid = arrow_values(pd.Series([1, None], dtype="Int64"))
    assert (array[0], valid.tolist()) == (1, [True, False])
