"""The result: a verdict with its evidence, as a report and as JSON.

Owns the sentences and the form of the report. ``compare`` makes a diagnosis from snapshots alone; ``leakcheck`` adds
lines, types and referrers, which it finds by running the function once more.
"""

from __future__ import annotations

import platform
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from pyhmap.debug import verdicts
from pyhmap.debug.meters import Snapshot
from pyhmap.debug.verdicts import KEPT, RETURNED, WAITING, Trend, Verdict, amount

SCHEMA_VERSION = 1
TYPES_SHOWN = 10
GAIN = {"entries": "maps and sets", "items": "lists, dicts, sets and deques", "maps": "containers"}  # what gains them


@dataclass(frozen=True)
class Line:
    """A line that allocated memory which stayed, as tracemalloc reports it."""

    file: str
    line: int
    bytes: int  #: bytes that stayed
    count: int  #: pieces that stayed
    calls: int  #: calls of the function

    def __str__(self) -> str:
        each = amount(self.bytes / self.calls, "B")
        return f"{self.file}:{self.line}: {each} in {amount(self.count / self.calls, 'pieces')} per call"


@dataclass(frozen=True)
class TypeGrowth:
    """A type with more objects at the end than at the start."""

    name: str
    more: int  #: objects more than at the start
    calls: int  #: calls of the function

    def __str__(self) -> str:
        return f"{self.name}: {self.more / self.calls:.3g} per call"


@dataclass(frozen=True)
class Diagnosis:
    """A verdict, the evidence for and against it, and where the leak is.

    ``str()`` gives the report. Its first line is the verdict in one sentence.
    """

    verdict: Verdict
    sentence: str  #: the verdict with its main figure
    calls: int  #: calls per round
    rounds: int
    trends: dict[str, Trend]  #: by meter, for each that could be read
    supporting: tuple[Trend, ...]  #: meters that show what the verdict expects
    contradicting: tuple[Trend, ...]  #: meters that do not
    missing: tuple[str, ...]  #: meters that could not be read, and what to install
    samples: tuple[dict[str, int | None], ...]  #: all figures of each snapshot
    lines: tuple[Line, ...] = ()  #: lines that allocated memory which stayed, most bytes first
    types: tuple[TypeGrowth, ...] = ()  #: types that grew, most objects first
    referrers: tuple[str, ...] = ()  #: the shortest paths from a root to objects that grew
    trials: tuple[str, ...] = ()  #: the verdict of each trial of ``leakcheck``

    def to_json(self) -> dict[str, Any]:
        """The whole diagnosis, of types that ``json.dumps`` accepts."""
        return {
            "schema_version": SCHEMA_VERSION,
            "verdict": str(self.verdict),
            "is_leak": self.verdict.is_leak,
            "sentence": self.sentence,
            "calls": self.calls,
            "rounds": self.rounds,
            "meters": [verdicts.as_json(trend) for trend in self.trends.values()],
            "supporting": [trend.meter for trend in self.supporting],
            "contradicting": [trend.meter for trend in self.contradicting],
            "missing": list(self.missing),
            "lines": [asdict(line) for line in self.lines],
            "types": [asdict(growth) for growth in self.types],
            "referrers": list(self.referrers),
            "trials": list(self.trials),
            "samples": list(self.samples),
            "environment": environment(),
        }

    def __str__(self) -> str:
        page = [self.sentence]
        each = f"{self.rounds} rounds of {self.calls} calls" if self.calls > 1 else f"{self.rounds} rounds"
        page += ["", f"{each}; {environment()['python']}"]
        page += [f"  trial {number}: {said}" for number, said in enumerate(self.trials, 1)]
        for title, part in (("For it", self.supporting), ("Against it", self.contradicting)):
            if part:
                page += ["", title] + [meter_line(trend, self.calls) for trend in part]
        for title, entries in (
            ("Lines that allocated what stayed", self.lines),
            ("Types that grew", self.types),
            ("Who refers to it", self.referrers),
            ("Meters missing", self.missing),
        ):
            if entries:
                page += ["", title] + [f"  {entry}" for entry in entries]
        return "\n".join(page)


def meter_line(trend: Trend, calls: int) -> str:
    """The line of one meter in the report."""
    if trend.meter == RETURNED:
        figure = f"{amount(trend.last, 'B')}, after growing by {amount(trend.first, 'B')}"
    elif trend.meter == KEPT:
        figure = f"at least {amount(trend.slope.low, 'B')}"
    elif trend.meter == WAITING:
        figure = f"{trend.slope.low:,.0f} to {trend.slope.high:,.0f} per round"
    elif trend.state == verdicts.FLAT and not trend.slope.value:
        figure = "flat"
    else:
        low, high = (amount(end / calls, trend.unit) for end in trend.slope[1:])
        figure = f"{trend.figure(calls)} ({low} to {high})"
    return f"  {trend.meter:<14} {trend.state:<5} {figure:<44} {trend.says}"


def environment() -> dict[str, str]:
    """The interpreter and its build, on which the meaning of the collector's generations depends."""
    free = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    implementation = f"{platform.python_implementation()} {platform.python_version()}"
    return {"python": f"{implementation}, {'free-threaded' if free else 'GIL'} build", "platform": sys.platform}


def compare(snapshots: Sequence[Snapshot], *, calls: int = 1, baseline: Snapshot | None = None) -> Diagnosis:
    """The verdict on a series of snapshots that were taken after rounds of equal work.

    Parameters
    ----------
    snapshots
        At least four, the first from before the first round. Take the last with ``trim=True``. Without it, memory that
        was freed and that the C heap keeps cannot be distinguished from a leak.
    calls
        The number of calls per round, from which figures per call are computed.
    baseline
        A snapshot from before the warm-up: room that maps already kept then is not reported.

    Notes
    -----
    Raises ``ValueError`` for fewer than four snapshots, or ``calls`` below 1.

    >>> from pyhmap import debug
    >>> held, series = [], [debug.snapshot()]
    >>> for _ in range(6):
    ...     held += [[] for _ in range(5000)]
    ...     series.append(debug.snapshot())
    >>> debug.compare(series, calls=5000).verdict
    <Verdict.HELD_REFERENCES: 'held references'>
    """
    if calls < 1:
        raise ValueError(f"calls={calls}: give the number of calls per round, at least 1")
    found = verdicts.trends(snapshots, baseline)
    verdict = verdicts.decide(snapshots, found)
    supporting, contradicting = verdicts.evidence(verdict, found)
    types = growing_types(snapshots[0].types, snapshots[-1].types, calls * (len(snapshots) - 1))
    diagnosis = Diagnosis(
        verdict=verdict,
        sentence="",
        calls=calls,
        rounds=len(snapshots) - 1,
        trends=found,
        supporting=supporting,
        contradicting=contradicting,
        missing=snapshots[-1].missing,
        samples=tuple(one.numbers() for one in snapshots),
        types=types if verdict.is_leak else (),
    )
    return replace(diagnosis, sentence=sentence(diagnosis, snapshots[-1]))


def growing_types(before: dict[str, int], after: dict[str, int], calls: int) -> tuple[TypeGrowth, ...]:
    """The types with more objects than before, those with most first."""
    more = {name: n - before.get(name, 0) for name, n in after.items()}
    grown = sorted(((n, name) for name, n in more.items() if n > 0), reverse=True)
    return tuple(TypeGrowth(name, n, calls) for n, name in grown[:TYPES_SHOWN])


def sentence(d: Diagnosis, last: Snapshot) -> str:
    """The verdict in words, with its main figure."""

    def grows(*names: str) -> str:
        """The growth of the first of these meters that is up."""
        for name in names:
            if name in d.trends and d.trends[name].is_up:
                return d.trends[name].figure(d.calls)
        return "little"

    maps = last.maps
    told = {
        Verdict.CLEAN: "nothing grows from round to round.",
        Verdict.ALLOCATOR_RETENTION: f"resident memory grows by {grows('anonymous', 'uss')}, " + retention(d),
        Verdict.NATIVE_LEAK: f"native code allocates {grows('heap', 'anonymous', 'uss')} and never frees it; Python "
        "does not see it. Next: memray run --native.",
        Verdict.CYCLES_WAITING: f"each round leaves {d.trends[WAITING].slope.value:,.0f} objects in cycles, which only "
        "gc.collect() frees. The collector is off, or runs too rarely.",
        Verdict.HELD_REFERENCES: held(d, grows("traced", "bucket blocks", "blocks", "objects")),
        Verdict.RETAINED_CAPACITY: f"{maps.alive:,} map{'s' * (maps.alive != 1)} with {maps.entries:,} entries "
        f"hold{'s' * (maps.alive == 1)} {amount(maps.bytes, 'B')}, {amount(maps.idle, 'B')} of it beyond need. "
        "compact() or clear() releases it; finish_growth() ends a growth.",
        Verdict.MAPPED_FILE_PAGES: f"resident pages of mapped files grow by {grows('file')}; the system takes these "
        "pages back when it needs them. Not a leak.",
        Verdict.ACCOUNTING_ERROR: accounting(d, last),
    }
    return f"{d.verdict}: {told[d.verdict]}"


def held(d: Diagnosis, grown: str) -> str:
    """What stays: memory, or the items that containers gain without allocating."""
    gains = [f"{who} gain {d.trends[name].figure(d.calls)}" for name, who in GAIN.items() if d.trends[name].is_up]
    if gains and not any(d.trends[name].is_up for name in verdicts.ALLOCATED if name in d.trends):
        return f"{' and '.join(gains)}, which nothing removes."
    return f"{grown} stays because something still refers to it."


def retention(d: Diagnosis) -> str:
    """The reason why resident memory grows although no allocation does."""
    if RETURNED not in d.trends:
        return "but no allocator has it. Take the last snapshot with trim=True to see whether trimming returns it."
    if d.trends[RETURNED].is_up:
        return "but nothing holds it: the C heap keeps freed memory and returns it when it is trimmed. Not a leak."
    return "but no allocation does: memory of earlier allocations is touched for the first time. Not a leak."


def accounting(d: Diagnosis, last: Snapshot) -> str:
    """The accounts that disagree."""
    maps = last.maps
    if maps.allocated > verdicts.ACCOUNTS_AGREE * maps.blocks:
        return f"maps report {amount(maps.allocated, 'B')}, but {amount(maps.blocks, 'B')} exist. Please report this."
    traced, blocks = (
        d.trends[name].figure(d.calls) if name in d.trends else "-" for name in ("traced", "bucket blocks")
    )
    if d.trends["bucket blocks"].is_up:
        return f"bucket memory grows by {blocks}, but tracemalloc knows of {traced}. Please report this."
    return f"traced memory grows by {traced}, but no memory does: something was freed without telling tracemalloc."
