"""Parts of the verb ``growth``: the worst single insert, memory over time, and keys that come and go.

Owns what is run, the figures and their tables.

A map does the same work at the same insert whenever it gets the same keys; the machine adds spikes anywhere. So the
same inserts are run in several fresh processes, and the least of their times is the cost of that insert: a spike that
recurs at the same insert is the map's, any other is the machine's. Both are reported.
"""

import importlib.util
import itertools
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from core.runner import Sample, Step, run_json, worker_command
from render import terminal

LIBRARIES = ("pyhmap", "dict", "cykhash", "numba")
MEMORY = ("pyhmap", "pyhmap set_many", "dict")
PERCENTILES = (50, 99, 99.9, 99.99, 99.999)
BINS = 600  # of the picture: as many as it has columns
LARGEST = 20  # inserts that are listed
NOT_IN_SAMPLES = {"series", "largest"}  # long parts of a sample, which are stored once: in the figures
LOADS = (3.3, 4.9, 6.4)  # keys per bucket: just after a growth, between two, just before one


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    inserts: int
    repeats: int
    churn_buckets: int
    churn_operations: int


FULL = Plan(inserts=10**7, repeats=3, churn_buckets=2**17, churn_operations=10**7)
QUICK = Plan(inserts=10**6, repeats=2, churn_buckets=2**14, churn_operations=10**6)


def left_out() -> dict[str, str]:
    """Libraries that are not installed."""
    missing = [name for name in ("cykhash", "numba") if not importlib.util.find_spec(name)]
    return dict.fromkeys(missing, "it is not installed; pip install 'pyhmap[peers]'")


def steps(plan: Plan, folder: Path) -> list[Step]:
    """What is to be run. Times of single inserts go to files in ``folder``."""
    made = []
    libraries = [name for name in ("clock", *LIBRARIES) if name not in left_out()]
    for repeat in range(plan.repeats):
        for library in libraries:
            call = partial(time_inserts, library, plan.inserts, repeat, folder)
            label = f"{library}, {repeat + 1} of {plan.repeats}"
            made.append(Step("single inserts", label, plan.inserts * 1.5e-6, call))
    for library in MEMORY:
        made.append(Step("memory over time", library, plan.inserts * 5e-7, partial(memory, library, plan.inserts)))
    for load in LOADS:
        call = partial(churn, round(load * plan.churn_buckets), plan.churn_operations)
        made.append(Step("keys that come and go", f"{load} keys per bucket", plan.churn_operations * 2e-6, call))
    return made


def time_inserts(library: str, n: int, repeat: int, folder: Path) -> Sample:
    """One process of single inserts."""
    file = folder / f"{library}-{repeat}.npy"
    run_json(worker_command("growth.latency_worker", "inserts", library, n, "--file", file))
    taken = np.load(file)
    sample = {"measure": "inserts", "library": library, "n": n, "repeat": repeat, "worst_ns": int(taken.max())}
    least = folder / f"{library}.npy"
    np.save(least, np.minimum(taken, np.load(least)) if least.exists() else taken)
    file.unlink()
    return sample | {"mean_ns": float(taken.mean())} | summary(np.load(least))


def summary(least: np.ndarray) -> dict[str, Any]:
    """Of the least time of each insert: percentiles, the largest, and the worst in each of some bins for a picture.

    >>> s = summary(np.array([5, 5, 900, 5], np.uint32))
    >>> s["recurring_worst_ns"], s["largest"][0], s["percentiles"]["50"]
    (900, {'insert': 3, 'ns': 900}, 5.0)
    """
    order = np.argsort(least, kind="stable")[::-1][:LARGEST]
    edges = np.unique(np.geomspace(1, len(least) + 1, BINS + 1).astype(int))
    series = [
        {"insert": int(first), "ns": int(least[first - 1 : stop - 1].max())}
        for first, stop in itertools.pairwise(edges)
    ]
    return {
        "recurring_worst_ns": int(least.max()),
        "percentiles": {f"{p:g}": float(np.percentile(least, p)) for p in PERCENTILES},
        "largest": [{"insert": int(i) + 1, "ns": int(least[i])} for i in order],
        "series": series,
    }


def memory(library: str, n: int) -> Sample:
    """One process whose memory is watched."""
    return {"measure": "memory"} | run_json(worker_command("growth.latency_worker", "memory", library, n))


def churn(n: int, operations: int) -> Sample:
    """One process in which keys come and go."""
    command = worker_command("growth.latency_worker", "churn", "pyhmap", n, "--operations", operations)
    return {"measure": "churn", "operations": operations} | run_json(command)


def figures(samples: list[Sample]) -> dict[str, Any]:
    """The sections ``latency``, ``memory`` and ``churn`` of the result."""
    made: dict[str, Any] = {}
    inserts = [sample for sample in samples if sample["measure"] == "inserts"]
    for library in dict.fromkeys(sample["library"] for sample in inserts):
        runs = [sample for sample in inserts if sample["library"] == library]
        last = {name: runs[-1][name] for name in ("recurring_worst_ns", "percentiles", "largest", "series")}
        plain = {"worst_ns": [run["worst_ns"] for run in runs], "mean_ns": min(run["mean_ns"] for run in runs)}
        section = made.setdefault("latency", {"inserts": runs[0]["n"], "libraries": {}})
        if library == "clock":
            section["clock"] = plain | last
        else:
            section["libraries"][library] = plain | last
    for sample in samples:
        if sample["measure"] == "memory":
            made.setdefault("memory", {"libraries": {}})["libraries"][sample["library"]] = sample["series"]
        if sample["measure"] == "churn":
            peak = max(point["nbytes"] for point in sample["series"])
            ratios = {name: ns["churned"] / ns["fresh"] for name, ns in sample["ns"].items()}
            row = {name: sample[name] for name in sample if name != "measure"}
            made.setdefault("churn", {"loads": []})["loads"].append(
                row | {"peak_over_fresh": peak / sample["fresh_nbytes"], "time_over_fresh": ratios}
            )
    return made


def peak_bytes(series: list[dict[str, int]]) -> tuple[float, float]:
    """Bytes per entry at the end, and the largest while there were at least a tenth as many.

    >>> peak_bytes([{"count": 0, "bytes": 0}, {"count": 50, "bytes": 4000}, {"count": 100, "bytes": 3000}])
    (30.0, 80.0)
    """
    entries = [(point["bytes"] / point["count"], point["count"]) for point in series if point["count"]]
    return entries[-1][0], max(each for each, count in entries if count * 10 >= entries[-1][1])


def show(console: Console, made: dict[str, Any]) -> None:
    """Print the sections' tables."""
    if "latency" in made:
        title = f"One insert, growing from empty to {made['latency']['inserts']:,} keys: CPU time"
        columns = [f"p{p:g}\nns" for p in PERCENTILES]
        table = terminal.plain_table(title, "", *columns, "worst that recurs\nms", "worst of each run\nms", words=("",))
        rows = made["latency"]["libraries"] | {"(clock alone)": made["latency"]["clock"]}
        for name, row in rows.items():
            cells = [f"{row['percentiles'][f'{p:g}']:,.0f}" for p in PERCENTILES]
            worst = ", ".join(f"{ns / 1e6:.2f}" for ns in row["worst_ns"])
            table.add_row(name, *cells, f"{row['recurring_worst_ns'] / 1e6:.3f}", worst)
        console.print(table)
        console.print()
    if "memory" in made:
        title = "Private memory of the process (USS): bytes per entry"
        table = terminal.plain_table(title, "", "at the end", "at most, from a tenth on", words=("",))
        for name, series in made["memory"]["libraries"].items():
            table.add_row(name, *(f"{each:.1f}" for each in peak_bytes(series)))
        console.print(table)
        console.print()
    if "churn" in made:
        title = "Keys that come and go at constant count, over a fresh map of the same keys"
        columns = ["keys per bucket", "operations", "rows at most", "get_many", "delete and insert"]
        table = terminal.plain_table(title, *columns, "same-size growths")
        for row in made["churn"]["loads"]:
            times = row["time_over_fresh"]
            cells = [f"{row['load']:.1f}", f"{row['operations']:,}", f"{row['peak_over_fresh']:.2f} times"]
            cells += [f"{times['get_many']:.2f} times", f"{times['replace']:.2f} times", str(row["same_size_growths"])]
            table.add_row(*cells)
        console.print(table)
        console.print()
