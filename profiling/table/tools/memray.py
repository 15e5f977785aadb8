"""memray: allocations per operation, as the difference of a run of n and a run of 2n operations.

Owns how memray is run and read.

The difference cancels what start-up and a filling cache allocate. Python's own small-object allocator is
traced too, or almost nothing here would be seen. Objects that CPython takes from a free list (small
integers, floats, some tuples) are no allocation to it, as a value on the stack is none in Go.
"""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

HOW_TO_GET_IT = "install it with: pip install 'pyhmap[profiling]' (Linux and macOS)"


def missing() -> str | None:
    """Why memray cannot be used here, or None."""
    return None if importlib.util.find_spec("memray") else f"memray is not installed; {HOW_TO_GET_IT}"


def track(loop: Callable[..., None], request: Callable[..., None], requests: list[Any], path: Path) -> None:
    """Run the loop with every allocation recorded to ``path``."""
    import memray

    destination = memray.FileDestination(path, overwrite=True)
    with memray.Tracker(destination=destination, trace_python_allocators=True):
        loop(request, requests)


def allocations(path: Path) -> int:
    """The number of allocations in a recording."""
    report = path.with_suffix(".json")
    command = [sys.executable, "-m", "memray", "stats", "--json", "--force", "--output", str(report), str(path)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(report.read_text())["total_num_allocations"]
