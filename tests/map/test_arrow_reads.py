"""Look-ups of Arrow columns, which the compiled engine reads by windows: columns longer than a window, missing keys and
malformed items in a later window, threads."""

import gc
import sysconfig
import tracemalloc

import numpy as np
import pytest

import arrow_source
from arrow_source import Column, text_column
from pyhmap import HMap
from support import refused

N = 70_000  # windows of 2048 keys, and enough for two threads
WORDS = [b"k%d" % i if i % 3 else b"a key of many bytes, number %d" % i for i in range(100)]


@pytest.fixture(autouse=True)
def all_columns_are_released():
    yield
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        gc.collect()  # what a thread that has ended held goes then
    assert arrow_source.unreleased() == 0


@pytest.fixture(params=[str, bytes], ids=lambda dtype: dtype.__name__)
def dtype(request):
    return request.param


@pytest.fixture
def m(dtype):
    return HMap(dtype, np.int64, {word.decode() if dtype is str else word: i for i, word in enumerate(WORDS)})


def formats(m):
    return ("u", "U") if m.key_dtype is str else ("z", "Z")


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("n", [1, 2047, 2048, 2049, N])
def test_columns_of_many_windows(m, n, threads):
    asked = np.random.default_rng(n).integers(0, 100, n)
    some = np.where(asked % 7 == 0, -1, asked)
    for format in formats(m):
        column = text_column([WORDS[i] for i in asked], format, offset=3)
        assert np.array_equal(m.get_many(column, threads=threads), asked)
        out = np.zeros((n, 2), np.int64)
        m.get_many(column, out=out[:, 1], threads=threads)
        assert np.array_equal(out, np.column_stack([np.zeros(n), asked]))
        column = text_column([b"nowhere" if i < 0 else WORDS[i] for i in some], format)
        assert np.array_equal(m.get_many(column, -1, threads=threads), some)
        assert np.array_equal(m.contains_many(column, threads=threads), some >= 0)
        values, found = m.lookup_many(column, threads=threads)
        assert np.array_equal(values, np.maximum(some, 0))
        assert np.array_equal(found, some >= 0)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("position", [0, 2047, 2048, 5000, N - 1])
def test_a_missing_key_is_named_wherever_it_stands(m, position, threads):
    words = [WORDS[i % 100] for i in range(N)]
    words[position] = b"nowhere"
    words[-1] = b"nowhere"
    for format in formats(m):
        with refused(m, KeyError, f"'nowhere' at position {position} is not in the map"):
            m.get_many(text_column(words, format), threads=threads)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("position", [0, 2048, 5000, N - 1])
def test_a_malformed_item_is_named_wherever_it_stands(m, position, threads):
    format = formats(m)[0]
    words = [WORDS[i % 100] for i in range(N)]
    column = text_column(words, format)
    column.buffers[1] = column.buffers[1].copy()
    column.buffers[1][position + 1 :] -= 1000
    for call in (m.get_many, lambda keys, **rest: m.get_many(keys, 0, **rest), m.lookup_many, m.contains_many):
        with refused(m, ValueError, rf"keys\[{position}\]: its Arrow offsets run backwards"):
            call(column, threads=threads)


def test_an_item_that_is_too_long(m):
    large = Column(formats(m)[1], 2, [None, np.array([0, 1, 2**32 + 1]), np.frombuffer(b"abc", np.uint8)])
    for call in (lambda keys: m.get_many(keys, 0), m.lookup_many, m.contains_many):
        with refused(m, OverflowError, r"keys\[1\]: a key of 4,294,967,296 bytes is too long"):
            call(large)


def test_a_look_up_takes_no_memory_a_key_beside_its_answer():
    m = HMap(str, np.int64, {word.decode(): i for i, word in enumerate(WORDS)})
    column = text_column([WORDS[i % 100] for i in range(N)])
    tracemalloc.start()
    try:
        m.contains_many(column)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * N
