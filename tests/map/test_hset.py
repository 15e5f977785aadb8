"""HSet over both engines, and FrozenSet: the methods and operators of `set`, compared with `set`; the batch calls."""

import copy
import operator
from collections.abc import MutableSet

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhmap import HSet
from support import hash_key_of, words_with

KEYS = {
    "int64": (np.int64, [0, 1, -1, 2**62, -(2**63), *range(10, 40)]),
    "uint8": (np.uint8, [*range(0, 256, 7)]),
    "bool": (bool, [True]),
    "float32": (np.float32, [0.5, -1.0, float("inf"), *(i / 4 for i in range(5, 30))]),
    "str": (str, ["", "a", "a\0", "ä", "\ud800", "x" * 100, *(f"key {i}" for i in range(30))]),
    "bytes": (bytes, [b"", b"a", b"a\0", b"x" * 100, *(b"%d" % i for i in range(30))]),
    "S4": ("S4", [b"", b"a", *(b"%d" % i for i in range(30))]),
    "times": ("M8[s]", [np.datetime64(i, "s") for i in range(30)]),
    "struct": ([("a", "i4"), ("b", "U3")], [(i, str(i)) for i in range(30)]),
    "object": (object, [None, (), "a", 1, 2.5, (1, 2), *range(50, 70)]),
}


@pytest.fixture(params=KEYS.values(), ids=KEYS)
def typed(request):
    return request.param


OPERATORS = [operator.or_, operator.and_, operator.sub, operator.xor]
IN_PLACE = [operator.ior, operator.iand, operator.isub, operator.ixor]
COMPARISONS = [operator.le, operator.lt, operator.ge, operator.gt, operator.eq, operator.ne]


def parts(keys):
    """Pairs of collections of keys: disjoint, overlapping, one in the other, equal, empty."""
    third = len(keys) // 3
    low, high = keys[: 2 * third], keys[third:]
    return [(low, high), (keys, low), (low, keys), (keys, keys), (keys, []), ([], keys), (keys[:third], keys[third:])]


def test_single_keys(set_type, typed):
    key, keys = typed
    s, reference = set_type(key), set()
    assert isinstance(s, MutableSet)
    for element in [*keys, *keys[::2]]:
        s.add(element)
        reference.add(element)
        assert len(s) == len(reference)
    s.check()
    assert set(s) == reference
    for element in keys[::3]:
        assert element in s
        s.remove(element)
        s.discard(element)
        assert element not in s
        with pytest.raises(KeyError) as caught:
            s.remove(element)
        assert caught.value.args == (element,)
    assert set(s) == reference - set(keys[::3])
    popped = [s.pop() for _ in range(len(s))]
    assert set(popped) == reference - set(keys[::3])
    with pytest.raises(KeyError, match="is empty"):
        s.pop()
    s.update(keys)
    s.clear()
    assert (len(s), list(s)) == (0, [])
    s.check()


@pytest.mark.parametrize("other_type", [set, frozenset, "same"])
def test_operators(any_set, typed, other_type):
    key, keys = typed
    for left, right in parts(keys):
        s, other = any_set(key, left), any_set(key, right) if other_type == "same" else other_type(right)
        for operate in OPERATORS:
            expected = operate(set(left), set(right))
            result = operate(s, other)
            assert type(result) is type(s)
            assert set(result) == expected
            result.check()
        for compare in COMPARISONS:
            assert compare(s, other) == compare(set(left), set(right))


@pytest.mark.parametrize("other_type", [set, frozenset, "same"])
def test_operators_in_place(set_type, typed, other_type):
    key, keys = typed
    for left, right in parts(keys):
        other = set_type(key, right) if other_type == "same" else other_type(right)
        for operate in IN_PLACE:
            s = before = set_type(key, left)
            s = operate(s, other)
            assert s is before
            assert set(s) == operate(set(left), set(right))


@pytest.mark.parametrize("operate", OPERATORS)
@pytest.mark.parametrize("other_type", [set, frozenset])
def test_reflected_operators(any_set, typed, operate, other_type):
    key, keys = typed
    for left, right in parts(keys):
        s = any_set(key, right)
        result = operate(other_type(left), s)
        assert type(result) is type(s)
        assert set(result) == operate(set(left), set(right))


@pytest.mark.parametrize("operate", [*OPERATORS, *IN_PLACE, *COMPARISONS[:4]])
def test_operators_take_sets_only(any_set, operate):
    with pytest.raises(TypeError):
        operate(any_set(np.int64, [1]), [1])
    assert any_set(np.int64, [1]) != [1]


def test_methods_take_any_iterables(any_set, typed):
    key, keys = typed
    for left, right in parts(keys):
        s, reference = any_set(key, left), set(left)
        for other in (list(right), iter(right), set(right), tuple(right), dict.fromkeys(right), any_set(key, right)):
            again = list(right) if iter(other) is other else other
            for name in ("union", "intersection", "difference", "symmetric_difference"):
                assert set(getattr(s, name)(list(right))) == getattr(reference, name)(right)
            for name in ("issubset", "issuperset", "isdisjoint"):
                assert getattr(s, name)(again) == getattr(reference, name)(right)
        assert set(s) == reference


def test_methods_that_change_it_take_any_iterables(set_type, typed):
    key, keys = typed
    for left, right in parts(keys):
        s, reference = set_type(key, left), set(left)
        for other in (list(right), iter(right), set(right), tuple(right), dict.fromkeys(right), set_type(key, right)):
            again = list(right) if iter(other) is other else other
            for name in ("update", "intersection_update", "difference_update", "symmetric_difference_update"):
                ours, theirs = s.copy(), reference.copy()
                assert getattr(ours, name)(again) is None
                getattr(theirs, name)(right)
                assert set(ours) == theirs
                ours.check()
        assert set(s) == reference


def test_several_others(any_set):
    s = any_set(np.int64, range(10))
    assert s.union([20], {30}) == {*range(10), 20, 30}
    assert s.intersection(range(5), [1, 2, 9]) == {1, 2}
    assert s.difference([1], (2, 3)) == {0, *range(4, 10)}
    assert s.union() == s.intersection() == s.difference() == s


def test_with_itself(set_type):
    for operate, expected in zip(IN_PLACE, [{1, 2}, {1, 2}, set(), set()], strict=True):
        s = set_type(np.int64, [1, 2])
        assert operate(s, s) == expected


def test_elements_that_it_cannot_hold_are_not_in_it(any_set):
    s, reference = any_set(np.int64, [1, 2]), {1, 2}
    for other in ({1, "a"}, {1.0, 2.5}, {None, 2**70}, {"a"}, {1.0, 2.0}, {True, 2 + 0j}):
        assert set(s & other) == reference & other
        assert set(s - other) == reference - other
        for compare in COMPARISONS:
            assert compare(s, other) == compare(reference, other)
            assert compare(other, s) == compare(other, reference)
        assert s.isdisjoint(other) == reference.isdisjoint(other)
    for wrong in ("a", 1.5, None):
        with pytest.raises(TypeError):
            s |= {wrong}
        with pytest.raises(TypeError):
            wrong in s  # noqa: B015
    assert s == {1, 2}


def test_nan_is_one_key(any_set):
    nan = [float("nan"), np.float64("nan"), -float("nan")]
    s = any_set(np.float64, nan)
    assert len(s) == 1
    assert s == {float("nan")}
    assert s & {float("nan"), 1.0} == s
    assert s <= {float("nan"), 1.0}
    assert len(s - {float("nan")}) == 0


def test_sets_of_different_types(any_set):
    ints, floats, objects = any_set(np.int64, [1, 2]), any_set(np.float64, [1.0, 2.0]), any_set(object, [1, 2])
    for a in (ints, floats, objects):
        for b in (ints, floats, objects):
            assert a == b
            assert a <= b
            if a is not ints or b is not floats:  # a set of ints takes no floats
                assert a | b == {1, 2}
            assert len(a - b) == 0
    assert any_set(str, ["1"]) != ints
    assert any_set(str, ["1"]).isdisjoint(ints)
    assert (ints & any_set(np.uint8, [1, 200])).key_dtype == np.int64


def test_batches(set_type, typed):
    key, keys = typed
    s, half = set_type(key), keys[: len(keys) // 2]
    assert s.add_many(half) == len(half)
    assert s.add_many(keys + keys) == len(keys) - len(half)
    assert s.contains_many(half).tolist() == [True] * len(half)
    assert s.contains_many(keys, threads=2).dtype == bool
    array = s.to_array()
    assert array.shape == (len(keys),)
    assert set_type(key, array) == set(keys)
    assert s.discard_many(half) == len(half)
    assert s.discard_many(half) == 0
    assert s.contains_many(keys).tolist() == [element not in half for element in keys]
    assert s.add_many([]) == s.discard_many([]) == 0
    assert s.contains_many([]).shape == (0,)
    s.check()


def seen_first(seen, keys):
    """Which keys are seen for the first time, and are then seen."""
    new = []
    for key in keys:
        new.append(key not in seen)
        seen.add(key)
    return new


def test_which_keys_were_new(set_type, typed):
    key, keys = typed
    s, model = set_type(key, keys[::3]), set(keys[::3])
    for batch in ([*keys[:10], *keys[:10][::-1]], keys[5:6] * 3, [], keys[::-1], keys):
        new = s.add_many(batch, return_new=True)
        assert (new.dtype, new.shape) == (bool, (len(batch),))
        assert new.tolist() == seen_first(model, batch)
        assert set(s) == model
        s.check()


def test_without_return_new_the_number_is_returned(set_type):
    s = set_type(np.int64, [1])
    assert s.add_many([1, 2, 2], return_new=False) == 1
    assert s.add_many([3, 3, 2], return_new=True).sum() == 1


@pytest.mark.parametrize(
    ("key", "make"), [(np.int64, int), (str, lambda i: f"key number {i}"), (object, lambda i: (i,))]
)
def test_which_keys_of_a_growing_set_were_new(set_type, key, make):
    """The set grows several times in the middle of the batch."""
    rng = np.random.default_rng(7)
    s, model = set_type(key), set()
    for size in (3000, 6000):
        batch = [make(i) for i in rng.integers(0, size, 4000).tolist()]
        assert s.add_many(batch, return_new=True).tolist() == seen_first(model, batch)
    assert s == model
    s.check()


def test_which_of_millions_of_keys_were_new():
    """Over several chunks of 2^20 keys, and all growths from an empty set."""
    keys = np.random.default_rng(8).integers(0, 1 << 21, 3 << 20)
    first = np.zeros(len(keys), bool)
    first[np.unique(keys, return_index=True)[1]] = True
    s = HSet(np.int64)
    assert np.array_equal(s.add_many(keys, return_new=True), first)
    assert not s.add_many(keys, return_new=True).any()
    assert len(s) == first.sum()


def test_which_keys_were_new_while_the_set_moves_to_another_hash_key(set_type):
    """All keys begin in one bucket, so the set draws another hash key in the middle of the batch."""
    hashes = np.random.default_rng(5).choice(2**40, 2000, replace=False)
    keys = words_with([int(high) << 24 | 9 for high in hashes], hash_key_of(3))
    batch = np.concatenate([keys[:700], keys[300:], keys[:50]])
    s, model = set_type(np.uint64, seed=3), set()
    assert s.add_many(batch, return_new=True).tolist() == seen_first(model, batch.tolist())
    assert s.stats().rekeys == 1
    assert s == model
    s.check()


@pytest.mark.parametrize("value", [list, np.array])
@given(batches=st.lists(st.lists(st.integers(-5, 40), max_size=60), max_size=5))
def test_any_batches_give_the_mask_that_a_set_gives(value, batches):
    s, model = HSet(np.int64), set()
    for batch in batches:
        keys = np.array(batch, np.int64) if value is np.array else batch
        assert s.add_many(keys, return_new=True).tolist() == seen_first(model, batch)
    assert s == model
    s.check()


def test_if_a_key_raises_in_the_middle_the_keys_before_it_are_in_the_set(set_type):
    class Raising:
        def __hash__(self):
            return hash("a")

        def __eq__(self, other):
            raise ZeroDivisionError

    s = set_type(object, ["a"])
    with pytest.raises(ZeroDivisionError):
        s.add_many(["b", Raising(), "c"], return_new=True)
    assert s == {"a", "b"}
    s.check()


@pytest.mark.parametrize("library", ["pyarrow", "polars", "pandas"])
def test_arrow_columns(library):
    module = pytest.importorskip(library)
    column = {"pyarrow": "array", "polars": "Series", "pandas": "Series"}[library]
    words = getattr(module, column)(["a", "ä", "a"])
    s = HSet(str, words)
    assert s == {"a", "ä"}
    assert (s.add_many(words), s.contains_many(words).tolist()) == (0, [True] * 3)
    assert HSet(str, ["ä"]).add_many(words, return_new=True).tolist() == [True, False, False]
    assert s.issuperset(words)
    assert s.intersection(words) == s
    assert s.discard_many(words) == 2


def test_a_batch_that_cannot_be_held_changes_nothing(set_type):
    s = set_type(np.int8, [1])
    with pytest.raises(OverflowError, match=r"keys\[1\]"):
        s.add_many([2, 300])
    with pytest.raises(TypeError, match=r"keys\[1\]"):
        s.add_many([2, "a"])
    with pytest.raises(ValueError, match="one-dimensional"):
        s.add_many(np.zeros((2, 2), np.int8))
    with pytest.raises(OverflowError, match=r"keys\[1\]"):
        s.add_many([2, 300], return_new=True)
    with pytest.raises(TypeError, match=r"keys\[1\]"):
        s.add_many([2, "a"], return_new=True)
    with pytest.raises(ValueError, match="one-dimensional"):
        s.add_many(np.zeros((2, 2), np.int8), return_new=True)
    assert s == {1}


def test_a_large_set_has_no_bytes_for_values():
    keys = np.random.default_rng(1).permutation(200_000)
    s = HSet(np.int64, keys)
    assert (len(s), s.contains_many(keys).all()) == (200_000, True)
    assert np.array_equal(np.sort(s.to_array()), np.arange(200_000))
    assert {field.size for field in s.layout() if field.name.startswith("value")} == {0}
    assert s.nbytes < 25 * 200_000
    assert s.stats().count == s.header().count == 200_000
    assert s.bucket_arrays().keys.shape[1] == 8
    s.check()


def test_life(set_type):
    s = set_type(np.int64, capacity=1000)
    buckets = s.header().buckets
    s.add_many(range(1000))
    assert s.header().buckets == buckets
    s.reserve(10_000)
    assert s.header().buckets > buckets
    s.finish_growth()
    assert s.header().oldbuckets == 0


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda s: s.copy()])
def test_copies(set_type, typed, duplicate):
    key, keys = typed
    s = set_type(key, keys)
    copied = duplicate(s)
    assert (type(copied), copied, copied.key_dtype) == (set_type, s, s.key_dtype)
    copied.remove(keys[0])
    assert keys[0] in s


def test_a_subclass_with_another_constructor_keeps_its_attributes():
    class Labelled(HSet):
        def __init__(self, label):
            super().__init__(str)
            self.label = label

    s = Labelled("x")
    s.add("a")
    for copied in (s.copy(), copy.deepcopy(s), s | {"b"}):
        assert (type(copied), copied.label) == (Labelled, "x")
        assert "a" in copied
    assert len(s) == 1


def test_iteration_while_it_changes(set_type):
    s = set_type(np.int64, range(10))
    walk = iter(s)
    s.add(next(walk))  # is there
    s.discard(next(walk))
    with pytest.raises(RuntimeError, match="changed size"):
        next(walk)


def test_repr_hash_and_truth(set_type):
    name = set_type.__name__
    assert repr(set_type(str, ["a"])) == f"{name}(str, {{'a'}})"
    assert repr(set_type(np.int64)) == f"{name}(int64, {{}})"
    with pytest.raises(TypeError, match="unhashable"):
        hash(set_type(str))
    assert not set_type(str)


def test_nothing_of_a_mapping_shows():
    s = HSet(np.int64, [1])
    for read in (lambda: s[1], lambda: s.get, lambda: s.keys, lambda: s.set_many):
        with pytest.raises((TypeError, AttributeError)):
            read()
