"""What the settings and constants of the cache are worth: the real cache over made and real traces, one value changed.

Owns the traces, the changed values and the score. Imports the package under test and the sibling ``corpus``. Nothing
here is timed; runs differ in the last digit shown, since an entry's "used" bit lies where its object does.

Score: what the look-ups won, as a share of all calls, if a look-up pays from a hit rate of 85 % on, which is what the
default floor says: (hits - 0.85 * look-ups) / calls. A cache that is off scores 0. So a rule is good where it scores
as high as a cache that is always on, or 0 where that one's score is negative.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import corpus
from tophash_cache import Mode, TopHashCache, controller

PAYS_FROM = 0.85
# Files of the standard library that make the corpus: each eighth holds 400,000 identifiers in their own order.
EVERY = 8
PHASE = 200_000  # calls a phase lasts
KEYS = 50_000

Trace = list[str]

DEFAULT, ALWAYS = "as it is", "always on"
# What is changed: settings by their names, constants of the controller in capitals.
CHANGES: dict[str, dict[str, Any]] = {
    DEFAULT: {},
    ALWAYS: {"policy": "always"},
    "window 512": {"window": 512},
    "window 1024": {"window": 1024},
    "window 16384": {"window": 16384},
    "max_entries 2048": {"max_entries": 2048},
    "max_entries 32768": {"max_entries": 32768},
    "resume_at 0.85": {"resume_at": 0.85},
    "resume_at 0.95": {"resume_at": 0.95},
    "TRIP_WINDOWS 1": {"TRIP_WINDOWS": 1},
    "TRIP_WINDOWS 4": {"TRIP_WINDOWS": 4},
    "NO_HITS 0": {"NO_HITS": 0.0},
    "WARM_UP_FILLS 1": {"WARM_UP_FILLS": 1},
    "SHORTFALL 0.2": {"SHORTFALL": 0.2},
    "SHORTFALL 0.8": {"SHORTFALL": 0.8},
    "GAPS all short": {"GAPS": (controller.GAPS[0],) * 4},
    "GAPS all long": {"GAPS": (controller.GAPS[3],) * 4},
    "TRUSTED_WINDOWS 1": {"TRUSTED_WINDOWS": 1},
}


def zipf(count: int, exponent: float, keys: int = KEYS) -> Trace:
    """Keys whose frequency falls with their rank to the power ``exponent``."""
    weights = [1 / rank**exponent for rank in range(1, keys + 1)]
    names = [f"key {rank}" for rank in range(keys)]
    return random.Random(1).choices(names, weights, k=count)


def scan(count: int, start: int = 0) -> Trace:
    """Keys that never repeat."""
    return [f"scan {number}" for number in range(start, start + count)]


def phases(count: int, scanned: float) -> Trace:
    """Strong skew, and for a share of each phase a scan."""
    hot = zipf(count, 1.2)
    for start in range(0, count, PHASE):
        end = min(count, start + int(scanned * PHASE))
        hot[start:end] = scan(end - start, start)
    return hot


def traces(count: int) -> Iterator[tuple[str, Trace]]:
    """All traces of about ``count`` calls, by name; the corpus has its own length."""
    for exponent in (0.8, 0.9, 1.0, 1.1, 1.2, 1.3):
        yield f"zipf {exponent}", zipf(count, exponent)
    names = [f"key {number}" for number in range(8000)]
    yield "4000 keys at random", random.Random(1).choices(names[:4000], k=count)
    yield "8000 keys in turn", (names * (count // len(names) + 1))[:count]
    yield "scan", scan(count)
    yield "half scan", phases(count, 0.5)
    yield "tenth scan", phases(count, 0.1)
    yield "source code", corpus.load(corpus.standard_library(), every=EVERY).text.split("\n")


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
        {"trace": name, "calls": len(trace), "change": label, **run(trace, change)}
        for name, trace in traces(count)
        for label, change in CHANGES.items()
    ]
