"""The dict methods: views, operators, comparison, making maps, copies of subclasses, `repr`.

The expected values are those of `dict` and `set`.
"""

import collections
import contextlib
import copy
import inspect
import pickle
import re
import sys
from decimal import Decimal

import numpy as np
import pytest

import pyhmap
from pyhmap import HIndex, HMap, HSet

NAN = float("nan")


class Labelled(HMap):
    """A subclass with an attribute and another constructor."""

    def __init__(self, label, key, value, items=None):
        super().__init__(key, value, items)
        self.label = label


# ---- views


def test_views_take_elements_of_other_types_for_absent(hmap_type):
    m, d = hmap_type(np.int64, str, {1: "a", 2: "b"}), {1: "a", 2: "b"}
    for other in ({1, "x"}, {1.0, 2.5}, {True, None}, {2**70, (1, 2)}, {Decimal(2), 1 + 0j}, set()):
        assert m.keys() & other == d.keys() & other
        assert m.keys() | other == d.keys() | other
        assert m.keys() - other == d.keys() - other
        assert m.keys() ^ other == d.keys() ^ other
        assert m.keys().isdisjoint(other) == d.keys().isdisjoint(other)
        assert (m.keys() <= other, m.keys() >= other, m.keys() == other) == (
            d.keys() <= other,
            d.keys() >= other,
            d.keys() == other,
        )
    for item in ((1, "a"), (1.0, "a"), (1, "b"), ("x", "a"), (2**70, "a"), (1, "a", 0), 7, "ab"):
        assert (item in m.items()) == (item in d.items())
    assert m.items() & {(1, "a"), ("x", 3)} == {(1, "a")}


def test_in_items_does_not_walk_the_map(hmap_type, monkeypatch):
    m = hmap_type(np.int64, np.int64, {1: 2})
    items = m.items()
    monkeypatch.setattr(type(items), "__iter__", lambda self: pytest.fail("walked"))
    assert (1, 2) in items
    assert (1, 3) not in items


def test_a_key_of_the_wrong_type_is_a_mistake_in_the_map_itself(hmap_type):
    m = hmap_type(np.int64, np.int64, {1: 2})
    for wrong in ("1", None, 1.0):
        with pytest.raises(TypeError):
            wrong in m  # noqa: B015


def test_what_cannot_be_hashed_is_a_mistake_in_the_views_of_objects(hmap_type):
    m = hmap_type(object, np.int64, {1: 2})
    for view, wrong in ((m.keys(), []), (m.items(), ([], 2))):
        with pytest.raises(TypeError, match="unhashable"):
            wrong in view  # noqa: B015


def test_views_cannot_be_reversed_nor_hashed(hmap_type):
    m = hmap_type(np.int64, np.int64)
    for view in (m.keys(), m.items(), m.values()):
        with pytest.raises(TypeError):
            reversed(view)
    with pytest.raises(TypeError):
        hash(m.keys())


# ---- comparison


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ((np.int64, {1: 2}), (np.float64, {1.0: 2}), True),
        ((np.int64, {1: 2}), (np.float64, {1.5: 2}), False),
        ((np.int8, {1: 2}), (np.uint64, {1: 2}), True),
        ((np.int8, {1: 2}), (np.uint64, {2**64 - 1: 2}), False),
        ((np.int64, {1: 2}), (np.bool, {True: 2}), True),
        ((np.int64, {1: 2}), (str, {"1": 2}), False),
        ((np.int64, {1: 2}), (object, {1: 2}), True),
        ((str, {"a": 2}), ("U4", {"a": 2}), True),
        ((str, {"a": 2}), (bytes, {b"a": 2}), False),
        ((np.float64, {NAN: 2}), (np.float32, {NAN: 2}), True),
        ((np.float64, {2**60: 2}), (np.int64, {2**60: 2}), True),
        ((np.float64, {2**60: 2}), (np.int64, {2**60 + 1: 2}), False),
    ],
)
def test_maps_of_different_key_types_compare_as_dicts_do(hmap_type, one, other, equal):
    a, b = (hmap_type(key, np.int64, items) for key, items in (one, other))
    assert (a == b) is equal
    assert (b == a) is equal
    assert (a != b) is not equal
    assert (a == dict(b.items())) is equal
    assert (dict(a.items()) == b) is equal


def test_maps_of_objects_and_of_floats_agree_on_nan_from_both_sides(hmap_type):
    objects, floats = (hmap_type(key, np.int64, {NAN: 2}) for key in (object, np.float64))
    assert objects == floats
    assert floats == objects


def test_equality_compares_the_values(hmap_type):
    m = hmap_type(np.int64, np.float64, {1: 2.0, 2: 3.0})
    for other, equal in (
        (hmap_type(np.int64, np.int64, {1: 2, 2: 3}), True),
        (hmap_type(np.int64, np.int64, {1: 2, 2: 4}), False),
        (hmap_type(np.int64, np.float64, {1: 2.0, 2: 3.5}), False),
        (hmap_type(np.int64, str, {1: "2", 2: "3"}), False),
        (hmap_type(np.int64, object, {1: 2, 2: 3.0}), True),
        (collections.OrderedDict({2: 3, 1: 2}), True),
        (collections.ChainMap({1: 2}, {2: 3}), True),
    ):
        assert (m == other) is equal
        assert (other == m) is equal


def test_a_nan_value_equals_a_nan(hmap_type):
    m = hmap_type(np.int64, np.float64, {1: NAN})
    assert m == m.copy()
    assert m == {1: NAN}
    assert NAN in m.values()
    assert (1, NAN) in m.items()
    assert m != {1: 0.0}
    pairs = hmap_type(np.int64, [("x", "f8"), ("y", "i4")], {1: (NAN, 1)})
    assert pairs == pairs.copy()
    assert pairs != hmap_type(np.int64, [("x", "f8"), ("y", "i4")], {1: (NAN, 2)})
    rows = hmap_type(np.int64, ("f8", (2,)), {1: [NAN, 1.0]})
    assert rows == rows.copy()
    assert rows != hmap_type(np.int64, ("f8", (2,)), {1: [NAN, 2.0]})
    assert rows != hmap_type(np.int64, ("f8", (3,)), {1: [NAN, 1.0, 1.0]})


def test_nat_values_are_equal(hmap_type):
    m = hmap_type(np.int64, "M8[s]", {1: np.datetime64("NaT", "s")})
    assert m == m.copy()
    assert m != {1: np.datetime64(0, "s")}


def test_object_values_compare_as_they_want(hmap_type):
    m = hmap_type(np.int64, object, {1: NAN})
    assert m == {1: NAN}  # the same object
    assert m != {1: float("nan")}  # as for dict


def test_comparison_that_changes_the_map_does_no_harm(hmap_type):
    class Clearing:
        def __init__(self, m):
            self.m = m

        def __eq__(self, other):
            self.m.clear()
            return True

        __hash__ = None

    a, b = (hmap_type(np.int64, object) for _ in range(2))
    for i in range(20):
        a[i], b[i] = Clearing(a), Clearing(b)
    for one, other in ((a, b), (b, a), (a, dict(b.items()))):
        with contextlib.suppress(RuntimeError):  # the one that is walked changed its size
            one == other  # noqa: B015
    for m in (a, b):
        m.check()


# ---- merging and updating


def test_update_with_keyword_arguments(hmap_type):
    m = hmap_type(str, np.int64, {"a": 1})
    m.update({"b": 2}, c=3, other=4, self=5)
    assert m == {"a": 1, "b": 2, "c": 3, "other": 4, "self": 5}
    ints = hmap_type(np.int64, np.int64, {1: 1})
    with pytest.raises(TypeError):
        ints.update(a=1)
    assert ints == {1: 1}


def test_merging_maps_of_different_types_keeps_the_left_types(hmap_type):
    ints, floats = hmap_type(np.int64, np.float64, {1: 0.5}), hmap_type(np.float64, np.int64, {2.0: 3})
    assert (floats | hmap_type(np.int64, np.int64, {1: 4})) == {2.0: 3, 1.0: 4}
    with pytest.raises(TypeError):
        ints | floats
    with pytest.raises(TypeError):
        floats | ints  # 0.5 is no int
    merged = {3: 0.25} | ints
    assert (merged.key_dtype, merged.value_dtype, merged) == (np.int64, np.float64, {1: 0.5, 3: 0.25})


def test_in_place_merge_takes_pairs_as_dict_does(hmap_type):
    m = hmap_type(np.int64, np.int64, {1: 1})
    m |= [(2, 3)]
    assert m == {1: 1, 2: 3}
    with pytest.raises(TypeError):
        m |= 3


# ---- making maps


@pytest.mark.parametrize(
    ("items", "dtype"),
    [
        (np.array(["a", "b"]), str),
        (np.array(["a", "b"], object), str),
        (np.array(["a", "b"], np.dtypes.StringDType()), str),
        (["a", "b"], str),
        ([np.str_("a"), "b"], str),
        (np.array([b"a", b"b"]), bytes),
        ([b"a", b""], bytes),
        (np.array([1, 2], np.int8), np.dtype(np.int8)),
        (np.array([1, 2], ">u2"), np.dtype(np.uint16)),
        ([1, 2], np.dtype(np.int64)),
        ([1, 2**63], np.dtype(np.uint64)),
        ([-1, 2**63], object),
        ([1, 2**64], object),
        ([True, False], np.dtype(bool)),
        ([1, 2.5], np.dtype(np.float64)),
        (range(2), np.dtype(np.int64)),
        pytest.param(memoryview(b"ab"), np.dtype(np.uint8), id="memoryview"),
        ([1, "a"], object),
        ([1, None], object),
        ([(1, 2), (3, 4)], object),
        (np.array([("a", 1), ("b", 2)], [("x", "U3"), ("y", "i4")]), np.dtype([("x", "U3"), ("y", "i4")])),
        (np.array(["2020-01-01", "NaT"], "M8[D]"), np.dtype("M8[D]")),
    ],
    ids=repr,
)
def test_from_arrays_and_fromkeys_find_the_types(hmap_type, items, dtype):
    m = hmap_type.from_arrays(items, items)
    assert (m.key_dtype, m.value_dtype) == (dtype, dtype)
    assert len(m) == 2
    assert all(key == value or key != key for key, value in m.items())
    assert hmap_type.fromkeys(items, 0).key_dtype == dtype
    m.check()


@pytest.mark.parametrize(
    ("value", "dtype"), [(1, np.int64), (0.5, np.float64), (True, np.bool), ("a", str), (b"a", bytes), (None, object)]
)
def test_fromkeys_takes_the_type_of_the_value(hmap_type, value, dtype):
    m = hmap_type.fromkeys("ab", value)
    assert m == dict.fromkeys("ab", value)
    assert (m.key_dtype, m.value_dtype) == (str, dtype)


def test_fromkeys_shares_one_object_and_defaults_to_none(hmap_type):
    value = [1, 2]
    m = hmap_type.fromkeys([1, 2], value)
    assert m[1] is m[2] is value
    assert hmap_type.fromkeys([1]) == {1: None}


def test_from_arrays_of_sub_arrays_and_of_unequal_lengths(hmap_type):
    m = hmap_type.from_arrays([1, 2], np.arange(6.0).reshape(2, 3))
    assert m.value_dtype == np.dtype(("f8", (3,)))
    assert m[2].tolist() == [3.0, 4.0, 5.0]
    with pytest.raises(ValueError, match="2 keys but 3 values"):
        hmap_type.from_arrays([1, 2], [1, 2, 3])


@pytest.mark.parametrize(
    ("make", "dtype", "expected"),
    [
        (lambda pa: pa.array(["a", "ä"]), str, ["a", "ä"]),
        (lambda pa: pa.array([b"a", b""], pa.large_binary()), bytes, [b"a", b""]),
        (lambda pa: pa.array(["a", "b"]).dictionary_encode(), str, ["a", "b"]),
        (lambda pa: pa.chunked_array([[1], [2]], pa.int16()), np.int16, [1, 2]),
        (lambda pa: pa.array([True, False]), np.bool, [True, False]),
    ],
)
def test_from_arrow_arrays(make, dtype, expected):
    column = make(pytest.importorskip("pyarrow"))
    m = HMap.from_arrays(column, column)
    assert (m.key_dtype, m.value_dtype) == (dtype, dtype)
    assert m == dict(zip(expected, expected, strict=True))


# ---- copies and subclasses


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda m: m.copy(), lambda m: pickle.loads(pickle.dumps(m))]
)
@pytest.mark.parametrize("types", [(np.int64, np.int64), (str, str), (object, object)])
def test_copies_of_a_subclass_keep_its_attributes(duplicate, types):
    m = Labelled(["label"], *types)
    copied = duplicate(m)
    assert type(copied) is Labelled
    assert copied.label == ["label"]
    assert (copied.key_dtype, copied.value_dtype) == (m.key_dtype, m.value_dtype)


def test_copy_is_shallow_and_deepcopy_is_deep(hmap_type):
    m = hmap_type(str, object, {"a": [1]})
    assert copy.copy(m)["a"] is m["a"]
    deep = copy.deepcopy(m)
    assert deep == m
    assert deep["a"] is not m["a"]
    labelled = Labelled([1], str, object)
    assert copy.copy(labelled).label is labelled.label
    assert copy.deepcopy(labelled).label is not labelled.label


def test_deepcopy_of_a_map_that_holds_itself(hmap_type):
    m = hmap_type(object, object)
    m["self"], m["again"] = m, [m]
    deep = copy.deepcopy(m)
    assert deep is not m
    assert deep["self"] is deep
    assert deep["again"][0] is deep


def test_merging_subclasses():
    m = Labelled("x", np.int64, np.int64, {1: 1})
    merged = m | {2: 2}
    assert (type(merged), merged.label, merged) == (Labelled, "x", {1: 1, 2: 2})
    assert type({2: 2} | m) is Labelled


def test_copies_keep_hash_and_seed(hmap_type):
    m = hmap_type(str, np.int64, {"a": 1}, hash="xxh64", seed=3)
    for copied in (m.copy(), pickle.loads(pickle.dumps(m))):
        assert copied._settings == {"hash": "xxh64", "seed": 3}
        assert copied.header().hash0 == m.header().hash0


@pytest.mark.parametrize("types", [(np.int64, np.int64), (np.int32, np.float32), (str, np.int64), (bytes, str)])
def test_a_copy_is_a_map_of_its_own(hmap_type, types):
    def key(i):
        return {str: f"key number {i}", bytes: b"%d" % i}.get(types[0], i)

    def value(i):
        return f"value number {i}" if types[1] is str else i

    m = hmap_type(*types, {key(i): value(i) for i in range(500)})
    m.pop(key(7))
    copied, before = m.copy(), dict(m)
    assert copied == m
    m.update({key(i): value(i + 1) for i in range(600)})
    for i in range(300):
        del m[key(i)]
    m.compact()
    assert copied == before
    copied.check()
    copied.clear()
    assert len(m) == 300
    m.check()


def test_a_copy_of_a_growing_map_is_complete(hmap_type):
    m = hmap_type(np.int64, np.int64, {i: -i for i in range(13 * 2**6 + 1)})
    assert m.header().oldbuckets
    copied = m.copy()
    copied.check()
    assert copied == {i: -i for i in range(13 * 2**6 + 1)}


def test_a_copy_goes_on_numbering_keys(hmap_type):
    m = hmap_type(np.int64, np.int64)
    m.factorize([5, 6, 7])
    del m[7]
    assert m.copy().factorize([8, 5]).tolist() == [3, 0]


def test_a_copy_of_a_set_is_a_set_of_its_own(set_type):
    s = set_type(str, [f"key number {i}" for i in range(100)])
    copied = s.copy()
    s.discard("key number 5")
    assert (type(copied), len(copied), len(s)) == (type(s), 100, 99)
    assert "key number 5" in copied


# ---- small maps


def test_a_small_map_takes_little_memory():
    for types in [(np.int64, np.int64), (str, np.int64), (object, object)]:
        m = HMap(*types, {"a" if types[0] is str else 1: 1})
        assert sys.getsizeof(m) < 1100


def test_messages_name_what_holds_the_items():
    for held, name in [(HMap(int, int), "map"), (HSet(int), "set"), (HIndex(int), "index")]:
        with pytest.raises(TypeError, match=f"this {name} holds int64"):
            "a" in held  # noqa: B015 - raises
    with pytest.raises(TypeError, match="this set holds int64"):
        HSet(int).freeze().contains_many(["a"])


def test_equal_types_of_c_stay_what_they_are():
    assert [HMap(dtype, dtype).key_dtype.char for dtype in (np.int64, np.longlong, "l", "q")] == ["l", "q", "l", "q"]


def test_types_of_times_that_numpy_calls_equal_are_two():
    """M8[1000ms] == M8[s] to NumPy, but not the other way round."""
    for first, second in [("M8[1000ms]", "M8[s]"), ("m8[s]", "m8[1000ms]"), ("M8[1000us]", "M8[ms]")]:
        assert HMap(first, first).value_dtype.str == np.dtype(first).str
        m = HMap(second, second)
        assert m.key_dtype.str == m.value_dtype.str == np.dtype(second).str


# ---- repr, help, generics


def test_repr(hmap_type):
    name = hmap_type.__name__
    assert repr(hmap_type(str, "M8[s]", {"a": np.datetime64(0, "s")})) == (
        f"{name}(str, datetime64[s], {{'a': np.datetime64('1970-01-01T00:00:00')}})"
    )
    m = hmap_type(np.int64, object)
    m[1] = m
    assert repr(m) == f"{name}(int64, object, {{1: HMap(...)}})"
    m[1] = [m]
    assert repr(m) == f"{name}(int64, object, {{1: [HMap(...)]}})"


def test_repr_shows_a_hundred_items_and_counts_the_others(hmap_type):
    name = hmap_type.__name__
    m = hmap_type(np.int64, np.int64, ((i, i) for i in range(100)))
    assert repr(m) == f"{name}(int64, int64, {{{', '.join(f'{i}: {i}' for i in m)}}})"
    m.update((i, i) for i in range(100, 12_345))
    assert repr(m).count(": ") == 100
    assert repr(m).endswith(", ... and 12,245 more})")
    assert len(repr(m)) < 2000
    s = HSet(str, map(str, range(101)))
    assert re.fullmatch(r"HSet\(str, \{('\d+', ){100}\.\.\. and 1 more\}\)", repr(s))
    assert "more" not in repr(HSet(str, map(str, range(100))))


def test_what_a_dict_has_and_a_map_has_not(hmap_type):
    class Counting(hmap_type):
        def __missing__(self, key):
            return 0

    m = Counting(np.int64, np.int64, {1: 2})
    with pytest.raises(KeyError):
        m[5]
    for view in (m, m.keys(), m.values(), m.items()):
        with pytest.raises(TypeError, match="not reversible"):
            reversed(view)
        with pytest.raises(TypeError, match="cannot pickle"):
            pickle.dumps(iter(view))
        assert not hasattr(view, "mapping")


def test_the_class_takes_type_arguments():
    alias = HMap[int, float]
    assert alias.__args__ == (int, float)
    assert alias(np.int64, np.float64, {1: 0.5}) == {1: 0.5}
    assert pyhmap.HSet[str].__args__ == (str,)


CLASSES = [HMap, pyhmap.HSet, pyhmap.FrozenMap, pyhmap.FrozenSet]
CALLS = [getattr(cls, name) for cls in CLASSES for name in dir(cls) if name[0] != "_" and callable(getattr(cls, name))]


@pytest.mark.parametrize("call", [*CALLS, *CLASSES, pyhmap.nil], ids=lambda call: call.__qualname__)
def test_every_public_call_has_a_signature_and_a_docstring(call):
    assert call.__doc__
    if call is not HMap.pop:  # nor has dict.pop: its missing default is no value
        inspect.signature(call)


def test_signatures_are_those_of_the_docs():
    assert str(inspect.signature(HMap.lookup_many)) == "(self, /, keys, *, threads=1)"
    assert str(inspect.signature(HMap.get_many)) == "(self, /, keys, default=Ellipsis, *, out=None, threads=1)"
    parameters = ["key", "value", "items", "capacity", "hash", "seed", "hash_cache"]
    assert list(inspect.signature(HMap).parameters) == parameters
