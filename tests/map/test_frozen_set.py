"""FrozenSet: built from sets and arrays of every key type, compared with `frozenset`; what it has not; its pickles.

The operators and methods of algebra are tested with those of HSet, in test_hset.py and test_set_algebra.py.
"""

import copy
import pickle
import sys
from collections.abc import Hashable, MutableSet, Set

import numpy as np
import pytest

from kinds import KINDS
from pyhmap import FrozenMap, FrozenSet, HMap, HSet
from pyhmap._mapping.pickling import Packed
from pyhmap.frozen_set import restored_frozen_set

kinds = pytest.mark.parametrize(
    "kind", [kind for name, kind in KINDS.items() if name != "object"], ids=[name for name in KINDS if name != "object"]
)
NAN = float("nan")
NAT = np.datetime64("NaT", "s")


def keys_of(kind):
    """Keys of a kind: at its borders, and so many others that there are several parts and long texts."""
    return list(dict.fromkeys([*kind.edge, *map(kind.make, range(kind.count))]))


def frozen(key, keys=(), **settings):
    return HSet(key, keys).freeze(**settings)


# ---- every key type


@kinds
def test_it_has_the_keys_of_the_set(kind):
    keys = keys_of(kind)
    half = keys[::2]
    f, reference = frozen(kind.spec, half), frozenset(half)
    f.check()
    assert (len(f), set(f), f == reference, reference == f) == (len(reference), reference, True, True)
    assert f.key_dtype == HSet(kind.spec).key_dtype
    for key in keys[:60]:
        assert (key in f) == (key in reference)
    assert f.contains_many(keys).tolist() == [key in reference for key in keys]
    assert f.contains_many(kind.array(keys), threads=2).tolist() == [key in reference for key in keys]
    array = f.to_array()
    assert array.dtype == kind.array([]).dtype
    assert np.asarray(f).tolist() == array.tolist()
    assert array.tolist() == kind.array(f).tolist()
    assert {type(key) for key in f} == {type(key) for key in HSet(kind.spec, half)}


@kinds
def test_positions_are_rows_of_the_array(kind):
    keys = keys_of(kind)
    f = frozen(kind.spec, keys[::2])
    rows = f.positions(keys)
    assert rows.dtype == np.int64
    assert (rows >= 0).tolist() == [key in f for key in keys]
    assert f.to_array()[rows[rows >= 0]].tolist() == kind.array(keys[::2]).tolist()
    assert f.positions(f.to_array(), threads=2).tolist() == list(range(len(f)))
    assert f.positions([]).shape == (0,)


@kinds
def test_from_an_array_with_repeated_keys(kind):
    keys = keys_of(kind)[:50]
    for items in (keys, [*keys, *keys[::3]]):
        f = FrozenSet.from_array(kind.array(items))
        f.check()
        assert (len(f), f) == (len(keys), frozenset(keys))
        assert type(f) is FrozenSet


@kinds
def test_a_set_that_can_be_written_and_back(kind):
    keys = keys_of(kind)
    f = frozen(kind.spec, keys[1:])
    s = HSet(f)
    assert (type(s), s.key_dtype, s) == (HSet, f.key_dtype, f)
    s.add(keys[0])
    assert (len(s), len(f), keys[0] in f) == (len(keys), len(keys) - 1, False)
    assert s.freeze() == frozenset(keys)


@kinds
def test_the_hash_is_that_of_the_content(kind):
    keys = keys_of(kind)
    f, other = frozen(kind.spec, keys, seed=1), frozen(kind.spec, keys[::-1], seed=2)
    assert hash(f) == hash(other) == hash(f)
    assert len({f, other, f.copy(), pickle.loads(pickle.dumps(f))}) == 1
    assert hash(f) != hash(frozen(kind.spec, keys[:-1]))


@kinds
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickles(kind, protocol):
    f = frozen(kind.spec, keys_of(kind), seed=5)
    buffers = []
    stream = pickle.dumps(f, protocol, buffer_callback=buffers.append if protocol >= 5 else None)
    copied = pickle.loads(stream, buffers=buffers)
    assert (type(copied), copied, copied.key_dtype, list(copied)) == (FrozenSet, f, f.key_dtype, list(f))
    copied.check()


# ---- hashes


@pytest.mark.parametrize(
    ("key", "keys"),
    [
        ("i8", [0, 1, -1, -2, 2**62, -(2**63), 2**61 - 1]),
        ("u8", [0, 2**64 - 1]),
        ("?", [True, False]),
        ("f4", [0.0, 0.5, float("inf"), -1.0]),
        (str, ["", "a", "ä", "a\0b", "x" * 100]),
        (bytes, [b"", b"a", b"x" * 100]),
        ("S3", [b"", b"abc"]),
        ([("a", "i4"), ("b", "U3")], [(1, "x"), (-2, "")]),
        ([("a", "i4", (2,))], [((1, 2),)]),
        (str, []),
    ],
)
def test_the_hash_is_that_of_an_equal_frozenset(key, keys):
    f, reference = frozen(key, keys), frozenset(keys)
    assert f == reference
    assert hash(f) == hash(reference)
    assert {f: 1}[reference] == {reference: 1}[f] == 1


day = np.datetime64("1969-02-03", "D")
EQUAL = [
    [("i8", [0, 1]), ("u1", [0, 1]), ("f2", [-0.0, 1.0]), ("?", [True, False])],
    [("f4", [NAN, 0.0]), ("f8", [0.0, -NAN])],
    [(bytes, [b"a"]), ("S4", [b"a"]), ("S9", [b"a"])],
    [("S4", [b"a"]), (bytes, [b"a\0"]), ("V2", [b"a\0"])],
    [("U4", ["a", "b"]), (str, ["a", "b"])],
    [("U4", ["a"]), (str, ["a\0"])],
    [(f"M8[{unit}]", [day.astype(f"M8[{unit}]")]) for unit in ("D", "h", "s", "25s", "us", "ns")],
    [(f"M8[{unit}]", [np.datetime64("1600", unit)]) for unit in ("Y", "M", "D", "s")],
    [(f"M8[{unit}]", [np.datetime64("-2401-03", unit)]) for unit in ("M", "D", "s")],
    [(f"m8[{unit}]", [np.timedelta64(-3, "W").astype(f"m8[{unit}]")]) for unit in ("W", "D", "h", "s", "ns")],
    [(f"m8[{unit}]", [np.timedelta64(-7, "fs").astype(f"m8[{unit}]")]) for unit in ("fs", "as")],
    [("m8[Y]", [np.timedelta64(-5, "Y")]), ("m8[M]", [np.timedelta64(-60, "M")])],
    [("M8[s]", [NAT, day]), ("M8[ms]", [NAT, day])],
    [([("a", "i4"), ("t", "M8[D]")], [(1, day)]), ([("a", "f8"), ("t", "M8[s]")], [(1.0, day)])],
    [([("a", "f4"), ("b", "S1")], [(NAN, b"x")]), ([("a", "f8"), ("b", "S9")], [(NAN, b"x")])],
]


@pytest.mark.parametrize("sets", EQUAL, ids=repr)
def test_equal_frozen_sets_of_different_types_have_equal_hashes(sets):
    made = [frozen(key, keys) for key, keys in sets]
    kept = []
    for other in made:
        assert made[0] == other
        assert hash(made[0]) == hash(other)
        kept += other  # the next NaN that is read is an object elsewhere
    assert {made[0]: "found"}[made[-1]] == "found"


@pytest.mark.parametrize("sets", EQUAL, ids=repr)
def test_equal_frozen_maps_of_different_types_have_equal_hashes(sets):
    """The same for keys and values of maps."""
    made = [HMap(key, key, {k: k for k in keys}).freeze() for key, keys in sets]
    for other in made:
        if made[0] == other:  # texts that differ in NULs are different values
            assert hash(made[0]) == hash(other)


def test_the_hash_of_a_random_set_of_times_is_that_in_another_unit():
    seconds = np.random.default_rng(1).integers(-(2**33), 2**33, 1000)
    for kind in "Mm":
        f, other = (FrozenSet.from_array(seconds.astype(f"{kind}8[s]").astype(f"{kind}8[{u}]")) for u in ("s", "ns"))
        assert f == other
        assert hash(f) == hash(other)
        assert hash(f) != hash(FrozenSet.from_array(seconds[1:].astype(f"{kind}8[s]")))


# ---- making one


def test_from_an_array_infers_the_type():
    for keys, key_dtype in (
        ([1, 2, 2], np.dtype("i8")),
        (np.array([1.5, 1.5], "f4"), np.dtype("f4")),
        (["a", "a"], str),
        (np.array(["a", "b"]), str),
        (iter([b"x", b"y", b"x"]), bytes),
        (np.array([], "i2"), np.dtype("i2")),
        (np.array(["2020", "NaT", "NaT"], "M8[D]"), np.dtype("M8[D]")),
    ):
        f = FrozenSet.from_array(keys)
        assert f.key_dtype == key_dtype
        f.check()
    assert len(FrozenSet.from_array(np.array([NAN, -NAN, 0.0, -0.0]))) == 2


@pytest.mark.parametrize("library", ["pyarrow", "polars", "pandas"])
def test_from_columns(library):
    module = pytest.importorskip(library)
    column = {"pyarrow": "array", "polars": "Series", "pandas": "Series"}[library]
    words = getattr(module, column)(["a", "ä", "a", "a text that is longer than a slot"])
    f = FrozenSet.from_array(words)
    assert f == {"a", "ä", "a text that is longer than a slot"}
    assert f.contains_many(words).tolist() == [True] * 4
    assert f.issuperset(words)
    assert f.intersection(words) == f


def test_what_cannot_be_frozen():
    for call in (
        HSet(object, [1]).freeze,
        lambda: FrozenSet.from_array([1, "a"]),
        lambda: FrozenSet.from_array([(1, 2)]),
    ):
        with pytest.raises(TypeError, match="keys of type object cannot be frozen"):
            call()
    with pytest.raises(ValueError, match=r"keys\[1\] is null"):
        FrozenSet.from_array(np.ma.masked_array([1, 2], [False, True]))
    for call in (HSet(int, [1]).freeze, lambda **settings: FrozenSet.from_array([1, 1], **settings)):
        for settings, error in (
            ({"threads": 0}, ValueError),
            ({"seed": "x"}, TypeError),
            ({"progress": 5}, TypeError),
        ):
            with pytest.raises(error):
                call(**settings)
        with pytest.raises(TypeError):
            call(1)


def test_a_seed_fixes_the_order():
    keys = np.random.default_rng(2).integers(0, 2**60, 3000)
    s = HSet(np.int64, keys, seed=1)
    orders = [list(f) for f in (s.freeze(), s.freeze(seed=1), s.freeze(threads=2), s.freeze(seed=2))]
    assert orders[0] == orders[1] == orders[2] != orders[3]
    assert list(FrozenSet.from_array(keys, seed=1)) == list(FrozenSet.from_array(keys, seed=1, threads=2))
    free = HSet(np.int64, keys)
    assert list(free.freeze()) != list(free.freeze())


@pytest.mark.parametrize("copies", [1, 2])
def test_progress_is_reported_and_may_end_the_build(copies):
    keys = np.tile(np.arange(200_000), copies)
    for build in (HSet(np.int64, keys).freeze, lambda **settings: FrozenSet.from_array(keys, **settings)):
        seen = []
        assert len(build(progress=seen.append, threads=2)) == 200_000
        assert seen[-1] == 1.0

        def stop(part):
            raise LookupError("enough")

        with pytest.raises(LookupError, match="enough"):
            build(progress=stop)
    assert len(keys) == copies * 200_000


def test_large_sets_take_few_bytes():
    keys = np.random.default_rng(3).permutation(300_000)
    f = FrozenSet.from_array(keys, threads=2)
    assert f.nbytes < 9 * len(keys)
    assert f.nbytes < HSet(np.int64, keys).nbytes / 1.5
    assert f.nbytes < sys.getsizeof(f) < f.nbytes + 1000
    assert np.array_equal(np.sort(f.to_array()), np.arange(300_000))
    assert np.array_equal(f.to_array()[f.positions(keys, threads=2)], keys)
    f.check()


# ---- what it has not


def test_it_cannot_be_called():
    f, message = frozen(int, [1]), r"freeze a set with HSet\.freeze\(\), or use FrozenSet\.from_array\(\)"
    for call in (FrozenSet, lambda: FrozenSet(int), lambda: FrozenSet(int, items=[1]), lambda: f.__init__(int)):
        with pytest.raises(TypeError, match=message):
            call()
    assert f == {1}


def test_it_has_no_method_that_changes_it():
    names = set(dir(HSet)) - set(dir(FrozenSet))
    assert {"add", "discard", "remove", "pop", "clear", "add_many", "discard_many", "update", "__ior__"} <= names
    assert set(dir(frozenset)) - {"__class_getitem__"} <= set(dir(FrozenSet)) | {"__getnewargs__"}
    f = frozen(int, [1])
    assert isinstance(f, Set)
    assert isinstance(f, Hashable)
    assert not isinstance(f, MutableSet)
    assert not isinstance(f, HSet)
    before = f
    f |= {2}
    assert (type(f), f, before) == (FrozenSet, {1, 2}, {1})
    f.to_array()[:] = 9
    np.asarray(f)[:] = 9
    assert f == {1, 2}
    with pytest.raises(AttributeError):
        f.label = 1


def test_nothing_of_a_mapping_shows():
    f = frozen(int, [1])
    for read in (lambda: f[1], lambda: f.get, lambda: f.keys, lambda: f.get_many, lambda: f.value_dtype):
        with pytest.raises((TypeError, AttributeError)):
            read()


# ---- with other sets


def test_the_left_set_decides_the_type_of_a_result():
    f, s = frozen(int, [1, 2]), HSet("i2", [2, 3])
    for name in ("or", "and", "sub", "xor"):
        of_ints = getattr({1, 2}, f"__{name}__")({2, 3})
        for one, other, kind in (
            (f, s, FrozenSet),
            (s, f, HSet),
            (f, {2, 3}, FrozenSet),
            (f, frozen("i2", s), FrozenSet),
        ):
            result = getattr(one, f"__{name}__")(other)
            assert (type(result), result.key_dtype) == (kind, one.key_dtype)
            if one is f:
                assert result == of_ints
    for other in (f, s, {2, 3}, frozenset([2, 3])):
        s |= other
        s -= other
        assert type(s) is HSet
    assert len(s) == 0


def test_views_of_maps():
    f, m = frozen(int, [1, 2]), HMap(np.int64, np.int64, {2: 0, 3: 0})
    assert m.keys() & f == {2}
    assert m.keys() | f == {1, 2, 3}
    assert f & m.keys() == {2}
    assert type(f - m.freeze().keys()) is FrozenSet
    assert f == HMap(np.int64, np.int64, {2: 0, 1: 0}).freeze().keys()


def test_intersections_with_few_elements_and_with_none():
    f = frozen(int, range(1000))
    assert f.intersection() == f
    assert f.intersection([5, 5, -1]) == {5}
    assert f.intersection([5, 5.0, 6], {6, "a"}, [6.0]) == {6}
    assert f.intersection([]) == frozenset()
    assert f.union() == f.difference() == f
    f.intersection([5]).check()


def test_sets_of_sets():
    a, b = HSet(int, [1]), HSet(object, [(1, 2)])
    for given in (a, b, a.freeze()):
        made = HSet(given, capacity=100, seed=3)
        assert (type(made), made, made.key_dtype) == (HSet, given, given.key_dtype)
        made.clear()
        assert len(given) == 1
    with pytest.raises(TypeError, match="give the type first"):
        HSet([1, 2])
    with pytest.raises(TypeError):
        HSet(a, [1])


# ---- copies, pickles, subclasses


def test_a_copy_is_the_set_itself():
    f = frozen(str, ["a"])
    assert f.copy() is copy.copy(f) is copy.deepcopy(f) is f


class Labelled(FrozenSet):
    pass


def test_a_subclass_keeps_its_attributes():
    f = Labelled.from_array(["a", "b", "a"])
    f.label = "x"
    for made in (f, f | {"c"}, f & {"a"}, f ^ {"a"}, f - {"a"}, pickle.loads(pickle.dumps(f)), f.copy()):
        assert (type(made), made.label) == (Labelled, "x")
    assert repr(f & {"a"}) == "Labelled(str, {'a'})"


def test_buffers_out_of_band_carry_the_keys():
    for keys, nbytes in (
        (np.arange(10_000), 80_000),
        ([f"a word of some length {i:06}" for i in range(10_000)], 400_000),
    ):
        f = FrozenSet.from_array(keys)
        buffers = []
        stream = pickle.dumps(f, 5, buffer_callback=buffers.append)
        assert len(stream) < 1000
        assert sum(buffer.raw().nbytes for buffer in buffers) >= nbytes
        read_only = [bytes(buffer.raw()) for buffer in buffers]
        assert pickle.loads(stream, buffers=read_only) == f


@pytest.mark.parametrize("keys", [[1, 2, 3], ["a", "a text that is longer than a slot"]])
def test_a_damaged_pickle_is_refused(keys):
    f = FrozenSet.from_array(keys)
    buffers = []
    stream = pickle.dumps(f, 5, buffer_callback=buffers.append)
    raw = [bytes(buffer.raw()) for buffer in buffers]
    for i, whole in enumerate(raw):
        with pytest.raises(ValueError):
            pickle.loads(stream, buffers=[*raw[:i], whole[:-1] if whole else b"x", *raw[i + 1 :]])
    restore, arguments, _ = f._map.__reduce__()
    sections = [i for i, argument in enumerate(arguments) if isinstance(argument, Packed) and len(argument.items)]
    assert len(sections) > 1
    for i in sections:
        with pytest.raises(ValueError, match="the pickle is damaged"):
            restore(*arguments[:i], Packed(arguments[i].items[:-1]), *arguments[i + 1 :])


@pytest.mark.parametrize("m", [HMap(int, "V0"), HMap(int, int).freeze(), {1: b""}, None])
def test_a_pickle_of_something_else_is_refused(m):
    with pytest.raises(ValueError, match="the pickle is damaged"):
        restored_frozen_set(FrozenSet, m)


def test_errors_and_repr_speak_of_a_frozen_set():
    f = frozen(np.int64, [1])
    for s in (f, pickle.loads(pickle.dumps(f)), f | {2}, FrozenSet.from_array([1]), FrozenSet.from_array([1, 1])):
        for call in (lambda s=s: "a" in s, lambda s=s: s.contains_many([1, 2.5]), lambda s=s: s.positions(["a"])):
            with pytest.raises(TypeError, match="this set holds int64: convert the key"):
                call()
    with pytest.raises(ValueError, match="the keys of FrozenSet can only be copied"):
        np.array(f, copy=False)
    assert repr(f) == "FrozenSet(int64, {1})"
    assert "... and 1 more" in repr(frozen(int, range(101)))
    assert isinstance(f._map, FrozenMap)
