"""The batch contract for every key type: batch and scalar calls agree, for every container; batches fail as a whole.

`test_batch.py` has the tests for which one key type is enough: lengths around a block, threads, `out=`, growth.
"""

import random

import numpy as np
import pytest

from kinds import KINDS, VALUE_KINDS, kinds, value_kinds
from support import items_of, refused

pytestmark = pytest.mark.frozen_too

# All types except object, for which everything is a key.
TYPED = {name: kind for name, kind in KINDS.items() if kind.spec is not object}
typed_kinds = pytest.mark.parametrize("kind", TYPED.values(), ids=TYPED)


@pytest.fixture
def present(kind):
    """Half of some numbered keys, and half of those at the borders."""
    return list(dict.fromkeys([*map(kind.make, range(0, min(kind.count, 500), 2)), *kind.edge[::2]]))


@pytest.fixture
def asked(kind):
    """Present keys, absent keys, and some of them twice, in mixed order."""
    keys = [*map(kind.make, range(min(kind.count, 500))), *kind.edge]
    keys += keys[:100]  # more than 512 in all: from there on the compiled map gives up the GIL
    random.Random(3).shuffle(keys)
    return keys


@pytest.fixture
def reference(present):
    return {key: 10 * i + 1 for i, key in enumerate(present)}


@pytest.fixture
def m(hmap_type, kind, reference):
    return hmap_type(kind.spec, np.int64, reference)


def carriers(kind, keys):
    """The same keys in every form that an array or a sequence of them can have."""
    array = kind.array(keys)
    read_only = array.copy()
    read_only.flags.writeable = False
    objects = np.empty(len(keys), object)
    for position, key in enumerate(keys):
        objects[position] = key
    table = np.empty((len(keys), 2), array.dtype)
    table[:, 1] = array
    found = {
        "list": list(keys),
        "tuple": tuple(keys),
        "iterator": iter(keys),
        "array": array,
        "objects": objects,
        "strided": np.repeat(array, 2)[::2],
        "reversed": array[::-1].copy()[::-1],
        "column": table[:, 1],
        "read-only": read_only,
    }
    if array.dtype.kind != "O":
        records = np.zeros(len(keys), [("pad", np.int8), ("x", array.dtype)])
        records["x"] = array
        found["unaligned"] = records["x"]
    if array.dtype.newbyteorder() != array.dtype:
        found["byte-swapped"] = array.astype(array.dtype.newbyteorder())
    return found


@kinds
def test_reads_agree_with_scalar_calls_in_every_carrier(m, kind, asked, reference):
    expected = [m.get(key) for key in asked]
    assert expected == [reference.get(key) for key in asked]
    mask = [value is not None for value in expected]
    for name in carriers(kind, asked):
        values, found = m.lookup_many(carriers(kind, asked)[name])
        assert values.tolist() == [value or 0 for value in expected], name
        assert found.tolist() == m.contains_many(carriers(kind, asked)[name]).tolist() == mask, name
        assert m.get_many(carriers(kind, asked)[name], -1).tolist() == [value or -1 for value in expected], name
        assert (values.dtype, found.dtype) == (np.int64, np.bool_)


@kinds
def test_writes_agree_with_scalar_calls_in_every_carrier(hmap_type, kind, asked):
    expected = {key: i for i, key in enumerate(asked)}
    for name in carriers(kind, asked):
        m = hmap_type(kind.spec, np.int64)
        m.set_many(carriers(kind, asked)[name], range(len(asked)))
        assert items_of(m) == expected, name
        m.check()


@kinds
def test_empty_batches(m, kind, reference):
    for empty in ([], (), iter([]), kind.array([]), np.array([], np.int8), np.array([], object)):
        assert m.get_many(empty).shape == m.lookup_many(empty)[1].shape == m.contains_many(empty).shape == (0,)
        m.set_many(empty, 5)
        m.add_many(empty)
        assert m.setdefault_many(empty, 5).shape == m.pop_many(empty).shape == m.factorize(empty).shape == (0,)
        assert m.discard_many(empty) == 0
        empty = []  # an iterator that is used up would be no iterator of keys
    assert items_of(m) == reference


@kinds
def test_arrays_of_other_dimensions_are_refused(m, kind):
    array = kind.array(kind.keys[:2])
    for wrong in (array.reshape(2, 1), array.reshape(1, 2), array[:1].reshape(())):
        for call in (
            lambda wrong=wrong: m.get_many(wrong, 0),
            lambda wrong=wrong: m.lookup_many(wrong),
            lambda wrong=wrong: m.contains_many(wrong),
            lambda wrong=wrong: m.set_many(wrong, 0),
            lambda wrong=wrong: m.setdefault_many(wrong, 0),
            lambda wrong=wrong: m.add_many(wrong),
            lambda wrong=wrong: m.pop_many(wrong, 0),
            lambda wrong=wrong: m.discard_many(wrong),
            lambda wrong=wrong: m.factorize(wrong),
        ):
            with refused(m, ValueError, r"keys must be one-dimensional, not of shape \("):
                call()


@kinds
def test_what_is_no_sequence_is_refused(m):
    for wrong in (7, None, "ab", b"ab"):
        for call in (m.lookup_many, m.discard_many, m.factorize, lambda keys: m.set_many(keys, 1)):
            with refused(m, TypeError, "keys"):
                call(wrong)


@typed_kinds
def test_item_k_of_the_wrong_type_changes_nothing(m, kind):
    for position in (0, 1, 5):
        keys = [*kind.keys, *kind.keys, *kind.keys][:6]
        keys[position] = object()
        for call in (
            lambda keys=keys: m.get_many(keys, 0),
            lambda keys=keys: m.contains_many(keys),
            lambda keys=keys: m.set_many(keys, 0),
            lambda keys=keys: m.setdefault_many(keys, 0),
            lambda keys=keys: m.add_many(keys),
            lambda keys=keys: m.pop_many(keys, 0),
            lambda keys=keys: m.discard_many(keys),
            lambda keys=keys: m.factorize(keys),
        ):
            with refused(m, TypeError, rf"keys\[{position}\]"):
                call()


@kinds
def test_values_of_another_number_or_type_change_nothing(m, kind):
    keys = (kind.keys * 2)[:3]
    for call in (m.set_many, m.setdefault_many, m.add_many):
        with refused(m, ValueError, "3 keys but 2 values"):
            call(keys, [1, 2])
        with refused(m, TypeError, r"values\[2\]"):
            call(keys, [1, 2, "3"])
        with refused(m, OverflowError, r"values\[1\]"):
            call(keys, [1, 2**63, 3])


@kinds
def test_a_missing_key_is_named_with_its_position(m, kind, present):
    missing = next((key for key in map(kind.make, range(kind.count)) if key not in m), None)
    if missing is None:
        missing = kind.keys[0]
        del m[missing]
        present.remove(missing)
    for position in (0, 1, 600):
        keys = [*(present * 700)[:position], missing, *present[:1]]
        with refused(m, KeyError, f"at position {position} is not in the map"):
            m.get_many(kind.array(keys))


@kinds
def test_of_equal_keys_in_a_batch_the_last_wins(hmap_type, kind):
    a, b = kind.keys[:2]
    m = hmap_type(kind.spec, np.int64)
    m.set_many([a, b, a, a], [1, 2, 3, 4])
    assert items_of(m) == {a: 4, b: 2}
    assert m.setdefault_many([b, a, b], [7, 8, 9]).tolist() == [2, 4, 2]
    assert m.pop_many([a, b, a], -1).tolist() == [4, 2, -1]
    assert m.setdefault_many([b, a, b], [7, 8, 9]).tolist() == [7, 8, 7]
    assert m.discard_many([b, b, a, b]) == 2
    assert items_of(m) == {}
    m.check()


@kinds
def test_setdefault_many(m, kind, asked, reference):
    numbers = range(-len(asked), 0)
    expected = [reference.setdefault(key, number) for key, number in zip(asked, numbers, strict=True)]
    assert m.setdefault_many(kind.array(asked), list(numbers)).tolist() == expected
    assert items_of(m) == reference
    assert m.setdefault_many(asked, 5).tolist() == expected
    m.check()


@kinds
@pytest.mark.parametrize(("op", "function"), [("add", lambda a, b: a + b), ("min", min), ("max", max)])
def test_add_many(m, kind, asked, reference, op, function):
    numbers = [(i * 37) % 1001 - 500 for i in range(len(asked))]
    for key, number in zip(asked, numbers, strict=True):
        reference[key] = function(reference[key], number) if key in reference else number
    m.add_many(kind.array(asked), numbers, op=op)
    assert items_of(m) == reference
    m.check()


@kinds
def test_add_many_counts(hmap_type, kind, asked):
    m, counts = hmap_type(kind.spec, np.uint16), {}
    for key in asked:
        counts[key] = counts.get(key, 0) + 1
    m.add_many(asked)
    assert items_of(m) == counts
    m.add_many(kind.array(asked), 2)
    assert items_of(m) == {key: 3 * count for key, count in counts.items()}


@kinds
def test_pop_many_and_discard_many(m, kind, asked, reference):
    other = m.copy()
    expected = [reference.pop(key, -1) for key in asked[:200]]
    assert m.pop_many(kind.array(asked[:200]), -1).tolist() == expected
    assert items_of(m) == reference
    assert other.discard_many(asked[:200]) == sum(value != -1 for value in expected)
    assert items_of(other) == reference
    m.check()
    other.check()


@kinds
def test_pop_many_without_a_default_gives_all_back_if_one_is_missing(m, kind, present, reference):
    for keys in ([present[0], present[0]], [*present, present[-1]], [*present[::-1], *present[:1]]):
        with pytest.raises(KeyError, match=f"at position {len(keys) - 1} is not in the map"):
            m.pop_many(kind.array(keys))
        assert items_of(m) == reference
        m.check()
    assert m.pop_many(present).tolist() == list(reference.values())
    assert items_of(m) == {}


@value_kinds
@pytest.mark.parametrize("key", [np.int64, str, object])
def test_a_default_for_each_key(hmap_type, value_kind, key):
    """The defaults are an array, or a list. No value of these types is itself a list."""
    values = [value_kind.values[i % len(value_kind.values)] for i in range(600)]
    keys = [str(i) if key is str else i for i in range(1200)]
    m = hmap_type(key, value_kind.spec, zip(keys[:600], values, strict=True))
    for n in (1, 1200):
        asked = keys[600 - n // 2 :][:n]
        defaults = (values[::-1] * 2)[:n]
        expected = value_kind.array([m.get(asked[i], defaults[i]) for i in range(len(asked))])
        defaults = defaults[: len(asked)]
        for given in (value_kind.array(defaults), defaults):
            assert m.get_many(asked, given).tolist() == expected.tolist()
        out = value_kind.array(defaults)
        assert m.get_many(asked, out, out=out) is out
        assert out.tolist() == expected.tolist()
        assert m.copy().pop_many(asked, value_kind.array(defaults)).tolist() == expected.tolist()
    m.check()


@pytest.mark.parametrize("key", [np.int64, object])
@pytest.mark.parametrize("call", ["get_many", "pop_many"])
def test_a_default_for_each_key_that_does_not_fit(hmap_type, key, call):
    m = hmap_type(key, np.int8, {1: 5})
    with refused(m, ValueError, "default: 3 keys but 2 values: give one value per key, or one for all"):
        getattr(m, call)([1, 2, 3], [7, 8])
    with refused(m, ValueError, "default: values must be one-dimensional"):
        getattr(m, call)([1, 2], np.zeros((2, 2), np.int8))
    with refused(m, OverflowError, r"default: values\[1\]"):
        getattr(m, call)([1, 2], [7, 800])
    objects = hmap_type(key, object, {1: 5})
    with refused(objects, ValueError, "default: 1 keys but 0 values"):
        getattr(objects, call)([1], [])


@kinds
def test_factorize_numbers_keys_in_the_order_of_first_sight(hmap_type, kind, asked):
    m, codes = hmap_type(kind.spec, np.int32), {}
    for batch in (asked[:5], asked[3:200], asked, asked[::-1]):
        expected = [codes.setdefault(key, len(codes)) for key in batch]
        numbers = m.factorize(kind.array(batch))
        assert numbers.tolist() == expected
        assert numbers.dtype == np.int64
    assert items_of(m) == codes
    m.check()


class TestFactorize:
    """Tests for which one key type is enough."""

    def test_a_deleted_key_gets_a_new_code(self, hmap_type):
        m = hmap_type(str, np.int64)
        assert m.factorize(["a", "b", "c"]).tolist() == [0, 1, 2]
        del m["b"]
        assert m.factorize(["c", "b", "a"]).tolist() == [2, 3, 0]
        m.discard_many(["a"])
        assert m.factorize(["a", "c"]).tolist() == [4, 2]

    @pytest.mark.parametrize("delete", [lambda m: m.__delitem__("c"), lambda m: m.discard_many(["c"])])
    def test_the_code_of_a_deleted_key_is_not_given_again(self, hmap_type, delete):
        m = hmap_type(str, np.int64)
        m.factorize(["a", "b", "c"])
        delete(m)
        assert m.factorize(["d", "a"]).tolist() == [3, 0]

    def test_after_other_writes_it_goes_on_above_the_largest_value(self, hmap_type):
        m = hmap_type(str, np.int64, {"a": 7})
        assert m.factorize(["a", "b"]).tolist() == [7, 8]
        m["c"] = 20
        assert m.factorize(["d", "c"]).tolist() == [21, 20]
        m.set_many(["e"], 30)
        assert m.factorize(["f"]).tolist() == [31]
        m.add_many(["e"], 5)
        assert m.factorize(["g", "e"]).tolist() == [36, 35]
        m.setdefault_many(["h"], 50)
        assert m.factorize(["i"]).tolist() == [51]

    def test_negative_values_are_no_codes_to_go_on_from(self, hmap_type):
        for dtype in (np.int8, np.int16, np.int32, np.int64):
            m = hmap_type(str, dtype, {"a": -5})
            assert m.factorize(["b", "a", "c"]).tolist() == [0, -5, 1]

    @pytest.mark.parametrize("key", [str, object])
    def test_a_code_is_not_given_again_after_other_writes(self, hmap_type, key):
        m = hmap_type(key, np.int64)
        m.factorize(["a", "b", "c"])
        del m["c"]
        m["a"] = 0
        assert m.factorize(["d"]).tolist() == [3]

    def test_from_an_emptied_map_it_begins_at_0(self, hmap_type):
        m = hmap_type(str, np.int64)
        for empty in (m.clear, lambda: m.pop_many(["a", "b"])):
            assert m.factorize(["a", "b"]).tolist() == [0, 1]
            empty()
            assert m.factorize(["b", "a"]).tolist() == [0, 1]
            m.clear()

    @pytest.mark.parametrize(("dtype", "codes"), [(np.int8, 128), (np.uint8, 256)])
    @pytest.mark.parametrize("key", [np.int64, str, object])
    def test_more_keys_than_codes(self, hmap_type, dtype, codes, key):
        m = hmap_type(key, dtype)
        keys = [str(i) if key is str else i for i in range(codes + 5)]
        with pytest.raises(OverflowError, match=rf"keys\[{codes}\]: code {codes} is outside {np.dtype(dtype)}"):
            m.factorize(keys)
        assert items_of(m) == {key: code for code, key in enumerate(keys[:codes])}
        assert m.factorize(keys[:codes][::-1]).tolist() == list(range(codes))[::-1]
        m.check()

    @pytest.mark.parametrize(("dtype", "largest"), [(np.int8, 127), (np.int64, 2**63 - 1), (np.uint64, 2**64 - 1)])
    def test_no_code_above_the_largest_value(self, hmap_type, dtype, largest):
        m = hmap_type(str, dtype, {"a": largest})
        with refused(m, OverflowError, "code"):
            m.factorize(["b"])

    @pytest.mark.parametrize("value", ["f8", "?", str, object, "M8[s]"])
    def test_needs_int_values(self, hmap_type, value):
        m = hmap_type(np.int64, value)
        with refused(m, TypeError, "factorize needs a map with an int value type"):
            m.factorize([1])


class TestAddMany:
    """Tests for which one key type is enough."""

    def test_ints_wrap_and_nan_stays(self, hmap_type):
        m = hmap_type(str, np.int8, {"a": 127, "b": -128})
        m.add_many(["a", "b"], [1, -1])
        assert items_of(m) == {"a": -128, "b": 127}
        floats = hmap_type(str, np.float64, {"a": 1.0, "b": float("nan")})
        for op in ("min", "max", "add"):
            floats.add_many(["a", "b", "c"], [float("nan"), 1.0, 2.0], op=op)
            assert np.isnan([floats["a"], floats["b"]]).all()
            floats["a"] = 1.0
        assert floats["c"] == 4.0

    @pytest.mark.parametrize("name", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
    @pytest.mark.parametrize("op", ["add", "min", "max"])
    def test_ints_combine_as_in_numpy(self, hmap_type, name, op):
        values = np.array(VALUE_KINDS[name].values, name)
        function = {"add": np.add, "min": np.minimum, "max": np.maximum}[op]
        for other in values:
            m = hmap_type(np.int64, name, enumerate(values.tolist()))
            m.add_many(np.arange(len(values)), other, op=op)
            with np.errstate(over="ignore"):
                expected = function(values, other).tolist()
            assert items_of(m) == dict(enumerate(expected))

    @pytest.mark.parametrize("key", [str, object])
    @pytest.mark.parametrize(
        ("name", "op"), [("M8[us]", "min"), ("M8[us]", "max"), ("m8[D]", "min"), ("m8[D]", "max"), ("m8[D]", "add")]
    )
    def test_times_combine_as_in_numpy(self, hmap_type, key, name, op):
        """NaT wins, from either side. Sums wrap around, as those of ints do; NumPy 2.5 refuses them."""
        values = np.array([0, 1, -5, 2**62, 2**63 - 1, "NaT"], name)

        def sums(some, other):
            words = some.view("i8") + other.view("i8")
            return np.where(np.isnat(some) | np.isnat(other), np.iinfo("i8").min, words).view(some.dtype)

        function = {"add": sums, "min": np.minimum, "max": np.maximum}[op]
        for other in values:
            m = hmap_type(key, name, zip("abcdef", values, strict=True))
            m.add_many(list("abcdef"), other, op=op)
            stored = np.array([m[letter] for letter in "abcdef"], name)
            assert stored.view("i8").tolist() == function(values, other).view("i8").tolist()

    def test_the_last_time_a_key_was_seen(self, hmap_type):
        m = hmap_type(str, "M8[D]")
        m.add_many(["a", "b", "a"], np.array(["2024-01-02", "2024-01-01", "2024-01-01"], "M8[D]"), op="max")
        assert items_of(m) == {"a": np.datetime64("2024-01-02"), "b": np.datetime64("2024-01-01")}

    def test_moments_have_no_sum(self, hmap_type):
        m = hmap_type(str, "M8[us]", {"a": np.datetime64(5, "us")})
        message = r"cannot add values of type datetime64\[us\]: give op='max' for the last seen"
        with refused(m, TypeError, message):
            m.add_many(["a"], np.datetime64(1, "us"))

    def test_objects_are_combined_in_python(self, hmap_type):
        m = hmap_type(str, object, {"a": [1], "b": "x"})
        m.add_many(["a", "b", "c", "a"], [[2], "y", 3, [4]])
        assert items_of(m) == {"a": [1, 2, 4], "b": "xy", "c": 3}

    @pytest.mark.parametrize("name", ["bool", "complex64", "longdouble", "str", "S3", "record"])
    def test_other_values_are_refused(self, hmap_type, name):
        m = hmap_type(str, VALUE_KINDS[name].spec, {"a": VALUE_KINDS[name].values[0]})
        with refused(m, TypeError, "add_many cannot combine values of type"):
            m.add_many(["a"], VALUE_KINDS[name].values[0])

    def test_other_operations_are_refused(self, hmap_type):
        m = hmap_type(str, np.int64, {"a": 1})
        with refused(m, ValueError, "op='mul': choose one of add, min, max"):
            m.add_many(["a"], op="mul")


class TestTextBatches:
    """Batches in which NumPy's fixed-size texts differ from str and bytes."""

    def test_trailing_nuls_end_with_the_item_in_fixed_arrays_only(self, hmap_type):
        m = hmap_type(bytes, np.int64, {b"a": 1, b"a\0": 2})
        assert m.get_many([b"a", b"a\0"]).tolist() == [1, 2]
        assert m.get_many(np.array([b"a", b"a\0"], object)).tolist() == [1, 2]
        assert m.get_many(np.array([b"a", b"a\0"], "S2")).tolist() == [1, 1]
        fixed = hmap_type("S2", np.int64, {b"a": 1})
        assert fixed[b"a\0"] == fixed.get_many([b"a\0"])[0] == 1
        texts = hmap_type(str, np.int64, {"a": 1, "a\0": 2})
        assert texts.get_many(np.array(["a", "a\0"], "U2")).tolist() == [1, 1]

    def test_what_is_too_long_is_named_with_its_position(self, hmap_type):
        for spec, keys in (("S2", [b"ab", b"abc"]), ("U2", ["ab", "abc"]), ("S2", np.array([b"ab", b"abc"]))):
            m = hmap_type(spec, np.int64, {keys[0]: 1})
            with refused(m, OverflowError, r"keys\[1\]"):
                m.contains_many(keys)
            with refused(m, OverflowError, r"keys\[1\]"):
                m.set_many(keys, 2)
        m = hmap_type(np.int64, "U2", {1: "ab"})
        with refused(m, OverflowError, r"values\[1\]"):
            m.set_many([1, 2], ["b", "abc"])

    def test_string_dtype_arrays(self, hmap_type):
        words = ["", "ä", "x" * 12, "y" * 300, "a\0"]
        m = hmap_type(str, np.int64, zip(words, range(5), strict=True))
        array = np.array(words, np.dtypes.StringDType())
        assert m.get_many(array).tolist() == [0, 1, 2, 3, 4]
        assert m.contains_many(np.repeat(array, 2)[::-2]).all()

    def test_str_and_bytes_are_never_taken_for_each_other(self, hmap_type):
        texts, strings = hmap_type(str, np.int64, {"a": 1}), hmap_type(bytes, np.int64, {b"a": 1})
        for m, wrong in ((texts, [b"a"]), (strings, ["a"])):
            for keys in (wrong, np.array(wrong)):
                with refused(m, TypeError):
                    m.get_many(keys, 0)
                with refused(m, TypeError):
                    m.set_many(keys, 0)


def test_every_key_type_is_gone_through():
    assert len(KINDS) == 24


@pytest.mark.parametrize("key", [np.int64, str, object])
def test_values_without_bytes(hmap_type, key):
    """An array of them has no memory; the sanitizers watch what is done with its address."""
    keys = {np.int64: [1, 2, 3], str: ["a", "b", "c"], object: [(1,), (2,), (3,)]}[key]
    m = hmap_type(key, "V0")
    m.set_many(keys[:2], np.zeros(2, "V0"))
    assert m.setdefault_many(keys, np.zeros(3, "V0")).tolist() == [b""] * 3
    assert m.get_many(keys, np.zeros(3, "V0")).tolist() == m.pop_many(keys).tolist() == [b""] * 3
    assert len(m) == 0
    m.check()
