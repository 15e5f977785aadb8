"""The five meters, read at one moment.

    process        pages as the system counts them: private, resident, and of files
    C heap         what malloc has allocated, even after unused memory was returned to the system
    CPython        blocks, tracked objects, and the objects that a collection finds in cycles
    tracemalloc    bytes of all domains, including bucket memory, if it is tracing
    pyhmap         the maps' own accounts, beside the blocks that exist

``missing`` names each meter that cannot be read, and what to install. Reading keeps no memory allocated, and does not
count the memory of tracemalloc itself.
"""

from __future__ import annotations

import gc
import os
import sys
import tracemalloc
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from pyhmap.debug.accounts import Maps, maps_among, read_maps

NO_PSUTIL = "process and C heap: psutil is not installed (pip install 'pyhmap[profiling]')"
NO_HEAP = "C heap: this psutil cannot read it (pip install 'psutil>=7.2'; glibc only)"
NO_TRACING = "tracemalloc: it is not tracing (start it: tracemalloc.start(), or python -X tracemalloc)"

# tracemalloc's tables take more of the heap than it reports: per entry about 50 bytes (32 and a share of the table) are
# reported, but the trace and malloc's own bytes take 48 more (CPython 3.11).
TRACEMALLOC_TAKES = 1.9

# Containers that can grow. One with free capacity grows without allocating anything.
GROWING: tuple[type[Any], ...] = (list, dict, set, deque)

try:
    import psutil
except ImportError:
    psutil = None


@dataclass(frozen=True, slots=True)
class Process:
    """Memory of the process in bytes, as the system counts it."""

    uss: int  #: private: free if the process ended
    rss: int  #: resident
    rss_anon: int  #: resident, without files: heap, stacks and buckets
    rss_file: int  #: resident, of mapped files and shared memory: the system can take these pages back
    vms: int  #: address space


@dataclass(frozen=True, slots=True)
class Heap:
    """Bytes that malloc has allocated, without those of tracemalloc."""

    used: int
    mmapped: int  #: of large pieces, each of which has its own mapping


@dataclass(frozen=True, slots=True)
class Python:
    """Counts of CPython, after a collection."""

    blocks: int  #: blocks of its allocator, as ``sys.getallocatedblocks`` counts them
    objects: int  #: tracked by the collector
    waiting: int  #: objects in cycles that this collection found
    waiting_blocks: int  #: blocks that this collection freed
    may_wait: int  #: objects that may wait at any time: the collector's first threshold; 0 while it is off
    garbage: int  #: objects in ``gc.garbage``: they will never be freed
    items: int = 0  #: in the lists, dicts, sets and deques that the collector tracks


@dataclass(frozen=True, slots=True)
class Trimmed:
    """Some of the figures after unused memory of the C heap was returned to the system."""

    uss: int
    rss_anon: int
    heap_used: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All meters at one moment. One that could not be read is None; ``missing`` says why."""

    process: Process | None
    heap: Heap | None
    python: Python
    traced: int | None  #: bytes traced by tracemalloc
    maps: Maps
    trimmed: Trimmed | None = None
    types: dict[str, int] = field(default_factory=dict, repr=False)  #: tracked objects of each type, most first
    missing: tuple[str, ...] = ()

    def numbers(self) -> dict[str, int | None]:
        """All figures by name, such as ``"process.uss"``."""
        flat: dict[str, int | None] = {"traced": self.traced}
        parts: dict[str, type[Any]] = {
            "process": Process,
            "heap": Heap,
            "python": Python,
            "maps": Maps,
            "trimmed": Trimmed,
        }
        for name, kind in parts.items():
            part = getattr(self, name)
            for one in fields(kind):
                flat[f"{name}.{one.name}"] = None if part is None else getattr(part, one.name)
        return flat


def snapshot(*, trim: bool = False) -> Snapshot:
    """Read all five meters.

    A collection runs first, which frees objects that only waited for one. With ``trim``, unused memory of the C heap is
    then returned to the system, and the meters are read again. In a series, trim at the last snapshot only, otherwise
    growth is not seen. A snapshot keeps about 20 kB, so two of them show only growth that is larger
    (:func:`pyhmap.debug.leakcheck` keeps nothing).

    >>> from pyhmap import HMap, debug
    >>> import numpy as np
    >>> before = debug.snapshot()
    >>> m = HMap(np.int64, np.int64, {1: 2, 3: 4})
    >>> after = debug.snapshot()
    >>> after.maps.alive - before.maps.alive, after.maps.entries - before.maps.entries
    (1, 2)
    """
    return read(trim=trim, histogram=True)


def type_name(kind: type) -> str:
    """The name of a type, with its module unless the type is built in.

    >>> type_name(dict), type_name(Snapshot)
    ('dict', 'pyhmap.debug.meters.Snapshot')
    """
    module = kind.__module__ if isinstance(kind.__module__, str) else "?"
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def tracked_types() -> dict[str, int]:
    """The number of objects of each type that the collector tracks, most first."""
    counts: Counter[str] = Counter()
    for kind, n in Counter(map(type, gc.get_objects())).items():
        counts[type_name(kind)] += n
    return dict(counts.most_common())


def count_items(objects: Sequence[Any]) -> int:
    """The number of items in the containers among some objects.

    >>> count_items([[1, 2], {3: 4}, {5}, deque([6]), Counter("ab"), (7, 8)])
    7
    """
    length = lengths(objects)
    return sum(length[type(one)](one) for one in objects if type(one) in length)


def lengths(objects: Sequence[Any]) -> dict[type, Callable[[Any], int]]:
    """For each container type among some objects, the function that returns the length. It is that of the base class:
    a subclass's own ``__len__`` is not called."""
    return {kind: base.__len__ for kind in set(map(type, objects)) for base in GROWING if issubclass(kind, base)}


def read(*, trim: bool = False, histogram: bool = False) -> Snapshot:
    """Read the meters. The histogram of types is optional, since it takes memory."""
    blocks_before = sys.getallocatedblocks()
    waiting = gc.collect()
    if waiting:
        gc.collect()  # objects that finalisers released
    blocks = sys.getallocatedblocks()
    objects = gc.get_objects()
    n = len(objects)
    items = count_items(objects)
    maps = read_maps(maps_among(objects))
    del objects
    tracing = tracemalloc.is_tracing()
    traced = tracemalloc.get_traced_memory()[0] if tracing else None
    gone = max(0, blocks_before - blocks) if waiting else 0
    may_wait = gc.get_threshold()[0] if gc.isenabled() else 0
    python = Python(blocks, n, waiting, gone, may_wait, len(gc.garbage), items)
    process, heap, missing = read_system()
    trimmed = None
    if trim and process and heap:
        psutil.heap_trim()
        after, heap_after, _ = read_system()
        if after and heap_after:
            trimmed = Trimmed(after.uss, after.rss_anon, heap_after.used)
    if not tracing:
        missing = (*missing, NO_TRACING)
    types = tracked_types() if histogram else {}
    return Snapshot(process, heap, python, traced, maps, trimmed, types, missing)


_this_process: Any = None


def read_system() -> tuple[Process | None, Heap | None, tuple[str, ...]]:
    """Process and heap, and the reasons if they could not be read."""
    global _this_process
    if psutil is None:
        return None, None, (NO_PSUTIL,)
    if _this_process is None or _this_process.pid != os.getpid():
        _this_process = psutil.Process()
    info = _this_process.memory_full_info()
    shared = getattr(info, "shared", 0)  # Linux alone tells them apart
    process = Process(info.uss, info.rss, info.rss - shared, shared, info.vms)
    if not hasattr(psutil, "heap_info"):
        return process, None, (NO_HEAP,)
    heap = psutil.heap_info()
    own = tracemalloc.get_tracemalloc_memory() if tracemalloc.is_tracing() else 0
    used = heap.heap_used - round(TRACEMALLOC_TAKES * own)
    return process, Heap(used, heap.mmap_used), ()
