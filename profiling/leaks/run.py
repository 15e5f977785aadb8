"""The verb ``leaks``: what keeps a map's memory alive, the collector's share, the header two ways, and zero growth.

Owns what is run, the figures and the verdicts. Every case, every container of the collector's table and every public
call has a process of its own (with ``--quick`` the calls share two).
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from core import estimates, records, runner
from core.runner import Sample, Step, run_json, worker_command
from leaks import pictures, tables, zero_growth
from leaks import worker as leaks_worker
from leaks.cases import ARMS, CASES
from leaks.tables import amount
from leaks.worker import CONTAINERS

SIZES, SIZES_QUICK = (10**5, 10**6, 10**7), (10**4, 10**5)
BLOCKS, BLOCKS_QUICK = 5, 2
GROWTH_CALLS, GROWTH_CALLS_QUICK, SLOW_CALLS_QUICK = 100_000, 500, 5
# glibc keeps small pieces that were freed in a cache per thread, and counts them as in use: with this off, discard_many
# of a set of objects grows by 0 instead of by 30 kB in its first ten thousand rounds, and then no more.
NO_CACHE = "GLIBC_TUNABLES=glibc.malloc.tcache_count=0"
TOGETHER = 2  # processes at a time, where nothing is timed
UNKNOWN_PATH = "nothing that Python knows of"


def run(*, quick: bool, out: Path) -> str:
    """Measure, print, draw and write ``leaks.json``; return why the run ended early, if it did."""
    records.prepare(out)
    sizes, blocks = (SIZES_QUICK, BLOCKS_QUICK) if quick else (SIZES, BLOCKS)
    calls, slow = (GROWTH_CALLS_QUICK, SLOW_CALLS_QUICK) if quick else (GROWTH_CALLS, GROWTH_CALLS)
    workload = {
        "cases": list(CASES),
        "collector": "int to int, or to a pair of ints, written one at a time",
        "zero growth": "every public call, see profiling/leaks/zero_growth.py",
    }
    config = {"sizes": list(sizes), "blocks": blocks, "growth_calls": calls, "slow_calls": slow}
    config["leakcheck"] = {"rounds": leaks_worker.ROUNDS, "calls": leaks_worker.CALLS}
    document = records.begin("leaks", quick=quick, workload=workload, config=config)
    with ThreadPoolExecutor(TOGETHER) as pool:
        try:
            steps = collector_steps(sizes, blocks) + case_steps(pool)
            steps.append(Step("header", "two ways", 1, header))
            samples, ended_by = runner.run_steps(steps + growth_steps(pool, calls, slow))
        finally:
            pool.shutdown(cancel_futures=True)
    made = figures(samples)
    document |= {"ended_by": ended_by, "figures": made, "verdicts": verdicts(made), "samples": samples}
    runner.conclude(document, out, tables.show, pictures.drawings)
    return ended_by


# --- what is run ---


def together(pool: ThreadPoolExecutor, group: str, seconds: float, jobs: dict[str, Callable[[], Sample]]) -> list[Step]:
    """Steps whose processes run two at a time, from the moment that the first of them is due."""
    begun: dict[str, Future[Sample]] = {}

    def measure(label: str) -> Sample:
        if not begun:
            begun.update({name: pool.submit(job) for name, job in jobs.items()})
        return begun[label].result()

    return [Step(group, label, seconds, partial(measure, label)) for label in jobs]


def collector_steps(sizes: tuple[int, ...], blocks: int) -> list[Step]:
    """Each container at each size once per block, the order within a block shuffled: these are timed, one at a time."""
    steps = []
    for n in sizes:
        for block, container in runner.interleave(CONTAINERS, blocks):
            job = partial(collector, container, n, block)
            steps.append(Step("collector", f"{container}, {n:,}", 0.5 + n / 1e6, job))
    return steps


def collector(container: str, n: int, block: int) -> Sample:
    """One process: one container."""
    command = worker_command("leaks.worker", "collector", container, n)
    return {"measure": "collector", "block": block} | run_json(command, hash_seed=block)


def case_steps(pool: ThreadPoolExecutor) -> list[Step]:
    """Both forms of every case."""
    jobs = {f"{name}, {arm}": partial(case, name, arm) for name in CASES for arm in ARMS}
    return together(pool, "cases", 2, jobs)


def case(name: str, arm: str) -> Sample:
    """One process: one form of a case."""
    return {"measure": "case"} | run_json(worker_command("leaks.worker", "case", name, arm))


def header() -> Sample:
    """The header both ways."""
    return {"measure": "header"} | run_json(worker_command("leaks.worker", "header"))


def growth_steps(pool: ThreadPoolExecutor, calls: int, slow_calls: int) -> list[Step]:
    """A process for each public call; with ``--quick`` they share two."""
    quick = calls < GROWTH_CALLS
    names = [zero_growth.NOTHING, *zero_growth.public_calls(), *zero_growth.EXTRAS]
    names.sort(key=lambda name: name not in zero_growth.SLOW)  # the longest first, and the others beside it
    shares = [names[start::TOGETHER] for start in range(TOGETHER)] if quick else [[name] for name in names]
    jobs = {}
    for number, share in enumerate(shares):
        label = share[0] if len(share) == 1 else f"share {number + 1} of {len(shares)}"
        jobs[label] = partial(growth, share, calls, slow_calls)
    return together(pool, "zero growth", 10 if quick else 2, jobs)


def growth(names: list[str], calls: int, slow_calls: int) -> Sample:
    """One process: the rounds of some calls."""
    command = worker_command("leaks.zero_growth", "--calls", calls, "--slow-calls", slow_calls, *names)
    return {"measure": "zero growth"} | run_json(["env", NO_CACHE, *command])


# --- figures ---


def figures(samples: list[Sample]) -> dict[str, Any]:
    """What is shown, from the raw samples."""
    by_measure: dict[str, list[Sample]] = {}
    for sample in samples:
        by_measure.setdefault(sample["measure"], []).append(sample)
    heads = [{name: part for name, part in one.items() if name != "measure"} for one in by_measure.get("header", [])]
    return {
        "cases": case_rows(by_measure.get("case", [])),
        "collector": collector_rows(by_measure.get("collector", [])),
        "header": heads[0] if heads else {},
        "growth": growth_rows(by_measure.get("zero growth", [])),
        "growth_slack": {meter: {"most": most, "why": why} for meter, (most, why) in zero_growth.SLACK.items()},
    }


def case_rows(samples: list[Sample]) -> list[dict[str, Any]]:
    """A row per case: both verdicts beside those expected, and who is named."""
    rows = []
    for name, known in CASES.items():
        row: dict[str, Any] = {"case": name, "article": known.article, "remedy": known.remedy}
        for arm in ARMS:
            for sample in samples:
                if (sample["case"], sample["arm"]) == (name, arm):
                    expected = getattr(known, arm).expected
                    row[arm] = {
                        "verdict": sample["verdict"],
                        "expected": expected,
                        "as_expected": sample["verdict"] == expected,
                        "bytes_a_call": sample["bytes_a_call"],
                        "line": sample["lines"][0] if sample["lines"] else "",
                        "paths": known_paths(sample["referrers"]),
                        "calls_a_round": sample["diagnosis"]["calls"],
                        "traced": [one["traced"] for one in sample["diagnosis"]["samples"]],
                    }
        if any(arm in row for arm in ARMS):
            rows.append(row)
    return rows


def known_paths(paths: list[str]) -> list[str]:
    """The paths that begin somewhere: what only native code refers to has none."""
    return [path for path in paths if not path.startswith(UNKNOWN_PATH)]


def collector_rows(samples: list[Sample]) -> list[dict[str, Any]]:
    """A row per container and size: medians and quartiles over the processes, in seconds."""
    rows = []
    for n in sorted({sample["entries"] for sample in samples}):
        for container in CONTAINERS:
            runs = [one for one in samples if (one["container"], one["entries"]) == (container, n)]
            if not runs:
                continue
            later = [estimates.spread([pass_["cpu_ns"] / 1e9 for pass_ in one["full"][1:]]).median for one in runs]
            row = {
                "container": container,
                "entries": n,
                "first": estimates.spread([one["full"][0]["cpu_ns"] / 1e9 for one in runs])._asdict(),
                "later": estimates.spread(later)._asdict(),
                "share": estimates.spread([one["share"] for one in runs])._asdict(),
                "build_cpu_seconds": estimates.spread([one["build_cpu_seconds"] for one in runs])._asdict(),
                "uss": estimates.spread([one["uss"] for one in runs])._asdict(),
            }
            rows.append(row | {"building": building([one["building"] for one in runs])})
    return rows


def building(runs: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """For each generation: collections while it was built, and their seconds in all and at most; medians."""
    made = {}
    for generation in sorted({name for run in runs for name in run}):
        pauses = [run.get(generation, {"count": 0, "total": 0, "max": 0}) for run in runs]
        made[generation] = {
            "count": estimates.spread([one["count"] for one in pauses]).median,
            "total": estimates.spread([one["total"] / 1e9 for one in pauses]).median,
            "max": estimates.spread([one["max"] / 1e9 for one in pauses]).median,
        }
    return made


def growth_rows(samples: list[Sample]) -> list[dict[str, Any]]:
    """A row per call: the most that each meter grew by, over the forms of keys that it was made with."""
    rows = []
    for one in (one for sample in samples for one in sample["measured"]):
        forms = one["forms"]
        most = {meter: max(form["grew"][meter] for form in forms) for meter in zero_growth.SLACK}
        row = {"call": one["call"], "forms": len(forms), "calls": sum(form["calls"] for form in forms), "grew": most}
        rows.append(row | {"beyond": zero_growth.beyond(most)})
    return rows


def verdicts(made: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """What the report's first page says: the case, the article or the target, what was found, the verdict."""
    rows = []
    for row in made["cases"]:
        if not all(arm in row for arm in ARMS):
            continue
        leaking, fixed = row["leaking"], row["fixed"]
        found = f"{leaking['verdict']}, {amount(leaking['bytes_a_call'])} per call; fixed: {fixed['verdict']}"
        right = leaking["as_expected"] and fixed["as_expected"]
        if row["article"]:
            rows.append((row["case"], row["article"], found, "reproduced" if right else "not reproduced"))
        else:
            target = f"{leaking['expected']}; fixed: {fixed['expected']}"
            rows.append((row["case"], target, found, "target met" if right else "target missed"))
    if made["header"]:
        fields = [field for rows in made["header"]["headers"].values() for field in rows]
        agree = sum(field["agrees"] for field in fields)
        refused = sum(bool(reason) for reason in made["header"]["refused"].values())
        found = f"{agree} of {len(fields)} fields agree; refused: {refused} of {len(made['header']['refused'])} others"
        whole = agree == len(fields) and refused == len(made["header"]["refused"])
        said = "4.4: count and B by reflection"
        rows.append(("header read from memory", said, found, "reproduced" if whole else "not reproduced"))
    if made["growth"]:
        grown = [row["call"] for row in made["growth"] if row["beyond"]]
        found = f"{len(grown)} of {len(made['growth'])}"
        rows.append(
            ("public calls that leave something behind", "0", found, "target missed" if grown else "target met")
        )
    return rows
