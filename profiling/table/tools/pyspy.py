"""py-spy: the share of hashing in the measured loop, by sampling the process from outside.

Owns how py-spy is run and its folded stacks are read.

``--native`` walks the C stack as well; without it a sample inside an extension could not be told from
one in the Python function around it. The process is stopped for each sample, so its clock is not used.
"""

import os
import shutil
import sys
from pathlib import Path

# Samples per second. Walking native stacks takes up to half a millisecond, so more would mostly measure py-spy.
RATE = 500
HOW_TO_GET_IT = "install it with: pip install 'pyhmap[profiling]'"
HOW_TO_BE_ALLOWED = "let it trace: run as root, or give the container SYS_PTRACE"


def executable() -> str | None:
    """The py-spy of this environment, which need not be on the PATH, or any other, or None."""
    beside_python = str(Path(sys.executable).parent)
    return shutil.which("py-spy", path=os.pathsep.join([beside_python, os.environ.get("PATH", os.defpath)]))


def missing() -> str | None:
    """Why py-spy cannot be used here, or None; whether it may trace shows only when it tries."""
    return None if executable() else f"py-spy is not installed; {HOW_TO_GET_IT}"


def command(worker: list[str], path: Path) -> list[str]:
    """The command that runs ``worker`` and writes its folded stacks to ``path``."""
    options = ["--native", "--rate", str(RATE), "--format", "raw", "--output", str(path)]
    return [executable() or "py-spy", "record", *options, "--", *worker]


def count(folded: str, *, loop: str = "run_requests", function: str = "hash_keys") -> dict[str, int]:
    """Samples in all, in the loop, and in the function within the loop.

    Each line is a stack of ``name (file:line)`` frames joined by semicolons, a space, and the number of samples.

    >>> count("main (w.py:1);run_requests (w.py:2) 3\\nmain (w.py:1);run_requests (w.py:2);a.hash_keys (a.py:1) 1")
    {'samples': 4, 'in_loop': 4, 'in_hashing': 1}
    """
    samples = in_loop = in_hashing = 0
    for line in folded.splitlines():
        stack, number = line.rsplit(" ", 1)
        # From Python 3.11 on a frame has its qualified name: "hash_objects.<locals>.hash_keys".
        names = {frame.split(" (")[0].rsplit(".", 1)[-1] for frame in stack.split(";")}
        samples += int(number)
        in_loop += int(number) * (loop in names)
        in_hashing += int(number) * (loop in names and function in names)
    return {"samples": samples, "in_loop": in_loop, "in_hashing": in_hashing}
