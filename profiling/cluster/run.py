"""The verb ``cluster``: builds and look-ups over processes and nodes, beside merges and with failures; and a model.

Owns the plan, its processes, and that nothing of them is left. Each part can be run alone (``only``).
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from cluster import figures, namespaces, pictures, tables
from core import records, runner
from core.runner import MeasurementError, Sample, Step, worker_command

PARTS = ("merge", "memory", "faults", "network", "links")
NEEDED = ("dask", "distributed", "pandas", "pyarrow", "aiohttp", "fsspec")
FREE = 8 * 2**30
WITHIN = 360  # seconds; a process that takes longer counts as a hang
BUILDS = "build"


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    facts: int  # that are joined
    rows: tuple[int, ...]  # that they are joined with
    rounds: int  # processes of each way to join
    held: tuple[int, ...]  # rows of the sets whose memory is measured
    asked: int  # facts that are looked up there
    faulty: int  # facts, and rows, where processes are killed
    cases: tuple[str, ...]  # all, if there are none
    sizes: tuple[int, ...]  # facts, and rows, of the jobs over a network
    nodes: tuple[int, ...]
    rates: tuple[float, ...]  # bytes per second
    links: tuple[tuple[str, str], ...]  # what happens to a link, and the job


ALL_LINKS = tuple(
    (case, how) for case in ("whole", "cut 3 s", "cut 40 s", "300 ms late") for how in ("map", "shuffle", BUILDS)
)
FULL = Plan(
    facts=10**7,
    rows=(10**6, 10**7),
    rounds=3,
    held=(10**6, 10**7),
    asked=10**7,
    faulty=10**6,
    cases=(),
    sizes=(10**6, 4 * 10**6),
    nodes=(1, 2, 3),
    rates=(12.5e6, 125e6),
    links=ALL_LINKS,
)
QUICK = Plan(
    facts=100_000,
    rows=(100_000,),
    rounds=1,
    held=(10_000, 100_000),
    asked=100_000,
    faulty=20_000,
    cases=("lookup-map-killed-1", "lookup-shuffle-killed-2", "build-local-killed"),
    sizes=(20_000, 200_000),
    nodes=(1, 2),
    rates=(12.5e6,),
    links=(("cut 3 s", "map"),),
)
WORKLOAD = {
    "facts": "int64 keys and amounts; one key in ten has no row",
    "rows": "distinct int64 keys that look random, and int64 values",
    "merge": "wall time from Parquet files in the page cache to a checksum of the answer, two workers of one thread; "
    "memory: the proportional set sizes of the client, the scheduler and the workers",
    "memory": "what the private memory of a worker grows by when it has asked keys all over the set",
    "faults": "two workers of one thread without nannies; a worker is killed with SIGKILL when it makes its k-th batch",
    "network": "each node a network namespace with a link of its own (tbf), node 0 with scheduler and server of files",
    "links": "two workers; in the middle of a job the link of one is cut, or each frame arrives later all the time",
}


def run(*, quick: bool, out: Path, only: Iterable[str] = ()) -> str:
    """Measure, print and write ``cluster.json``; return why the run ended early, if it did."""
    records.prepare(out)
    plan = QUICK if quick else FULL
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ValueError(f"not installed: {', '.join(missing)}")
    if not quick and psutil.virtual_memory().available < FREE:
        raise ValueError(f"less than {FREE >> 30} GB of memory are free: close other programs, or give --quick")
    wanted = tuple(only) or PARTS
    namespaces.sweep()  # what runs have left that were killed
    left_out = {}
    if {"network", "links"} & set(wanted) and (reason := namespaces.missing()):
        left_out = dict.fromkeys(("network", "links"), reason)
    name = "" if wanted == PARTS else "-".join(wanted)
    options = "".join(f" --only {part}" for part in wanted) if name else ""
    document = records.begin("cluster", quick=quick, workload=WORKLOAD, config=asdict(plan), name=name, options=options)
    try:
        with tempfile.TemporaryDirectory(prefix="cluster-", dir=out) as folder:
            asked = [part for part in wanted if part not in left_out]
            samples, ended_by = runner.run_steps(steps(plan, Path(folder), asked))
    finally:
        namespaces.sweep(os.getpid())
    document |= {"left_out": left_out, "versions": versions()}
    document |= {"ended_by": ended_by, "figures": figures.figures(samples), "samples": samples}
    runner.conclude(document, out, tables.show, pictures.drawings)
    return ended_by


def versions() -> dict[str, str]:
    """Of what is beside."""
    from core.environment import version

    return {name: version(name) or "" for name in NEEDED}


def steps(plan: Plan, folder: Path, wanted: Iterable[str]) -> list[Step]:
    """All measurements of a run, in order."""
    planned = {
        "merge": merge_steps,
        "memory": memory_steps,
        "faults": fault_steps,
        "network": network_steps,
        "links": link_steps,
    }
    found = [step for part in PARTS if part in wanted for step in planned[part](plan, folder)]
    if {"network", "links"} & set(wanted):
        first = next(n for n, step in enumerate(found) if step.group in ("network", "links"))
        sizes, rows = joined(plan.sizes), sum(plan.sizes)
        found.insert(first, step("network files", {}, "files", 3 + rows * 3e-6, "network", "make", folder, sizes))
    return found


def merge_steps(plan: Plan, folder: Path) -> list[Step]:
    """The ways of a round in shuffled order, each in a fresh process."""
    planned = []
    for rows in plan.rows:
        known = {"facts": plan.facts, "rows": rows}
        place = folder / f"merge-{rows}"
        every = (place, plan.facts, rows)
        planned.append(step("merge files", known, f"{rows:,} rows", 2 + rows * 2e-6, "merge", "make", *every))
        for number, way in runner.interleave(("pandas", "dask", "map", "shuffle", BUILDS), plan.rounds):
            label = f"{rows:,} rows, {way}, round {number + 1} of {plan.rounds}"
            seconds = 4 + plan.facts * 1.5e-6
            planned.append(step("merge", known | {"way": way, "round": number}, label, seconds, "merge", way, *every))
        planned.append(Step("merge files", "removed", 0.1, partial(removed, place)))
    return planned


def removed(folder: Path) -> Sample:
    """Remove files that no later measurement needs."""
    shutil.rmtree(folder, ignore_errors=True)
    return {"measure": "removed"}


def memory_steps(plan: Plan, folder: Path) -> list[Step]:
    """Datasets, and frames that are sent, of each size."""
    return [
        step("memory", {"way": way, "rows": rows, "facts": plan.asked}, f"{rows:,} rows, {way}",
             6 + plan.asked * 5e-7, "memory", way, folder, rows, plan.asked)
        for way in ("map", "sent")
        for rows in plan.held
    ]  # fmt: skip


def fault_steps(plan: Plan, folder: Path) -> list[Step]:
    """Each case once."""
    cases = plan.cases or tuple(every_case())
    known = {"facts": plan.faulty, "rows": plan.faulty}
    return [
        step("faults", {"case": case} | known, case, 8, "faults", case, folder, plan.faulty, plan.faulty)
        for case in cases
    ]


def every_case() -> list[str]:
    """The names of all cases, of which only their processes need Dask."""
    found = [f"lookup-{how}-killed-{kth}" for how in ("map", "shuffle") for kth in range(1, 6)]
    found += [f"build-killed-{kth}" for kth in range(1, 6)]
    found += ["build-client-killed", "build-client-killed-writing", "build-local-killed"]
    return [*found, "lookup-map-skew", "lookup-shuffle-skew", "build-skew", "build-skew-distinct"]


def network_steps(plan: Plan, folder: Path) -> list[Step]:
    """All jobs over each number of nodes at each rate."""
    cores = os.cpu_count()
    return [
        step("network", {"nodes": nodes, "rate": rate, "cores": cores}, f"{nodes} nodes, {8 * rate / 1e6:,.0f} Mbit/s",
             15 + sum(plan.sizes) * 8e-6, "network", "network", folder, joined(plan.sizes), nodes, rate, os.getpid())
        for rate in plan.rates
        for nodes in plan.nodes
    ]  # fmt: skip


def link_steps(plan: Plan, folder: Path) -> list[Step]:
    """Each thing that happens to a link, with each job."""
    return [
        step("links", {"case": case, "how": how, "rows": plan.sizes[-1]}, f"{case}, {how}", 30,
             "network", "links", folder, joined(plan.sizes), case, how, os.getpid())
        for case, how in plan.links
    ]  # fmt: skip


def joined(sizes: Iterable[int]) -> str:
    """As an argument of a process."""
    return ",".join(map(str, sizes))


def step(measure: str, known: Sample, label: str, seconds: float, module: str, *arguments: object) -> Step:
    """A process of a module of this folder."""
    command = worker_command(f"cluster.{module}", *arguments)
    return Step(measure, label, seconds, partial(sample_of, measure, known, command))


def sample_of(
    measure: str, known: Sample, command: list[str], call: Callable[[list[str]], dict[str, Any]] | None = None
) -> Sample:
    """What a process prints, with what is known of it. Where things are made to fail, one that does not end is one."""
    try:
        return {"measure": measure} | known | (call or called)(command)
    except TimeoutError:
        said = f"no answer within {WITHIN} s"
        if measure not in ("faults", "links"):
            raise MeasurementError(f"{measure}: {said}") from None
        return {"measure": measure} | known | {"outcome": "WRONG", "said": said, "seconds": WITHIN, "workers_left": 0}


def called(command: list[str], within: float = WITHIN) -> dict[str, Any]:
    """Run a command in a session of its own, so that it can end its own processes when this one is interrupted."""
    from cluster import processes

    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    own = {"env": processes.environment(), "start_new_session": True, "preexec_fn": processes.die_with_parent}
    with subprocess.Popen(command, text=True, **pipes, **own) as process:
        try:
            output, complaint = process.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            processes.end(process)
            raise TimeoutError from None
        except BaseException:
            processes.end(process)
            raise
    found = [line for line in output.splitlines() if line.startswith("{")]
    if process.returncode or not found:
        lines = (complaint.strip() or output.strip() or f"exit status {process.returncode}").splitlines()
        raise MeasurementError(f"{' '.join(command[2:4])}: {lines[-1]}")
    return json.loads(found[-1])
