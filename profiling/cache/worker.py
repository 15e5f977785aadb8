"""A measuring process of ``cache``: one measurement, printed as one line of JSON.

Owns what each arm does with a key. Times are CPU nanoseconds per key, including the loop over the keys, since a program
has that loop too.
"""

import argparse
import functools
import gc
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import xxhash

from cache import policies, rules
from pyhmap import HMap
from tophash_cache import TopHashCache, break_even, xxh64

Keys = list[Any]

# The keys of a case: few, so that the entries of every cache stay in the processor's inner caches.
KEYS = 1000
# Passes over them, of which the median counts: a pass is short, so most are undisturbed.
PASSES = 101
# (kind, bytes, whether a key comes again as a new object)
CASES = [(kind, length, False) for kind in ("str", "bytes") for length in (8, 16, 32, 64)] + [("str", 16, True)]
# Keys of a scan are made a chunk at a time, outside of the timed loop; both caches are timed in turn on each chunk.
SCAN_CHUNK = 10_000
MIXES = (0.0, 0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0)


def make_keys(kind: str, length: int, numbers: range) -> Keys:
    """New key objects that Python has not hashed yet."""
    texts = [f"{number:0{length}}" for number in numbers]
    return texts if kind == "str" else [text.encode() for text in texts]


def encoded(call: Callable[[bytes], int]) -> Callable[[Keys], None]:
    """A pass in which each str is encoded first."""

    def one_pass(keys: Keys) -> None:
        for key in keys:
            call(key.encode())

    return one_pass


def plain(call: Callable[[Any], object]) -> Callable[[Keys], None]:
    """A pass in which each key is handed over as it is."""

    def one_pass(keys: Keys) -> None:
        for key in keys:
            call(key)

    return one_pass


def loop(keys: Keys) -> None:
    """A pass that does nothing, which the other passes include."""
    for _ in keys:
        pass


def object_form(kind: str) -> Callable[[Keys], None]:
    """The article's before: a hash object per key, and for a str a conversion."""
    make = xxhash.xxh64

    def of_str(keys: Keys) -> None:
        for key in keys:
            make(key.encode()).intdigest()

    def of_bytes(keys: Keys) -> None:
        for key in keys:
            make(key).intdigest()

    return of_str if kind == "str" else of_bytes


def build(arm: str, kind: str, keys: Keys) -> tuple[Callable[[Keys], None], Callable[[Any], int] | None]:
    """A pass over keys, and the call that it makes per key, if there is one; whatever caches holds all the keys."""
    oneshot = xxhash.xxh64_intdigest
    if arm == "object":
        return object_form(kind), None
    if arm == "oneshot":
        return (encoded(oneshot) if kind == "str" else plain(oneshot)), None
    if arm == "direct":
        return plain(xxh64), xxh64
    if arm == "many":
        return TopHashCache().hash_many, None
    if arm == "loop":
        return loop, None
    if arm == "cache":
        call: Any = TopHashCache(policy="always").hash  # what a hit costs, wherever the cache would be off
    elif arm == "lru_cache":
        call = functools.lru_cache(maxsize=8192)(xxh64)
    else:
        if arm == "dict":
            held: Any = {}
        elif arm == "cachetools":
            import cachetools

            held = cachetools.LRUCache(8192)
        else:
            import cachebox

            held = cachebox.LRUCache(8192)
        for key in keys:
            held[key] = xxh64(key)
        call = held.get
    for key in keys:
        call(key)
    return plain(call), call


ARMS = ("cache", "dict", "lru_cache", "cachetools", "cachebox", "direct", "oneshot", "object", "many", "loop")


def measure_hits(arm: str) -> dict[str, Any]:
    """Nanoseconds per key for each case, and blocks of memory that a call leaves behind when its result is kept."""
    rows = []
    for kind, length, new_objects in CASES:
        keys = make_keys(kind, length, range(KEYS))
        one_pass, call = build(arm, kind, keys)
        if call:
            expected = [xxhash.xxh64_intdigest(key.encode() if kind == "str" else key) for key in keys]
            if [call(key) for key in keys] != expected:
                raise AssertionError(f"{arm} gives wrong digests for {kind} of {length} bytes")
        times = []
        for _ in range(PASSES):
            asked = make_keys(kind, length, range(KEYS)) if new_objects else keys
            began = time.process_time_ns()
            one_pass(asked)
            times.append((time.process_time_ns() - began) / KEYS)
        row = {"kind": kind, "length": length, "new_objects": new_objects, "ns": statistics.median(times)}
        rows.append(row | {"blocks_kept": blocks_kept(call, keys) if call else None})
    return {"rows": rows}


def blocks_kept(call: Callable[[Any], int], keys: Keys) -> float:
    """Blocks that the interpreter's allocator has handed out and not taken back, per call, with all results kept."""
    results: list[Any] = [None] * len(keys)
    call(keys[0])
    before = sys.getallocatedblocks()
    for place, key in enumerate(keys):
        results[place] = call(key)
    # What the loop itself keeps: two counters and the integer they are compared with.
    return max(0, sys.getallocatedblocks() - before - 3) / len(keys)


def measure_mixes(arm: str) -> dict[str, Any]:
    """Nanoseconds per key by the share of keys that are held, str of 16 bytes; the others are new and get stored.

    Both kinds come as objects that exist already, the held ones again and again.
    """
    held = make_keys("str", 16, range(KEYS))
    rows = []
    for share in MIXES:
        times = []
        for number in range(PASSES // 4):
            others = make_keys("str", 16, range(10**9 + number * KEYS, 10**9 + (number + 1) * KEYS))
            rng = random.Random(number)
            asked = [
                old if place < share * KEYS else new for place, (old, new) in enumerate(zip(held, others, strict=True))
            ]
            rng.shuffle(asked)
            if arm == "cache":
                cache = TopHashCache(policy="always")
                for key in held:
                    cache.hash(key)
                one_pass = plain(cache.hash)
            else:
                one_pass = build(arm, "str", [])[0]
            began = time.process_time_ns()
            one_pass(asked)
            times.append((time.process_time_ns() - began) / KEYS)
        rows.append({"share": share, "ns": statistics.median(times)})
    return {"rows": rows}


def measure_scan(count: int) -> dict[str, Any]:
    """A scan of ``count`` keys that never repeat, by a cache of default settings and by two that are switched off.

    Each chunk is hashed by all three, each time as new objects and in alternating order. The machine makes their times
    differ by far more than there is to measure. But in all chunks in which the cache looks nothing up it does the same:
    so of these the median difference counts, and of the few others each.
    """
    caches = {"on": TopHashCache(), "off": TopHashCache(enabled=False), "off again": TopHashCache(enabled=False)}
    took: dict[str, list[int]] = {name: [] for name in caches}
    with_look_ups = []
    names, looked_up = list(caches), 0
    gc.disable()  # a collection is no part of either, and would hit one of them
    for number, start in enumerate(range(0, count, SCAN_CHUNK)):
        for place in range(len(names)):
            name = names[(place + number) % len(names)]
            keys = make_keys("str", 16, range(start, start + SCAN_CHUNK))
            took[name].append(policies.one_pass(caches[name].hash, keys))
        before, looked_up = looked_up, policies.looked_up(caches["on"])
        with_look_ups.append(looked_up > before)
    off = sum(took["off"])
    return {
        "ns": {name: sum(values) / count for name, values in took.items()},
        "extra": extra(took["on"], took["off"], with_look_ups) / off,
        "extra_of_off_again": extra(took["off again"], took["off"], with_look_ups) / off,
        "looked_up": looked_up,
        "probes": caches["on"].stats().probes,
    }


def extra(times: list[int], others: list[int], apart: list[bool]) -> float:
    """By how much the times exceed the others: each of those set apart, and the median of the rest.

    >>> extra([50, 11, 12, 99], [10, 10, 10, 10], [True, False, False, False])
    46
    """
    more = [one - other for one, other in zip(times, others, strict=True)]
    rest = [value for value, is_apart in zip(more, apart, strict=True) if not is_apart]
    alone = sum(value for value, is_apart in zip(more, apart, strict=True) if is_apart)
    return alone + (len(rest) * statistics.median(rest) if rest else 0.0)


# Keys that are held, for what a hit costs as the entries leave the processor's inner caches.
HELD = (250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000)
HELD_ARMS = ("cache", "direct", "dict")


def measure_held(arm: str) -> dict[str, Any]:
    """Nanoseconds per key by the number of keys that are held, str of 16 bytes, the same objects in random order."""
    rows = []
    for held in HELD:
        keys = make_keys("str", 16, range(held))
        random.Random(1).shuffle(keys)
        if arm == "dict":
            call: Any = {key: xxh64(key) for key in keys}.get
        elif arm == "direct":
            call = xxh64
        else:
            call = TopHashCache(policy="always", max_entries=held).hash
            for key in keys:
                call(key)
        asked = random.Random(2).choices(keys, k=100_000)
        times = [policies.one_pass(call, asked) / len(asked) for _ in range(PASSES // 5)]
        rows.append({"held": held, "ns": statistics.median(times)})
    return {"rows": rows}


# How a map hashes its str keys: the settings of HMap, and whether it has a cache. None: a dict.
MAPS: dict[str, dict[str, Any] | None] = {
    "HMap": {},
    "HMap xxh64": {"hash": "xxh64"},
    "HMap xxh64, cache": {"hash": "xxh64"},
    "dict in maps": None,
}
MAP_SIZES = (1000, 100_000)


def measure_map(arm: str) -> dict[str, Any]:
    """Nanoseconds of ``m[key]``, str of 16 bytes, the same objects in random order, loop included."""
    rows = []
    for size in MAP_SIZES:
        keys = make_keys("str", 16, range(size))
        settings = MAPS[arm]
        if settings is None:
            m: Any = {}
        else:
            cached = {"hash_cache": TopHashCache(policy="hit-rate")} if arm.endswith("cache") else {}
            m = HMap(str, int, **settings, **cached)
        for number, key in enumerate(keys):
            m[key] = number
        asked = random.Random(1).choices(keys, k=20_000)
        times = []
        for _ in range(PASSES // 4):
            began = time.process_time_ns()
            for key in asked:
                m[key]
            times.append((time.process_time_ns() - began) / len(asked))
        rows.append({"size": size, "ns": statistics.median(times)})
    return {"rows": rows}


def main(arguments: list[str]) -> None:
    """Measure as the arguments say and print the result."""
    parser = argparse.ArgumentParser(prog="cache/worker.py", description=__doc__.splitlines()[0])
    parser.add_argument("measure", choices=["hits", "held", "mixes", "maps", "scan", "break-even", "policies", "rules"])
    parser.add_argument("--arm", choices=[*ARMS, *MAPS, *policies.ARMS])
    parser.add_argument("--count", type=int, default=10**7, help="scan: keys; policies, rules: calls of a load")
    options = parser.parse_args(arguments)
    if options.measure == "hits":
        result = measure_hits(options.arm)
    elif options.measure == "held":
        result = measure_held(options.arm)
    elif options.measure == "policies":
        result = {"rows": policies.evaluate(options.arm, options.count)}
    elif options.measure == "mixes":
        result = measure_mixes(options.arm)
    elif options.measure == "maps":
        result = measure_map(options.arm)
    elif options.measure == "scan":
        result = measure_scan(options.count)
    elif options.measure == "break-even":
        result = {"rows": [asdict(costs) for costs in break_even.measure()]}
    else:
        result = {"rows": rules.evaluate(options.count)}
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1:])
