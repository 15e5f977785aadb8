"""The verb ``ids``: what ids for keys cost with ``HIndex``, beside maps, arrays, and what users of pandas do.

Owns the plan and its processes.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from core import records, runner
from core.runner import Sample, Step, run_json, worker_command
from ids import figures, pictures, tables, worker
from ids.figures import FULLEST, MEMORY

# A dict and a list of 10^7 texts take 1.5 GB, and pandas and polars copy theirs as they are made.
FREE = 6 * 2**30
BULK = "bulk"


@dataclass(frozen=True)
class Plan:
    """How much is measured: keys by type, or draws, and processes of each measurement."""

    codes: dict[int, int]  # processes by number of keys
    batch: int  # draws
    stable: dict[str, dict[int, int]]  # processes by type and draws of each batch
    decoding: int  # keys
    bulk: int  # draws
    memory: tuple[int, ...]  # keys
    blocks: int  # processes of what has no number of its own


FULL = Plan(
    codes={10**4: 6, 10**6: 6, 10**7: 6},
    batch=10**6,
    stable={"int64": {10**5: 6, 10**6: 3}, "str17": {10**5: 6}},
    decoding=10**6,
    bulk=10**6,
    memory=(10**6, FULLEST, 10**7),
    blocks=6,
)
QUICK = Plan(
    codes={10**4: 1, 10**5: 1},
    batch=30_000,
    stable={"int64": {3000: 1}, "str17": {3000: 1}},
    decoding=30_000,
    bulk=30_000,
    memory=(6 << 13,),
    blocks=1,
)


def run(*, quick: bool, out: Path) -> str:
    """Measure, print, draw and write ``ids.json``; return why the run ended early, if it did."""
    records.prepare(out)
    plan = QUICK if quick else FULL
    if not quick and psutil.virtual_memory().available < FREE:
        raise ValueError(f"less than {FREE >> 30} GB of memory are free: close other programs, or give --quick")
    left_out = worker.left_out()
    document = records.begin("ids", quick=quick, workload=WORKLOAD, config=asdict(plan))
    document |= {"left_out": left_out}
    samples, ended_by = runner.run_steps(steps(plan, left_out))
    document |= {"ended_by": ended_by, "figures": figures.figures(samples), "samples": samples}
    runner.conclude(document, out, tables.show, pictures.drawings)
    return ended_by


# What a reader must know of the input.
WORKLOAD = {
    "keys": "distinct; they look random. str17: texts of 16 hexadecimal digits and a letter",
    "codes": "CPU time per key. Known keys and codes in random order, 10^6 at least and 2 * 10^6 at most",
    "batch": "as many draws with replacement as there are keys, to an empty index",
    "stable": "ten batches, each coded before the next comes; half of the keys that one draws from are new",
    "decoding": "codes of all keys in random order",
    "bulk": "as many draws with replacement as there are keys; half of them are in the set",
    "memory": "bytes per key; private: what the unique set size of a fresh process grows by",
}


def steps(plan: Plan, left_out: dict[str, str]) -> list[Step]:
    """All measurements of a run, in order; the sizes and types of a block in shuffled order."""
    planned = []
    for block, size in by_blocks(plan.codes):
        planned.append(step("codes", "int64", size, block, 2 + size * 6e-7))
    for block, kind in runner.interleave(("int64", "str17"), plan.blocks):
        planned.append(step("batch", kind, plan.batch, block, 1 + plan.batch * (3e-6 if kind == "int64" else 2e-5)))
    for kind, sizes in plan.stable.items():
        for block, size in by_blocks(sizes):
            planned.append(step("stable", kind, size, block, 1 + size * (5e-5 if kind == "int64" else 2e-4)))
    for block in range(plan.blocks):
        planned.append(step("decoding", "str17", plan.decoding, block, 1 + plan.decoding * 8e-6))
    if BULK not in left_out:
        for block in range(plan.blocks):
            planned.append(step("bulk", "int64", plan.bulk, block, 1 + plan.bulk * 2e-6))
    return planned + [held(kind, size, holder) for kind, size, holder in held_by(plan, left_out)]


def by_blocks(blocks: dict[int, int]) -> list[tuple[int, int]]:
    """Block and size, each size in as many blocks as it has.

    >>> sorted(by_blocks({100: 2, 1000: 1}))
    [(0, 100), (0, 1000), (1, 100)]
    """
    order = runner.interleave(map(str, blocks), max(blocks.values()))
    return [(block, int(size)) for block, size in order if block < blocks[int(size)]]


def held_by(plan: Plan, left_out: dict[str, str]) -> list[tuple[str, int, str]]:
    """Type, number of keys and what holds them, where memory is measured."""
    return [
        (kind, size, holder)
        for kind in figures.BYTES
        for size in plan.memory
        for holder in worker.HOLDERS
        if not worker.is_missing(holder, left_out) and not (kind == "int64" and holder in worker.OF_TEXTS)
    ]


def step(measure: str, kind: str, size: int, block: int, seconds: float) -> Step:
    """A process of ``ids.worker`` that measures times."""
    command = worker_command("ids.worker", measure, kind, size, block)
    known = {"measure": measure, "kind": kind, "size": size, "block": block}

    def call() -> Sample:
        return known | run_json(command, hash_seed=block)

    return Step(measure, f"{size:,} {kind}, block {block + 1}", seconds, call)


def held(kind: str, size: int, holder: str) -> Step:
    """A process of ``ids.worker`` that measures memory."""
    command = worker_command("ids.worker", MEMORY, kind, size, holder)
    known = {"measure": MEMORY, "kind": kind, "size": size, "holder": holder}

    def call() -> Sample:
        return known | run_json(command)

    return Step(MEMORY, f"{size:,} {kind}, {holder}", 1 + size * 1e-6, call)
