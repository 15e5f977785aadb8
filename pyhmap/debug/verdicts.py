"""The kinds of leaks: the trend of each meter over the rounds, and the verdict that follows from the trends.

The table ``PATTERNS`` says what each verdict expects of the meters. The evidence for and against a verdict and the
table in docs/debug.md come from it. ``decide`` asks for the verdicts in an order in which each explains those after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pyhmap.debug.meters import Snapshot
from pyhmap.debug.slopes import FEWEST, Slope, theil_sen

UP, FLAT, YES, NO = "up", "flat", "yes", "no"
MAY_BE_UP = "may be up"  # in a pattern: evidence for the verdict if it is up, and no evidence if it is flat


class Verdict(StrEnum):
    """The conclusion from all meters."""

    CLEAN = "clean"
    ALLOCATOR_RETENTION = "allocator retention"
    NATIVE_LEAK = "native leak"
    CYCLES_WAITING = "cycles waiting"
    HELD_REFERENCES = "held references"
    RETAINED_CAPACITY = "retained capacity"
    MAPPED_FILE_PAGES = "mapped file pages"
    ACCOUNTING_ERROR = "accounting error"

    @property
    def is_leak(self) -> bool:
        """Whether something must be fixed. Memory that the system can take back at any time is not a leak.

        >>> from pyhmap.debug import Verdict
        >>> Verdict.NATIVE_LEAK.is_leak, Verdict.ALLOCATOR_RETENTION.is_leak
        (True, False)
        """
        return self not in (Verdict.CLEAN, Verdict.ALLOCATOR_RETENTION, Verdict.MAPPED_FILE_PAGES)


@dataclass(frozen=True)
class Meter:
    """A figure of a snapshot, and the least growth per round that counts."""

    name: str
    unit: str  #: "B", or the plural of what is counted
    floor: float  #: the least growth per round that counts
    says: str  #: what it measures

    def of(self, snapshot: Snapshot) -> float | None:
        """The figure in a snapshot, or None if it could not be read."""
        heap, process, maps = snapshot.heap, snapshot.process, snapshot.maps
        python = snapshot.python
        values: dict[str, float | None] = {
            "uss": process.uss if process else None,
            "anonymous": process.rss_anon if process else None,
            "file": process.rss_file if process else None,
            "address space": process.vms if process else None,
            "heap": heap.used + heap.mmapped if heap else None,
            "blocks": python.blocks,
            "objects": python.objects,
            "items": python.items,
            "traced": snapshot.traced,
            "maps": maps.alive,
            "entries": maps.entries,
            "map bytes": maps.allocated,
            "bucket blocks": maps.blocks,
            "idle": maps.idle,
        }
        return values[self.name]


# The floors are above the growth per round of clean programs. The process is counted in pages, and CPython takes its
# arenas from the system by the MiB. The heap grows by up to 1 kB per round, since glibc counts the small pieces in its
# caches as used; blocks and objects grow by ints that snapshots keep. tests/debug/test_clean.py tests for false alarms.
METERS = {
    meter.name: meter
    for meter in (
        Meter("uss", "B", 32 << 10, "private memory of the process"),
        Meter("anonymous", "B", 32 << 10, "resident memory without a file behind it"),
        Meter("file", "B", 32 << 10, "resident pages of mapped files"),
        Meter("address space", "B", 32 << 10, "address space of the process"),
        Meter("heap", "B", 2048, "memory that malloc has allocated"),
        Meter("blocks", "blocks", 4, "blocks of CPython's allocator, after a collection"),
        Meter("objects", "objects", 2, "objects that the collector tracks, after a collection"),
        Meter("items", "items", 0.5, "items in lists, dicts, sets and deques"),
        Meter("traced", "B", 512, "memory that tracemalloc knows of"),
        Meter("maps", "maps", 0.5, "maps that are alive"),
        Meter("entries", "keys", 0.5, "keys in all maps"),
        Meter("map bytes", "B", 1024, "memory of the arrays, as the maps report it"),
        Meter("bucket blocks", "B", 1024, "bucket and text memory that exists"),
        Meter("idle", "B", 1024, "memory that maps hold beyond their need"),
    )
}
# Three more, without a slope: objects that a collection found, memory that trimming returned, room that maps keep.
WAITING, RETURNED, KEPT = "waiting", "returned", "kept"
PAGED = ("uss", "anonymous")
# Counted in the containers themselves: these meters grow even if a container with free capacity allocates nothing.
COUNTED = ("entries", "items", "maps")
ALLOCATED = ("traced", "blocks", "objects", "bucket blocks")

PATTERNS: dict[Verdict, dict[str, str]] = {
    Verdict.CLEAN: {
        "uss": FLAT, "anonymous": FLAT, "heap": FLAT, "blocks": FLAT, "objects": FLAT, "traced": FLAT,
        "map bytes": FLAT, "maps": FLAT, "entries": FLAT, "items": FLAT, WAITING: FLAT, KEPT: NO,
    },
    Verdict.ALLOCATOR_RETENTION: {
        "uss": UP, "anonymous": UP, "heap": FLAT, "traced": FLAT, "blocks": FLAT, "entries": FLAT, "items": FLAT,
        RETURNED: YES,
    },
    Verdict.NATIVE_LEAK: {
        "uss": UP, "anonymous": UP, "heap": UP, "traced": FLAT, "blocks": FLAT, "objects": FLAT, RETURNED: NO,
    },
    Verdict.CYCLES_WAITING: {WAITING: UP, "blocks": FLAT, "objects": FLAT, "traced": FLAT},
    Verdict.HELD_REFERENCES: {
        "uss": UP, "anonymous": UP, "blocks": UP, "objects": UP, "traced": UP, "maps": MAY_BE_UP,
        "entries": MAY_BE_UP, "items": MAY_BE_UP, WAITING: FLAT, "file": FLAT,
    },
    Verdict.RETAINED_CAPACITY: {KEPT: YES, "entries": FLAT, "maps": FLAT, "objects": FLAT, WAITING: FLAT},
    Verdict.MAPPED_FILE_PAGES: {"file": UP, "anonymous": FLAT, "heap": FLAT, "traced": FLAT, "blocks": FLAT},
    Verdict.ACCOUNTING_ERROR: {"traced": UP, "heap": FLAT, "anonymous": FLAT, "address space": FLAT, "blocks": FLAT},
}  # fmt: skip

# Idle memory of at least so many bytes is reported even if it does not grow: that of a map that was large once.
IDLE_LEAST = 1 << 20
# The bytes of tracemalloc's own tables that remain in the heap figure, per block that it knows of.
TRACE_BYTES = 64
# Traced memory exists if some other meter grows by at least a quarter as much.
EXISTS = 4
# The maps' accounts and the memory that exists must agree within a tenth, plus the memory of small maps.
ACCOUNTS_AGREE = 1.1
ACCOUNTS_LEAST = 64 << 10


@dataclass(frozen=True)
class Trend:
    """The trend of a meter over the rounds."""

    meter: str
    unit: str
    says: str
    slope: Slope  #: growth per round
    first: float  #: the figure of the first snapshot
    last: float  #: the figure of the last snapshot
    is_up: bool  #: the interval lies above 0, and the slope above the meter's floor
    state: str  #: "up" or "flat"; "yes" or "no" for "returned" and "kept"

    def figure(self, calls: int) -> str:
        """The growth as text, per call if there were several calls per round."""
        return f"{amount(self.slope.value / calls, self.unit)} per {'call' if calls > 1 else 'round'}"


def amount(value: float, unit: str) -> str:
    """A number of three digits with its unit: "B", or a plural.

    >>> amount(1536, "B"), amount(2.5e6, "B"), amount(-3, "B"), amount(0.25, "keys"), amount(1, "maps")
    ('1.54 kB', '2.5 MB', '-3 B', '0.25 keys', '1 map')
    """
    if unit == "B":
        for size, prefix in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
            if abs(value) >= 0.9995 * size:
                return f"{value / size:.3g} {prefix}"
    number = f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"
    return f"{number} {unit.removesuffix('s') if number == '1' else unit}"


def trends(snapshots: Sequence[Snapshot], baseline: Snapshot | None = None) -> dict[str, Trend]:
    """The trend of each meter that all snapshots have. Room that maps kept at the baseline is not reported."""
    if len(snapshots) < FEWEST:
        raise ValueError(f"comparing needs {FEWEST} snapshots or more, not {len(snapshots)}: take more")
    result = {}
    for meter in METERS.values():
        values = [value for one in snapshots if (value := meter.of(one)) is not None]
        if len(values) == len(snapshots):
            slope = theil_sen(values)
            is_up = slope.low > 0 and slope.value >= meter.floor
            state = UP if is_up else FLAT
            result[meter.name] = Trend(meter.name, meter.unit, meter.says, slope, values[0], values[-1], is_up, state)
    result[WAITING] = waiting(snapshots)
    result[KEPT] = kept(snapshots, result["idle"], baseline)
    if (last := snapshots[-1]).trimmed and last.process and snapshots[0].process:
        grown = last.process.rss_anon - snapshots[0].process.rss_anon
        back = last.process.rss_anon - last.trimmed.rss_anon
        state = YES if grown > 0 and 2 * back >= grown else NO
        slope = Slope(back, back, back)
        says = "memory that trimming returned at the end; it was no leak"
        result[RETURNED] = Trend(RETURNED, "B", says, slope, grown, back, state == YES, state)
    return result


def waiting(snapshots: Sequence[Snapshot]) -> Trend:
    """The objects that each round left in cycles, as the collection of its snapshot found them. The least round counts.

    While the collector is on, as many objects as its first threshold may wait at any time.
    """
    counts = [one.python.waiting for one in snapshots[1:]]
    slope = Slope(sorted(counts)[len(counts) // 2], min(counts), max(counts))
    is_up = slope.low > snapshots[-1].python.may_wait
    says = "objects in cycles that a collection found after each round"
    return Trend(WAITING, "objects", says, slope, counts[0], counts[-1], is_up, UP if is_up else FLAT)


def kept(snapshots: Sequence[Snapshot], idle: Trend, baseline: Snapshot | None) -> Trend:
    """Whether maps held much memory beyond their need after every round, without what they held at the baseline; or
    more after each round. Memory that becomes less is the old array of a growth that goes on."""
    before = baseline.maps.idle if baseline else 0
    values = [float(one.maps.idle - before) for one in snapshots]
    least = min(values)
    much = least >= IDLE_LEAST and idle.slope.high >= 0
    says = "memory that maps held beyond their need after every round"
    is_up = idle.is_up or much
    return Trend(KEPT, "B", says, Slope(least, least, max(values)), values[0], values[-1], is_up, YES if is_up else NO)


def decide(snapshots: Sequence[Snapshot], found: dict[str, Trend]) -> Verdict:
    """The verdict: the first one whose condition holds."""

    def up(*names: str) -> bool:
        return any(name in found and found[name].is_up for name in names)

    def slope(name: str) -> float:
        return found[name].slope.value if up(name) else 0.0

    def risen(name: str) -> float:
        """The growth per round from first to last: a container that doubles rarely has a slope of 0."""
        trend = found.get(name)
        return max(slope(name), (trend.last - trend.first) / (len(snapshots) - 1)) if trend else 0.0

    first = snapshots[0]
    if accounts_disagree(snapshots, found):
        return Verdict.ACCOUNTING_ERROR
    if up("traced") and not up("blocks", "objects", *COUNTED) and first.heap:
        real = max(map(slope, ("heap", "bucket blocks", "address space", "anonymous", "uss")))
        if EXISTS * real < slope("traced"):
            return Verdict.ACCOUNTING_ERROR
    if up(WAITING):
        return Verdict.CYCLES_WAITING
    if up("idle") and not up("maps") and 3 * slope("idle") >= risen("map bytes"):
        return Verdict.RETAINED_CAPACITY
    if "traced" in found and slope("heap") > 2 * risen("traced") + TRACE_BYTES * slope("blocks"):
        return Verdict.NATIVE_LEAK  # Python may hold something small as well
    if up(*ALLOCATED, *COUNTED):
        return Verdict.HELD_REFERENCES
    if up("heap") and "traced" not in found:
        return Verdict.NATIVE_LEAK
    if found[KEPT].is_up:
        return Verdict.RETAINED_CAPACITY
    if up("anonymous", "uss") and not up("file"):
        if RETURNED not in found or found[RETURNED].is_up or not up("address space"):
            return Verdict.ALLOCATOR_RETENTION
        return Verdict.NATIVE_LEAK  # mapped by native code that no meter sees
    if up("file"):
        return Verdict.MAPPED_FILE_PAGES
    return Verdict.CLEAN


def accounts_disagree(snapshots: Sequence[Snapshot], found: dict[str, Trend]) -> bool:
    """Whether maps report more than exists in every round, or bucket memory grows that tracemalloc does not know of."""
    if all(one.maps.allocated > ACCOUNTS_AGREE * one.maps.blocks + ACCOUNTS_LEAST for one in snapshots):
        return True
    blocks, traced = found["bucket blocks"], found.get("traced")
    return traced is not None and blocks.is_up and ACCOUNTS_AGREE * max(0.0, traced.slope.high) < blocks.slope.low


def evidence(verdict: Verdict, found: dict[str, Trend]) -> tuple[tuple[Trend, ...], tuple[Trend, ...]]:
    """The meters that show what the verdict expects, and those that do not.

    The process is counted in pages. If the growth is smaller than that, a process that does not grow is no evidence.
    If containers gain items, flat meters of allocation are no evidence either: free capacity needs no allocation.
    """
    expected = [(found[name], state) for name, state in PATTERNS[verdict].items() if name in found]
    grows = max([found[name].slope.value for name in ("traced", "heap", "bucket blocks") if name in found])
    if grows < 2 * METERS["uss"].floor and verdict is not Verdict.ALLOCATOR_RETENTION:
        expected = [(trend, state) for trend, state in expected if state == trend.state or trend.meter not in PAGED]
    if any(found[name].is_up for name in COUNTED if name in found):
        expected = [(trend, state) for trend, state in expected if state != UP or trend.is_up]
    supporting = tuple(trend for trend, state in expected if trend.state == state.removeprefix("may be "))
    return supporting, tuple(t for t, state in expected if state not in (t.state, MAY_BE_UP))


def as_json(trend: Trend) -> dict[str, Any]:
    """A trend as JSON."""
    return {
        "meter": trend.meter,
        "unit": trend.unit,
        "slope": trend.slope.value,
        "low": trend.slope.low,
        "high": trend.slope.high,
        "first": trend.first,
        "last": trend.last,
        "state": trend.state,
    }
