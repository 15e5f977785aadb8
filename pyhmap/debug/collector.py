"""The collector's pauses and the events of maps, on one time line.

During a ``with`` block, a callback in ``gc.callbacks`` measures each collection and then reads the headers of the maps.
References to maps are weak: a watched map can die.
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

from pyhmap._core import HMapCore
from pyhmap._engine.typed import map_counts
from pyhmap._inspect.views import Header, header
from pyhmap.debug.diagnosis import environment

SCHEMA_VERSION = 1
# Pauses per generation that are kept for percentiles, and events that are kept: hours of collections, in under 2 MB.
KEPT = 10_000
SHOWN = 20  # events in the report


@dataclass(frozen=True)
class Pauses:
    """The collections of one generation. Times are in nanoseconds, percentiles are of the last 10,000 pauses."""

    count: int
    collected: int  #: objects found in cycles
    total: int
    max: int
    p50: int
    p95: int
    p99: int


@dataclass(frozen=True)
class Event:
    """An event on the time line."""

    at: int  #: nanoseconds since the block began
    what: str  #: "pause", "B", "growth began", "growth ended", "noverflow", "died"
    map: int | None = None  #: index of the watched map; None for a pause
    before: int = 0  #: the old B, noverflow or oldbuckets; for a pause, its generation
    after: int = 0  #: the new B, noverflow or oldbuckets; for a pause, its nanoseconds


class CollectorWatch:
    """Watch the collector, and some maps, during a ``with`` block.

    Parameters
    ----------
    maps
        ``HMap`` or ``HSet`` objects whose headers are read after each collection. References to them are weak.

    Notes
    -----
    Raises ``TypeError`` if one of them is not a map or set. The results can be read inside the block and after it. A
    watch can be used once: a second ``with`` raises ``RuntimeError``.

    >>> import numpy as np, gc
    >>> from pyhmap import HMap, debug
    >>> m = HMap(np.int64, np.int64)
    >>> _ = gc.collect()  # otherwise a map in a cycle might die in the block
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
        self.dropped = 0  #: number of events dropped because there were more
        self._durations: dict[int, deque[int]] = {}
        self._totals: dict[int, list[int]] = {}  # generation -> count, collected, total, max
        self._began = self._start = self._ended = 0
        self._counts = self._counts_after = (0, 0)
        self._maps: list[weakref.ref[Any]] = []
        self._headers: list[Header] = []
        watch = weakref.ref(self)  # a callback with a reference to the watch would make a cycle
        for number, given in enumerate(maps):
            m = getattr(given, "_map", given)
            if not isinstance(m, HMapCore):
                raise TypeError(f"maps[{number}] is a {type(given).__name__}: give HMap or HSet objects")
            self._maps.append(weakref.ref(m, lambda _, number=number: tell(watch, number)))  # type: ignore[misc]
            self._headers.append(header(HMapCore._state(m)))

    def __enter__(self) -> Self:
        if self._began:
            raise RuntimeError("this CollectorWatch was used before: make a new one")
        self._counts = map_counts()
        self._began = time.perf_counter_ns()
        gc.callbacks.append(self._collecting)
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self._look()  # events since the last collection
            self._ended = time.perf_counter_ns()
            self._counts_after = map_counts()
        finally:
            gc.callbacks.remove(self._collecting)

    # ---- events

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
        """Read the header of each watched map and note the changes."""
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

    # ---- results

    @property
    def elapsed(self) -> int:
        """The duration of the block so far, in nanoseconds."""
        return (self._ended or time.perf_counter_ns()) - self._began if self._began else 0

    @property
    def share(self) -> float:
        """The share of the time that collections took, 0 to 1."""
        return sum(totals[2] for totals in self._totals.values()) / self.elapsed if self.elapsed else 0.0

    @property
    def born(self) -> int:
        """The number of maps made in the block, in the whole process, including those of sets."""
        return self._count(0)

    @property
    def died(self) -> int:
        """The number of maps that died in the block."""
        return self._count(1)

    def _count(self, which: int) -> int:
        if not self._began:
            return 0
        return (self._counts_after if self._ended else map_counts())[which] - self._counts[which]

    def pauses(self) -> dict[int, Pauses]:
        """The pauses of each generation that was collected, by generation."""
        return {
            generation: Pauses(*totals, *(percentile(self._durations[generation], p) for p in (50, 95, 99)))
            for generation, totals in sorted(self._totals.items())
        }

    def to_json(self) -> dict[str, Any]:
        """All results, of types that ``json.dumps`` accepts."""
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
            f"{self.died:,} died. {environment()['python']}.",
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
                "Events of the maps" + (f" (the last {SHOWN} of {len(events):,})" if len(events) > SHOWN else ""),
            ]
        for event in events[-SHOWN:]:
            change = "" if event.what == "died" else f" {event.before:,} -> {event.after:,}"
            page.append(f"  {event.at / 1e6:>10.3f} ms  map {event.map}: {event.what}{change}")
        return "\n".join(page)


def tell(watch: weakref.ref[CollectorWatch], number: int) -> None:
    """Tell a watch, if it is alive, that a map died."""
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
