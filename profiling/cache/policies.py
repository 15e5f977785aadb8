"""What the cache's policies and sizes cost in time: loads hashed by caches with different settings.

Owns the loads, the settings that are compared, and the timing. Each setting has processes of its own, since what was
hashed before decides where in memory digests lie. Times are CPU nanoseconds per key, including the loop over the keys.
"""

import gc
import time
from collections.abc import Callable
from typing import Any

from cache import rules
from core import corpus, estimates
from pyhmap import HMap
from tophash_cache import TopHashCache

OFF, AGAIN = "off", "off again"
POLICIES: dict[str, dict[str, Any]] = {
    OFF: {"enabled": False},
    AGAIN: {"enabled": False},
    "cost": {"policy": "cost"},
    "hit-rate": {"policy": "hit-rate"},
    "always": {"policy": "always"},
}
# What max_entries was chosen among.
TRIED = (2048, 4096, 8192, 16384, 32768)
SIZES: dict[str, dict[str, Any]] = {
    f"{policy} {size}": {"policy": policy, "max_entries": size} for policy in ("cost", "hit-rate") for size in TRIED
}
ARMS = POLICIES | SIZES
# Keys that are made at once, as new objects, outside of the timed loop.
CHUNK = 50_000

SAME, NEW, IN_MAP = "same objects", "new objects", "in a map"


def written(numbers: list[str]) -> list[str]:
    """Keys of 16 bytes, the same object each time a number comes."""
    made: dict[str, str] = {}
    return [made.setdefault(number, f"{number.rpartition(' ')[2]:0>16}") for number in numbers]


def interned(words: list[str]) -> list[str]:
    """The same words, each the same object each time it comes."""
    seen: dict[str, str] = {}
    return [seen.setdefault(word, word) for word in words]


def loads(count: int) -> dict[str, Callable[[], list[Any]]]:
    """The keys of each load, by its name: about ``count``; of the source code as many, if it has them."""

    def code() -> list[str]:
        words = corpus.load(corpus.standard_library(), every=rules.EVERY).text.split("\n")
        return words[:count]

    few = {size: lambda size=size: written(rules.uniform(count, size, 3)) for size in (100, 1000, 4000, 8000)}
    skewed = {power: lambda power=power: written(rules.zipf(count, power, 50_000, 3)) for power in (1.0, 1.2)}
    return {
        f"100 str, {SAME}": few[100],
        f"1000 str, {SAME}": few[1000],
        f"4000 str, {SAME}": few[4000],
        f"8000 str, {SAME}": few[8000],
        f"1000 bytes, {SAME}": lambda: as_bytes(few[1000]()),
        f"zipf 1.2, {SAME}": skewed[1.2],
        f"zipf 1.0, {SAME}": skewed[1.0],
        f"source code, {SAME}": lambda: interned(code()),
        f"1000 str, {NEW}": few[1000],
        f"zipf 1.2, {NEW}": skewed[1.2],
        f"source code, {NEW}": code,
        f"scan, {NEW}": lambda: written(rules.scan(count)),
        f"1000 str, {IN_MAP}": few[1000],
    }


def as_bytes(keys: list[str]) -> list[bytes]:
    """The same keys as bytes, one object for each that comes again."""
    made = {key: key.encode() for key in keys}
    return [made[key] for key in keys]


def copies(keys: list[Any]) -> list[Any]:
    """New objects of the same content, none of which Python has hashed."""
    return [key.encode().decode() if isinstance(key, str) else bytes(bytearray(key)) for key in keys]


def hasher(load: str, settings: dict[str, Any], keys: list[Any]) -> tuple[Callable[[Any], Any], TopHashCache]:
    """What is called with each key, and the cache behind it."""
    cache = TopHashCache(**{"enabled": True, **settings})
    if not load.endswith(IN_MAP):
        return cache.hash, cache
    m = HMap(str, int, hash="xxh64", hash_cache=cache)
    m.set_many(keys, 0)
    return m.__getitem__, cache


def one_pass(call: Callable[[Any], Any], keys: list[Any]) -> int:
    """CPU nanoseconds of a call for each key."""
    began = time.process_time_ns()
    for key in keys:
        call(key)
    return time.process_time_ns() - began


def measure(load: str, arm: str, keys: list[Any]) -> dict[str, Any]:
    """Nanoseconds per key, and the share of calls that was looked up: of all, and of the second half; the hit rate."""
    call, cache = hasher(load, ARMS[arm], keys)
    spent = spent_early = looked_up_early = 0
    late = len(keys) // 2 // CHUNK * CHUNK  # where the second half begins
    gc.collect()
    gc.disable()  # a collection would be charged to a key at random
    for start in range(0, len(keys), CHUNK):
        if start == late:
            spent_early, looked_up_early = spent, looked_up(cache)
        chunk = keys[start : start + CHUNK]
        spent += one_pass(call, copies(chunk) if load.endswith(NEW) else chunk)
    gc.enable()
    return {
        "load": load,
        "ns": spent / len(keys),
        "hit_rate": cache.stats().hit_rate,
        "looked_up": looked_up(cache) / len(keys),
        "ns_late": (spent - spent_early) / (len(keys) - late),
        "looked_up_late": (looked_up(cache) - looked_up_early) / (len(keys) - late),
    }


def looked_up(cache: TopHashCache) -> int:
    """Calls that were looked up so far."""
    info = cache.cache_info()
    return info.hits + info.misses


def evaluate(arm: str, count: int) -> list[dict[str, Any]]:
    """A row for each load of about ``count`` calls."""
    return [measure(load, arm, make()) for load, make in loads(count).items()]


def loses(one: dict[str, float]) -> bool:
    """Whether a cache costs more than one that is off, by their ratio: in the whole interval, and by over 2 %."""
    return one["low"] > 1 and one["value"] > 1 + estimates.SMALLEST_CHANGE
