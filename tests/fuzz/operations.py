"""Streams of operations: a map and a dict get the same calls, and must give the same answers.

The first bytes of an input choose the types and the settings of the map, each later one an operation; see OPERATIONS.
The operations read their keys and values from the bytes that follow.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from fuzzing import HMap, Keys, Source, keys_of, one_nan, start

from kinds import VALUE_KINDS
from tophash_cache import TopHashCache

# Each physical form of keys and of values, and each kind of conversion. The first ones are the commonest.
TYPES = [
    ("int64", "int64"), ("str", "str"), ("object", "object"), ("float64", "int32"), ("bytes", "float64"),
    ("int8", "bool"), ("uint64", "object"), ("float16", "record"), ("float32", "uint16"), ("uint32", "bytes"),
    ("datetime64[s]", "timedelta64[D]"), ("str", "int64"), ("S5", "U3"), ("U4", "int8"), ("V4", "complex64"),
    ("float and text", "datetime64[us]"), ("padded record", "str"), ("object", "int64"), ("bool", "longdouble"),
]  # fmt: skip
KEYS = {name: keys_of(name) for name, _ in TYPES}
TEXTS = ("str", "bytes")
SUMMED = ("int64", "int32", "uint16", "int8")
CHECK_EACH = 16  # operations; a check takes as long as hundreds of them


class Run:
    """A map, the dict that says what it holds, and the iterators that have begun."""

    def __init__(self, source: Source) -> None:
        self.source = source
        key, value = source.pick(TYPES)
        settings = source.byte()
        self.keys: Keys = KEYS[key]
        self.values = VALUE_KINDS[value]
        self.sums = value in SUMMED
        keyed = {"hash": "xxh64", "hash_cache": TopHashCache(max_entries=64)} if key in TEXTS and settings & 1 else {}
        capacity = [0, 0, 9, 100][settings >> 1 & 3]
        self.m = HMap(self.keys.kind.spec, self.values.spec, capacity=capacity, seed=settings >> 3, **keyed)
        self.model: dict[Any, Any] = {}
        self.iterations: list[Iteration] = []
        self.changes = 0  # of the set of keys

    # ---- what operations read

    def key(self) -> Any:
        return self.keys.any(self.source)

    def some(self) -> list[Any]:
        return self.keys.some(self.source, 9)

    def run(self) -> tuple[Any, list[Any]]:
        return self.keys.run(self.source)

    def value(self) -> Any:
        return self.source.pick(self.values.values)

    def many_values(self, n: int) -> list[Any]:
        """Values from one on, round and round."""
        first = self.source.byte() % len(self.values.values)
        return (self.values.values * (1 + (first + n) // len(self.values.values)))[first : first + n]

    def as_default(self, value: Any, n: int) -> Any:
        """A default for n keys. A list would be one per key."""
        return self.values.array([value] * n) if isinstance(value, list) else value

    # ---- calls with one key

    def set(self) -> None:
        key, value = self.key(), self.value()
        self.changes += key not in self.model
        self.m[key] = self.model[key] = value

    def get(self) -> None:
        key = self.key()
        assert (key in self.m) == (key in self.model)
        assert self.m.get(key) == self.model.get(key)
        assert outcome(lambda: self.m[key]) == outcome(lambda: self.model[key])

    def delete(self) -> None:
        key = self.key()
        self.changes += key in self.model
        assert outcome(lambda: self.m.__delitem__(key)) == outcome(lambda: self.model.__delitem__(key))

    def pop(self) -> None:
        key = self.key()
        self.changes += key in self.model
        assert self.m.pop(key, "absent") == self.model.pop(key, "absent")

    def setdefault(self) -> None:
        key, value = self.key(), self.value()
        self.changes += key not in self.model
        assert self.m.setdefault(key, value) == self.model.setdefault(key, value)

    def popitem(self) -> None:
        if self.model:
            key, value = self.m.popitem()
            assert self.model.pop(one_nan(key)) == value
            self.changes += 1
        else:
            assert outcome(self.m.popitem) is KeyError

    # ---- batches

    def set_many(self) -> None:
        batch, keys = self.run()
        values = self.many_values(len(keys))
        self.m.set_many(batch, self.values.array(values))
        before = len(self.model)
        self.model.update(zip(keys, values, strict=True))
        self.changes += len(self.model) - before

    def set_run(self) -> None:
        """One value for all keys."""
        batch, keys = self.run()
        value = self.value()
        self.m.set_many(batch, self.as_default(value, len(keys)))
        before = len(self.model)
        self.model.update(dict.fromkeys(keys, value))
        self.changes += len(self.model) - before

    def setdefault_many(self) -> None:
        keys = self.some()
        values = self.many_values(len(keys))
        before = len(self.model)
        stored = self.m.setdefault_many(self.keys.kind.array(keys), self.values.array(values))
        expected = [self.model.setdefault(key, value) for key, value in zip(keys, values, strict=True)]
        self.changes += len(self.model) - before
        self.same(stored, expected)

    def read_many(self) -> None:
        batch, keys = self.run()
        default = self.value()
        self.same(
            self.m.get_many(batch, self.as_default(default, len(keys))), [self.model.get(k, default) for k in keys]
        )
        self.look_up(batch, keys)

    def look_up_some(self) -> None:
        keys = self.some()
        self.look_up(keys, keys)

    def look_up(self, batch: Any, keys: list[Any]) -> None:
        values, found = self.m.lookup_many(batch)
        assert found.tolist() == self.m.contains_many(batch).tolist() == [key in self.model for key in keys]
        self.same(values[found], [self.model[key] for key in keys if key in self.model])

    def get_all(self) -> None:
        keys = self.some()
        batch = self.keys.kind.array(keys)
        if all(key in self.model for key in keys):
            self.same(self.m.get_many(batch), [self.model[key] for key in keys])
        else:
            assert outcome(lambda: self.m.get_many(batch)) is KeyError

    def pop_many(self) -> None:
        batch, keys = self.run()
        default = self.value()
        before = len(self.model)
        expected = [self.model.pop(key, default) for key in keys]
        self.changes += before - len(self.model)
        self.same(self.m.pop_many(batch, self.as_default(default, len(keys))), expected)

    def pop_all(self) -> None:
        """Without a default: all of the keys, or none."""
        keys = self.some()
        if len(set(keys)) == len(keys) and all(key in self.model for key in keys):
            self.same(self.m.pop_many(keys), [self.model.pop(key) for key in keys])
            self.changes += len(keys)
        else:
            assert outcome(lambda: self.m.pop_many(keys)) is KeyError
            self.changes += 1  # it may have removed some, and put them back

    def discard_many(self) -> None:
        batch, keys = self.run()
        before = len(self.model)
        for key in keys:
            self.model.pop(key, None)
        gone = before - len(self.model)
        self.changes += gone
        assert self.m.discard_many(batch) == gone

    def add_many(self) -> None:
        """The least values; sums of ints are another library's to predict."""
        if self.sums:
            keys = self.some()
            values = self.many_values(len(keys))
            before = len(self.model)
            self.m.add_many(self.keys.kind.array(keys), self.values.array(values), op="min")
            for key, value in zip(keys, values, strict=True):
                self.model[key] = min(self.model.get(key, value), value)
            self.changes += len(self.model) - before

    def update(self) -> None:
        pairs = [(key, self.value()) for key in self.some()]
        before = len(self.model)
        self.m.update(pairs)
        self.model.update(pairs)
        self.changes += len(self.model) - before

    # ---- iteration

    def iterate(self) -> None:
        """Begin an iteration, of which at most four go on at a time."""
        self.iterations = [*self.iterations[-3:], Iteration(self)]

    def advance(self) -> None:
        """Some steps of an iteration, in the middle of everything else."""
        if self.iterations:
            self.source.pick(self.iterations).advance(self, self.source.byte())

    def arrays(self) -> None:
        keys, values = self.m.to_arrays()
        found, there = self.m.lookup_many(keys)
        assert len(keys) == len(self.model)
        assert there.all()
        assert values.tolist() == found.tolist()

    # ---- the table

    def reserve(self) -> None:
        self.m.reserve(self.source.byte() * 4)
        self.changes += 1

    def compact(self) -> None:
        self.m.compact()
        self.changes += 1

    def finish_growth(self) -> None:
        self.m.finish_growth()
        assert self.m.header().oldbuckets == 0

    def clear(self) -> None:
        self.m.clear()
        self.model.clear()
        self.changes += 1

    def copy(self) -> None:
        self.m = self.source.pick([copy.copy, copy.copy, lambda m: pickle.loads(pickle.dumps(m, 5))])(self.m)
        self.iterations = []

    # ---- comparisons

    def same(self, array: np.ndarray, values: list[Any]) -> None:
        if array.dtype.kind in "mM":  # their tolist() makes other types of them
            values = self.values.array(values).tolist()
        assert array.tolist() == values

    def check(self) -> None:
        self.m.check()
        assert len(self.m) == len(self.model)
        items = {one_nan(key): value for key, value in self.m.items()}
        assert items == self.model

    def check_without_iterating(self) -> None:
        """An iteration would end a growth."""
        self.m.check()
        assert len(self.m) == len(self.model)


class Iteration:
    """An iterator over items, and what it must still give unless the keys change."""

    def __init__(self, run: Run) -> None:
        self.items: Iterator[Any] = iter(run.m.items())
        self.left = set(run.model)
        self.begun = run.changes

    def advance(self, run: Run, steps: int) -> None:
        for _ in range(steps):
            changed = run.changes != self.begun
            try:
                key, value = next(self.items)
            except RuntimeError:
                assert changed
                return
            except StopIteration:
                assert not self.left
                return
            key = one_nan(key)
            self.left.remove(key)
            assert run.model[key] == value


def outcome(call: Callable[[], Any]) -> Any:
    """What a call gives, or that the key is missing."""
    try:
        return call()
    except KeyError:
        return KeyError


# By the byte that chooses one; what makes a map larger comes often.
OPERATIONS = [
    Run.set, Run.set, Run.set, Run.set_many, Run.set_run, Run.get, Run.delete, Run.delete, Run.pop, Run.setdefault,
    Run.popitem, Run.setdefault_many, Run.read_many, Run.look_up_some, Run.get_all, Run.pop_many, Run.pop_all,
    Run.discard_many, Run.add_many, Run.update, Run.iterate, Run.advance, Run.advance, Run.arrays, Run.reserve,
    Run.compact, Run.finish_growth, Run.copy, Run.check, Run.clear,
]  # fmt: skip


def target(source: Source) -> None:
    run = Run(source)
    done = 0
    while source:
        source.pick(OPERATIONS)(run)
        done += 1
        if done % CHECK_EACH == 0:
            run.check_without_iterating()
    run.check()


if __name__ == "__main__":
    start(target)
