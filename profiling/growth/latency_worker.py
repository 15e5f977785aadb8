"""A measuring process of the verb ``growth``: single inserts, memory over time, or keys that come and go.

Owns how each library is written to. Prints one line of JSON; the times of single inserts go to a file, since there are
millions.

An insert is timed by the CPU clock of the thread, read before and after it. Keys are made beforehand. Python's garbage
collector is off: its pauses are the interpreter's, and grow with the objects of the measuring program.
"""

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable, MutableMapping
from typing import Any

import numpy as np
import psutil

SEED = 1  # of the keys and of the map: repeats must do the same work at the same insert
BATCH = 100_000  # keys per call, where memory is measured for set_many
REPLACED = 100_000  # keys that are replaced and put back to time a deletion and an insertion


def make_keys(n: int) -> np.ndarray:
    """n distinct random int64."""
    rng = np.random.default_rng(SEED)
    limits = np.iinfo(np.int64)
    return rng.permutation(np.unique(rng.integers(limits.min, limits.max, size=n + n // 1000 + 100)))[:n]


def make_map(library: str) -> MutableMapping[int, int]:
    """An empty map of int64 to int64."""
    if library == "dict":
        return {}
    if library == "cykhash":
        import cykhash

        return cykhash.Int64toInt64Map()
    if library == "numba":
        import numba

        return numba.typed.Dict.empty(numba.int64, numba.int64)
    import pyhmap

    return pyhmap.HMap(np.int64, np.int64, seed=SEED)


def time_inserts(library: str, n: int) -> np.ndarray:
    """Nanoseconds of CPU time of each of n inserts; of nothing at all for ``clock``."""
    keys = make_keys(n).tolist()
    taken = np.zeros(n, np.uint32)
    out, clock = memoryview(taken), time.thread_time_ns
    if library == "clock":
        for i, _ in enumerate(keys):
            began = clock()
            out[i] = clock() - began
        return taken
    table = make_map(library)
    if library == "numba":
        table[0] = 0  # compiles
        del table[0]
    for i, key in enumerate(keys):
        began = clock()
        table[key] = i
        out[i] = clock() - began
    if len(table) != n:
        raise AssertionError(f"{library} holds {len(table)} of {n} keys")
    return taken


def private_bytes() -> int:
    """Memory of this process alone (USS)."""
    return psutil.Process().memory_full_info().uss


def watch_memory(library: str, n: int, points: int) -> list[dict[str, int]]:
    """Private memory of the process beyond what it had with an empty map, while n keys come in."""
    import pyhmap  # noqa: F401  # what importing takes is no part of it

    rng = np.random.default_rng(SEED)
    limits = np.iinfo(np.int64)
    every = n // points
    table = make_map("dict" if library == "dict" else "pyhmap")
    in_bulk = library == "pyhmap set_many"
    every = max(every, BATCH) if in_bulk else every
    rng.integers(limits.min, limits.max, size=every).tolist()  # touch what a step needs
    start, series = private_bytes(), [{"count": 0, "bytes": 0}]
    for _ in range(0, n, every):
        keys = rng.integers(limits.min, limits.max, size=every)
        if in_bulk:
            for first in range(0, every, BATCH):
                table.set_many(keys[first : first + BATCH], 0)
        else:
            for key in keys.tolist():
                table[key] = 0
        del keys
        series.append({"count": len(table), "bytes": private_bytes() - start})
    return series


def median_ns(calls: dict[str, Callable[[], Any]], keys: int, repeats: int = 9) -> dict[str, float]:
    """CPU nanoseconds per key of each call, medians; the calls take turns."""
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            began = time.process_time_ns()
            call()
            samples[name].append((time.process_time_ns() - began) / keys)
    return {name: float(np.median(values)) for name, values in samples.items()}


def churn(n: int, operations: int) -> dict[str, Any]:
    """A map of n keys of which one is deleted and another inserted, over and over; beside a fresh map of the same keys.

    Both maps are in one process and are asked in turn, so that they have the same luck with the machine.
    """
    import pyhmap

    rng = np.random.default_rng(SEED)
    turns = operations // 2
    keys = make_keys(n + turns + REPLACED)
    live, coming, spare = (part.tolist() for part in np.split(keys, [n, n + turns]))
    places = rng.integers(n, size=turns).tolist()
    m = pyhmap.HMap(np.int64, np.int64, seed=SEED)
    for key in live:
        m[key] = key
    m.finish_growth()
    series = [{"operations": 0, "nbytes": m.nbytes, "noverflow": m.header().noverflow}]
    for i, (place, key) in enumerate(zip(places, coming, strict=True), start=1):
        del m[live[place]]
        m[key] = key
        live[place] = key
        if i % max(1, turns // 50) == 0:
            series.append({"operations": 2 * i, "nbytes": m.nbytes, "noverflow": m.header().noverflow})
    m.finish_growth()
    m.check()
    fresh = pyhmap.HMap(np.int64, np.int64, seed=SEED)
    for key in live:
        fresh[key] = key
    fresh.finish_growth()
    batch = rng.permutation(np.array(live))
    some = batch[:REPLACED].tolist()
    del spare[len(some) :]

    def replace(table: Any) -> None:
        for old, new in zip(some, spare, strict=True):
            del table[old]
            table[new] = 0
        for old, new in zip(some, spare, strict=True):
            del table[new]
            table[old] = 0

    return {
        "keys": n,
        "load": n / m.header().buckets,
        "same_buckets": m.header().buckets == fresh.header().buckets,
        "same_size_growths": m.stats().same_size_growths,
        "series": series,
        "fresh_nbytes": fresh.nbytes,
        "ns": {
            "get_many": median_ns({"churned": lambda: m.get_many(batch), "fresh": lambda: fresh.get_many(batch)}, n),
            "replace": median_ns({"churned": lambda: replace(m), "fresh": lambda: replace(fresh)}, 4 * len(some), 3),
        },
    }


def main(arguments: list[str]) -> None:
    """Measure as the arguments say and print the result."""
    parser = argparse.ArgumentParser(prog="growth/latency_worker.py", description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["inserts", "memory", "churn"])
    parser.add_argument("library")
    parser.add_argument("n", type=int)
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--operations", type=int, default=0)
    parser.add_argument("--file", help="where the time of each insert goes, as an array of uint32")
    options = parser.parse_args(arguments)
    gc.disable()
    if options.what == "inserts":
        np.save(options.file, time_inserts(options.library, options.n))
        print(json.dumps({"library": options.library, "n": options.n}))
    elif options.what == "memory":
        series = watch_memory(options.library, options.n, options.points)
        print(json.dumps({"library": options.library, "series": series}))
    else:
        print(json.dumps(churn(options.n, options.operations)))


if __name__ == "__main__":
    main(sys.argv[1:])
