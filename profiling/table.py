"""The verb ``table``: the article's before/after table, on real input.

Owns the plan: what is measured, how often and in which order. Imports the siblings.

Order: the arms are proven equal; then counts and profiles, one process each; then timing, in blocks
that hold every arm once, so that an interrupted run has whole blocks.
"""

import subprocess
import tempfile
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import corpus
import figures
import records
import render
import runner
import tools_memray
import tools_pyspy
from runner import MeasurementError, Sample, Step, ToolUnavailableError, run_json, worker_command

ARMS = figures.ARMS
# The null arm is timed only: "before" once more, in processes of its own.
TIMED = (*ARMS, "before2")
# What starting a process takes, and a profiler besides; these and the factors below only shape the progress bar.
START_SECONDS = 0.2
TOOL_SECONDS = 0.8


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    every: int  # each n-th file of the corpus
    blocks: int  # timed passes of each arm; fewer than six could not give an interval
    sampled_seconds: float  # CPU seconds under py-spy, per arm


# Full: ten pairs leave out the extremes at both ends; 8 s at 500 samples a second give ±1.6 points at a share of 50 %.
FULL = Plan(every=1, blocks=10, sampled_seconds=8.0)
# Quick: the whole table in under a minute, the start-up of some seventy processes included.
QUICK = Plan(every=10, blocks=6, sampled_seconds=1.0)


def run(*, quick: bool, out: Path) -> str:
    """Measure, print and write ``table.json``; return why the run ended early, if it did."""
    records.prepare(out)
    plan = QUICK if quick else FULL
    words = corpus.load(corpus.standard_library(), every=plan.every)
    config = asdict(plan) | {"sample_rate": tools_pyspy.RATE, "arms": TIMED}
    document = records.begin("table", quick=quick, workload=words.describe(), config=config)
    with tempfile.TemporaryDirectory() as scratch:
        samples, ended_by = runner.run_steps(steps(plan, words, out, Path(scratch)))
    document |= {"ended_by": ended_by, "figures": figures.rows(samples), "samples": samples}
    console = render.output_console()
    render.show_table(console, document)
    path = records.write(document, out)
    console.print(f"Samples and figures: {path}", markup=False, soft_wrap=True)
    return ended_by


def steps(plan: Plan, words: corpus.Corpus, out: Path, scratch: Path) -> list[Step]:
    """All measurements of a run, in order."""
    load = START_SECONDS + words.identifiers * 0.5e-6
    one_pass = words.identifiers * 0.2e-6
    ops = -(-words.identifiers // corpus.KEYS_PER_REQUEST)
    proven: dict[str, str] = {}
    planned = [Step("verify", arm, load + 2 * one_pass, partial(verify, arm, words, proven)) for arm in ARMS]
    for arm in ARMS:
        planned.append(Step("cProfile", arm, load + 3 * one_pass, partial(profile, arm, words, out)))
    for arm in ARMS:
        for n in (ops // 2, ops // 2 * 2):
            seconds = load + TOOL_SECONDS + 6 * one_pass * n / ops
            planned.append(Step("memray", f"{arm}, {n:,} ops", seconds, partial(allocations, arm, words, n, scratch)))
    for arm in ARMS:
        seconds = 2.5 * plan.sampled_seconds + load + TOOL_SECONDS
        planned.append(Step("py-spy", arm, seconds, partial(sample, arm, words, plan.sampled_seconds, out)))
    for block, arm in runner.interleave(TIMED, plan.blocks):
        label = f"{arm}, block {block + 1} of {plan.blocks}"
        planned.append(Step("time", label, load + one_pass, partial(time, arm, words, block, proven)))
    return planned


def verify(arm: str, words: corpus.Corpus, proven: dict[str, str]) -> Sample:
    """Digests and counts of an arm; ``MeasurementError`` when they differ from those of the first arm."""
    result = run_json(worker_command("worker.py", "verify", arm), text=words.text)
    for what, value in result.items():
        if proven.setdefault(what, value) != value:
            raise MeasurementError(f"arm {arm!r} gives other {what.split('_')[0]} than {ARMS[0]!r}; nothing was timed")
    return {"measure": "verify", "arm": arm} | result


def profile(arm: str, words: corpus.Corpus, out: Path) -> Sample:
    """One pass under cProfile; leaves the pstats file."""
    path = out / f"table-cprofile-{arm}.pstats"
    return {"measure": "cProfile", "arm": arm} | run_json(
        worker_command("worker.py", "cprofile", arm, "--to", path), text=words.text
    )


def allocations(arm: str, words: corpus.Corpus, ops: int, scratch: Path) -> Sample:
    """Allocations of the first ``ops`` requests."""
    if reason := tools_memray.missing():
        raise ToolUnavailableError(reason)
    path = scratch / f"{arm}-{ops}.bin"
    try:
        result = run_json(worker_command("worker.py", "memray", arm, "--ops", ops, "--to", path), text=words.text)
        counted = tools_memray.allocations(path)
    except (MeasurementError, subprocess.CalledProcessError) as error:
        raise ToolUnavailableError(f"memray failed: {error}") from error
    path.unlink()  # hundreds of megabytes together, and nothing that the count does not say
    return {"measure": "memray", "arm": arm, "allocations": counted} | result


def sample(arm: str, words: corpus.Corpus, seconds: float, out: Path) -> Sample:
    """Passes under py-spy; leaves the folded stacks."""
    if reason := tools_pyspy.missing():
        raise ToolUnavailableError(reason)
    path = out / f"table-pyspy-{arm}.folded"
    command = tools_pyspy.command(worker_command("worker.py", "run", arm, "--seconds", seconds), path)
    try:
        result = run_json(command, text=words.text)
    except MeasurementError as error:
        raise ToolUnavailableError(f"{error}; {tools_pyspy.HOW_TO_BE_ALLOWED}") from error
    counted = tools_pyspy.count(path.read_text(encoding="utf-8", errors="replace"))
    return {"measure": "py-spy", "arm": arm} | counted | result


def time(arm: str, words: corpus.Corpus, block: int, proven: dict[str, str]) -> Sample:
    """One timed pass; its counts must be those that were proven equal."""
    command = worker_command("worker.py", "time", arm, "--seed", block)
    result = run_json(command, text=words.text, hash_seed=block)
    if result.pop("counts_sha256") != proven["counts_sha256"]:
        raise MeasurementError(f"arm {arm!r} gave other counts while it was timed than before; do not trust this run")
    return {"measure": "time", "arm": arm, "block": block} | result
