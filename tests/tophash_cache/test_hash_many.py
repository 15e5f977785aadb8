"""`hash_many`: lists, tuples, arrays and Arrow columns, compared with the `xxhash` package key by key."""

import gc
import sys
import threading
import time

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from arrow_source import Column, Stream, text_column, unreleased
from lying_arrays import lying
from tophash_cache import TopHashCache

TEXTS = ["", "a", "user:42", "x" * 32, "y" * 33, "ä" * 20, "漢字" * 30, "\U0001f600", "with\0nul", " blank "]
OCTETS = [text.encode() for text in TEXTS]


class Text(str):
    __slots__ = ()


@pytest.fixture
def cache():
    return TopHashCache()


@pytest.fixture
def expected(digest):
    return lambda keys: np.array([digest(key) for key in keys], np.uint64)


def check(digests, wanted):
    assert digests.dtype == np.uint64
    assert digests.flags.owndata
    np.testing.assert_array_equal(digests, wanted)


@pytest.mark.parametrize("form", [list, tuple])
@pytest.mark.parametrize("keys", [TEXTS, OCTETS, TEXTS + OCTETS, [Text("sub"), np.str_("np"), np.bytes_(b"np")], []])
def test_lists_and_tuples(cache, expected, form, keys):
    check(cache.hash_many(form(keys)), expected(keys))


@pytest.mark.parametrize(
    "keys",
    [
        np.array(TEXTS),
        np.array(OCTETS),
        np.array(TEXTS)[::-1],
        np.array(OCTETS * 3)[::3],
        np.array(TEXTS).astype(np.array(TEXTS).dtype.newbyteorder()),
        np.array(TEXTS, object),
        np.array(TEXTS, np.dtypes.StringDType()),
        np.array(TEXTS + OCTETS, object)[::-2],
        np.array(["a", "b"], "U1"),
        np.array([b"a", b"b"], "S1"),
        np.array([b"", b""], "S0"),
        np.array([], "U5"),
        np.array([], "S5"),
        np.array([], object),
    ],
    ids=lambda keys: f"{keys.dtype.str}-{len(keys)}",
)
def test_arrays(cache, expected, keys):
    check(cache.hash_many(keys), expected(list(keys)))


def test_a_read_only_array(cache, expected):
    keys = np.array(TEXTS)
    keys.flags.writeable = False
    check(cache.hash_many(keys), expected(TEXTS))


ARROW_TYPES = [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view()]


@pytest.mark.parametrize("arrow_type", ARROW_TYPES, ids=str)
def test_arrow_columns(cache, expected, arrow_type):
    column = pa.array(TEXTS * 3, arrow_type)
    check(cache.hash_many(column), expected(TEXTS * 3))
    check(cache.hash_many(column[7:15]), expected((TEXTS * 3)[7:15]))
    check(cache.hash_many(pa.chunked_array([column[:4], column[:0], column[4:]])), expected(TEXTS * 3))
    check(cache.hash_many(pa.chunked_array([], arrow_type)), expected([]))
    full = pa.array([*TEXTS, None], arrow_type)[: len(TEXTS)]  # it has a bitmap, and no null
    check(cache.hash_many(full), expected(TEXTS))


@pytest.mark.parametrize("layout", ["u", "U", "vu", "z", "Z", "vz"])
@pytest.mark.parametrize("offset", [0, 1, 9])
def test_what_an_arrow_producer_hands_out_is_read_and_released(cache, expected, layout, offset):
    check(cache.hash_many(text_column(OCTETS, layout, offset)), expected(OCTETS))
    check(cache.hash_many(Stream([text_column(OCTETS, layout, offset)] * 3)), expected(OCTETS * 3))
    with pytest.raises(ValueError, match="position 1 is null"):
        cache.hash_many(text_column([b"a", None], layout, offset))
    with pytest.raises(TypeError, match="not of int32: cast it"):
        cache.hash_many(Column("i", 0, [None, None]))
    assert unreleased() == 0


def test_an_arrow_column_exported_once_is_read_once(cache, expected):
    class Once:
        capsules = text_column(OCTETS).__arrow_c_array__()

        def __arrow_c_array__(self):
            return self.capsules

    once = Once()
    check(cache.hash_many(once), expected(OCTETS))
    with pytest.raises(ValueError, match="export it again"):
        cache.hash_many(once)


def test_nuls_at_the_end_of_a_fixed_item_do_not_count_and_others_do(cache, expected):
    keys = np.array([b"ab", b"ab\0", b"a\0b", b"\0ab", b"\0"], "S4")
    check(cache.hash_many(keys), expected([b"ab", b"ab", b"a\0b", b"\0ab", b""]))
    check(cache.hash_many(keys.astype("U4")), expected([b"ab", b"ab", b"a\0b", b"\0ab", b""]))


def test_a_list_keeps_nuls_at_the_end(cache, expected):
    check(cache.hash_many([b"ab\0", "ab\0"]), expected([b"ab\0", "ab\0"]))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=50), max_size=20))
def test_any_texts_as_list_and_as_array(texts):
    cache = TopHashCache()
    digests = cache.hash_many(texts)
    assert digests.tolist() == [cache.hash(text) for text in texts]
    if texts:
        fixed = np.array(texts)
        assert cache.hash_many(fixed).tolist() == [cache.hash(str(text)) for text in fixed]


def test_it_neither_asks_nor_fills_the_cache(cache):
    before = cache.stats()
    cache.hash_many(TEXTS * 10)
    assert cache.stats() == before


@pytest.mark.parametrize("mode", [True, False])
def test_it_works_whether_the_cache_is_on_or_off(mode, expected):
    check(TopHashCache(enabled=mode).hash_many(TEXTS), expected(TEXTS))


@pytest.mark.parametrize("bad", [None, 1, 1.5, bytearray(b"a"), ("a",)])
@pytest.mark.parametrize("form", [list, tuple, lambda keys: np.fromiter(keys, object, len(keys))])
def test_a_key_of_another_type_is_named_with_its_position(cache, bad, form):
    with pytest.raises(TypeError, match=f"position 2 is of type {type(bad).__name__}: give str or bytes"):
        cache.hash_many(form(["a", b"b", bad, "d"]))


@pytest.mark.parametrize("form", [list, np.array])
def test_a_lone_surrogate_is_named_with_its_position(cache, form):
    with pytest.raises(UnicodeEncodeError, match="surrogates not allowed") as caught:
        cache.hash_many(form(["a", "b", "c\ud800", "d"]))
    assert caught.value.__notes__ == ["the key at position 2"]


def test_a_code_point_beyond_unicode_is_an_error(cache):
    keys = np.array([0x41, 0x110000], np.uint32).view("U1")
    with pytest.raises(ValueError, match="position 1 is not text"):
        cache.hash_many(keys)


@pytest.mark.parametrize(
    ("keys", "error", "message"),
    [
        (pa.array(["a", None]), ValueError, "position 1 is null"),
        (pa.chunked_array([["a"], ["b"], [None, "c"]]), ValueError, "position 2 is null"),
        (Stream([text_column([b"a"])], fails_at=0), OSError, "the disk is on fire"),
        (Stream([text_column([b"a"])], fails_at=-1), OSError, "the disk is on fire"),
        (
            Column("u", 1, [None, np.array([0, -1], "i4"), np.zeros(1, "u1")]),
            ValueError,
            "position 0 has bad offsets",
        ),
        (
            Column("u", 2, [None, np.array([0, 2, 1], "i4"), np.zeros(2, "u1")]),
            ValueError,
            "position 1 has bad offsets",
        ),
        (
            Column("U", 1, [None, np.array([-1, 0]), np.zeros(1, "u1")]),
            ValueError,
            "position 0 has bad offsets",
        ),
        (Column("u", -1, [None, None, None]), ValueError, "length -1"),
        (Column("u", 1, [None, None]), ValueError, "2 buffers"),
        *[
            (
                Column("vu", 1, [None, np.array(view, "i4"), np.zeros(20, "u1"), np.array([20])]),
                ValueError,
                "position 0 has bad offsets or lies outside its buffer",
            )
            for view in [(-1, 0, 0, 0), (13, 0, 1, 0), (13, 0, -1, 0), (13, 0, 0, 8), (13, 0, 0, -1)]
        ],
        (np.array([1, 2]), TypeError, "dtype int64"),
        (np.array([1.5]), TypeError, "dtype float64"),
        (np.array("a"), ValueError, "one-dimensional"),
        (np.array([["a"]]), ValueError, r"shape \(1, 1\): pass keys.ravel"),
    ],
)
def test_other_inputs_are_refused(cache, keys, error, message):
    with pytest.raises(error, match=message):
        cache.hash_many(keys)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="no collection begins inside a call that runs no Python code")
def test_a_list_that_a_finaliser_shrinks_is_noticed(cache):
    keys = ["a"] * 10_000

    def shrink(phase, info):
        keys.pop()

    def hash_until_noticed():
        held = []
        for _ in range(1000):
            held.append([])  # the collection is due at the next new object, which is one of the call's
            cache.hash_many(keys)

    thresholds = gc.get_threshold()
    gc.callbacks.append(shrink)
    gc.set_threshold(1)  # a collection at nearly each new object
    try:
        with pytest.raises(RuntimeError, match="changed its size"):
            hash_until_noticed()
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(shrink)


@pytest.mark.parametrize(
    "keys",
    [np.full(20_000, b"x" * 100), np.full(20_000, "x" * 100), pa.array(["x" * 100] * 20_000)],
    ids=["S", "U", "Arrow"],
)
def test_other_threads_run_while_an_array_is_hashed(cache, keys):
    interval = sys.getswitchinterval()
    sys.setswitchinterval(100)  # seconds: other threads run only when a thread releases the GIL itself
    done = threading.Event()
    turns = 0

    def count():
        nonlocal turns
        while not done.is_set():
            turns += 1
            time.sleep(0)

    thread = threading.Thread(target=count)
    thread.start()
    try:
        before, deadline = turns, time.monotonic() + 30
        while turns == before and time.monotonic() < deadline:
            cache.hash_many(keys)
        assert turns > before
    finally:
        done.set()
        thread.join()
        sys.setswitchinterval(interval)


@pytest.mark.parametrize("dtype", ["S20", "U20", object])
def test_the_methods_of_an_array_are_not_trusted(dtype):
    keys = [f"key number {i}" for i in range(1000)]
    array = np.array([key.encode() for key in keys] if dtype == "S20" else keys).astype(dtype)
    digests = [xxhash.xxh64_intdigest(key.encode()) for key in keys]
    assert TopHashCache().hash_many(lying(array)).tolist() == digests
