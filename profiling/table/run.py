"""The verb ``table``: the article's before/after table, on real input or on made traffic.

Owns the plan: what is measured, how often and in which order.

Order: first the arms are proven equal; then counts and profiles, one process each; then timing, in blocks that hold
every arm once, so that an interrupted run has whole blocks.
"""

import json
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from core import corpus, records, runner
from core.runner import MeasurementError, Sample, Step, ToolUnavailableError, run_json, worker_command
from render import flames, terminal
from table import arms, figures, tables, workload
from table.tools import memray, pyspy

ARMS = figures.ARMS
# The null arm is timed only: "before" once more, in processes of its own.
TIMED = (*ARMS, "before2")
# Hashes where it looks up, so nothing can be attributed to hashing.
WITHOUT_SHARE = ("inside",)
# What starting a process takes, and a profiler besides; these and the factors below only shape the progress bar.
START_SECONDS = 0.2
TOOL_SECONDS = 0.8
# Against which arm each differential flame graph is drawn.
DIFFERENCES = (("before", "cache"), ("before", "batch"), ("oneshot", "cache"))


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    every: int  # each n-th file of the corpus; made traffic is shorter by the same factor
    blocks: int  # timed passes of each arm; fewer than six could not give an interval
    sampled_runs: int  # processes under py-spy, per arm
    sampled_seconds: float  # CPU seconds in each of them


# Full: half of the standard library, so that twelve pairs and five sampled processes per arm fit into eight minutes;
# twelve pairs leave out two extremes at both ends, 5 x 1.6 s at 500 samples per second give ±1.6 points at 50 %.
FULL = Plan(every=2, blocks=12, sampled_runs=5, sampled_seconds=1.6)
# Quick: the whole table in about a minute, the start-up of some seventy processes included.
QUICK = Plan(every=10, blocks=6, sampled_runs=2, sampled_seconds=0.5)


def run(
    *,
    quick: bool,
    out: Path,
    input: Path | None = None,
    traffic: str | None = None,
    key_type: str | None = None,
    key_bytes: int | None = None,
) -> str:
    """Measure, print and write ``table.json``; return why the run ended early, if it did.

    Other workloads than the usual one have files of their own, as ``table-zipf-str-16.json``.
    """
    records.prepare(out)
    plan = QUICK if quick else FULL
    words, options = workload.load(
        every=plan.every, input=input, traffic=traffic, key_type=key_type, key_bytes=key_bytes
    )
    config = asdict(plan) | {"sample_rate": pyspy.RATE, "arms": TIMED}
    document = records.begin(
        "table", quick=quick, workload=words.describe(), config=config, name=words.name, options=options
    )
    left_out = {arm: reason for arm in TIMED if (reason := arms.missing(arm))}
    samples: list[Sample] = [{"measure": "arm", "arm": arm, "unavailable": said} for arm, said in left_out.items()]
    with tempfile.TemporaryDirectory() as scratch:
        planned = steps(plan, words, out / document["name"], Path(scratch), left_out)
        measured, ended_by = runner.run_steps(planned)
        samples += measured
        profiles = stacks(Path(scratch))
    document |= {"ended_by": ended_by, "figures": figures.rows(samples), "samples": samples}
    document["stacks"] = {
        arm: flames.stored(flames.below(profile, "run_requests")) for arm, profile in profiles.items()
    }
    runner.conclude(document, out, tables.show)
    if left := leave_profiles(profiles, out / document["name"]):
        said = f"Profiles: {left} files {document['name']}-pyspy-*, {document['name']}-cprofile-*"
        terminal.output_console().print(said, markup=False, soft_wrap=True)
    return ended_by


def steps(plan: Plan, words: corpus.Corpus, beside: Path, scratch: Path, left_out: dict[str, str]) -> list[Step]:
    """All measurements of a run, in order."""
    load = START_SECONDS + words.identifiers * 0.5e-6
    one_pass = words.identifiers * 0.2e-6
    ops = -(-words.identifiers // corpus.KEYS_PER_REQUEST)
    proven: dict[str, str] = {}
    used = [arm for arm in ARMS if arm not in left_out]
    shared = [arm for arm in used if arm not in WITHOUT_SHARE]
    planned = [Step("verify", arm, load + 2 * one_pass, partial(verify, arm, words, proven)) for arm in used]
    for arm in shared:
        planned.append(Step("cProfile", arm, load + 3 * one_pass, partial(profile, arm, words, beside)))
    for arm in used:
        for n in (ops // 2, ops // 2 * 2):
            seconds = load + TOOL_SECONDS + 6 * one_pass * n / ops
            planned.append(Step("memray", f"{arm}, {n:,} ops", seconds, partial(allocations, arm, words, n, scratch)))
    for number, arm in runner.interleave(shared, plan.sampled_runs):
        seconds = 2.5 * plan.sampled_seconds + load + TOOL_SECONDS
        label = f"{arm}, run {number + 1} of {plan.sampled_runs}"
        path = scratch / f"{arm}-{number}.folded"
        planned.append(Step("py-spy", label, seconds, partial(sample, arm, words, plan.sampled_seconds, path)))
    for block, arm in runner.interleave((arm for arm in TIMED if arm not in left_out), plan.blocks):
        label = f"{arm}, block {block + 1} of {plan.blocks}"
        planned.append(Step("time", label, load + 3 * one_pass, partial(time, arm, words, block, proven)))
    return planned


def worker(measure: str, arm: str, words: corpus.Corpus, *options: object) -> list[str]:
    """The command of a measuring process for these keys."""
    return worker_command("table.worker", measure, arm, "--key-type", words.key_type, *options)


def verify(arm: str, words: corpus.Corpus, proven: dict[str, str]) -> Sample:
    """Digests and counts of an arm; ``MeasurementError`` when they differ from those of the first arm."""
    result = run_json(worker("verify", arm, words), text=words.text)
    for what, value in result.items():
        if proven.setdefault(what, value) != value:
            raise MeasurementError(f"arm {arm!r} gives other {what.split('_')[0]} than {ARMS[0]!r}; nothing was timed")
    return {"measure": "verify", "arm": arm} | result


def profile(arm: str, words: corpus.Corpus, beside: Path) -> Sample:
    """One pass under cProfile; leaves the pstats file."""
    path = beside.with_name(f"{beside.name}-cprofile-{arm}.pstats")
    result = run_json(worker("cprofile", arm, words, "--to", path), text=words.text)
    return {"measure": "cProfile", "arm": arm} | result


def allocations(arm: str, words: corpus.Corpus, ops: int, scratch: Path) -> Sample:
    """Allocations of the first ``ops`` requests."""
    if reason := memray.missing():
        raise ToolUnavailableError(reason)
    path = scratch / f"{arm}-{ops}.bin"
    try:
        result = run_json(worker("memray", arm, words, "--ops", ops, "--to", path), text=words.text)
        counted = memray.allocations(path)
    except (MeasurementError, subprocess.CalledProcessError) as error:
        raise ToolUnavailableError(f"memray failed: {error}") from error
    path.unlink()  # hundreds of megabytes together, and nothing that the count does not say
    return {"measure": "memray", "arm": arm, "allocations": counted} | result


def sample(arm: str, words: corpus.Corpus, seconds: float, path: Path) -> Sample:
    """Passes under py-spy, whose folded stacks go to ``path``."""
    if reason := pyspy.missing():
        raise ToolUnavailableError(reason)
    command = pyspy.command(worker("run", arm, words, "--seconds", seconds), path)
    try:
        result = run_json(command, text=words.text)
    except MeasurementError as error:
        raise ToolUnavailableError(f"{error}; {pyspy.HOW_TO_BE_ALLOWED}") from error
    counted = pyspy.count(path.read_text(encoding="utf-8", errors="replace"))
    return {"measure": "py-spy", "arm": arm} | counted | result


def time(arm: str, words: corpus.Corpus, block: int, proven: dict[str, str]) -> Sample:
    """One timed pass; its counts must be those that were proven equal."""
    command = worker("time", arm, words, "--seed", block)
    result = run_json(command, text=words.text, hash_seed=block)
    if result.pop("counts_sha256") != proven["counts_sha256"]:
        raise MeasurementError(f"arm {arm!r} gave other counts while it was timed than before; do not trust this run")
    return {"measure": "time", "arm": arm, "block": block} | result


def stacks(scratch: Path) -> dict[str, flames.Stacks]:
    """The stacks of each arm that was sampled, of all its processes together."""
    made = {}
    for arm in ARMS:
        parts = [path.read_text(encoding="utf-8", errors="replace") for path in sorted(scratch.glob(f"{arm}-*.folded"))]
        if profile := flames.joined(stack for part in parts for stack in flames.parse(part)):
            made[arm] = profile
    return made


def leave_profiles(profiles: dict[str, flames.Stacks], beside: Path) -> int:
    """Write what users of profilers open next, after the result itself; return how many files."""
    files: dict[str, str] = {}
    loops = {arm: flames.below(profile, "run_requests") for arm, profile in profiles.items()}
    for arm, profile in profiles.items():
        files[f"{arm}.folded"] = flames.folded(profile)
        files[f"{arm}.speedscope.json"] = json.dumps(flames.speedscope(profile, f"{beside.name}: {arm}"))
        files[f"{arm}.svg"] = flames.flame_graph(loops[arm], f"{beside.name}, arm {arm}")
    for before, after in DIFFERENCES:
        if before in loops and after in loops:
            title = f"{beside.name}: {after} against {before}"
            files[f"{before}-{after}.svg"] = flames.difference(loops[before], loops[after], title)
    for name, text in files.items():
        records.write_text(beside.with_name(f"{beside.name}-pyspy-{name}"), text)
    return len(files)
