"""Expiring sets and maps beside dicts of times, by random calls, for every key type."""

import tempfile

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from expiring_models import PARTS, WINDOW, FakeClock, MapModel, SetModel
from kinds import KINDS
from pyhmap import ExpiringMap, ExpiringSet

NAN = float("nan")
steps = st.sampled_from([0, 0, 0.5, 1, 5, 9.5, 10, 11, 40, 80, 89.5, 90, 200, -3, -50])
offsets = st.sampled_from([0, -0.5, -1, -9.5, -10, -30, -75, -80, -85, -90, -100, -1000, 0.5, 5, 30, 79.5, 80])


def one_nan(key):
    """A dict finds NaN by identity only, so the model has one NaN object."""
    return NAN if key != key else key


class Machine(RuleBasedStateMachine):
    kind = None

    def drawn(self, data, most=30):
        numbered = st.integers(0, min(self.kind.count, 12) - 1).map(self.kind.make)
        one = st.one_of(numbered, numbered, numbered, st.sampled_from(self.kind.edge), self.kind.any).map(one_nan)
        return data.draw(st.lists(one, max_size=most))

    def batch(self, data, keys):
        return self.kind.array(keys) if data.draw(st.booleans()) else keys

    def times(self, data, n):
        """What is given as ``at``, and the time of each key."""
        now = self.model.turn()
        way = data.draw(st.sampled_from(["now", "one", "each"]))
        if way == "each":
            times = [now + offset for offset in data.draw(st.lists(offsets, min_size=n, max_size=n))]
            return np.array(times), times
        at = None if way == "now" else now + data.draw(offsets)
        return at, [at] * n

    @rule(step=steps)
    def time_goes_on(self, step):
        self.clock.now += step

    @rule(data=st.data())
    def contains(self, data):
        keys, held = self.drawn(data), self.held()
        assert self.real.contains_many(self.batch(data, keys)).tolist() == [key in held for key in keys]
        for key in keys[:3]:
            assert (key in self.real) == (key in held)

    @rule()
    def expire(self):
        self.real.expire()

    @precondition(lambda self: self.kind.spec is not object)
    @rule()
    def saved_and_opened(self):
        with tempfile.TemporaryDirectory() as folder:
            self.real.save(folder)
            self.real = type(self.real).open(folder, clock=self.clock)


class Sets(Machine):
    @initialize(renew=st.booleans(), seed=st.integers(0, 2**64))
    def begin(self, renew, seed):
        self.clock = FakeClock()
        self.real = ExpiringSet(self.kind.spec, WINDOW, parts=PARTS, renew=renew, clock=self.clock, seed=seed)
        self.model = SetModel(self.clock, renew)

    def held(self):
        return self.model.keys()

    @rule(data=st.data())
    def add_many(self, data):
        keys = self.drawn(data)
        at, times = self.times(data, len(keys))
        new = self.real.add_many(self.batch(data, keys), at=at)
        assert new.dtype == np.bool_
        assert new.tolist() == [self.model.add(key, time) for key, time in zip(keys, times, strict=True)]

    @rule(data=st.data())
    def add(self, data):
        for key in self.drawn(data, most=3):
            at = data.draw(st.one_of(st.none(), offsets.map(lambda offset: self.model.turn() + offset)))
            assert self.real.add(key, at=at) is self.model.add(key, at)

    @rule(data=st.data(), many=st.booleans())
    def discard(self, data, many):
        keys = self.drawn(data, most=6)
        before = len(self.held())
        for key in keys:
            self.model.times.pop(key, None)
            if not many:
                self.real.discard(key)
        if many:
            assert self.real.discard_many(self.batch(data, keys)) == before - len(self.model.times)

    @rule()
    def clear(self):
        self.real.clear()
        self.model.times.clear()

    @invariant()
    def holds_what_it_must(self):
        keys = [one_nan(key) for key in self.real]
        assert len(keys) == len(self.real) == len(self.held())
        assert set(keys) == self.held()
        assert bool(self.real) == bool(keys)
        self.real.check()


class Maps(Machine):
    @initialize(seed=st.integers(0, 2**64))
    def begin(self, seed):
        self.clock = FakeClock()
        self.real = ExpiringMap(self.kind.spec, np.int64, WINDOW, parts=PARTS, clock=self.clock, seed=seed)
        self.model = MapModel(self.clock)

    def held(self):
        return self.model.items()

    @rule(data=st.data(), add=st.booleans(), one=st.booleans())
    def write_many(self, data, add, one):
        keys = self.drawn(data)
        at, times = self.times(data, len(keys))
        amounts = data.draw(st.lists(st.integers(-9, 9), min_size=len(keys), max_size=len(keys)))
        amounts = [3] * len(keys) if one else amounts
        given = 3 if one else np.array(amounts, np.int64)
        call = self.real.add_many if add else self.real.set_many
        totals = call(self.batch(data, keys), given, at=at)
        expected = [self.model.write(*event, add=add) for event in zip(keys, amounts, times, strict=True)]
        if add:
            assert totals.dtype == np.int64
            assert totals.tolist() == expected

    @rule(data=st.data())
    def write_one(self, data):
        for key in self.drawn(data, most=3):
            self.real[key] = 5
            self.model.write(key, 5, None, add=False)

    @rule(data=st.data())
    def read(self, data):
        keys, held = self.drawn(data), self.held()
        found = self.real.get_many(self.batch(data, keys), np.arange(len(keys)) + 1000)
        assert found.tolist() == [held.get(key, 1000 + i) for i, key in enumerate(keys)]
        for key in keys[:3]:
            assert self.real.get(key, "none") == held.get(key, "none")

    @rule(data=st.data())
    def remove(self, data):
        keys, held = self.drawn(data, most=6), self.held()
        for key in keys[:3]:
            assert self.real.pop(key, "none") == held.pop(key, "none")
            self.model.events.pop(key, None)
        assert self.real.discard_many(self.batch(data, keys)) == len(held.keys() & set(keys))
        for key in keys:
            self.model.events.pop(key, None)

    @rule()
    def clear(self):
        self.real.clear()
        self.model.events.clear()

    @invariant()
    def holds_what_it_must(self):
        held = self.held()
        items = [(one_nan(key), value) for key, value in self.real.items()]
        assert len(items) == len(self.real) == len(held)
        assert dict(items) == held
        assert {one_nan(key) for key in self.real} == held.keys()
        assert bool(self.real) == bool(held)
        assert f"with {self.model.entries():,} keys" in repr(self.real)
        self.real.check()


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("machine", [Sets, Maps])
def test_they_answer_as_dicts_of_times(machine, kind):
    of_kind = type(f"{machine.__name__}OfAKind", (machine,), {"kind": kind}).TestCase
    of_kind.settings = settings(stateful_step_count=12, max_examples=min(15, settings().max_examples), deadline=None)
    of_kind("runTest").runTest()
