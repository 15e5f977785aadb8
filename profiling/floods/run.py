"""The verb ``floods``: keys that patterns, or somebody who knows the hash, put together, beside random keys.

Owns what is run, the figures and the tables.
"""

from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from core import estimates, records, runner
from core.runner import Sample, Step, run_json, worker_command
from floods.worker import FLOODS, OPERATIONS, ROUNDS, N
from render import markdown as md
from render import terminal

Document = dict[str, Any]
BLOCKS, BLOCKS_QUICK = 6, 2
LIMIT = 2  # times as long as random keys may a flood take


def run(*, quick: bool, out: Path) -> str:
    """Measure, print and write ``floods.json``; return why the run ended early, if it did."""
    records.prepare(out)
    blocks = BLOCKS_QUICK if quick else BLOCKS
    workload = {"keys": N, "floods": "see profiling/floods/worker.py"}
    document = records.begin("floods", quick=quick, workload=workload, config={"blocks": blocks, "rounds": ROUNDS})
    steps = [
        Step("floods", f"{flood}, block {block + 1} of {blocks}", 2, partial(measure, flood, block))
        for block, flood in runner.interleave(FLOODS, blocks)
    ]
    samples, ended_by = runner.run_steps(steps)
    document |= {"ended_by": ended_by, "figures": rows(samples), "samples": samples}
    runner.conclude(document, out, show)
    return ended_by


def measure(flood: str, block: int) -> Sample:
    """One process: one flood, and random keys in its place."""
    command = worker_command("floods.worker", flood, "--seed", block + 1)
    return {"measure": "floods", "block": block} | run_json(command, hash_seed=block)


def rows(samples: list[Sample]) -> list[dict[str, Any]]:
    """For each flood the time of each operation, and over that of random keys by pairs; and what the map counted."""
    made = []
    for flood in FLOODS:
        runs = [sample for sample in samples if sample["flood"] == flood]
        if not runs:
            continue
        row: dict[str, Any] = {"flood": flood}
        for count in ("rekeys", "longest"):
            row[count] = max(run["flooded"][count] for run in runs)
        row["ns"], row["over_random"] = {}, {}
        for name in OPERATIONS:
            flooded, random = ([run[arm][name] for run in runs] for arm in ("flooded", "random"))
            row["ns"][name] = estimates.spread(flooded)._asdict()
            row["over_random"][name] = estimates.paired_ratio(flooded, random)._asdict()
        row["worst"] = max(ratio["value"] for ratio in row["over_random"].values())
        made.append(row)
    return made


def cells(row: dict[str, Any]) -> list[str]:
    """The figures of a flood: what its map counted; then for each operation its time, and over that of random keys."""
    made = [row["flood"], f"{row['rekeys']}", f"{row['longest']}"]
    for name in OPERATIONS:
        made += [
            f"{row['ns'][name]['median']:.0f} ns",
            f"{row['over_random'][name]['value']:.2f}\N{MULTIPLICATION SIGN}",
        ]
    return made


def show(console: Console, document: Document) -> None:
    """Print the result."""
    beyond = [row["flood"] for row in document["figures"] if row["worst"] > LIMIT]
    head = ["", "re-\nkeys", "longest\nchain"]
    for name in OPERATIONS:
        head += [escape(name), "times\nrandom"]
    table = terminal.plain_table("", *head, words=("",))
    for row in document["figures"]:
        table.add_row(*cells(row))
    said = f"more than {LIMIT} times random keys: {', '.join(beyond)}" if beyond else f"each within {LIMIT} times"
    console.print(f"Floods of {N:,} keys, {said}.", style="bold", markup=False)
    console.print()
    console.print(table)
    console.print()
    console.print("ns: CPU time per key, single calls less their loop; medians of processes.", markup=False)
    for line in terminal.early_end(document):
        console.print(line, style="bold", markup=False)


def markdown(document: Document) -> str:
    """The table of the documents; a ratio beyond the limit is bold."""
    head = ["", "rekeyings", "longest chain"]
    for name in OPERATIONS:
        head += [f"`{name}`", "over random"]
    made = []
    for row in document["figures"]:
        line = cells(row)
        for place, name in enumerate(OPERATIONS):
            at = 4 + 2 * place
            line[at] = md.bold(line[at], row["over_random"][name]["value"] > LIMIT)
        made.append(line)
    return md.table(head, made)
