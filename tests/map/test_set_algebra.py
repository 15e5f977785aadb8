"""Set algebra with elements of other types: sets and views, every operator and method, both sides of each operator.

`set` is the source of every expected result. Where a result must hold an element that the key type cannot hold, the
operation must raise, and change nothing.
"""

import operator
from collections import deque
from decimal import Decimal
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

from pyhmap import HMap, HSet

NAN = float("nan")
second = np.datetime64(1, "s")
PAIR = [("a", "i4"), ("b", "f8")]
ANY = [[None], [(1,)], ["a"], [b"a"], [frozenset()], [2**70, -1], []]

# For each key type: keys, and other collections.
CASES = {
    "int64": (
        np.int64,
        [1, 2],
        [[1.0, 2.5], [True, 2], [Decimal(1), Fraction(2), 3], [1 + 0j, 2 + 1j], [1.0, "a"], *ANY],
    ),
    "uint8": (np.uint8, [1, 255], [[1.0, -1], [255.0, 300], [np.int64(1), 7], [Decimal("1.5"), 1], *ANY]),
    "bool": (bool, [True], [[1.0, 0], [1, 2], [Decimal(1)], [0.0, False], *ANY]),
    "float64": (
        np.float64,
        [1.0, 0.5],
        [[1, Fraction(1, 2)], [Decimal("0.1"), 1], [2**53 + 1], [1j, 0.5 + 0j, 1], *ANY],
    ),
    "float32": (np.float32, [0.5, 2.0**100], [[0.1, Fraction(1, 2)], [2**100, Decimal("0.5")], *ANY]),
    "str": (str, ["a", "b"], [["a", b"a"], [1, "b"], ["c"], *ANY]),
    "bytes": (bytes, [b"a", b"b"], [["a", b"a"], [1, b"b"], [b"c"], *ANY]),
    "S2": ("S2", [b"a", b"b"], [["a", b"a"], [b"abc", b"b"], [b"c"], *ANY]),
    "times": ("M8[s]", [second, np.datetime64(2, "s")], [[second, 1], [np.datetime64(1500, "ms"), second], *ANY]),
    "record": (
        PAIR,
        [(1, 2.0), (3, 0.5)],
        [[(1.0, 2), (3, "x")], [(Decimal(3), Fraction(1, 2)), (1,)], [(5, 5)], *ANY],
    ),
    "object": (object, [1, "a", (2, 3)], [[1.0, b"a"], [Decimal(1), (2.0, 3)], ["c", 1], *ANY]),
}
PAIRS = [(key, keys, other) for key, keys, others in CASES.values() for other in others]
IDS = [f"{name}-{other!r:.30}" for name, (_, _, others) in CASES.items() for other in others]
cases = pytest.mark.parametrize(("key", "keys", "other"), PAIRS, ids=IDS)

RESULTS = [operator.or_, operator.and_, operator.sub, operator.xor]
IN_PLACE = [operator.ior, operator.iand, operator.isub, operator.ixor]
COMPARISONS = [operator.le, operator.lt, operator.ge, operator.gt, operator.eq, operator.ne]
METHODS = {
    "union": "update",
    "intersection": "intersection_update",
    "difference": "difference_update",
    "symmetric_difference": "symmetric_difference_update",
}


def keys_of_a_dict(items):
    return dict.fromkeys(items).keys()


def set_of_objects(items):
    return HSet(object, items)


def holds(key, element):
    try:
        HSet(key, [element])
    except (TypeError, OverflowError):
        return False
    return True


def assert_results(key, keys, expected, compute):
    """`compute` gives the expected set, or raises if an element of it is not in `keys` and cannot be a key."""
    if all(element in set(keys) or holds(key, element) for element in expected):
        result = compute()
        assert set(result) == expected
        assert len(result) == len(expected)
        result.check()
    else:
        with pytest.raises((TypeError, OverflowError), match=r"keys\[\d+\]: key"):
            compute()


@cases
def test_operators(any_set, key, keys, other):
    s = any_set(key, keys)
    for kind in (set, frozenset, keys_of_a_dict, set_of_objects):
        theirs = kind(other)
        for operate in RESULTS:
            assert_results(key, keys, operate(set(keys), set(other)), partial(operate, s, theirs))
            if kind in (set, frozenset):  # other types' operators would make sets of their own
                assert_results(key, keys, operate(set(other), set(keys)), partial(operate, theirs, s))
        for compare in COMPARISONS:
            assert compare(s, theirs) == compare(set(keys), set(other))
            assert compare(theirs, s) == compare(set(other), set(keys))
    assert s == set(keys)


@cases
def test_operators_in_place_change_everything_or_nothing(set_type, key, keys, other):
    for operate, operate_in_place in zip(RESULTS, IN_PLACE, strict=True):
        s = set_type(key, keys)
        expected = operate(set(keys), set(other))
        assert_results(key, keys, expected, partial(operate_in_place, s, set(other)))
        s.check()
        assert set(s) in (expected, set(keys))


@cases
def test_methods(any_set, key, keys, other):
    ours = set(keys)
    for kind in (list, tuple, iter, deque, set, dict.fromkeys):
        for name in METHODS:
            expected = getattr(ours, name)(other)
            assert_results(key, keys, expected, partial(getattr(any_set(key, keys), name), kind(other)))
        for name in ("isdisjoint", "issubset", "issuperset"):
            assert getattr(any_set(key, keys), name)(kind(other)) == getattr(ours, name)(other)


@cases
def test_methods_that_change_everything_or_nothing(set_type, key, keys, other):
    ours = set(keys)
    for kind in (list, tuple, iter, deque, set, dict.fromkeys):
        for name, in_place in METHODS.items():
            expected = getattr(ours, name)(other)
            s = set_type(key, keys)

            def change(s=s, in_place=in_place, kind=kind):
                assert getattr(s, in_place)(kind(other)) is None
                return s

            assert_results(key, keys, expected, change)
            assert set(s) in (expected, ours)


def test_elements_that_occur_several_times_count_once(any_set):
    s = any_set(np.int64, [1, 2])
    assert s.symmetric_difference([1.0, 1, 1.0, 3, 3]) == {2, 3}
    assert s.intersection([1.0, 1, True]) == {1}
    assert s.issuperset([1.0, 1])
    assert not s.issubset([1.0, 1, True])


def test_what_cannot_be_hashed_is_in_no_typed_set(any_set):
    s = any_set(np.int64, [1, 2])
    assert s.intersection([[1], 1.0, {}]) == {1}
    assert s.difference([[1], 2]) == {1}
    assert s.isdisjoint([[1], np.array([1, 2])])
    assert not s.issuperset([1, [1]])
    for store in (s.union, s.symmetric_difference):
        with pytest.raises(TypeError, match=r"keys\[1\]: key \[1\] is of type list"):
            store([1.0, [1]])
    for call in (s.intersection, s.union, s.difference, s.issubset):
        with pytest.raises(TypeError, match="unhashable"):
            getattr(any_set(object, [1]), call.__name__)([1, [1]])


def test_the_error_names_what_cannot_be_stored_and_where(set_type):
    s = set_type(np.int64, [1, 2])
    for elements, error in (
        ([1.0, 2.0, "a"], r"keys\[2\]: key 'a' is of type str; this set holds int64"),
        ([1.0, 2.0, 2.5], r"keys\[2\]: key 2\.5 is of type float; this set holds int64"),
        ([1.0, 2**70], r"keys\[1\]: key 1180591620717411303424 is outside int64"),
    ):
        for store in (s.update, s.union, s.symmetric_difference, s.symmetric_difference_update):
            with pytest.raises((TypeError, OverflowError), match=error):
                store(elements)
    assert s == {1, 2}


def test_what_is_subtracted_from_a_python_set_needs_no_place(any_set):
    assert {1.0, 2} - any_set(np.int64, [1]) == {2}
    with pytest.raises(TypeError, match="this set holds int64"):
        {1.0, "a"} - any_set(np.int64, [1])


# ---- NaN


@pytest.mark.parametrize("key", [np.float64, np.float32])
def test_every_nan_of_another_collection_is_the_nan_of_a_set_of_floats(any_set, key):
    s, other = any_set(key, [NAN, 1.0]), {float("nan"), 1}
    assert s == other
    assert other == s
    assert s & other == s | other == s
    assert len(s - other) == len(s ^ other) == len(other - s) == 0
    assert s <= other <= s
    assert not s.isdisjoint([float("nan")])


def test_two_elements_may_be_one_key(set_type):
    """Sets of the same size, of which one has all elements of the other, are not equal if two elements are one key."""
    for key, keys, other in (
        (np.float64, [NAN, 1.0], {NAN, float("nan")}),
        ("S4", [b"a", b"b"], {b"a", b"a\0"}),
        ("M8[s]", [np.datetime64("NaT", "s"), second], {np.datetime64("NaT", "s"), np.datetime64("NaT", "D")}),
    ):
        s, m = set_type(key, keys), set_type._map_type(key, np.int64, dict.fromkeys(keys, 1))
        assert s.issuperset(other)
        assert not s.issubset(other)
        assert s != other
        assert other != s
        assert m.keys() != other
        assert not m.keys() <= other
        assert m != dict.fromkeys(other, 1)


def test_floats_and_objects_agree_on_nan_from_both_sides(any_set):
    """As maps do, the typed set decides: all its NaN are one."""
    objects, floats = any_set(object, [NAN, 1]), any_set(np.float64, [NAN, 2.0])
    assert any_set(object, [NAN]) == any_set(np.float64, [NAN])
    for a, b in ((objects, floats), (floats, objects)):
        assert len(a & b) == 1
        assert a ^ b == {1, 2}
        assert len(a - b) == 1
        assert not a.isdisjoint(b)
    two = any_set(object, [NAN, float("nan")])
    assert two <= floats
    assert floats >= two
    assert len(two - floats) == 0


# ---- views


@cases
def test_views_of_keys(hmap_type, key, keys, other):
    view, expected = hmap_type(key, np.int64, dict.fromkeys(keys, 0)).keys(), dict.fromkeys(keys).keys()
    for theirs in (set(other), frozenset(other), dict.fromkeys(other).keys(), HSet(object, other)):
        for operate in RESULTS:
            result = operate(view, theirs)
            assert type(result) is set
            assert result == operate(set(expected), set(other))
            if not isinstance(theirs, HSet):  # the result of its operators is a set of objects
                assert operate(theirs, view) == operate(set(other), set(expected))
        for compare in COMPARISONS:
            assert compare(view, theirs) == compare(set(expected), set(other))
            assert compare(theirs, view) == compare(set(other), set(expected))
        assert view.isdisjoint(theirs) == expected.isdisjoint(set(other))


@cases
def test_views_of_items(hmap_type, key, keys, other):
    view, expected = hmap_type(key, np.int64, dict.fromkeys(keys, 5)).items(), dict.fromkeys(keys, 5).items()
    for value in (5, 5.0, 6):
        items = {(element, value) for element in [*other, keys[0]]} | {"no pair"}
        for operate in RESULTS:
            assert operate(view, items) == operate(set(expected), items)
            assert operate(items, view) == operate(items, set(expected))
        for compare in COMPARISONS:
            assert compare(view, items) == compare(set(expected), items)
            assert compare(items, view) == compare(items, set(expected))


def test_a_common_pair_whose_key_goes_while_others_are_compared(hmap_type):
    """As another thread might do at that moment, a comparison removes a key that was found, and replaces a value."""

    class Changing:
        def __eq__(self, other):
            m.pop(1, None)
            m[2] = "new"
            return True

        def __hash__(self):
            return 3

    m = hmap_type(np.int64, object, {1: "one", 2: "two", 3: Changing()})
    last = (3, 3)
    assert {key: value for key, value in m.items() & [(1, "one"), (2, "two"), last] if key < 3} == {1: "one", 2: "two"}


def test_views_take_sets_and_views_of_other_types(hmap_type):
    texts, ints = hmap_type(str, np.int64, {"a": 1}), hmap_type(np.int64, np.int64, {1: 1})
    for theirs in (ints.keys(), HSet(np.int64, [1])):
        assert texts.keys() - theirs == {"a"}
        assert texts.keys() | theirs == texts.keys() ^ theirs == {"a", 1}
        assert texts.keys() & theirs == set()
        assert not texts.keys() <= theirs
        assert not theirs <= texts.keys()
        assert texts.keys().isdisjoint(theirs)


def test_views_of_floats_find_every_nan(hmap_type):
    m = hmap_type(np.float64, np.float64, {NAN: NAN, 1.0: 2.0})
    other = {float("nan"), 1}
    assert m.keys() == other
    assert other == m.keys()
    assert m.keys() <= other <= m.keys()
    assert len(m.keys() & other) == len(m.keys() | other) == 2
    assert m.keys() - other == m.keys() ^ other == other - m.keys() == set()
    assert m.items() == {(float("nan"), float("nan")), (1, 2)}
    assert m.items() - {(float("nan"), float("nan"))} == {(1.0, 2.0)}
    objects = hmap_type(object, np.float64, {NAN: 1})
    assert objects.keys() == hmap_type(np.float64, np.float64, {NAN: 1}).keys()


# ---- arrays and columns


@pytest.mark.parametrize("library", ["numpy", "pandas", "pyarrow", "polars"])
def test_columns_are_collections_for_methods(library):
    module = pytest.importorskip(library)
    column = module.Series if library in ("pandas", "polars") else module.array
    s = HSet(np.int64, [1, 2, 3])
    assert s.intersection(column([2, 3, 4])) == {2, 3}
    assert s.difference(column([2, 3, 4])) == {1}
    assert s.symmetric_difference(column([2, 3, 4])) == {1, 4}
    assert s.union(column([4])) == {1, 2, 3, 4}
    assert s.issuperset(column([1, 1]))
    assert s.issubset(column([1, 2, 3, 4]))
    assert s.isdisjoint(column([4]))
    assert s.intersection(column([1.0, 2.5])) == {1}
    assert s.union(column([1.0])) == s


def test_operators_refuse_arrays(any_set):
    """NumPy would apply the operator to the keys and the array, item by item."""
    s, array = any_set(np.int64, [1, 2]), np.array([1, 2])
    for operate in RESULTS:
        for one, other in ((s, array), (array, s)):
            with pytest.raises(TypeError):
                operate(one, other)


def test_a_set_as_an_array(any_set):
    s = any_set(np.int16, [3, 1])
    assert sorted(np.asarray(s).tolist()) == [1, 3]
    assert (np.asarray(s).dtype, np.asarray(s, np.float32).dtype, np.array(s, copy=True).dtype) == ("i2", "f4", "i2")
    assert np.isin([1, 2, 3, 4], s).tolist() == [True, False, True, False]
    assert np.isin(["a", "b"], any_set(str, ["a"])).tolist() == [True, False]
    assert np.asarray(any_set(object, [(1, 2)])).tolist() == [(1, 2)]
    np.asarray(s)[:] = 7
    assert s == {1, 3}
    with pytest.raises(ValueError, match="can only be copied"):
        np.array(s, copy=False)
    assert HMap.from_arrays(s, [0, 0]).keys() == s
