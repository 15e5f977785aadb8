"""The verb ``floor``: what a frozen map takes beside the memory that it must read or get.

Owns what is run, the figures and the tables. A look-up stands beside ``np.take`` that reads the same memory, and
freezing beside the first touch of the memory that it uses. Where targets are missed, this tells which part a faster
program could save.
"""

from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from core import estimates, records, runner
from core.runner import Sample, Step, run_json, worker_command
from floor import pictures
from floor.worker import FREEZE, HIT, PILOTS, READ, ROWS, TOUCH, WORDS
from peers.tables import PLAIN_WIDTH
from peers.targets import power
from render import parts
from render.parts import Part

Document = dict[str, Any]
SIZES, SIZES_QUICK = (10**6, 10**7, 10**8), (10**4, 10**6)
FROZEN, FROZEN_QUICK = 10**7, 10**6
BLOCKS, BLOCKS_QUICK = 5, 1
REST = "the rest"


def run(*, quick: bool, out: Path) -> str:
    """Measure, print and write ``floor.json``; return why the run ended early, if it did."""
    records.prepare(out)
    blocks, sizes, frozen = (BLOCKS_QUICK, SIZES_QUICK, FROZEN_QUICK) if quick else (BLOCKS, SIZES, FROZEN)
    workload = {
        "keys": "int64 to int64, asked for in random order",
        "look-ups": "CPU nanoseconds per key, one thread",
        "freezing": "wall nanoseconds per key, one thread",
    }
    config = {"blocks": blocks, "sizes": list(sizes), "frozen": frozen}
    document = records.begin("floor", quick=quick, workload=workload, config=config)
    steps = [
        Step(what, f"{size:,} keys, block {block + 1}", 2 + size * 5e-7, partial(measure, what, size, block))
        for block in range(blocks)
        for what, size in [*(("look-ups", size) for size in sizes), ("freezing", frozen)]
    ]
    samples, ended_by = runner.run_steps(steps)
    document |= {"ended_by": ended_by, "figures": figures(samples), "samples": samples}
    runner.conclude(document, out, show, pictures.drawings)
    return ended_by


def measure(what: str, size: int, block: int) -> Sample:
    """One process."""
    command = worker_command("floor.worker", what, size, block)
    return {"measure": what, "size": size, "block": block} | run_json(command, hash_seed=block)


def figures(samples: list[Sample]) -> dict[str, Any]:
    """Everything that is shown."""
    return {"look_ups": look_ups(samples), "freezing": freezing(samples)}


def look_ups(samples: list[Sample]) -> list[dict[str, Any]]:
    """For each size: the medians, and by pairs the ratios of a hit, of what it must read, and of ``np.take``."""
    made = []
    samples = [sample for sample in samples if sample["measure"] == "look-ups"]
    for size in dict.fromkeys(sample["size"] for sample in samples):
        runs = [sample["ns"] for sample in samples if sample["size"] == size]
        ns = {way: [run[way] for run in runs] for way in (HIT, WORDS, ROWS, PILOTS)}
        ns[READ] = [run[ROWS] + run[PILOTS] for run in runs]
        made.append(
            {
                "size": size,
                "ns": {way: estimates.spread(each)._asdict() for way, each in ns.items()},
                "hit_over_words": estimates.paired_ratio(ns[HIT], ns[WORDS])._asdict(),
                "read_over_words": estimates.paired_ratio(ns[READ], ns[WORDS])._asdict(),
                "hit_over_read": estimates.paired_ratio(ns[HIT], ns[READ])._asdict(),
            }
        )
    return made


def freezing(samples: list[Sample]) -> list[dict[str, Any]]:
    """The medians of freezing and of the first touch of its memory, and their difference."""
    runs = [sample for sample in samples if sample["measure"] == "freezing"]
    if not runs:
        return []
    ns = {way: [run["ns"][way] for run in runs] for way in (FREEZE, TOUCH)}
    ns[REST] = [whole - touch for whole, touch in zip(ns[FREEZE], ns[TOUCH], strict=True)]
    return [{"size": runs[0]["size"], "ns": {way: estimates.spread(each)._asdict() for way, each in ns.items()}}]


def floor_hits(document: Document) -> Part:
    """A row for each size."""
    head = ("keys", f"`{WORDS}`", f"`{ROWS}`", f"`{PILOTS}`", f"`{HIT}`", "1 and 16 over 8 bytes", "hit over 8 bytes")
    shown = []
    for row in document["figures"]["look_ups"]:
        times = [f"{row['ns'][way]['median']:.1f} ns" for way in (WORDS, ROWS, PILOTS, HIT)]
        ratios = [parts.over(row[name]) for name in ("read_over_words", "hit_over_words", "hit_over_read")]
        shown.append([power(row["size"]), *times, *ratios])
    return Part("A hit beside what it must read", (*head, "hit over 1 and 16 bytes"), 1, shown)


def floor_freezing(document: Document) -> Part:
    """Freezing, and what of it is the system's."""
    ways = (FREEZE, TOUCH, REST)
    shown = [
        [power(row["size"]), *(f"{row['ns'][way]['median']:.1f} ns" for way in ways)]
        for row in document["figures"]["freezing"]
    ]
    return Part("Freezing beside the first touch of its memory", ("keys", f"`{FREEZE}`", *ways[1:]), 1, shown)


def sentences(document: Document) -> list[tuple[str, str]]:
    """What the documents say in words."""
    rows = document["figures"]["look_ups"]
    read, hits = (sorted(row[name]["value"] for row in rows) for name in ("read_over_words", "hit_over_read"))
    return [
        ("docs/measurements.md", f"takes {read[0]:.1f} to {read[-1]:.1f} times `np.take` of 8 bytes"),
        ("docs/measurements.md", f"Hits take {hits[0]:.1f} to {hits[-1]:.1f} times that floor"),
    ]


PARTS = (floor_hits, floor_freezing)


def show(console: Console, document: Document) -> None:
    """Print the result."""
    parts.show_all(console, document, (part(document) for part in PARTS), [], PLAIN_WIDTH)
