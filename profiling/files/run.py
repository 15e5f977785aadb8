"""The verb ``files``: what files of frozen maps cost, beside maps in memory, ``np.save``, and other libraries' files.

Owns the plan and its processes. All files are written to a folder in that of the results, and removed at the end.
"""

import shutil
import tempfile
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import psutil

from core import records, runner
from core.runner import Sample, Step, run_json, worker_command
from files import figures, pictures, stores, tables, worker
from files.figures import LARGE

# Ten processes that have 10^7 pairs each take half of it, as pickle and map together.
MEMORY = 8 * 2**30
SLOW = ("shelve",)  # what takes minutes over dbm.dumb is measured in a third of the blocks


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    opened: dict[str, int]  # keys of the files that are opened, by their type
    batches: tuple[int, ...]  # keys of the maps that are asked
    processes: int  # that share the file of int64 keys
    saved: int  # keys
    stored: int  # keys in the files of every library
    blocks: int  # processes of each measurement
    sharings: int  # how often the processes are started, each way


FULL = Plan({"int64": LARGE, "str17": 10**6}, (10**6, LARGE), 10, LARGE, 10**6, 6, 3)
QUICK = Plan({"int64": 10**6, "str17": 10**5}, (10**6,), 4, 10**6, 20_000, 1, 1)


def run(*, quick: bool, out: Path) -> str:
    """Measure, print, draw and write ``files.json``; return why the run ended early, if it did."""
    records.prepare(out)
    plan = QUICK if quick else FULL
    if not quick and psutil.virtual_memory().available < MEMORY:
        raise ValueError(f"less than {MEMORY >> 30} GB of memory are free: close other programs, or give --quick")
    with tempfile.TemporaryDirectory(prefix="files-", dir=out) as name:
        folder = Path(name)
        left_out = stores.left_out()
        document = records.begin("files", quick=quick, workload=described(folder), config=asdict(plan))
        document |= {"versions": stores.versions(left_out), "left_out": left_out}
        samples, ended_by = runner.run_steps(steps(plan, folder, left_out))
    document |= {"ended_by": ended_by, "figures": figures.figures(samples), "samples": samples}
    runner.conclude(document, out, tables.show, pictures.drawings)
    return ended_by


def described(folder: Path) -> dict[str, str]:
    """What a reader must know of the input."""
    return {
        "keys": "distinct and random; values: int64, the number of the key",
        "opening": "wall time of open and a first look-up, the file in the page cache; first: of a fresh process",
        "batches": "CPU time per key of get_many, present keys in random order, 10^6 at least and 2 * 10^6 at most",
        "sharing": "what the proportional set size of each process grows by",
        "saving": "wall time, each to a new file",
        "stores": "CPU time per look-up of present keys in random order; wall time of building and opening",
        "file system": file_system(folder),
    }


def file_system(folder: Path) -> str:
    """The type of file system that the files are on, such as ext4."""
    mounted = [part for part in psutil.disk_partitions(all=True) if folder.resolve().is_relative_to(part.mountpoint)]
    return max(mounted, key=lambda part: len(part.mountpoint)).fstype if mounted else "unknown"


def steps(plan: Plan, folder: Path, left_out: dict[str, str]) -> list[Step]:
    """All measurements of a run, in order; the ways of a block in shuffled order."""
    planned = []
    for kind, size in plan.opened.items():
        base, known = folder / kind, {"kind": kind, "size": size}
        planned.append(step("make", known, kind, 3 + size * 5e-7, "make", base, kind, size))
        for block, way in runner.interleave((*worker.VERIFY, worker.UNPICKLED), plan.blocks):
            label = f"{kind}, {way}, block {block + 1} of {plan.blocks}"
            planned.append(
                step("opening", known | {"way": way, "block": block}, label, 0.5 + size * 1e-7, "opening", base, way)
            )
    for block, size in runner.interleave(map(str, plan.batches), plan.blocks):
        known, label = {"size": int(size), "block": block}, f"{int(size):,} keys, block {block + 1} of {plan.blocks}"
        planned.append(step("batches", known, label, 2 + int(size) * 8e-7, "batches", folder, size, block))
    for block, way in runner.interleave((worker.MAPPED, worker.UNPICKLED), plan.sharings):
        known = {"way": way, "processes": plan.processes, "size": plan.opened["int64"], "block": block}
        label = f"{plan.processes} processes, {way}"
        planned.append(step("sharing", known, label, plan.processes, "sharing", folder / "int64", way, plan.processes))
    for block in range(plan.blocks):
        known, label = {"size": plan.saved, "block": block}, f"block {block + 1} of {plan.blocks}"
        planned.append(step("saving", known, label, 2 + plan.saved * 2e-6, "saving", folder, plan.saved, block))
    for kind in stores.KINDS:
        for block, library in runner.interleave(stores.STORES.keys() - left_out.keys(), plan.blocks):
            slow = library in SLOW
            if block < (plan.blocks + 2) // 3 or not slow:
                call = partial(store, folder, library, kind, plan, block)
                seconds = 1 + plan.stored * (9e-5 if slow else 5e-6)
                planned.append(Step("stores", f"{library}, {kind}, block {block + 1}", seconds, call))
    return planned


def step(measure: str, known: Sample, label: str, seconds: float, *arguments: object) -> Step:
    """A process of ``files.worker``."""
    command = worker_command("files.worker", *arguments)

    def call() -> Sample:
        return {"measure": measure} | known | run_json(command, hash_seed=known.get("block", 0))

    return Step(measure, label, seconds, call)


def store(folder: Path, library: str, kind: str, plan: Plan, block: int) -> Sample:
    """Two processes: one builds the file of a library, the other opens and asks it."""
    path = folder / "store"
    path.mkdir()
    try:
        sample: Sample = {"measure": "stores", "library": library, "kind": kind, "size": plan.stored, "block": block}
        for what in ("build", "ask"):
            command = worker_command("files.stores", what, library, kind, plan.stored, block, path)
            sample |= run_json(command, hash_seed=block)
        return sample
    finally:
        shutil.rmtree(path)
