"""A measuring process of ``fragmentation``: one map, even or fragmented, before and after ``compact()``.

Owns how a map is brought to each state. Prints one line of JSON.

    even        the keys that the fragmented map ends with, in a map made for them
    churned     6.4 keys per bucket; then every key is deleted and another inserted, ten times over, at random
    thinned     6.5 keys per bucket; then random keys are deleted until one more deletion would shrink the map
    hollowed    in each bucket nine keys open an overflow bucket, then eight are deleted: the worst that an attacker can
                do who knows each key's bucket (the hash key is secret; this process reads it from the map)
"""

import argparse
import json
import sys
import time
from typing import Any

import numpy as np

from core.internals import hash_words, raw_table
from pyhmap import HMap

B = 14  # 16,384 buckets: with 6.5 keys each 106,496 keys, as many as there are look-ups
SLOTS = 8
LOOK_UPS = 100_000
ROUNDS = 5  # of the look-ups; the median counts
STATES = ("churned", "thinned", "hollowed")


def fragmented(state: str, seed: int) -> HMap:
    """A map in one of the states."""
    rng = np.random.default_rng(seed)
    m = HMap(np.int64, np.int64, seed=seed)
    full = 13 << B - 1
    if state == "churned":
        live = list(range(int(6.4 * 2**B)))
        m.update(zip(live, live, strict=True))
        coming = len(live)
        for place in rng.integers(len(live), size=10 * len(live)).tolist():
            del m[live[place]]
            m[coming] = live[place] = coming
            coming += 1
    elif state == "thinned":
        m.update((key, key) for key in range(full))
        for key in rng.permutation(full)[: full - (13 << B) // 16].tolist():
            del m[key]
    else:
        m.reserve(full)  # no growth on the way; nor is one key per bucket so few that deletion would shrink
        for keys in by_bucket(m):
            for key in keys[: SLOTS + 1]:
                m[key] = key
            for key in keys[:SLOTS]:
                del m[key]
    m.finish_growth()
    return m


def by_bucket(m: HMap) -> list[list[int]]:
    """For each bucket the first nine small ints that this map puts there."""
    chosen: list[list[int]] = [[] for _ in range(1 << B)]
    first = 0
    while min(map(len, chosen)) <= SLOTS:
        keys = np.arange(first, first + (1 << B + 4), dtype=np.uint64)
        buckets = hash_words(keys, raw_table(m).hash_key) & np.uint64((1 << B) - 1)
        for key, bucket in zip(keys.tolist(), buckets.tolist(), strict=True):
            chosen[bucket].append(key)
        first += 1 << B + 4
    return chosen


def space(m: HMap) -> float:
    """Full slots of all slots in rows in use."""
    return len(m) / (SLOTS * len(m.bucket_arrays().overflow))


def look_up(m: HMap, seed: int) -> dict[str, float]:
    """CPU nanoseconds per look-up, of single ones in a loop and of one batch; all of keys that are there."""
    asked = np.random.default_rng(seed).choice(m.keys_array(), LOOK_UPS)
    singly = asked.tolist()
    single, batch, loop = [], [], []
    for _ in range(ROUNDS):
        began = time.process_time_ns()
        for _key in singly:
            pass
        loop.append(time.process_time_ns() - began)
        began = time.process_time_ns()
        for key in singly:
            m[key]
        single.append(time.process_time_ns() - began)
        began = time.process_time_ns()
        m.get_many(asked)
        batch.append(time.process_time_ns() - began)
    return {
        "single_ns": float(np.median(single) - np.median(loop)) / LOOK_UPS,
        "batch_ns": float(np.median(batch)) / LOOK_UPS,
        "space": space(m),
        "buckets": m.header().buckets,
        "noverflow": m.header().noverflow,
        "nbytes": m.nbytes,
    }


def measure(state: str, seed: int) -> dict[str, Any]:
    """The three maps of one state, asked in turn."""
    m = fragmented(state, seed)
    keys = m.keys_array()
    even = HMap(np.int64, np.int64, seed=seed)
    even.set_many(keys, keys)
    even.finish_growth()
    result = {"state": state, "keys": len(m), "even": look_up(even, seed), "fragmented": look_up(m, seed)}
    m.compact()
    m.check()
    return result | {"compacted": look_up(m, seed)}


def main(arguments: list[str]) -> None:
    """Measure as the arguments say and print the result."""
    parser = argparse.ArgumentParser(prog="fragmentation/worker.py", description=__doc__.splitlines()[0])
    parser.add_argument("state", choices=STATES)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    print(json.dumps(measure(options.state, options.seed)))


if __name__ == "__main__":
    main(sys.argv[1:])
