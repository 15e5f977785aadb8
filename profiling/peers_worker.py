"""A measuring process of ``peers``: one Python library and one workload, printed as lines of JSON.

Owns how an operation is timed and its answers checked. Imports numpy, psutil, and the siblings ``peers_keys`` and
``peers_python``. Before each operation, and at the end, a line says which is next and what was measured so far: a
process that is cut off has not run in vain. Times are CPU nanoseconds a key.

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
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil

import peers_keys
from peers_keys import MISSING, Questions
from peers_python import LIBRARIES, Peer, Take, one_thread

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


def operations(peer: Peer, asked: Questions) -> dict[str, Callable[[], Operation]]:
    """What the library can do, each made ready only when its turn comes: lists of millions take memory and time."""
    size, values, held = len(asked.keys), asked.values, {}
    rounds = max(1, BUILT // size)

    def keys() -> Any:
        if "keys" not in held:
            held["keys"] = peer.convert(asked.keys)
        return held["keys"]

    def table() -> Any:
        if "table" not in held:
            make = getattr(peer, "keep", None) or getattr(peer, "build", None) or peer.sized
            held["table"] = make(keys(), values)
        return held["table"]

    def making(name: str) -> Operation:
        make, some = getattr(peer, name), peer.convert(asked.keys[:FEW])
        first, made_of = peer.convert(asked.keys[:FEW].copy()), keys()

        def check(made: Any) -> bool:
            return right(peer.find(made, first), np.arange(min(FEW, size)))

        return Operation(
            lambda _: make(made_of, values), check, size, rounds=rounds, warm=lambda: make(some, values[:FEW])
        )

    def asking(name: str) -> Operation:
        there, queries, expected = {
            "hit": (peer.hit, asked.hits, asked.hit_answers),
            "miss": (peer.find, asked.misses, np.full(len(asked.misses), MISSING)),
            "mixed": (peer.find, asked.mixed, asked.mixed_answers),
        }[name]
        held_by, converted = table(), peer.convert(queries)

        def warm() -> None:
            if not right(there(held_by, converted), expected):
                raise AssertionError(f"wrong answers: {name}")

        return Operation(lambda _: there(held_by, converted), lambda got: right(got, expected), len(queries), warm=warm)

    def iterating() -> Operation:
        held_by = table()
        return Operation(
            lambda _: peer.iterate(held_by),
            lambda got: paired(got, asked),
            size,
            rounds=rounds,
            warm=lambda: peer.iterate(held_by),
        )

    def deleting() -> Operation:
        made_of, deleted = keys(), peer.convert(asked.deleted)
        left = size - len(asked.deleted)
        return Operation(
            lambda each: peer.delete(each, deleted),
            lambda count: count == left,
            len(asked.deleted),
            prepare=lambda: peer.build(made_of, values),
            rounds=rounds,
        )

    def streaming(run: Callable[[Any], Any], check: Callable[[Any], bool], queries: np.ndarray) -> Operation:
        converted, some = peer.convert(queries), peer.convert(queries[:FEW])
        return Operation(lambda _: run(converted), check, len(queries), warm=lambda: run(some))

    made: dict[str, Callable[[], Operation]] = {}
    for name in ("build", "sized"):
        if hasattr(peer, name):
            made[name] = lambda name=name: making(name)
    for name in ("hit", "miss", "mixed"):
        if hasattr(peer, "find"):
            made[name] = lambda name=name: asking(name)
    if hasattr(peer, "iterate"):
        made["iterate"] = iterating
    if hasattr(peer, "delete"):
        made["delete"] = deleting
    if hasattr(peer, "accumulate"):
        made["accumulate"] = lambda: streaming(
            peer.accumulate, lambda got: counts_right(peer.counted(got), asked), asked.stream
        )
    if hasattr(peer, "factorize"):
        made["factorize"] = lambda: streaming(peer.factorize, lambda got: codes_right(got, asked), asked.draws)
    if isinstance(peer, Take):
        made["hit"] = lambda: Operation(
            lambda _: np.take(values, asked.hit_answers),
            lambda got: right(got, asked.hit_answers),
            len(asked.hits),
            warm=lambda: np.take(values, asked.hit_answers),
        )
    return made


def timed(name: str, operation: Operation) -> float:
    """CPU nanoseconds a key; raises ``AssertionError`` for a wrong answer."""
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
    return psutil.Process().memory_full_info().uss


def memory(peer: Peer, asked: Questions) -> dict[str, float]:
    """Private bytes an entry of a settled table and of what it alone refers to: keys are copied for it.

    Beside it ``nbytes``, the table's own account, where it has one.
    """
    make = getattr(peer, "build", None) or peer.sized

    def hold(some: np.ndarray) -> Any:
        return make(peer.convert(some.copy()), np.arange(len(some)))

    hold(asked.keys[:FEW])  # what it imports is no part of it
    before = private_bytes()
    table = hold(asked.keys)
    if hasattr(table, "finish_growth"):
        table.finish_growth()
    size = len(asked.keys)
    found = {"memory": (private_bytes() - before) / size}
    if isinstance(getattr(table, "nbytes", None), int) and hasattr(table, "finish_growth"):
        found["nbytes"] = table.nbytes / size
    return found


def measure(library: str, kind: str, asked: Questions, names: list[str]) -> Iterator[dict[str, Any]]:
    """What was measured so far, and which operation is next; the last has no next one."""
    peer = LIBRARIES[library](kind)
    measured: dict[str, Any] = {}
    can = operations(peer, asked)
    for name in names:
        if name == "memory" and (hasattr(peer, "build") or hasattr(peer, "sized")):
            yield {"now": name} | measured
            measured |= memory(peer, asked)
        elif name in can:
            yield {"now": name} | measured
            measured[name] = timed(name, can[name]())
            gc.collect()
    yield {"now": ""} | measured


def main(arguments: list[str]) -> None:
    """Measure as the arguments say and print the result."""
    parser = argparse.ArgumentParser(prog="peers_worker.py", description=__doc__.splitlines()[0])
    parser.add_argument("library", choices=LIBRARIES)
    parser.add_argument("kind")
    parser.add_argument("file", type=Path, help="questions, as peers_keys.write() wrote them")
    parser.add_argument("operations", help="their names, between commas")
    options = parser.parse_args(arguments)
    one_thread()
    asked = peers_keys.read(options.file, options.kind)
    for line in measure(options.library, options.kind, asked, options.operations.split(",")):
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
