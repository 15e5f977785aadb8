"""What the samples of the verb ``files`` say, and the targets. Everything is computed from the samples alone."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from core import estimates
from core.runner import Sample
from files.stores import STORES
from files.worker import MAPPED, UNPICKLED, VERIFY
from peers.targets import power, verdict

Row = dict[str, Any]
LARGE = 10**7
OURS = "pyhmap"
MEMORY, NP_SAVE = "memory", "np.save"

# The targets: milliseconds of opening by what is verified; times as long as in memory; times the size of the file.
OPENED_MS = {"header": 2.0, "structure": 5.0}
BESIDE_MEMORY, ITS_SIZES = 1.1, (10**6, LARGE)
COPIES = 1.1
BESIDE_NP_SAVE = 2.0


def figures(samples: list[Sample]) -> dict[str, Any]:
    """Everything that is shown."""
    made = {"opening": opening(samples), "batches": batches(samples), "sharing": sharing(samples)}
    made |= {"saving": saving(samples), "stores": stores(samples)}
    return made | {"targets": targets(samples)}


def of(samples: list[Sample], measure: str, **fields: Any) -> list[Sample]:
    """The samples of a measurement that have these fields, by block."""
    fields |= {"measure": measure}
    found = [sample for sample in samples if all(sample.get(name) == value for name, value in fields.items())]
    return sorted(found, key=lambda sample: sample["block"])


def spread(values: list[float]) -> dict[str, float]:
    """Median and quartiles."""
    return estimates.spread(values)._asdict()


def opening(samples: list[Sample]) -> list[Row]:
    """A row for each file and way: milliseconds in a fresh process, and when it is opened again."""
    rows = []
    for kind in dict.fromkeys(sample["kind"] for sample in samples if sample["measure"] == "opening"):
        for way in (*VERIFY, UNPICKLED):
            if found := of(samples, "opening", kind=kind, way=way):
                row = {"kind": kind, "size": found[0]["size"], "way": way}
                times = {name: spread([sample[name] for sample in found]) for name in ("first_ms", "again_ms")}
                rows.append(row | times)
    return rows


def batches(samples: list[Sample]) -> list[Row]:
    """A row for each size and way to have the map: nanoseconds, and over those in memory by pairs."""
    rows = []
    for size in sorted({sample["size"] for sample in samples if sample["measure"] == "batches"}):
        found = of(samples, "batches", size=size)
        for way in found[0]["ns"]:
            taken = [sample["ns"][way] for sample in found]
            ratio = estimates.paired_ratio(taken, [sample["ns"][MEMORY] for sample in found])
            row: Row = {"size": size, "way": way, "ns": spread(taken), "over_memory": ratio._asdict()}
            row["first_ns"] = spread([sample["first_ns"][way] for sample in found])
            row["huge"] = estimates.spread([sample["huge"][way] for sample in found]).median
            rows.append(row)
    return rows


def sharing(samples: list[Sample]) -> list[Row]:
    """A row for each way: megabytes of each process and of all; how long the slowest took until it had its answers."""
    rows = []
    for way in (MAPPED, UNPICKLED):
        if found := of(samples, "sharing", way=way):
            row = {name: found[0][name] for name in ("way", "processes", "size")}
            row["each_mb"] = spread([mb for sample in found for mb in sample["mb"]])
            row["all_mb"] = spread([sum(sample["mb"]) for sample in found])
            row["seconds"] = spread([max(sample["seconds"]) for sample in found])
            rows.append(row)
    return rows


def saving(samples: list[Sample]) -> list[Row]:
    """A row for each call: seconds, and over ``np.save`` by pairs."""
    found = of(samples, "saving")
    rows = []
    for way in found[0]["s"] if found else ():
        taken = [sample["s"][way] for sample in found]
        ratio = estimates.paired_ratio(taken, [sample["s"][NP_SAVE] for sample in found])
        row = {"size": found[0]["size"], "bytes": found[0]["bytes"], "way": way}
        rows.append(row | {"s": spread(taken), "over_np_save": ratio._asdict()})
    return rows


def stores(samples: list[Sample]) -> list[Row]:
    """A row for each type of keys and library: its figures, and the times of look-ups over ours by pairs."""
    blocks: dict[tuple[str, str], dict[int, Sample]] = defaultdict(dict)
    for sample in of(samples, "stores"):
        blocks[sample["kind"], sample["library"]][sample["block"]] = sample
    rows = []
    for kind, library in sorted(blocks, key=lambda each: (each[0], [*STORES].index(each[1]))):
        its, ours = blocks[kind, library], blocks[kind, OURS]
        row: Row = {"kind": kind, "library": library, "size": next(iter(its.values()))["size"], "over": {}}
        row["bytes"] = estimates.spread([sample["bytes"] for sample in its.values()]).median
        for name in ("single_ns", "batch_ns", "build_s", "open_ms"):
            row[name] = spread([sample[name] for sample in its.values()])
            shared = sorted(its.keys() & ours.keys())
            if shared and library != OURS:
                pairs = [its[block][name] for block in shared], [ours[block][name] for block in shared]
                row["over"][name] = estimates.paired_ratio(*pairs)._asdict()
        rows.append(row)
    return rows


def targets(samples: list[Sample]) -> list[Row]:
    """Each target with what was measured, judged by its median; without a figure where its size was not measured."""
    judged = []
    for way, most in OPENED_MS.items():
        found = of(samples, "opening", kind="int64", way=way, size=LARGE)
        what = f'open, int64, {power(LARGE)}, verify="{way}", and a first look-up, wall time'
        judged.append(judge(what, "ms", [sample["first_ms"] for sample in found], most))
    for size in ITS_SIZES:
        ratios = [sample["ns"][MAPPED] / sample["ns"][MEMORY] for sample in of(samples, "batches", size=size)]
        what = f"hit, int64, {power(size)}: mapped file over memory"
        judged.append(judge(what, "times", ratios, BESIDE_MEMORY))
    sizes = [sample["bytes"] for sample in samples if sample["measure"] == "make" and sample["size"] == LARGE]
    held = [sum(sample["mb"]) * 1e6 / sizes[0] for sample in of(samples, "sharing", way=MAPPED, size=LARGE)]
    judged.append(judge("processes that share a file: memory of all over the bytes of the file", "times", held, COPIES))
    for what, ratio in SAVED.items():
        found = [ratio(sample["s"]) for sample in of(samples, "saving", size=LARGE)]
        judged.append(judge(f"{what}, int64, {power(LARGE)}, wall time", "times", found, BESIDE_NP_SAVE))
    return judged


# What is saved in how many times the time of np.save; the freeze is no part of it.
SAVED: dict[str, Callable[[dict[str, float]], float]] = {
    "FrozenMap.save over np.save": lambda s: s["FrozenMap.save"] / s[NP_SAVE],
    "HMap.save less its freeze over np.save": lambda s: (s["HMap.save"] - s["HMap.freeze"]) / s[NP_SAVE],
}


def judge(what: str, unit: str, values: list[float], most: float) -> Row:
    """One target."""
    return verdict(what, unit, estimates.median_interval(values) if values else None, most, True)
