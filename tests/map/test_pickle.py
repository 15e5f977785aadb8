"""Pickling: every protocol, out of band, cycles, during a growth, and damaged pickles."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

from pyhmap import HMap, HSet
from pyhmap._mapping import pickling
from support import fragmented, growing

pytestmark = pytest.mark.frozen_too

PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)
WORDS = ["", "a", "\0", "a\0", "ä", "\ud800", "\U0001f600", "exactly 12 b", "thirteen byte", "x" * 1000]

MAPS = {
    "int64": lambda t: t(np.int64, np.int64, {i: -i for i in range(100)}),
    "int8 to bool": lambda t: t(np.int8, bool, {i: i > 0 for i in range(-128, 128)}),
    "float32": lambda t: t(np.float32, np.complex64, {float("nan"): 1j, -0.0: 2, float("inf"): 3}),
    "str": lambda t: t(str, str, {word: word[::-1] for word in WORDS}),
    "bytes": lambda t: t(bytes, np.int64, {word.encode("utf-8", "surrogatepass"): 1 for word in WORDS}, hash="xxh64"),
    "times": lambda t: t("M8[s]", "m8[ms]", {np.datetime64(5, "s"): np.timedelta64(6, "ms")}),
    "NaT": lambda t: t("M8[s]", np.int64, {np.datetime64("NaT", "s"): 1}),
    "struct": lambda t: t(
        [("a", "i4"), ("b", "S3"), ("c", "M8[s]")], ("f8", (2,)), {(1, b"x", np.datetime64(1, "s")): [1, 2]}
    ),
    "S, U": lambda t: t("S3", "U4", {b"abc": "wxyz", b"": ""}),
    "void": lambda t: t("V2", "V3", {b"ab": b"abc", b"\0\0": b"\0\0\0"}),
    "object": lambda t: t(object, object, {(1, "a"): [1], None: None, "x": {1}}),
    "object to str": lambda t: t(object, str, {(1, 2): "a"}),
    "str to object": lambda t: t(str, object, {"a": [1, 2]}),
    "empty": lambda t: t(str, [("a", "i4")]),
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", MAPS)
def test_every_type_in_every_protocol(hmap_type, name, protocol):
    m = MAPS[name](hmap_type)
    copied = pickle.loads(pickle.dumps(m, protocol))
    assert type(copied) is type(m)
    assert (copied.key_dtype, copied.value_dtype, copied._settings) == (m.key_dtype, m.value_dtype, m._settings)
    assert copied == m
    copied.check()


@pytest.mark.parametrize("name", MAPS)
def test_out_of_band_buffers_carry_the_arrays(hmap_type, name):
    m = MAPS[name](hmap_type)
    buffers = []
    stream = pickle.dumps(m, 5, buffer_callback=buffers.append)
    assert pickle.loads(stream, buffers=buffers) == m
    read_only = [bytes(buffer.raw()) for buffer in buffers]
    assert pickle.loads(stream, buffers=read_only) == m


@pytest.mark.parametrize(
    ("key", "value", "items", "nbytes"),
    [
        (np.int64, np.float64, {i: i / 2 for i in range(10_000)}, 160_000),
        (str, np.int64, {f"a word of some length {i:06}": i for i in range(10_000)}, 400_000),
        ("M8[s]", "M8[D]", {np.datetime64(i, "s"): np.datetime64(i, "D") for i in range(10_000)}, 160_000),
    ],
    ids=["int64", "str", "times"],
)
def test_the_stream_holds_none_of_the_arrays(hmap_type, key, value, items, nbytes):
    buffers = []
    stream = pickle.dumps(hmap_type(key, value, items), 5, buffer_callback=buffers.append)
    assert len(stream) < 1000
    assert sum(buffer.raw().nbytes for buffer in buffers) >= nbytes


COPIES = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": lambda m: pickle.loads(pickle.dumps(m))}


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("key", [str, object, "U1"])
def test_a_copy_goes_on_numbering_like_the_original(hmap_type, key, copied):
    """Neither gives the code of a deleted key again."""
    m = hmap_type(key, np.int64)
    m.factorize(["a", "b", "c"])
    del m["c"]
    twin = copied(m)
    twins_twin = copied(twin)
    assert [one.factorize(["d", "a"]).tolist() for one in (m, twin, twins_twin)] == [[3, 0]] * 3
    m["e"] = 20
    twin = copied(m)
    for one in (m, twin):
        assert one.factorize(["f"]).tolist() == [21]
        one.clear()
        assert one.factorize(["g"]).tolist() == [0]


@pytest.mark.frozen_too(False)
def test_in_another_process(hmap_type):
    m = hmap_type(str, np.int64, {word: len(word) for word in WORDS})
    program = """if True:
        import pickle, sys
        m = pickle.load(sys.stdin.buffer)
        m.check()
        sys.stdout.buffer.write(pickle.dumps(dict(m.items())))
    """
    done = subprocess.run([sys.executable, "-P", "-c", program], input=pickle.dumps(m), capture_output=True, check=True)
    assert pickle.loads(done.stdout) == {word: len(word) for word in WORDS}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_cycles(hmap_type, protocol):
    m = hmap_type(object, object)
    m["self"], m[1] = m, [m]
    other = pickle.loads(pickle.dumps({"m": m}, protocol))["m"]
    assert other["self"] is other
    assert other[1][0] is other
    assert len(other) == 2


@pytest.mark.parametrize("make", [growing, fragmented])
def test_during_a_growth(hmap_type, make):
    m, items = make(hmap_type, 4)
    copied = pickle.loads(pickle.dumps(m))
    assert copied == items
    copied.check()
    m.check()


class Noted(HMap):
    def __init__(self, note):
        super().__init__(str, np.int64)
        self.note = note


class Slotted(HMap):
    __slots__ = ("note",)


class Stateful(HMap):
    def __getstate__(self):
        return "state"

    def __setstate__(self, state):
        self.restored = state


class NotedSet(HSet):
    def __init__(self, note):
        super().__init__(str)
        self.note = note


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_subclasses_keep_their_state(protocol):
    noted, slotted, chosen = Noted("x"), Slotted(np.int64, np.int64, {1: 2}), Stateful(np.int64, np.int64, {3: 4})
    noted["a"], slotted.note, a_set = 5, "y", NotedSet("z")
    a_set.add("b")
    for original, expected, note in ((noted, {"a": 5}, "x"), (slotted, {1: 2}, "y"), (a_set, {"b"}, "z")):
        copied = pickle.loads(pickle.dumps(original, protocol))
        assert (type(copied), copied, copied.note) == (type(original), expected, note)
    copied = pickle.loads(pickle.dumps(chosen, protocol))
    assert (copied, copied.restored) == ({3: 4}, "state")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("key", "items"), [(np.int32, [1, -2]), (str, WORDS), (object, [(1,), None]), ("M8[D]", []), ("S2", [b"a"])]
)
def test_sets(key, items, protocol):
    s = HSet(key, items, seed=7)
    buffers = []
    stream = pickle.dumps(s, protocol, buffer_callback=buffers.append if protocol >= 5 else None)
    copied = pickle.loads(stream, buffers=buffers)
    assert (type(copied), copied, copied.key_dtype) == (HSet, set(items), s.key_dtype)
    assert copied.header().hash0 == s.header().hash0
    copied.check()


def test_a_damaged_pickle_is_refused():
    buffers = []
    stream = pickle.dumps(HMap(str, np.int64, {"abc": 1}), 5, buffer_callback=buffers.append)
    raw = [bytes(buffer.raw()) for buffer in buffers]
    for i in range(len(raw)):
        cut = [part[:-1] if i == j else part for j, part in enumerate(raw)]
        with pytest.raises((ValueError, TypeError)):
            pickle.loads(stream, buffers=cut)


def test_a_key_that_comes_while_objects_are_pickled(hmap_type):
    """As another thread might add one: the pairs of a map of objects are pickled one by one."""

    class Value:
        def __reduce__(self):
            m[4] = None
            return int, ()

    m = hmap_type(np.int64, object, dict.fromkeys(range(3), Value()))
    with pytest.raises(RuntimeError, match="changed size during iteration"):
        pickle.dumps(m)
    assert len(m) == 4
    m.check()


@pytest.mark.parametrize(
    ("dtype", "shape"), [("S0", (-1,)), ("V0", (-1, 2)), ("i8", (-1,)), ("O", (1,)), ([("a", "i4"), ("b", "O")], (0,))]
)
def test_an_array_that_is_none_of_a_map_is_refused(dtype, shape):
    """NumPy would divide by zero, or take the bytes for pointers."""
    with pytest.raises(ValueError, match="the pickle is damaged, an array of dtype"):
        pickling._array_column(np.dtype(dtype), shape, np.ones(8, np.uint8))
