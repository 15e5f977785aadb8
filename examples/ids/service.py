"""A process of the service: opens the matrix and the ids, answers requests, and says what that took.

Run by ``measure``, as ``service.py WAY FOLDER BEGAN FIRST PIPE...``: a pipe for each process that shall answer, of
which the first has the number FIRST. It stays until its standard input ends, so that the memory of all can be read at
the same time.
"""

import gc
import hashlib
import json
import os
import sys
import time
from pathlib import Path
from statistics import median

from id_maps import WAYS
from recommender import Recommender


def main(way: str, folder: Path, began: float, first: int, pipes: list[int]) -> None:
    """Answer with as many processes as there are pipes."""
    opened = {name: WAYS[way](folder / f"{name}{WAYS[way].suffix}") for name in ("travellers", "cities")}
    gc.freeze()  # a collection in a forked process would write to every object, and so copy it
    number, pipe = first, pipes[0]
    for child, its_pipe in enumerate(pipes[1:], first + 1):
        if os.fork() == 0:
            number, pipe = child, its_pipe
            break
    for other in {*pipes} - {pipe}:
        os.close(other)
    with os.fdopen(pipe, "w") as out:
        print(json.dumps(answer(way, opened, folder, number, began)), file=out)
    sys.stdin.read()
    if number == first:
        for _ in pipes[1:]:
            os.wait()


def answer(way: str, opened: dict, folder: Path, number: int, began: float) -> dict:
    """Answer all requests of one process. Times are CPU time, but for that of the first answer since ``began``."""
    recommender = Recommender(folder)
    asked = json.loads((folder / "requests.json").read_text())[number]
    first_s, of_ids, of_work, digest, sample = 0.0, [], [], hashlib.sha256(), {}
    for codes, ids in zip(asked["codes"], asked["ids"], strict=True):
        clock = [time.process_time()]
        rows = opened["travellers"].encode(codes if way == "none" else ids)
        clock.append(time.process_time())
        alike = recommender.alike(rows)
        new = recommender.somewhere_new(rows, alike)
        clock.append(time.process_time())
        people = opened["travellers"].decode(alike.ravel())
        cities = opened["cities"].decode(new)
        clock.append(time.process_time())
        if rows.tolist() != codes:
            raise AssertionError(f"wrong codes: {way}")
        digest.update(repr((people, cities)).encode())
        if not sample:
            first_s = time.monotonic() - began
            sample = {"alike": alike.ravel().tolist(), "people": people, "new": new.tolist(), "cities": cities}
        else:
            of_ids.append(clock[1] - clock[0] + clock[3] - clock[2])
            of_work.append(clock[2] - clock[1])
    said = {"number": number, "pid": os.getpid(), "first_s": first_s, "digest": digest.hexdigest(), "sample": sample}
    return said | {"ids_ms": 1000 * median(of_ids), "work_ms": 1000 * median(of_work)}


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]), [*map(int, sys.argv[5:])])
