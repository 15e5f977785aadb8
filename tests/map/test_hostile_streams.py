"""Random streams of calls in which keys and values call the map again, raise, and go at any moment.

No answer can be foretold, but after each call the map is whole: check() passes, each key is there once, and nothing but
the planned errors is raised.
"""

import gc
import random

import pytest

from pyhmap import HMap

STEPS = 60
NAMES = 40
ALLOWED = ("changed size during iteration", "changes the map each time", "is written while check")


class PlannedError(Exception):
    """What the objects raise."""


class World:
    """A map, and objects that use it while it uses them."""

    def __init__(self, seed, key_type, value_type):
        self.random = random.Random(seed)
        self.map = HMap(key_type, value_type)
        self.depth = 0
        self.left = 300  # calls by objects, so that each stream ends

    def key(self):
        number = self.random.randrange(NAMES)
        return Thing(self, number) if self.map.key_dtype is object else number

    def value(self):
        return Thing(self, self.random.randrange(NAMES)) if self.map.value_dtype is object else 7

    def act(self, chance):
        """Perhaps do something with the map."""
        if self.depth < 3 and self.left and self.random.random() < chance:
            self.left -= 1
            self.depth += 1
            try:
                self.call()
            finally:
                self.depth -= 1

    def call(self):
        m, keys = self.map, [self.key() for _ in range(self.random.randrange(1, 30))]
        values = [self.value() for _ in keys]
        name = self.random.choice(list(CALLS))
        try:
            CALLS[name](m, keys, values)
        except (KeyError, StopIteration, PlannedError):
            pass
        except RuntimeError as error:
            if not any(words in str(error) for words in ALLOWED):
                raise


class Thing:
    """A key or a value. Several have one hash, which stays the same."""

    def __init__(self, world, number):
        self.world, self.number, self.me = world, number, self  # a cycle: only the collector frees it

    def __hash__(self):
        self.world.act(0.02)
        return hash(self.number % 9)

    def __eq__(self, other):
        self.world.act(0.05)
        if self.world.random.random() < 0.002:
            raise PlannedError
        return isinstance(other, Thing) and self.number == other.number

    def __del__(self):
        self.world.act(0.02)


CALLS = {
    "get": lambda m, keys, _: m.get(keys[0]),
    "set": lambda m, keys, values: m.__setitem__(keys[0], values[0]),
    "setdefault": lambda m, keys, values: m.setdefault(keys[0], values[0]),
    "del": lambda m, keys, _: m.__delitem__(keys[0]),
    "pop": lambda m, keys, _: m.pop(keys[0]),
    "popitem": lambda m, *_: m.popitem(),
    "update": lambda m, keys, values: m.update(zip(keys, values, strict=True)),
    "set_many": lambda m, keys, values: m.set_many(keys, values),
    "setdefault_many": lambda m, keys, values: m.setdefault_many(keys, values),
    "get_many": lambda m, keys, values: m.get_many(keys, values[0]),
    "contains_many": lambda m, keys, _: m.contains_many(keys),
    "discard_many": lambda m, keys, _: m.discard_many(keys),
    "pop_many": lambda m, keys, _: m.pop_many(keys),
    "clear": lambda m, *_: m.clear(),
    "compact": lambda m, *_: m.compact(),
    "reserve": lambda m, keys, _: m.reserve(len(keys) * 10),
    "finish_growth": lambda m, *_: m.finish_growth(),
    "copy": lambda m, *_: m.copy(),
    "iterate": lambda m, *_: [next(iter(m.items())) for _ in m],
    "collect": lambda *_: gc.collect(0),
}


@pytest.mark.release_only
@pytest.mark.parametrize("types", [(object, object), (object, "i8"), ("i8", object)], ids=str)
@pytest.mark.parametrize("seeds", [range(i, i + 10) for i in range(0, 50, 10)], ids=str)
def test_streams_of_calls_that_call_back(types, seeds, monkeypatch):
    problems = []
    monkeypatch.setattr("sys.unraisablehook", lambda error: problems.append(error.exc_value))
    for seed in seeds:
        world = World(seed, *types)
        for _ in range(STEPS):
            world.call()
            world.depth = 9  # nobody calls back from what follows
            world.map.check()
            assert len({getattr(key, "number", key) for key in world.map}) == len(world.map)
            world.depth = 0
        world.left = 0
    assert not [error for error in problems if not isinstance(error, PlannedError)]
