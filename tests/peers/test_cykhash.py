"""What the tests of cykhash check in its sets and maps, which replace `set` and `dict`.

A class of cykhash has its types in its name. Its functions are methods here: `isin(a, s)` is `s.contains_many(a)`,
`Int64toInt64Map_to` is `get_many`. Where the two differ, a test names the line of docs/semantics.md.
"""

import operator
import struct
import sys

import numpy as np
import pytest

from pyhmap import HMap, HSet

SETS = ["i8", "i4", "f8", "f4", object]
MAPS = [(key, value) for key in ("i8", "i4", "f8", "f4") for value in ("i8", "f8")] + [(object, object)]
NAN_BITS = range(0x7FF8000000000000, 0x7FF8000001312D00, 9973)


@pytest.fixture(params=SETS, ids=str)
def new(request):
    """Makes a set of the items."""
    return lambda items=(), **settings: HSet(request.param, items, **settings)


@pytest.fixture(params=MAPS, ids=str)
def new_map(request, hmap_type):
    """Makes a map of the pairs."""
    return lambda pairs=(), **settings: hmap_type(*request.param, pairs, **settings)


# ---- sets


def test_a_set_counts_each_key_once(new):
    s = new([1, 2, 3, 1])
    assert (len(s), 1 in s, 2 in s, 3 in s, 4 in s) == (3, True, True, True, False)
    for i in range(4, 1000):
        s.add(i)
        s.add(i)
        assert len(s) == i
    s.clear()
    assert len(s) == 0
    s.update([3, 4, 5, 6])
    assert s == new([3, 4, 5, 6])


def test_half_of_the_keys_go(new):
    s = new(range(1000))
    for i in range(0, 1000, 2):
        before = len(s)
        s.discard(i)
        s.discard(i)
        assert len(s) == before - 1
    assert [i in s for i in range(1000)] == [i % 2 == 1 for i in range(1000)]


def test_remove_and_pop(new):
    s = new([1, 2])
    s.remove(1)
    with pytest.raises(KeyError) as caught:
        s.remove(1)
    assert caught.value.args == (1,)
    assert s.pop() == 2
    with pytest.raises(KeyError, match="is empty"):
        s.pop()
    s.update(range(1000))
    assert {s.pop() for _ in range(1000)} == set(range(1000))
    assert len(s) == 0


def test_the_room_that_is_asked_for(new):
    """The argument is `capacity`; below 0 it is a ValueError, where cykhash raises OverflowError."""
    with pytest.raises(ValueError, match="capacity"):
        new(capacity=-1)
    assert new([4, 5], capacity=0) == {4, 5}
    assert new(capacity=100).header().buckets >= 16


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([], []),
        ([], [2, 2, 4]),
        ([1, 2, 3, 4], [5, 2, 4]),
        ([1, 3, 5], [2, 4, 6]),
        ([0, 222, 3, 444, 5], [222, 3, 4]),
        ([1, 2], [1] * 10_000),
        (range(1000), range(0, 1000, 2)),
        (range(33, 10_000, 3), range(33, 10_000, 3)),
    ],
)
def test_set_algebra(new, left, right):
    a, b, ours, theirs = set(left), set(right), new(left), new(right)
    for operate in (operator.or_, operator.and_, operator.sub, operator.xor):
        assert operate(ours, theirs) == new(operate(a, b))
        assert operate(theirs, ours) == new(operate(b, a))
    for compare in (operator.le, operator.lt, operator.ge, operator.gt, operator.eq):
        assert compare(ours, theirs) == compare(a, b)
        assert compare(theirs, ours) == compare(b, a)
    assert ours.isdisjoint(theirs) == ours.isdisjoint(right) == a.isdisjoint(b)
    for name in ("update", "intersection_update", "difference_update", "symmetric_difference_update"):
        for other in (theirs, right, iter(right)):
            changed, expected = ours.copy(), set(left)
            getattr(changed, name)(other)
            getattr(expected, name)(right)
            assert changed == new(expected)
    assert (ours, theirs) == (new(left), new(right))


def test_algebra_of_several_and_of_one_set(new):
    s = new([1, 2, 3, 4])
    assert s - s - s == s ^ s == new()
    assert s ^ s ^ s == s | s == s & s == s
    assert new(range(10)).union(range(8, 20), new([99]), [100]) == new([*range(20), 99, 100])
    assert new(range(100)).intersection(range(50), new(range(40, 60)), [45, 46]) == new([45, 46])
    assert new(range(100)).difference(range(50), new(range(50, 100, 2)), range(1, 98, 2)) == new([99])
    with pytest.raises(TypeError):
        s.symmetric_difference([1], [2])  # one argument, as in `set`; cykhash takes several


@pytest.mark.parametrize(
    "name", ["union", "intersection", "difference", "symmetric_difference", "issubset", "isdisjoint"]
)
def test_none_is_no_collection(new, name):
    with pytest.raises(TypeError, match="'NoneType' object is not iterable"):
        getattr(new([1, 2]), name)(None)


def test_repr_names_the_type(new):
    """Line 45: cykhash shows the items alone."""
    assert repr(new([5])).startswith("HSet(")
    assert all(str(i) in repr(new([1, 2, 3])) for i in (1, 2, 3))


# ---- NaN and zeros


@pytest.mark.parametrize("key", ["f8", "f4"])
def test_all_nan_are_one_key_and_both_zeros_are(key):
    s, m = HSet(key, range(1, 2000)), HMap(key, "i8")
    assert float("nan") not in s
    for bits in NAN_BITS:
        nan = struct.unpack("d", struct.pack("=Q", bits))[0]
        s.add(nan)
        m[nan] = 1
        assert nan in s
    assert (len(s), len(m)) == (2000, 1)
    assert -0.0 not in s
    s.add(-0.0)
    assert 0.0 in s
    assert str(HSet(key, [-0.0]).pop()) == "0.0"


def test_of_the_nan_among_objects_each_is_its_own():
    """Line 13: objects are compared as `dict` compares them; cykhash makes NaN equal, also in tuples and in complex."""
    one, other = float("nan"), float("nan")
    s = HSet(object, [one, (one,), complex(0, one)])
    assert one in s
    assert (one,) in s
    assert other not in s
    assert (other,) not in s
    assert complex(0, other) not in s
    assert len(HSet(object, [float("nan") for _ in range(50)])) == 50


def test_equal_numbers_are_one_object():
    s, m = HSet(object, range(129)), HMap(object, object, zip(range(129), range(129), strict=True))
    for five in (5, 5.0, 5.0 + 0j):
        assert five in s
        assert m[five] == 5


# ---- maps


def test_items(new_map):
    m = new_map([(1, 2), (3, 1)])
    assert (len(m), m[1], m[3], bool(m), set(m)) == (2, 2, 1, True, {1, 3})
    m[5] = 42
    del m[5]
    for read in (m.__getitem__, m.__delitem__, m.pop):
        with pytest.raises(KeyError) as caught:
            read(5)
        assert caught.value.args == (5,)
    m.clear()
    assert (len(m), bool(m)) == (0, False)
    m[5] = 6
    assert m[5] == 6


def test_fromkeys(hmap_type):
    assert hmap_type.fromkeys([1, 2, 3], 55) == {1: 55, 2: 55, 3: 55}


def test_get_pop_and_setdefault(new_map):
    m = new_map([(1, 2)])
    assert (m.get(1), m.get(2), m.get(1, 5), m.get(2, 5)) == (2, None, 2, 5)
    assert (m.setdefault(4, 9), m.setdefault(4, 10), len(m)) == (9, 9, 2)
    assert (m.pop(2, None), m.pop(1, 5), m.pop(1, 5), len(m)) == (None, 2, 5, 1)
    for wrong in (lambda: m.get(), lambda: m.get(1, 2, 3), lambda: m.get(1, default=9)):
        with pytest.raises(TypeError):
            wrong()
    for wrong in (lambda: m.pop(), lambda: m.pop(1, 2, 3), lambda: m.pop(1, default=9)):
        with pytest.raises(TypeError):
            wrong()


def test_popitem(new_map):
    pairs = set(zip(range(1000), range(1000), strict=True))
    m = new_map(pairs)
    assert {m.popitem() for _ in range(1000)} == pairs
    with pytest.raises(KeyError, match="is empty"):
        m.popitem()


def test_views(new_map):
    m = new_map([(1, 2), (3, 1), (5, 3)])
    assert len(m.keys()) == len(m.values()) == len(m.items()) == 3
    assert (5 in m.keys(), 6 in m.keys()) == (True, False)  # noqa: SIM118
    assert (2 in m.values(), 6 in m.values()) == (True, False)
    assert ((3, 1) in m.items(), (5, 5) in m.items()) == (True, False)


def test_equality_and_copies(new_map):
    a = new_map([(1, 2), (3, 4)])
    assert a == new_map([(3, 4), (1, 2)]) == a.copy()
    assert new_map() == new_map()
    for other in (new_map(), new_map([(3, 4), (2, 2)]), new_map([(3, 4), (1, 3)])):
        assert a != other
        assert other != a


def test_update(new_map):
    a, b = new_map([(1, 2), (3, 1)]), new_map([(1, 3), (4, 6)])
    a.update(b)
    assert (a, b) == (new_map([(1, 3), (3, 1), (4, 6)]), {1: 3, 4: 6})
    a.update([])
    a.update([(1, 9)])
    assert a == {1: 9, 3: 1, 4: 6}
    for wrong in ([(1, 3), (4, 6, 4)], [(1, 3), (4,)]):
        with pytest.raises(ValueError, match="unpack"):
            a.update(wrong)
    assert a[1] == 3  # line 21: the pairs before the wrong one are set


def test_iteration_ends_when_keys_are_added(new_map):
    """Line 27: in cykhash, iterators that have begun may go on."""
    m = new_map([(42, 42)])
    walk = iter(m.keys())
    m[11] = 11
    with pytest.raises(RuntimeError, match="changed size"):
        next(walk)
    walk = iter(m.items())
    assert dict(walk) == {42: 42, 11: 11}
    m.clear()
    assert list(walk) == []


def test_maps_are_made_of_arrays_of_one_length(hmap_type):
    """Line 19: cykhash ignores the rest of the longer one."""
    m = hmap_type.from_arrays(np.array([1, 2, 3]), np.array([4.0, 5.0, 6.0]))
    assert m == {1: 4.0, 2: 5.0, 3: 6.0}
    for keys, values in (([1, 2, 3, 42], [4, 5, 6]), ([1, 2, 3], [4, 5, 6, 7])):
        with pytest.raises(ValueError, match="give one value per key"):
            hmap_type.from_arrays(keys, values)


def test_values_of_many_keys(new_map):
    """Line 22: cykhash's `..._to` stops at a missing key and returns a count; here that is a KeyError, or a default."""
    m = new_map([(0, 5), (1, 6), (2, 7)])
    assert m.get_many([2, 55, 1, 66, 0], 42).tolist() == [7, 42, 6, 42, 5]
    out = np.zeros(3, m.value_dtype)
    with pytest.raises(KeyError, match=r"key 55(\.0)? at position 1"):
        m.get_many([2, 55, 1], out=out)
    assert out[1:].tolist() == [0, 0]
    with pytest.raises(ValueError, match="shape"):
        m.get_many([2, 1], out=out)


def test_objects_are_released():
    class Thing:
        pass

    thing = Thing()
    before = sys.getrefcount(thing)
    m, s = HMap(object, object), HSet(object)
    for _ in range(2):
        m[thing] = thing
        s.add(thing)
    assert sys.getrefcount(thing) == before + 3
    s.discard(thing)
    del m
    assert sys.getrefcount(thing) == before


# ---- functions of arrays


def test_isin_any_all_none_count(new):
    s = new(range(0, 100, 2))
    sought = np.arange(-3, 103)
    found = s.contains_many(sought)
    assert found.tolist() == np.isin(sought, np.arange(0, 100, 2)).tolist() == np.isin(sought, s).tolist()
    assert (found.any(), found.all(), found.sum()) == (True, False, 50)
    assert not s.contains_many([]).any()
    assert s.contains_many([]).all()
    with pytest.raises(TypeError):
        s.contains_many(None)


def test_unique(new):
    keys = np.random.default_rng(5).integers(0, 300, 5000)
    assert sorted(new(keys).to_array().tolist()) == np.unique(keys).tolist()
