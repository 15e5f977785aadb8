"""What the verb ``peers`` measures besides whole workloads, for pyhmap and the libraries compared with it there.

Owns ``m[k]`` in a Python loop, one thread beside two, small maps and batches, freezing, large frozen maps, the map's
memory between two growths, and the worst single insert. As a program it is the measuring process of all but the last,
which is ``growth.latency_worker``.
"""

import argparse
import json
import multiprocessing
import pickle
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from core.runner import Sample, Step, interleave, run_json, worker_command
from growth import latency
from peers import keys as peers_keys
from peers.plan import HUGE_BLOCKS, Plan
from peers.worker import private_bytes

SCALAR = ("pyhmap", "pyhmap frozen", "dict")
PYTHON_INSERTS = ("pyhmap", "dict", "cykhash")
REPEATS = 3  # of single inserts: the least of three times is what an insert costs; see latency.py
POINTS = 16  # counts between two growths at which memory is read
TURNS = 5  # of one thread and two
FREEZES = 3  # with each number of threads, and by two processes
CALLS = 2000  # of small maps and batches: some milliseconds for the clock
MANY = 20_000  # small maps whose memory is read: more pages than chance makes a difference of


def steps(plan: Plan, left_out: dict[str, str], folder: Path) -> list[Step]:
    """All of them, as measurements of their own."""
    made = []
    for size in plan.scalar_sizes:
        for block, library in interleave(SCALAR, plan.extra_blocks):
            call = partial(worker, block, "scalar", library, size, block)
            made.append(Step("single look-ups", f"{library}, {size:,} keys", 2, call))
    for size in plan.thread_sizes:
        for block in range(plan.extra_blocks):
            made.append(
                Step("threads", f"{size:,} keys", 1 + size / 1e6, partial(worker, block, "threads", size, block))
            )
            made.append(
                Step("writing", f"{size:,} keys", 1 + size / 1e6, partial(worker, block, "writing", size, block))
            )
            made.append(
                Step("freezing", f"{size:,} keys", 1 + size / 1e6, partial(worker, block, "freezing", size, block))
            )
    for block in range(plan.extra_blocks):
        made.append(Step("small maps", "of two keys, of ten", 2, partial(worker, block, "small", block)))
    for size in plan.frozen_sizes:
        for block in range(min(HUGE_BLOCKS, plan.extra_blocks)):
            call = partial(worker, block, "frozen", size, block)
            made.append(Step("large frozen maps", f"{size:,} keys", 1 + size / 1.5e6, call))
    made.append(Step("memory", "between growths", 3, partial(worker, 0, "memory", plan.memory_buckets)))
    for repeat in range(REPEATS):
        for library in PYTHON_INSERTS:
            if library not in left_out:
                call = partial(latency.time_inserts, library, plan.inserts, repeat, folder)
                made.append(Step("single inserts", library, 0.5 + plan.inserts * 1.7e-6, partial(worst, call)))
    return made


def worker(block: int, *arguments: object) -> Sample:
    """One process of this file."""
    return {"measure": arguments[0], "block": block} | run_json(worker_command("peers.extras", *arguments))


def worst(call: partial[Sample]) -> Sample:
    """A run of single inserts without its picture's points."""
    return {name: value for name, value in call().items() if name not in latency.NOT_IN_SAMPLES}


def scalar(library: str, size: int, seed: int) -> dict[str, Any]:
    """CPU nanoseconds of ``m[k]`` in a ``for`` loop, loop included, in random order; the keys are other objects."""
    asked = peers_keys.questions("int64", "random", size, seed)
    queries, expected = asked.hits.tolist(), int(asked.hit_answers.sum())
    if library == "dict":
        m: Any = dict(zip(asked.keys.tolist(), range(size), strict=True))
    else:
        from pyhmap import HMap

        m = HMap.from_arrays(asked.keys, asked.values, seed=peers_keys.SEED)
        m = m.freeze() if library == "pyhmap frozen" else m
    if sum(m[key] for key in queries) != expected:
        raise AssertionError(f"wrong answers: m[k] of {library}")

    def loop() -> None:
        for key in queries:
            m[key]

    began = time.process_time_ns()
    loop()
    return {"library": library, "size": size, "ns": (time.process_time_ns() - began) / len(queries)}


def threads(size: int, seed: int) -> dict[str, Any]:
    """Wall nanoseconds per key of ``get_many`` with one thread and with two, in turn in one process.

    Answers go into one array; beside that, what one thread takes when each call makes the array it returns.
    """
    from pyhmap import HMap

    asked = peers_keys.questions("int64", "random", size, seed)
    m = HMap.from_arrays(asked.keys, asked.values, seed=peers_keys.SEED)
    queries = np.resize(asked.hits, max(size, peers_keys.MOST_QUERIES))
    right = np.resize(asked.hit_answers, len(queries))
    room = np.zeros(len(queries), np.int64)
    ways = {"2": (2, room), "1": (1, room), "1, new array": (1, None)}
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for way in ("2", *tuple(ways) * TURNS):
        number, out = ways[way]
        room.fill(0)
        began = time.perf_counter_ns()
        answers = m.get_many(queries, out=out, threads=number)
        taken[way].append((time.perf_counter_ns() - began) / len(queries))
        if not np.array_equal(answers, right):
            raise AssertionError(f"wrong answers: threads={way}")
        del answers
    return {"size": size, "wall": {way: float(np.median(each)) for way, each in taken.items()}}


def writing(size: int, seed: int) -> dict[str, Any]:
    """Wall nanoseconds per key of writes with one thread and with two, in turn in one process, by the name of the
    write. Both leave the same table."""
    from pyhmap import HMap, HSet

    asked = peers_keys.questions("int64", "random", size, seed)
    keys, values, again = asked.keys, asked.values, np.resize(asked.hits, size)
    kept = HMap.from_arrays(keys, values, seed=peers_keys.SEED)
    made: dict[str, Callable[[], Any]] = {
        "set_many from empty": lambda: HMap(np.int64, np.int64, seed=peers_keys.SEED),
        "set_many into a sized map": lambda: HMap(np.int64, np.int64, capacity=size, seed=peers_keys.SEED),
        "set_many of keys that are there": lambda: kept,
        "setdefault_many of keys that are there": lambda: kept,
        "add_many of keys that are there": lambda: kept,
        "HSet.add_many from empty": lambda: HSet(np.int64, seed=peers_keys.SEED),
    }
    calls: dict[str, Callable[[Any, int], Any]] = {
        "set_many": lambda m, threads: m.set_many(keys, values, threads=threads),
        "setdefault_many": lambda m, threads: m.setdefault_many(again, values, threads=threads),
        "add_many": lambda m, threads: m.add_many(again, 1, threads=threads),
        "HSet.add_many": lambda m, threads: m.add_many(keys, threads=threads),
    }
    taken: dict[str, dict[str, list[float]]] = {name: {"1": [], "2": []} for name in made}
    for name, make in made.items():
        for way in ("2", "1") * TURNS:
            m = make()
            began = time.perf_counter_ns()
            calls[name.split()[0]](m, int(way))
            taken[name][way].append((time.perf_counter_ns() - began) / size)
            if len(m) != size:
                raise AssertionError(f"{name}, threads={way}: {len(m)} of {size} keys")
    # The first of each pair found memory that the process had not touched, or the caches of another write.
    wall = {name: {way: float(np.median(each[1:])) for way, each in ways.items()} for name, ways in taken.items()}
    return {"size": size, "wall": wall}


def small(seed: int) -> dict[str, Any]:
    """CPU nanoseconds per call of batches of ten int64 keys, and of what is done with whole maps of two; private bytes
    per map. ``dict`` and ``np.take`` beside them, in the same process."""
    from pyhmap import HMap

    rng = np.random.default_rng(seed)
    keys, ten = rng.integers(2**62, size=1000), np.arange(10)
    m, d = HMap.from_arrays(keys, np.arange(1000)), dict(zip(keys.tolist(), range(1000), strict=True))
    some, room, values = keys[rng.permutation(1000)[:10]], np.empty(10, np.int64), np.arange(1000)
    listed = some.tolist()
    two: Any = HMap(np.int64, np.int64, {1: 2, 3: 4})
    two_in_dict = {1: 2, 3: 4}
    calls: dict[str, Callable[[], Any]] = {
        "get_many": lambda: m.get_many(some),
        "get_many, default": lambda: m.get_many(some, -1),
        "get_many, out": lambda: m.get_many(some, out=room),
        "set_many": lambda: m.set_many(some, ten),
        "add_many": lambda: m.add_many(some, 1),
        "contains_many": lambda: m.contains_many(some),
        "np.take": lambda: np.take(values, ten),
        "dict, ten look-ups": lambda: [d[key] for key in listed],
        "new map": lambda: HMap(np.int64, np.int64, {1: 2, 3: 4}),
        "new dict": lambda: {1: 2, 3: 4},
        "copy": two.copy,
        "copy of a dict": two_in_dict.copy,
        "pickle and back": lambda: pickle.loads(pickle.dumps(two)),
        "pickle and back, dict": lambda: pickle.loads(pickle.dumps(two_in_dict)),
    }
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for name in tuple(calls) * TURNS:
        call = calls[name]
        began = time.process_time_ns()
        for _ in range(CALLS):
            call()
        taken[name].append((time.process_time_ns() - began) / CALLS)
    bytes_each = {}
    for name, make in {"map": two.copy, "dict": two_in_dict.copy}.items():
        before = private_bytes()
        kept = [make() for _ in range(MANY)]
        bytes_each[name] = (private_bytes() - before) / len(kept)
        del kept
    return {"ns": {name: float(np.median(each)) for name, each in taken.items()}, "bytes": bytes_each}


def freezing(size: int, seed: int) -> dict[str, Any]:
    """Wall nanoseconds per key of ``m.freeze()`` of a settled map with one thread and with two, in turn in one process;
    and what two processes take that freeze the same map at the same time.

    A map was frozen before: the pages that a process touches first may be cold to the machine."""
    from pyhmap import HMap

    asked = peers_keys.questions("int64", "random", size, seed)
    m = HMap.from_arrays(asked.keys, asked.values, seed=peers_keys.SEED)
    m.finish_growth()
    taken: dict[str, list[float]] = {"1": [], "2": []}
    began = time.perf_counter_ns()
    m.freeze()
    first = (time.perf_counter_ns() - began) / size
    for way in ("1", "2") * FREEZES:
        began = time.perf_counter_ns()
        f = m.freeze(threads=int(way))
        taken[way].append((time.perf_counter_ns() - began) / size)
        if len(f) != size or not f.contains_many(asked.keys[:1000]).all():
            raise AssertionError("a frozen map lacks keys")
        del f
    taken["two processes"] = twice_at_once(m.freeze, size)
    return {"size": size, "first": first, "wall": {way: float(np.median(each)) for way, each in taken.items()}}


def twice_at_once(call: Callable[[], object], size: int) -> list[float]:
    """Wall nanoseconds per key from the start of ``call`` in this process and a fork of it until both have ended.

    They share nothing but the processor and its memory: twice what one takes alone, divided by this, is what the
    machine gives to two threads that never wait for each other."""
    fork = multiprocessing.get_context("fork")
    barrier = fork.Barrier(2, timeout=300)
    taken = []

    def run() -> None:
        for _ in range(FREEZES + 1):
            barrier.wait()
            began = time.perf_counter_ns()
            kept = call()
            barrier.wait()
            taken.append((time.perf_counter_ns() - began) / size)
            del kept

    other = fork.Process(target=run)
    other.start()
    run()
    other.join()
    return taken[1:]  # the first one of the fork copies pages


def frozen(size: int, seed: int) -> dict[str, Any]:
    """A frozen map from arrays, HMap and np.take: wall nanoseconds per key of building, CPU nanoseconds per look-up.

    Look-ups go in turn in one process; the answers of hits go into one array, misses make a new one.
    """
    from pyhmap import FrozenMap, HMap

    rng = np.random.default_rng(seed)
    keys = peers_keys.scattered(size + peers_keys.FEWEST_QUERIES, rng)
    keys, misses = keys[:size], keys[size:]
    values = np.arange(size)
    began = time.perf_counter_ns()
    f = FrozenMap.from_arrays(keys, values)
    taken = {"build, wall": [(time.perf_counter_ns() - began) / size]}
    m = HMap.from_arrays(keys, values)
    m.finish_growth()
    right = rng.integers(size, size=peers_keys.MOST_QUERIES)
    hits, room = keys[right], np.empty(len(right), np.int64)
    others = values ^ 1  # what np.take reads: other numbers than those of the maps
    absent = np.full(len(misses), peers_keys.MISSING)
    del keys
    ways: dict[str, tuple[Callable[[], Any], np.ndarray]] = {
        "np.take": (lambda: np.take(others, right, out=room, mode="clip"), others[right]),
        "pyhmap frozen, hit": (lambda: f.get_many(hits, out=room), right),
        "pyhmap, hit": (lambda: m.get_many(hits, out=room), right),
        "pyhmap frozen, miss": (lambda: f.get_many(misses, peers_keys.MISSING), absent),
        "pyhmap, miss": (lambda: m.get_many(misses, peers_keys.MISSING), absent),
    }
    for way in tuple(ways) * TURNS:
        call, expected = ways[way]
        room.fill(0)
        began = time.process_time_ns()
        answers = call()
        taken.setdefault(way, []).append((time.process_time_ns() - began) / len(expected))
        if not np.array_equal(answers, expected):
            raise AssertionError(f"wrong answers: {way}")
    return {"size": size, "nbytes": f.nbytes / size, "ns": {way: float(np.median(each)) for way, each in taken.items()}}


def memory(buckets: int) -> dict[str, Any]:
    """Bytes per entry of settled int64 maps, own account and private bytes, at loads from half of the limit to all."""
    from pyhmap import HMap

    limit = 13 * buckets // 2
    counts = np.geomspace(limit // 2 + 1, limit, POINTS).astype(int).tolist()
    keys = peers_keys.random_words(limit, np.random.default_rng(0))
    HMap.from_arrays(keys[:10], keys[:10])
    series = []
    for count in counts:
        before = private_bytes()
        m = HMap(np.int64, np.int64, seed=peers_keys.SEED)
        m.set_many(keys[:count], 0)
        m.finish_growth()
        if m.header().buckets != buckets:
            raise AssertionError(f"{count} keys have {m.header().buckets} buckets, not {buckets}")
        private = private_bytes() - before
        series.append({"count": count, "nbytes": m.nbytes / count, "private": private / count})
        del m
    return {"series": series}


def main(arguments: list[str]) -> None:
    """Measure as the arguments say and print the result."""
    parser = argparse.ArgumentParser(prog="peers/extras.py", description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="what", required=True)
    one = verbs.add_parser("scalar")
    one.add_argument("library", choices=SCALAR)
    both = [verbs.add_parser(name) for name in ("threads", "writing", "freezing", "frozen")]
    for verb in (one, *both):
        verb.add_argument("size", type=int)
        verb.add_argument("seed", type=int)
    verbs.add_parser("small").add_argument("seed", type=int)
    verbs.add_parser("memory").add_argument("buckets", type=int)
    options = vars(parser.parse_args(arguments))
    ways = {
        "scalar": scalar,
        "threads": threads,
        "writing": writing,
        "small": small,
        "freezing": freezing,
        "frozen": frozen,
        "memory": memory,
    }
    print(json.dumps(ways[options.pop("what")](**options)))


if __name__ == "__main__":
    main(sys.argv[1:])
