"""A measuring process: one measurement of one arm, printed as one line of JSON.

Owns the measured loop. Imports the siblings ``corpus``, ``arms`` and the tools. Run by the harness as
``python worker.py MEASURE ARM`` with the identifiers on standard input; nothing is measured in the
process that shows the progress. Timing, counting and sampling are never done in the same process.
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

import arms
import corpus
import tools_cprofile
import tools_memray

Requests = list[list[str]]


def run_requests(request: Callable[[list[str]], None], requests: Requests) -> None:
    """The measured loop; profilers find it by its name."""
    for keys in requests:
        request(keys)


def verify(arm: arms.Arm, text: str) -> dict[str, Any]:
    """Fingerprints of all digests and all counts, to be equal in every arm before anything is timed."""
    digests = hashlib.sha256()
    for keys in corpus.requests(text):
        digests.update(np.asarray(arm.hash_keys(keys), np.uint64).tobytes())
    run_requests(arm.request, corpus.requests(text))
    return {"digests_sha256": digests.hexdigest(), "counts_sha256": fingerprint(arm)}


def fingerprint(arm: arms.Arm) -> str:
    """SHA-256 of the counts, whatever holds them."""
    return hashlib.sha256(np.asarray(arm.counts, np.int64).tobytes()).hexdigest()


def time_pass(arm: arms.Arm, text: str) -> dict[str, Any]:
    """One pass over strings that nothing has hashed before; the cache starts empty.

    CPU time is the result: the machine may run other programs, which stretch wall time only.
    """
    requests = corpus.requests(text)
    gc.collect()
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    run_requests(arm.request, requests)
    cpu, wall = time.process_time_ns() - cpu, time.perf_counter_ns() - wall
    keys = sum(map(len, requests))
    result = {"ops": len(requests), "keys": keys, "cpu_ns": cpu, "wall_ns": wall, "counts_sha256": fingerprint(arm)}
    return result | cache_state(arm)


def cache_state(arm: arms.Arm) -> dict[str, Any]:
    """What the cache says of itself after a pass; empty for an arm without one."""
    if arm.cache is None:
        return {}
    return {"cache_info": arm.cache.cache_info()._asdict(), "cache_stats": dataclasses.asdict(arm.cache.stats())}


def main(arguments: list[str]) -> None:
    """Measure as the arguments say and print the result as the last line of standard output."""
    parser = argparse.ArgumentParser(prog="worker.py", description=__doc__.splitlines()[0])
    parser.add_argument("measure", choices=["verify", "time", "cprofile", "memray", "run"])
    parser.add_argument("arm", choices=arms.NAMES)
    parser.add_argument("--seed", type=int, default=0, help="seed of the map")
    parser.add_argument("--seconds", type=float, default=1.0, help="run: CPU seconds to spend in the loop")
    parser.add_argument("--ops", type=int, help="memray: requests to run")
    parser.add_argument("--to", type=Path, help="cprofile, memray: file for the profile")
    options = parser.parse_args(arguments)

    text = sys.stdin.read()
    words = corpus.vocabulary(text)
    arm = arms.build(options.arm, words, seed=options.seed)
    if options.measure == "verify":
        result = verify(arm, text)
    elif options.measure == "time":
        result = time_pass(arm, text)
    elif options.measure == "cprofile":
        result = tools_cprofile.profile(run_requests, arm.request, corpus.requests(text), options.to)
    elif options.measure == "memray":
        requests = corpus.requests(text)[: options.ops]
        tools_memray.track(run_requests, arm.request, requests, options.to)
        result = {"ops": len(requests)}
    else:  # "run": pass after pass, each from an empty cache and over new strings, for a sampler outside
        spent = passes = 0
        while spent < options.seconds * 1e9:
            arm = arms.build(options.arm, words, seed=options.seed)
            spent += time_pass(arm, text)["cpu_ns"]
            passes += 1
        result = {"passes": passes, "cpu_ns": spent}
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1:])
