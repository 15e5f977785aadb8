"""What the samples of the verb ``ids`` say, and the targets. Everything is computed from the samples alone."""

from collections import defaultdict
from typing import Any

from core import estimates
from core.runner import Sample
from peers.targets import power, verdict

Row = dict[str, Any]
OURS, MEMORY = "HIndex", "memory"
FULLEST = 6 << 18  # keys that fill a table: one more makes it grow

# The targets: a time over another at most so often, or at least; and bytes per key.
SIZES = (10**6, 10**7)
KNOWN, NEW, DECODED = 1.1, 1.3, 1.2
BATCH, ITS_SIZE = 1.0, 10**6
STABLE = 3.0
BYTES = {"int64": 20.0, "str17": 45.0}
# What is judged of batches: the type of the keys, and the form of the input.
INPUTS = (("int64", "array"), ("str17", "objects"), ("str17", "Arrow"))
STREAMS = (("int64", "array", 10**5), ("int64", "array", 10**6), ("str17", "objects", 10**5))
# Of users of pandas, by what they do; the fastest counts.
FACTORIZED = ("pd.factorize", "pd.factorize, str")
AGAIN, GROWN = ("pd.factorize, all",), ("pd.set_categories", "pd.union_categoricals", "pd.get_indexer")


def figures(samples: list[Sample]) -> dict[str, Any]:
    """Everything that is shown."""
    return {"times": times(samples), "memory": memory(samples), "targets": targets(samples)}


def times(samples: list[Sample]) -> list[Row]:
    """A row for each way to do a task: nanoseconds per key, and over those of the task's first way by pairs."""
    blocks: dict[tuple[Any, ...], dict[int, dict[str, float]]] = defaultdict(dict)
    for sample in samples:
        for task, ns in sample.get("ns", {}).items():
            blocks[sample["measure"], sample["kind"], sample["size"], task][sample["block"]] = ns
    rows = []
    for (measure, kind, size, task), found in blocks.items():
        every = [found[block] for block in sorted(found)]
        first, *_ = every[0]
        for way in every[0]:
            row: Row = {"measure": measure, "kind": kind, "size": size, "task": task, "way": way}
            row["ns"] = estimates.spread([ns[way] for ns in every])._asdict()
            row["over"] = estimates.paired_ratio([ns[way] for ns in every], [ns[first] for ns in every])._asdict()
            rows.append(row)
    return rows


def memory(samples: list[Sample]) -> list[Row]:
    """A row for each holder of keys: bytes per key by its own account, which is None where it has none, and private."""
    rows = []
    for sample in samples:
        if sample["measure"] == MEMORY:
            rows.append({name: sample[name] for name in ("kind", "size", "holder", "nbytes", "private")})
    return rows


def targets(samples: list[Sample]) -> list[Row]:
    """Each target with what was measured, judged by its median; without a figure where it was not measured."""
    judged = []
    for task, yardstick, most, said in (
        ("known", "HMap", KNOWN, "encode of known keys over HMap.get_many"),
        ("new", "HMap", NEW, "encode of new keys over HMap.set_many"),
        ("decode", "np.take", DECODED, "decode over np.take"),
    ):
        for size in SIZES:
            found = ratios(samples, "codes", "int64", size, task, (OURS,), (yardstick,))
            judged.append(judge(f"{said}, int64, {power(size)}", "times", found, most))
    for kind, form in INPUTS:
        found = ratios(samples, "batch", kind, ITS_SIZE, form, (OURS,), FACTORIZED)
        judged.append(judge(f"encode of a batch over pd.factorize, {kind}, {form}", "times", found, BATCH))
    for kind, form, size in STREAMS:
        for ways, said in ((AGAIN, "pd.factorize of all so far"), (GROWN, "growing categories or pd.Index")):
            found = ratios(samples, "stable", kind, size, form, ways, (OURS,))
            what = f"ten batches of {power(size)}, {kind}, {form}: {said} over encode"
            judged.append(judge(what, "times", found, STABLE, at_most=False))
    for kind, most in BYTES.items():
        held = [row["nbytes"] for row in memory(samples) if (row["kind"], row["size"]) == (kind, FULLEST)][:1]
        judged.append(judge(f"bytes per key, {kind}, just before a growth: own account", "B", held, most))
    return judged


def ratios(
    samples: list[Sample], measure: str, kind: str, size: int, task: str, over: tuple[str, ...], under: tuple[str, ...]
) -> list[float]:
    """The time of the fastest of some ways over that of the fastest of others, in each block that has both."""
    made = []
    for sample in samples:
        if (sample["measure"], sample["kind"], sample["size"]) == (measure, kind, size):
            ns = sample["ns"].get(task, {})
            sides = [[ns[way] for way in ways if way in ns] for ways in (over, under)]
            if all(sides):
                made.append(min(sides[0]) / min(sides[1]))
    return made


def judge(what: str, unit: str, values: list[float], bound: float, *, at_most: bool = True) -> Row:
    """One target."""
    return verdict(what, unit, estimates.median_interval(values) if values else None, bound, at_most)
