"""The verb ``peers``: pyhmap beside every other map that is installed, in one run.

Owns the run itself: files of questions, processes and their time limit, what is left out.
"""

import json
import os
import resource
import subprocess
import tempfile
from dataclasses import asdict, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from core import records, runner
from core.runner import MeasurementError, Sample, Step, worker_command
from growth import latency_worker
from peers import extras, keys, pictures, python, tables, targets, toolchains
from peers import figures as peers_figures
from peers import plan as peers_plan
from peers.plan import Plan, Workload
from render import terminal

FULL, QUICK = peers_plan.FULL, peers_plan.QUICK


def run(*, quick: bool, out: Path) -> str:
    """Measure, print, draw and write ``peers.json``; return why the run ended early, if it did."""
    records.prepare(out)
    plan = QUICK if quick else FULL
    with tempfile.TemporaryDirectory(prefix="peers-") as name:
        folder = Path(name)
        os.environ["NUMBA_CACHE_DIR"] = str(folder / "numba")  # compiled once per run, not once per process
        programs, versions, not_compiled = toolchains.compile_all(folder)
        left_out = peers_plan.left_out(not_compiled)
        workloads = list(plan.workloads)
        if psutil.virtual_memory().available < peers_plan.ITS_MEMORY:
            workloads = [each for each in workloads if each.size < peers_plan.LARGEST]
            left_out[f"{peers_plan.LARGEST:,} keys"] = f"less than {peers_plan.ITS_MEMORY // 2**30} GB are free"
        if peers_plan.HUGE in plan.frozen_sizes and psutil.virtual_memory().available < peers_plan.ITS_MEMORY_TOO:
            plan = replace(plan, frozen_sizes=())
            left_out[f"{peers_plan.HUGE:,} keys"] = f"less than {peers_plan.ITS_MEMORY_TOO // 2**30} GB are free"
        config = asdict(plan) | {"workloads": [asdict(each) for each in workloads]}
        document = records.begin("peers", quick=quick, workload=described(), config=config)
        document |= {"versions": python_versions(left_out) | versions, "left_out": left_out}
        steps = Bench(folder, programs, left_out).steps(workloads)
        steps += extras.steps(plan, left_out, folder)
        steps += [worst_step(name, program, plan, folder) for name, program in programs.items()]
        about = sum(step.seconds for step in steps)
        terminal.progress_console().print(f"{len(steps)} processes, about {about / 60:.0f} minutes", soft_wrap=True)
        samples, ended_by = runner.run_steps(steps)
    figures = peers_figures.figures(samples) | {"targets": targets.judge(samples)}
    document |= {"ended_by": ended_by, "figures": figures, "samples": samples}
    runner.conclude(document, out, tables.show, pictures.drawings)
    return ended_by


def described() -> dict[str, str]:
    """What a reader must know of the input."""
    return {
        "keys": "distinct, seed = block; values: int64, the number of the key",
        "hit": "permutations of the keys, 10^6 look-ups at least and 2 * 10^6 at most",
        "miss, mixed": "as many keys that are not there; half and half",
        "delete": "half of the keys",
        "accumulate": "counts of 10^6 keys of Zipf's law",
        "factorize": "codes of 10^6 draws with replacement",
        "time": "CPU nanoseconds a key, one thread; threads=2: wall",
    }


def python_versions(left_out: dict[str, str]) -> dict[str, str]:
    """The versions of the packages that are compared."""
    needs = {make.needs for name, make in python.LIBRARIES.items() if make.needs and name not in left_out}
    return {name: metadata.version(name) for name in sorted(needs)}


class Bench:
    """The processes of the workloads. One file of questions is there at a time: that of the block in turn."""

    def __init__(self, folder: Path, programs: dict[str, Path], left_out: dict[str, str]) -> None:
        self.file, self.programs, self.left_out = folder / "questions", programs, left_out
        self.asked: tuple[Workload, int] | None = None
        self.ended: set[tuple[Workload, str]] = set()  # those that took too long or failed: not measured again

    def steps(self, workloads: list[Workload]) -> list[Step]:
        """A step for each workload, block and library, the libraries of a block in shuffled order."""
        made = []
        for workload in workloads:
            names = [name for name in peers_plan.libraries(workload) if name not in self.left_out]
            for block, library in runner.interleave(names, workload.blocks):
                if block < workload.blocks_of(library):
                    call = partial(self.measure, workload, block, library)
                    label, seconds = f"{library}, block {block + 1}", peers_plan.seconds(library, workload)
                    made.append(Step(workload.name, label, seconds, call))
        return made

    def measure(self, workload: Workload, block: int, library: str) -> Sample:
        """One process, or a sample without figures for a library that was ended in an earlier block."""
        sample: Sample = {"measure": "workload", "library": library, "block": block}
        sample |= {"kind": workload.kind, "key_set": workload.key_set, "size": workload.size}
        if (workload, library) in self.ended:
            return sample
        if self.asked != (workload, block):
            asked = keys.questions(workload.kind, workload.key_set, workload.size, block)
            keys.write(asked, self.file)
            self.asked = workload, block
        operations = ",".join(workload.operations)
        if library in self.programs:
            command = [str(self.programs[library]), str(self.file), workload.kind, operations]
        else:
            command = worker_command("peers.worker", library, workload.kind, self.file, operations)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        sample |= limited(command, workload.limit, hash_seed=block)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        sample["cpu_seconds"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        if "failed" in sample and library.startswith("pyhmap"):
            raise MeasurementError(f"{library}, {workload.name}: {sample['failed']}")
        if "cut_off" in sample:
            names = workload.operations
            sample["unmeasured"] = names[names.index(sample["cut_off"]) if sample["cut_off"] in names else 0 :]
        if "cut_off" in sample or "failed" in sample:
            self.ended.add((workload, library))
        return sample


def limited(command: list[str], limit: float, *, hash_seed: int = 0) -> dict[str, Any]:
    """Run a measuring process, at most so many seconds; what it had measured when it ended.

    ``cut_off`` is the operation in which it was ended by the limit, ``failed`` its last words where it ended by itself.
    """
    environment = runner.worker_environment(hash_seed)
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=limit)
        printed, complaint, ended = done.stdout, done.stderr, done.returncode
    except subprocess.TimeoutExpired as error:
        printed, complaint, ended = (error.stdout or b"").decode(), "", None
    lines = [line for line in printed.splitlines() if line.startswith("{") and line.endswith("}")]
    sample: dict[str, Any] = json.loads(lines[-1]) if lines else {"now": "start"}
    now = sample.pop("now")
    if ended is None:
        sample |= {"cut_off": now, "limit": limit}
    elif ended or not lines:
        sample["failed"] = (complaint.strip().splitlines() or [f"exit status {ended}"])[-1]
    return sample


def worst_step(library: str, program: Path, plan: Plan, folder: Path) -> Step:
    """The worst single insert of a native map; it runs the inserts three times itself."""
    file = folder / "inserts"

    def measure() -> Sample:
        if not file.exists():
            unasked = keys.questions("int64", "random", 1, 0)
            keys.write(replace(unasked, keys=latency_worker.make_keys(plan.inserts)), file)
        sample = {"measure": "inserts", "library": library, "n": plan.inserts}
        found = limited([str(program), str(file), "int64", "worst"], peers_plan.LIMIT_OF_LARGEST)
        return sample | ({"recurring_worst_ns": found.pop("worst")} if "worst" in found else {}) | found

    return Step("single inserts", library, 0.5 + plan.inserts * 3e-6, measure)
