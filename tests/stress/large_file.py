"""Builds a file that is larger than memory, and says what that took.

    python tests/stress/large_file.py [--gigabytes 20] [--memory 2GB] [--folder .] [--verify]

Keys are int64 in an order without a pattern, values are computed from them. Prints seconds, the most memory that the
process had, and the most that was taken on the disk. Then keys that are there and keys that are not are looked up;
``--verify`` checks every byte. Exit status 1 if an answer is wrong, or more memory was taken than was given.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

import pyhmap
from pyhmap._file.build import bytes_of

BATCH = 1 << 20
ODD = 0x9E3779B97F4A7C15  # times an odd number is a permutation of all 64-bit integers
ROW = 16  # bytes
SLACK = 30_000_000  # bytes: batches, and what they become

Ints = npt.NDArray[np.int64]


def keys_from(start: int, stop: int) -> Ints:
    return (np.arange(start, stop, dtype=np.uint64) * np.uint64(ODD)).view(np.int64)


def most_memory() -> int:
    return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])  # type: ignore[index]


def taken(folder: str) -> int:
    found = os.statvfs(folder)
    return (found.f_blocks - found.f_bavail) * found.f_frsize


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=20.0)
    parser.add_argument("--memory", default="2GB")
    parser.add_argument("--folder", default=".")
    parser.add_argument("--verify", action="store_true")
    options = parser.parse_args()
    n = int(options.gigabytes * 1e9) // ROW
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path, disk = Path(folder) / "large.pyhmap", [taken(folder)]
        times = [time.perf_counter()]

        def batches() -> Iterator[tuple[Ints, Ints]]:
            for start in range(0, n, BATCH):
                keys = keys_from(start, min(n, start + BATCH))
                yield keys, ~keys
            times.append(time.perf_counter())
            print(f"{n:,} rows taken in {times[1] - times[0]:.0f} s", file=sys.stderr)

        def progress(part: float) -> None:
            disk.append(taken(folder))

        before = most_memory()
        pyhmap.build_file(batches(), path, memory=options.memory, progress=progress)
        times.append(time.perf_counter())
        memory = most_memory() - before
        print(f"{path.stat().st_size / 1e9:.2f} GB with {options.memory}: {times[2] - times[0]:.0f} s")
        print(f"at most {memory / 1e9:.2f} GB of memory, {(max(disk) - disk[0]) / 1e9:.1f} GB on the disk")
        rng = np.random.default_rng(1)
        with pyhmap.open(path, verify="full" if options.verify else "header") as f:
            asked = (rng.integers(0, n, 10_000).astype(np.uint64) * np.uint64(ODD)).view(np.int64)
            right = len(f) == n and np.array_equal(f.get_many(asked), ~asked)
            right = right and not f.contains_many(keys_from(n, n + 10_000)).any()
    if not right:
        print("an answer is wrong", file=sys.stderr)
    return 0 if right and memory < bytes_of(options.memory) + SLACK else 1


if __name__ == "__main__":
    sys.exit(main())
