"""The collector's pauses beside the life of maps, on one time line.

A pair of entries in ``gc.callbacks`` for as long as the ``with`` block lasts. Maps are looked at where the collector
stands still anyway, after each collection, and held weakly: watching a map does not keep it.
"""

from __future__ import annotations

import gc
import math
import time
import weakref
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Self

from pyhmap._core import HMapCore, map_counts
from pyhmap._inspect.views import Header, header
from pyhmap.debug.diagnosis import environment

SCHEMA_VERSION = 1
KEPT = 10_000  # pauses of a generation for percentiles, and events of the time line: half a day of full collections
SHOWN = 20


@dataclass(frozen=True)
class Pauses:
    """The collections of one generation, in nanoseconds. Percentiles are of the last 10,000."""

    count: int
    collected: int  #: objects found in cycles
    total: int
    max: int
    p50: int
    p95: int
    p99: int


@dataclass(frozen=True)
class Event:
    """One thing on the time line."""

    at: int  #: nanoseconds since the block began
    what: str  #: "pause", "B", "growth began", "growth ended", "noverflow", "died"
    map: int | None = None  #: which of the watched maps
    before: int = 0  #: B or noverflow; of a pause, its generation
    after: int = 0  #: of a pause, its nanoseconds


class CollectorWatch:
    """Watch the collector, and some maps, during a ``with`` block.

    Parameters
    ----------
    maps
        ``HMap`` or ``HSet`` objects whose header is read after each collection; held weakly.

    It can be read inside the block and after it, and used once. ``TypeError`` for what is no map.

    >>> import numpy as np, gc
    >>> from pyhmap import HMap, debug
    >>> m = HMap(np.int64, np.int64)
    >>> _ = gc.collect()  # a map that waits in a cycle would die in the block
    >>> with debug.CollectorWatch([m]) as watch:
    ...     m.update((i, i) for i in range(1000))
    ...     _ = gc.collect()
    ...     other = HMap(np.int64, np.int64)
    ...     del other
    >>> watch.pauses()[2].count, watch.born, watch.died
    (1, 1, 1)
    >>> [(event.before, event.after) for event in watch.timeline if event.what == "B"]
    [(0, 8)]
    """

    def __init__(self, maps: Iterable[Any] = ()) -> None:
        self.timeline: deque[Event] = deque(maxlen=KEPT)  #: the last 10,000 events
        self.dropped = 0  #: older ones
        self._durations: dict[int, deque[int]] = {}
        self._totals: dict[int, list[int]] = {}  # generation -> count, collected, total, max
        self._began = self._start = self._ended = 0
        self._counts = self._counts_after = (0, 0)
        self._maps: list[weakref.ref[Any]] = []
        self._headers: list[Header] = []
        watch = weakref.ref(self)  # a callback that held the watch would make a cycle of it
        for number, given in enumerate(maps):
            m = getattr(given, "_map", given)
            if not isinstance(m, HMapCore):
                raise TypeError(f"maps[{number}] is a {type(given).__name__}: give HMap or HSet objects")
            self._maps.append(weakref.ref(m, lambda _, number=number: tell(watch, number)))  # type: ignore[misc]
            self._headers.append(header(HMapCore._state(m)))

    def __enter__(self) -> Self:
        if self._began:
            raise RuntimeError("a CollectorWatch can be used once")
        self._counts = map_counts()
        self._began = time.perf_counter_ns()
        gc.callbacks.append(self._collecting)
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self._look()  # what changed since the last collection
            self._ended = time.perf_counter_ns()
            self._counts_after = map_counts()
        finally:
            gc.callbacks.remove(self._collecting)

    # ---- what the collector and the maps tell

    def _collecting(self, phase: str, info: dict[str, int]) -> None:
        now = time.perf_counter_ns()
        if phase == "start":
            self._start = now
            return
        if not self._start:  # the block began in the middle of a collection
            return
        generation, duration = info["generation"], now - self._start
        self._start = 0
        totals = self._totals.setdefault(generation, [0, 0, 0, 0])
        totals[0] += 1
        totals[1] += info["collected"]
        totals[2] += duration
        totals[3] = max(totals[3], duration)
        self._durations.setdefault(generation, deque(maxlen=KEPT)).append(duration)
        self._note(Event(now - self._began, "pause", None, generation, duration))
        self._look()

    def _look(self) -> None:
        """Read the header of each watched map and note what is new."""
        for number, reference in enumerate(self._maps):
            m = reference()
            if m is None:
                continue
            old, new = self._headers[number], header(HMapCore._state(m))
            self._headers[number] = new
            at = time.perf_counter_ns() - self._began
            if new.B != old.B:
                self._note(Event(at, "B", number, old.B, new.B))
            if bool(new.oldbuckets) != bool(old.oldbuckets):
                what = "growth began" if new.oldbuckets else "growth ended"
                self._note(Event(at, what, number, old.oldbuckets, new.oldbuckets))
            if new.noverflow != old.noverflow:
                self._note(Event(at, "noverflow", number, old.noverflow, new.noverflow))

    def _died(self, number: int) -> None:
        if self._began and not self._ended:
            self._note(Event(time.perf_counter_ns() - self._began, "died", number))

    def _note(self, event: Event) -> None:
        self.dropped += len(self.timeline) == KEPT
        self.timeline.append(event)

    # ---- what it says

    @property
    def elapsed(self) -> int:
        """Nanoseconds of the block so far."""
        return (self._ended or time.perf_counter_ns()) - self._began if self._began else 0

    @property
    def share(self) -> float:
        """The part of the time that collections took."""
        return sum(totals[2] for totals in self._totals.values()) / self.elapsed if self.elapsed else 0.0

    @property
    def born(self) -> int:
        """Maps made in the block, by anybody, those of sets too."""
        return self._count(0)

    @property
    def died(self) -> int:
        """Maps gone in the block."""
        return self._count(1)

    def _count(self, which: int) -> int:
        if not self._began:
            return 0
        return (self._counts_after if self._ended else map_counts())[which] - self._counts[which]

    def pauses(self) -> dict[int, Pauses]:
        """The pauses of each generation that was collected."""
        return {
            generation: Pauses(*totals, *(percentile(self._durations[generation], p) for p in (50, 95, 99)))
            for generation, totals in sorted(self._totals.items())
        }

    def to_json(self) -> dict[str, Any]:
        """Everything, of types that ``json.dumps`` takes."""
        return {
            "schema_version": SCHEMA_VERSION,
            "environment": environment(),
            "elapsed_ns": self.elapsed,
            "share": self.share,
            "born": self.born,
            "died": self.died,
            "pauses": {str(generation): asdict(one) for generation, one in self.pauses().items()},
            "timeline": [asdict(event) for event in self.timeline],
            "dropped": self.dropped,
        }

    def __str__(self) -> str:
        page = [
            f"The collector took {100 * self.share:.2g} % of {self.elapsed / 1e9:.3g} s; {self.born:,} maps made, "
            f"{self.died:,} gone. {environment()['python']}.",
            "",
            "generation    count   collected      total        max        p50        p95        p99",
        ]
        for generation, one in self.pauses().items():
            times = "".join(f"{n / 1e6:>8.3f} ms" for n in (one.total, one.max, one.p50, one.p95, one.p99))
            page.append(f"{generation:<10}{one.count:>9,}{one.collected:>12,}{times}")
        events = [event for event in self.timeline if event.what != "pause"]
        if events:
            page += [
                "",
                "Of the maps" if len(events) <= SHOWN else f"Of the maps (the last {SHOWN} of {len(events):,})",
            ]
        for event in events[-SHOWN:]:
            change = "" if event.what == "died" else f" {event.before:,} -> {event.after:,}"
            page.append(f"  {event.at / 1e6:>10.3f} ms  map {event.map}: {event.what}{change}")
        return "\n".join(page)


def tell(watch: weakref.ref[CollectorWatch], number: int) -> None:
    """Tell a watch, if it is still there, that a map died."""
    found = watch()
    if found is not None:
        found._died(number)


def percentile(values: Iterable[int], p: float) -> int:
    """The nearest-rank percentile.

    >>> percentile([4, 1, 3, 2], 50), percentile([4, 1, 3, 2], 99), percentile([7], 50)
    (2, 4, 7)
    """
    ordered = sorted(values)
    return ordered[max(0, math.ceil(p / 100 * len(ordered)) - 1)]
