"""Where it leaks: lines, growing types and referrers, found by one more round. Imports diagnosis, meters, referrers.

The search runs after the verdict, because to look is to allocate.
"""

from __future__ import annotations

import gc
import os
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyhmap.debug import referrers
from pyhmap.debug.diagnosis import Line, TypeGrowth, growing_types
from pyhmap.debug.meters import tracked_types
from pyhmap.debug.verdicts import Verdict

LINES_SHOWN = 5
PATHS_SHOWN = 3
PACKAGE = str(Path(__file__).parent.parent)
SIZED = (list, dict, set)


def search(
    run: Callable[[], None], calls: int, verdict: Verdict
) -> tuple[tuple[Line, ...], tuple[TypeGrowth, ...], tuple[str, ...]]:
    """The lines, types and paths of what ``run`` leaves behind, which makes so many calls."""
    growing_lines(warm := tracemalloc.take_snapshot(), warm, calls)  # loads what tracemalloc loads at its first use
    del warm
    gc.collect()
    types = tracked_types()
    known = {id(one) for one in gc.get_objects()}
    sizes = {id(one): len(one) for one in gc.get_objects() if type(one) in SIZED}
    allocated = tracemalloc.take_snapshot()
    cycles = verdict is Verdict.CYCLES_WAITING
    enabled = gc.isenabled()
    if cycles:
        gc.disable()
    try:
        run()
        if not cycles:
            gc.collect()
        grown = growing_types(types, tracked_types(), calls)
        lines = growing_lines(allocated, tracemalloc.take_snapshot(), calls)
        paths = tuple(find_cycles(known) if cycles else find_paths(known, sizes, calls))
    finally:
        if enabled:
            gc.enable()
    return lines, grown, paths


def growing_lines(before: tracemalloc.Snapshot, after: tracemalloc.Snapshot, calls: int) -> tuple[Line, ...]:
    """The lines that allocated what is there now and was not before, most bytes first."""
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
        if 20 * size >= top[0][1] and size >= calls / 10
    )


def caller(traceback: tracemalloc.Traceback) -> tuple[str, int] | None:
    """The innermost line that is not pyhmap's own; None for the work of this package."""
    frames = [(frame.filename, frame.lineno) for frame in traceback]
    if frames[-1][0].startswith(os.path.join(PACKAGE, "debug")) or frames[-1][0] == tracemalloc.__file__:
        return None
    return next((frame for frame in reversed(frames) if not frame[0].startswith(PACKAGE)), frames[-1])


def shown(file: str) -> str:
    """A file's name relative to the working directory where it lies below it."""
    relative = os.path.relpath(file) if os.path.isabs(file) else file
    return file if relative.startswith("..") else relative


def find_paths(known: set[int], sizes: dict[int, int], calls: int) -> list[str]:
    """Paths to what grew: a new object of each type of which there are most, and the containers that were there before
    and have more in them."""
    objects = gc.get_objects()
    mine = {id(objects), id(known), id(sizes)}
    new = [one for one in objects if id(one) not in known and id(one) not in mine]
    swollen = [one for one in objects if type(one) in SIZED and len(one) - sizes.get(id(one), len(one)) > calls / 4]
    swollen.sort(key=lambda one: sizes[id(one)] - len(one))
    targets = swollen[:PATHS_SHOWN]
    for kind, n in Counter(map(type, new)).most_common(PATHS_SHOWN):
        if n > calls / 4:
            targets.append(next(one for one in reversed(new) if type(one) is kind))
    del objects, new, swollen
    return list(dict.fromkeys(referrers.paths_to(targets)))


def find_cycles(known: set[int]) -> list[str]:
    """The shortest cycle through an object of the type of which most are new."""
    new: dict[int, Any] = {id(one): one for one in gc.get_objects() if id(one) not in known}
    by_type = Counter(type(one) for one in new.values())
    for kind, _ in by_type.most_common():
        for specimen in [one for one in new.values() if type(one) is kind][-3:]:
            cycle = referrers.cycle_through(specimen, new)
            if cycle:
                return [cycle]
    return []
