"""The verb ``growth``: when the table grows and why, what it looks like, and what growing costs a single insert.

Owns what is run, the figures and the tables of what is counted; ``growth.latency`` has those of what is timed.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from core import records, runner
from core.runner import Sample, Step
from growth import cases, latency, pictures
from render import terminal

MOST_B, MOST_B_QUICK = 16, 12
CHURN_LOADS = (3.3, 4.9, 6.4)  # keys per bucket, as where the map itself is measured
ARTICLE_TRIGGER = "2 buckets grow at the 13th key"


def run(*, quick: bool, out: Path) -> str:
    """Measure, print, draw and write ``growth.json``; return why the run ended early, if it did."""
    records.prepare(out)
    plan = latency.QUICK if quick else latency.FULL
    workload = {"keys": "distinct random int64, values int64; tophashes and chains: consecutive int64"}
    document = records.begin("growth", quick=quick, workload=workload, config={"latency": vars(plan)})
    document["left_out"] = latency.left_out()
    with tempfile.TemporaryDirectory(prefix="growth-") as folder:
        steps = counting_steps(MOST_B_QUICK if quick else MOST_B) + latency.steps(plan, Path(folder))
        samples, ended_by = runner.run_steps(steps)
    made: dict[str, Any] = {}
    for sample in samples:
        if sample["measure"] == "count":
            made.setdefault(sample["section"], []).append(sample["figures"])
    made = {name: parts[0] if len(parts) == 1 else parts for name, parts in made.items()}
    made |= made.pop("chains_and_tophash", {})
    timed = [sample for sample in samples if sample["measure"] != "count"]
    made |= latency.figures(timed)
    # The figures of what is counted are the samples; only what is timed has raw samples beside them.
    raw = [{name: sample[name] for name in sample if name not in latency.NOT_IN_SAMPLES} for sample in timed]
    document |= {"ended_by": ended_by, "figures": made, "samples": raw}
    runner.conclude(document, out, show, pictures.drawings)
    return ended_by


def counting_steps(most_B: int) -> list[Step]:
    """What is counted in this process."""

    def step(section: str, label: str, seconds: float, call: Callable[[], Any]) -> Step:
        def measure() -> Sample:
            return {"measure": "count", "section": section, "figures": call()}

        return Step("counting", label, seconds, measure)

    made = [step("trigger", "growth trigger", 2, partial(cases.trigger, most_B))]
    for B in cases.ARTICLE_STEPS:
        for load in (3.25 + 1 / 2**B, 4.875, 6.5):
            made.append(step("steps", f"look-up steps, B={B}", 0.5, partial(cases.steps, B, load)))
    made.append(step("loads", "load factors", 4, cases.loads))
    for load in CHURN_LOADS:
        made.append(step("churn_simulation", f"overflow buckets at {load}", 2, partial(cases.churn_simulation, load)))
    made.append(step("chains_and_tophash", "chains and tophashes", 1, cases.chains_and_tophash))
    made.append(step("occupancy", "occupancy", 0.1, cases.occupancy))
    made.append(step("timeline", "timeline", 1, cases.timeline))
    return made


def trigger_table(rows: list[dict[str, int]]) -> Table:
    """Which key starts the growth."""
    table = terminal.plain_table(
        f"Growth trigger; the article: {ARTICLE_TRIGGER}", "B", "buckets", "grows at key", "13/2 rule", ""
    )
    for row in rows:
        verdict = "as Go does" if row["grew_at_key"] == row["expected"] else "differs"
        if row["B"] == 1:
            verdict = "not reproduced: the 14th, as Go's count + 1 > 13 says"
        table.add_row(str(row["B"]), f"{row['buckets']:,}", f"{row['grew_at_key']:,}", f"{row['expected']:,}", verdict)
    return table


def steps_table(rows: list[dict[str, Any]]) -> Table:
    """The article's look-up steps, by two meanings of a step."""
    columns = ("B", "keys a\nbucket", "slots looked at\nmean", "worst, median\nof 100 maps", "worst\nof all")
    table = terminal.plain_table("10,000 look-ups", *columns, "rows read\nmean", "worst", "article\nmean, worst")
    for row in rows:
        cells = [f"{row['slots_mean']:.2f}", f"{row['slots_worst_median']:.0f}", str(row["slots_worst"])]
        cells += [f"{row['rows_mean']:.2f}", str(row["rows_worst"]), "{}, {}".format(*row["article"])]
        table.add_row(str(row["B"]), f"{row['load']:.2f}", *cells)
    return table


def steps_verdict(rows: list[dict[str, Any]]) -> str:
    """Whether the article's means and worst cases appear together at any load, by either meaning."""

    def near(row: dict[str, Any], mean: str, worst: str) -> bool:
        wanted_mean, wanted_worst = row["article"]
        return abs(row[mean] - wanted_mean) < 0.15 and abs(row[worst] - wanted_worst) <= 1

    hit = [r for r in rows if near(r, "slots_mean", "slots_worst_median") or near(r, "rows_mean", "rows_worst")]
    if hit:
        return "The article's figures: reproduced at " + ", ".join(f"B={r['B']} and load {r['load']:.2f}" for r in hit)
    return (
        "The article's figures (B=3: 1.8, worst 12; B=4: 1.3, worst 7): not reproduced. A mean of 1.8 rows or slots "
        "with a worst case of 12 fits no load of this table; it says neither its load nor what a step is. "
        "Direction: twice the buckets for the same keys halve the load, and both mean and worst case fall."
    )


def loads_table(rows: list[dict[str, Any]]) -> Table:
    """Go's table of load factors beside this table's, and what Go's does not say: rows read."""
    columns = ["load", "over-\nflow %", "Go", "bytes/\nentry", "Go", "cycle", "hit\nprobes", "Go", "miss\nprobes", "Go"]
    table = terminal.plain_table("Load factors (* simulated: a map grows at 6.5)", *columns, "rows\nhit", "rows\nmiss")
    for row in rows:
        ours, (overflow, size, hit, miss) = row.get("measured", row["simulated"]), row["go"]
        table.add_row(
            f"{row['load']:.1f}{'' if 'measured' in row else '*'}",
            f"{100 * ours['overflow_share']:.2f}",
            f"{overflow:.2f}",
            f"{ours['bytes_per_entry']:.2f}",
            f"{size:.2f}",
            f"{row['bytes_per_entry_cycle']:.2f}",
            f"{ours['hit_probes']:.2f}",
            f"{hit:.2f}",
            f"{ours['miss_probes']:.2f}",
            f"{miss:.2f}",
            f"{ours['hit_rows']:.3f}",
            f"{ours['miss_rows']:.3f}",
        )
    return table


def show(console: Console, document: dict[str, Any]) -> None:
    """Print the result."""
    made = document["figures"]
    if "trigger" in made:
        console.print(trigger_table(made["trigger"]))
        console.print()
    if "steps" in made:
        console.print(steps_table(made["steps"]))
        console.print(steps_verdict(made["steps"]), markup=False)
        console.print()
    if "loads" in made:
        console.print(loads_table(made["loads"]))
        console.print(
            "bytes/entry: overhead over the 16 bytes of key and value, of the rows in use; cycle: its mean over the "
            "loads from half of this one up, through which a table goes that doubles. Probes: entries to look at, as "
            "Go counts them. Rows: tophash rows that a look-up reads here."
        )
        console.print()
    if "tophash" in made:
        tophash, chains = made["tophash"], made["chains"]
        longest = len(chains["lengths"]) - 1
        console.print(
            f"Tophashes of {chains['count']:,} consecutive keys: chi-square {tophash['chi2']:.0f} for {tophash['dof']} "
            f"degrees of freedom, p = {tophash['p']:.2f}. Longest chain: {longest} buckets; expected beyond: "
            f"{max(0.0, chains['buckets'] - sum(chains['expected'])):.2f} chains."
        )
        console.print()
    latency.show(console, made)
    for name, reason in document["left_out"].items():
        console.print(f"Left out: {name}: {reason}.", markup=False)
    for line in terminal.early_end(document):
        console.print(line, style="bold", markup=False)
