"""Go's nil map: reads of the zero value, no keys, no writes."""

import copy
import pickle

import numpy as np
import pytest

import pyhmap
from pyhmap import HMap, NilMapError, nil

ZEROS = [
    (np.int64, 0),
    (np.float32, 0.0),
    (bool, False),
    (str, ""),
    (bytes, b""),
    ("S3", b""),
    ("U3", ""),
    ("V2", b"\0\0"),
    ("M8[s]", np.datetime64(0, "s")),
    ([("x", "i4"), ("y", "S2")], (0, b"")),
    (object, None),
]

WRITES = {
    "set": lambda m, key: m.__setitem__(key, 0),
    "del": lambda m, key: m.__delitem__(key),
    "pop": lambda m, key: m.pop(key),
    "pop with default": lambda m, key: m.pop(key, None),
    "setdefault": lambda m, key: m.setdefault(key, 0),
    "set_many": lambda m, key: m.set_many([key], [0]),
    "setdefault_many": lambda m, key: m.setdefault_many([key], 0),
    "add_many": lambda m, key: m.add_many([key]),
    "pop_many": lambda m, key: m.pop_many([key], 0),
    "discard_many": lambda m, key: m.discard_many([key]),
    "factorize": lambda m, key: m.factorize([key]),
}
WRITES_WITHOUT_KEYS = {
    "popitem": lambda m: m.popitem(),
    "clear": lambda m: m.clear(),
    "update": lambda m: m.update({1: 2}),
    "update with nothing": lambda m: m.update(),
    "|=": lambda m: m.__ior__({}),
    "reserve": lambda m: m.reserve(5),
    "compact": lambda m: m.compact(),
}


@pytest.mark.parametrize(("value", "zero"), ZEROS, ids=[str(value) for value, _ in ZEROS])
def test_reads_give_the_zero_value(value, zero):
    m = nil(str, value)
    for read in (m["a"], m.get("a"), *m.get_many(["a"]).tolist(), *m.lookup_many(["a", "b"])[0].tolist()):
        assert type(read) is type(zero) or isinstance(zero, np.datetime64)
        assert read == zero
    assert m.lookup_many(["a", "b"])[1].tolist() == m.contains_many(["a", "b"]).tolist() == [False, False]


def test_sub_array_values_are_zero():
    m = nil(str, ("i4", (2,)))
    assert m["a"].tolist() == [0, 0]
    assert m.get_many(["a"]).tolist() == [[0, 0]]


def test_defaults_are_used():
    m = nil(str, np.int64)
    assert m.get("a", "none") == "none"
    assert m.get("a", None) is None
    assert m.get_many(["a", "b"], 7).tolist() == [7, 7]
    out = np.ones(2, np.int64)
    assert m.get_many(["a", "b"], out=out) is out
    assert out.tolist() == [0, 0]


def test_is_empty():
    m = nil(np.int64, np.int64)
    assert isinstance(m, HMap)
    assert len(m) == 0
    assert not m
    assert list(m) == list(m.keys()) == list(m.values()) == list(m.items()) == []
    assert 1 not in m
    assert m == {}
    assert m == HMap(np.int64, np.int64)
    assert m.to_arrays()[0].tolist() == []
    assert m.most_common() == m.top(3)[0].tolist() == m.top(3, smallest=True)[1].tolist() == []
    assert m.header().count == 0
    m.check()


def test_reading_does_not_make_keys():
    m = nil(str, np.int64)
    m["a"], m.get_many(["b"])
    assert (len(m), "a" in m) == (0, False)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_writes_are_refused(write):
    m = nil(np.int64, np.int64)
    with pytest.raises(NilMapError, match=r"make one with HMap\(int64, int64\)"):
        write(m, 1)
    with pytest.raises(TypeError, match="this map holds int64"):
        write(m, "a")
    with pytest.raises(OverflowError):
        write(m, 2**63)
    assert m == {}


@pytest.mark.parametrize("write", WRITES_WITHOUT_KEYS.values(), ids=WRITES_WITHOUT_KEYS)
def test_writes_without_a_key_are_refused(write):
    m = nil(np.int64, np.int64)
    with pytest.raises(NilMapError):
        write(m)
    assert m == {}


def test_every_writing_call_of_hmap_is_covered():
    """A write that HMap gains must be refused by the nil map too."""
    reads = {"get", "get_many", "lookup_many", "contains_many", "keys", "values", "items", "copy", "header", "stats"}
    reads |= {
        "layout",
        "bucket_arrays",
        "check",
        "nbytes",
        "key_dtype",
        "value_dtype",
        "finish_growth",
        "fromkeys",
    }
    reads |= {"occupancy", "keys_array", "values_array", "to_arrays", "from_arrays", "freeze", "save"}
    reads |= {"top", "most_common"}
    writes = {name for name in dir(HMap) if not name.startswith("_")} - reads
    assert writes == {name.split()[0] for name in (*WRITES, *WRITES_WITHOUT_KEYS)} - {"set", "del", "|="}


def test_the_error_is_a_type_error():
    assert issubclass(NilMapError, TypeError)


@pytest.mark.parametrize(
    "read", [lambda m, k: m[k], lambda m, k: m.get(k), lambda m, k: k in m, lambda m, k: m.get_many([k])]
)
def test_keys_it_could_not_hold_are_refused_in_reads(read):
    with pytest.raises(TypeError):
        read(nil(np.int64, np.int64), "a")
    with pytest.raises(OverflowError):
        read(nil(np.int8, np.int64), 128)
    with pytest.raises(TypeError, match="unhashable"):
        read(nil(object, np.int64), [])


def test_merging_makes_a_new_map():
    m = nil(str, np.int64)
    for merged in (m | {"a": 1}, {"a": 1} | m, m | HMap(str, np.int64, {"a": 1}), HMap(str, np.int64, {"a": 1}) | m):
        assert merged == {"a": 1}
        merged["b"] = 2
    assert m == {}


def test_copies_are_nil_maps():
    m = nil(str, np.int64)
    for copied in (m.copy(), copy.copy(m), copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
        assert (repr(copied), copied["a"]) == ("nil(str, int64)", 0)
        with pytest.raises(NilMapError):
            copied["a"] = 1
    assert pyhmap.nil is nil


def test_a_frozen_nil_map_is_an_empty_one():
    f = nil(str, np.int64).freeze()
    assert (f, len(f), f.get("a")) == ({}, 0, None)
    with pytest.raises(KeyError):
        f["a"]
