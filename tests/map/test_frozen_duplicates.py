"""Keys that occur twice in what `FrozenMap.from_arrays` is given: an error names them, or the last value counts."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinds import KINDS
from pyhmap import FrozenMap
from pyhmap._reference.frozen import BUCKET_MAX, PART_KEYS
from support import hash_key_of

TYPED = {name: kind for name, kind in KINDS.items() if name != "object"}
kinds = pytest.mark.parametrize("kind", TYPED.values(), ids=TYPED)
NAN = float("nan")


def from_arrays(keys, values=None, **settings):
    values = np.arange(len(keys)) if values is None else values
    return FrozenMap.from_arrays(keys, values, **settings)


def message(keys):
    """What is said of these keys. The first key that has occurred before is named, with the first place it occurred."""
    first = {}
    for i, key in enumerate(keys):
        if key in first:
            return f"keys[{i}] is {key!r}, as keys[{first[key]}] is: give each key once, or on_duplicate='last'"
        first[key] = i
    return None


def assert_refused(batch, keys, **settings):
    with pytest.raises(ValueError) as raised:
        from_arrays(batch, **settings)
    assert str(raised.value) == message(keys)


@kinds
def test_the_first_duplicate_is_named_with_both_positions(kind):
    keys = kind.keys
    last = len(keys) - 1
    for more in ([0], [last], [last, 0], [0, 0, last]):
        repeated = keys + [keys[i] for i in more]
        assert_refused(kind.array(repeated), repeated)
    assert_refused(kind.array([keys[1], keys[0], *keys]), [keys[1], keys[0], *keys])


@pytest.mark.parametrize("name", ["int32", "float64", "str"])
@pytest.mark.parametrize("n", [2, BUCKET_MAX, BUCKET_MAX + 1, 1000, 3 * PART_KEYS])
def test_a_key_may_occur_more_often_than_a_bucket_or_a_part_has_room_for(name, n):
    key = TYPED[name].make(5)
    assert_refused(TYPED[name].array([key]).repeat(n), [key, key], threads=2)


def test_a_key_that_occurs_often_among_others():
    keys = np.arange(3 * PART_KEYS)
    keys[500:700] = 77
    assert_refused(keys, keys.tolist())
    keys[:-500] = 77
    assert_refused(keys, keys.tolist(), threads=3)


@pytest.mark.parametrize("seed", range(5))
def test_one_duplicate_among_many_keys(seed):
    rng = np.random.default_rng(seed)
    keys = rng.integers(0, 2**62, 100_000)
    second = int(rng.integers(1, len(keys)))
    keys[second] = keys[int(rng.integers(second))]
    assert_refused(keys, keys.tolist(), threads=1 + seed % 3)


@pytest.mark.parametrize("n", [100, 100_000])
def test_each_key_twice(n):
    keys = np.random.default_rng(n).permutation(n).repeat(2)
    assert_refused(keys, keys.tolist())


@pytest.mark.parametrize(
    ("batch", "shown"),
    [
        (np.array([0.0, 1.0, -0.0]), "keys[2] is 0.0, as keys[0] is"),
        (np.array([NAN, 1.0, -NAN]), "keys[2] is nan, as keys[0] is"),
        (np.array(["NaT", "2000-01-01", "NaT"], "M8[s]"), f"keys[2] is {np.datetime64('NaT', 's')!r}, as keys[0] is"),
        (["a", "b", "a"], "keys[2] is 'a', as keys[0] is"),
        (("a", "b", "a"), "keys[2] is 'a', as keys[0] is"),
        (iter([1, 2, 1]), "keys[2] is 1, as keys[0] is"),
        (np.array([1, 2, 3, 2, 1])[::-2], "keys[2] is 1, as keys[0] is"),
        (np.array(["a" * 20, "b", "a" * 20], np.dtypes.StringDType()), "keys[2] is 'aaaaaaaaaaaaaaaaaaaa', as keys[0]"),
        (pa.array(["a" * 20, "b", "a" * 20]), "keys[2] is 'aaaaaaaaaaaaaaaaaaaa', as keys[0] is"),
        (pa.array(["a", "b", "a"]).dictionary_encode(), "keys[2] is 'a', as keys[0] is"),
        (pa.chunked_array([["a", "b"], ["b"]]), "keys[2] is 'b', as keys[1] is"),
        (pa.array([5, 6, 6]), "keys[2] is 6, as keys[1] is"),
    ],
)
def test_in_any_container(batch, shown):
    with pytest.raises(ValueError) as raised:
        FrozenMap.from_arrays(batch, [1, 2, 3])
    assert str(raised.value).startswith(shown)


def test_a_null_is_no_duplicate_but_refused():
    for keys in (pa.array(["a", None, "a", None]), pa.array([1, None, 1])):
        with pytest.raises(ValueError, match=r"keys\[1\] is null: fill or drop nulls"):
            from_arrays(keys)
        with pytest.raises(ValueError, match=r"keys\[1\] is null: fill or drop nulls"):
            from_arrays(keys, on_duplicate="last")


small = st.integers(-20, 20)


@given(st.lists(small | st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=40))
def test_ints_are_refused_as_a_dict_finds_them(keys):
    batch = np.array(keys, np.int64)
    if message(keys):
        assert_refused(batch, keys)
        assert dict(from_arrays(batch, on_duplicate="last")) == {key: i for i, key in enumerate(keys)}
    else:
        assert dict(from_arrays(batch)) == {key: i for i, key in enumerate(keys)}


@given(st.lists(st.text("ab", max_size=3) | st.text("ab", min_size=12, max_size=14), min_size=1, max_size=40))
def test_texts_are_refused_as_a_dict_finds_them(keys):
    if message(keys):
        assert_refused(keys, keys)
        assert dict(from_arrays(keys, on_duplicate="last")) == {key: i for i, key in enumerate(keys)}
    else:
        assert dict(from_arrays(keys)) == {key: i for i, key in enumerate(keys)}


# ---- on_duplicate="last" ---------------------------------------------------------------------------------------------


@kinds
def test_the_last_value_counts(kind):
    keys = kind.keys * 3
    f = from_arrays(kind.array(keys), on_duplicate="last")
    assert dict(f) == {key: 2 * len(kind.keys) + i for i, key in enumerate(kind.keys)}
    f.check()


@pytest.mark.parametrize("threads", [1, 3])
def test_the_last_of_many_values_counts(threads):
    keys = np.random.default_rng(1).integers(0, 120_000, 400_000)
    f = from_arrays(keys, on_duplicate="last", threads=threads, seed=5)
    assert dict(f) == {key: i for i, key in enumerate(keys.tolist())}
    assert f._sections()[0] == hash_key_of(5)
    f.check()


@pytest.mark.parametrize("on_duplicate", ["raise", "last"])
def test_no_keys_at_all(on_duplicate):
    assert dict(from_arrays(np.array([], np.int32), np.array([], "f4"), on_duplicate=on_duplicate)) == {}


@pytest.mark.parametrize("on_duplicate", ["first", "", None, 1, "LAST"])
def test_other_choices_are_refused(on_duplicate):
    with pytest.raises(ValueError, match=r"on_duplicate=.*: give 'raise' or 'last'"):
        from_arrays(np.array([1, 2]), on_duplicate=on_duplicate)
