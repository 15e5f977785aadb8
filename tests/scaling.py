"""How reads scale with threads: the same look-ups by one thread, by two, and by as many as there are processors.

    python tests/scaling.py             a table, with this Python
    python tests/scaling.py --write     also into scaling.json and docs/compatibility.md

With a GIL, only batches run side by side. A free-threaded Python runs single reads side by side as well, but those of
one map that can be written wait for each other: each is a critical section of the map. So there are two arrangements,
one map for all threads and a map for each; and a frozen map and a dict beside them. All are timed in turns, in each
round; the figures are medians.
"""

import argparse
import json
import os
import statistics
import sys
import sysconfig
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import pythons
from pyhmap import HMap

RESULTS = pythons.ROOT / "tests" / "scaling.json"
KEYS = 1_000_000
SCALARS = 20_000  # keys that one call of a scalar loop looks up
BATCH = 100_000  # keys of one call of get_many

# Looks up some keys, once; returns how many.
Work = Callable[[], int]


def one_by_one(m: Any, keys: list[int]) -> Work:
    """A loop over ``m[k]``."""

    def work() -> int:
        for key in keys:
            m[key]
        return len(keys)

    return work


def in_batches(m: Any, keys: Any) -> Work:
    """A call of get_many."""

    def work() -> int:
        m.get_many(keys)
        return len(keys)

    return work


def works(threads: int) -> dict[str, list[Work]]:
    """What each thread does, by the name of the arrangement."""
    random = np.random.default_rng(1)
    keys, values = random.permutation(KEYS), np.arange(KEYS)
    maps = [HMap.from_arrays(keys, values) for _ in range(threads)]
    frozen = maps[0].freeze()
    plain = [dict(zip(keys.tolist(), values.tolist(), strict=True)) for _ in range(threads)]
    batches = [random.integers(KEYS, size=BATCH) for _ in range(threads)]
    scalars = [batch[:SCALARS].tolist() for batch in batches]
    return {
        "get_many, one map": [in_batches(maps[0], each) for each in batches],
        "get_many, one frozen map": [in_batches(frozen, each) for each in batches],
        "get_many, a map each": [in_batches(m, each) for m, each in zip(maps, batches, strict=True)],
        "m[k], one map": [one_by_one(maps[0], each) for each in scalars],
        "m[k], a map each": [one_by_one(m, each) for m, each in zip(maps, scalars, strict=True)],
        "f[k], one frozen map": [one_by_one(frozen, each) for each in scalars],
        "d[k], one dict": [one_by_one(plain[0], each) for each in scalars],
        "d[k], a dict each": [one_by_one(d, each) for d, each in zip(plain, scalars, strict=True)],
    }


def rate(works: list[Work], seconds: float) -> float:
    """Look-ups per second of all threads together, each doing its work again and again."""
    begin, counts = threading.Barrier(len(works) + 1), [0] * len(works)
    until = 0.0

    def repeat(index: int) -> None:
        begin.wait()
        done, work = 0, works[index]
        while time.perf_counter() < until:
            done += work()
        counts[index] = done

    running = [threading.Thread(target=repeat, args=(index,)) for index in range(len(works))]
    for each in running:
        each.start()
    start = time.perf_counter()
    until = start + seconds
    begin.wait()
    for each in running:
        each.join()
    return sum(counts) / (time.perf_counter() - start)


def measured(counts: list[int], rounds: int, seconds: float) -> list[dict[str, Any]]:
    """A row per arrangement: look-ups per second by the number of threads."""
    rates: dict[str, dict[int, list[float]]] = {}
    made = works(max(counts))
    for _ in range(rounds):
        for name, each in made.items():
            for count in counts:
                rates.setdefault(name, {}).setdefault(count, []).append(rate(each[:count], seconds))
    version = sys.version.split()[0] + "t" * bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    return [
        {"python": version, "gil": gil, "work": name, "per_second": {str(count): of[count] for count in counts}}
        for name, of in rates.items()
    ]


def table(rows: list[dict[str, Any]]) -> str:
    """In Markdown: millions of look-ups per second of one thread, then how many times as many more threads reach."""
    counts = sorted({count for row in rows for count in row["per_second"]} - {"1"}, key=int)
    heads = ["Python", "work", "1 thread, 10^6/s", *(f"{count} threads" for count in counts)]
    cells = [heads]
    for row in rows:
        rates = {count: statistics.median(each) for count, each in row["per_second"].items()}
        python = row["python"] + (", with the GIL" if row["gil"] and row["python"].endswith("t") else "")
        times = [f"{rates[count] / rates['1']:.2f} times" if count in rates else "-" for count in counts]
        cells.append([python, f"`{row['work']}`".replace(",", "`,", 1)[:-1], f"{rates['1'] / 1e6:.1f}", *times])
    return pythons.table(cells)


def page(text: str, rows: list[dict[str, Any]]) -> str:
    """docs/compatibility.md with these rows."""
    return pythons.filled(text, "scaling", table(rows))


def main() -> None:
    """Measure and print."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each figure of a round")
    parser.add_argument("--write", action="store_true", help="into scaling.json and docs/compatibility.md")
    options = parser.parse_args()
    rows = measured(sorted({1, 2, processors}), options.rounds, options.seconds)
    print(table(rows))
    if options.write:
        kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
        rows += [row for row in kept if (row["python"], row["gil"]) != (rows[0]["python"], rows[0]["gil"])]
        rows.sort(key=lambda row: (row["python"].split("."), row["gil"]))
        RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
        pythons.PAGE.write_text(page(pythons.PAGE.read_text(), rows))


if __name__ == "__main__":
    main()
