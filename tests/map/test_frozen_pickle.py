"""Pickles of frozen maps: what they hold, and what damaged ones do: an error, or a map that can be used.

A pickle holds what the map consists of, so a damaged one could lead a look-up out of the memory. Restoring refuses
that. Other damage makes keys missing, or keys and values others: no checksum is kept.
"""

import contextlib
import itertools
import pickle
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinds import KINDS, VALUE_KINDS
from pyhmap import FrozenMap, HMap
from pyhmap._mapping.pickling import Packed
from pyhmap._reference.frozen import PART_KEYS
from pyhmap.errors import CorruptMapError

DAMAGED = "the pickle is damaged, .*: write it again"
SECTIONS = ("remap", "pilots", "entries", "texts")
ODD = [-(2**63), -1, 0, 1, 2**31, 2**32 - 1, 2**32, 2**62, 2**63, 2**64 - 1, 2**64, 2**70, 1.5, "1", None, ()]


def texts_to_texts(n):
    return HMap(str, str, {f"{i}" * (1 + i % 20): f"{i}." * (i % 9) for i in range(n)}, seed=2)


MAPS = {
    "ints": lambda: HMap.from_arrays(np.arange(100), np.arange(100) * 2).freeze(seed=1),
    "4-byte keys": lambda: HMap.from_arrays(np.arange(100, dtype="i4"), np.arange(100, dtype="f4")).freeze(seed=1),
    "texts": lambda: texts_to_texts(100).freeze(seed=1),
    "short texts": lambda: HMap(bytes, np.int64, {b"%d" % i: i for i in range(30)}).freeze(seed=1),
    "two parts": lambda: FrozenMap.from_arrays(np.arange(PART_KEYS + 9), np.arange(PART_KEYS + 9), seed=1),
    "one key": lambda: HMap(np.int64, np.int64, {5: 6}).freeze(seed=1),
    "empty": lambda: HMap(np.int64, np.int64).freeze(seed=1),
    "empty texts": lambda: HMap(str, str).freeze(seed=1),
}
maps = pytest.mark.parametrize("f", [make() for make in MAPS.values()], ids=MAPS)


def parts_of(f):
    """What the pickle of a map holds, by name, with the sections as writable arrays."""
    _, arguments, _ = f.__reduce__()
    names = ("cls", "key", "value", "seed", "hash_key", "shape", *SECTIONS)
    return {
        name: part.items.copy() if isinstance(part, Packed) else part
        for name, part in zip(names, arguments, strict=True)
    }


def restored(f, **changes):
    """The map, pickled with some parts changed, and restored."""
    restore = f.__reduce__()[0]
    parts = parts_of(f) | changes
    return restore(*(Packed(part) if name in SECTIONS else part for name, part in parts.items()))


def use(f, asked):
    """Read a map in all ways. Returns the answers for single keys."""
    asked = list(dict.fromkeys(asked))
    default = "" if f.value_dtype is str else 0
    answers = {key: f.get(key) for key in asked}
    assert f.contains_many(asked).tolist() == [answer is not None for answer in answers.values()]
    expected = [default if a is None else a for a in answers.values()]
    for many, single in zip(f.get_many(asked, default).tolist(), expected, strict=True):
        assert many == single or (many != many and single != single)  # damage may make NaN
    f.lookup_many(asked)
    rows = f.positions(asked)
    assert ((rows >= -1) & (rows < max(1, len(f)))).all()
    assert len(list(f)) == len(list(f.values())) == len(list(f.items())) == len(f)
    assert [len(array) for array in f.to_arrays()] == [len(f)] * 2
    assert repr(f)
    with contextlib.suppress(CorruptMapError):
        f.check()
    return answers


# ---- what a pickle holds ---------------------------------------------------------------------------------------------


@maps
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_holds_the_bytes_of_the_map(f, protocol):
    again = pickle.loads(pickle.dumps(f, protocol))
    assert again == f
    assert list(again) == list(f)
    for mine, other in zip(f._sections(), again._sections(), strict=True):
        assert np.array_equal(mine, other)
    again.check()


@maps
def test_buffers_out_of_band_are_copied(f):
    buffers = []
    stream = pickle.dumps(f, 5, buffer_callback=buffers.append)
    assert len(stream) < 1200
    writable = [bytearray(buffer.raw()) for buffer in buffers]
    again = pickle.loads(stream, buffers=writable)
    for buffer in writable:
        buffer[:] = bytes(len(buffer))
    assert again == f
    again.check()
    assert pickle.loads(stream, buffers=[bytes(buffer.raw()) for buffer in buffers]) == f


# ---- damaged sections ------------------------------------------------------------------------------------------------

OTHER_TYPES = {
    "other ints": lambda section: section.view("i4" if section.dtype == "u4" else "i1"),
    "floats": lambda section: section.astype("f4"),
    "wide ints": lambda section: section.astype("u8"),
    "the other byte order": lambda section: section.astype(">u4"),
    "objects": lambda section: section.astype(object),
    "texts": lambda section: section.astype("S4"),
    "two dimensions": lambda section: section.reshape(-1, 1),
    "no dimension": lambda section: np.array(7, section.dtype),
    "a list": lambda section: section.tolist(),
    "bytes": lambda section: section.tobytes(),
    "nothing": lambda section: None,
    "a subclass": lambda section: section.view(np.recarray),
}
OTHER_LENGTHS = {
    "one less": lambda section: section[:-1],
    "none": lambda section: section[:0],
    "one more": lambda section: np.append(section, np.zeros(1, section.dtype)),
    "twice as many": lambda section: np.append(section, section),
}
sections = pytest.mark.parametrize("name", SECTIONS)


@maps
@sections
@pytest.mark.parametrize("spoil", OTHER_TYPES)
def test_a_section_of_another_type_is_refused(f, name, spoil):
    with pytest.raises(ValueError, match=DAMAGED):
        restored(f, **{name: OTHER_TYPES[spoil](parts_of(f)[name])})


@maps
@sections
@pytest.mark.parametrize("spoil", OTHER_LENGTHS)
def test_a_section_of_another_length_is_refused(f, name, spoil):
    section = parts_of(f)[name]
    spoiled = OTHER_LENGTHS[spoil](section)
    if len(spoiled) == len(section):
        assert use(restored(f, **{name: spoiled}), list(f)) == dict(f)
    else:
        with pytest.raises(ValueError, match=DAMAGED):
            restored(f, **{name: spoiled})


@maps
@sections
def test_a_section_that_is_laid_out_otherwise_is_refused_or_read_as_it_is(f, name):
    with_gaps = np.repeat(parts_of(f)[name], 2)[::2]
    with contextlib.suppress(ValueError):
        assert restored(f, **{name: with_gaps}) == f


@maps
def test_the_remap_may_lead_to_rows_only(f):
    remap = parts_of(f)["remap"]
    for at in {*range(min(len(remap), 10)), len(remap) - 1} if len(f) else ():
        for wrong in (len(f), len(f) + 1, 2**31, 2**32 - 1):
            damaged = remap.copy()
            damaged[at] = wrong
            with pytest.raises(ValueError, match=f"item {at} of the remap leads outside of the rows"):
                restored(f, remap=damaged)
        damaged[at] = len(f) - 1
        use(restored(f, remap=damaged), list(f))


@pytest.mark.parametrize("place", [0, 16])
def test_texts_must_lie_in_the_texts(place):
    """Those of the keys, and those of the values behind them."""
    f = MAPS["texts"]()
    parts = parts_of(f)
    size_of_texts = len(parts["texts"])
    rows = parts["entries"].reshape(len(f), 32)[:, place : place + 16]
    long = np.flatnonzero(rows.copy()[:, :4].copy().view("u4").ravel() > 12).tolist()
    assert len(long) > 10
    for row in (long[0], long[5], long[-1]):
        size, _, where = np.frombuffer(rows[row].tobytes(), [("size", "u4"), ("head", "u4"), ("where", "u8")])[0]
        wrong = [
            (size, at) for at in (where + 1, size_of_texts, size_of_texts - int(size) + 1, 2**32, 2**48, 2**64 - 1)
        ]
        wrong += [(more, where) for more in (size_of_texts - int(where) + 1, 2**31, 2**32 - 1)]
        wrong += [(2**32 - 1, 2**64 - 2**32 + 1), (13, 2**64 - 13), (13, 2**64 - 1)]  # the end overflows
        for wrong_size, wrong_where in wrong:
            entries = parts["entries"].copy()
            text = entries.reshape(len(f), 32)[row, place : place + 16]
            text[:4] = np.array([wrong_size], "u4").view("u1")
            text[8:] = np.array([wrong_where], "u8").view("u1")
            with pytest.raises(ValueError, match=f"a text of row {row} is outside of the texts"):
                restored(f, entries=entries)


# ---- damaged numbers -------------------------------------------------------------------------------------------------


@maps
@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("number", ODD)
def test_another_number_in_the_shape_is_refused(f, at, number):
    shape = [*parts_of(f)["shape"]]
    if number == shape[at]:
        return
    shape[at] = number
    with pytest.raises(ValueError, match=DAMAGED):
        restored(f, shape=tuple(shape))


@maps
def test_two_other_numbers_in_the_shape_are_refused(f):
    """Also such that their products, modulo 2^64, are those that the sections have."""
    shape = parts_of(f)["shape"]
    numbers = [*ODD, *(2**power for power in range(3, 64, 4)), 2**64 - shape[0], 2**64 - 1 - shape[2]]
    for at, other in itertools.combinations(range(4), 2):
        for number, another in itertools.product(numbers, repeat=2):
            damaged = [*shape]
            damaged[at], damaged[other] = number, another
            if tuple(damaged) != shape:
                with pytest.raises(ValueError, match=DAMAGED):
                    restored(f, shape=tuple(damaged))


@pytest.mark.parametrize("slots", [1, 2, 5, 63])
def test_parts_with_fewer_slots_than_a_shift_may_add_are_refused(slots):
    f = MAPS["one key"]()
    rows, parts, _, buckets = parts_of(f)["shape"]
    with pytest.raises(ValueError, match=DAMAGED):
        restored(f, shape=(rows, parts, slots, buckets), remap=np.zeros(parts * slots - rows, np.uint32))


@pytest.mark.parametrize("shape", [(), (1,), (1, 1, 1), (1, 1, 1, 1, 1), None, 5, "1111", b"\1\1\1\1"])
def test_a_shape_of_other_length_is_refused(shape):
    with pytest.raises(ValueError, match=DAMAGED):
        restored(MAPS["ints"](), shape=shape)


@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "u4", "i4", "i8", "u8"])
def test_numbers_of_numpy_do_not_overflow(dtype):
    """Rows of 16 bytes, and as many rows as have no bytes modulo the numbers of the type."""
    f, empty = MAPS["ints"](), np.empty(0, np.uint8)
    rows = 2 ** (8 * np.dtype(dtype).itemsize - 4)
    shape = tuple(np.array([rows, 1, rows, 1]).astype(dtype))
    with pytest.raises(ValueError, match=DAMAGED):
        restored(f, shape=shape, remap=empty.view("u4"), pilots=np.zeros(1, "u1"), entries=empty)


@pytest.mark.parametrize("hash_key", [(), (1, 2, 3), None, 5, (1, 2, 3, -1), (1, 2, 3, 2**64), (1, 2, 3, None), "1234"])
def test_a_hash_key_of_other_numbers_is_refused(hash_key):
    with pytest.raises(ValueError, match=DAMAGED):
        restored(MAPS["ints"](), hash_key=hash_key)


@maps
@given(hash_key=st.tuples(*[st.sampled_from([0, 1, 2, 2**63, 2**64 - 1]) | st.integers(0, 2**64 - 1)] * 4))
def test_another_hash_key_makes_keys_missing(f, hash_key):
    answers, items = use(restored(f, hash_key=hash_key), list(f)), dict(f)
    assert all(answer in (None, items[key]) for key, answer in answers.items())


# ---- other damage: wrong answers at worst ----------------------------------------------------------------------------


def flipped(section, data):
    """A copy with some bytes changed."""
    damaged = section.copy()
    places = st.tuples(st.integers(0, max(0, damaged.nbytes - 1)), st.integers(1, 255))
    for at, change in data.draw(st.lists(places, max_size=8 if damaged.nbytes else 0)):
        damaged.view("u1")[at] ^= change
    return damaged


@maps
@given(data=st.data())
def test_damaged_pilots_make_keys_missing_but_no_answer_wrong(f, data):
    answers, items = use(restored(f, pilots=flipped(parts_of(f)["pilots"], data)), list(f)), dict(f)
    assert all(answer in (None, items[key]) for key, answer in answers.items())


@pytest.mark.parametrize("name", ["ints", "4-byte keys", "one key"])
@given(data=st.data())
def test_damaged_entries_of_numbers_make_keys_and_values_others(name, data):
    f = MAPS[name]()
    damaged = restored(f, entries=flipped(parts_of(f)["entries"], data))
    use(damaged, [*f, *damaged])


@pytest.mark.parametrize("name", ["texts", "short texts"])
@given(data=st.data())
def test_damaged_entries_of_texts_are_refused_or_make_them_others(name, data):
    f = MAPS[name]()
    parts = parts_of(f)
    changes = {each: flipped(parts[each], data) for each in ("entries", "texts", "remap")}
    try:
        damaged = restored(f, **changes)
    except ValueError as error:
        message = str(error)
    else:
        with contextlib.suppress(UnicodeDecodeError):  # a str is no UTF-8 any more
            use(damaged, [*f, *damaged])
        return
    assert re.search("is outside of the texts|leads outside of the rows", message)


@pytest.mark.parametrize("name", ["int8", "uint64", "bool", "float16", "float64", "datetime64[ns]", "timedelta64[ms]"])
def test_words_of_another_type(name):
    kind = KINDS[name]
    f = MAPS["ints"]()
    keys = [*kind.edge, *kind.keys]
    try:
        other = restored(f, key=kind.spec)
    except ValueError:
        assert np.dtype(kind.spec).itemsize < 8
    else:
        use(other, keys)


TEXT_FORMS = [str, bytes, "S5", "U4", "V4", KINDS["float and text"].spec, KINDS["padded record"].spec]


@pytest.mark.parametrize("name", ["texts", "short texts"])
@pytest.mark.parametrize("key", TEXT_FORMS, ids=str)
def test_texts_of_another_type_are_errors_at_worst(name, key):
    """Texts may be too long or too short for the type, or no UTF-8."""
    f = MAPS[name]()
    other = restored(f, key=key)
    calls = [other.keys_array, other.check, lambda: list(other), lambda: repr(other), lambda: dict(other.items())]
    for call in calls:
        with contextlib.suppress(ValueError, CorruptMapError):
            call()
    assert len(other) == len(f)


@pytest.mark.parametrize("name", VALUE_KINDS)
def test_values_of_another_type(name):
    """With as many bytes: others are refused."""
    f, spec = MAPS["ints"](), VALUE_KINDS[name].spec
    if name == "object":
        with pytest.raises(TypeError, match="of type object cannot be frozen"):
            restored(f, value=spec)
    elif HMap(np.int64, spec, {1: VALUE_KINDS[name].values[0]}).freeze().nbytes != MAPS["one key"]().nbytes:
        with pytest.raises(ValueError, match=DAMAGED):
            restored(f, value=spec)
    else:
        other = restored(f, value=spec)
        with contextlib.suppress(SystemError):  # NumPy's, for an item of dtype U that is no text
            assert len(other.values_array()) == len(list(other.values())) == len(f)
            other.check()


@pytest.mark.parametrize("spec", ["O", [("o", "O")], [("a", "i8"), ("o", "O")], object])
def test_bytes_are_never_taken_for_objects(spec):
    f = MAPS["ints"]()
    for place in ("key", "value"):
        with pytest.raises((TypeError, ValueError)):
            restored(f, **{place: spec if spec is object else np.dtype(spec)})


@pytest.mark.parametrize("cls", [int, HMap, None, "FrozenMap"])
def test_another_class_is_refused(cls):
    with pytest.raises((TypeError, AttributeError)):
        restored(MAPS["ints"](), cls=cls)
