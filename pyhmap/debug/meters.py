"""The five meters, read at one moment.

    process        what the system gave it: private and resident pages, those of files apart
    C heap         what malloc has handed out, and what is left when unused memory was given back
    CPython        blocks, tracked objects, and what the collector finds in cycles
    tracemalloc    bytes of all domains, if it is tracing; bucket memory is among them
    pyhmap         the maps' accounts of themselves, beside the blocks that exist

A meter that cannot be read is named in ``missing``, with what to install. Reading allocates nothing that stays, and
leaves out the memory of tracemalloc itself.
"""

from __future__ import annotations

import gc
import os
import sys
import tracemalloc
from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any

from pyhmap.debug.accounts import Maps, maps_among, read_maps

NO_PSUTIL = "process and C heap: psutil is not installed (pip install 'pyhmap[profiling]')"
NO_HEAP = "C heap: this psutil cannot read it (pip install 'psutil>=7.2'; glibc only)"
NO_TRACING = "tracemalloc: it is not tracing (tracemalloc.start(), or python -X tracemalloc)"

# tracemalloc's tables take more of the heap than it says: an entry says 32 bytes and its share of the table, some 50 in
# all, but takes a trace beside it and malloc's own bytes, 48 more (CPython 3.11; found with 80,000 traces of nothing).
TRACEMALLOC_TAKES = 1.9

try:
    import psutil
except ImportError:
    psutil = None


@dataclass(frozen=True, slots=True)
class Process:
    """Bytes of the process, as the system counts them."""

    uss: int  #: private: what would be free if the process ended
    rss: int  #: resident
    rss_anon: int  #: resident, of heap, stacks and buckets
    rss_file: int  #: resident, of mapped files and shared memory: the system may take these pages back
    vms: int  #: address space


@dataclass(frozen=True, slots=True)
class Heap:
    """Bytes of the C heap: what malloc has handed out, without tracemalloc's own."""

    used: int
    mmapped: int  #: large pieces, each in a mapping of its own


@dataclass(frozen=True, slots=True)
class Python:
    """CPython's own counts, after a collection."""

    blocks: int  #: of its allocator, as ``sys.getallocatedblocks`` counts them
    objects: int  #: tracked by the collector
    waiting: int  #: objects in cycles that this collection found: they would have waited for one
    waiting_blocks: int  #: blocks that went with them
    may_wait: int  #: objects that may wait by design: the collector's first threshold, 0 while it is off
    garbage: int  #: objects in ``gc.garbage``: they will never be freed


@dataclass(frozen=True, slots=True)
class Trimmed:
    """The same after unused memory of the C heap was given back to the system."""

    uss: int
    rss_anon: int
    heap_used: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All meters at one moment; None where one could not be read, which ``missing`` explains."""

    process: Process | None
    heap: Heap | None
    python: Python
    traced: int | None  #: bytes that tracemalloc knows of
    maps: Maps
    trimmed: Trimmed | None = None
    types: dict[str, int] = field(default_factory=dict, repr=False)  #: tracked objects of each type, most first
    missing: tuple[str, ...] = ()

    def numbers(self) -> dict[str, int | None]:
        """Every figure by its name, for programs."""
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

    A collection runs first, so that what only waited for one is told from what is held. With ``trim`` unused memory of
    the C heap is given back to the system and read again: of a series, do so at the last one only, or growth would
    not be seen. A snapshot itself keeps about 20 kB: between two of them a program has to leave more to be seen to
    grow (:func:`pyhmap.debug.leakcheck` reads the meters without keeping anything).

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
    """A type's name as it is printed: with its module, unless it is built in.

    >>> type_name(dict), type_name(Snapshot)
    ('dict', 'pyhmap.debug.meters.Snapshot')
    """
    module = kind.__module__ if isinstance(kind.__module__, str) else "?"
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def tracked_types() -> dict[str, int]:
    """How many objects of each type the collector tracks, most first."""
    counts: Counter[str] = Counter()
    for kind, n in Counter(map(type, gc.get_objects())).items():
        counts[type_name(kind)] += n
    return dict(counts.most_common())


def read(*, trim: bool = False, histogram: bool = False) -> Snapshot:
    """What ``snapshot`` reads; the histogram only if asked for, since it is kept."""
    blocks_before = sys.getallocatedblocks()
    waiting = gc.collect()
    if waiting:
        gc.collect()  # what finalisers let go of
    blocks = sys.getallocatedblocks()
    objects = gc.get_objects()
    n = len(objects)
    maps = read_maps(maps_among(objects))
    del objects
    tracing = tracemalloc.is_tracing()
    traced = tracemalloc.get_traced_memory()[0] if tracing else None
    gone = max(0, blocks_before - blocks) if waiting else 0
    may_wait = gc.get_threshold()[0] if gc.isenabled() else 0
    python = Python(blocks, n, waiting, gone, may_wait, len(gc.garbage))
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
    """Process and heap, and which of them could not be read."""
    global _this_process
    if psutil is None:
        return None, None, (NO_PSUTIL,)
    if _this_process is None or _this_process.pid != os.getpid():
        _this_process = psutil.Process()
    info = _this_process.memory_full_info()
    process = Process(info.uss, info.rss, info.rss - info.shared, info.shared, info.vms)
    if not hasattr(psutil, "heap_info"):
        return process, None, (NO_HEAP,)
    heap = psutil.heap_info()
    own = tracemalloc.get_tracemalloc_memory() if tracemalloc.is_tracing() else 0
    used = heap.heap_used - round(TRACEMALLOC_TAKES * own)
    return process, Heap(used, heap.mmap_used), ()
