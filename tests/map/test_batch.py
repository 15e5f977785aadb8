"""Batch calls agree with the scalar calls, for every layout of the arrays, and fail as a whole."""

import tracemalloc

import numpy as np
import pytest

from pyhmap import HMap
from pyhmap._inspect.hashes import hash_words, tophashes
from support import KEY_DTYPES, growing, items_of, refused

pytestmark = pytest.mark.frozen_too


@pytest.fixture(params=KEY_DTYPES, ids=lambda dtype: dtype.__name__)
def dtype(request):
    return request.param


@pytest.fixture
def m(hmap_type, dtype):
    """Keys 0, 2, 4, ..., 3998; the value is ten times the key. Enough for overflow buckets and many blocks."""
    m = hmap_type(dtype, np.int64, seed=11)
    m.set_many(np.arange(0, 4000, 2).astype(dtype), np.arange(0, 40000, 20))
    return m


@pytest.fixture
def ints(hmap_type):
    return hmap_type(np.int64, np.int64, {i: 10 * i for i in range(50)})


def agree_with_scalar_calls(m, keys):
    """Check that every read call returns for these keys what the scalar calls return."""
    scalars = [m.get(key) for key in list(keys)]
    found = [value is not None for value in scalars]
    values, mask = m.lookup_many(keys)
    assert values.tolist() == [value or 0 for value in scalars]
    assert mask.tolist() == m.contains_many(keys).tolist() == found
    assert m.get_many(keys, -1).tolist() == [-1 if value is None else value for value in scalars]
    assert (values.dtype, mask.dtype) == (m.value_dtype, np.bool_)
    assert values.shape == mask.shape == (len(found),)
    if all(found):
        assert m.get_many(keys).tolist() == scalars
    else:
        with pytest.raises(KeyError, match=f"at position {found.index(False)} "):
            m.get_many(keys)


@pytest.mark.parametrize("n", [0, 1, 2, 8, 47, 48, 49, 95, 96, 97, 143, 144, 145, 191, 192, 193, 511, 512, 513, 3000])
def test_every_length_around_blocks_and_the_gils_limit(m, dtype, n):
    agree_with_scalar_calls(m, np.arange(n).astype(dtype))
    agree_with_scalar_calls(m, (2 * np.arange(n) % 4000).astype(dtype))
    agree_with_scalar_calls(m, (2 * np.arange(n) + 1).astype(dtype))


def test_set_many_is_set_in_order(hmap_type, dtype):
    rng = np.random.default_rng(5)
    one, many, expected = hmap_type(dtype, np.int64), hmap_type(dtype, np.int64), {}
    for n in (1, 5, 100, 1000, 3000):
        keys = rng.integers(0, 2000, n).astype(dtype)
        values = rng.integers(-(2**63), 2**63 - 1, n)
        many.set_many(keys, values)
        for key, value in zip(keys.tolist(), values.tolist(), strict=True):
            one[key] = expected[key] = value
        assert items_of(many) == items_of(one) == expected
        many.check()


def test_of_equal_keys_in_a_batch_the_last_wins(hmap_type):
    m = hmap_type(np.int64, np.int64)
    m.set_many([5, 6, 5, 7, 5], [1, 2, 3, 4, 5])
    m.set_many(np.full(1000, 9), np.arange(1000))
    assert items_of(m) == {5: 5, 6: 2, 7: 4, 9: 999}
    assert m.get_many([5, 9, 5]).tolist() == [5, 999, 5]


def test_a_batch_through_many_growths(hmap_type):
    m = hmap_type(np.int64, np.int64)
    m.set_many(np.arange(20_000), np.arange(20_000)[::-1])
    assert m.header().B == 12
    assert items_of(m) == dict(enumerate(range(19_999, -1, -1)))
    m.check()


@pytest.mark.parametrize("n", [9, 14, 100, 416, 417, 5000, 13 << 10, (13 << 10) + 1, 20_000])
@pytest.mark.parametrize("before", [0, 5, 300])
def test_a_batch_ends_with_the_buckets_that_doubling_gives(hmap_type, n, before):
    m = hmap_type(np.int64, np.int64, ((-1 - i, i) for i in range(before)))
    m.set_many(np.arange(n), 0)
    B = 0
    while n + before > 8 and n + before > 6.5 * 2**B:
        B += 1
    assert m.header().B == B
    assert len(m) == n + before
    m.check()


@pytest.mark.parametrize("new", [9, 60, 420, 3400])
def test_keys_that_stop_being_new_leave_no_room_behind(hmap_type, new):
    """A batch that begins with new keys grows for more of them, and shrinks at its end if they do not come."""
    few, m = hmap_type(np.int64, np.int64), hmap_type(np.int64, np.int64)
    for key in range(new):
        few[key] = 1
    m.add_many(np.concatenate([np.arange(new), np.zeros(20_000, np.int64)]))
    assert m.header().B == few.header().B
    assert items_of(m) == dict.fromkeys(range(new), 1) | {0: 20_001}
    m.check()


def test_a_batch_of_new_keys_takes_several_doublings_at_once(hmap_type):
    m = hmap_type(np.int64, np.int64)
    m.set_many(np.arange(20_000), 0)
    assert m.stats().growths == 4  # to 2^3, 2^6, 2^9 and 2^12 buckets
    repeated = hmap_type(np.int64, np.int64)
    repeated.set_many(np.repeat(np.arange(2000), 3), 0)
    assert repeated.stats().growths == repeated.header().B


# ---- layouts ---------------------------------------------------------------------------------------------------------


def layouts(base):
    """The same numbers in every form that an array or a sequence of them can have."""
    read_only = base.copy()
    read_only.flags.writeable = False
    table = np.zeros((len(base), 3), base.dtype)
    table[:, 1] = base
    records = np.zeros(len(base), [("pad", np.int8), ("x", base.dtype)])
    records["x"] = base
    raw = np.frombuffer(b"." + base.tobytes(), np.uint8)[1:].view(base.dtype)
    assert not records["x"].flags.aligned
    assert not raw.flags.aligned
    return {
        "strided": np.repeat(base, 2)[::2],
        "reversed": base[::-1].copy()[::-1],
        "read-only": read_only,
        "byte-swapped": base.astype(base.dtype.newbyteorder()),
        "column": table[:, 1],
        "unaligned field": records["x"],
        "unaligned": raw,
        "broadcast": np.broadcast_to(base[:1], (len(base),)),
        "memoryview": memoryview(base),
        "list": base.tolist(),
        "tuple": tuple(base.tolist()),
        "numpy scalars": list(base),
        "iterator": iter(base.tolist()),
        "dict keys": dict.fromkeys(base.tolist()).keys(),
        "objects": base.astype(object),
        "empty": base[:0],
        "subclass": base.view(np.recarray),
        "int32": base.astype(np.int32),
        "uint8": (base % 200).astype(np.uint8),
    }


LAYOUTS = list(layouts(np.arange(1)))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_keys(m, dtype, layout):
    base = np.arange(600).astype(dtype)
    numbers = list(layouts(base)[layout])
    expected = [m.get(key, -1) for key in numbers]
    assert m.get_many(layouts(base)[layout], -1).tolist() == expected
    assert m.contains_many(layouts(base)[layout]).tolist() == [value != -1 for value in expected]
    assert m.lookup_many(layouts(base)[layout])[0].tolist() == [max(value, 0) for value in expected]
    m.set_many(layouts(base)[layout], 7)
    assert all(m[key] == 7 for key in numbers)
    assert m.get_many([1000])[0] == 10_000
    m.check()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_values(hmap_type, dtype, layout):
    base = np.arange(600).astype(dtype)
    m = hmap_type(np.int64, dtype)
    numbers = list(layouts(base)[layout])
    m.set_many(range(len(numbers)), layouts(base)[layout])
    assert items_of(m) == dict(enumerate(numbers))


def test_lists_of_ints_beyond_int64_stay_exact(hmap_type):
    m = hmap_type(np.uint64, np.uint64)
    m.set_many([2**64 - 1, 1, 2**63 + 1], [2**64 - 1, 1, 2**53 + 1])
    assert items_of(m) == {2**64 - 1: 2**64 - 1, 1: 1, 2**63 + 1: 2**53 + 1}
    assert m.get_many([1, 2**63 + 1]).tolist() == [1, 2**53 + 1]


def test_range_and_empty_sequences(ints):
    assert ints.get_many(range(10, 20)).tolist() == list(range(100, 200, 10))
    for empty in ([], (), range(0), np.array([]), np.array([], np.int32), iter([])):
        before = items_of(ints)
        assert ints.get_many(empty).shape == (0,)
        assert ints.get_many(empty).dtype == np.int64
        assert ints.contains_many(empty).tolist() == []
        ints.set_many(empty, [])
        ints.set_many(empty, 5)
        assert items_of(ints) == before


@pytest.mark.parametrize(
    "other", [bool, np.int8, np.uint16, np.int32, np.uint64, np.int64, np.float16, np.float32, float]
)
def test_batch_and_scalar_agree_on_what_is_a_key(hmap_type, dtype, other):
    m = hmap_type(dtype, np.int64, {dtype(0): 5, dtype(1): 6})
    keys = np.array([0, 1], other)
    try:
        scalars = [m[key] for key in keys]
    except TypeError:
        with pytest.raises(TypeError):
            m.get_many(keys)
    else:
        assert m.get_many(keys).tolist() == scalars == [5, 6]


def test_scalar_values_and_defaults(hmap_type):
    m = hmap_type(np.int64, np.float64)
    m.set_many(range(5), 1)
    m.set_many([1, 2], np.float32(0.5))
    m.set_many([3], np.array(2.5))
    assert items_of(m) == {0: 1.0, 1: 0.5, 2: 0.5, 3: 2.5, 4: 1.0}
    assert m.get_many([9, 3], 7).tolist() == [7.0, 2.5]
    assert m.get_many([9, 3], default=np.float64(-0.5)).tolist() == [-0.5, 2.5]
    assert np.isnan(m.get_many([9], float("nan")))


# ---- out= and threads= -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_and_out_change_nothing_but_where_it_lies(m, dtype, threads):
    keys = np.arange(3000).astype(dtype)
    expected = m.get_many(keys, -1)
    out = np.zeros(3000, np.int64)
    assert m.get_many(keys, -1, out=out, threads=threads) is out
    assert out.tolist() == expected.tolist()
    spread = np.zeros((3000, 2), np.int64)
    m.get_many(keys, -1, out=spread[:, 1], threads=threads)
    assert spread[:, 1].tolist() == expected.tolist()
    assert not spread[:, 0].any()
    assert m.contains_many(keys, threads=threads).tolist() == (expected != -1).tolist()
    assert m.lookup_many(keys, threads=threads)[1].tolist() == (expected != -1).tolist()


@pytest.mark.parametrize("shift", [-500, -1, 0, 1, 100, 500])
def test_out_may_overlap_the_keys(ints, shift):
    buffer = np.arange(2000) % 50
    keys, out = buffer[500:1500], buffer[500 + shift : 1500 + shift]
    expected = (10 * keys).tolist()
    ints.get_many(keys, out=out)
    assert out.tolist() == expected


def test_out_that_overlaps_reversed_keys(ints):
    buffer = np.arange(1000) % 50
    expected = (10 * buffer[::-1]).tolist()
    ints.get_many(buffer[::-1], out=buffer)
    assert buffer.tolist() == expected


@pytest.mark.parametrize("n", [3, 1000])
def test_out_after_a_missing_key(ints, n):
    keys = np.arange(n) % 50
    keys[n // 2] = 99
    out = np.full(n, -1)
    with refused(ints, KeyError, f"key 99 at position {n // 2} "):
        ints.get_many(keys, out=out)
    untouched = out == -1
    assert np.array_equal(out[~untouched], (10 * keys)[~untouched])
    assert untouched[n // 2 :].all()


def test_out_wherever_a_key_is_missing(ints):
    """Kernels take some keys in groups, and the last ones of a block one by one."""
    keys = np.arange(107) % 50
    for missing in range(len(keys)):
        asked, out = keys.copy(), np.full(len(keys), -1)
        asked[missing] = 99
        with refused(ints, KeyError, f"key 99 at position {missing} "):
            ints.get_many(asked, out=out)
        assert (out[missing:] == -1).all()
        before = out[:missing]
        assert ((before == -1) | (before == 10 * keys[:missing])).all()
        found = np.where(asked == 99, -7, 10 * keys)
        assert ints.get_many(asked, -7).tolist() == found.tolist()


def test_answers_in_out_take_no_memory_of_their_own():
    m = HMap(np.int64, np.int64, {i: 10 * i for i in range(50)})
    keys, out = np.arange(100_000) % 50, np.empty(100_000, np.int64)
    tracemalloc.start()
    try:
        m.get_many(keys, out=out, threads=2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < out.nbytes / 10
    assert np.array_equal(out, 10 * keys)


def test_out_of_the_wrong_kind(ints):
    read_only = np.zeros(2, np.int64)
    read_only.flags.writeable = False
    for out, error in (
        ([0, 0], TypeError),
        (np.zeros(2, np.int32), TypeError),
        (np.zeros(2, np.float64), TypeError),
        (np.zeros(2, ">i8"), TypeError),
        (np.zeros(3, np.int64), ValueError),
        (np.zeros(1, np.int64), ValueError),
        (np.zeros((2, 1), np.int64), ValueError),
        (np.zeros((), np.int64), ValueError),
        (read_only, ValueError),
        (ints.bucket_arrays().values[0][:2], ValueError),
    ):
        with refused(ints, error, "out"):
            ints.get_many([1, 2], out=out)


# ---- failure as a whole ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [4, 100, 2000])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_missing_key_is_named_with_its_position(m, dtype, n, threads):
    keys = np.zeros(n, dtype)
    for position in {0, 1, n // 2, n - 1}:
        keys[:] = 2
        keys[position:] = 17
        with refused(m, KeyError, rf"key 17(\.0)? at position {position} is not in the map"):
            m.get_many(keys, threads=threads)


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ([1, 1.5], TypeError),
        ([1.0], TypeError),
        ([1, "a"], TypeError),
        ([1, None], TypeError),
        ("12", TypeError),
        (b"12", TypeError),
        (7, TypeError),
        (None, TypeError),
        (np.array([1.0, 2.0]), TypeError),
        (np.array(["a"]), TypeError),
        (np.array([1j]), TypeError),
        (np.array(["2020-01-01"], "M8[s]"), TypeError),
        ([1, 2**63], OverflowError),
        ([1, -(2**63) - 1], OverflowError),
        (np.array([1, 2**63], np.uint64), OverflowError),
        ([[1, 2], [3, 4]], (TypeError, ValueError)),
        (np.zeros((2, 2), np.int64), ValueError),
        (np.int64(3), ValueError),
        (np.array(3), ValueError),
    ],
    ids=repr,
)
def test_keys_that_are_refused(ints, keys, error):
    for call in (
        lambda: ints.get_many(keys),
        lambda: ints.get_many(keys, 0),
        lambda: ints.lookup_many(keys),
        lambda: ints.contains_many(keys),
        lambda: ints.set_many(keys, 1),
    ):
        with refused(ints, error):
            call()


def test_a_key_that_is_refused_is_named_with_its_position(ints):
    for keys, error in (([3, 4, 2**63], OverflowError), ([3, 4, 5.5], TypeError), ([3, 4, "5"], TypeError)):
        with refused(ints, error, r"keys\[2\]"):
            ints.set_many(keys, 1)
    with refused(ints, OverflowError, r"keys\[600\].*9223372036854775808"):
        ints.set_many(np.where(np.arange(700) == 600, np.uint64(2**63), np.uint64(1)), 1)
    with refused(ints, OverflowError, r"values\[1\]"):
        ints.set_many([3, 4], [1, 2**63])


def test_a_negative_key_for_an_unsigned_map(hmap_type):
    m = hmap_type(np.uint64, np.int64, {1: 1})
    for keys in ([1, -1], np.array([1, -1]), np.array([1, -1], np.int8)):
        with refused(m, OverflowError, r"keys\[1\].*-1"):
            m.set_many(keys, 1)


@pytest.mark.parametrize("keys", [[2**53 + 1], np.array([0, 2**53 + 1]), np.array([2**64 - 1], np.uint64), [1 << 2000]])
def test_ints_that_no_float_equals_in_a_float_map(hmap_type, keys):
    m = hmap_type(np.float64, np.int64, {1.0: 1})
    with refused(m, OverflowError, "keys"):
        m.set_many(keys, 1)


@pytest.mark.parametrize(
    "values", [[1], [1, 2, 3], [], np.zeros(3), np.zeros((2, 1), np.int64), np.zeros((2, 2), np.int64)]
)
def test_values_of_another_shape(ints, values):
    with refused(ints, (ValueError, TypeError)):
        ints.set_many([100, 3], values)
    with refused(ints, ValueError, "2 keys but 3 values"):
        ints.set_many([100, 3], [1, 2, 3])


def test_a_string_of_digits_is_no_value(ints):
    for values in ("12", b"12", ["1", "2"], np.array(["1", "2"])):
        with refused(ints, TypeError):
            ints.set_many([100, 3], values)


# ---- during growth ---------------------------------------------------------------------------------------------------


@pytest.mark.frozen_too(False)
@pytest.mark.parametrize("writes", range(0, 24, 3))
def test_reads_of_a_growing_map(hmap_type, writes):
    m, items = growing(hmap_type, 6)
    for _ in range(writes):
        m[len(items)] = items[len(items)] = -len(items)
    keys = np.arange(len(items) + 50)
    expected = [items.get(key, 1) for key in keys.tolist()]
    assert m.get_many(keys[:1]).tolist() == expected[:1]
    assert m.header().oldbuckets == 64
    assert m.get_many(keys, 1).tolist() == expected
    assert m.header().oldbuckets == 0
    m.check()


@pytest.mark.frozen_too(False)
def test_a_batch_ends_the_growth_it_can_pay_for(hmap_type):
    m, _ = growing(hmap_type, 8)
    for n in (1, 3):
        before = m.header().nevacuate
        m.get_many(np.arange(n))
        assert before + 8 * n <= m.header().nevacuate <= before + 8 * n + 2
    m.lookup_many(np.arange(256 // 8))
    assert m.header().oldbuckets == 0
    m.check()


@pytest.mark.frozen_too(False)
def test_nan_and_zero_in_reads_of_a_growing_map(hmap_type):
    m, _ = growing(hmap_type, 6, dtype=np.float64)
    m[float("nan")] = 7
    odd = np.array([1 << 63, 0x7FF8000000000001, 0xFFF8000000000000], np.uint64).view(np.float64)
    assert m.get_many(odd, -1).tolist() == [0, 7, 7]
    assert m.header().oldbuckets == 64
    assert m.contains_many(odd).all()
    assert m.header().oldbuckets == 64


@pytest.mark.parametrize("n", [1, 2, 5, 50, 500])
def test_writes_to_a_growing_map(hmap_type, n):
    m, items = growing(hmap_type, 6)
    keys = np.arange(len(items) - n // 2, len(items) + n)
    m.set_many(keys, keys)
    items.update((key, key) for key in keys.tolist())
    m.check()
    assert items_of(m) == items


# ---- what is rare ----------------------------------------------------------------------------------------------------


def test_a_missing_key_that_looks_like_a_present_one_is_missing():
    """Same bucket and same tophash, another key: the first match is not believed."""
    m = HMap(np.int64, np.int64, ((i, i) for i in range(100)), seed=2)
    m.finish_growth()
    candidates = np.arange(1000, 200_000)
    hashes = hash_words(candidates.astype(np.uint64), m._state().hash_key)
    arrays, main = m.bucket_arrays(), m.header().buckets
    rows = (hashes & np.uint64(main - 1)).astype(int)
    alike = candidates[(arrays.tophash[rows] == tophashes(hashes)[:, None]).any(1)]
    assert len(alike) > 100
    for key in alike[:100].tolist():
        with pytest.raises(KeyError, match=rf"key {key} at position 2 is not in the map"):
            m.get_many([5, 6, key, 7])
    assert not m.contains_many(alike).any()
    assert (m.get_many(alike, default=-1) == -1).all()


@pytest.mark.frozen_too(False)
def test_a_missing_key_in_the_middle_of_a_growth_is_named(hmap_type):
    m, items = growing(hmap_type, 8)
    with pytest.raises(KeyError, match="key -1 at position 3 is not in the map"):
        m.get_many([0, 1, 2, -1, 3])
    assert m.header().oldbuckets == 256  # five keys do not end the growth of 256 buckets
    assert m.get_many([0, 1, 2]).tolist() == [items[0], items[1], items[2]]


@pytest.mark.parametrize("code", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"])
@pytest.mark.parametrize(("op", "function"), [("add", np.add), ("min", np.minimum), ("max", np.maximum)])
def test_every_number_is_combined_as_numpy_does(hmap_type, code, op, function):
    one, other = np.array([3, 7, 100, 5], code), np.array([4, 2, 100, 5], code)
    m = hmap_type(np.int64, code)
    m.set_many(np.arange(4), one)
    m.add_many(np.arange(4), other, op=op)
    assert m.get_many(np.arange(4)).tolist() == function(one, other).tolist()


def test_a_stored_number_that_is_no_code():
    m = HMap(np.int64, np.uint64, {1: 2**63})
    with pytest.raises(OverflowError, match=r"keys\[0\] has a value of 2\*\*63 or more, which is no code"):
        m.factorize([1])
