"""A measuring process of the verb ``files``: opening, batches in mapped files, processes that share one, saving.

Owns what is timed, and how memory is read. Prints one line of JSON. The value of ``keys[i]`` is i, so every answer can
be checked.
"""

import argparse
import ctypes
import json
import multiprocessing
import os
import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import pyhmap
from peers import keys as peers_keys

Array = np.ndarray
# How a file is opened; UNPICKLED is what people do without one.
VERIFY, UNPICKLED = ("header", "structure", "lazy", "full"), "unpickled"
MAPPED, READ, TOUCHED = "mapped", "mapped, read from the disk", "touched, read from the disk"
COPY, SMALL_COPY = "copy", "copy, small pages"
OPENINGS = 5  # after the first one of a process; the median counts
TURNS = 7  # of the ways to have a map, and of those to save one
MB = 1_000_000
PR_SET_THP_DISABLE = 41  # <linux/prctl.h>


def make(base: Path, kind: str, size: int) -> dict[str, Any]:
    """The files that others open: a map, its pickle, and its keys as an array."""
    keys = make_keys(kind, size, 0)
    f = pyhmap.FrozenMap.from_arrays(keys, np.arange(size))
    f.save(base.with_suffix(".pyhmap"))
    with base.with_suffix(".pickle").open("wb") as file:
        pickle.dump(f, file, protocol=5)
    np.save(base.with_suffix(".npy"), keys)
    return {"bytes": base.with_suffix(".pyhmap").stat().st_size}


def make_keys(kind: str, size: int, seed: int) -> Array:
    """Distinct random keys: int64, or texts."""
    rng = np.random.default_rng(seed)
    return peers_keys.scattered(size, rng) if kind == "int64" else peers_keys.make_keys(kind, "random", size, rng)


def opened(base: Path, way: str) -> Any:
    """The map that ``make`` has written, opened in one of the ways."""
    if way == UNPICKLED:
        with base.with_suffix(".pickle").open("rb") as file:
            return pickle.load(file)
    verify = {} if way == MAPPED else {"verify": way}
    return pyhmap.open(base.with_suffix(".pyhmap"), **verify)


def opening(base: Path, way: str) -> dict[str, Any]:
    """Wall milliseconds of opening the file and looking one key up: first in this process, then again.

    The pages of the file are in the page cache. Importing is not timed; what pyhmap imports or compiles at the first
    call is.
    """
    keys = np.load(base.with_suffix(".npy"), mmap_mode="r")
    number = len(keys) // 2
    key = keys[number].item()
    (base.with_suffix(".pickle") if way == UNPICKLED else base.with_suffix(".pyhmap")).read_bytes()
    taken = []
    for _ in range(1 + OPENINGS):
        began = time.perf_counter_ns()
        f = opened(base, way)
        answer = f[key]
        taken.append((time.perf_counter_ns() - began) / 1e6)
        if answer != number:
            raise AssertionError(f"wrong answer: {way}")
        del f
    return {"first_ms": taken[0], "again_ms": float(np.median(taken[1:]))}


def memory(name: str) -> int:
    """Bytes of this process by one of the system's accounts, as ``Pss``."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"the system keeps no account of {name}")


def in_huge_pages() -> int:
    """Bytes of this process's memory, and of the files that it has mapped, that are mapped in huge pages."""
    return memory("AnonHugePages") + memory("FilePmdMapped")


def drop(path: Path) -> None:
    """Take a file that was flushed out of the system's cache."""
    descriptor = os.open(path, os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def in_small_pages(make: Callable[[], Any]) -> Any:
    """What ``make`` returns, its memory in small pages whatever was asked for."""
    switch = ctypes.CDLL(None, use_errno=True).prctl
    if switch(PR_SET_THP_DISABLE, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "huge pages cannot be switched off")
    try:
        return make()
    finally:
        switch(PR_SET_THP_DISABLE, 0, 0, 0, 0)


def batches(folder: Path, size: int, seed: int) -> dict[str, Any]:
    """CPU nanoseconds per key of ``get_many`` of present keys in one and the same map: in memory, in files, in copies
    of them. They take turns; each is asked twice and the second time counts.

    The system's cache keeps a file in huge pages or in small ones. That depends on how it got there: when the file was
    written, or read from the disk. ``huge`` is the share of each map that lies in huge pages, ``first_ns`` the first
    batch of all, which meets pages that the process has not touched yet.
    """
    keys = make_keys("int64", size, seed)
    rng = np.random.default_rng(seed)
    right = np.concatenate([rng.permutation(size) for _ in range(max(1, peers_keys.FEWEST_QUERIES // size))])
    right = right[: peers_keys.MOST_QUERIES]
    asked, room = keys[right], np.zeros(len(right), np.int64)
    saved, read, touched = paths = [folder / f"{name}.pyhmap" for name in ("saved", "read", "touched")]
    built = pyhmap.FrozenMap.from_arrays(keys, np.arange(size))
    for path in paths:
        built.save(path)
    del keys, built
    drop(read)
    drop(touched)
    ways: dict[str, Callable[[], Any]] = {
        "memory": lambda: pickle.loads(pickle.dumps(pyhmap.open(saved))),
        MAPPED: lambda: pyhmap.open(saved),
        READ: lambda: pyhmap.open(read),
        TOUCHED: lambda: pyhmap.open(touched, prefetch="touch"),
        COPY: lambda: pyhmap.open(saved, prefetch="copy"),
        SMALL_COPY: lambda: in_small_pages(lambda: pyhmap.open(saved, prefetch="copy")),
    }
    maps, first, huge = {}, {}, {}

    def ask(way: str) -> float:
        room.fill(0)
        began = time.process_time_ns()
        maps[way].get_many(asked, out=room)
        taken = (time.process_time_ns() - began) / len(asked)
        if not np.array_equal(room, right):
            raise AssertionError(f"wrong answers: {way}")
        return taken

    for way, call in ways.items():
        before = in_huge_pages()
        maps[way] = call()
        first[way] = ask(way)
        huge[way] = min(1.0, (in_huge_pages() - before) / maps[way].nbytes)  # what else was needed may remain
    taken: dict[str, list[float]] = {way: [] for way in maps}
    for way in tuple(maps) * TURNS:
        ask(way)
        taken[way].append(ask(way))
    for path in paths:
        path.unlink()
    return {"ns": {way: float(np.median(each)) for way, each in taken.items()}, "first_ns": first, "huge": huge}


def sharing(base: Path, way: str, processes: int) -> dict[str, Any]:
    """Memory of so many spawned processes that each have the map and have looked keys up all over it."""
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(processes, timeout=300)
    started = []
    for number in range(processes):
        receive, send = spawn.Pipe(duplex=False)
        process = spawn.Process(target=hold, args=(base, way, number, barrier, send), daemon=True)
        process.start()
        send.close()  # so that a process that dies ends the wait below
        started.append((process, receive))
    found = [receive.recv() for _, receive in started]
    for process, _ in started:
        process.join()
    return {name: [one[name] for one in found] for name in found[0]}


def hold(base: Path, way: str, seed: int, barrier: Any, send: Any) -> None:
    """One of the processes that share: its proportional set size, and what it grows by once it has the map.

    A page that n processes have mapped counts as 1/n of a page in each. All read their memory at the same time: the
    share of libraries falls as more processes start.
    """
    keys = np.load(base.with_suffix(".npy"), mmap_mode="r")
    right = np.random.default_rng(seed).integers(len(keys), size=min(len(keys), peers_keys.MOST_QUERIES))
    asked, room = np.asarray(keys[right]), np.full(len(right), -1)
    del keys
    barrier.wait()
    before = memory("Pss")
    barrier.wait()
    began = time.perf_counter_ns()
    f = opened(base, way)
    f.get_many(asked, out=room)
    seconds = (time.perf_counter_ns() - began) / 1e9
    barrier.wait()
    after = memory("Pss")
    barrier.wait()
    if not np.array_equal(room, right):
        raise AssertionError(f"wrong answers: {way}")
    send.send({"mb": (after - before) / MB, "seconds": seconds})


def saving(folder: Path, size: int, seed: int) -> dict[str, Any]:
    """Wall seconds of saving a map, frozen and not, of freezing it, and of ``np.save`` of the same bytes, flushed.

    They take turns, each to a new file of the same folder.
    """
    keys = make_keys("int64", size, seed)
    m = pyhmap.HMap.from_arrays(keys, np.arange(size))
    m.finish_growth()
    del keys
    f, path = m.freeze(), folder / "saved"
    f.save(path)
    data = np.fromfile(path, np.uint8)

    def np_save() -> None:
        with path.open("wb") as file:
            np.save(file, data)
            file.flush()
            os.fsync(file.fileno())

    ways: dict[str, Callable[[], Any]] = {
        "np.save": np_save,
        "FrozenMap.save": lambda: f.save(path),
        "HMap.freeze": m.freeze,
        "HMap.save": lambda: m.save(path),
    }
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for way in tuple(ways) * TURNS:
        path.unlink(missing_ok=True)
        began = time.perf_counter_ns()
        kept = ways[way]()
        taken[way].append((time.perf_counter_ns() - began) / 1e9)
        del kept
    path.unlink()
    return {"bytes": len(data), "s": {way: float(np.median(each)) for way, each in taken.items()}}


def main(arguments: list[str]) -> None:
    """Measure as the arguments say and print the result."""
    parser = argparse.ArgumentParser(prog="files/worker.py", description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="what", required=True)
    for name, places in {
        "make": (("base", Path), ("kind", str), ("size", int)),
        "opening": (("base", Path), ("way", str)),
        "batches": (("folder", Path), ("size", int), ("seed", int)),
        "sharing": (("base", Path), ("way", str), ("processes", int)),
        "saving": (("folder", Path), ("size", int), ("seed", int)),
    }.items():
        verb = verbs.add_parser(name)
        for place, kind in places:
            verb.add_argument(place, type=kind)
    options = vars(parser.parse_args(arguments))
    ways = {"make": make, "opening": opening, "batches": batches, "sharing": sharing, "saving": saving}
    print(json.dumps(ways[options.pop("what")](**options)))


if __name__ == "__main__":
    main(sys.argv[1:])
