"""The mapping protocol: one contract, held against `dict`, inherited by one class a key type.

`dict` is the source of every expected value: each test does to a dict what it does to the map.
"""

import copy
import pickle
from collections.abc import Mapping, MutableMapping
from typing import ClassVar

import numpy as np
import pytest

from support import EDGE_KEYS, items_of


class MappingContract:
    """What holds for every key type. A subclass names the dtype and 30 keys."""

    dtype: type
    keys: ClassVar[list]

    @pytest.fixture
    def reference(self):
        return {key: i - 5 for i, key in enumerate(self.keys)}

    @pytest.fixture
    def m(self, hmap_type, reference):
        return hmap_type(self.dtype, np.int64, reference)

    @pytest.fixture
    def empty(self, hmap_type):
        return hmap_type(self.dtype, np.int64)

    def test_is_a_mutable_mapping_that_cannot_be_hashed(self, m):
        assert isinstance(m, MutableMapping)
        with pytest.raises(TypeError, match="unhashable"):
            hash(m)

    def test_empty(self, empty):
        assert len(empty) == 0
        assert not empty
        assert list(empty) == list(empty.items()) == []
        assert empty == {}
        assert self.keys[0] not in empty
        assert empty.get(self.keys[0]) is None
        empty.clear()
        empty.check()

    def test_construction_from_mapping_pairs_iterator_and_map(self, hmap_type, m, reference):
        for source in (reference, list(reference.items()), iter(reference.items()), m):
            made = hmap_type(self.dtype, np.int64, source)
            assert items_of(made) == reference
            made.check()

    def test_read(self, m, reference):
        assert len(m) == len(reference) == 30
        assert bool(m)
        for key in reference:
            assert m[key] == m.get(key) == m.get(key, "absent") == reference[key]
            assert key in m
            assert type(m[key]) is int

    def test_missing_key(self, empty, m, reference):
        absent = self.keys[7]
        del m[absent]
        for missing in (empty, m):
            assert absent not in missing
            assert missing.get(absent) is None
            assert missing.get(absent, "absent") == "absent"
            for read in (missing.__getitem__, missing.__delitem__, missing.pop):
                with pytest.raises(KeyError) as caught:
                    read(absent)
                assert caught.value.args == (absent,)

    def test_key_error_holds_the_callers_own_object(self, empty):
        key = self.dtype(1)
        with pytest.raises(KeyError) as caught:
            empty[key]
        assert caught.value.args[0] is key

    def test_overwrite(self, m, reference):
        for key in self.keys[::3]:
            m[key] = reference[key] = 1000
        assert items_of(m) == reference

    def test_delete_all_and_refill(self, m, reference):
        for i, key in enumerate(self.keys):
            del m[key]
            del reference[key]
            assert items_of(m) == reference
            assert len(m) == 29 - i
            m.check()
        for key in self.keys:
            m[key] = reference[key] = 3
        assert items_of(m) == reference
        m.check()

    def test_pop(self, m, reference):
        for key in self.keys[::2]:
            assert m.pop(key) == reference.pop(key)
            assert m.pop(key, "absent") == "absent"
            assert m.pop(key, None) is None
        assert items_of(m) == reference

    def test_popitem(self, m, reference):
        popped = [m.popitem() for _ in range(30)]
        assert dict(popped) == reference
        assert len(m) == 0
        with pytest.raises(KeyError, match=r"popitem\(\): HMap is empty"):
            m.popitem()
        m.check()

    def test_setdefault(self, empty, m, reference):
        for i, key in enumerate(self.keys):
            assert m.setdefault(key, 99) == reference[key]
            assert empty.setdefault(key, i) == i
            assert empty.setdefault(key, 99) == i
            assert empty.setdefault(key) == i
        assert items_of(m) == reference
        assert items_of(empty) == {key: i for i, key in enumerate(self.keys)}

    def test_clear(self, m):
        m.clear()
        assert len(m) == 0
        assert list(m) == []
        assert all(key not in m for key in self.keys)
        m.check()
        m[self.keys[0]] = 1
        assert items_of(m) == {self.keys[0]: 1}

    def test_update(self, hmap_type, m, reference):
        change = {self.keys[0]: 100, self.keys[-1]: 101}
        other = hmap_type(self.dtype, np.int64, change)
        for source in (change, list(change.items()), iter(change.items()), other):
            grown = m.copy()
            grown.update(source)
            assert items_of(grown) == reference | change
        m.update(m)
        m.update({})
        m.update()
        assert items_of(m) == reference

    @pytest.mark.parametrize("source", [42, [1], [(1, 2, 3)]])
    def test_update_from_what_is_not_pairs(self, m, reference, source):
        with pytest.raises((TypeError, ValueError)):
            m.update(source)
        assert items_of(m) == reference

    def test_merge(self, hmap_type, m, reference):
        change = {self.keys[0]: 100, self.keys[-1]: 101}
        assert items_of(m | change) == reference | change
        assert items_of(change | m) == change | reference
        assert items_of(m | hmap_type(self.dtype, np.int64, change)) == reference | change
        assert items_of(m) == reference
        same = m
        same |= change
        assert same is m
        assert items_of(m) == reference | change
        for wrong in (3, [(1, 2)]):
            with pytest.raises(TypeError):
                m | wrong

    def test_equality(self, hmap_type, m, reference):
        assert m == reference
        assert reference == m
        assert m == m.copy()
        assert m == hmap_type(self.dtype, np.int64, reversed(reference.items()))
        key = self.keys[4]
        for other in (
            reference | {key: -99},
            {k: v for k, v in reference.items() if k != key},
            {},
            {str(k): v for k, v in reference.items()},
        ):
            assert m != other
            assert other != m
        assert m != hmap_type(self.dtype, np.int64, reference | {key: -99})
        larger = m | {self.dtype(77): 1}
        assert m != larger
        assert larger != m
        changed = m.copy()
        changed[self.dtype(77)] = changed.pop(key)
        assert m != changed
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
    def test_copies_are_equal_and_independent(self, m, reference, duplicate):
        twin = duplicate(m)
        assert type(twin) is type(m)
        assert (twin.key_dtype, twin.value_dtype) == (m.key_dtype, m.value_dtype)
        assert items_of(twin) == reference
        twin.check()
        del twin[self.keys[0]]
        m[self.keys[1]] = 1000
        assert items_of(m) == reference | {self.keys[1]: 1000}
        assert twin[self.keys[1]] == reference[self.keys[1]]

    def test_views(self, m, reference):
        assert set(m) == set(m.keys()) == set(reference)
        assert sorted(m.values()) == sorted(reference.values())
        assert dict(m.items()) == reference
        for view, expected in ((m.keys(), reference.keys()), (m.items(), reference.items())):
            assert len(view) == 30
            assert view == expected
            assert view & set(list(expected)[:3]) == set(list(expected)[:3])
            assert view | set() == set(expected)
            assert view - set(list(expected)[3:]) == set(list(expected)[:3])
            assert not view.isdisjoint(expected)
            assert all(element in view for element in expected)
        assert (self.keys[0], 12345) not in m.items()
        assert -5 in m.values()
        assert 12345 not in m.values()
        assert len(m.values()) == 30

    def test_views_are_live_and_in_one_order(self, m, reference):
        keys, values, items = m.keys(), m.values(), m.items()
        m[self.keys[2]] = 555
        del m[self.keys[3]]
        assert self.keys[3] not in keys
        assert 555 in values
        assert (self.keys[2], 555) in items
        assert list(zip(keys, values, strict=True)) == list(items)
        assert [list(keys), list(values)] == [array.tolist() for array in m.to_arrays()]
        assert m.keys_array().tolist() == list(keys)
        assert m.values_array().tolist() == list(values)

    def test_fromkeys(self, hmap_type):
        made = hmap_type.fromkeys(np.array(self.keys, self.dtype), 7)
        assert made == dict.fromkeys(self.keys, 7)
        assert made.key_dtype == self.dtype

    def test_from_arrays(self, hmap_type, reference):
        keys = np.array(self.keys, self.dtype)
        made = hmap_type.from_arrays(keys, np.arange(30) - 5)
        assert items_of(made) == reference
        assert (made.key_dtype, made.value_dtype) == (self.dtype, np.int64)
        assert made.stats().growths == 0

    def test_repr_shows_types_and_items(self, empty, m, reference):
        empty[self.keys[0]] = -3
        assert repr(empty) == f"{type(empty).__name__}({np.dtype(self.dtype)}, int64, {{{self.keys[0]!r}: -3}})"
        assert all(f"{key!r}: {value}" in repr(m) for key, value in reference.items())

    def test_structural_pattern(self, m):
        match m:
            case Mapping() as found:
                assert found is m
            case _:
                pytest.fail("not matched as a mapping")

    def test_edge_keys_are_distinct_and_survive_growth(self, empty):
        edge = EDGE_KEYS[self.dtype]
        for i, key in enumerate(edge):
            empty[key] = i
        fillers = [key for key in (self.dtype(1000 + i) for i in range(200)) if key not in edge]
        empty.update((key, -1) for key in fillers)
        for i, key in enumerate(edge):
            assert empty[key] == i
        assert empty.get_many(np.array(edge, self.dtype)).tolist() == list(range(len(edge)))
        assert set(edge) < set(empty)
        assert len(empty) == len(edge) + len(fillers)
        empty.check()


class TestInt64(MappingContract):
    dtype = np.int64
    keys: ClassVar = [*range(-10, 10), -(2**63), 2**63 - 1, *(i << 40 for i in range(1, 9))]


class TestUint64(MappingContract):
    dtype = np.uint64
    keys: ClassVar = [*range(20), 2**63, 2**64 - 1, *(i << 40 for i in range(1, 9))]


class TestFloat64(MappingContract):
    dtype = np.float64
    keys: ClassVar = [*(i / 4 for i in range(-10, 10)), float("inf"), -float("inf"), *(1e9 + i for i in range(8))]


class TestOtherProtocolParts:
    """What one key type is enough for."""

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
