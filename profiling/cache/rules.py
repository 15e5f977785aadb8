"""What the settings and constants of the cache are worth: the real cache over traces, with one value changed.

Owns the traces, the changed values and the score. Nothing here is timed. Runs differ in the last digit shown, since an
entry's "used" bit depends on where its object lies.

There are two sets of traces. The values were chosen on the first; the second shows what they are worth. It has other
exponents, sizes, seeds and phases, and the other half of the real text.

Score: (hits - 0.85 * look-ups) / calls, that is, what the look-ups gained as a share of all calls, if a look-up pays
from a hit rate of 85 % on, as the default floor says. A cache that is off scores 0. So a rule is good if it scores as
high as a cache that is always on, or 0 where that score is negative. The policy is "hit-rate" throughout, since the
other one depends on time.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from core import corpus
from tophash_cache import Mode, TopHashCache, controller

PAYS_FROM = 0.85
# Files of the standard library that make the corpus: each fourth. Each half of its text holds 400,000 identifiers.
EVERY = 4
TUNING, HELD_OUT = "tuning", "held out"
# Of a score: below it a change loses nothing, since runs differ by about as much.
SMALLEST_DROP = 0.002

Trace = list[str]

DEFAULT, ALWAYS = "as it is", "always on"
# What is changed: settings by their names, constants of the controller in capitals.
CHANGES: dict[str, dict[str, Any]] = {
    DEFAULT: {},
    ALWAYS: {"policy": "always"},
    "window 1024": {"window": 1024},
    "window 4096": {"window": 4096},
    "window 16384": {"window": 16384},
    "max_entries 2048": {"max_entries": 2048},
    "max_entries 4096": {"max_entries": 4096},
    "max_entries 16384": {"max_entries": 16384},
    "max_entries 32768": {"max_entries": 32768},
    "resume_at 0.85": {"resume_at": 0.85},
    "resume_at 0.95": {"resume_at": 0.95},
    "TRIP_WINDOWS 1": {"TRIP_WINDOWS": 1},
    "TRIP_WINDOWS 4": {"TRIP_WINDOWS": 4},
    "NO_HITS 0": {"NO_HITS": 0.0},
    "WARM_UP_FILLS 1": {"WARM_UP_FILLS": 1},
    "WARM_UP_FILLS 8": {"WARM_UP_FILLS": 8},
    "PROBE_WINDOWS 2": {"PROBE_WINDOWS": 2},
    "PROBE_WINDOWS 8": {"PROBE_WINDOWS": 8},
    "GAPS all short": {"GAPS": (controller.GAPS[0],) * 4},
    "GAPS all long": {"GAPS": (controller.GAPS[3],) * 4},
}


def zipf(count: int, exponent: float, keys: int, seed: int) -> Trace:
    """Keys whose frequency falls with their rank to the power ``exponent``."""
    weights = [1 / rank**exponent for rank in range(1, keys + 1)]
    names = [f"key {rank}" for rank in range(keys)]
    return random.Random(seed).choices(names, weights, k=count)


def uniform(count: int, keys: int, seed: int) -> Trace:
    """Few keys, each as likely as any other."""
    return random.Random(seed).choices([f"key {number}" for number in range(keys)], k=count)


def in_turn(count: int, keys: int) -> Trace:
    """Few keys, one after the other, over and over."""
    names = [f"key {number}" for number in range(keys)]
    return (names * (count // keys + 1))[:count]


def scan(count: int, start: int = 0) -> Trace:
    """Keys that never repeat."""
    return [f"scan {number}" for number in range(start, start + count)]


def phases(count: int, period: int, scanned: int, seed: int) -> Trace:
    """Strong skew, but so many calls at the beginning of each period are a scan."""
    hot = zipf(count, 1.4, 50_000, seed)
    for start in range(0, count, period):
        end = min(count, start + scanned)
        hot[start:end] = scan(end - start, start)
    return hot


def renewed(count: int, period: int, seed: int) -> Trace:
    """Strong skew, over other keys in each period, a tenth of which is a scan that comes before them."""
    hot = phases(count, period, period // 10, seed)
    return [f"{place // period} {key}" for place, key in enumerate(hot)]


def traces(count: int) -> Iterator[tuple[str, str, Trace]]:
    """``(set, name, trace)`` of all traces of about ``count`` calls; the corpus has its own length."""
    for exponent in (0.8, 1.0, 1.2, 1.4):
        yield TUNING, f"zipf {exponent}", zipf(count, exponent, 50_000, 1)
    yield TUNING, "1000 at random", uniform(count, 1000, 1)
    yield TUNING, "8000 at random", uniform(count, 8000, 1)
    yield TUNING, "9600 at random", uniform(count, 9600, 1)  # a hit rate near the floor
    yield TUNING, "8000 in turn", in_turn(count, 8000)
    yield TUNING, "scan", scan(count)
    yield TUNING, "100 of 200 scan", phases(count, 200_000, 100_000, 1)
    yield TUNING, "70 of 100 scan", phases(count, 100_000, 70_000, 1)
    yield TUNING, "new keys each 300", renewed(count, 300_000, 1)
    for exponent, keys in ((0.9, 30_000), (1.1, 100_000), (1.3, 100_000), (1.5, 20_000)):
        yield HELD_OUT, f"zipf {exponent}", zipf(count, exponent, keys, 2)
    yield HELD_OUT, "700 at random", uniform(count, 700, 2)
    yield HELD_OUT, "7800 at random", uniform(count, 7800, 2)
    yield HELD_OUT, "9400 at random", uniform(count, 9400, 2)
    yield HELD_OUT, "7000 in turn", in_turn(count, 7000)
    yield HELD_OUT, "scan, longer", scan(2 * count)
    yield HELD_OUT, "15 of 150 scan", phases(count, 150_000, 15_000, 2)
    yield HELD_OUT, "60 of 80 scan", phases(count, 80_000, 60_000, 2)
    yield HELD_OUT, "new keys each 170", renewed(count, 170_000, 2)
    words = corpus.load(corpus.standard_library(), every=EVERY).text.split("\n")
    half = len(words) // 2
    yield TUNING, "source code, first half", words[:half]
    yield HELD_OUT, "source code, second half", words[half:]


@contextmanager
def changed(constants: dict[str, Any]) -> Iterator[None]:
    """Other constants of the controller, inside the ``with`` block."""
    old = {name: getattr(controller, name) for name in constants}
    try:
        for name, value in constants.items():
            setattr(controller, name, value)
        yield
    finally:
        for name, value in old.items():
            setattr(controller, name, value)


def run(trace: Trace, change: dict[str, Any]) -> dict[str, Any]:
    """What a cache did with a trace: score, hit rate of the look-ups, their share of the calls, changes of mode.

    >>> run(scan(1000), {})
    {'score': -0.85, 'hit_rate': 0.0, 'looked_up': 1.0, 'switched': 0}
    """
    with changed({name: value for name, value in change.items() if name.isupper()}):
        settings = {name: value for name, value in change.items() if not name.isupper()}
        cache = TopHashCache(**{"enabled": True, "policy": "hit-rate", **settings})
        hash_key = cache.hash
        for key in trace:
            hash_key(key)
        stats = cache.stats()
    looked_up = stats.hits + stats.misses
    # Probes that fail are no switch. Of the last 64 changes; a cache that has more flaps.
    switches = {(Mode.ACTIVE, Mode.BYPASS), (Mode.WARM_UP, Mode.BYPASS), (Mode.PROBE, Mode.ACTIVE)}
    switched = sum((step.old, step.new) in switches for step in stats.transitions)
    return {
        "score": round((stats.hits - PAYS_FROM * looked_up) / len(trace), 5),
        "hit_rate": round(stats.hits / looked_up, 4),
        "looked_up": round(looked_up / len(trace), 4),
        "switched": switched,
    }


def evaluate(count: int) -> list[dict[str, Any]]:
    """A row for each trace and change."""
    return [
        {"set": group, "trace": name, "calls": len(trace), "change": label, **run(trace, change)}
        for group, name, trace in traces(count)
        for label, change in CHANGES.items()
    ]


class Total(NamedTuple):
    """What a change comes to over all traces."""

    scores: dict[str, float]  # for each set of traces the sum, in percent
    switched: dict[str, int]
    loss: str  # the trace on which it loses most against no change, and both scores there; empty if it loses nowhere


def totals(rows: list[dict[str, Any]]) -> dict[str, Total]:
    """What each change comes to, from the rows of ``evaluate``."""
    by_change: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_change.setdefault(row["change"], []).append(row)
    made = {}
    for change, its in by_change.items():
        sets = {group: [row for row in its if row["set"] == group] for group in (TUNING, HELD_OUT)}
        pairs = zip(its, by_change[DEFAULT], strict=True)
        row, usual = min(pairs, key=lambda pair: pair[0]["score"] - pair[1]["score"])
        loses = usual["score"] - row["score"] > SMALLEST_DROP
        made[change] = Total(
            {group: 100 * sum(row["score"] for row in some) for group, some in sets.items()},
            {group: sum(row["switched"] for row in some) for group, some in sets.items()},
            f"{row['trace']}: {100 * row['score']:.1f} instead of {100 * usual['score']:.1f}" if loses else "",
        )
    return made
