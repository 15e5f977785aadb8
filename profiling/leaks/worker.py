"""A measuring process of ``leaks``: one form of a case, what the collector does with one container, or the header.

Owns what is run in a fresh process. Prints one line of JSON.
"""

import argparse
import ctypes
import dataclasses
import gc
import json
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from core.internals import ReferenceMap
from leaks import cases
from pyhmap import HMap, debug

# Of leakcheck's first trial; the second has twice the calls, and a third, where the two disagree, four times.
ROUNDS, CALLS = 6, 20
FRAMES = 6  # of a traceback, as leakcheck has them
# Full collections: the first walks what was built, the others what is left to walk (a tuple of ints is walked once).
COLLECTIONS = 6
PAIR = [("x", "i8"), ("y", "i8")]
CONTAINERS = ("nothing", "dict", "dict of tuples", "dict of lists", "HMap", "HMap of records")


# --- a case ---


def case(name: str, arm: str) -> dict[str, Any]:
    """What ``leakcheck`` says of one form; tracemalloc sees what is in the places from the beginning."""
    tracemalloc.start(FRAMES)
    call = cases.prepared(name, arm)
    found = debug.leakcheck(call, rounds=ROUNDS, calls=CALLS)
    meter = "idle" if found.verdict is debug.Verdict.RETAINED_CAPACITY else "traced"
    said = found.to_json()
    for line in said["lines"]:
        line["file"] = nameless(line["file"])
    return {
        "case": name,
        "arm": arm,
        "verdict": str(found.verdict),
        "bytes_a_call": round(found.trends[meter].slope.value / found.calls) if found.verdict.is_leak else 0,
        "lines": [nameless(str(line)) for line in found.lines],
        "types": [str(growth) for growth in found.types],
        "referrers": list(found.referrers),
        "diagnosis": said,
    }


def nameless(path: str) -> str:
    """A path without the folders of this machine: result files are committed.

    >>> nameless(f"{sys.base_prefix}/lib/copy.py:265: 1 B")
    'lib/copy.py:265: 1 B'
    """
    for folder in (Path(__file__).parents[1], Path(sys.prefix), Path(sys.base_prefix)):
        path = path.replace(f"{folder}/", "")
    return path


# --- the collector ---


def built(container: str, n: int) -> Any:
    """So many entries, written one at a time, while the collector comes when it likes."""
    made: Any = HMap(np.int64, PAIR if "records" in container else np.int64) if "HMap" in container else {}
    if container == "nothing":
        for _ in range(n):
            pass
    elif container in ("dict", "HMap"):
        for i in range(n):
            made[i] = i
    elif container == "dict of lists":
        for i in range(n):
            made[i] = [i, i]
    else:
        for i in range(n):
            made[i] = (i, i)
    return made


def collector(container: str, n: int) -> dict[str, Any]:
    """The collector's pauses while so many entries are written, and full collections with all of them alive."""
    gc.collect()
    began = time.process_time_ns()
    with debug.CollectorWatch() as watch:
        made = built(container, n)
    seconds = (time.process_time_ns() - began) / 1e9
    full = []
    for _ in range(COLLECTIONS):
        cpu, wall = time.process_time_ns(), time.perf_counter_ns()
        gc.collect()
        full.append({"cpu_ns": time.process_time_ns() - cpu, "wall_ns": time.perf_counter_ns() - wall})
    building = {str(generation): dataclasses.asdict(pauses) for generation, pauses in watch.pauses().items()}
    return {
        "container": container,
        "entries": n,
        "entries_alive": len(made),
        "build_cpu_seconds": seconds,
        "share": watch.share,
        "building": building,
        "full": full,
        "objects": len(gc.get_objects()),
        "uss": psutil.Process().memory_full_info().uss,
    }


# --- the header ---


def header() -> dict[str, Any]:
    """The header read both ways, of a settled map and in the middle of a growth; and what is refused."""
    growing, settled = stopped_in_a_growth(), stopped_in_a_growth()
    settled.finish_growth()
    maps = {"settled": settled, "in the middle of a growth": growing}
    rows = {name: [compared(field) for field in debug.compare_headers(m)] for name, m in maps.items()}

    class Labelled(HMap):
        """A subclass with a field of its own, so that its objects are larger."""

        __slots__ = ("label",)

    refused = {}
    for name, thing in {
        "the plain-Python reference": ReferenceMap(np.int64, np.int64),
        "a subclass with a field": Labelled(np.int64, np.int64),
        "a dict": {},
        "a map whose mark is another": marked(stopped_in_a_growth()),
    }.items():
        try:
            debug.header_by_reflection(thing)
            refused[name] = ""
        except TypeError as error:
            refused[name] = str(error)
    return {"headers": rows, "refused": refused}


def stopped_in_a_growth() -> HMap:
    """A map in the middle of a growth, so that no field is zero by chance."""
    m = HMap(np.int64, np.int64, seed=2)
    m.update((key, key) for key in range(1700))
    return m


def compared(field: Any) -> dict[str, Any]:
    """One field both ways, for programs."""
    return dataclasses.asdict(field) | {"agrees": field.agrees}


def marked(m: HMap) -> HMap:
    """A map whose layout mark says the next version, as one of a later release would."""
    offset, _ = m._memory()["layout mark"]
    version = ctypes.c_uint16.from_address(id(m) + offset + 4)
    version.value += 1
    return m


def main(arguments: list[str]) -> None:
    """Measure as the arguments say and print the result."""
    parser = argparse.ArgumentParser(prog="leaks/worker.py", description=__doc__.splitlines()[0])
    kinds = parser.add_subparsers(dest="kind", required=True)
    one = kinds.add_parser("case")
    one.add_argument("name", choices=cases.CASES)
    one.add_argument("arm", choices=cases.ARMS)
    one = kinds.add_parser("collector")
    one.add_argument("container", choices=CONTAINERS)
    one.add_argument("entries", type=int)
    kinds.add_parser("header")
    options = parser.parse_args(arguments)
    if options.kind == "case":
        result = case(options.name, options.arm)
    elif options.kind == "collector":
        result = collector(options.container, options.entries)
    else:
        result = header()
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1:])
