"""Arrays of a subclass whose methods lie: only the memory counts, as NumPy itself sees it."""

import numpy as np
import pytest

from lying_arrays import lying
from pyhmap import FrozenMap, FrozenSet, HIndex, HMap


@pytest.mark.parametrize("value_type", [np.int64, np.float32, object, str, "S20"])
def test_the_methods_of_an_array_are_not_trusted(value_type):
    """Keys, values and `out` are read and written as NumPy itself sees them."""
    keys = np.arange(1000)
    values = np.array([str(i) for i in keys] if value_type is str else keys.tolist()).astype(
        object if value_type in (object, str) else value_type
    )
    m = HMap(np.int64, value_type)
    m.set_many(lying(keys), lying(values))
    m.check()
    assert m.get_many(lying(keys)).tolist() == values.tolist()
    around = np.zeros(3000, values.dtype)
    out = lying(around[1000:2000])
    assert m.get_many(keys, out=out) is out
    assert around[1000:2000].tolist() == values.tolist()
    assert not around[:1000].any()
    assert not around[2000:].any()


@pytest.mark.parametrize("key_type", [str, "S30", "U30", object, np.float64, [("a", "i8"), ("b", "S8")]])
def test_the_methods_of_key_arrays_are_not_trusted(key_type):
    numbers = np.arange(1000)
    if isinstance(key_type, list):
        keys = np.zeros(1000, key_type)
        keys["a"] = numbers
    else:
        keys = numbers.astype("U30" if key_type is str else key_type)
    m = HMap(key_type, np.int64)
    m.set_many(lying(keys), lying(numbers))
    m.check()
    assert m.get_many(keys).tolist() == numbers.tolist()
    assert m.contains_many(lying(keys)).all()


def numbered(key_type):
    """A thousand keys of a type, as an array."""
    numbers = np.arange(1000)
    if not isinstance(key_type, list):
        return numbers.astype(key_type)
    keys = np.zeros(1000, key_type)
    keys["a"] = numbers
    return keys


@pytest.mark.parametrize(
    "key_type", [np.int64, np.int32, np.float64, "M8[s]", "S30", "U30", "V8", [("a", "i8"), ("b", "S8")]]
)
def test_frozen_maps_and_sets_do_not_trust_the_methods_of_arrays(key_type):
    keys = numbered(key_type)
    rows, values = np.arange(1000), np.arange(1000) * 3
    f, s = FrozenMap.from_arrays(lying(keys), lying(values)), FrozenSet.from_array(lying(keys))
    for each in (f, s, FrozenMap.from_arrays(lying(keys), lying(values), on_duplicate="last")):
        each.check()
        assert len(each) == 1000
        assert each.contains_many(lying(keys)).tolist() == [True] * 1000
        assert sorted(each.positions(lying(keys)).tolist()) == rows.tolist()
    assert f.get_many(lying(keys)).tolist() == values.tolist()
    found, present = f.lookup_many(lying(keys), threads=2)
    assert (found.tolist(), present.tolist()) == (values.tolist(), [True] * 1000)
    around = np.zeros(3000, np.int64)
    out = lying(around[1000:2000])
    assert f.get_many(keys, out=out) is out
    assert around[1000:2000].tolist() == values.tolist()
    assert not around[:1000].any()
    assert not around[2000:].any()


@pytest.mark.parametrize("value_type", [np.float32, "S20", "M8[ns]", [("a", "i8"), ("b", "S8")]])
def test_the_methods_of_an_array_of_values_are_not_trusted(value_type):
    keys, values = np.arange(1000), numbered(value_type)
    f = FrozenMap.from_arrays(keys, lying(values))
    assert f.get_many(keys).tolist() == values.tolist()
    assert f.get_many(np.array([-1]), lying(values[7:8])).tolist() == values[7:8].tolist()


@pytest.mark.parametrize(
    "key_type", [np.int64, np.int32, np.float64, "M8[s]", "S30", "U30", "V8", [("a", "i8"), ("b", "S8")]]
)
@pytest.mark.parametrize("code_type", [np.int64, np.int32, np.uint64])
def test_indexes_do_not_trust_the_methods_of_arrays(key_type, code_type):
    keys, codes = numbered(key_type), np.arange(1000, dtype=code_type)
    ix = HIndex(key_type)
    assert ix.encode(lying(keys)).tolist() == codes.tolist()
    for each in (ix, HIndex(key_type, lying(keys)), HIndex.from_labels(lying(keys)), ix.freeze()):
        each.check()
        assert len(each) == 1000
        assert each.encode(lying(keys), add=False).tolist() == codes.tolist()
        assert each.decode(lying(codes)).tolist() == each.labels().tolist() == keys.tolist()
        assert each.decode(lying(codes), to="list") == list(each)
        assert each.decode(lying(codes.reshape(10, 100)), missing=keys[0].item()).shape == (10, 100)
