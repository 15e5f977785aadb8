"""Random calls on shared maps in many threads, and what must hold whatever the order. See the options with --help.

Every key belongs to one thread, which alone writes it and so knows what it must find; constants are written before all
else and never again; counters are added to by all. Shared maps are frozen while they are written, and frozen maps are
read by all. The main thread is one of the workers, interrupted by a signal in every second call. Meanwhile the process
forks, and the child uses the maps; but not without the GIL, where CPython may hand a lock to a thread that the child
does not have. After each round nothing runs: then every map must hold exactly what its owners know, and check() must
pass.

A finding ends the run with exit status 1, the seed and what was found. Where nothing moves for WATCHDOG seconds, or
the process crashes, faulthandler prints the stack of each thread. Nothing here can make threads run in the same order
twice: run the same seed again, for longer.
"""

import argparse
import collections
import contextlib
import copy
import faulthandler
import os
import pickle
import random
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pyhmap import FrozenMap, HIndex, HMap

WATCHDOG = 120  # seconds: a round takes a few
ROUND = 3.0  # seconds of calls between two moments of rest
ROUNDS = 3  # with the same maps
OWN = (40, 300, 3000)  # keys of each thread: each new set of maps has another number
CONSTANTS, COUNTERS = 1000, 50
VERSIONS = 1 << 24  # of a value
BATCHES = (1, 7, 100, 600, 3000)  # keys of a batch; from 512 on the GIL is released
LARGE = 1 << 16  # keys that two threads share
MAY_FORK = not hasattr(sys, "_is_gil_enabled") or sys._is_gil_enabled()


class Finding(Exception):
    """Something that the contract rules out."""


class Interrupted(Exception):
    """What the handler of the signal raises in the main thread."""


# Errors that the contract names: of the first word, as the summary counts them, and how the message goes.
DOCUMENTED = {
    "changed size during iteration": (RuntimeError, "changed size during iteration"),
    "comparisons changed the map": (RuntimeError, "its __eq__ must not"),
    "empty map": (KeyError, "empty"),
    "interrupted by a signal": (Interrupted, ""),
}


def documented(error: BaseException) -> str:
    """The name of a documented error; empty for any other."""
    return next((name for name, (kind, said) in DOCUMENTED.items() if type(error) is kind and said in str(error)), "")


def need(holds: Any, what: str, *details: Any) -> None:
    if not holds:
        raise Finding(f"{what}: {', '.join(map(repr, details))[:600]}")


class Key:
    """A key whose hash and comparisons let other threads in. Four keys have one hash."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def __hash__(self) -> int:
        if self.number % 5 == 0:
            time.sleep(0)
        return hash(self.number // 4)

    def __eq__(self, other: object) -> bool:
        if self.number % 3 == 0:
            time.sleep(0)
        return type(other) is Key and self.number == other.number

    def __repr__(self) -> str:
        return f"Key({self.number})"


class Kind(NamedTuple):
    """Types of a map, and how numbers and versions become its keys and values."""

    key_type: Any
    value_type: Any
    key: Callable[[int], Any]
    value: Callable[[int, int], Any]
    number_and_version: Callable[[Any], tuple[int, int]]

    def keys(self, numbers: list[int]) -> Any:
        made = [self.key(number) for number in numbers]
        return made if self.key_type in (str, object) else np.array(made, self.key_type)


def text(number: int) -> str:
    return f"{number}" if number % 2 else f"a text that is longer than a slot: {number}"


def text_value(number: int, version: int) -> str:
    return f"{number}:{version}" + ":" + "x" * (version % 40)


def parts_of_text(value: str) -> tuple[int, int]:
    number, version, rest = value.split(":")
    need(rest == "x" * (int(version) % 40), "a text that nobody wrote", value)
    return int(number), int(version)


INT_VALUE = (lambda number, version: number * VERSIONS + version, lambda value: divmod(int(value), VERSIONS))
TUPLE_VALUE = (lambda number, version: (number, version), tuple)

KINDS = {
    "int64 to int64": Kind(np.int64, np.int64, int, *INT_VALUE),
    "str to int64": Kind(str, np.int64, text, *INT_VALUE),
    "int64 to object": Kind(np.int64, object, int, *TUPLE_VALUE),
    "object to object": Kind(object, object, Key, *TUPLE_VALUE),
    "int32 to str": Kind(np.int32, str, int, text_value, parts_of_text),
}


class Owned:
    """A shared map in which each key has an owner: the key's number modulo the number of threads, and two more."""

    def __init__(self, name: str, threads: int, own: int) -> None:
        self.name, self.kind, self.threads, self.own = name, KINDS[name], threads, own
        self.map = HMap(self.kind.key_type, self.kind.value_type)
        self.models: list[dict[int, int]] = [{} for _ in range(threads)]  # number -> version, of each thread's keys
        self.counted = np.zeros((threads, COUNTERS), np.int64)  # what each thread has added
        self.constants = self.numbers_of(threads, CONSTANTS)
        self.counters = self.numbers_of(threads + 1, COUNTERS)
        self.may_count = self.kind.value_type is np.int64
        self.map.set_many(self.kind.keys(self.constants), self.values(self.constants, 0))
        if self.may_count:
            self.map.set_many(self.kind.keys(self.counters), 0)

    def numbers_of(self, owner: int, n: int) -> list[int]:
        return [owner + i * (self.threads + 2) for i in range(n)]

    def values(self, numbers: list[int], version: int) -> Any:
        made = [self.kind.value(number, version) for number in numbers]
        if self.kind.value_type is not object:
            return made
        array = np.empty(len(made), object)
        array[:] = made
        return array

    def version(self, number: int, value: Any) -> int:
        """The version that a value says; it must be one of this number."""
        said, version = self.kind.number_and_version(value)
        need(said == number, "a value of another key", self.name, number, value)
        return version

    def check(self) -> None:
        """Between two rounds: the map holds what its owners know, and nothing else."""
        self.map.check()
        need(len(self.map) == self.map.header().count, "count", self.name)
        known = dict.fromkeys(self.constants, 0)
        for model in self.models:
            known |= model
        numbers = list(known)
        expected = dict(zip(self.kind.keys(numbers), numbers, strict=True))
        keys, values = self.map.to_arrays()
        found = dict(zip(keys.tolist(), values.tolist(), strict=True))
        need(len(found) == len(keys), "a key twice", self.name)
        if self.may_count:
            totals = [found.pop(key.item() if hasattr(key, "item") else key) for key in self.kind.keys(self.counters)]
            need(totals == self.counted.sum(0).tolist(), "counters", self.name, totals, self.counted.sum(0))
        need(found.keys() == expected.keys(), "keys", self.name, found.keys() ^ expected.keys())
        for key, value in found.items():
            number = expected[key]
            need(self.version(number, value) == known[number], "a stale value", self.name, number, value, known[number])


class Pair:
    """Two maps that every thread changes: the value of a key is three times the key."""

    name = "two maps"

    def __init__(self) -> None:
        self.maps = [HMap(np.int64, np.int64), HMap(np.int64, np.int64)]

    def check(self) -> None:
        for m in self.maps:
            m.check()
            sound(*m.to_arrays())


class Codes:
    """A map that numbers keys: one code for each key, without gaps."""

    name = "codes"

    def __init__(self) -> None:
        self.map = HMap(np.int64, np.int32)
        self.seen: list[dict[int, int]] = []

    def check(self) -> None:
        self.map.check()
        keys, codes = self.map.to_arrays()
        need(sorted(codes.tolist()) == list(range(len(keys))), "codes with gaps")
        stored = dict(zip(keys.tolist(), codes.tolist(), strict=True))
        for seen in self.seen:
            need(seen.items() <= stored.items(), "a code that changed")


class Index:
    """An id map that all threads add to, and one of texts: the code of a key never changes, and leads back to it."""

    name = "id maps"

    def __init__(self) -> None:
        self.indexes: list[Any] = [HIndex(np.int64), HIndex(str)]
        self.seen: list[dict[Any, int]] = []

    def check(self) -> None:
        every = {}
        for ix in self.indexes:
            ix.check()
            every |= dict(ix)
            need((ix.encode(ix.labels(), add=False) == np.arange(len(ix))).all(), "codes of an id map")
        for seen in self.seen:
            need(seen.items() <= every.items(), "a code of an id map that changed")


class Frozen:
    """Frozen maps that all threads read. The value of a key is three times its number."""

    name = "frozen maps"

    def __init__(self) -> None:
        self.keys: list[Any] = [np.arange(LARGE), [text(number) for number in range(5000)]]
        self.maps = [FrozenMap.from_arrays(keys, 3 * np.arange(len(keys)), seed=1) for keys in self.keys]

    def check(self) -> None:
        for keys, f in zip(self.keys, self.maps, strict=True):
            f.check()
            need((f.get_many(keys) == 3 * np.arange(len(keys))).all(), "values of a frozen map")


def sound(keys: Any, values: Any) -> None:
    need((values == 3 * keys).all(), "a value that nobody wrote", keys[values != 3 * keys], values[values != 3 * keys])
    need(len(np.unique(keys)) == len(keys), "a key twice")


class Worker:
    """One thread: its random numbers, what it counts, and its part of each shared map."""

    def __init__(self, index: int, seed: int, interrupted: bool) -> None:
        self.index, self.interrupted = index, interrupted
        self.rng = random.Random(f"{seed} {index}")
        self.done: collections.Counter[str] = collections.Counter()
        self.errors: collections.Counter[str] = collections.Counter()
        self.doing = ""
        self.versions = 0
        self.armed = False
        self.codes: dict[int, int] = {}
        self.ids: dict[Any, int] = {}

    def run(self, shared: list[Any], until: float, stop: threading.Event) -> None:
        while time.monotonic() < until and not stop.is_set():
            place = self.rng.choice(shared)
            name, call = self.rng.choice(CALLS[type(place)])
            self.doing = f"{name} of {place.name}"
            try:
                with self.interruption():
                    call(self, place)
            except Exception as error:
                kind = documented(error)
                if not kind:
                    raise
                self.errors[kind] += 1
            self.done[name] += 1

    @contextlib.contextmanager
    def interruption(self) -> Any:
        """In the main thread, in every second call: a signal after up to a few milliseconds."""
        if self.interrupted and self.rng.random() < 0.5:
            self.armed = True
            signal.setitimer(signal.ITIMER_REAL, self.rng.random() ** 2 * 0.02 + 1e-5)
        try:
            yield
        finally:
            self.armed = False

    def on_alarm(self, *_: Any) -> None:
        if self.armed:
            self.armed = False
            raise Interrupted

    # ---- own keys ----

    def own(self, place: Owned, n: int) -> list[int]:
        first, step = self.index, place.threads + 2
        return [first + step * self.rng.randrange(place.own) for _ in range(n)]

    def present(self, place: Owned, n: int) -> list[int]:
        model = list(place.models[self.index])
        return self.rng.sample(model, min(n, len(model)))

    def one_of(self, *calls: Callable[[], Any]) -> Any:
        return self.rng.choice(calls)()

    def size(self) -> int:
        return self.rng.choice(BATCHES)

    def next_version(self) -> int:
        self.versions += 1
        return self.versions

    def write(self, place: Owned, after: dict[int, int | None], call: Callable[..., Any], *arguments: Any) -> Any:
        """A call that writes own keys. If it raises, each has its old state or its new one."""
        model = place.models[self.index]
        known = {number: model.get(number) for number in after}
        answer = None
        try:
            try:
                answer = call(*arguments)
            finally:
                self.armed = False
        except Exception as error:
            kind = documented(error)
            if not kind:
                raise
            self.errors[kind] += 1
            for number in after:
                found = self.read(place, number)
                need(
                    found in (known[number], after[number]),
                    "neither the old value nor the new",
                    place.name,
                    number,
                    found,
                    known[number],
                    after[number],
                    kind,
                )
                after[number] = found
        for number, version in after.items():
            if version is None:
                model.pop(number, None)
            else:
                model[number] = version
        return answer

    def read(self, place: Owned, number: int) -> int | None:
        """The version of an own key, or None, read again where comparisons found the map changed."""
        while True:
            try:
                value = place.map.get(place.kind.key(number))
            except RuntimeError as error:
                if not documented(error):
                    raise
                self.errors[documented(error)] += 1
            else:
                return None if value is None else place.version(number, value)

    def check_all(self, place: Owned, pairs: Any) -> None:
        """All pairs of a map, read while other threads wrote: own keys and constants are exact."""
        by_key = dict(pairs)
        for numbers in (place.constants, list(place.models[self.index])):
            for number in numbers:
                value = by_key.get(place.kind.key(number))
                need(value is not None, "a key that nobody deleted is missing", place.name, number)
                known = place.models[self.index].get(number, 0)
                need(place.version(number, value) == known, "another value", place.name, number, value, known)


# ---- calls on owned maps ---------------------------------------------------------------------------------------------


def set_one(w: Worker, place: Owned) -> None:
    for number in w.own(place, 20):
        version = w.next_version()
        value = place.kind.value(number, version)
        w.write(place, {number: version}, place.map.__setitem__, place.kind.key(number), value)


def delete_one(w: Worker, place: Owned) -> None:
    for number in w.present(place, 20):
        w.write(place, {number: None}, place.map.__delitem__, place.kind.key(number))


def pop_one(w: Worker, place: Owned) -> None:
    for number in w.own(place, 20):
        known = place.models[w.index].get(number)
        value = w.write(place, {number: None}, place.map.pop, place.kind.key(number), None)
        need(value is None or place.version(number, value) == known, "popped", place.name, number, value, known)


def setdefault(w: Worker, place: Owned) -> None:
    for number in w.own(place, 20):
        known = place.models[w.index].get(number)
        version = w.next_version() if known is None else known
        value = place.kind.value(number, version)
        w.write(place, {number: version}, place.map.setdefault, place.kind.key(number), value)


def get_one(w: Worker, place: Owned) -> None:
    for number in w.own(place, 20):
        found, known = w.read(place, number), place.models[w.index].get(number)
        need(found == known, "another value", place.name, number, found, known)
    for number in w.rng.sample(place.constants, 20):
        need(w.read(place, number) == 0, "a constant is missing", place.name, number)


def set_many(w: Worker, place: Owned) -> None:
    numbers, version = w.own(place, w.size()), w.next_version()
    keys, values = place.kind.keys(numbers), place.values(numbers, version)
    w.write(place, dict.fromkeys(numbers, version), place.map.set_many, keys, values)


def setdefault_many(w: Worker, place: Owned) -> None:
    numbers, version = w.own(place, w.size()), w.next_version()
    after: dict[int, int | None] = {number: place.models[w.index].get(number, version) for number in numbers}
    expected = dict(after)
    keys, values = place.kind.keys(numbers), place.values(numbers, version)
    answer = w.write(place, after, place.map.setdefault_many, keys, values)
    if answer is not None:
        for number, value in zip(numbers, answer.tolist(), strict=True):
            need(place.version(number, value) == expected[number], "setdefault_many", place.name, number, value)


def pop_many(w: Worker, place: Owned) -> None:
    numbers = w.present(place, w.size())
    known = {number: place.models[w.index][number] for number in numbers}
    keys = place.kind.keys(numbers)
    answer = w.write(place, dict.fromkeys(numbers), place.map.pop_many, keys)
    if answer is not None:
        for number, value in zip(numbers, answer.tolist(), strict=True):
            need(place.version(number, value) == known[number], "pop_many", place.name, number, value)


def discard_many(w: Worker, place: Owned) -> None:
    numbers = w.own(place, w.size())
    there = len(place.models[w.index].keys() & set(numbers))
    keys = place.kind.keys(numbers)
    answer = w.write(place, dict.fromkeys(numbers), place.map.discard_many, keys)
    need(answer in (None, there), "discard_many", place.name, answer, there)


def get_many(w: Worker, place: Owned) -> None:
    numbers = w.present(place, w.size()) + w.rng.sample(place.constants, 500)
    values = place.map.get_many(place.kind.keys(numbers))
    for number, value in zip(numbers, values.tolist(), strict=True):
        known = place.models[w.index].get(number, 0)
        need(place.version(number, value) == known, "get_many", place.name, number, value, known)


def get_many_in_two_threads(w: Worker, place: Owned) -> None:
    if w.interrupted or place.kind.key_type is object:
        return  # a signal in Thread.start() of the standard library makes it fail; object keys have one thread
    numbers = w.rng.choices(place.constants, k=LARGE)
    values = place.map.get_many(place.kind.keys(numbers), threads=2)
    expected = {number: place.kind.value(number, 0) for number in place.constants}
    need(values.tolist() == [expected[number] for number in numbers], "get_many of constants", place.name)


def write_constants_again(w: Worker, place: Owned) -> None:
    """With the values that they have: a batch so long that forks fall into it, and that threads of its own share."""
    if place.kind.key_type is not object:
        numbers = w.rng.choices(place.constants, k=LARGE)
        place.map.set_many(place.kind.keys(numbers), place.values(numbers, 0), threads=w.rng.choice([1, 2, 3]))


def look_up_keys_of_all(w: Worker, place: Owned) -> None:
    step = place.threads + 2
    numbers = [step * w.rng.randrange(place.own) + w.rng.randrange(place.threads) for _ in range(w.size())]
    keys = place.kind.keys(numbers)
    values, found = place.map.lookup_many(keys)
    for number, value, there in zip(numbers, values.tolist(), found.tolist(), strict=True):
        if number % step == w.index:
            need(there == (number in place.models[w.index]), "lookup_many", place.name, number, there)
        if there:
            place.version(number, value)
    present = place.map.contains_many(keys)
    for number, there in zip(numbers, present.tolist(), strict=True):
        if number % step == w.index:
            need(there == (number in place.models[w.index]), "contains_many", place.name, number, there)


def count(w: Worker, place: Owned) -> None:
    """A batch of one key at a time could be interrupted after it: then nobody knows whether it was added."""
    if not place.may_count or w.interrupted:
        return
    chosen = w.rng.choices(range(COUNTERS), k=w.size())
    place.map.add_many(place.kind.keys([place.counters[i] for i in chosen]))
    np.add.at(place.counted[w.index], chosen, 1)
    totals = place.map.get_many(place.kind.keys(place.counters))
    need((totals >= place.counted[w.index]).all(), "an addition is lost", place.name, totals, place.counted[w.index])


def iterate(w: Worker, place: Owned) -> None:
    w.check_all(place, list(place.map.items()))


def iterate_a_little(w: Worker, place: Owned) -> None:
    iterator = iter(place.map)
    for _ in range(w.rng.randrange(50)):
        need(next(iterator) is not None, "an empty item", place.name)


def to_arrays(w: Worker, place: Owned) -> None:
    keys, values = place.map.to_arrays()
    need(len(set(keys.tolist())) == len(keys), "a key twice", place.name)
    w.check_all(place, zip(keys.tolist(), values.tolist(), strict=True))


def copies(w: Worker, place: Owned) -> None:
    m = place.map
    made = w.one_of(
        m.copy,
        lambda: copy.copy(m),
        lambda: HMap(place.kind.key_type, place.kind.value_type, m),
        lambda: pickle.loads(pickle.dumps(m, w.rng.randrange(2, 6))),
    )
    made.check()
    w.check_all(place, made.items())


def freeze(w: Worker, place: Owned) -> None:
    if object in place.kind[:2]:
        return  # which cannot be frozen
    f = place.map.freeze(threads=w.rng.choice([1, 2]))
    f.check()
    w.check_all(place, f.items())
    need(place.map.key_dtype == f.key_dtype, "the type of a frozen map", place.name)


def reserve_and_compact(w: Worker, place: Owned) -> None:
    m = place.map
    w.one_of(m.compact, m.finish_growth, lambda: m.reserve(len(m) + w.rng.randrange(20_000)))


def look(w: Worker, place: Owned) -> None:
    m = place.map
    w.one_of(m.check, m.header, m.layout, m.occupancy, lambda: m.nbytes, lambda: sys.getsizeof(m))
    stats = m.stats()
    need(sum(stats.probe_lengths) == stats.count, "stats", place.name, stats)
    need(m.bucket_arrays().tophash.shape[1] == 8, "bucket_arrays", place.name)
    need(repr(m).startswith("HMap"), "repr", place.name)


# ---- calls on two maps, and on codes ---------------------------------------------------------------------------------


def write_to_two(w: Worker, place: Pair) -> None:
    for m in place.maps:
        keys = np.array([w.rng.randrange(4000) for _ in range(w.size())])
        m.set_many(keys, 3 * keys)
        m.discard_many(keys[: len(keys) // 2])
        for key in keys[:20].tolist():
            m[key] = 3 * key
            m.pop(key + 1, None)


def update_each_other(w: Worker, place: Pair) -> None:
    one, other = w.rng.sample(place.maps, 2)
    w.one_of(lambda: one.update(other), lambda: one.__ior__(other), lambda: HMap(np.int64, np.int64, other))


def compare_two(w: Worker, place: Pair) -> None:
    one, other = w.rng.sample(place.maps, 2)
    w.one_of(
        lambda: one == other,
        lambda: one != other,
        lambda: one.keys() <= other.keys(),
        lambda: one.items() & other.items(),
        lambda: one.items() == other.items(),
    )


def unite_two(w: Worker, place: Pair) -> None:
    one, other = w.rng.sample(place.maps, 2)
    both = one | other
    both.check()
    sound(*both.to_arrays())


def empty_one(w: Worker, place: Pair) -> None:
    m = w.rng.choice(place.maps)
    if w.rng.random() < 0.3:
        m.clear()
    for _ in range(50):
        key, value = m.popitem()
        need(value == 3 * key, "popitem", key, value)


def arrays_of_two(w: Worker, place: Pair) -> None:
    m = w.rng.choice(place.maps)
    sound(*m.to_arrays())
    for key, value in m.items():
        need(value == 3 * key, "iteration", key, value)
    w.one_of(m.compact, m.finish_growth, m.check, m.stats)


def factorize(w: Worker, place: Codes) -> None:
    keys = np.array([w.rng.randrange(20_000) for _ in range(w.size())])
    codes = place.map.factorize(keys)
    for key, code in zip(keys.tolist(), codes.tolist(), strict=True):
        need(w.codes.setdefault(key, code) == code, "a code that changed", key, code, w.codes[key])


# ---- calls on id maps ------------------------------------------------------------------------------------------------


def some_ids(w: Worker, place: Index) -> tuple[Any, list[Any]]:
    """One of the two id maps, and keys for it."""
    which, numbers = w.rng.randrange(2), [w.rng.randrange(20_000) for _ in range(w.size())]
    return place.indexes[which], numbers if which == 0 else [text(number) for number in numbers]


def encode(w: Worker, place: Index) -> None:
    ix, keys = some_ids(w, place)
    codes = ix.encode(keys)
    for key, code in zip(keys, codes.tolist(), strict=True):
        need(w.ids.setdefault(key, code) == code, "a code of an id map that changed", key, code, w.ids[key])
    need(ix.decode(codes, to="list") == keys, "decode of what encode returned")


def read_ids(w: Worker, place: Index) -> None:
    ix, keys = some_ids(w, place)
    for key, code in zip(keys, ix.encode(keys, add=False).tolist(), strict=True):
        need(code == w.ids.get(key, code), "another code", key, code, w.ids.get(key))
        need(code < 0 or ix.key(code) == key, "another key", key, code)
    for key in keys[:20]:
        need(ix.get(key) in (None, w.ids.get(key, ix.get(key))), "another code", key)


def look_at_ids(w: Worker, place: Index) -> None:
    ix = w.rng.choice(place.indexes)
    again = HIndex(ix.key_dtype, ix.labels())
    made = w.one_of(ix.freeze, ix.copy, lambda: pickle.loads(pickle.dumps(ix)), lambda: again)
    made.check()
    need(made.labels().tolist() == ix.labels().tolist()[: len(made)], "a copy of an id map", type(made))
    need(list(made) == made.labels("list"), "iteration of an id map")
    w.one_of(ix.check, lambda: ix.nbytes, lambda: sys.getsizeof(ix), lambda: repr(ix))


# ---- calls on frozen maps --------------------------------------------------------------------------------------------


def look_up_frozen(w: Worker, place: Frozen) -> None:
    which, threads = w.rng.randrange(2), w.rng.choice([1, 2])
    f, keys = place.maps[which], place.keys[which]
    numbers = w.rng.choices(range(len(keys)), k=w.rng.choice([*BATCHES, LARGE]))
    chosen = [keys[number] for number in numbers]
    need(f.get_many(chosen, threads=threads).tolist() == [3 * number for number in numbers], "get_many of a frozen map")
    rows = f.positions(chosen, threads=threads)
    need((f.values_array()[rows] == 3 * np.array(numbers)).all(), "positions")
    _, found = f.lookup_many([*chosen, *([-1] if which == 0 else ["none"])], threads=threads)
    need(found[:-1].all() and not found[-1], "lookup_many of a frozen map")
    for number, key in zip(numbers[:20], chosen, strict=False):
        need(f[key] == 3 * number and key in f, "a key of a frozen map", key)


def copy_frozen(w: Worker, place: Frozen) -> None:
    f = w.rng.choice(place.maps)
    made = w.one_of(
        lambda: HMap(f),
        lambda: dict(f.items()),
        lambda: pickle.loads(pickle.dumps(f, w.rng.randrange(2, 6))),
        lambda: f if hash(f) == hash(f.copy()) else None,
    )
    need(f == made, "a copy of a frozen map", type(made))


def build_frozen(w: Worker, place: Frozen) -> None:
    """From arrays that other threads read as well: of one seed, so that the bytes are the same."""
    which = w.rng.randrange(2)
    keys = place.keys[which]
    f = FrozenMap.from_arrays(keys, 3 * np.arange(len(keys)), seed=1, threads=w.rng.choice([1, 2]))
    for one, other in zip(f._sections()[2:], place.maps[which]._sections()[2:], strict=True):
        need((one == other).all(), "the bytes of a frozen map")


OWNED_CALLS = [
    set_one, delete_one, pop_one, setdefault, get_one, set_many, setdefault_many, pop_many, discard_many, get_many,
    get_many_in_two_threads, write_constants_again, look_up_keys_of_all, count, iterate, iterate_a_little, to_arrays,
    copies, freeze, reserve_and_compact, look,
]  # fmt: skip
FROZEN_CALLS = [look_up_frozen, copy_frozen, build_frozen]
INDEX_CALLS = [encode, read_ids, look_at_ids]
PAIR_CALLS = [write_to_two, update_each_other, compare_two, unite_two, empty_one, arrays_of_two]
CALLS = {
    kind: [(call.__name__.replace("_", " "), call) for call in calls]
    for kind, calls in (
        (Owned, OWNED_CALLS),
        (Pair, PAIR_CALLS),
        (Codes, [factorize]),
        (Index, INDEX_CALLS),
        (Frozen, FROZEN_CALLS),
    )
}


# ---- forks -----------------------------------------------------------------------------------------------------------


def fork(shared: list[Any]) -> str:
    """Fork now, whatever the other threads do. The child uses the maps; returns what it did, for the summary."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from 3.12 on, for a process with threads
        child = os.fork()
    if child == 0:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(WATCHDOG // 2)  # a child that waits for ever is killed
        status = 3
        try:
            status = use_in_child(shared)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(status)
    _, ended = os.waitpid(child, 0)
    status = os.waitstatus_to_exitcode(ended)
    need(status in (0, 1), "a child that was forked while threads ran ended with status", status)
    return "forks in the middle of a batch write" if status else "forks at other moments"


def use_in_child(shared: list[Any]) -> int:
    """Read and write every shared map, and one of the child's own. Returns 1 if one was half-written."""
    half_written = 0
    fresh = HMap(np.int64, np.int64)
    fresh.set_many(np.arange(5000), 1)
    fresh.check()
    for place in shared:
        if isinstance(place, Frozen):
            place.check()
        if isinstance(place, Index):
            half_written |= use_ids_in_child(place)
        if not isinstance(place, Owned):
            continue
        try:
            keys = place.kind.keys(place.constants)
            values = place.map.get_many(keys).tolist()
            for number, value in zip(place.constants, values, strict=True):
                place.version(number, value)
            place.map.set_many(keys, place.values(place.constants, 7))
            one = place.constants[0]
            need(place.version(one, place.map[place.kind.key(one)]) == 7, "a child's write", place.name)
            place.map.check()
            if object not in place.kind[:2]:
                place.map.freeze().check()
        except RuntimeError as error:
            need("at the fork: rebuild" in str(error), "an error in a child", str(error))
            half_written = 1
    return half_written


def use_ids_in_child(place: Index) -> int:
    try:
        for ix, key in zip(place.indexes, (-1, "a key of the child"), strict=True):
            code = len(ix)
            need(ix.encode([key, *list(ix)[:1000]]).tolist() == [code, *range(min(code, 1000))], "ids in a child")
            ix.check()
    except RuntimeError as error:
        need("at the fork: rebuild" in str(error), "an error in a child", str(error))
        return 1
    return 0


# ---- the run ---------------------------------------------------------------------------------------------------------


def one_round(workers: list[Worker], shared: list[Any], seconds: float, forks: collections.Counter[str]) -> list[str]:
    """Calls in all threads for some seconds; then the check of everything. Returns what was found."""
    stop, found = threading.Event(), []
    until = time.monotonic() + seconds

    def run(worker: Worker, until: float) -> None:
        try:
            worker.run(shared, until, stop)
        except BaseException:
            stop.set()
            found.append(f"thread {worker.index}, {worker.doing}:\n{traceback.format_exc()}")

    threads = [threading.Thread(target=run, args=(worker, until), daemon=True) for worker in workers[1:]]
    for thread in threads:
        thread.start()
    while time.monotonic() < until and not stop.is_set():  # the main thread: calls of its own, and forks
        run(workers[0], min(until, time.monotonic() + seconds / 12))
        try:
            if MAY_FORK:
                forks[fork(shared)] += 1
        except Finding as error:
            found.append(str(error))
            stop.set()
    for thread in threads:
        thread.join()
    if not found:
        try:
            for place in shared:
                place.check()
        except Exception:
            found.append(f"at rest:\n{traceback.format_exc()}")
    return found


def new_maps(names: list[str], workers: list[Worker]) -> list[Any]:
    codes, ids = Codes(), Index()
    for worker in workers:
        worker.codes, worker.ids = {}, {}
        codes.seen.append(worker.codes)
        ids.seen.append(worker.ids)
    own = workers[0].rng.choice(OWN)
    return [*(Owned(name, len(workers), own) for name in names), Pair(), codes, ids, Frozen()]


def summary(workers: list[Worker], forks: collections.Counter[str], rounds: int, seconds: float) -> str:
    calls, errors = (
        sum(each, collections.Counter()) for each in zip(*((w.done, w.errors) for w in workers), strict=True)
    )
    lines = [f"{rounds} rounds, {len(workers)} threads, {seconds:.0f} s, {calls.total():,} calls"]
    for title, counts in (("calls", calls), ("documented errors", errors), ("processes", forks)):
        lines += [title, *(f"  {name:36}{n:>9,}" for name, n in sorted(counts.items()))]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--kind", choices=KINDS, action="append", help="owned maps of these kinds only")
    options = parser.parse_args()
    seed = random.randrange(2**32) if options.seed is None else options.seed
    again = f"python tests/stress/threads.py --seconds {options.seconds:g} --seed {seed} --threads {options.threads}"
    print(f"to run it again: {again}", flush=True)

    faulthandler.enable()
    sys.setswitchinterval(1e-6)
    workers = [Worker(index, seed, interrupted=index == 0) for index in range(options.threads)]
    signal.signal(signal.SIGALRM, workers[0].on_alarm)
    forks: collections.Counter[str] = collections.Counter()
    began, rounds, found = time.monotonic(), 0, []
    while not found and time.monotonic() < began + options.seconds:
        if rounds % ROUNDS == 0:
            shared = new_maps(options.kind or list(KINDS), workers)
        faulthandler.dump_traceback_later(WATCHDOG, exit=True)
        found = one_round(workers, shared, ROUND, forks)
        rounds += 1
    faulthandler.cancel_dump_traceback_later()
    print(summary(workers, forks, rounds, time.monotonic() - began))
    for finding in found:
        print(f"\nFOUND in round {rounds}: {finding}")
    print(f"FAILED: {again}" if found else "nothing found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
