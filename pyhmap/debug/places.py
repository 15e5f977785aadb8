"""Where it leaks: lines, growing types and referrers, found by one more round.

The search runs after the verdict, because it allocates memory itself.
"""

from __future__ import annotations

import gc
import os
import sysconfig
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

from pyhmap.debug import accounts, referrers
from pyhmap.debug.diagnosis import Line, TypeGrowth, growing_types
from pyhmap.debug.meters import lengths, tracked_types
from pyhmap.debug.verdicts import Verdict

LINES_SHOWN = 5
PATHS_SHOWN = 3
LAB = str(Path(__file__).parent)
# Files whose lines are not the caller's: this package, installed packages, the standard library and its frozen part.
LIBRARIES = (
    str(Path(__file__).parent.parent),
    *(sysconfig.get_path(name) for name in ("stdlib", "purelib")),
    "<frozen ",
)
CALLER = os.path.join(LAB, "targets.py")  # the frames below its own belong to the checked function
# The search itself may add so many items to a container.
SEARCH_ADDS = 10


def search(
    run: Callable[[], None], calls: int, verdict: Verdict
) -> tuple[tuple[Line, ...], tuple[TypeGrowth, ...], tuple[str, ...]]:
    """Lines, types and paths of the objects that ``run`` leaves behind. ``run`` makes ``calls`` calls."""
    growing_lines(warm := tracemalloc.take_snapshot(), warm, calls)  # the first use loads and caches things
    tracked_types()
    del warm
    allocated = tracemalloc.take_snapshot()
    gc.collect()  # also untracks the tuples of the snapshot
    types = tracked_types()
    known = {id(one) for one in gc.get_objects()}
    sizes = {id(one): n for one, n in sized(gc.get_objects())}
    cycles = verdict is Verdict.CYCLES_WAITING
    enabled = gc.isenabled()
    if cycles:
        gc.disable()
    try:
        run()
        if not cycles:
            gc.collect()
        grown = tuple(one for one in growing_types(types, tracked_types(), calls) if one.more > noise(calls))
        lines = growing_lines(allocated, tracemalloc.take_snapshot(), calls)
        if cycles:
            paths = find_cycles(known)
        elif verdict is Verdict.RETAINED_CAPACITY:
            paths = find_idle_maps()
        else:
            paths = find_paths(known, sizes, calls)
    finally:
        if enabled:
            gc.enable()
    return lines, grown, tuple(paths)


def noise(calls: int) -> float:
    """The number of new objects that is ignored, since the search makes some. A leak in one call of ten exceeds it."""
    return max(10, calls / 40)


def growing_lines(before: tracemalloc.Snapshot, after: tracemalloc.Snapshot, calls: int) -> tuple[Line, ...]:
    """The lines that allocated memory which is new in ``after``, most bytes first."""
    sizes: Counter[tuple[str, int]] = Counter()
    counts: Counter[tuple[str, int]] = Counter()
    for statistic in after.compare_to(before, "traceback"):
        place = caller(statistic.traceback)
        if place:
            sizes[place] += statistic.size_diff
            counts[place] += statistic.count_diff
    top = [(place, size) for place, size in sizes.most_common(LINES_SHOWN) if size > 0]
    return tuple(
        Line(shown(file), line, size, counts[file, line], calls)
        for (file, line), size in top
        if 20 * size >= top[0][1] and size >= noise(calls)
    )


def caller(traceback: tracemalloc.Traceback) -> tuple[str, int] | None:
    """The innermost line that is not in a library. None for allocations of the search itself."""
    frames = [(frame.filename, frame.lineno) for frame in reversed(list(traceback))]
    inside = list(takewhile(lambda frame: not frame[0].startswith(LAB), frames))
    if len(inside) < len(frames) and frames[len(inside)][0] != CALLER:
        return None
    return next((frame for frame in inside if not frame[0].startswith(LIBRARIES)), inside[0] if inside else None)


def shown(file: str) -> str:
    """A file name, relative to the working directory if the file is below it."""
    relative = os.path.relpath(file) if os.path.isabs(file) else file
    return file if relative.startswith("..") else relative


def find_paths(known: set[int], sizes: dict[int, int], calls: int) -> list[str]:
    """Paths to objects that grew: containers that existed before and have more items now, and a new object of each of
    the most frequent new types. Objects that no other new object refers to are preferred."""
    objects = gc.get_objects()
    mine = {id(objects), id(known), id(sizes)}
    new = [one for one in objects if id(one) not in known and id(one) not in mine]
    swollen = [(n - sizes.get(id(one), n), one) for one, n in sized(objects)]
    swollen = [pair for pair in swollen if pair[0] > (0 if issubclass(type(pair[1]), accounts.CORES) else SEARCH_ADDS)]
    swollen.sort(key=lambda pair: -pair[0])
    targets = [one for _, one in swollen[:PATHS_SHOWN]]
    inner = {id(child) for one in new for child in gc.get_referents(one)}  # referred to by a new object
    outer = [one for one in new if id(one) not in inner]
    kinds = most_common(outer, calls) or most_common(new, calls)
    targets += [next(one for one in reversed([*new, *outer]) if type(one) is kind) for kind in kinds]
    del objects, new, outer, swollen
    paths = list(dict.fromkeys(referrers.paths_to(targets)))
    return [path for path in paths if not path.startswith(referrers.NOWHERE)] or paths


def sized(objects: list[Any]) -> Iterator[tuple[Any, int]]:
    """The containers and maps among some objects, with their number of items."""
    length = lengths(objects)
    yield from ((one, length[type(one)](one)) for one in objects if type(one) in length)
    yield from ((m, accounts.sizes(m)["count"]) for m in accounts.maps_among(objects))


def most_common(objects: list[Any], calls: int) -> list[type]:
    """The types with the most objects, without those at the level of noise."""
    return [kind for kind, n in Counter(map(type, objects)).most_common(PATHS_SHOWN) if n > noise(calls)]


def find_idle_maps() -> list[str]:
    """Paths to the maps that hold most bytes beyond their need."""
    maps = sorted(accounts.maps_among(gc.get_objects()), key=idle_bytes)[-PATHS_SHOWN:]
    return referrers.paths_to([m for m in reversed(maps) if idle_bytes(m)])


def idle_bytes(m: accounts.AnyMap) -> int:
    """The bytes that a map holds beyond its need."""
    return accounts.idle(accounts.sizes(m))


def find_cycles(known: set[int]) -> list[str]:
    """The shortest cycle through an object of the most frequent new type that has one."""
    new: dict[int, Any] = {id(one): one for one in gc.get_objects() if id(one) not in known}
    by_type = Counter(type(one) for one in new.values())
    for kind, _ in by_type.most_common():
        for specimen in [one for one in new.values() if type(one) is kind][-3:]:
            cycle = referrers.cycle_through(specimen, new)
            if cycle:
                return [cycle]
    return []
