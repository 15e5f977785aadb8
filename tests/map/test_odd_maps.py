"""Maps that meet themselves: as their own update, value, key order or iterator. And the longest keys, and padding."""

import copy
import pickle
from itertools import islice

import numpy as np
import pytest

from pyhmap import HMap
from support import fragmented, items_of

pytestmark = pytest.mark.frozen_too

UPDATES = [lambda m: m.update(m), lambda m: m.__ior__(m), lambda m: m.set_many(*m.to_arrays())]


@pytest.mark.parametrize("update", UPDATES, ids=["update", "|=", "set_many"])
def test_updating_a_map_from_itself_changes_nothing(hmap_type, update):
    m = hmap_type(np.int64, np.int64, ((i, -i) for i in range(300)))
    update(m)
    assert items_of(m) == {i: -i for i in range(300)}
    m.check()


def test_updating_a_map_from_its_own_views():
    """As with dict, overwriting is no change of size; new keys are."""
    m = HMap(np.int64, np.int64, ((i, i) for i in range(300)))
    m.update((key, -value) for key, value in m.items())
    assert items_of(m) == {i: -i for i in range(300)}
    with pytest.raises(RuntimeError, match="changed size during iteration"):
        m.update((key + 1000, value) for key, value in m.items())
    assert len(m) == 301
    m.check()


@pytest.mark.frozen_too(False)
def test_making_a_map_from_another_that_changes_meanwhile(hmap_type):
    source = hmap_type(np.int64, np.int64, ((i, i) for i in range(300)))

    def keys():
        for key in source:
            source.clear()
            yield key

    with pytest.raises(RuntimeError, match="changed size during iteration"):
        hmap_type.fromkeys(keys(), 1)
    assert len(source) == 0


def test_a_map_that_holds_itself_can_be_shown_and_copied(hmap_type):
    m = hmap_type(str, object)
    m["me"] = m
    assert repr(m).count("{'me': ") == 1
    assert "..." in repr(m)
    assert m.copy()["me"] is m
    copied = copy.deepcopy(m)
    assert copied["me"] is copied
    m.check()


class Changes:
    """A value whose comparison changes a map."""

    def __init__(self, change):
        self.change = change

    def __eq__(self, other):
        self.change()
        return True

    __hash__ = None


@pytest.mark.parametrize("which", ["left", "right", "both"])
@pytest.mark.parametrize("change", ["clear", "grow", "compact", "delete"])
def test_a_comparison_of_two_maps_that_changes_them(hmap_type, which, change):
    """It answers or raises RuntimeError; the maps stay whole."""
    left, right = hmap_type(object, object), hmap_type(object, object)

    def act():
        for m in {"left": [left], "right": [right], "both": [left, right]}[which]:
            if change == "clear":
                m.clear()
            elif change == "grow":
                m.update((("new", i), None) for i in range(len(m), len(m) + 100))
            elif change == "compact":
                m.compact()
            else:
                m.pop(1, None)

    for m in (left, right):
        m.update((i, Changes(act)) for i in range(20))
    try:
        outcome = str(left == right)
    except RuntimeError as error:
        outcome = str(error)
    assert outcome in ("True", "False") or "changed size during iteration" in outcome
    left.check()
    right.check()


@pytest.mark.frozen_too(False)
def test_a_generator_over_a_map_that_is_cleared_in_the_middle_of_a_growth(hmap_type):
    m = hmap_type(np.int64, np.int64, ((i, i) for i in range(13 * 32 + 1)))
    assert m.header().oldbuckets
    suspended, dropped = ((key, value) for key, value in m.items()), (key for key in m)
    assert len(list(islice(suspended, 10))) == len(list(islice(dropped, 10))) == 10
    del dropped
    m.clear()
    with pytest.raises(RuntimeError, match="changed size during iteration"):
        next(suspended)
    m.update((i, i) for i in range(100))
    assert sorted(m) == list(range(100))
    m.check()


def test_copies_of_a_map_in_a_same_size_growth_that_must_double_next(hmap_type):
    for step in range(0, 16, 3):
        for twin in (lambda m: m.copy(), lambda m: pickle.loads(pickle.dumps(m)), lambda m: m):
            m, items = fragmented(hmap_type, 4)
            m._evacuate(step)
            more = {10**6 + i: i for i in range(200)}
            other = twin(m)
            other.update(more)
            assert items_of(other) == items | more
            assert items_of(m) == (items | more if other is m else items)
            other.check()
            m.check()


@pytest.mark.parametrize("twin", [lambda m: m.copy(), lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy])
def test_the_order_of_a_copy_floods_no_other_map(hmap_type, twin):
    source = hmap_type(np.int64, np.int64, ((i, i) for i in range(3000)))
    for order in (list(source), list(twin(source))):
        for target in (hmap_type(np.int64, np.int64), twin(source)):
            for key in order:
                target[key] = 1
            assert len(target.stats().chain_lengths) - 1 <= 4


@pytest.mark.release_only
@pytest.mark.slow
def test_a_key_of_one_gibibyte():
    long = bytes(1 << 30)
    m = HMap(bytes, np.int64, {long: 1, long[:-1]: 2})
    assert m[long] == 1
    assert m.get_many([long[:-1], long], 0).tolist() == [2, 1]
    del m[long]
    assert [len(key) for key in m] == [(1 << 30) - 1]


def test_padding_of_values_is_zero_wherever_they_come_from(hmap_type):
    """So that no byte of the process's memory leaves it in a pickle or an array."""
    padded = np.dtype({"names": ["a", "b"], "formats": ["u1", "f8"], "offsets": [0, 8], "itemsize": 24})
    values = np.full(24 * 50, 255, np.uint8).view(padded)
    values["a"], values["b"] = 7, 0.5
    m = hmap_type(np.int64, padded)
    m.set_many(range(50), values)
    m[50] = values[0]
    unpickled = pickle.loads(pickle.dumps(m))
    for array in (m.to_arrays()[1], m.values_array(), m.get_many([50, 1]), unpickled.values_array()):
        rows = array.view(np.uint8).reshape(len(array), 24)
        assert not rows[:, 1:8].any()
        assert not rows[:, 16:].any()
        assert array["a"].tolist() == [7] * len(array)
