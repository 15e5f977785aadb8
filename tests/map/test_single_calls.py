"""Calls that take one key or value and are given an array, a list or a column."""

import array

import numpy as np
import pytest

from kinds import kinds
from pyhmap import HMap, HSet, nil
from support import refused

pytestmark = pytest.mark.frozen_too

MAP_CALLS = {
    "m[k]": lambda m, key: m[key],
    "m[k] = v": lambda m, key: m.__setitem__(key, 1),
    "del m[k]": lambda m, key: m.__delitem__(key),
    "k in m": lambda m, key: key in m,
    "get": lambda m, key: m.get(key),
    "setdefault": lambda m, key: m.setdefault(key, 1),
    "pop": lambda m, key: m.pop(key, None),
}
SET_CALLS = {
    "add": lambda s, key: s.add(key),
    "k in s": lambda s, key: key in s,
    "discard": lambda s, key: s.discard(key),
    "remove": lambda s, key: s.remove(key),
}
MANY = [[1, 2], [], np.array([1, 2]), np.array([1]), np.array(["a"]), np.zeros((2, 2)), range(3), array.array("q", [1])]


@kinds
def test_many_keys_are_refused_where_one_is_taken(hmap_type, kind):
    m = hmap_type(kind.spec, np.int64, {kind.keys[0]: 1})
    for call in MAP_CALLS.values():
        for many in (kind.array(kind.keys[:2]), kind.array(kind.keys[:1]), kind.keys[:2]):
            with refused(m, TypeError, "call get_many, contains_many, set_many, pop_many or discard_many"):
                call(m, many)


@pytest.mark.parametrize("many", MANY, ids=repr)
@pytest.mark.parametrize("key", [np.int64, np.int16, np.float64, np.float32, str, bytes, "S3", "M8[s]", "V2"], ids=str)
def test_the_error_names_what_was_given_and_what_is_held(hmap_type, key, many):
    m = hmap_type(key, np.int64)
    held = f"key is of type {type(many).__name__}; this map holds {m._key_codec.name}: give one key, or call get_many"
    for call in MAP_CALLS.values():
        with pytest.raises(TypeError) as caught:
            call(m, many)
        assert str(caught.value).startswith(held)
        assert caught.value.__suppress_context__


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_columns(hmap_type, library):
    module = pytest.importorskip(library)
    column = module.array([1, 2]) if library == "pyarrow" else module.Series([1, 2])
    for key in (np.int64, str, object):
        m = hmap_type(key, np.int64)
        for call in MAP_CALLS.values():
            with pytest.raises(TypeError, match="get_many"):
                call(m, column)


def test_sets_name_their_own_calls():
    for key, reason in ((np.int64, "key is of type ndarray; this set holds int64"), (object, "unhashable type")):
        s = HSet(key, [1])
        for call in SET_CALLS.values():
            with pytest.raises(
                TypeError, match=f"{reason}.*: give one .*key, or call add_many, contains_many or discard"
            ):
                call(s, np.array([1, 2]))
        assert s == {1}


@kinds
def test_an_array_without_dimensions_is_its_item(hmap_type, kind):
    m = hmap_type(kind.spec, np.int64)
    for i, key in enumerate(kind.keys):
        zero = kind.array([key]).reshape(())
        m[zero] = i
        assert (len(m), m[key], m[zero], m.get(zero), m.setdefault(zero, -1), zero in m) == (i + 1, i, i, i, i, True)
    assert set(m) == set(kind.keys)
    for i, key in enumerate(kind.keys):
        assert m.pop(kind.array([key]).reshape(())) == i
    m.check()


def test_what_an_array_without_dimensions_holds_is_checked(hmap_type):
    m = hmap_type(np.int64, np.int64, {1: 1})
    for call in MAP_CALLS.values():
        with refused(m, TypeError, "key .*1.5.* is of type float64; this map holds int64"):
            call(m, np.array(1.5))
        with refused(m, TypeError, "key .*a.* is of type str_; this map holds int64"):
            call(m, np.array("a"))
        with refused(m, OverflowError, "outside int64"):
            call(m, np.array(2**63, np.uint64))


def test_values(hmap_type):
    m = hmap_type(np.int64, np.float64, {1: 0.5})
    m[1] = np.array(2.5)
    assert m[1] == 2.5
    for many in ([1.0, 2.0], np.array([1.0]), range(2)):
        for write in (lambda m, many=many: m.__setitem__(1, many), lambda m, many=many: m.setdefault(2, many)):
            with refused(
                m, TypeError, "value is of type .*holds float64: give one value, or call set_many or setdefault"
            ):
                write(m)
    rows = hmap_type(np.int64, ("f8", (2,)))
    with refused(rows, TypeError, r"is of shape \(3,\).*give shape \(2,\)"):
        rows[1] = np.zeros(3)
    objects = hmap_type(np.int64, object)
    objects[1] = many
    assert objects[1] is many


def test_other_objects_keep_their_own_errors(hmap_type):
    m, objects = hmap_type(np.int64, np.int64), hmap_type(object, np.int64)
    with pytest.raises(TypeError, match=r"key \(1, 2\) is of type tuple; this map holds int64: convert the key"):
        m[1, 2]
    with pytest.raises(TypeError, match=r"unhashable type: 'list'$"):
        objects[1, [2]]

    class Broken:
        def __hash__(self):
            raise TypeError("mine")

    with pytest.raises(TypeError, match=r"^mine$"):
        objects[Broken()]


def test_nil_maps_refuse_many_keys_first():
    m = nil(np.int64, np.int64)
    for call in MAP_CALLS.values():
        with pytest.raises(TypeError, match="key is of type ndarray; this map holds int64: give one key"):
            call(m, np.array([1, 2]))


def test_errors_of_a_set_speak_of_a_set():
    s = HSet(np.int64, [1])
    for call in (lambda: s.add("a"), lambda: s.add_many(["a"]), lambda: s.contains_many([1, 2.5]), lambda: "a" in s):
        with pytest.raises(TypeError, match="; this set holds int64: convert the key"):
            call()
    walk = iter(s)
    s.add(2)
    with pytest.raises(RuntimeError, match="HSet changed size during iteration"):
        next(walk)
    with pytest.raises(KeyError, match=r"pop\(\): HSet is empty"):
        HSet(str).pop()
    assert HMap(np.int64, "V0")._key_codec.holder == "map"
