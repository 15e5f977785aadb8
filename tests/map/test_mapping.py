"""The mapping protocol: one contract, compared with `dict`, for every key type.

`dict` is the source of every expected value: each test does to a dict what it does to the map.
"""

import copy
import pickle
from collections.abc import Mapping, MutableMapping

import numpy as np
import pytest

from kinds import kinds, value_kinds
from support import items_of, refused

pytestmark = pytest.mark.frozen_too


@kinds
class TestMapping:
    """Tests for every key type."""

    @pytest.fixture
    def keys(self, kind):
        return kind.keys

    @pytest.fixture
    def reference(self, keys):
        return {key: i - 5 for i, key in enumerate(keys)}

    @pytest.fixture
    def m(self, hmap_type, kind, reference):
        return hmap_type(kind.spec, np.int64, reference)

    @pytest.fixture
    def empty(self, hmap_type, kind):
        return hmap_type(kind.spec, np.int64)

    def test_is_a_mutable_mapping_that_cannot_be_hashed(self, kind, m):
        assert isinstance(m, MutableMapping)
        with pytest.raises(TypeError, match="unhashable"):
            hash(m)

    def test_empty(self, kind, empty, keys):
        assert len(empty) == 0
        assert not empty
        assert list(empty) == list(empty.items()) == []
        assert empty == {}
        assert keys[0] not in empty
        assert empty.get(keys[0]) is None
        empty.clear()
        empty.check()

    def test_construction_from_mapping_pairs_iterator_and_map(self, kind, hmap_type, m, reference):
        for source in (reference, list(reference.items()), iter(reference.items()), m):
            made = hmap_type(kind.spec, np.int64, source)
            assert items_of(made) == reference
            made.check()

    def test_read(self, kind, m, reference):
        assert len(m) == len(reference) == len(kind.keys)
        assert bool(m)
        for key in reference:
            assert m[key] == m.get(key) == m.get(key, "absent") == reference[key]
            assert key in m
            assert type(m[key]) is int

    def test_missing_key(self, kind, empty, m, reference, keys):
        absent = keys[-1]
        del m[absent]
        for missing in (empty, m):
            assert absent not in missing
            assert missing.get(absent) is None
            assert missing.get(absent, "absent") == "absent"
            for read in (missing.__getitem__, missing.__delitem__, missing.pop):
                with pytest.raises(KeyError) as caught:
                    read(absent)
                assert caught.value.args == (absent,)

    def test_key_error_holds_the_callers_own_object(self, empty, keys):
        key = keys[-1]
        with pytest.raises(KeyError) as caught:
            empty[key]
        assert caught.value.args[0] is key

    def test_overwrite(self, kind, m, reference, keys):
        for key in keys[::3]:
            m[key] = reference[key] = 1000
        assert items_of(m) == reference

    def test_delete_all_and_refill(self, kind, m, reference, keys):
        for i, key in enumerate(keys):
            del m[key]
            del reference[key]
            assert items_of(m) == reference
            assert len(m) == len(keys) - 1 - i
            m.check()
        for key in keys:
            m[key] = reference[key] = 3
        assert items_of(m) == reference
        m.check()

    def test_pop(self, kind, m, reference, keys):
        for key in keys[::2]:
            assert m.pop(key) == reference.pop(key)
            assert m.pop(key, "absent") == "absent"
            assert m.pop(key, None) is None
        assert items_of(m) == reference

    def test_popitem(self, kind, m, reference):
        popped = [m.popitem() for _ in range(len(reference))]
        assert dict(popped) == reference
        assert len(m) == 0
        with pytest.raises(KeyError, match=r"popitem\(\): HMap is empty"):
            m.popitem()
        m.check()

    def test_setdefault(self, kind, empty, m, reference, keys):
        for i, key in enumerate(keys):
            assert m.setdefault(key, 99) == reference[key]
            assert empty.setdefault(key, i) == i
            assert empty.setdefault(key, 99) == i
            assert empty.setdefault(key) == i
        assert items_of(m) == reference
        assert items_of(empty) == {key: i for i, key in enumerate(keys)}

    def test_clear(self, kind, m, keys):
        m.clear()
        assert len(m) == 0
        assert list(m) == []
        assert all(key not in m for key in keys)
        m.check()
        m[keys[0]] = 1
        assert items_of(m) == {keys[0]: 1}

    def test_update(self, kind, hmap_type, m, reference, keys):
        change = {keys[0]: 100, keys[-1]: 101}
        other = hmap_type(kind.spec, np.int64, change)
        for source in (change, list(change.items()), iter(change.items()), other):
            grown = m.copy()
            grown.update(source)
            assert items_of(grown) == reference | change
        m.update(m)
        m.update({})
        m.update()
        assert items_of(m) == reference

    @pytest.mark.parametrize("source", [42, [1], [(1, 2, 3)]])
    def test_update_from_what_is_not_pairs(self, kind, m, reference, source):
        with pytest.raises((TypeError, ValueError)):
            m.update(source)
        assert items_of(m) == reference

    def test_merge(self, kind, hmap_type, m, reference, keys):
        change = {keys[0]: 100, keys[-1]: 101}
        assert items_of(m | change) == reference | change
        assert items_of(change | m) == change | reference
        assert items_of(m | hmap_type(kind.spec, np.int64, change)) == reference | change
        assert items_of(m) == reference
        same = m
        same |= change
        assert same is m
        assert items_of(m) == reference | change
        for wrong in (3, [(1, 2)]):
            with pytest.raises(TypeError):
                m | wrong

    def test_equality(self, kind, hmap_type, m, reference, keys):
        assert m == reference
        assert reference == m
        assert m == m.copy()
        assert m == hmap_type(kind.spec, np.int64, reversed(reference.items()))
        key = keys[1]
        for other in (
            reference | {key: -99},
            {k: v for k, v in reference.items() if k != key},
            {},
            {("another", k): v for k, v in reference.items()},
        ):
            assert m != other
            assert other != m
        assert m != hmap_type(kind.spec, np.int64, reference | {key: -99})
        fewer, other = m.copy(), hmap_type(kind.spec, np.int64, reference)
        del fewer[key]
        del other[keys[0]]
        assert fewer != m
        assert fewer != other
        assert m != 3
        assert m is not None

    @pytest.mark.parametrize(
        "duplicate",
        [
            lambda m: m.copy(),
            copy.copy,
            copy.deepcopy,
            *(lambda m, p=p: pickle.loads(pickle.dumps(m, p)) for p in range(2, pickle.HIGHEST_PROTOCOL + 1)),
        ],
    )
    def test_copies_are_equal_and_independent(self, kind, m, reference, duplicate, keys):
        copied = duplicate(m)
        assert type(copied) is type(m)
        assert (copied.key_dtype, copied.value_dtype) == (m.key_dtype, m.value_dtype)
        assert items_of(copied) == reference
        copied.check()
        del copied[keys[0]]
        m[keys[1]] = 1000
        assert items_of(m) == reference | {keys[1]: 1000}
        assert copied[keys[1]] == reference[keys[1]]

    def test_views(self, kind, m, reference, keys):
        assert set(m) == set(m.keys()) == set(reference)
        assert sorted(m.values()) == sorted(reference.values())
        assert dict(m.items()) == reference
        for view, expected in ((m.keys(), reference.keys()), (m.items(), reference.items())):
            assert len(view) == len(reference)
            assert view == expected
            assert view & set(list(expected)[:3]) == set(list(expected)[:3])
            assert view | set() == set(expected)
            assert view - set(list(expected)[3:]) == set(list(expected)[:3])
            assert not view.isdisjoint(expected)
            assert all(element in view for element in expected)
        assert (keys[0], 12345) not in m.items()
        assert -5 in m.values()
        assert 12345 not in m.values()
        assert len(m.values()) == len(reference)

    def test_views_are_live_and_in_one_order(self, kind, m, reference):
        changed, gone = kind.keys[0], kind.keys[1]
        keys, values, items = m.keys(), m.values(), m.items()
        m[changed] = 555
        del m[gone]
        assert gone not in keys
        assert 555 in values
        assert (changed, 555) in items
        assert list(zip(keys, values, strict=True)) == list(items)
        both = m.to_arrays()
        assert both[0].tolist() == m.keys_array().tolist() == kind.array(keys).tolist()
        assert both[1].tolist() == m.values_array().tolist() == list(values)
        assert both[0].dtype == m.keys_array().dtype == kind.array([]).dtype

    def test_fromkeys(self, hmap_type, kind, keys):
        made = hmap_type.fromkeys(kind.array(keys), 7)
        assert made == dict.fromkeys(keys, 7)
        texts = {"U": str, "S": bytes}  # of any length, whatever array they are in
        assert made.key_dtype == texts.get(np.dtype(kind.spec).kind, kind.spec)

    def test_from_arrays(self, hmap_type, kind, keys, reference):
        made = hmap_type.from_arrays(kind.array(keys), np.arange(len(keys)) - 5)
        assert items_of(made) == reference
        assert made.value_dtype == np.int64
        assert made.stats().growths == 0

    def test_repr_shows_types_and_items(self, kind, keys, empty, m, reference):
        empty[keys[0]] = -3
        assert repr(empty).startswith(f"{type(empty).__name__}(")
        assert repr(empty).endswith(f"int64, {{{keys[0]!r}: -3}})")
        assert all(f"{key!r}: {value}" in repr(m) for key, value in reference.items())

    def test_structural_pattern(self, kind, m):
        match m:
            case Mapping() as found:
                assert found is m
            case _:
                pytest.fail("not matched as a mapping")

    def test_edge_keys_are_distinct_and_survive_growth(self, kind, empty):
        expected = {key: i for i, key in enumerate(kind.edge)}
        fillers = [key for key in map(kind.make, range(min(kind.count, 200))) if key not in expected]
        for key, i in expected.items():
            empty[key] = i
        empty.update((key, -1) for key in fillers)
        assert empty.get_many(kind.array(kind.edge)).tolist() == list(range(len(kind.edge)))
        assert items_of(empty) == expected | dict.fromkeys(fillers, -1)
        assert list(map(type, sorted(empty, key=repr))) == list(map(type, sorted([*expected, *fillers], key=repr)))
        empty.check()


@value_kinds
class TestValues:
    """Tests for every value type."""

    @pytest.fixture
    def reference(self, value_kind):
        return {i: value_kind.values[i % len(value_kind.values)] for i in range(40)}

    @pytest.fixture
    def m(self, hmap_type, value_kind, reference):
        return hmap_type(np.int16, value_kind.spec, reference)

    def test_scalar_calls(self, m, value_kind, reference):
        assert items_of(m) == reference
        assert [type(m[key]) for key in m] == [type(reference[key]) for key in m]
        last = value_kind.values[-1]
        m[3] = reference[3] = last
        assert m.setdefault(4, last) == reference[4]
        assert m.setdefault(100, last) == last
        assert m.pop(100) == last
        assert m.pop(5) == reference.pop(5)
        assert last in m.values()
        assert items_of(m) == reference
        m.check()
        while m:
            key, value = m.popitem()
            assert reference.pop(key) == value
        m.check()

    def test_batch_calls(self, m, value_kind, reference):
        keys = np.arange(-5, 50)
        zero, last = value_kind.values[0], value_kind.values[-1]
        values, found = m.lookup_many(keys)
        assert values.tolist() == value_kind.array([reference.get(key, zero) for key in keys.tolist()]).tolist()
        assert values.dtype == value_kind.array([]).dtype
        assert found.tolist() == [key in reference for key in keys.tolist()]
        filled = m.get_many(keys, last)
        assert filled.tolist() == value_kind.array([reference.get(key, last) for key in keys.tolist()]).tolist()
        m.set_many([1, 2, 1], value_kind.array([zero, zero, last]))
        m.set_many([7, 8], [zero, last])
        reference.update({1: last, 2: zero, 7: zero, 8: last})
        assert items_of(m) == reference
        stored = m.setdefault_many([3, 200, 200], value_kind.array([last, zero, last]))
        assert stored.tolist() == value_kind.array([reference[3], zero, zero]).tolist()
        popped = m.pop_many([3, 200, 201], last)
        assert popped.tolist() == value_kind.array([reference.pop(3), zero, last]).tolist()
        assert items_of(m) == reference
        assert m.values_array().tolist() == value_kind.array(m.values()).tolist()
        out = value_kind.array([zero] * 4)
        assert m.get_many([1, 2, 7, 8], out=out) is out
        assert out.tolist() == value_kind.array([last, zero, zero, last]).tolist()
        m.check()

    def test_a_default_is_a_value(self, m, value_kind):
        if value_kind.spec is object:
            return
        for call in (
            lambda: m.__setitem__(3, object()),
            lambda: m.setdefault(300, object()),
            lambda: m.set_many([3], object()),
            lambda: m.set_many([3, 4], [value_kind.values[0], object()]),
            lambda: m.setdefault_many([300], object()),
            lambda: m.get_many([300], object()),
            lambda: m.pop_many([3, 300], object()),
        ):
            with refused(m, TypeError):
                call()

    def test_copies(self, m, reference):
        for duplicate in (m.copy(), copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
            assert items_of(duplicate) == reference
            assert duplicate == m
            duplicate.check()


class TestOtherProtocolParts:
    """Tests for which one key type is enough."""

    @pytest.mark.parametrize(
        ("dtype", "values"),
        [
            (np.int64, [-(2**63), 2**63 - 1, 0, -1]),
            (np.uint64, [0, 2**64 - 1, 2**63]),
            (np.float64, [0.1, -float("inf"), 5e-324]),
            (np.complex64, [1 + 2j, -0.5j]),
        ],
    )
    def test_value_types(self, hmap_type, dtype, values):
        m = hmap_type(np.int64, dtype, enumerate(values))
        assert [m[i] for i in range(len(values))] == values
        assert all(type(m[i]) is type(values[0]) for i in range(len(values)))
        assert m.get_many(range(len(values))).dtype == dtype
        assert sorted(map(repr, m.values())) == sorted(map(repr, values))
        m.check()

    @pytest.mark.parametrize("spec", ["i8", ">i8", int, np.dtype(np.int64), "int64", "longlong"])
    def test_a_dtype_is_named_as_numpy_names_it(self, hmap_type, spec):
        m = hmap_type(spec, spec, {-1: -2})
        assert (m.key_dtype, m.value_dtype) == (np.dtype("=i8"), np.dtype("=i8"))
        assert m[-1] == -2

    def test_minus_zero_is_zero_as_a_value_too_but_keeps_its_sign(self, hmap_type):
        m = hmap_type(np.int64, np.float64, {1: -0.0})
        assert str(m[1]) == "-0.0"
        assert str(m.get_many([1])[0]) == "-0.0"

    def test_a_map_in_a_dict_and_a_subclass(self, hmap_type):
        class Counts(hmap_type):
            def total(self):
                return sum(self.values())

        counts = Counts(np.int64, np.int64, {1: 2, 3: 4})
        assert counts.total() == 6
        assert type(counts.copy()) is Counts
        assert repr(counts).startswith("Counts(")
        assert {"inner": counts}["inner"][3] == 4

    def test_update_from_an_iterator_that_changes_the_map(self, hmap_type):
        m = hmap_type(np.int64, np.int64)

        def pairs():
            for i in range(300):
                m[1000 + i] = i
                yield i, i

        m.update(pairs())
        assert items_of(m) == {**{i: i for i in range(300)}, **{1000 + i: i for i in range(300)}}
        m.check()

    def test_inserting_one_maps_keys_into_another_in_its_order_keeps_chains_short(self, hmap_type):
        source = hmap_type(np.int64, np.int64, ((i, i) for i in range(3000)))
        target = hmap_type(np.int64, np.int64)
        for key in source:
            target[key] = 1
        assert len(target.stats().chain_lengths) - 1 <= 4
