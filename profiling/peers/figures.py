"""What the samples of the verb ``peers`` say: times, ratios by pairs, and where pyhmap loses.

Owns the form of the figures. Everything is computed from the samples alone.
"""

from collections import defaultdict
from typing import Any

from core import estimates
from core.runner import Sample

# Operations as samples name them; "memory" is bytes per entry, all others CPU nanoseconds per key.
MEASURED = ("build", "sized", "hit", "miss", "mixed", "iterate", "delete", "accumulate", "factorize", "memory")
FLOOR = "np.take"  # no map: it cannot win
TAKES_ARROW = ("pyarrow", "polars")

Point = tuple[str, str, int, str]  # key type, key set, size, operation
Blocks = dict[int, float]  # block -> figure


def ours(kind: str, library: str) -> str:
    """The form of pyhmap that a library is compared with: for text the one that takes the same input.

    >>> ours("int64", "polars"), ours("str17", "polars"), ours("str17", "dict")
    ('pyhmap', 'pyhmap (Arrow)', 'pyhmap (list)')
    """
    if not kind.startswith("str"):
        return "pyhmap"
    return "pyhmap (Arrow)" if library in TAKES_ARROW else "pyhmap (list)"


def points(samples: list[Sample]) -> dict[Point, dict[str, Blocks]]:
    """The samples of the workloads by what was measured, by library, by block."""
    found: dict[Point, dict[str, Blocks]] = defaultdict(lambda: defaultdict(dict))
    for sample in samples:
        if sample["measure"] == "workload":
            for operation in MEASURED:
                if operation in sample:
                    point = sample["kind"], sample["key_set"], sample["size"], operation
                    found[point][sample["library"]][sample["block"]] = sample[operation]
    return found


def pair(over: Blocks, under: Blocks) -> estimates.Paired | None:
    """The ratio of two libraries' figures, block by block; None without a block that both have."""
    shared = sorted(over.keys() & under.keys())
    if not shared:
        return None
    return estimates.paired_ratio([over[block] for block in shared], [under[block] for block in shared])


def rows(samples: list[Sample]) -> list[dict[str, Any]]:
    """A row for each point: each library's figure, and its ratio over pyhmap's."""
    cut_off: dict[Point, dict[str, float]] = defaultdict(dict)
    for sample in samples:
        for operation in sample.get("unmeasured", ()):
            point = sample["kind"], sample["key_set"], sample["size"], operation
            cut_off[point][sample["library"]] = sample["limit"]
    measured = points(samples)
    made = []
    for point in sorted(measured.keys() | cut_off.keys(), key=place):
        kind, key_set, size, operation = point
        blocks = measured.get(point, {})
        ratios = {}
        for name, theirs in blocks.items():
            reference = ours(kind, name)
            ratio = pair(theirs, blocks.get(reference, {})) if name != reference else None
            if ratio and not name.startswith("pyhmap"):
                ratios[name] = ratio._asdict()
        row = {"kind": kind, "key_set": key_set, "size": size, "operation": operation}
        spreads = {name: estimates.spread(list(each.values()))._asdict() for name, each in blocks.items()}
        made.append(row | {"spreads": spreads, "ratios": ratios, "cut_off": cut_off.get(point, {})})
    return made


def place(point: Point) -> tuple[Any, ...]:
    """Where a point comes among the others: operations in the order of ``MEASURED``."""
    kind, key_set, size, operation = point
    return key_set != "random", kind, key_set, size, MEASURED.index(operation)


def losses(made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each point at which a library's median ratio is below 1; ``sure`` where both of its intervals are."""
    return [
        {name: row[name] for name in ("kind", "key_set", "size", "operation")}
        | {"library": library, "ratio": ratio["value"], "sure": max(ratio["high"], ratio["sign_high"]) < 1}
        for row in made
        for library, ratio in row["ratios"].items()
        if library != FLOOR and ratio["value"] < 1
    ]


def worst_inserts(samples: list[Sample]) -> dict[str, float]:
    """Nanoseconds of each library's worst single insert that recurs: of the last run, which knows the ones before."""
    runs = [sample for sample in samples if sample["measure"] == "inserts" and "recurring_worst_ns" in sample]
    return {sample["library"]: sample["recurring_worst_ns"] for sample in runs}


def figures(samples: list[Sample]) -> dict[str, Any]:
    """Everything but the targets."""
    made = rows(samples)
    inserts = next((sample["n"] for sample in samples if sample["measure"] == "inserts"), 0)
    return {
        "rows": made,
        "losses": losses(made),
        "worst_inserts": {"inserts": inserts, "ns": worst_inserts(samples)},
        "failed": failed(samples),
    }


def failed(samples: list[Sample]) -> dict[str, str]:
    """Processes that ended by themselves, and their last words."""
    return {
        f"{sample['library']}, {sample['size']:,} {sample['kind']}, {sample['key_set']}": sample["failed"]
        for sample in samples
        if "failed" in sample and sample["measure"] == "workload"
    }
