"""An experiment, run as ``python profiling/grouping.py``: would it pay to group a huge batch by bucket range?

Owns the question and its answer in ``results/grouping.json``. Imports numpy, pyhmap and the siblings. Keys of one range
of buckets touch one part of the table, which could stay in the cache while they are looked up. The batch is put in
that order beforehand and for nothing, which gives the most that grouping could save; what it must then pay for is two
more passes, of which the cheaper is timed: writing the answers back to where they belong.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console

from core import estimates, records
from pyhmap import HMap
from pyhmap.introspect import hash_words

SIZE = 10**7
QUERIES = (2 * 10**6, 10**7)
GROUPS = (1, 16, 128, 1024)
ROUNDS = 6


def cpu_ns(call: Callable[[], Any], keys: int) -> float:
    """CPU nanoseconds a key."""
    began = time.process_time_ns()
    call()
    return (time.process_time_ns() - began) / keys


def measure(queries: int) -> list[dict[str, Any]]:
    """Look-ups in groups of bucket ranges, in turn with one another, and the way back."""
    rng = np.random.default_rng(1)
    keys = rng.integers(-(2**63), 2**63 - 1, SIZE)
    table = HMap(np.int64, np.int64, seed=1)
    table.set_many(keys, np.arange(SIZE))
    asked = rng.choice(keys, queries)
    header = table.header()
    bucket = hash_words(asked.view(np.uint64), table._state().hash_key) % np.uint64(header.buckets)
    orders = {
        groups: np.argsort(bucket * np.uint64(groups) // np.uint64(header.buckets), kind="stable") for groups in GROUPS
    }
    batches = {groups: asked[order] for groups, order in orders.items()}
    answers, back = np.arange(queries), np.empty(queries, np.int64)
    times: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for groups, batch in batches.items():
            times.setdefault(f"in {groups} groups", []).append(
                cpu_ns(lambda batch=batch: table.get_many(batch), queries)
            )
        way_back = cpu_ns(lambda: back.__setitem__(orders[GROUPS[-1]], answers), queries)
        times.setdefault("answers back", []).append(way_back)
    return [{"queries": queries, "what": what, "ns": each} for what, each in times.items()]


if __name__ == "__main__":
    document = records.begin(
        "grouping", quick=False, workload={"keys": SIZE, "queries": QUERIES}, config={"groups": GROUPS}
    )
    document["command"] = "python profiling/grouping.py"
    samples = [sample for queries in QUERIES for sample in measure(queries)]
    figures = [sample | {"ns": estimates.spread(sample["ns"])._asdict()} for sample in samples]
    for row in figures:
        Console().print(f"{row['queries']:>10,} queries, {row['what']}: {row['ns']['median']:.1f} ns a key")
    records.write(document | {"ended_by": "", "figures": figures, "samples": samples}, records.COMMITTED)
