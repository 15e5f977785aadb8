"""Random operations: each engine against `dict`, and the compiled engine against the twin, row by row."""

import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pyhmap import HMap
from pyhmap._pure import PureHMap
from support import KEY_DTYPES, assert_same_rows, int64s, items_of, key_strategy

RELAXED = [HealthCheck.too_slow, HealthCheck.data_too_large]

# ---- against dict ----------------------------------------------------------------------------------------------------


class ModelMachine(RuleBasedStateMachine):
    """A map of either type and a dict that get the same calls; `check()` after each."""

    hmap_type: type
    dtype: type

    @initialize(capacity=st.sampled_from([0, 0, 9, 100]), seed=st.integers(0, 2**64 - 1), data=st.data())
    def make(self, capacity, seed, data):
        self.m = self.hmap_type(self.dtype, np.int64, capacity=capacity, seed=seed)
        self.model = {}
        self.data = data

    def key(self):
        """A key that is there, or any."""
        if self.model and self.data.draw(st.booleans()):
            return self.data.draw(st.sampled_from(list(self.model)))
        return self.canonical(self.data.draw(key_strategy(self.dtype)))

    def canonical(self, key):
        """A dict finds NaN by identity only, so the model has one NaN object."""
        return NAN if key != key else key

    @rule(value=int64s)
    def set(self, value):
        key = self.key()
        self.m[key] = self.model[key] = value

    @rule()
    def delete(self):
        key = self.key()
        if key in self.model:
            del self.m[key], self.model[key]
        else:
            with pytest.raises(KeyError):
                del self.m[key]

    @rule(default=st.one_of(st.none(), int64s))
    def pop(self, default):
        key = self.key()
        assert self.m.pop(key, default) == self.model.pop(key, default)

    @rule(default=int64s)
    def setdefault(self, default):
        key = self.key()
        assert self.m.setdefault(key, default) == self.model.setdefault(key, default)

    @precondition(lambda self: self.model)
    @rule()
    def popitem(self):
        key, value = self.m.popitem()
        assert self.model.pop(self.canonical(key)) == value

    @rule(n=st.integers(0, 60))
    def delete_many(self, n):
        for key in list(self.model)[:n]:
            del self.m[key], self.model[key]

    @rule(start=st.integers(0, 500), n=st.integers(0, 300), value=int64s)
    def set_many(self, start, n, value):
        self.m.set_many(np.arange(start, start + n).astype(self.dtype), value)
        self.model.update((key, value) for key in range(start, start + n))

    @rule(extra=st.lists(st.integers(0, 600), max_size=80))
    def read_many(self, extra):
        keys = np.array(extra, self.dtype)
        expected = [self.model.get(key) for key in extra]
        assert self.m.get_many(keys, -1).tolist() == [-1 if value is None else value for value in expected]
        values, found = self.m.lookup_many(keys)
        assert found.tolist() == self.m.contains_many(keys).tolist() == [value is not None for value in expected]
        assert values.tolist() == [value or 0 for value in expected]

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


@pytest.mark.parametrize("dtype", KEY_DTYPES, ids=lambda dtype: dtype.__name__)
def test_any_operations_agree_with_dict(hmap_type, dtype):
    case = type(ModelMachine.__name__, (ModelMachine,), {"hmap_type": hmap_type, "dtype": dtype}).TestCase()
    case.settings = settings(max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=RELAXED)
    case.runTest()


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


# ---- the compiled engine against the twin ----------------------------------------------------------------------------


def operations(dtype):
    """One call, as the name of a method and its arguments."""
    keys = key_strategy(dtype)
    ranges = st.tuples(st.integers(0, 300), st.integers(0, 200)).map(lambda r: np.arange(r[0], sum(r)).astype(dtype))
    return st.one_of(
        st.tuples(st.just("__setitem__"), keys, int64s),
        st.tuples(st.just("pop"), keys, st.none()),
        st.tuples(st.just("setdefault"), keys, int64s),
        st.tuples(st.just("set_many"), ranges, int64s),
        st.tuples(st.just("set_many"), st.lists(keys, max_size=40), int64s),
        st.tuples(st.just("get_many"), ranges, int64s),
        st.tuples(st.just("contains_many"), st.lists(keys, max_size=4)),
        st.tuples(st.just("lookup_many"), st.lists(keys, max_size=4)),
        st.tuples(st.sampled_from(["popitem", "finish_growth", "to_arrays", "clear"])),
        st.tuples(st.just("reserve"), st.integers(0, 1000)),
        st.tuples(st.just("update"), st.dictionaries(keys, int64s, max_size=30)),
        st.tuples(st.just("discard_range"), st.integers(0, 300), st.integers(0, 100)),
    )


def apply(m, name, *arguments):
    """What the call returns or raises, in a form that can be compared."""
    if name == "discard_range":
        return [m.pop(key, None) for key in range(arguments[0], sum(arguments))]
    try:
        result = getattr(m, name)(*arguments)
    except KeyError as error:
        return error.args
    if isinstance(result, np.ndarray):
        return result.tobytes()
    return [array.tobytes() for array in result] if name in ("to_arrays", "lookup_many") else repr(result)


@pytest.mark.parametrize("dtype", KEY_DTYPES, ids=lambda dtype: dtype.__name__)
def test_both_engines_have_the_same_rows_after_any_operations(dtype):
    @settings(max_examples=60, deadline=None, suppress_health_check=RELAXED)
    @given(st.integers(0, 2**64 - 1), st.integers(0, 300), st.lists(operations(dtype), max_size=40))
    def run(seed, capacity, calls):
        compiled = HMap(dtype, np.int64, capacity=capacity, seed=seed)
        twin = PureHMap(dtype, np.int64, capacity=capacity, seed=seed)
        assert_same_rows(compiled, twin)
        for call in calls:
            assert apply(compiled, *call) == apply(twin, *call)
            assert_same_rows(compiled, twin)
        compiled.check()
        twin.check()

    run()


@pytest.mark.parametrize("dtype", KEY_DTYPES, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("seed", range(4))
def test_both_engines_have_the_same_rows_through_growth_and_churn(dtype, seed):
    """Longer than Hypothesis would try: growths of both kinds with batches and deletes in their midst."""
    rng = np.random.default_rng(seed)
    maps = [hmap_type(dtype, np.float64, seed=seed) for hmap_type in (HMap, PureHMap)]
    live = []
    for _ in range(60):
        new = rng.integers(0, 2**40, rng.choice([1, 3, 40, 200])).astype(dtype)
        gone = [live.pop(int(rng.integers(len(live)))) for _ in range(min(len(live), int(rng.integers(0, 100))))]
        for m in maps:
            m.set_many(new, np.sqrt(new))
            for key in gone:
                m.pop(key, None)
                m[key] = -1.0
                m.pop(key)
            m.contains_many(new[:2])
        assert_same_rows(*maps)
        live.extend(new.tolist())
        live = live[-int(rng.choice([50, 300, 3000])) :]
    assert maps[0].stats().growths > 2


def test_both_engines_churn_into_the_same_same_size_growths():
    maps = [hmap_type(np.int64, np.int64, capacity=208, seed=9) for hmap_type in (HMap, PureHMap)]
    for key in range(12_000):
        for m in maps:
            m[key] = key
            if key >= 190:
                del m[key - 190]
        if key % 37 == 0:
            assert_same_rows(*maps)
    assert maps[0].stats().same_size_growths > 2
    assert_same_rows(*maps)


def test_both_engines_pop_items_in_the_same_order():
    """Also when a growth or reserve() comes between: after either it begins anew at the first row."""
    maps = [hmap_type(np.int64, np.int64, seed=9) for hmap_type in (HMap, PureHMap)]

    def popped(n):
        pairs, twins = ([m.popitem() for _ in range(n)] for m in maps)
        assert pairs == twins

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
    """Each batch starts growths of its own and meets others at every possible step."""
    for first in range(100, 220, 7):
        for second in (1, 2, 3, 5, 8, 13, 100, 1000):
            maps = [hmap_type(np.int64, np.int64, seed=first) for hmap_type in (HMap, PureHMap)]
            for m in maps:
                for key in range(first):
                    m[key] = key
                m.set_many(np.arange(second) * 3, np.arange(second))
            assert_same_rows(*maps)
