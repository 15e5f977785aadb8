"""cProfile: the share of hashing in the measured loop, and the calls it makes, from the interpreter's own call events.

Owns how cProfile is set up and read.

Calls are exact. The share is not: each event costs time that is charged to the functions being measured, so it is too
high where small functions are called, which here is in hashing. ``builtins=False`` omits the events of C functions
(their time stays in the Python function that called them). That is closer to the truth, so the share is taken from it;
calls of C functions are counted in a second, shorter profile.
"""

import cProfile
import pstats
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# C calls repeat from request to request, so the first of them tell how many there are; events of each are slow.
COUNTED = 500

Request = Callable[[Any], None]


def profile(
    loop: Callable[..., None], build: Callable[[], Request], requests: Callable[[], list[Any]], path: Path
) -> dict[str, Any]:
    """Profile ``loop`` over a new arm's requests; seconds in the loop and in ``hash_keys``, and the calls there.

    ``path`` receives the pstats file.
    """
    # By the clock of CPU time, read for the few events of Python functions: on a shared machine wall time is noise.
    profiler = cProfile.Profile(time.process_time, builtins=False)
    made, request = requests(), build()
    profiler.runcall(loop, request, made)
    profiler.dump_stats(path)
    entries = {name: (calls, total) for (_, _, name), (_, calls, _, total, _) in pstats.Stats(profiler).stats.items()}
    calls, hashing = entries["hash_keys"]
    result = {"calls": calls, "hashing_s": hashing, "loop_s": entries[loop.__name__][1]}

    few, request = requests()[:COUNTED], build()
    profiler = cProfile.Profile()
    profiler.runcall(loop, request, few)
    return result | {"c_calls": called_below_hashing(pstats.Stats(profiler)), "c_calls_ops": len(few)}


def called_below_hashing(stats: pstats.Stats) -> int:
    """How many calls of C functions came from ``hash_keys`` and the comprehension inside it."""
    return sum(
        calls
        for (file, _, _), (_, _, _, _, callers) in stats.stats.items()
        for (_, _, caller), (calls, *_) in callers.items()
        if file == "~" and caller in ("hash_keys", "<listcomp>")
    )
