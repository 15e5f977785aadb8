"""Streams of operations on two sets: an HSet and a set get the same calls, also with each other's sets as arguments.

What only reads is asked of the set frozen, too.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from fuzzing import HSet, Source, keys_of, one_nan, start

TYPES = ["int64", "str", "object", "bytes", "float64", "int8", "S5", "float and text", "datetime64[s]", "uint64"]
KEYS = {name: keys_of(name) for name in TYPES}
CHECK_EACH = 16  # operations


class Run:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.keys = KEYS[source.pick(TYPES)]
        self.s = HSet(self.keys.kind.spec, seed=source.byte())
        self.model: set[Any] = set()

    def key(self) -> Any:
        return self.keys.any(self.source)

    def some(self) -> list[Any]:
        return self.keys.some(self.source, 12)

    def run(self) -> tuple[Any, list[Any]]:
        return self.keys.run(self.source)

    def other(self) -> tuple[Any, set[Any]]:
        """Another set, of any class, or the set itself."""
        choice = self.source.byte()
        kind = choice % 4
        if kind == 0:
            return self.s, set(self.model)
        keys = self.some() if kind & 1 else self.run()[1]
        if kind == 1:
            return (set(keys) if choice < 128 else frozenset(keys)), set(keys)
        other = HSet(self.keys.kind.spec, keys, seed=1)
        return (other if choice < 128 or other.key_dtype is object else other.freeze()), set(keys)

    def forms(self) -> Iterator[Any]:
        """The set, and the same set frozen, unless it has objects."""
        yield self.s
        if self.s.key_dtype is not object:
            yield self.s.freeze()

    # ---- keys

    def add(self) -> None:
        key = self.key()
        self.s.add(key)
        self.model.add(key)

    def discard(self) -> None:
        key = self.key()
        assert (key in self.s) == (key in self.model)
        self.s.discard(key)
        self.model.discard(key)
        assert key not in self.s

    def pop(self) -> None:
        if self.model:
            self.model.remove(one_nan(self.s.pop()))

    def add_many(self) -> None:
        batch, keys = self.run()
        by_mask = len(self.model) % 2 == 1  # takes no byte: so the inputs of the corpus keep their meaning
        new = []
        for key in keys:
            new.append(key not in self.model)
            self.model.add(key)
        if by_mask:
            assert self.s.add_many(batch, return_new=True).tolist() == new
        else:
            assert self.s.add_many(batch) == sum(new)

    def discard_many(self) -> None:
        batch, keys = self.run()
        before = len(self.model)
        self.model.difference_update(keys)
        assert self.s.discard_many(batch) == before - len(self.model)

    def contains_many(self) -> None:
        keys = self.some()
        for s in self.forms():
            assert s.contains_many(keys).tolist() == [key in self.model for key in keys]

    # ---- algebra

    def results(self) -> None:
        (other, model), name = self.other(), self.source.pick(["__or__", "__and__", "__sub__", "__xor__"])
        for s in self.forms():
            result = getattr(s, name)(other)
            result.check()
            assert type(result) is type(s)
            assert {one_nan(key) for key in result} == getattr(self.model, name)(model)

    def changes(self) -> None:
        (other, model), name = self.other(), self.source.pick(["__ior__", "__iand__", "__isub__", "__ixor__"])
        assert getattr(self.s, name)(other) is self.s
        getattr(self.model, name)(model)

    def comparisons(self) -> None:
        other, model = self.other()
        for s in self.forms():
            for name in ("__eq__", "__le__", "__lt__", "__ge__", "__gt__", "isdisjoint"):
                assert getattr(s, name)(other) == getattr(self.model, name)(model), name

    # ---- the table

    def reserve(self) -> None:
        self.s.reserve(self.source.byte())

    def compact(self) -> None:
        self.s.compact()

    def copy(self) -> None:
        self.s = copy.copy(self.s)

    def clear(self) -> None:
        self.s.clear()
        self.model.clear()

    def check(self) -> None:
        for s in self.forms():
            s.check()
            assert len(s) == len(self.model)
            assert {one_nan(key) for key in s} == self.model


OPERATIONS = [
    Run.add, Run.add, Run.add, Run.discard, Run.discard, Run.pop, Run.add_many, Run.add_many, Run.discard_many,
    Run.contains_many, Run.results, Run.changes, Run.comparisons, Run.reserve, Run.compact, Run.copy, Run.clear,
]  # fmt: skip


def target(source: Source) -> None:
    run = Run(source)
    done = 0
    while source:
        source.pick(OPERATIONS)(run)
        done += 1
        if done % CHECK_EACH == 0:
            run.s.check()
    run.check()


if __name__ == "__main__":
    start(target)
