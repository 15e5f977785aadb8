"""Which keys, values and arguments are accepted. A refused one leaves the map as it was."""

import decimal
import fractions
import math
import os
import struct

import numpy as np
import pytest

from pyhmap import CorruptMapError, HMap
from support import INT64_MAX, INT64_MIN, UINT64_MAX, items_of, refused

pytestmark = pytest.mark.frozen_too


class Index:
    """An object with ``__index__``."""

    def __init__(self, number):
        self.number = number

    def __index__(self):
        return self.number


class Failing:
    """Raises its own error when it is converted."""

    def __index__(self):
        raise ZeroDivisionError("from __index__")

    def __float__(self):
        raise ZeroDivisionError("from __float__")


@pytest.fixture
def ints(hmap_type):
    return hmap_type(np.int64, np.int64, {i: i * i for i in range(20)})


@pytest.fixture
def floats(hmap_type):
    return hmap_type(np.float64, np.float64, {i / 2: float(i) for i in range(20)})


def every_scalar_call(m, key, value=1):
    """Each call that takes one key, as a function without arguments."""
    return [
        lambda: m[key],
        lambda: m.__setitem__(key, value),
        lambda: m.__delitem__(key),
        lambda: key in m,
        lambda: m.get(key),
        lambda: m.get(key, 3),
        lambda: m.pop(key),
        lambda: m.pop(key, 3),
        lambda: m.setdefault(key, value),
        lambda: m.update([(key, value)]),
    ]


def every_batch_call(m, keys, values=1):
    return [
        lambda: m.get_many(keys),
        lambda: m.get_many(keys, 0),
        lambda: m.lookup_many(keys),
        lambda: m.contains_many(keys),
        lambda: m.set_many(keys, values),
    ]


# ---- keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [1, True, np.int8(1), np.uint64(1), Index(1), np.array(1)])
def test_an_int_map_takes_whatever_is_an_int(ints, key):
    assert ints[key] == 1
    assert key in ints
    ints[key] = 7
    assert ints[1] == 7
    assert ints.pop(key) == 7
    assert 1 not in ints
    ints[key] = 8
    assert type(next(k for k in ints if k == 1)) is int


@pytest.mark.parametrize("key", [1.0, np.float64(1), 1j, "1", b"1", None, (1,), [1], object(), decimal.Decimal(1)])
def test_an_int_map_refuses_other_keys(ints, key):
    for call in every_scalar_call(ints, key):
        with refused(ints, TypeError, "key"):
            call()


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_int_keys_outside_the_dtype(hmap_type, dtype):
    info = np.iinfo(dtype)
    m = hmap_type(dtype, np.int64, {info.min: 1, info.max: 2})
    assert (m[info.min], m[info.max]) == (1, 2)
    for key in (info.min - 1, info.max + 1, 2**100, -(2**100), Index(2**64)):
        for call in every_scalar_call(m, key):
            with refused(m, OverflowError, str(getattr(key, "number", key))):
                call()


@pytest.mark.parametrize("key", [1.0, 1, True, np.float32(1), np.float64(1), np.longdouble(1), np.int8(1), Index(1)])
def test_a_float_map_takes_floats_and_ints(floats, key):
    assert floats[key] == 2.0
    assert key in floats
    floats[key] = 7
    assert floats[1.0] == 7.0
    assert type(next(iter(floats))) is float


@pytest.mark.parametrize("key", ["1.0", b"1", None, 1j, (1.0,), object(), fractions.Fraction(1), np.array([1.0, 2.0])])
def test_a_float_map_refuses_other_keys(floats, key):
    for call in every_scalar_call(floats, key):
        with refused(floats, TypeError):
            call()


@pytest.mark.parametrize("key", [2**53 + 1, -(2**53) - 1, UINT64_MAX, 10**40])
def test_a_float_map_refuses_ints_that_no_float_equals(floats, key):
    for call in every_scalar_call(floats, key):
        with refused(floats, OverflowError, str(key)):
            call()


@pytest.mark.parametrize(("size", "shown"), [(400, r"key 1(0){96}\.\.\. is"), (5000, "key an int of 16,610 bits is")])
@pytest.mark.parametrize("key_type", ["f8", "i8"])
def test_a_message_shortens_a_huge_int(hmap_type, key_type, size, shown):
    """Python refuses to write out ints of more than 4300 digits: that must not become the error."""
    m = hmap_type(key_type, np.int64)
    for call in every_scalar_call(m, 10**size):
        with refused(m, OverflowError, shown):
            call()


def test_all_nan_are_one_key(hmap_type):
    payload = struct.unpack("<d", struct.pack("<Q", 0x7FF8DEADBEEF0001))[0]
    negative = struct.unpack("<d", struct.pack("<Q", 0xFFF0000000000001))[0]
    nans = [math.nan, float("nan"), -math.nan, payload, negative, np.float64("nan"), np.float32("nan")]
    m = hmap_type(np.float64, np.int64)
    for i, nan in enumerate(nans):
        m[nan] = i
        assert len(m) == 1
    for nan in nans:
        assert m[nan] == len(nans) - 1
        assert nan in m
    bits = np.array([0x7FF8DEADBEEF0001, 0xFFF8000000000000, 0x7FF0000000000001], np.uint64)
    assert m.get_many(bits.view(np.float64)).tolist() == [len(nans) - 1] * 3
    m.set_many(bits.view(np.float64), [10, 11, 12])
    m.update((float(i), i) for i in range(1000))
    assert len(m) == 1001
    assert m[math.nan] == 12
    assert sum(map(math.isnan, m)) == 1
    m.check()
    del m[payload]
    assert math.nan not in m
    assert len(m) == 1000


def test_a_thousand_inserts_of_nan_grow_nothing(hmap_type):
    m = hmap_type(np.float64, np.int64)
    m.set_many(np.full(1000, math.nan), np.arange(1000))
    assert items_of(m).popitem()[1] == 999
    assert m.header().B == 0


def test_minus_zero_is_zero(hmap_type):
    m = hmap_type(np.float64, np.int64, {-0.0: 1})
    assert m[0.0] == m[-0.0] == m[0] == 1
    assert str(next(iter(m))) == "0.0"
    m.set_many(np.array([0.0, -0.0]), [2, 3])
    assert m.get_many([-0.0, 0.0]).tolist() == [3, 3]
    assert str(m.keys_array()[0]) == "0.0"
    m.check()
    del m[-0.0]
    assert 0.0 not in m


# ---- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [1.5, np.float64(1), 1j, "1", b"1", None, [1], object()])
def test_an_int_map_refuses_other_values(ints, value):
    for call in (
        lambda: ints.__setitem__(3, value),
        lambda: ints.__setitem__(100, value),
        lambda: ints.setdefault(100, value),
        lambda: ints.update({100: value}),
        lambda: ints.set_many([100, 3], value),
        lambda: ints.set_many([100, 3], [1, value]),
        lambda: ints.get_many([100, 101], value),
    ):
        with refused(ints, (TypeError, ValueError)):
            call()


@pytest.mark.parametrize("value", [INT64_MAX + 1, INT64_MIN - 1, 2**200])
def test_int_values_outside_the_dtype(ints, value):
    for call in (
        lambda: ints.__setitem__(3, value),
        lambda: ints.setdefault(100, value),
        lambda: ints.set_many([100, 3], value),
        lambda: ints.set_many([100, 3], [1, value]),
        lambda: ints.get_many([100], value),
    ):
        with refused(ints, OverflowError, str(value)):
            call()


@pytest.mark.parametrize("value", [1.5, 1, True, np.float32(1.5), np.int8(1), Index(3), fractions.Fraction(1, 2)])
def test_a_float_map_takes_real_values(floats, value):
    floats[100.0] = value
    assert floats[100.0] == (value.number if isinstance(value, Index) else value)
    floats.set_many([101.0, 102.0], value)
    assert floats[102.0] == floats[100.0]


@pytest.mark.parametrize("value", ["1.5", b"1", None, 1j, np.complex128(1 + 2j), [1.5], object()])
def test_a_float_map_refuses_other_values(floats, value):
    for call in (
        lambda: floats.__setitem__(100.0, value),
        lambda: floats.setdefault(100.0, value),
        lambda: floats.set_many([100.0, 3.0], value),
        lambda: floats.set_many([100.0, 3.0], [1.0, value]),
    ):
        with refused(floats, (TypeError, ValueError)):
            call()


def test_setdefault_of_a_present_key_does_not_look_at_the_default(ints):
    assert ints.setdefault(3, "not a number") == 9


# ---- objects that run code when they are converted -------------------------------------------------------------------


def test_errors_of_the_objects_themselves_come_through(ints, floats):
    for m in (ints, floats):
        for call in every_scalar_call(m, Failing()):
            with refused(m, ZeroDivisionError, "from __"):
                call()
        for key in (3, 100):
            with refused(m, ZeroDivisionError, "from __"):
                m[key] = Failing()
        for call in every_batch_call(m, [1, Failing()]):
            with refused(m, ZeroDivisionError, "from __"):
                call()


def changing(action, number):
    """An int that does something to a map when it is converted."""

    class Changing:
        def __index__(self):
            action()
            return number

        def __float__(self):
            action()
            return float(number)

    return Changing()


@pytest.mark.frozen_too(False)
@pytest.mark.parametrize("key", [3, 5000])
@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update((i, i) for i in range(1000, 1500)),
        lambda m: m.clear(),
        lambda m: m.pop(3, None),
        lambda m: m.reserve(5000),
        lambda m: m.set_many(np.arange(1000, 1500), 1),
    ],
    ids=["grow", "clear", "pop", "reserve", "set_many"],
)
def test_an_index_that_changes_the_map(ints, key, change):
    """The conversion is completed first. The operation then sees the map as the conversion left it."""
    probe = changing(lambda: change(ints), key)
    expected = ints.copy()
    change(expected)
    assert (probe in ints) == (key in expected)
    ints[probe] = 77
    assert ints[key] == 77
    ints[key] = probe
    assert ints[key] == key
    ints.get(probe)
    ints.setdefault(probe, 5)
    assert key in ints
    assert ints.setdefault(probe, probe) == ints[key]
    ints.pop(probe, None)
    assert key not in ints
    ints.set_many([probe, 4], [probe, 4])
    assert (ints[key], ints[4]) == (key, 4)
    assert ints.get_many([4, 4], probe).tolist() in ([4, 4], [key, key])
    ints.check()


def test_an_index_that_differs_at_each_reading_is_read_once(ints):
    class Counter:
        readings = 0

        def __index__(self):
            self.readings += 1
            return self.readings + 99

    for call in (
        lambda key: ints.__setitem__(key, 5),
        lambda key: ints.setdefault(key, 5),
        lambda key: ints.set_many([key], 5),
        lambda key: ints.get(key),
        lambda key: key in ints,
        lambda key: ints.pop(key),
    ):
        key = Counter()
        call(key)
        assert key.readings == 1
    assert 101 not in ints
    ints.set_many(range(200, 300), Counter())
    assert ints.get_many(range(200, 300)).tolist() == [100] * 100


# ---- arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", ["M8", "m8", np.complex64, np.longdouble, ("i4", (2,)), [("a", object)]])
def test_key_dtypes_that_are_not_supported(hmap_type, spec):
    with pytest.raises(TypeError, match="key"):
        hmap_type(spec, np.int64)


@pytest.mark.parametrize("spec", ["M8", "m8", [("a", object)], None])
def test_value_dtypes_that_are_not_supported(hmap_type, spec):
    with pytest.raises(TypeError, match="value"):
        hmap_type(np.int64, spec)


@pytest.mark.parametrize("spec", [None, "no such type", 3])
def test_what_is_no_dtype(hmap_type, spec):
    with pytest.raises(TypeError):
        hmap_type(spec, np.int64)


@pytest.mark.parametrize(
    ("capacity", "error"),
    [
        (-1, ValueError),
        (-(2**70), ValueError),
        (2**62, OverflowError),
        (2**63 - 1, OverflowError),
        (2**100, OverflowError),
    ],
)
def test_capacities_that_cannot_be(hmap_type, ints, capacity, error):
    with pytest.raises(error, match=f"{capacity:,}" if capacity > 0 else str(capacity)):
        hmap_type(np.int64, np.int64, capacity=capacity)
    with refused(ints, error, "capacity"):
        ints.reserve(capacity)


@pytest.mark.parametrize("capacity", [1.0, "10", None, math.nan])
def test_capacities_that_are_no_ints(hmap_type, ints, capacity):
    with pytest.raises(TypeError):
        hmap_type(np.int64, np.int64, capacity=capacity)
    with refused(ints, TypeError):
        ints.reserve(capacity)


def test_the_largest_capacity_is_named(hmap_type):
    with pytest.raises(OverflowError, match="6,979,321,856"):
        hmap_type(np.int64, np.int64, capacity=13 * 2**29 + 1)


@pytest.mark.parametrize("name", ["xxh64", "fast", 3])
def test_a_hash_that_is_not_offered(hmap_type, name):
    with pytest.raises(ValueError, match=str(name)):
        hmap_type(np.int64, np.int64, hash=name)


@pytest.mark.parametrize("seed", [1.5, "1", b"seed"])
def test_a_seed_that_is_no_int(hmap_type, seed):
    with pytest.raises(TypeError):
        hmap_type(np.int64, np.int64, seed=seed)


@pytest.mark.parametrize(("same", "seed"), [(0, 2**64), (1, 2**64 + 1), (2**64 - 1, -1)])
def test_seeds_are_taken_modulo_2_64(hmap_type, same, seed):
    assert hmap_type("i8", "i8", seed=seed).header() == hmap_type("i8", "i8", seed=same).header()


@pytest.mark.parametrize("items", [3, [1], [(1,)], [(1, 2, 3)], {"a": 1}, [(1, "a")]])
def test_construction_from_what_is_not_pairs_of_numbers(hmap_type, items):
    with pytest.raises((TypeError, ValueError)):
        hmap_type(np.int64, np.int64, items)


@pytest.mark.parametrize("threads", [0, -1, -(2**40)])
def test_fewer_threads_than_one(ints, threads):
    for call in (ints.get_many, ints.lookup_many, ints.contains_many):
        with refused(ints, ValueError, "threads"):
            call([1, 2], threads=threads)


def test_positional_and_keyword_arguments(hmap_type, ints):
    """Names of positional parameters are not part of the interface, as with dict."""
    for wrong in (
        lambda: hmap_type(),
        lambda: hmap_type(np.int64),
        lambda: hmap_type(np.int64, np.int64, {}, 10),
        lambda: hmap_type(key=np.int64, value=np.int64),
        lambda: ints.get(key=1),
        lambda: ints.get(),
        lambda: ints.pop(),
        lambda: ints.pop(1, 2, 3),
        lambda: ints.setdefault(key=1),
        lambda: ints.lookup_many([1], 2),
        lambda: ints.get_many(),
        lambda: ints.update(a=1),
    ):
        with refused(ints, TypeError):
            wrong()


# ---- objects that are not (or twice) initialised ---------------------------------------------------------------------


def test_init_twice(ints):
    with refused(ints, TypeError, "__init__ was called before"):
        ints.__init__(np.int64, np.int64)


def test_a_map_made_without_init():
    """Only the compiled map: in the reference this is an AttributeError like any other."""
    m = HMap.__new__(HMap)
    for call in (
        *every_scalar_call(m, 1),
        *every_scalar_call(m, 1.5),
        *every_batch_call(m, [1]),
        m.clear,
        m.to_arrays,
        m.keys_array,
        m.header,
        m.check,
        m.stats,
        m.bucket_arrays,
        m.copy,
        m.__arrow_c_stream__,
        lambda: m.reserve(10),
        lambda: m.nbytes,
    ):
        with pytest.raises(RuntimeError, match="__init__ was not called"):
            call()
    m.finish_growth()
    assert len(m) == 0
    assert list(m) == list(m.values()) == list(m.items()) == []
    with pytest.raises(KeyError, match="empty"):
        m.popitem()


INIT_TYPES = [(object, object), (object, int), (object, str), (int, object), (str, str), (int, int)]


def urandom_that(act, monkeypatch):
    """Something happens while a map draws its hash key, which is in the middle of its __init__."""
    drawn = os.urandom

    def draw(n):
        act()
        return drawn(n)

    monkeypatch.setattr(os, "urandom", draw)


def no_memory():
    raise MemoryError


@pytest.mark.parametrize("types", INIT_TYPES)
def test_a_map_whose_init_failed(types, monkeypatch):
    """It is as one whose __init__ was not called, and __init__ may be called again."""
    key, value = {str: "a"}.get(types[0], 1), {str: "b"}.get(types[1], 2)
    m = HMap.__new__(HMap)
    with monkeypatch.context() as patched:
        urandom_that(no_memory, patched)
        with pytest.raises(MemoryError):
            m.__init__(*types)
    for call in (*every_scalar_call(m, key), *every_batch_call(m, [key])):
        with pytest.raises(RuntimeError, match="__init__ was not called"):
            call()
    m.__init__(*types)
    m[key] = value
    assert m == {key: value}
    m.check()


@pytest.mark.parametrize("types", INIT_TYPES)
@pytest.mark.parametrize("others", INIT_TYPES)
def test_init_within_init(types, others, monkeypatch):
    m, key, errors = HMap.__new__(HMap), {str: "a"}.get(types[0], 1), []

    def act():
        for call in (lambda: m.__init__(*others), lambda: m.__setitem__(key, 2), lambda: m.setdefault("a", "b")):
            with pytest.raises((TypeError, RuntimeError)) as raised:
                call()
            errors.append(str(raised.value))

    with monkeypatch.context() as patched:
        urandom_that(act, patched)
        m.__init__(*types)
    assert ["__init__ was called before" in errors[0], "__init__ was not called" in errors[1]] == [True, True]
    m.check()
    assert (len(m), m.nbytes) == (0, HMap(*types).nbytes)


@pytest.mark.frozen_too(False)
@pytest.mark.parametrize("dtype", [("f4", (0,)), [("a", "V0")], [("a", "V0"), ("b", "i4", (0,))]])
def test_no_bytes_are_a_value_of_v0_alone(hmap_type, dtype):
    m = hmap_type(np.int64, np.dtype(dtype))
    for call in (lambda: m.__setitem__(1, b""), lambda: m.set_many([1], b""), lambda: m.setdefault(1, b"")):
        with pytest.raises(TypeError):
            call()
    assert len(m) == 0


def test_corrupt_map_error_is_an_exception_of_its_own():
    assert issubclass(CorruptMapError, Exception)
    assert not issubclass(CorruptMapError, (ValueError, TypeError, LookupError))
