"""Frozen maps: built from any keys and compared with a dict; restored from damaged parts; and parts of any hashes.

The first byte of an input chooses which. A part of a frozen map is compared with the reference.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
from fuzzing import FrozenMap, HMap, Source, keys_of, one_nan, read_all, start

from kinds import VALUE_KINDS
from pyhmap._engine import freeze
from pyhmap._mapping.pickling import Packed
from pyhmap._reference import frozen as reference
from pyhmap.frozen import restored_frozen_map

# Each physical form of keys and of values. The first ones are the commonest.
TYPES = [
    ("int64", "int64"), ("str", "str"), ("int32", "str"), ("bytes", "float64"), ("uint32", "uint16"),
    ("float64", "int32"), ("int8", "bool"), ("S5", "U3"), ("U4", "int8"), ("V4", "complex64"), ("float16", "record"),
    ("float and text", "datetime64[us]"), ("padded record", "str"), ("bool", "longdouble"),
    ("datetime64[s]", "timedelta64[D]"), ("str", "int64"),
]  # fmt: skip
KEYS = {name: keys_of(name) for name, _ in TYPES}
ODD = [None, -1, 0, 1, 2, 2**31, 2**32, 2**62, 2**63, 2**64 - 1, 2**70, 1.5, "a", (), np.uint8(16), np.uint32(2**28)]


class Ended(Exception):
    """What progress raises."""


class Run:
    """Keys, which may repeat, with their values; and the dict that says what a map of them holds."""

    def __init__(self, source: Source) -> None:
        self.source = source
        key, value = source.pick(TYPES)
        self.types, self.values = KEYS[key], VALUE_KINDS[value]
        self.keys: list[Any] = []
        for _ in range(1 + source.byte() % 4):
            self.keys += self.types.run(source)[1] if source.byte() & 1 else self.types.some(source, 9)
        if source.byte() & 7:  # mostly no duplicates
            self.keys = list(dict.fromkeys(self.keys))
        first = source.byte() % len(self.values.values)
        rounds = self.values.values * (1 + (first + len(self.keys)) // len(self.values.values))
        self.given = rounds[first : first + len(self.keys)]
        self.model = dict(zip(self.keys, self.given, strict=True))

    def settings(self) -> dict[str, Any]:
        """For a build. Progress may raise in one of its calls."""
        chosen = self.source.byte()
        calls = iter(range(chosen >> 4))

        def progress(fraction: float) -> None:
            assert 0 <= fraction <= 1
            if next(calls, None) is None:
                raise Ended

        seed = None if chosen & 2 else self.source.byte()
        return {"seed": seed, "threads": 1 + (chosen & 1), "progress": progress if chosen & 4 else None}

    def map(self) -> HMap:
        return HMap(self.types.kind.spec, self.values.spec, self.model, seed=self.source.byte())

    def freeze(self) -> FrozenMap | None:
        m = self.map()
        try:
            return m.freeze(**self.settings())
        except Ended:
            m.check()
            if self.keys:
                del m[self.keys[0]]
            m.check()
            return None

    def from_arrays(self) -> FrozenMap | None:
        how = self.source.byte()
        array = self.types.kind.array(self.keys)
        keys = array if how & 1 else array[::-1].copy()[::-1]
        settings = self.settings()
        if how & 2:
            settings["on_duplicate"] = "last"
        values = self.values.array(self.given)
        if not self.keys:  # an empty array of objects has no type
            return None
        f, said = None, None
        try:
            f = FrozenMap.from_arrays(keys, values, **settings)
        except Ended:
            return None
        except ValueError as error:
            said = str(error)
        assert said == (None if how & 2 else self.duplicate())
        return f

    def duplicate(self) -> str | None:
        """What is said of the first key that has occurred before."""
        seen: dict[Any, int] = {}
        for i, key in enumerate(self.keys):
            if key in seen:
                return f"keys[{i}] is {key!r}, as keys[{seen[key]}] is: give each key once, or on_duplicate='last'"
            seen[key] = i
        return None

    def same(self, array: np.ndarray, values: list[Any]) -> None:
        if array.dtype.kind in "mM":  # their tolist() makes other types of them
            values = self.values.array(values).tolist()
        assert array.tolist() == values

    def compare(self, f: FrozenMap) -> None:
        asked = [*self.model, *self.types.some(self.source, 9)]
        there = [key in self.model for key in asked]
        batch = self.types.kind.array(asked)
        rows = f.positions(batch).tolist()
        keys = [one_nan(key) for key in f]
        assert len(f) == len(keys) == len(self.model)
        assert [keys[row] if row >= 0 else None for row in rows] == [
            key if here else None for key, here in zip(asked, there, strict=True)
        ]
        assert [key in f for key in asked] == f.contains_many(batch).tolist() == there
        assert [f.get(key) for key in asked] == [self.model.get(key) for key in asked]
        values, found = f.lookup_many(batch)
        assert found.tolist() == there
        self.same(
            values[found], list(self.model.values()) + [self.model[k] for k in asked[len(self.model) :] if k in f]
        )
        self.same(f.get_many(batch[: len(self.model)]), list(self.model.values()))
        assert {one_nan(key): value for key, value in f.items()} == self.model
        f.check()


def built(source: Source) -> None:
    """A frozen map beside a dict, and its pickle."""
    run = Run(source)
    f = run.freeze() if source.byte() & 1 else run.from_arrays()
    if f is not None:
        run.compare(f)
        again = pickle.loads(pickle.dumps(f, 2 + source.byte() % 4))
        run.compare(again)
        assert repr(list(again)) == repr(list(f))  # also NaN


# ---- damaged parts ---------------------------------------------------------------------------------------------------


def spoiled(source: Source, section: np.ndarray) -> Any:
    """A section of a pickle with some damage."""
    kind = source.byte() % 12
    if kind < 7:  # the commonest: other bytes
        section = section.copy()
        for _ in range(1 + source.byte() % 4):
            if section.nbytes and not section.dtype.hasobject:
                section.view("u1")[source.number(2) % section.nbytes] = source.byte()
        return section
    if kind == 7:
        return section[: source.byte() % (1 + section.size)]
    if kind == 8:
        return np.append(section, np.frombuffer(source.take(4), "u1").astype(section.dtype))
    if kind == 9:
        return section.astype(source.pick(["u1", "u4", "i8", "f4", "O", ">u4", "S1", "?"]))
    if kind == 10:
        return section.repeat(2)[::2]
    return source.pick([*ODD, section.tolist(), section.reshape(1, -1), section.tobytes()])


def spoiled_numbers(source: Source, numbers: tuple[int, ...]) -> Any:
    changed: list[Any] = list(numbers)
    for _ in range(1 + source.byte() % 2):
        changed[source.byte() % 4] = source.number(8) if source.byte() & 1 else source.pick(ODD)
    return tuple(changed[: source.byte() or 4])


def restored(source: Source) -> None:
    """An error, or a map that can be read, if not with the right answers."""
    f = Run(source).map().freeze(seed=1)
    _, (cls, key, value, seed, hash_key, shape, *sections), _ = f.__reduce__()
    parts: list[Any] = [section.items for section in sections]
    for _ in range(1 + source.byte() % 3):
        what = source.byte() % 16
        if what < 12 and isinstance(parts[what % 4], np.ndarray):
            parts[what % 4] = spoiled(source, parts[what % 4])
        elif what == 12:
            shape = spoiled_numbers(source, shape) if len(shape) == 4 else shape
        elif what == 13:
            hash_key = spoiled_numbers(source, hash_key) if len(hash_key) == 4 else hash_key
        elif what == 14:
            key = KEYS[source.pick(TYPES)[0]].kind.spec
        else:
            value = VALUE_KINDS[source.pick(TYPES)[1]].spec
    damaged, said = None, ""
    try:
        damaged = restored_frozen_map(cls, key, value, seed, hash_key, shape, *map(Packed, parts))
    except ValueError as error:
        said = str(error)
    if damaged is None:
        assert "the pickle is damaged" in said
    else:
        read_all(damaged, list(f))


# ---- one part --------------------------------------------------------------------------------------------------------


def part(source: Source) -> None:
    """A part of hashes that crowd in a few buckets. Some are of the fuzzer's bytes. The others are drawn, since buckets
    are displaced only among more hashes than an input has bytes for."""
    n, spread = source.byte() % 28, source.pick([1 << 31, 3 << 30, 1 << 32, 1 << 28])
    hashes = [(source.number(2) << 48 | source.number(2) * spread >> 16) for _ in range(n)]
    if spread != 1 << 28:  # of which no part can be built
        drawn = np.random.default_rng(source.number(2)).integers(1 << 16, size=(159 - source.byte() % 160, 2))
        hashes += [high << 48 | low * spread >> 16 for high, low in drawn.tolist()]
        n = len(hashes)
    compiled = freeze.build_one_part(np.array(hashes, np.uint64))
    expected = reference.build_part(hashes, reference.slots_for(n), reference.buckets_for(n))
    assert (compiled is None) == (expected is None)
    if compiled is not None and expected is not None:
        pilots, slots = compiled
        assert pilots.tobytes() == bytes(expected.pilots)
        assert len(set(slots.tolist())) == n


TARGETS: list[Callable[[Source], None]] = [built, built, restored, part]


def target(source: Source) -> None:
    source.pick(TARGETS)(source)


if __name__ == "__main__":
    start(target)
