"""The cases of the verb ``leaks``: programs that keep a map's memory alive by mistake, each beside its fixed form.

Owns what one call of each form does, which verdict is expected, and what the article says of it. Each call stores its
result in the next of ``PLACES`` places, all of which hold a result of the fixed form beforehand. So the fixed form
leaves the process as it found it, and what the leaking form adds is the leak.
"""

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyhmap import HMap

# More than leakcheck calls in its longest search, so that no call meets a place that a leaking call has filled.
PLACES = 6000
ROW = 1000  # floats of a row of data, 8 kB
SAMPLES = 10_000  # floats that the small view is one of three of, 80 kB
KEYS = np.arange(500)
BEFORE_GROWTH = 208  # int64 keys that fill 32 buckets: the next one starts a growth
BURST = np.arange(100, 2100)  # keys that come and go
CLEAN, HELD, RETAINED = "clean", "held references", "retained capacity"

kept: Any = [None] * PLACES
turn = itertools.count()


def keep(thing: Any) -> None:
    """Put a result into the next place, as a service does with the state of its next client."""
    kept[next(turn) % PLACES] = thing


def filled(keys: np.ndarray = KEYS) -> HMap:
    """A map of int64 to int64 in which every key has itself."""
    m = HMap(np.int64, np.int64)
    m.set_many(keys, keys)
    return m


# --- a closure that captures a loop variable ---


def rows() -> HMap:
    """Three rows of data by their number."""
    m = HMap(np.int64, object)
    for number in range(3):
        m[number] = np.full(ROW, float(number))
    return m


def closure_leaking() -> None:
    """The handlers share one variable: each would sum the last row, and they hold it."""
    handlers = []
    for _number, row in rows().items():
        handlers.append(lambda: row.sum())  # noqa: B023  the linter's name for this case
    keep(handlers)


def closure_fixed() -> None:
    """Each handler has a figure of its own."""
    handlers = []
    for _number, row in rows().items():
        total = float(row.sum())
        handlers.append(lambda total=total: total)
    keep(handlers)


# --- a small view that pins a large array ---


def places_of_a_map() -> None:
    """The places are the values of a map."""
    global kept
    kept = HMap(np.int64, object, dict.fromkeys(range(PLACES)))


def view_leaking() -> None:
    """Three of ten thousand samples are wanted; the view keeps the other 9,997."""
    samples = np.zeros(SAMPLES)
    keep(samples[:3])


def view_fixed() -> None:
    """A copy keeps three."""
    samples = np.zeros(SAMPLES)
    keep(samples[:3].copy())


# --- a concurrent dict's leftover ---


class ConcurrentMap:
    """Go's ``sync.Map`` in small: readers look into one map, writers into another, which takes its place."""

    def __init__(self) -> None:
        self._read, self._dirty = HMap(np.int64, np.int64), filled()

    def promote(self) -> None:
        """What was written becomes what is read; nothing refers to the earlier copy any more."""
        self._read, self._dirty = self._dirty, self._dirty.copy()


shared = ConcurrentMap()


def leftover_leaking() -> None:
    """A monitor looks at the map inside by reflection, and remembers what it looked at."""
    keep(vars(shared)["_dirty"])
    shared.promote()


def leftover_fixed() -> None:
    """It remembers a figure."""
    keep(vars(shared)["_dirty"].header().count)
    shared.promote()


# --- a bucket array held after growth ---


def buckets_leaking() -> None:
    """One row of eight tophashes, as a view: it keeps the whole array that the map has grown out of."""
    m = filled(KEYS[:400])
    first = m.bucket_arrays().tophash[0]
    m.set_many(KEYS, KEYS)
    keep(first)


def buckets_fixed() -> None:
    """The row as a copy."""
    m = filled(KEYS[:400])
    first = m.bucket_arrays().tophash[0].copy()
    m.set_many(KEYS, KEYS)
    keep(first)


# --- a cached method that pins its object ---


class Report:
    """Counts, and a total that is asked for often."""

    def __init__(self) -> None:
        self.counts = filled()

    @functools.lru_cache(maxsize=None)  # noqa: B019, UP033  the linter's names for this case
    def total(self) -> int:
        """The cache belongs to the class, and its keys are the objects."""
        return int(self.counts.values_array().sum())


class FixedReport:
    """The same with a cache that belongs to the object."""

    def __init__(self) -> None:
        self.counts = filled()

    @functools.cached_property
    def total(self) -> int:
        """Dies with the object."""
        return int(self.counts.values_array().sum())


def method_leaking() -> None:
    """A report that is used once."""
    Report().total()


def method_fixed() -> None:
    """The same."""
    _ = FixedReport().total


# --- a suspended iterator ---


def iterator_leaking() -> None:
    """The first item is wanted; the iterator waits for somebody to ask for more, and holds the map."""
    walk = iter(filled().items())
    next(walk)
    keep(walk)


def iterator_fixed() -> None:
    """The item itself."""
    keep(next(iter(filled().items())))


# --- growth that never finishes ---


def growth_leaking() -> None:
    """A shard is loaded again, one key at a time; the last key starts a growth, and nobody touches the shard again."""
    m = HMap(np.int64, np.int64)
    for key in range(BEFORE_GROWTH + 1):
        m[key] = key
    keep(m)


def growth_fixed() -> None:
    """The growth is ended."""
    m = HMap(np.int64, np.int64)
    for key in range(BEFORE_GROWTH + 1):
        m[key] = key
    m.finish_growth()
    keep(m)


# --- a map that was large once ---


def places_of_maps() -> None:
    """Each place has a map of ten keys that nothing was deleted from yet."""
    global kept
    kept = [filled(KEYS[:10]) for _ in range(PLACES)]


def burst(m: HMap) -> None:
    """Two thousand keys come and go."""
    m.set_many(BURST, BURST)
    m.discard_many(BURST)


def reserved_leaking() -> None:
    """Room was asked for before the burst: it is kept until compact() is called."""
    m = kept[next(turn) % PLACES]
    m.reserve(len(BURST))
    burst(m)


def reserved_fixed() -> None:
    """The same, and compact() at the end."""
    m = kept[next(turn) % PLACES]
    m.reserve(len(BURST))
    burst(m)
    m.compact()


def deleted() -> None:
    """Deletion alone: Go's map would keep the buckets, this one shrinks."""
    burst(kept[next(turn) % PLACES])


# --- all of them ---


@dataclass(frozen=True)
class Form:
    """One call of a program, and the verdict that is expected of it."""

    call: Callable[[], None]
    expected: str


@dataclass(frozen=True)
class Case:
    """A program that leaks, and the same without its mistake."""

    name: str
    article: str  #: its section and what it says; empty where it does not speak of it
    leaking: Form
    fixed: Form
    remedy: str  #: what to do instead of the mistake
    prepare: Callable[[], None] = lambda: None  #: makes the places, where they are not a list of nothing yet
    rest: Callable[[], None] | None = (
        None  #: what has been in each place when the leak begins; that of the fixed form if None
    )


CASES = {
    case.name: case
    for case in (
        Case(
            "closure over a loop variable",
            "3.1: every closure has the last value, and keeps it alive",
            Form(closure_leaking, HELD),
            Form(closure_fixed, CLEAN),
            "bind what is needed, as a default",
        ),
        Case(
            "view of a large array as a value",
            "3.2: a pointer in an interface{} keeps what it points to",
            Form(view_leaking, HELD),
            Form(view_fixed, CLEAN),
            "copy the part",
            prepare=places_of_a_map,
        ),
        Case(
            "concurrent dict's leftover by reflection",
            "3.3: sync.Map's dirty map, reached by reflection, is never freed",
            Form(leftover_leaking, HELD),
            Form(leftover_fixed, CLEAN),
            "keep figures, not the map inside",
        ),
        Case(
            "bucket array held after growth",
            "4.2: a pointer into a bucket; that it keeps the array is not said",
            Form(buckets_leaking, HELD),
            Form(buckets_fixed, CLEAN),
            "copy the row",
        ),
        Case(
            "cached method that pins its object",
            "",
            Form(method_leaking, HELD),
            Form(method_fixed, CLEAN),
            "cached_property",
        ),
        Case(
            "suspended iterator",
            "",
            Form(iterator_leaking, HELD),
            Form(iterator_fixed, CLEAN),
            "keep the item, not the iterator",
        ),
        Case(
            "growth that never finishes",
            "4.3: old and new buckets side by side: memory doubles meanwhile",
            Form(growth_leaking, RETAINED),
            Form(growth_fixed, CLEAN),
            "finish_growth()",
        ),
        Case(
            "map that was large once, by reserve()",
            "",
            Form(reserved_leaking, RETAINED),
            Form(reserved_fixed, CLEAN),
            "compact()",
            prepare=places_of_maps,
        ),
        # What Go's maps do (issue 20135 of Go), and these do not: the form that would leak there is clean here.
        Case(
            "map that was large once, by deletion alone",
            "",
            Form(deleted, CLEAN),
            Form(deleted, CLEAN),
            "nothing to fix: deletion shrinks the map",
            prepare=places_of_maps,
            rest=deleted,
        ),
    )
}
ARMS = ("leaking", "fixed")


def prepared(name: str, arm: str) -> Callable[[], None]:
    """The call of one form of a case, with every place filled by what the fixed form leaves."""
    case = CASES[name]
    case.prepare()
    rest = case.rest or case.fixed.call
    for _ in range(PLACES):
        rest()
    return getattr(case, arm).call
