"""A measuring process of the verb ``floor``. Prints one line of JSON.

A look-up of an int64 key in a frozen map reads one pilot, of 1 byte, and then one row of 16 bytes, the key and the
value. Both are anywhere. ``np.take`` reads as many pilots and rows here, from arrays of the same sizes.

Freezing uses new memory of up to twice the size of the result. The system provides each page when it is first written
to; that is timed here alone.
"""

import json
import mmap
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from core.internals import buckets_for
from peers import keys as peers_keys
from pyhmap import FrozenMap, HMap

HIT, WORDS, ROWS, PILOTS = "FrozenMap.get_many", "np.take, 8 bytes", "np.take, 16 bytes", "np.take, 1 byte"
READ = f"{ROWS}, and {PILOTS}"  # what a hit must read
FREEZE, TOUCH = "HMap.freeze", "first touch"
TURNS = 5  # of which the median counts; one more goes before


def look_ups(size: int, seed: int) -> dict[str, float]:
    """CPU nanoseconds per key by way; the ways take turns."""
    rng = np.random.default_rng(seed)
    keys = peers_keys.scattered(size, rng)
    values = np.arange(size)
    f = FrozenMap.from_arrays(keys, values)
    right = rng.integers(size, size=peers_keys.MOST_QUERIES)
    asked, words, rows = keys[right], values ^ 1, np.stack([keys, values], axis=1).view(np.complex128).ravel()
    pilots = rng.integers(256, size=buckets_for(size), dtype=np.uint8)
    drawn = rng.integers(len(pilots), size=len(right))
    del keys
    rooms = {HIT: np.empty(len(right), np.int64)}
    rooms |= {way: np.empty(len(right), array.dtype) for way, array in ((WORDS, words), (ROWS, rows), (PILOTS, pilots))}
    ways: dict[str, tuple[Callable[[Any], Any], np.ndarray]] = {
        HIT: (lambda room: f.get_many(asked, out=room), right),
        WORDS: (lambda room: np.take(words, right, out=room, mode="clip"), words[right]),
        ROWS: (lambda room: np.take(rows, right, out=room, mode="clip"), rows[right]),
        PILOTS: (lambda room: np.take(pilots, drawn, out=room, mode="clip"), pilots[drawn]),
    }
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(1 + TURNS):
        for way, (call, expected) in ways.items():
            rooms[way].fill(0)
            began = time.process_time_ns()
            call(rooms[way])
            ns = (time.process_time_ns() - began) / len(right)
            if not np.array_equal(rooms[way].view(np.uint8), expected.view(np.uint8)):
                raise AssertionError(f"wrong answers: {way}")
            if turn:
                taken[way].append(ns)
    return {way: float(np.median(each)) for way, each in taken.items()}


def freezing(size: int, seed: int) -> dict[str, float]:
    """Wall nanoseconds per key of freezing a settled map, and of the first write to each page of as much memory."""
    m = HMap.from_arrays(peers_keys.scattered(size, np.random.default_rng(seed)), np.arange(size))
    m.finish_growth()
    taken: dict[str, list[float]] = {FREEZE: [], TOUCH: []}
    for turn in range(1 + TURNS):
        began = time.perf_counter_ns()
        f = m.freeze()
        froze = time.perf_counter_ns() - began
        size_of_each = f.nbytes
        del f  # the next one gets new memory, too
        began = time.perf_counter_ns()
        touch(2 * size_of_each)
        touched = time.perf_counter_ns() - began
        if turn:
            taken[FREEZE].append(froze / size)
            taken[TOUCH].append(touched / size)
    return {way: float(np.median(each)) for way, each in taken.items()}


def touch(size: int) -> None:
    """Write to each page of new memory, in huge pages where the system has them, as pyhmap asks for them."""
    with mmap.mmap(-1, size) as memory:
        memory.madvise(mmap.MADV_HUGEPAGE)
        pages = np.frombuffer(memory, np.uint8)
        pages[:: mmap.PAGESIZE] = 1
        del pages


MEASURES = {"look-ups": look_ups, "freezing": freezing}

if __name__ == "__main__":
    print(json.dumps({"ns": MEASURES[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))}))
