"""Arrays of a subclass whose methods lie: only the memory counts, as NumPy itself sees it."""

import numpy as np
import pytest

from lying_arrays import lying
from pyhmap import HMap


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
