"""A measuring process of ``peers``: one Python library and one workload, printed as lines of JSON.

Owns how an operation is timed and its answers checked. Before each operation, and at the end, a line says which is next
and what was measured so far, so a process that is killed keeps its results. Times are CPU nanoseconds per key.

Look-ups are asked twice: the first answers are checked, the second are timed. What makes a table is tried on a
few keys first and its result checked afterwards; small tables are made so often that the clock has something to
measure.
"""

import argparse
import ctypes
import gc
import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil

from peers import keys as peers_keys
from peers.keys import MISSING, Questions
from peers.python import LIBRARIES, Peer, one_thread

BUILT = 300_000  # keys built at least: a few milliseconds
FEW = 1000  # keys for trying and for spot checks


class Operation(NamedTuple):
    """What is timed: ``run`` on each of the things that ``prepare`` makes, ``keys`` keys each."""

    run: Callable[[Any], Any]
    check: Callable[[Any], bool]
    keys: int
    prepare: Callable[[], Any] = lambda: None
    rounds: int = 1
    warm: Callable[[], Any] = lambda: None


def answers(result: Any) -> np.ndarray:
    """The answers of any library as an array; in Arrow and polars null says that a key is missing."""
    return np.asarray(result.fill_null(MISSING) if hasattr(result, "fill_null") else result)


def right(result: Any, expected: np.ndarray) -> bool:
    """Whether a library gave the answers that are expected."""
    return np.array_equal(answers(result), expected)


def paired(result: Any, asked: Questions) -> bool:
    """Whether keys and values that came out are those that went in."""
    keys, values = (np.asarray(part) for part in result)
    return len(keys) == len(asked.keys) and bool(np.all(keys.astype(asked.keys.dtype) == asked.keys[values]))


def counts_right(result: tuple[np.ndarray, np.ndarray], asked: Questions) -> bool:
    """Whether each key of the stream was counted as often as NumPy counts it."""
    keys, counts = result
    distinct, expected = np.unique(asked.stream, return_counts=True)
    keys = keys.astype(asked.keys.dtype)
    order = np.argsort(keys)
    return np.array_equal(keys[order], distinct) and np.array_equal(counts[order], expected)


def codes_right(result: Any, asked: Questions) -> bool:
    """Whether each draw has the number of its key in order of first sight."""
    _, first, inverse = np.unique(asked.draws, return_index=True, return_inverse=True)
    return right(result, np.argsort(np.argsort(first))[inverse])


# What a library's class must define for an operation.
CALLS = {"build": "build", "sized": "sized", "hit": "hit", "miss": "find", "mixed": "find", "iterate": "iterate"}
CALLS |= {"delete": "delete", "accumulate": "accumulate", "factorize": "factorize"}


class Trial:
    """One library and its questions: a method for each operation, called when its turn comes.

    Not earlier: lists of millions take memory and time.
    """

    def __init__(self, peer: Peer, asked: Questions) -> None:
        self.peer, self.asked, self.size = peer, asked, len(asked.keys)
        self.rounds = max(1, BUILT // self.size)

    @cached_property
    def keys(self) -> Any:
        """The keys in the library's form."""
        return self.peer.convert(self.asked.keys)

    @cached_property
    def values(self) -> Any:
        """The values in the library's form."""
        return self.peer.numbers(self.asked.values)

    @cached_property
    def table(self) -> Any:
        """The table that look-ups are made in."""
        for name in ("keep", "build", "sized"):
            if hasattr(self.peer, name):
                return getattr(self.peer, name)(self.keys, self.values)
        raise AttributeError(f"{type(self.peer).__name__} has no table")

    def build(self) -> Operation:
        return self.making(self.peer.build)

    def sized(self) -> Operation:
        return self.making(self.peer.sized)

    def hit(self) -> Operation:
        return self.asking(self.peer.hit, self.peer.hits(self.asked), self.asked.hit_answers)

    def miss(self) -> Operation:
        misses = self.asked.misses
        return self.asking(self.peer.find, self.peer.convert(misses), np.full(len(misses), MISSING))

    def mixed(self) -> Operation:
        return self.asking(self.peer.find, self.peer.convert(self.asked.mixed), self.asked.mixed_answers)

    def iterate(self) -> Operation:
        table, run = self.table, self.peer.iterate
        return Operation(
            run=lambda _: run(table),
            check=lambda got: paired(got, self.asked),
            keys=self.size,
            rounds=self.rounds,
            warm=lambda: run(table),
        )

    def delete(self) -> Operation:
        deleted, run, keys, values = self.peer.convert(self.asked.deleted), self.peer.delete, self.keys, self.values
        return Operation(
            run=lambda table: run(table, deleted),
            check=lambda left: left == self.size - len(self.asked.deleted),
            keys=len(self.asked.deleted),
            rounds=self.rounds,
            prepare=lambda: self.peer.build(keys, values),
        )

    def accumulate(self) -> Operation:
        def check(got: Any) -> bool:
            return counts_right(self.peer.counted(got), self.asked)

        return self.streaming(self.peer.accumulate, self.asked.stream, check)

    def factorize(self) -> Operation:
        return self.streaming(self.peer.factorize, self.asked.draws, lambda got: codes_right(got, self.asked))

    def making(self, make: Callable[[Any, Any], Any]) -> Operation:
        """An operation that makes a table of the keys."""
        keys, values = self.keys, self.values
        few, their_values = self.peer.convert(self.asked.keys[:FEW]), values[:FEW]
        return Operation(
            run=lambda _: make(keys, values),
            check=lambda table: right(self.peer.find(table, few), self.asked.values[:FEW]),
            keys=self.size,
            rounds=self.rounds,
            warm=lambda: make(few, their_values),
        )

    def asking(self, look_up: Callable[[Any, Any], Any], queries: Any, expected: np.ndarray) -> Operation:
        """An operation that asks for keys."""
        table = self.table

        def check(got: Any) -> bool:
            return right(got, expected)

        def warm() -> None:
            if not check(look_up(table, queries)):
                raise AssertionError("wrong answers in the first pass")
            for room in self.peer.rooms.values():  # else the timed pass could leave these answers as they are
                room.fill(0)

        return Operation(run=lambda _: look_up(table, queries), check=check, keys=len(expected), warm=warm)

    def streaming(self, run: Callable[[Any], Any], keys: np.ndarray, check: Callable[[Any], bool]) -> Operation:
        """An operation that goes through keys of which many come again."""
        all_of_them, few = self.peer.convert(keys), self.peer.convert(keys[:FEW])
        return Operation(run=lambda _: run(all_of_them), check=check, keys=len(keys), warm=lambda: run(few))


def timed(name: str, operation: Operation) -> float:
    """CPU nanoseconds per key; raises ``AssertionError`` for a wrong answer."""
    operation.warm()
    prepared = [operation.prepare() for _ in range(operation.rounds)]
    began = time.process_time_ns()
    results = [operation.run(each) for each in prepared]  # kept: to give them back is no part of the operation
    taken = time.process_time_ns() - began
    if not operation.check(results[-1]):
        raise AssertionError(f"wrong answers: {name}")
    return taken / (operation.rounds * max(1, operation.keys))


def private_bytes() -> int:
    """Memory of this process alone (USS), once what is free went back to the system."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    if "pyarrow" in sys.modules:
        sys.modules["pyarrow"].default_memory_pool().release_unused()
    return psutil.Process().memory_full_info().uss


def memory(peer: Peer, asked: Questions) -> dict[str, float]:
    """Private bytes per entry of a settled table and of what it alone refers to: keys are copied for it.

    Beside it ``nbytes``, the table's own account, where it has one.
    """
    make = getattr(peer, "build", None) or peer.sized

    def hold(some: np.ndarray) -> Any:
        return make(peer.convert(some.copy()), peer.numbers(np.arange(len(some))))

    hold(asked.keys[:FEW])  # what it imports is no part of it
    peer.convert(asked.keys.copy())  # nor what the allocators of Python and Arrow keep of so many keys' making
    before = private_bytes()
    table = hold(asked.keys)
    if hasattr(table, "finish_growth"):
        table.finish_growth()
    size = len(asked.keys)
    found = {"memory": (private_bytes() - before) / size}
    if isinstance(getattr(table, "nbytes", None), int) and hasattr(table, "key_dtype"):
        found["nbytes"] = table.nbytes / size
    return found


def measure(library: str, kind: str, asked: Questions, names: list[str]) -> Iterator[dict[str, Any]]:
    """What was measured so far, and which operation is next; the last has no next one."""
    peer = LIBRARIES[library](kind)
    measured: dict[str, Any] = {}
    trial = Trial(peer, asked)
    for name in names:
        if name == "memory" and (hasattr(peer, "build") or hasattr(peer, "sized")):
            yield {"now": name} | measured
            measured |= memory(peer, asked)
        elif hasattr(peer, CALLS.get(name, "")):
            yield {"now": name} | measured
            measured[name] = timed(name, getattr(trial, name)())
            gc.collect()
    yield {"now": ""} | measured


def main(arguments: list[str]) -> None:
    """Measure as the arguments say and print the result."""
    parser = argparse.ArgumentParser(prog="peers/worker.py", description=__doc__.splitlines()[0])
    parser.add_argument("library", choices=LIBRARIES)
    parser.add_argument("kind")
    parser.add_argument("file", type=Path, help="questions, as keys.write() wrote them")
    parser.add_argument("operations", help="their names, between commas")
    options = parser.parse_args(arguments)
    one_thread()
    asked = peers_keys.read(options.file, options.kind)
    for line in measure(options.library, options.kind, asked, options.operations.split(",")):
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
