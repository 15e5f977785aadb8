"""Arrays and numbers that a batch call takes as they are: what is done to them meanwhile, and what they must not be."""

import contextlib
import pickle
import sys
import threading
import warnings

import numpy as np
import pytest

from pyhmap import HIndex, HMap, HSet
from pyhmap._convert.codecs import value_codec
from support import refused

N = 10


def ints():
    return HMap(np.int64, np.int64, {i: 10 * i for i in range(50)})


# ---- threads ---------------------------------------------------------------------------------------------------------


def reads(m):
    return [m.get_many, lambda keys, threads: m.get_many(keys, -1, threads=threads), m.lookup_many, m.contains_many]


@pytest.mark.parametrize("threads", [True, np.int64(1), np.uint8(3), 2**70])
@pytest.mark.parametrize("make", [ints, lambda: ints().freeze()], ids=["map", "frozen"])
def test_whole_numbers_of_threads(make, threads):
    for n in (N, 100_000):
        keys = np.arange(n) % 50
        for call in reads(make()):
            assert np.array_equal(call(keys, threads=1), call(keys, threads=threads))


@pytest.mark.parametrize("threads", [False, np.int64(0), 1.0, np.float64(2), "1", None, [1]], ids=repr)
@pytest.mark.parametrize("make", [ints, lambda: ints().freeze()], ids=["map", "frozen"])
def test_what_is_no_number_of_threads(make, threads):
    for call in reads(make()):
        with pytest.raises(ValueError, match="give a whole number from 1 on"):
            call(np.arange(N), threads=threads)


# ---- dtypes that are equal, and those that only look alike -----------------------------------------------------------

EQUAL = {
    "longlong": np.dtype("longlong"),
    "unpickled": pickle.loads(pickle.dumps(np.dtype(np.int64))),
    "with metadata": np.dtype(np.int64, metadata={"unit": "m"}),
    "swapped twice": np.dtype(np.int64).newbyteorder().newbyteorder(),
}


@pytest.mark.parametrize("own", [np.dtype(np.int64), *EQUAL.values()], ids=["int64", *EQUAL])
@pytest.mark.parametrize("given", EQUAL.values(), ids=EQUAL)
def test_equal_dtypes_are_one_type(own, given):
    m = HMap(own, own)
    keys, values, out = np.arange(N).astype(given), np.arange(N).astype(given) * 10, np.empty(N, given)
    m.set_many(keys, values)
    assert m.get_many(keys, out=out) is out
    assert out.tolist() == m.get_many(keys, values).tolist() == [10 * i for i in range(N)]
    assert m.freeze().get_many(keys).tolist() == out.tolist()


@pytest.mark.parametrize("dtype", [np.uint64, np.float64, "M8[s]", ">i8", np.int32, "V8"])
def test_dtypes_of_the_same_size_are_others(dtype):
    """As many bytes as an int64 has, or an item, and another meaning."""
    m, one = ints(), np.array([1, 2]).astype(dtype) if dtype != "V8" else np.arange(2).view("V8")
    if dtype in (np.uint64, ">i8", np.int32):
        assert m.get_many(one).tolist() == [10, 20]
        m.set_many([1, 2], one)
        assert m.get_many([1, 2], one).tolist() == [1, 2]
    else:
        for call in (m.get_many, m.contains_many, m.discard_many, lambda given: m.set_many([1, 2], given)):
            with pytest.raises(TypeError, match="int64"):
                call(one)
    with refused(m, TypeError, "out"):
        m.get_many([1, 2], out=np.empty_like(one))


# ---- numbers that stand for all --------------------------------------------------------------------------------------

BORDERS = [
    *(sign * 2**bits + more for bits in (0, 7, 8, 15, 16, 24, 31, 32, 53, 63, 64, 100) for sign in (1, -1)
      for more in (-1, 0, 1)),
    *(0.0, -0.0, 0.1, 1e-320, 3.4028235e38, 3.4028236e38, 1e39, -1e39, 1e308, 2.0**24 + 1, 65504.0, 65520.0),
    *map(float, ("nan", "inf", "-inf")),
    True,
    np.int8(3),
    np.float32(0.5),
]  # fmt: skip


def encoded(codec, number):
    """The stored bytes, or the error."""
    try:
        return codec.encode(number), None
    except (TypeError, OverflowError) as error:
        return None, error


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "?", "m8[s]"])
def test_one_number_for_all_is_stored_as_its_codec_stores_it(dtype):
    """The codecs are Python, and the reference uses nothing else."""
    codec = value_codec(dtype)
    for number in BORDERS:
        m = HMap(np.int64, dtype, {1: codec.zero()})
        calls = {
            "m[k] = v": lambda m=m, number=number: m.__setitem__(0, number),
            "set_many": lambda m=m, number=number: m.set_many([0], number),
            "setdefault_many": lambda m=m, number=number: m.setdefault_many([0], number),
            "get_many": lambda m=m, number=number: m.get_many([0], number),
            "pop_many": lambda m=m, number=number: m.pop_many([0], number),
            "get_many, frozen": lambda m=m, number=number: m.freeze().get_many([0], number),
        }
        stored, error = encoded(codec, number)
        if error is not None:
            for call in calls.values():
                with pytest.raises(type(error)) as raised:
                    call()
                assert str(raised.value).removeprefix("default: ") == str(error)
            assert len(m) == 1
            continue
        for name, call in calls.items():
            m.discard_many([0])
            answer = call()
            if name in ("m[k] = v", "set_many"):
                answer = m.get_many([0])
            assert answer.tobytes() == stored, (name, number)


@pytest.mark.parametrize("key", [2**53, 2**53 - 1, -(2**53), 0, 2**53 + 1, 2**53 + 2, -(2**53) - 1, 2**64, 10**400])
def test_an_int_as_a_float_key(key):
    m = HMap(np.float64, np.int64, {2.0**53: 1, 2.0**53 - 1: 2, -(2.0**53): 3, -0.0: 4, 2.0**53 + 2: 5, 2.0**64: 6})
    try:
        exact = float(key) == key
    except OverflowError:
        exact = False
    if exact:
        assert m[key] == m[float(key)] == m.get_many([key])[0]
    else:
        with pytest.raises(OverflowError, match=r"no exact float64|outside float64"):
            m[key]


# ---- what becomes of an array meanwhile ------------------------------------------------------------------------------


class Meddler:
    """Values that do something when they are read, which is after the keys."""

    def __init__(self, act):
        self.act = act

    def __iter__(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy wants it done otherwise
            self.act()
        return iter(range(N))


def set_shape(keys):
    keys.shape = (2, N // 2)


def set_dtype(keys):
    keys.dtype = np.int8


def make_read_only(keys):
    keys.flags.writeable = False


@pytest.mark.parametrize("act", [set_shape, set_dtype, make_read_only])
@pytest.mark.parametrize("call", ["set_many", "setdefault_many", "add_many", "get_many", "pop_many"])
def test_an_array_of_keys_that_is_made_another_meanwhile(call, act):
    """The keys are those that the array had when it was read."""
    m, keys = HMap(np.int64, np.int64), np.arange(N)
    if call in ("get_many", "pop_many"):
        assert getattr(m, call)(keys, Meddler(lambda: act(keys))).tolist() == list(range(N))
        assert len(m) == 0
    else:
        getattr(m, call)(keys, Meddler(lambda: act(keys)))
        assert sorted(m.items()) == [(i, i) for i in range(N)]


def test_keys_and_out_that_other_threads_change():
    """Answers may be of old keys or new ones, but each is that of one of them."""
    m, done = ints(), threading.Event()
    keys, out = np.arange(N), np.empty(N, np.int64)
    # Without a GIL, NumPy itself reads shapes that are half changed.
    shapes = getattr(sys, "_is_gil_enabled", lambda: True)()

    def meddle():
        while not done.is_set():
            for given in (keys, out) if shapes else ():
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    given.shape = (2, N // 2)
                    given.shape = N
            keys[:] = keys[::-1].copy()

    thread = threading.Thread(target=meddle)
    thread.start()
    try:
        for _ in range(300):
            with contextlib.suppress(ValueError):  # it has two dimensions at times
                assert set(m.get_many(keys).tolist()) <= {10 * i for i in range(N)}
                m.get_many(keys, 0, out=out)
                m.set_many(keys, keys)
            m.set_many(np.arange(N), np.arange(N) * 10)
    finally:
        done.set()
        thread.join()
    m.check()


def test_a_call_keeps_nothing_of_its_arrays():
    """Neither one that succeeds nor one that fails, nor one that looks at an array and takes another way."""
    m, s, ix = ints(), HSet(np.int64, range(50)), HIndex(np.int64, range(50))
    keys, values, out = np.arange(N), np.arange(N), np.empty(N, np.int64)
    given = [keys, values, out, np.arange(2 * N)[::2], np.arange(-2, N - 2), np.arange(N).reshape(2, N // 2)]
    given.append(np.zeros(2 * N, np.int64)[::2])
    strided, missing, table, spread = given[3:]

    def call_all(f):
        for each in (keys, strided):
            f.get_many(each)
            f.get_many(each, values)
            f.get_many(each, 0, out=out)
            f.get_many(each, 0, out=each[:N].copy())
            f.lookup_many(each)
            f.contains_many(each)
        f.get_many(keys, 0, out=spread)
        for call in (
            lambda: f.get_many(missing),
            lambda: f.get_many(table),
            lambda: f.get_many(keys, out=out[1:]),
            lambda: f.get_many(keys, values[1:]),
        ):
            with pytest.raises((KeyError, ValueError)):
                call()

    before = [sys.getrefcount(array) for array in given]
    call_all(m)
    call_all(m.freeze())
    m.set_many(keys, values)
    m.setdefault_many(keys, values)
    m.add_many(keys, values)
    m.pop_many(keys, values)
    m.discard_many(keys)
    with pytest.raises(KeyError):
        m.pop_many(missing)
    with pytest.raises(ValueError, match="values"):
        m.set_many(keys, values[1:])
    s.add_many(keys)
    s.add_many(keys, return_new=True)
    s.contains_many(keys)
    ix.encode(keys)
    assert [sys.getrefcount(array) for array in given] == before


# ---- out -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [ints, lambda: ints().freeze()], ids=["map", "frozen"])
@pytest.mark.parametrize("n", [0, 1, N, 1000])
@pytest.mark.parametrize("where", ["itself", "strided", "reversed", "unaligned", "column"])
@pytest.mark.parametrize("default", ["none", "one", "each"])
def test_out_of_every_layout(make, n, where, default):
    keys = np.arange(n) % 50
    around = np.full(4 * n + 4, -1)
    raw = around.view(np.uint8)
    out = {
        "itself": around[2 : n + 2],
        "strided": around[2 : 2 * n + 2 : 2],
        "reversed": around[2 : n + 2][::-1],
        "unaligned": raw[17 : 8 * n + 17].view(np.int64),
        "column": around[: 2 * n].reshape(n, 2)[:, 1],
    }[where]
    touched = np.zeros(len(raw), bool)
    marks = np.lib.stride_tricks.as_strided
    start = out.__array_interface__["data"][0] - raw.__array_interface__["data"][0]
    marks(touched[start:], (n, 8), (out.strides[0], 1))[:] = True if n else 0
    given = {"none": (), "one": (-7,), "each": (np.arange(n) + 1000,)}[default]
    expected = keys * 10
    if given:
        keys[n // 2 :] += 100
        expected[n // 2 :] = -7 if default == "one" else np.arange(n)[n // 2 :] + 1000
    assert make().get_many(keys, *given, out=out) is out
    assert out.tolist() == expected.tolist()
    assert (raw[~touched] == 255).all()
