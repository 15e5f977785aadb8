"""What pyhmap aims at beside other maps, and what came out.

Owns the list of targets and their arithmetic. A target is judged by its median; the interval printed beside it says how
certain that is.
"""

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from core import estimates
from core.runner import Sample
from peers import figures
from peers.plan import HUGE, LARGEST
from peers.toolchains import CLASSIC, SWISS

Found = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """``over``'s time over ``under``'s, at one point, is at least (``at_most``: at most) ``bound``."""

    operation: str
    kind: str
    size: int
    over: str
    under: str
    bound: float
    at_most: bool = False

    @property
    def what(self) -> str:
        """As the table says it.

        >>> Target("hit", "int64", 10**6, "cykhash", "pyhmap", 1.6).what
        'hit, int64, 10^6: cykhash over pyhmap'
        """
        return f"{self.operation}, {self.kind}, {power(self.size)}: {self.over} over {self.under}"


def power(size: int) -> str:
    """10^6 for 1,000,000; other numbers as they are."""
    exponent = round(math.log10(size))
    return f"10^{exponent}" if 10**exponent == size else f"{size:,}"


OURS, ARROW, LIST = "pyhmap", "pyhmap (Arrow)", "pyhmap (list)"
FROZEN, FROZEN_LIST = "pyhmap frozen", "pyhmap frozen (list)"
TARGETS = (
    Target("hit", "int64", 10**4, OURS, "boost", 1.2, at_most=True),
    Target("hit", "int64", 10**6, OURS, "boost", 0.8, at_most=True),
    Target("hit", "int64", 10**7, OURS, "boost", 0.8, at_most=True),
    Target("hit", "int64", 10**7, OURS, "np.take", 2.5, at_most=True),
    *(
        Target("hit", "int64", size, peer, OURS, bound)
        for size in (10**6, 10**7)
        for peer, bound in (("cykhash", 1.6), ("pandas", 2.5), ("pyarrow", 4.0), ("dict", 20.0))
    ),
    Target("miss", "int64", 10**6, OURS, "boost", 1.2, at_most=True),
    *(Target(how, "int64", size, "cykhash", OURS, 1.5) for size in (10**6, 10**7) for how in ("build", "sized")),
    *(Target("sized", "int64", size, go, OURS, 2.0) for size in (10**6, 10**7) for go in (CLASSIC, SWISS)),
    Target("hit", "str17", 10**6, "dict", ARROW, 5.0),
    Target("hit", "str17", 10**6, "pyarrow", ARROW, 4.0),
    Target("hit", "str17", 10**6, "polars", ARROW, 2.0),
    Target("hit", "str17", 10**4, "pyarrow", ARROW, 1.0),
    Target("hit", "str17", 10**6, "dict", LIST, 3.0),
    *(Target("hit", "int64", size, FROZEN, "boost", 0.65, at_most=True) for size in (10**3, 10**4, 10**5)),
    Target("hit", "int64", 10**6, FROZEN, "np.take", 2.0, at_most=True),
    Target("hit", "int64", 10**7, FROZEN, "np.take", 1.5, at_most=True),
    *(Target("hit", "int64", size, FROZEN, OURS, 0.75, at_most=True) for size in (10**6, 10**7)),
    *(Target("miss", "int64", 10**power, FROZEN, "boost", 1.0, at_most=True) for power in range(3, 8)),
)
THREADS = 1.8  # times as fast with two
SCALAR = (
    (10**6, "dict", OURS, 1.5, False),
    (10**3, OURS, "dict", 1.5, True),
    (10**3, FROZEN, OURS, 1.0, True),
    (10**6, FROZEN, OURS, 1.0, True),
)
FREEZING, ITS_THREADS = 40.0, 1.8  # ns per key from a settled map of 10^7; times as fast with two threads
HUGE_BESIDE_TAKE = 2.0  # times np.take, at 10^8
FROZEN_BYTES = (("int64", 10**6, FROZEN, 17.0), ("int64", 10**7, FROZEN, 17.0), ("str17", 10**6, FROZEN_LIST, 44.0))
# Microseconds per call, and bytes.
SMALL_CALLS = dict.fromkeys(("get_many", "get_many, default", "set_many", "add_many", "contains_many"), 1.2)
SMALL_CALLS |= {"new map": 2.0, "copy": 2.0}
WHOLE_MAPS, SMALL_BYTES = ("new map", "copy"), 600.0
WORST_INSERT_NS, ITS_INSERTS = 1e6, 10**7
BEFORE_GROWTH, MEAN = 27.0, 35.0  # bytes per entry, int64 to int64
TEXT_BYTES, TEXT_POINT = 72.0, ("str17", 10**6)


def judge(samples: list[Sample]) -> list[Found]:
    """Every target with what was measured; without a figure where nothing was."""
    measured = figures.points(samples)
    judged = []
    for target in TARGETS:
        blocks = measured.get((target.kind, "random", target.size, target.operation), {})
        ratio = figures.pair(blocks.get(target.over, {}), blocks.get(target.under, {}))
        judged.append(verdict(target.what, "times", ratio, target.bound, target.at_most))
    judged += threads(samples) + writing(samples) + small(samples) + scalars(samples) + memory(samples) + worst(samples)
    return judged + huge(samples) + freezing(samples) + frozen_memory(samples)


def verdict(
    what: str, unit: str, found: estimates.Estimate | estimates.Paired | None, bound: float, at_most: bool
) -> Found:
    """One line of the list; ``met`` is None where nothing was measured."""
    made: Found = {"what": what, "unit": unit, "bound": bound, "at_most": at_most, "met": None}
    if found is not None:
        made |= found._asdict() | {"met": found.value <= bound if at_most else found.value >= bound}
    return made


def threads(samples: list[Sample]) -> list[Found]:
    """Wall time with one thread over that with two."""
    ratios: dict[int, list[float]] = defaultdict(list)
    for sample in samples:
        if sample["measure"] == "threads":
            ratios[sample["size"]].append(sample["wall"]["1"] / sample["wall"]["2"])
    return [two_threads(f"hit, int64, {power(size)}", each) for size, each in ratios.items()] or [
        two_threads("hit, int64", [])
    ]


def writing(samples: list[Sample]) -> list[Found]:
    """The same for writes."""
    ratios: dict[tuple[int, str], list[float]] = defaultdict(list)
    for sample in samples:
        if sample["measure"] == "writing":
            for name, wall in sample["wall"].items():
                ratios[sample["size"], name].append(wall["1"] / wall["2"])
    return [two_threads(f"{name}, int64, {power(size)}", each) for (size, name), each in ratios.items()]


def two_threads(what: str, ratios: list[float]) -> Found:
    """The wall time of one thread over that of two, in each block."""
    value = estimates.paired_ratio(ratios, [1.0] * len(ratios)) if ratios else None
    return verdict(f"{what}: one thread over threads=2, wall time", "times", value, THREADS, False)


def small(samples: list[Sample]) -> list[Found]:
    """Batches of ten keys, and maps of two."""
    found = [sample for sample in samples if sample["measure"] == "small"]
    if not found:
        return []
    made = []
    for name, bound in SMALL_CALLS.items():
        each = [sample["ns"][name] / 1000 for sample in found]
        of = "a map of two int64 keys" if name in WHOLE_MAPS else "ten int64 keys"
        value = estimates.paired_ratio(each, [1.0] * len(each))
        made.append(verdict(f"{name}, {of}", "µs", value, bound, True))
    each = [sample["bytes"]["map"] for sample in found]
    value = estimates.paired_ratio(each, [1.0] * len(each))
    return [*made, verdict("a map of two int64 keys: private memory", "B", value, SMALL_BYTES, True)]


def scalars(samples: list[Sample]) -> list[Found]:
    """``m[k]`` in a loop."""
    times: dict[tuple[int, str], dict[int, float]] = defaultdict(dict)
    for sample in samples:
        if sample["measure"] == "scalar":
            times[sample["size"], sample["library"]][sample["block"]] = sample["ns"]
    return [
        verdict(
            f"m[k] in a loop, int64, {power(size)}: {over} over {under}",
            "times",
            figures.pair(times[size, over], times[size, under]),
            bound,
            at_most,
        )
        for size, over, under, bound, at_most in SCALAR
    ]


def memory(samples: list[Sample]) -> list[Found]:
    """Bytes per entry, by the map's own account and by the system's."""
    made = []
    accounts = (("nbytes", "own account"), ("private", "private memory"))
    for name, account in accounts:
        series = next((sample["series"] for sample in samples if sample["measure"] == "memory"), [])
        bytes_each = [point[name] for point in series]
        last = estimates.exact(bytes_each[-1]) if series else None
        mean = estimates.exact(sum(bytes_each) / len(bytes_each)) if series else None
        made.append(verdict(f"bytes per entry, int64, just before a growth: {account}", "B", last, BEFORE_GROWTH, True))
        made.append(verdict(f"bytes per entry, int64, mean over sizes: {account}", "B", mean, MEAN, True))
    for name, account in (("nbytes", accounts[0][1]), ("memory", accounts[1][1])):
        found = [
            sample[name]
            for sample in samples
            if sample["measure"] == "workload" and sample["library"] == LIST and name in sample
            if (sample["kind"], sample["size"]) == TEXT_POINT
        ]
        value = estimates.paired_ratio(found, [1.0] * len(found)) if found else None
        made.append(verdict(f"bytes per entry, str17, 10^6: {account}", "B", value, TEXT_BYTES, True))
    return made


def freezing(samples: list[Sample]) -> list[Found]:
    """``m.freeze()`` of a settled map: wall time per key, and with one thread over that with two."""
    found = [sample for sample in samples if sample["measure"] == "freezing" and sample["size"] == LARGEST]
    ones, twos = ([sample["wall"][threads] for sample in found] for threads in "12")
    each = estimates.paired_ratio(ones, [1.0] * len(ones)) if found else None
    ratio = estimates.paired_ratio(ones, twos) if found else None
    what = f"freeze, int64, {power(LARGEST)}"
    return [
        verdict(f"{what}: one thread, wall time per key", "ns", each, FREEZING, True),
        verdict(f"{what}: one thread over threads=2, wall time", "times", ratio, ITS_THREADS, False),
    ]


def huge(samples: list[Sample]) -> list[Found]:
    """Look-ups in the largest frozen map."""
    found = [sample["ns"] for sample in samples if sample["measure"] == "frozen" and sample["size"] == HUGE]
    hits, takes = ([ns[way] for ns in found] for way in ("pyhmap frozen, hit", "np.take"))
    beside = estimates.paired_ratio(hits, takes) if found else None
    return [verdict(f"hit, int64, {power(HUGE)}: {FROZEN} over np.take", "times", beside, HUGE_BESIDE_TAKE, True)]


def frozen_memory(samples: list[Sample]) -> list[Found]:
    """Bytes per entry of frozen maps, by their own account."""
    made = []
    for kind, size, library, bound in FROZEN_BYTES:
        found = [
            sample["nbytes"]
            for sample in samples
            if sample["measure"] == "workload" and sample["library"] == library and "nbytes" in sample
            if (sample["kind"], sample["size"], sample["key_set"]) == (kind, size, "random")
        ]
        value = estimates.paired_ratio(found, [1.0] * len(found)) if found else None
        made.append(verdict(f"bytes per entry, {kind}, {power(size)}, frozen: own account", "B", value, bound, True))
    return made


def worst(samples: list[Sample]) -> list[Found]:
    """The worst single insert of a growth to 10^7 keys."""
    runs = [s for s in samples if s["measure"] == "inserts" and s["library"] == OURS and s["n"] >= ITS_INSERTS]
    value = estimates.exact(runs[-1]["recurring_worst_ns"] / 1e6) if runs else None
    return [verdict("worst single insert, growing to 10^7, CPU time", "ms", value, WORST_INSERT_NS / 1e6, True)]
