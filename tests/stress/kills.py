"""Kills processes that save, at random moments: the file is always one of the maps that were saved, whole.

    python tests/stress/kills.py [--kills 10000] [--seed 1]

A child saves two maps in turn to one name; it is killed after up to DELAY seconds, and the file is opened with every
check. Prints how many kills there were, and in how many a temporary file was left, which says that kills come in the
middle. Exit status 1 if a file was not whole.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import pyhmap

DELAY = 0.012  # several saves


def maps() -> list[pyhmap.FrozenMap[int, str]]:
    """Two maps, so that a mixture of both would be noticed."""
    return [pyhmap.HMap(int, str, {i: f"value {i} of map {n}" for i in range(3000)}).freeze() for n in range(2)]


def save_for_ever(saved: list[pyhmap.FrozenMap[int, str]], path: Path) -> None:
    while True:
        for f in saved:
            f.save(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng, saved = random.Random(options.seed), maps()
    left = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "saved.pyhmap"
        saved[0].save(path)
        for kill in range(options.kills):
            child = os.fork()
            if child == 0:
                save_for_ever(saved, path)
            time.sleep(rng.random() * DELAY)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            with pyhmap.open(path, verify="full") as f:
                if f not in saved:
                    print(f"kill {kill}: the file holds another map", file=sys.stderr)
                    return 1
            for other in Path(folder).iterdir():
                if other != path:
                    left += 1
                    other.unlink()
    print(f"{options.kills:,} kills, {left:,} of them in the middle of a save: always the old file or the new one")
    return 0


if __name__ == "__main__":
    sys.exit(main())
