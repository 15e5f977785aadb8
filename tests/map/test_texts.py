"""Batches of texts: every list, array and column gives the bytes that Python's encoder gives.

Expected values are `s.encode("utf-8", "surrogatepass")` of plain str. Arrow columns have test_arrow.py.
"""

import gc
import os
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import arrow_source
from arrow_source import Stream, encoded_column, text_column
from pyhmap._convert.codec import MAX_TEXT
from pyhmap._convert.codecs import key_codec, value_codec
from pyhmap._convert.text_batch import _as_list, text_batch
from text_support import BYTES, ENCODABLE, STR, TEXTS, anything, texts, utf8

STRING_DTYPE = np.dtypes.StringDType()


class Text(str):
    __slots__ = ()

    def encode(self, *args):
        return b"an override that must not be asked"


class Bytes(bytes):
    pass


# ---- lists and object arrays -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [list, tuple, lambda items: np.array(items, object), iter, dict.fromkeys])
def test_str_objects(kind):
    assert texts(kind(TEXTS)) == utf8(TEXTS)


@pytest.mark.parametrize("kind", [list, tuple, lambda items: np.array(items, object), iter, dict.fromkeys])
def test_bytes_objects(kind):
    assert texts(kind(utf8(TEXTS)), BYTES) == utf8(TEXTS)


def test_the_way_back_to_str():
    assert _as_list(text_batch(TEXTS, STR), True) == TEXTS


def test_subclasses_are_read_as_what_they_are():
    assert texts([Text("Zürich"), np.str_("x\0"), Text("ascii")]) == [b"Z\xc3\xbcrich", b"x\0", b"ascii"]
    assert texts([Bytes(b"a" * 20), np.bytes_(b"b")], BYTES) == [b"a" * 20, b"b"]


@pytest.mark.parametrize(
    "empty", [[], (), np.array([]), np.empty(0, "U3"), np.empty(0, object), np.empty(0, STRING_DTYPE)]
)
def test_no_items(empty):
    assert texts(empty) == []


@given(st.lists(anything))
def test_any_list_of_str(items):
    assert texts(items) == texts(np.array([*items, None], object)[:-1]) == utf8(items)


@given(st.lists(st.binary()))
def test_any_list_of_bytes(items):
    assert texts(items, BYTES) == items


def test_strided_and_read_only_object_arrays():
    array = np.array(TEXTS, object)
    array.flags.writeable = False
    assert texts(array[::-2]) == utf8(TEXTS[::-2])


@pytest.mark.parametrize(
    ("items", "codec", "message"),
    [
        (["a", "b", "c", 5], STR, "keys[3]: key 5 is of type int; this map holds str: convert the key"),
        (("a", b"b"), STR, "keys[1]: key b'b' is of type bytes; this map holds str: convert the key"),
        ([None], STR, "keys[0]: key None is of type NoneType; this map holds str: convert the key"),
        (
            np.array(["a", None], object),
            STR,
            "keys[1]: key None is of type NoneType; this map holds str: convert the key",
        ),
        (iter(["a", 2.5]), STR, "keys[1]: key 2.5 is of type float; this map holds str: convert the key"),
        ([b"a", "b"], BYTES, "keys[1]: key 'b' is of type str; this map holds bytes: convert the key"),
        (
            [b"a", bytearray(b"b")],
            BYTES,
            "keys[1]: key bytearray(b'b') is of type bytearray; this map holds bytes: convert the key",
        ),
        (["a", 1], value_codec(str), "values[1]: value 1 is of type int; this map holds str: convert the value"),
        ("abc", STR, "keys must be an array, a column or a sequence, not str: give a list for a single one"),
        (np.array([1, 2]), STR, "keys are of dtype int64; this map holds str: convert the keys"),
        (np.array([b"a"]), STR, "keys are of dtype |S1; this map holds str: convert the keys"),
        (np.array(["a"]), BYTES, "keys are of dtype <U1; this map holds bytes: convert the keys"),
        (
            np.array(["a"], STRING_DTYPE),
            BYTES,
            "keys are of dtype StringDType(); this map holds bytes: convert the keys",
        ),
    ],
)
def test_wrong_types_are_named(items, codec, message):
    with pytest.raises(TypeError) as raised:
        text_batch(items, codec)
    assert str(raised.value) == message


def test_a_wrong_type_whose_repr_empties_the_list():
    class Rude:
        def __repr__(self):
            items.clear()
            return "rude"

    items = ["a" * 50, Rude(), "b"]
    with pytest.raises(TypeError, match=r"keys\[1\]: key rude is of type Rude"):
        text_batch(items, STR)


@pytest.mark.parametrize("array", [np.array("a"), np.array([["a"]]), np.array([["a"]], object), np.array("a", object)])
def test_other_shapes_are_refused(array):
    with pytest.raises(ValueError, match=r"keys must be one-dimensional, not of shape \((1, 1)?\)"):
        text_batch(array, STR)


@pytest.mark.release_only  # 4 GiB of address space, never touched
def test_bytes_that_are_too_long_are_named():
    with pytest.raises(
        OverflowError, match=r"keys\[1\]: a key of 4,294,967,296 bytes is too long: at most 4,294,967,295"
    ):
        text_batch([b"a", bytes(MAX_TEXT + 1)], BYTES)


def test_long_objects_are_held_and_released():
    item = "x" * 5000
    before = sys.getrefcount(item)
    batch = text_batch([item] * 3, STR)
    assert sys.getrefcount(item) > before
    del batch
    assert sys.getrefcount(item) == before
    with pytest.raises(TypeError):
        text_batch([item, item, 1], STR)
    assert sys.getrefcount(item) == before


def test_a_batch_outlives_its_list():
    items = [f"{i} {'é' * (i % 2)} {'x' * i}" for i in range(600)]
    expected = utf8(items)
    batch = text_batch(items, STR)
    del items
    gc.collect()
    _ = [f"{i} other objects in the same places {'y' * i}" for i in range(600)]
    assert _as_list(batch) == expected


# ---- NumPy arrays ----------------------------------------------------------------------------------------------------

PLAIN = [item for item in TEXTS if not item.endswith("\0") and len(item) < 1000]  # NumPy drops trailing NULs


def layouts(array):
    """The same items in other layouts."""
    n = len(array)
    yield array
    every_third = np.empty(3 * n, array.dtype)
    every_third[::3] = array
    yield every_third[::3]
    yield array[::-1].copy()[::-1]
    frozen = array.copy()
    frozen.flags.writeable = False
    yield frozen
    if array.dtype.kind != "T":
        packed = np.zeros(n, [("odd", "u1"), ("item", array.dtype)])
        packed["item"] = array
        yield packed["item"]
        yield array.astype(array.dtype.newbyteorder())


def test_unicode_arrays_of_every_layout():
    for array in layouts(np.array(PLAIN)):
        assert texts(array) == utf8(PLAIN)


def test_bytes_arrays_of_every_layout():
    for array in layouts(np.array(utf8(PLAIN))):
        assert texts(array, BYTES) == utf8(PLAIN)


def test_string_dtype_of_every_layout():
    for array in layouts(np.array(ENCODABLE, STRING_DTYPE)):
        assert texts(array) == utf8(ENCODABLE)


@pytest.mark.parametrize("size", [1, 7, 8, 9, 12, 13, 40])
def test_trailing_nuls_of_fixed_sizes_are_no_part_of_an_item(size):
    items = [b"", b"a", b"\0", b"a\0b", b"x" * size, b"x" * (size - 1) + b"\0", b"\0" * (size - 1) + b"x"]
    items = [item[:size] for item in items]
    stripped = [item.rstrip(b"\0") for item in items]
    assert texts(np.array(items, f"S{size}"), BYTES) == stripped
    assert texts(np.array(items, f"S{size}"), key_codec(f"S{size}")) == stripped
    assert texts(np.array([item.decode() for item in items], f"U{size}")) == stripped


@given(st.lists(st.text(st.characters(exclude_categories=()), max_size=20), min_size=1))
def test_any_unicode_array(items):
    assert texts(np.array(items)) == texts(np.array(items, ">U20")) == utf8(item.rstrip("\0") for item in items)


@given(st.lists(st.text(), min_size=1))
def test_any_string_dtype_array(items):
    assert texts(np.array(items, STRING_DTYPE)) == utf8(items)


def test_broadcast_items():
    assert texts(np.broadcast_to(np.array("word that is long"), 3)) == [b"word that is long"] * 3
    assert texts(np.broadcast_to(np.array(b"word that is long"), 3), BYTES) == [b"word that is long"] * 3


def test_a_unicode_array_that_is_no_text_is_refused():
    array = np.array(["a", "b", "c"])
    array.view(np.uint32)[2] = 0x110000
    with pytest.raises(ValueError, match=r"keys\[2\] is not text: it has a number above U\+10FFFF"):
        text_batch(array, STR)


@pytest.mark.parametrize("missing", [None, np.nan, "n/a"])
def test_missing_strings_are_nulls(missing):
    dtype = np.dtypes.StringDType(na_object=missing)
    array = np.array(["a", missing, "long enough to be elsewhere", missing], dtype)
    assert texts(array) == [b"a", None, b"long enough to be elsewhere", None]
    assert text_batch(array[:1], STR) is not None
    assert texts(array[::2]) == [b"a", b"long enough to be elsewhere"]


def test_string_dtype_after_writes():
    """NumPy keeps a string that became too long for its place in another memory than the others."""
    array = np.array(["short", "a medium one of 20 ..", "x" * 300], STRING_DTYPE)
    array[0], array[1], array[2] = "now very long " * 50, "s", "y" * 299
    assert texts(array) == [b"now very long " * 50, b"s", b"y" * 299]


def test_fixed_sizes_and_records():
    assert texts([b"ab", b"cd\0"], key_codec("S4")) == [b"ab", b"cd"]
    assert texts(["ab", "é\ud800"], key_codec("U4")) == utf8(["ab", "é\ud800"])
    assert texts(np.array([b"abc\0"], "V4"), key_codec("V4")) == [b"abc\0"]
    record = np.dtype([("id", "<i4"), ("x", "<f8"), ("name", "S3")])
    rows = np.array([(1, -0.0, b"a"), (2, 2.5, b"abc")], record)
    expected = [np.array([(1, 0.0, b"a")], record).tobytes(), rows[1:].tobytes()]
    assert texts(rows, key_codec(record)) == texts([(1, 0.0, b"a"), (2, 2.5, b"abc")], key_codec(record)) == expected
    with pytest.raises(OverflowError, match=r"keys\[1\]: key b'toolong' has 7 bytes"):
        text_batch([b"a", b"toolong"], key_codec("S4"))


# ---- threads and memory ----------------------------------------------------------------------------------------------


@pytest.fixture
def meanwhile():
    """Run a function repeatedly in another thread, with thread switches as often as possible."""
    stop, errors = threading.Event(), []
    interval = sys.getswitchinterval()
    threads = []

    def start(work):
        def run():
            try:
                while not stop.is_set():
                    work()
            except BaseException as error:
                errors.append(error)

        threads.append(threading.Thread(target=run))
        threads[-1].start()

    sys.setswitchinterval(1e-6)
    yield start
    stop.set()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(interval)
    assert not errors


@pytest.mark.parametrize("suffix", ["", "é" * 20, "long enough to be held" * 20])
def test_a_list_that_another_thread_changes(meanwhile, suffix):
    """The batch is the content of the list at one moment."""
    items, changed = [], 0

    def change():
        nonlocal changed
        changed += 1
        size = [3000, 10, 700][changed % 3]
        items[:] = [f"{size} {changed} {i} {suffix}" for i in range(size)]

    change()
    meanwhile(change)
    while changed < 300:
        got = texts(items)
        size, number = got[0].split()[:2]
        assert got == [f"{size.decode()} {number.decode()} {i} {suffix}".encode() for i in range(int(size))]


def test_a_string_dtype_array_that_another_thread_changes(meanwhile):
    words = ["short", "one of middling length ", "long " * 80]
    array = np.array(words * 500, STRING_DTYPE)
    changed = 0

    def change():
        nonlocal changed
        changed += 1
        for i in range(0, len(array), 7):
            array[i] = words[(i + changed) % 3]

    meanwhile(change)
    allowed = set(utf8(words))
    while changed < 100:
        assert set(texts(array)) <= allowed


def resident_bytes():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.release_only  # the sanitizer's allocator keeps what is freed
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="the system does not tell the memory in use")
def test_nothing_leaks():
    items = [f"{i} {'é' * (i % 3)} {'x' * (i % 400)}" for i in range(40)]
    stored = utf8(items)
    wrong = [*items, 5]
    arrays = [np.array(items), np.array(items, object), np.array(items, STRING_DTYPE)]
    bad = text_column(stored)
    bad.buffers[1] = bad.buffers[1][::-1].copy()
    columns = [text_column([*stored, None], "vu", 3), Stream([text_column(stored, "U")] * 2)]
    columns += [encoded_column(np.arange(40), text_column(stored)), bad, Stream([text_column(stored)] * 2, fails_at=1)]
    sources = [items, wrong, *arrays, *columns]

    def rounds(count):
        for _ in range(count):
            for source in sources:
                try:
                    texts(source)
                except (TypeError, ValueError, OSError):
                    continue
            assert arrow_source.unreleased() == 0

    rounds(100)
    before = resident_bytes()
    rounds(1000)  # 10^4 batches of some 10 KiB
    assert resident_bytes() - before < 4 << 20
