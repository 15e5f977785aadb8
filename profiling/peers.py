"""The verb ``peers``: look-ups in bulk against ``dict``, cykhash and the floor, in one run.

Owns which libraries, sizes and how often. Imports the siblings, and psutil for the memory at hand.
"""

import importlib.util
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil

import estimates
import records
import render
import runner
from runner import Sample, Step, run_json, worker_command

LIBRARIES = ("pyhmap", "np.take", "cykhash", "dict")
OPERATIONS = ("hit", "miss")
# A dict of 10^7 int keys with its lists of queries and answers takes 1.9 GB; twice that must be free.
LARGEST_SIZE, ITS_MEMORY = 10**7, 4 * 2**30


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    sizes: tuple[int, ...]
    blocks: int  # fresh processes for each library and size


FULL = Plan(sizes=(10**3, 10**4, 10**5, 10**6, LARGEST_SIZE), blocks=6)
QUICK = Plan(sizes=(10**3, 10**4, 10**5, 10**6), blocks=3)


def run(*, quick: bool, out: Path) -> str:
    """Measure, print and write ``peers.json``; return why the run ended early, if it did."""
    records.prepare(out)
    plan = QUICK if quick else FULL
    left_out: dict[str, str] = {}
    libraries, sizes = list(LIBRARIES), list(plan.sizes)
    if "cykhash" in libraries and not importlib.util.find_spec("cykhash"):
        libraries.remove("cykhash")
        left_out["cykhash"] = "it is not installed; pip install 'pyhmap[peers]'"
    if LARGEST_SIZE in sizes and psutil.virtual_memory().available < ITS_MEMORY:
        sizes.remove(LARGEST_SIZE)
        left_out[f"{LARGEST_SIZE:,} keys"] = f"less than {ITS_MEMORY // 2**30} GB of memory are free"

    workload = {
        "keys": "distinct random int64, seed = block",
        "queries": "permutations of the keys; as many keys that are not there",
    }
    config = asdict(plan) | {"libraries": libraries, "sizes": sizes}
    document = records.begin("peers", quick=quick, workload=workload, config=config) | {"left_out": left_out}
    steps = []
    for size in sizes:
        for block, library in runner.interleave(libraries, plan.blocks):
            label = f"{library}, block {block + 1} of {plan.blocks}"
            # Only the progress bar depends on this guess.
            seconds = 0.5 + max(size, 10**6) * (2e-6 if library == "dict" else 5e-7)
            steps.append(Step(f"{size:,} keys", label, seconds, partial(measure, library, size, block)))
    samples, ended_by = runner.run_steps(steps)
    document |= {"ended_by": ended_by, "figures": rows(samples), "samples": samples}
    console = render.output_console()
    render.show_peers(console, document)
    path = records.write(document, out)
    console.print(f"Samples and figures: {path}", markup=False, soft_wrap=True)
    return ended_by


def measure(library: str, size: int, block: int) -> Sample:
    """One process: one library at one size. Libraries of the same block get the same keys."""
    command = worker_command("peers_worker.py", library, size, "--seed", block)
    return {"measure": "peers", "block": block} | run_json(command, hash_seed=block)


def rows(samples: list[Sample]) -> list[dict[str, Any]]:
    """A row for each operation and size: nanoseconds a key, and each peer's time over pyhmap's by pairs."""
    # (operation, size) -> library -> block -> nanoseconds a key
    times: dict[tuple[str, int], dict[str, dict[int, float]]] = {}
    for operation in OPERATIONS:
        for sample in samples:
            if operation in sample:
                libraries = times.setdefault((operation, sample["size"]), {})
                libraries.setdefault(sample["library"], {})[sample["block"]] = sample[operation]
    built = []
    for (operation, size), libraries in times.items():
        row: dict[str, Any] = {"operation": operation, "size": size, "ratios": {}}
        row["ns"] = {name: estimates.spread(list(blocks.values()))._asdict() for name, blocks in libraries.items()}
        ours = libraries.get("pyhmap", {})
        for name, theirs in libraries.items():
            shared = sorted(ours.keys() & theirs.keys())
            if shared and name != "pyhmap":
                ratio = estimates.paired_ratio([theirs[b] for b in shared], [ours[b] for b in shared])
                row["ratios"][name] = ratio._asdict()
        built.append(row)
    return built
