"""A frozen map beside a dict: the same answers for all key and value types, however it was made."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinds import KINDS, VALUE_KINDS
from pyhmap import FrozenMap, HMap

TYPED = {name: kind for name, kind in KINDS.items() if name != "object"}
VALUES = {name: kind for name, kind in VALUE_KINDS.items() if name != "object"}
kinds = pytest.mark.parametrize("kind", TYPED.values(), ids=TYPED)
value_kinds = pytest.mark.parametrize("value_kind", VALUES.values(), ids=VALUES)
INFERRED = {"S5": bytes, "U4": str}  # from arrays of these types
NAN = float("nan")


def one_nan(key):
    """A dict finds NaN by identity only, so the model has one NaN object."""
    return NAN if key != key else key


def keys_of(kind):
    """Numbered keys, which repeat, keys at the borders of the type, and any others."""
    numbered = st.integers(0, min(kind.count, 60) - 1).map(kind.make)
    return st.one_of(numbered, numbered, st.sampled_from(kind.edge), kind.any).map(one_nan)


def by_freezing(kind, value, model, seed):
    return HMap(kind.spec, value, model).freeze(seed=seed)


def from_arrays(kind, value, model, seed):
    if not model:  # an empty array of objects has no type
        return by_freezing(kind, value, model, seed)
    values = np.array(list(model.values()), value)
    return FrozenMap.from_arrays(kind.array(model), values, seed=seed)


def of_the_last(kind, value, model, seed):
    """From arrays in which each key has another value before."""
    if not model:
        return by_freezing(kind, value, model, seed)
    keys, values = kind.array([*model, *model]), np.array([*(0 for _ in model), *model.values()], value)
    return FrozenMap.from_arrays(keys, values, on_duplicate="last", seed=seed)


def unpickled(kind, value, model, seed):
    f = by_freezing(kind, value, model, seed)
    return pickle.loads(pickle.dumps(f, 2 + seed % (pickle.HIGHEST_PROTOCOL - 1)))


WAYS = [by_freezing, from_arrays, of_the_last, unpickled]


def assert_answers_as(f, model, kind, asked):
    batch, n = kind.array(asked), len(model)
    there = [key in model for key in asked]
    assert len(f) == n
    # single keys
    assert [key in f for key in asked] == there
    assert [f.get(key, -7) for key in asked] == [model.get(key, -7) for key in asked]
    for key in asked:
        if key in model:
            assert f[key] == model[key]
        else:
            with pytest.raises(KeyError):
                f[key]
    # batches
    assert f.contains_many(batch).tolist() == there
    assert f.get_many(batch, -7).tolist() == [model.get(key, -7) for key in asked]
    values, found = f.lookup_many(batch)
    assert found.tolist() == there
    assert values.tolist() == [model.get(key, 0) for key in asked]
    if all(there):
        assert f.get_many(batch).tolist() == [model[key] for key in asked]
    else:
        with pytest.raises(KeyError, match=f"at position {there.index(False)} is not in the map"):
            f.get_many(batch)
    # the order of the rows
    rows = f.positions(batch).tolist()
    keys = [one_nan(key) for key in f]
    assert [keys[row] if row >= 0 else None for row in rows] == [
        key if key in model else None for key in map(one_nan, asked)
    ]
    assert f.positions(kind.array(model)).tolist() == [keys.index(key) for key in model]
    # iteration
    assert len(keys) == n
    assert {one_nan(key): value for key, value in f.items()} == model
    assert list(f.values()) == [model[key] for key in keys]
    key_array, value_array = f.to_arrays()
    assert (key_array.dtype, value_array.dtype) == (object if f.key_dtype in (str, bytes) else f.key_dtype, np.int64)
    assert repr(key_array.tolist()) == repr(kind.array(keys).tolist())
    assert value_array.tolist() == [model[key] for key in keys]
    assert repr(f.keys_array().tolist()) == repr(key_array.tolist())
    assert f.values_array().tolist() == value_array.tolist()
    f.check()


@kinds
@given(way=st.sampled_from(WAYS), data=st.data())
def test_a_frozen_map_answers_as_a_dict(kind, way, data):
    keys = data.draw(st.lists(keys_of(kind), max_size=70))
    model = {key: i for i, key in enumerate(keys)}
    asked = data.draw(st.lists(keys_of(kind) | st.sampled_from([*model] or kind.edge), max_size=70))
    f = way(kind, np.int64, model, data.draw(st.integers(0, 2**64)))
    assert f.key_dtype in (kind.spec, INFERRED.get(kind.spec))
    assert_answers_as(f, model, kind, asked)


@kinds
@given(data=st.data())
def test_all_copies_are_equal_to_it_and_to_the_map(kind, data):
    model = dict.fromkeys(data.draw(st.lists(keys_of(kind), max_size=40)), 1)
    m = HMap(kind.spec, np.int64, model)
    f = m.freeze()
    copies = [pickle.loads(pickle.dumps(f, protocol)) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)]
    for other in [m, HMap(f), m.freeze(), copy.copy(f), copy.deepcopy(f), *copies]:
        assert f == other
        assert other == f
    for other in copies:
        assert type(other) is FrozenMap
        assert hash(other) == hash(f)
        assert as_bytes(other) == as_bytes(f)
        other.check()
    more = HMap(f)
    more[kind.make(0)] = 2
    assert f != more
    assert f == m


def as_bytes(f):
    hash_key, shape, *sections = f._sections()
    return f.key_dtype, f.value_dtype, hash_key, shape, *(section.tobytes() for section in sections)


@value_kinds
@pytest.mark.parametrize("key", [np.int32, np.int64, str])
@given(data=st.data())
def test_values_of_every_type(key, value_kind, data):
    values = data.draw(st.lists(st.sampled_from(value_kind.values), max_size=40))
    model = {str(i) * 3 if key is str else i: value for i, value in enumerate(values)}
    f = HMap(key, value_kind.spec, model).freeze()
    assert dict(f) == model
    assert [f[each] for each in model] == values
    assert f.value_dtype == HMap(key, value_kind.spec).value_dtype
    expected = value_kind.array(values).tolist()
    assert f.get_many(list(model)).tolist() == expected
    assert f.lookup_many([*model, "absent" if key is str else -1])[0].tolist()[:-1] == expected
    assert pickle.loads(pickle.dumps(f)) == f
    if values:
        again = FrozenMap.from_arrays(*f.to_arrays())
        assert dict(again) == model
    f.check()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", [TYPED[name] for name in ("int32", "float64", "str", "bytes", "padded record")])
def test_many_keys(kind, threads):
    """Of several parts, and more than a chunk of the pipeline."""
    n = 70_000
    if kind.spec is str or kind.spec is bytes:
        keys = [kind.spec(str(i) + "." * (i % 20), *(["ascii"] if kind.spec is bytes else [])) for i in range(2 * n)]
    elif kind.spec in ("i4", "f8"):
        keys = np.random.default_rng(1).permutation(2 * n).astype(kind.spec)
    else:
        keys = np.array([(i % 100, i) for i in range(2 * n)], kind.spec)
    f = FrozenMap.from_arrays(keys[:n], np.arange(n), threads=threads)
    assert f._sections()[1][1] > 1
    f.check()
    assert f.get_many(keys, -1, threads=threads).tolist() == [*range(n), *[-1] * n]
    assert f.get_many(keys[:n], threads=threads).tolist() == list(range(n))
    assert f.contains_many(keys, threads=threads).tolist() == [True] * n + [False] * n
    rows = f.positions(keys, threads=threads)
    assert (np.sort(rows[:n]) == np.arange(n)).all()
    assert (rows[n:] == -1).all()
    assert f.values_array()[rows[:n]].tolist() == list(range(n))
    assert pickle.loads(pickle.dumps(f)) == f


def test_answers_in_an_array_of_bytes_at_an_odd_address():
    f = FrozenMap.from_arrays(np.arange(100), np.arange(100).astype("V8"))
    room = np.zeros(8 * 100 + 1, np.uint8)[1:].view("V8")
    f.get_many(np.arange(100), b"12345678", out=room)
    assert room.tolist() == np.arange(100).astype("V8").tolist()
