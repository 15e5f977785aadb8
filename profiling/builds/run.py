"""The verb ``builds``: the same calls over several builds of the package, for judging a change to a kernel.

Owns which calls are measured, how often, and the table. Each argument is a checkout with the extensions built in place
(``python setup.py build_ext --inplace``); the others are compared with the first. A process measures one build at one
workload; all builds of a block get the same questions, in shuffled order.
"""

import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from core import estimates, records, runner
from core.runner import MeasurementError, Sample, Step, worker_command
from peers import keys
from peers import run as peers
from peers.figures import Blocks, pair
from peers.plan import Workload
from peers.targets import power
from render import markdown as md
from render import terminal

OPERATIONS = ("build", "hit", "miss", "mixed")
LIBRARY = {"int64": "pyhmap", "str17": "pyhmap (Arrow)"}
# Of frozen maps the bytes per entry, too: their constants trade memory for time.
FROZEN, ITS_OPERATIONS = {"int64": "pyhmap frozen"}, ("memory", "build", "hit", "miss")
SHOWN, TITLES = (*OPERATIONS, "nbytes"), {"nbytes": "bytes per entry"}


@dataclass(frozen=True)
class Plan:
    """The workloads, in how many blocks each is measured, and what of which library."""

    workloads: tuple[Workload, ...]
    library: dict[str, str]  # of each key type
    operations: tuple[str, ...] = OPERATIONS


def plan(blocks: int, largest: int) -> Plan:
    """Tables in the second cache, in the third, and in memory."""
    sizes = (("int64", 10**4), ("int64", 10**6), ("int64", largest), ("str17", 10**4), ("str17", 10**6))
    return Plan(tuple(Workload(kind, size, blocks) for kind, size in dict.fromkeys(sizes)), LIBRARY)


FULL, QUICK = plan(6, 10**7), plan(2, 10**6)
# In more blocks where a process takes little time: what is compared is a few instructions, and processes differ.
SIZES = {10**3: 16, 10**4: 16, 10**6: 12, 10**7: 3}
FROZEN_MAPS = Plan(tuple(Workload("int64", *each) for each in SIZES.items()), FROZEN, ITS_OPERATIONS)


def run(*, quick: bool, out: Path, folders: list[Path], frozen: bool = False) -> str:
    """Measure, print and write ``builds.json``; return why the run ended early, if it did."""
    records.prepare(out)
    builds = named(folders)
    chosen = FROZEN_MAPS if frozen else QUICK if quick else FULL
    config = asdict(chosen) | {"builds": list(builds)}
    document = records.begin("builds", quick=quick, workload=peers.described(), config=config)
    document["command"] += " --frozen" * frozen + "".join(f" {name}" for name in builds)
    with tempfile.TemporaryDirectory(prefix="builds-") as folder:
        samples, ended_by = runner.run_steps(steps(chosen, builds, Path(folder) / "questions"))
    document |= {"ended_by": ended_by, "figures": rows(samples, list(builds)), "samples": samples}
    runner.conclude(document, out, show)
    return ended_by


def named(folders: list[Path]) -> dict[str, Path]:
    """The builds by the names of their folders. Raises ``ValueError`` for one that holds none."""
    builds = {folder.resolve().name: folder.resolve() for folder in folders}
    if len(builds) < len(folders):
        raise ValueError("two folders of one name cannot be told apart in the table")
    for folder in builds.values():
        ask = [*python_of(folder), "-P", "-c", "import pyhmap._core; print(pyhmap._core.__file__)"]
        done = subprocess.run(ask, capture_output=True, text=True)
        if not done.stdout.startswith(str(folder)):
            raise ValueError(f"{folder} holds no built pyhmap: run `python setup.py build_ext --inplace` there")
    return builds


def python_of(folder: Path) -> list[str]:
    """A Python that takes its pyhmap from there."""
    return ["env", f"PYTHONPATH={folder}", sys.executable]


def steps(chosen: Plan, builds: dict[str, Path], questions: Path) -> list[Step]:
    """A step for each workload, block and build."""
    asked: list[tuple[Workload, int]] = [(chosen.workloads[0], -1)]

    def measure(workload: Workload, block: int, name: str) -> Sample:
        if asked[0] != (workload, block):
            keys.write(keys.questions(workload.kind, "random", workload.size, block), questions)
            asked[0] = workload, block
        worker = worker_command("peers.worker", chosen.library[workload.kind], workload.kind, questions)
        command = [*python_of(builds[name]), *worker[1:], ",".join(chosen.operations)]
        sample = peers.limited(command, workload.limit, hash_seed=block)
        if "failed" in sample or "cut_off" in sample:
            raise MeasurementError(f"{name}, {workload.name}: {sample.get('failed', 'took too long')}")
        return {"checkout": name, "block": block, "kind": workload.kind, "size": workload.size} | sample

    made = []
    for workload in chosen.workloads:
        for block, name in runner.interleave(builds, workload.blocks):
            label = f"{name}, block {block + 1} of {workload.blocks}"
            made.append(Step(workload.name, label, 0.5 + workload.size / 4e6, partial(measure, workload, block, name)))
    return made


def rows(samples: list[Sample], builds: list[str]) -> list[dict[str, Any]]:
    """A row for each workload and operation: nanoseconds per key of each build, and its time over the first one's."""
    made = []
    for kind, size in dict.fromkeys((sample["kind"], sample["size"]) for sample in samples):
        of_this = [sample for sample in samples if (sample["kind"], sample["size"]) == (kind, size)]
        for operation in (name for name in SHOWN if any(name in sample for sample in of_this)):
            blocks: dict[str, Blocks] = {name: {} for name in builds}
            for sample in of_this:
                if operation in sample:
                    blocks[sample["checkout"]][sample["block"]] = sample[operation]
            ratios = {name: pair(each, blocks[builds[0]]) for name, each in blocks.items() if name != builds[0]}
            row = {"kind": kind, "size": size, "operation": operation}
            row["ns"] = {name: estimates.spread(list(each.values()))._asdict() for name, each in blocks.items() if each}
            made.append(row | {"ratios": {name: ratio._asdict() for name, ratio in ratios.items() if ratio}})
    return made


def show(console: Console, document: dict[str, Any]) -> None:
    """The table: a row per call, a column per build."""
    builds = document["config"]["builds"]
    title = f"CPU nanoseconds per key, and times those of {builds[0]}"
    table = terminal.plain_table(title, "call", *builds, words=("call",))
    for row in document["figures"]:
        cells = [f"{TITLES.get(row['operation'], row['operation'])}, {row['kind']}, {row['size']:,}"]
        for name in builds:
            text = figure(row, name)
            if name in row["ratios"]:
                text += f"\n{row['ratios'][name]['value']:.2f}{terminal.TIMES}"
            cells.append(text)
        table.add_row(*cells)
    console.print(table)


def figure(row: dict[str, Any], build: str) -> str:
    """What a build took, or its bytes per entry, which differ less."""
    digits = 2 if row["operation"] == "nbytes" else 1
    return f"{row['ns'][build]['median']:.{digits}f}" if build in row["ns"] else "-"


def markdown(document: dict[str, Any]) -> str:
    """The table for the documents: nanoseconds per key, and bytes per entry."""
    builds = document["config"]["builds"]
    made = []
    for row in document["figures"]:
        call = f"{TITLES.get(row['operation'], row['operation'])}, {row['kind']}, {power(row['size'])}"
        made.append([call, *(figure(row, name) for name in builds)])
    return md.table(["", *(f"`{name}`" for name in builds)], made)
