"""A measuring process of ``table``: one measurement of one arm, printed as one line of JSON.

Owns the measured loop. The identifiers come on standard input. Nothing is measured in the process that shows the
progress, and timing, counting and sampling are never done in the same process.
"""

import argparse
import dataclasses
import gc
import hashlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from core import corpus
from table import arms
from table.tools import cprofile, memray

Requests = list[list[Any]]

# Before a pass is timed an arm of its own runs through a tenth of the requests, and its results are dropped: memory is
# mapped, code specialised, the processor awake. Each process is fresh, so each has to warm up, not only the first.
WARM_UP = 10
# Requests between two looks at the clock while hashing is taken out. Their 800 digests take 26 kB and are still in the
# first-level cache when they are counted; fewer, and reading the clock would disturb what it measures.
ABLATED_TOGETHER = 20
# The share of the keys that the control counts: a tenth of a second on the usual input.
CONTROL = 8


def run_requests(request: Callable[[Any], None], requests: list[Any]) -> None:
    """The measured loop; profilers find it by its name."""
    for keys in requests:
        request(keys)


def verify(arm: arms.Arm, requests: Callable[[], Requests]) -> dict[str, Any]:
    """Fingerprints of all digests and all counts, to be equal in every arm before anything is timed."""
    digests = hashlib.sha256()
    for keys in requests():
        digests.update(np.asarray(arm.hash_keys(keys), np.uint64).tobytes())
    run_requests(arm.request, requests())
    return {"digests_sha256": digests.hexdigest(), "counts_sha256": fingerprint(arm)}


def fingerprint(arm: arms.Arm) -> str:
    """SHA-256 of the counts, whatever holds them."""
    return hashlib.sha256(np.asarray(arm.counts, np.int64).tobytes()).hexdigest()


def time_pass(arm: arms.Arm, requests: Requests) -> dict[str, Any]:
    """One pass over keys that nothing has hashed before; the cache starts empty.

    CPU time is the result: the machine may run other programs, which stretch wall time only.
    """
    gc.collect()
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    run_requests(arm.request, requests)
    cpu, wall = time.process_time_ns() - cpu, time.perf_counter_ns() - wall
    keys = sum(map(len, requests))
    result = {"ops": len(requests), "keys": keys, "cpu_ns": cpu, "wall_ns": wall, "counts_sha256": fingerprint(arm)}
    return result | cache_state(arm)


def ablate(arm: arms.Arm, requests: Requests, *, first: int) -> dict[str, Any]:
    """The time of requests with their hashing and, in turn with them, of requests without it.

    Every other group of requests runs whole. The groups between are hashed while nobody looks at the clock, then
    counted by the clock, so both kinds see the same map, cache and stream of keys, and slow moments of the machine hit
    both. ``first`` (0 or 1) says which kind begins. The clock's own time is taken off; the function that hands the
    digests out, a call per request, stays: it stands for the call of ``hash_keys`` itself.
    """
    whole = rest = whole_ops = rest_ops = 0
    clock = clock_ns()
    for start in range(0, len(requests), ABLATED_TOGETHER):
        group = requests[start : start + ABLATED_TOGETHER]
        if (start // ABLATED_TOGETHER + first) % 2:
            began = time.process_time_ns()
            run_requests(arm.request, group)
            whole += time.process_time_ns() - began - clock
            whole_ops += len(group)
        else:
            boxes = [[arm.hash_keys(keys)] for keys in group]
            began = time.process_time_ns()
            run_requests(arm.count_only, boxes)
            rest += time.process_time_ns() - began - clock
            rest_ops += len(group)
    if not whole_ops or not rest_ops:  # an input of one group only
        return {}
    return {"whole_ns": whole / whole_ops, "rest_ns": rest / rest_ops}


def clock_ns() -> int:
    """How far apart two looks at the clock of CPU time are: the median of many."""
    apart = [-time.process_time_ns() + time.process_time_ns() for _ in range(2000)]
    return sorted(apart)[len(apart) // 2]


def control(keys: list[Any]) -> float:
    """CPU nanoseconds to count a key in a dict: work like that of the arms, without a line of this project."""
    counts: dict[Any, int] = {}
    began = time.process_time_ns()
    for key in keys:
        counts[key] = counts.get(key, 0) + 1
    return (time.process_time_ns() - began) / len(keys)


def cache_state(arm: arms.Arm) -> dict[str, Any]:
    """What the cache says of itself after a pass; empty for an arm without one."""
    if arm.cache is None:
        return {}
    return {"cache_info": arm.cache.cache_info()._asdict(), "cache_stats": dataclasses.asdict(arm.cache.stats())}


def main(arguments: list[str]) -> None:
    """Measure as the arguments say and print the result as the last line of standard output."""
    parser = argparse.ArgumentParser(prog="table/worker.py", description=__doc__.splitlines()[0])
    parser.add_argument("measure", choices=["verify", "time", "cprofile", "memray", "run"])
    parser.add_argument("arm", choices=arms.NAMES)
    parser.add_argument("--key-type", choices=["str", "bytes"], default="str")
    parser.add_argument("--seed", type=int, default=0, help="seed of the map")
    parser.add_argument("--seconds", type=float, default=1.0, help="run: CPU seconds to spend in the loop")
    parser.add_argument("--ops", type=int, help="memray: requests to run")
    parser.add_argument("--to", type=Path, help="cprofile, memray: file for the profile")
    options = parser.parse_args(arguments)

    text = sys.stdin.read()
    words = corpus.vocabulary(text, options.key_type)

    def build() -> arms.Arm:
        return arms.build(options.arm, words, seed=options.seed)

    def requests() -> Requests:
        return corpus.requests(text, options.key_type)

    if options.measure == "verify":
        result = verify(build(), requests)
    elif options.measure == "time":
        made = requests()
        run_requests(build().request, made[: len(made) // WARM_UP])
        result = time_pass(build(), requests())
        arm = build()
        if arm.count_only:
            result |= ablate(arm, requests(), first=options.seed % 2)
        keys = corpus.split(text, options.key_type)
        result["control_ns"] = control(keys[: max(1, len(keys) // CONTROL)])
    elif options.measure == "cprofile":
        result = cprofile.profile(run_requests, lambda: build().request, requests, options.to)
    elif options.measure == "memray":
        few = requests()[: options.ops]
        memray.track(run_requests, build().request, few, options.to)
        result = {"ops": len(few)}
    else:  # "run": pass after pass, each from an empty cache and over new strings, for a sampler outside
        spent = passes = 0
        while spent < options.seconds * 1e9:
            spent += time_pass(build(), requests())["cpu_ns"]
            passes += 1
        result = {"passes": passes, "cpu_ns": spent}
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1:])
