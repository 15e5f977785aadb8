"""Which leak is it: each meter's trend over the rounds, and the pattern that the trends make.

One table, ``PATTERNS``, says what each verdict expects of the meters; from it come the figures for and against, and the
table in docs/debug.md. ``decide`` puts the questions in the order in which an answer explains the others away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pyhmap.debug.meters import Snapshot
from pyhmap.debug.slopes import FEWEST, Slope, theil_sen

UP, FLAT, YES, NO = "up", "flat", "yes", "no"


class Verdict(StrEnum):
    """What the meters say together."""

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
        """Whether something must be mended: memory that the system may take back at will is no leak.

        >>> Verdict.NATIVE_LEAK.is_leak, Verdict.ALLOCATOR_RETENTION.is_leak
        (True, False)
        """
        return self not in (Verdict.CLEAN, Verdict.ALLOCATOR_RETENTION, Verdict.MAPPED_FILE_PAGES)


@dataclass(frozen=True)
class Meter:
    """What is read of a snapshot, and from which growth a round on it is called growth."""

    name: str
    unit: str  #: "B", or what is counted
    floor: float
    says: str

    def of(self, snapshot: Snapshot) -> float | None:
        """This meter's figure in a snapshot."""
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
            "traced": snapshot.traced,
            "maps": maps.alive,
            "entries": maps.entries,
            "map bytes": maps.allocated,
            "bucket blocks": maps.blocks,
            "idle": maps.idle,
        }
        return values[self.name]


# The floors are what clean programs were seen to grow by in a round, with room: the process is counted in pages, and
# CPython takes its arenas from the system by the MiB. The heap creeps by up to 1 kB a round, of small pieces that
# glibc keeps in its caches and calls in use; blocks and objects by ints that snapshots keep. tests/debug/test_clean.py
# holds them against false alarms.
METERS = {
    meter.name: meter
    for meter in (
        Meter("uss", "B", 32 << 10, "private memory of the process"),
        Meter("anonymous", "B", 32 << 10, "resident memory that no file stands behind"),
        Meter("file", "B", 32 << 10, "resident pages of mapped files"),
        Meter("address space", "B", 32 << 10, "everything mapped"),
        Meter("heap", "B", 2048, "what malloc has handed out"),
        Meter("blocks", "blocks", 4, "blocks of CPython's allocator, after a collection"),
        Meter("objects", "objects", 2, "objects the collector tracks, after a collection"),
        Meter("traced", "B", 512, "what tracemalloc knows of"),
        Meter("maps", "maps", 0.5, "maps alive"),
        Meter("entries", "keys", 0.5, "keys in all maps"),
        Meter("map bytes", "B", 1024, "what the maps say that their arrays take"),
        Meter("bucket blocks", "B", 1024, "bucket and text memory that exists"),
        Meter("idle", "B", 1024, "what maps hold beyond their need"),
    )
}
# Three more that are no slopes: what a collection found, what trimming gave back, and room that maps keep.
WAITING, RETURNED, KEPT = "waiting", "returned", "kept"
PAGED = ("uss", "anonymous")

PATTERNS: dict[Verdict, dict[str, str]] = {
    Verdict.CLEAN: {
        "uss": FLAT, "anonymous": FLAT, "heap": FLAT, "blocks": FLAT, "objects": FLAT, "traced": FLAT,
        "map bytes": FLAT, WAITING: FLAT, KEPT: NO,
    },
    Verdict.ALLOCATOR_RETENTION: {
        "uss": UP, "anonymous": UP, "heap": FLAT, "traced": FLAT, "blocks": FLAT, RETURNED: YES,
    },
    Verdict.NATIVE_LEAK: {
        "uss": UP, "anonymous": UP, "heap": UP, "traced": FLAT, "blocks": FLAT, "objects": FLAT, RETURNED: NO,
    },
    Verdict.CYCLES_WAITING: {WAITING: UP, "blocks": FLAT, "objects": FLAT, "traced": FLAT},
    Verdict.HELD_REFERENCES: {
        "uss": UP, "anonymous": UP, "blocks": UP, "objects": UP, "traced": UP, WAITING: FLAT, "file": FLAT,
    },
    Verdict.RETAINED_CAPACITY: {KEPT: YES, "entries": FLAT, "maps": FLAT, "objects": FLAT, WAITING: FLAT},
    Verdict.MAPPED_FILE_PAGES: {"file": UP, "anonymous": FLAT, "heap": FLAT, "traced": FLAT, "blocks": FLAT},
    Verdict.ACCOUNTING_ERROR: {"traced": UP, "heap": FLAT, "anonymous": FLAT, "address space": FLAT, "blocks": FLAT},
}  # fmt: skip

# From here on idle memory is worth a word even if it has stopped growing, as that of a map that was large once has.
IDLE_LEAST = 1 << 20
# What is left of tracemalloc's own tables in the heap and in resident memory, for each block that it knows of.
TRACE_BYTES = 64
# Of memory that exists some meter shows as much as tracemalloc says; a quarter is enough not to call it invented.
EXISTS = 4
# The maps' accounts and the memory that exists must agree within a tenth (and what a small map takes).
ACCOUNTS_AGREE = 1.1
ACCOUNTS_LEAST = 64 << 10


@dataclass(frozen=True)
class Trend:
    """A meter over the rounds."""

    meter: str
    unit: str
    says: str
    slope: Slope  #: a round
    first: float
    last: float
    is_up: bool  #: the interval lies above 0, and the slope above the meter's floor
    state: str  #: "up" or "flat"; of the two last meters, what they say

    def figure(self, calls: int) -> str:
        """The growth as text, a call if there were several a round."""
        return f"{amount(self.slope.value / calls, self.unit)} a {'call' if calls > 1 else 'round'}"


def amount(value: float, unit: str) -> str:
    """A number with its unit, short.

    >>> amount(1536, "B"), amount(2.5e6, "B"), amount(-3, "B"), amount(0.25, "keys"), amount(4, "maps")
    ('1.54 kB', '2.5 MB', '-3 B', '0.25 keys', '4 maps')
    """
    if unit == "B":
        for size, prefix in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
            if abs(value) >= 0.9995 * size:
                return f"{value / size:.3g} {prefix}"
    return f"{value:,.0f} {unit}" if abs(value) >= 999.5 else f"{value:.3g} {unit}"


def trends(snapshots: Sequence[Snapshot], baseline: Snapshot | None = None) -> dict[str, Trend]:
    """The trend of each meter that every snapshot has. What maps kept at the baseline already is not reported."""
    if len(snapshots) < FEWEST:
        raise ValueError(f"comparing needs {FEWEST} snapshots or more, not {len(snapshots)}")
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
        says = "what trimming gave back at the end; growth that falls away was none"
        result[RETURNED] = Trend(RETURNED, "B", says, slope, grown, back, state == YES, state)
    return result


def waiting(snapshots: Sequence[Snapshot]) -> Trend:
    """What each round left in cycles, found by the snapshot's own collection: the least of all rounds counts.

    While the collector is on, as many objects as its first threshold may wait at any moment.
    """
    counts = [one.python.waiting for one in snapshots[1:]]
    slope = Slope(sorted(counts)[len(counts) // 2], min(counts), max(counts))
    is_up = slope.low > snapshots[-1].python.may_wait
    says = "objects in cycles that a collection found after each round"
    return Trend(WAITING, "objects", says, slope, counts[0], counts[-1], is_up, UP if is_up else FLAT)


def kept(snapshots: Sequence[Snapshot], idle: Trend, baseline: Snapshot | None) -> Trend:
    """Whether maps held much beyond their need after every round, that they did not hold at the baseline; or more and
    more of it. What gets less is the old array of a growth that goes on."""
    before = baseline.maps.idle if baseline else 0
    values = [float(one.maps.idle - before) for one in snapshots]
    least = min(values)
    much = least >= IDLE_LEAST and idle.slope.high >= 0
    says = "what maps held beyond their need after every round"
    is_up = idle.is_up or much
    return Trend(KEPT, "B", says, Slope(least, least, max(values)), values[0], values[-1], is_up, YES if is_up else NO)


def decide(snapshots: Sequence[Snapshot], found: dict[str, Trend]) -> Verdict:
    """The verdict, by the first question that is answered with yes."""

    def up(*names: str) -> bool:
        return any(name in found and found[name].is_up for name in names)

    def slope(name: str) -> float:
        return found[name].slope.value if up(name) else 0.0

    first = snapshots[0]
    if accounts_disagree(snapshots, found):
        return Verdict.ACCOUNTING_ERROR
    if up("traced") and not up("blocks", "objects") and first.heap:
        real = max(map(slope, ("heap", "bucket blocks", "address space", "anonymous", "uss")))
        if EXISTS * real < slope("traced"):
            return Verdict.ACCOUNTING_ERROR
    if up(WAITING):
        return Verdict.CYCLES_WAITING
    if up("idle") and not up("maps") and 3 * slope("idle") >= slope("map bytes"):
        return Verdict.RETAINED_CAPACITY
    if up("heap") and not up("traced", "blocks", "objects", "bucket blocks"):
        return Verdict.NATIVE_LEAK
    if "traced" in found and slope("heap") > 2 * slope("traced") + TRACE_BYTES * slope("blocks"):
        return Verdict.NATIVE_LEAK  # and something small beside it that Python holds
    if up("traced", "blocks", "objects", "bucket blocks"):
        return Verdict.HELD_REFERENCES
    if found[KEPT].is_up:
        return Verdict.RETAINED_CAPACITY
    if up("anonymous", "uss") and not up("file"):
        if RETURNED not in found or found[RETURNED].is_up or not up("address space"):
            return Verdict.ALLOCATOR_RETENTION
        return Verdict.NATIVE_LEAK  # mapped by somebody who tells nobody
    if up("file"):
        return Verdict.MAPPED_FILE_PAGES
    return Verdict.CLEAN


def accounts_disagree(snapshots: Sequence[Snapshot], found: dict[str, Trend]) -> bool:
    """Whether maps claim more than exists, in every round; or bucket memory grows that tracemalloc is not told of."""
    if all(one.maps.allocated > ACCOUNTS_AGREE * one.maps.blocks + ACCOUNTS_LEAST for one in snapshots):
        return True
    blocks, traced = found["bucket blocks"], found.get("traced")
    return traced is not None and blocks.is_up and ACCOUNTS_AGREE * max(0.0, traced.slope.high) < blocks.slope.low


def evidence(verdict: Verdict, found: dict[str, Trend]) -> tuple[tuple[Trend, ...], tuple[Trend, ...]]:
    """The meters that say what the verdict expects, and those that say otherwise.

    The process is counted in pages: when what grows is less, that the process does not says nothing.
    """
    expected = [(found[name], state) for name, state in PATTERNS[verdict].items() if name in found]
    grows = max([found[name].slope.value for name in ("traced", "heap", "bucket blocks") if name in found])
    if grows < 2 * METERS["uss"].floor and verdict is not Verdict.ALLOCATOR_RETENTION:
        expected = [(trend, state) for trend, state in expected if state == trend.state or trend.meter not in PAGED]
    supporting = tuple(trend for trend, state in expected if trend.state == state)
    return supporting, tuple(trend for trend, state in expected if trend.state != state)


def as_json(trend: Trend) -> dict[str, Any]:
    """A trend for programs."""
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
