"""Random operations: each engine against `dict`, and the compiled engine against the reference, row by row."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kinds import KINDS, VALUE_KINDS
from pyhmap import HMap
from pyhmap._reference.engine import ReferenceMap
from support import assert_same_rows, fragmented, items_of

pytestmark = pytest.mark.frozen_too

RELAXED = [HealthCheck.too_slow, HealthCheck.data_too_large]


def examples(wanted):
    """As many as wanted, unless the profile of this run has fewer."""
    return min(wanted, settings().max_examples)


# Each physical form of keys and of values, each kind of conversion, and long texts among short ones.
PAIRS = {
    "int64": "int64", "uint8": "str", "int32": "float64", "uint64": "object", "bool": "int8", "float16": "record",
    "float32": "uint16", "float64": "bytes", "datetime64[s]": "timedelta64[D]", "str": "int64", "bytes": "str",
    "S5": "U3", "float and text": "datetime64[us]", "padded record": "bytes", "object": "object",
}  # fmt: skip
pairs = pytest.mark.parametrize(("key", "value"), PAIRS.items(), ids=[f"{k} to {v}" for k, v in PAIRS.items()])


def keys_of(kind):
    """Keys of a type: mostly from a small range, so that they repeat, and some from the whole range."""
    return st.one_of(st.integers(0, min(kind.count, 100) - 1).map(kind.make), kind.any, st.sampled_from(kind.edge))


def run_of(kind, start, n):
    """Up to n numbered keys."""
    return [kind.make(i) for i in range(start, start + n) if i < kind.count]


# ---- against dict ----------------------------------------------------------------------------------------------------


class ModelMachine(RuleBasedStateMachine):
    """A map of either engine and a dict get the same calls; `check()` after each."""

    hmap_type: type
    kind: Any
    values: Any

    @initialize(capacity=st.sampled_from([0, 0, 9, 100]), seed=st.integers(0, 2**64 - 1), data=st.data())
    def make(self, capacity, seed, data):
        self.m = self.hmap_type(self.kind.spec, self.values.spec, capacity=capacity, seed=seed)
        self.model = {}
        self.data = data

    def key(self):
        """A key that is there, or any."""
        if self.model and self.data.draw(st.booleans()):
            return self.data.draw(st.sampled_from(list(self.model)))
        return self.canonical(self.data.draw(keys_of(self.kind)))

    def value(self):
        return self.data.draw(st.sampled_from(self.values.values))

    def canonical(self, key):
        """A dict finds NaN by identity only, so the model has one NaN object."""
        return NAN if key != key else key

    @rule()
    def set(self):
        key, value = self.key(), self.value()
        self.m[key] = self.model[key] = value

    @rule()
    def delete(self):
        key = self.key()
        if key in self.model:
            del self.m[key], self.model[key]
        else:
            with pytest.raises(KeyError):
                del self.m[key]

    @rule(default=st.sampled_from([None, "absent"]))
    def pop(self, default):
        key = self.key()
        assert self.m.pop(key, default) == self.model.pop(key, default)

    @rule()
    def setdefault(self):
        key, default = self.key(), self.value()
        assert self.m.setdefault(key, default) == self.model.setdefault(key, default)

    @precondition(lambda self: self.model)
    @rule()
    def popitem(self):
        key, value = self.m.popitem()
        assert self.model.pop(self.canonical(key)) == value

    @rule(n=st.integers(0, 60), at_once=st.booleans())
    def delete_many(self, n, at_once):
        keys = list(self.model)[:n]
        if at_once:
            assert self.m.discard_many(self.kind.array(keys)) == len(keys)
        for key in keys:
            if not at_once:
                del self.m[key]
            del self.model[key]

    @rule(start=st.integers(0, 300), n=st.integers(0, 300))
    def set_many(self, start, n):
        keys, value = run_of(self.kind, start, n), self.value()
        self.m.set_many(self.kind.array(keys), self.values.array([value] * len(keys)))
        self.model.update(dict.fromkeys(keys, value))

    @rule(n=st.integers(0, 8))
    def setdefault_many(self, n):
        keys, values = [self.key() for _ in range(n)], [self.value() for _ in range(n)]
        stored = self.m.setdefault_many(keys, self.values.array(values))
        expected = [self.model.setdefault(key, value) for key, value in zip(keys, values, strict=True)]
        assert stored.tolist() == self.values.array(expected).tolist()

    def default(self, value, n):
        """A default for n keys. A list would be one default per key, so a value that is a list is repeated n times."""
        return self.values.array([value] * n) if isinstance(value, list) else value

    @rule(n=st.integers(0, 8))
    def pop_many(self, n):
        keys, default = [self.key() for _ in range(n)], self.value()
        expected = [self.model.pop(key, default) for key in keys]
        assert self.m.pop_many(keys, self.default(default, n)).tolist() == self.values.array(expected).tolist()

    @rule(start=st.integers(0, 300), n=st.integers(0, 80))
    def read_many(self, start, n):
        keys, default = run_of(self.kind, start, n), self.value()
        expected = [self.model.get(key, default) for key in keys]
        mask = [key in self.model for key in keys]
        got = self.m.get_many(keys, self.default(default, len(keys)))
        assert got.tolist() == self.values.array(expected).tolist()
        values, found = self.m.lookup_many(self.kind.array(keys))
        assert found.tolist() == self.m.contains_many(keys).tolist() == mask
        assert values[found].tolist() == self.values.array(expected)[found].tolist()

    @rule()
    def iterate(self):
        assert {self.canonical(key): value for key, value in self.m.items()} == self.model
        assert len(list(self.m)) == len(list(self.m.values())) == len(self.model)

    @rule(n=st.integers(0, 400))
    def reserve(self, n):
        self.m.reserve(n)

    @rule()
    def finish_growth(self):
        self.m.finish_growth()
        assert self.m.header().oldbuckets == 0

    @rule()
    def copy(self):
        self.m = self.m.copy()

    @rule(empty=st.integers(0, 9))
    def clear(self, empty):
        if empty == 0:  # rarely: clearing as often as the rest would keep every map small
            self.m.clear()
            self.model.clear()

    @invariant()
    def holds(self):
        self.m.check()
        assert len(self.m) == len(self.model)
        for key, value in self.model.items():
            assert self.m[key] == value


NAN = float("nan")


@pairs
def test_any_operations_agree_with_dict(hmap_type, key, value):
    parts = {"hmap_type": hmap_type, "kind": KINDS[key], "values": VALUE_KINDS[value]}
    case = type(ModelMachine.__name__, (ModelMachine,), parts).TestCase()
    case.settings = settings(max_examples=examples(12), stateful_step_count=30, suppress_health_check=RELAXED)
    case.runTest()


@pytest.mark.slow
def test_a_million_mixed_operations_agree_with_dict():
    """The compiled map only. The range of keys widens and narrows, so the map grows, churns and empties."""
    rng = random.Random(20)
    m, model = HMap(np.int64, np.int64, seed=20), {}
    for round_ in range(200):
        span = rng.choice([50, 1000, 30_000, 200_000])
        insert = rng.choice([0.2, 0.5, 0.8])
        for _ in range(4_000):
            key, draw = rng.randrange(-span, span), rng.random()
            if draw < insert:
                m[key] = model[key] = key ^ round_
            elif draw < 0.9:
                assert m.pop(key, None) == model.pop(key, None)
            elif draw < 0.95:
                assert m.setdefault(key, round_) == model.setdefault(key, round_)
            else:
                assert m.get(key) == model.get(key)
                assert (key in m) == (key in model)
        keys = np.array([rng.randrange(-span, span) for _ in range(1_000)])
        expected = [model.get(key, -1) for key in keys.tolist()]
        assert m.get_many(keys, -1).tolist() == expected
        if round_ % 20 == 7:
            for _ in range(len(model) * 9 // 10):
                key, value = m.popitem()
                assert model.pop(key) == value
        elif round_ % 20 == 13:
            assert items_of(m) == model
        m.set_many(keys, round_)
        model.update(dict.fromkeys(keys.tolist(), round_))
        m.check()
        assert len(m) == len(model)
    assert m.stats().growths > 5
    assert items_of(m) == model


# ---- the compiled engine against the reference -----------------------------------------------------------------------


def operations(kind, value_kind):
    """One call, as the name of a method and its arguments."""
    keys, values = keys_of(kind), st.sampled_from(value_kind.values)
    ranges = st.builds(lambda *bounds: kind.array(run_of(kind, *bounds)), st.integers(0, 300), st.integers(0, 200))
    some, few = st.lists(keys, max_size=40), st.lists(keys, max_size=4)
    same = values.map(lambda value: Repeated(value_kind, value))
    default = values.filter(lambda value: not isinstance(value, list))  # a list would be one default per key
    return st.one_of(
        st.tuples(st.just("__setitem__"), keys, values),
        st.tuples(st.just("pop"), keys, st.none()),
        st.tuples(st.just("setdefault"), keys, values),
        st.tuples(st.just("set_many"), st.one_of(ranges, some), same),
        st.tuples(st.just("setdefault_many"), st.one_of(ranges, some), same),
        st.tuples(st.sampled_from(["get_many", "pop_many"]), st.one_of(ranges, few), st.one_of(default, same)),
        st.tuples(st.sampled_from(["contains_many", "lookup_many", "discard_many"]), few),
        st.tuples(st.sampled_from(["popitem", "finish_growth", "to_arrays", "clear"])),
        st.tuples(st.just("reserve"), st.integers(0, 1000)),
        st.tuples(st.just("update"), st.lists(st.tuples(keys, values), max_size=30)),
        st.tuples(st.just("discard_range"), st.integers(0, 300), st.integers(0, 100)),
    )


class Repeated:
    """One value for as many keys as there are."""

    def __init__(self, value_kind, value):
        self.value_kind, self.value = value_kind, value

    def array(self, n):
        return self.value_kind.array([self.value] * n)


def apply(m, kind, name, *arguments):
    """The result or exception of a call, in a form that can be compared."""
    if name == "discard_range":
        return [m.pop(key, None) for key in run_of(kind, *arguments)]
    arguments = [one.array(len(arguments[0])) if isinstance(one, Repeated) else one for one in arguments]
    try:
        result = getattr(m, name)(*arguments)
    except KeyError as error:
        return repr(error)
    if isinstance(result, np.ndarray):
        return repr(result.tolist())
    return repr([array.tolist() for array in result]) if name in ("to_arrays", "lookup_many") else repr(result)


@pairs
def test_both_engines_have_the_same_rows_after_any_operations(key, value):
    kind, value_kind = KINDS[key], VALUE_KINDS[value]

    @settings(max_examples=examples(40), suppress_health_check=RELAXED)
    @given(st.integers(0, 2**64 - 1), st.integers(0, 300), st.lists(operations(kind, value_kind), max_size=30))
    def run(seed, capacity, calls):
        compiled = HMap(kind.spec, value_kind.spec, capacity=capacity, seed=seed)
        reference = ReferenceMap(kind.spec, value_kind.spec, capacity=capacity, seed=seed)
        assert_same_rows(compiled, reference)
        for call in calls:
            assert apply(compiled, kind, *call) == apply(reference, kind, *call)
            assert_same_rows(compiled, reference)
        compiled.check()
        reference.check()

    run()


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.slow
def test_both_engines_have_the_same_rows_through_growth_and_churn(kind):
    """Longer than Hypothesis would try: growths of both kinds, with batches and deletions during them."""
    rng = random.Random(4)
    maps = [hmap_type(kind.spec, np.float64, seed=4) for hmap_type in (HMap, ReferenceMap)]
    pool = list(dict.fromkeys([*map(kind.make, range(kind.count)), *kind.edge]))
    live = []
    for _ in range(40):
        new = rng.choices(pool, k=rng.choice([1, 3, 40, 200]))
        gone = [live.pop(rng.randrange(len(live))) for _ in range(min(len(live), rng.randrange(100)))]
        for m in maps:
            m.set_many(new, np.arange(len(new)) / 2)
            for key in gone:
                m.pop(key, None)
                m[key] = -1.0
                m.pop(key)
            m.contains_many(new[:2])
            m.add_many(new[:3])
            m.setdefault_many(gone[:5], 7.0)
            m.discard_many(gone[:3])
        assert_same_rows(*maps)
        live = (live + new)[-rng.choice([50, 300, 3000]) :]
    assert maps[0].stats().growths > 2 or kind.count < 100


@pytest.mark.parametrize("key", [np.int64, str, "S5", object])
def test_both_engines_number_keys_alike(key):
    """factorize() at every step of growths, both those under way and those that it starts."""
    for first in range(100, 220, 17):
        maps = [hmap_type(key, np.int32, seed=first) for hmap_type in (HMap, ReferenceMap)]
        make = {np.int64: int, str: str, "S5": lambda i: b"%d" % i, object: lambda i: (i,)}[key]
        for n in (first, 3, 1, 5, 60, 2):
            keys = [make(i * 7 % (first + n)) for i in range(n)]
            one, other = (m.factorize(keys).tolist() for m in maps)
            assert one == other
            assert_same_rows(*maps)


def test_both_engines_churn_through_the_same_overflow_buckets():
    maps = [hmap_type(np.int64, np.int64, capacity=208, seed=9) for hmap_type in (HMap, ReferenceMap)]
    freed = set()
    for key in range(4_000):
        for m in maps:
            m[key] = key
            if key >= 190:
                del m[key - 190]
        freed.add(maps[0]._state().now.nfree)
        if key % 37 == 0:
            assert_same_rows(*maps)
    assert max(freed) > 2
    assert_same_rows(*maps)


def test_both_engines_go_through_the_same_same_size_growth():
    maps = [fragmented(hmap_type, 5)[0] for hmap_type in (HMap, ReferenceMap)]
    step = 0
    while maps[0].header().oldbuckets:
        assert_same_rows(*maps)
        for m in maps:
            m[10_000 + step] = step
        step += 1
    assert step > 10
    assert_same_rows(*maps)


def test_both_engines_pop_items_in_the_same_order():
    """Also after a growth or reserve(), when both start again at the first row."""
    maps = [hmap_type(np.int64, np.int64, seed=9) for hmap_type in (HMap, ReferenceMap)]

    def popped(n):
        pairs, references = ([m.popitem() for _ in range(n)] for m in maps)
        assert pairs == references

    for size in (100, 150, 190, 1000):
        for m in maps:
            m.update((key, size) for key in range(size))
        popped(60)
        for m in maps:
            m.update((key, size) for key in range(size, size + 70))
        popped(60)
        for m in maps:
            m.reserve(2 * size)
        popped(30)
        assert_same_rows(*maps)
    popped(len(maps[0]))


def test_both_engines_grow_a_batch_in_the_same_way():
    """Batches start growths, and run at every step of growths under way."""
    for first in range(100, 220, 7):
        for second in (1, 2, 3, 5, 8, 13, 100, 1000):
            maps = [hmap_type(np.int64, np.int64, seed=first) for hmap_type in (HMap, ReferenceMap)]
            for m in maps:
                for key in range(first):
                    m[key] = key
                m.set_many(np.arange(second) * 3, np.arange(second))
            assert_same_rows(*maps)
