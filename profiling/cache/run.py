"""The verb ``cache``: a hash from the cache beside every other way to it, where it pays, and what its rules are worth.

Owns the plan, the figures, the targets and how they are printed. Every measurement is a process of ``cache.worker``.
"""

import importlib.util
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cache import policies, rules
from cache import worker as cache_worker
from core import estimates, records, runner
from core.runner import Sample, Step, run_json, worker_command
from render import terminal

PEERS = ("cachetools", "cachebox")
MIXED = ("cache", "direct", "oneshot")


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    blocks: int  # processes of each arm
    scans: int  # processes of the scan
    scanned: int  # keys of a scan
    calls: int  # of a trace for the rules, and of a load for the policies
    loads: int  # processes of each policy
    sizes: int  # processes of each size


FULL = Plan(blocks=8, scans=12, scanned=10**7, calls=1_000_000, loads=6, sizes=3)
QUICK = Plan(blocks=3, scans=2, scanned=10**6, calls=200_000, loads=1, sizes=1)

# What the design asks of a hit on a str of 16 bytes: the arm's time is to be at most so many times the other's.
TARGETS = {"cache over dict": ("cache", "dict", 1.4), "cache over one-shot": ("cache", "oneshot", 0.5)}
MANY_NS, SCAN_COST = 12.0, 0.02


def run(*, quick: bool, out: Path) -> str:
    """Measure, print and write ``cache.json``; return why the run ended early, if it did."""
    records.prepare(out)
    plan = QUICK if quick else FULL
    left_out = {name: "pip install -e '.[peers]' adds it" for name in PEERS if importlib.util.find_spec(name) is None}
    arms = [arm for arm in cache_worker.ARMS if arm not in left_out]
    workload = {
        "hits": f"{cache_worker.KEYS} keys that are held, in turn, ns per key with the loop",
        "scan": "str of 16 bytes that never repeat, default settings against switched off, in turn by chunks",
        "held": "str of 16 bytes that are held, in random order, ns per key with the loop",
        "policies": "see profiling/cache/policies.py",
        "rules": "see profiling/cache/rules.py",
    }
    config = asdict(plan) | {"arms": arms}
    document = records.begin("cache", quick=quick, workload=workload, config=config) | {"left_out": left_out}
    samples, ended_by = runner.run_steps(steps(plan, arms))
    document |= {"ended_by": ended_by, "figures": figures(samples), "samples": samples}
    runner.conclude(document, out, show)
    return ended_by


def steps(plan: Plan, arms: list[str]) -> list[Step]:
    """All measurements of a run, in order."""
    planned = []
    for group, some, blocks, seconds in (
        ("hits", arms, plan.blocks, 0.5),
        ("held", cache_worker.HELD_ARMS, plan.blocks, 2.0),
        ("mixes", MIXED, plan.blocks, 0.8),
        ("maps", cache_worker.MAPS, plan.blocks, 0.8),
        ("policies", policies.POLICIES, plan.loads, plan.calls * 6e-6),
        ("policies", policies.SIZES, plan.sizes, plan.calls * 4e-6),
    ):
        for block, arm in runner.interleave(some, blocks):
            label = f"{arm}, block {block + 1} of {blocks}"
            arguments = ("--arm", arm, "--count", plan.calls)
            planned.append(Step(group, label, seconds, partial(measure, group, block, *arguments)))
    for block in range(plan.blocks):
        planned.append(
            Step("break-even", f"block {block + 1} of {plan.blocks}", 0.5, partial(measure, "break-even", block))
        )
    for block in range(plan.scans):
        call = partial(measure, "scan", block, "--count", plan.scanned)
        planned.append(Step("scan", f"{block + 1} of {plan.scans}", plan.scanned * 7e-7, call))
    planned.append(Step("rules", "traces", plan.calls * 4e-5, partial(measure, "rules", 0, "--count", plan.calls)))
    return planned


def measure(what: str, block: int, *arguments: object) -> Sample:
    """One process. Those of a block share Python's hash seed."""
    given = {"arm": arguments[1]} if arguments and arguments[0] == "--arm" else {}
    return (
        {"measure": what, "block": block}
        | given
        | run_json(worker_command("cache.worker", what, *arguments), hash_seed=block)
    )


def figures(samples: list[Sample]) -> dict[str, Any]:
    """Everything that is shown, from the samples alone."""
    made: dict[str, Any] = {"hits": hit_rows(samples), "break_even": even_rows(samples)}
    made |= {"mixes": arm_rows(samples, "mixes", "share"), "maps": arm_rows(samples, "maps", "size")}
    made |= {"held": arm_rows(samples, "held", "held"), "policies": load_rows(samples)}
    scans = [sample for sample in samples if sample["measure"] == "scan"]
    if scans:
        made["scan"] = {
            "ns": {name: estimates.spread([s["ns"][name] for s in scans])._asdict() for name in scans[0]["ns"]},
            "extra": estimates.median_interval([s["extra"] for s in scans])._asdict(),
            "extra_of_off_again": estimates.median_interval([s["extra_of_off_again"] for s in scans])._asdict(),
            "looked_up": scans[0]["looked_up"],
            "probes": scans[0]["probes"],
        }
    made["rules"] = [row for sample in samples if sample["measure"] == "rules" for row in sample["rows"]]
    made["targets"] = targets(made)
    return made


def by_case(
    samples: list[Sample], what: str, keys: tuple[str, ...]
) -> dict[tuple[Any, ...], dict[str, dict[int, dict[str, Any]]]]:
    """case -> arm -> block -> row."""
    cases: dict[tuple[Any, ...], dict[str, dict[int, dict[str, Any]]]] = {}
    for sample in samples:
        if sample["measure"] == what:
            for row in sample["rows"]:
                arms = cases.setdefault(tuple(row[key] for key in keys), {})
                arms.setdefault(sample.get("arm", ""), {})[sample["block"]] = row
    return cases


def hit_rows(samples: list[Sample]) -> list[dict[str, Any]]:
    """A row for each kind of key: nanoseconds by arm, and the cache's time over each arm's by pairs."""
    rows = []
    for (kind, length, new), arms in by_case(samples, "hits", ("kind", "length", "new_objects")).items():
        row: dict[str, Any] = {"kind": kind, "length": length, "new_objects": new, "ns": {}, "cache_over": {}}
        for arm, blocks in arms.items():
            row["ns"][arm] = estimates.spread([one["ns"] for one in blocks.values()])._asdict()
            shared = sorted(blocks.keys() & arms.get("cache", {}).keys())
            if shared and arm != "cache":
                pairs = [arms["cache"][b]["ns"] for b in shared], [blocks[b]["ns"] for b in shared]
                row["cache_over"][arm] = estimates.paired_ratio(*pairs)._asdict()
        kept = {arm: [one["blocks_kept"] for one in blocks.values()] for arm, blocks in arms.items()}
        row["blocks_kept"] = {arm: max(values) for arm, values in kept.items() if None not in values}
        rows.append(row)
    return rows


def arm_rows(samples: list[Sample], what: str, key: str) -> list[dict[str, Any]]:
    """A row for each value of a key, such as the share of held keys: nanoseconds by arm."""
    return [
        {
            key: value,
            "ns": {
                arm: estimates.spread([one["ns"] for one in blocks.values()])._asdict() for arm, blocks in arms.items()
            },
        }
        for (value,), arms in by_case(samples, what, (key,)).items()
    ]


def load_rows(samples: list[Sample]) -> list[dict[str, Any]]:
    """A row for each load: by arm the nanoseconds, what was looked up, and the time over that of a cache that is off.

    Each of it once for all calls and once for the second half, when the cache has found out what to do.
    """
    rows = []
    for (load,), arms in by_case(samples, "policies", ("load",)).items():
        off = arms.get(policies.OFF, {})
        row: dict[str, Any] = {"load": load, "hit_rate": None}
        row |= {name: {} for name in ("ns", "over_off", "over_off_late", "looked_up", "looked_up_late")}
        for arm in [name for name in policies.ARMS if name in arms]:
            blocks = arms[arm]
            row["ns"][arm] = estimates.spread([one["ns"] for one in blocks.values()])._asdict()
            for share in ("looked_up", "looked_up_late"):
                row[share][arm] = estimates.spread([one[share] for one in blocks.values()]).median
            shared = sorted(blocks.keys() & off.keys())
            if shared and arm != policies.OFF:
                for name, ns in (("over_off", "ns"), ("over_off_late", "ns_late")):
                    pairs = [blocks[b][ns] for b in shared], [off[b][ns] for b in shared]
                    row[name][arm] = estimates.paired_ratio(*pairs)._asdict()
        if "always" in arms:
            row["hit_rate"] = next(iter(arms["always"].values()))["hit_rate"]
        rows.append(row)
    return rows


def even_rows(samples: list[Sample]) -> list[dict[str, Any]]:
    """A row for each kind of key: median costs, and the hit rates they give."""
    rows = []
    for (kind, length, new), arms in by_case(samples, "break-even", ("kind", "length", "new_objects")).items():
        names = ("hit", "miss", "direct", "package")
        medians = {name: estimates.spread([one[name] for one in arms[""].values()]).median for name in names}
        costs = cache_worker.break_even.Costs(kind=kind, length=length, new_objects=new, **medians)
        rates = {f"break_even_{name}": costs.break_even(getattr(costs, name)) for name in ("direct", "package")}
        rows.append(asdict(costs) | rates)
    return rows


def targets(made: dict[str, Any]) -> list[dict[str, Any]]:
    """Each target with what was measured and whether it is met."""
    row = next((r for r in made["hits"] if (r["kind"], r["length"], r["new_objects"]) == ("str", 16, False)), None)
    judged = []
    if row:
        for name, (_, other, most) in TARGETS.items():
            if other in row["cache_over"]:
                judged.append({"target": name, "most": most, "measured": row["cache_over"][other]["value"]})
        if "cache" in row["blocks_kept"]:
            kept = max(r["blocks_kept"]["cache"] for r in made["hits"] if r["length"] <= 32 and not r["new_objects"])
            judged.append({"target": "allocations per hit", "most": 0, "measured": kept})
        if "many" in row["ns"]:
            judged.append({"target": "hash_many, ns per key", "most": MANY_NS, "measured": row["ns"]["many"]["median"]})
    if "scan" in made:
        most = made["scan"]["extra"]["high"]  # the whole of the interval is to be under the target
        judged.append({"target": "a scan's extra cost", "most": SCAN_COST, "measured": most})
    return [one | {"met": one["measured"] <= one["most"]} for one in judged]


def medians(heading: str, arms: Iterable[str], rows: dict[str, dict[str, Any]]) -> Table:
    """A table of median times: a row for each name, a column for each arm, a dash where an arm was not measured."""
    arms = list(arms)
    table = terminal.plain_table("", heading, *[arm.replace("_", "_\n") for arm in arms], words=(heading,))
    for name, ns in rows.items():
        table.add_row(name, *[f"{ns[arm]['median']:.1f}" if arm in ns else "-" for arm in arms])
    return table


def key_name(row: dict[str, Any]) -> str:
    """A kind of key in a few words.

    >>> key_name({"kind": "str", "length": 16, "new_objects": True})
    'str 16, new'
    """
    return f"{row['kind']} {row['length']}" + (", new" if row["new_objects"] else "")


def percent(rate: float | None) -> str:
    """A hit rate in percent.

    >>> percent(0.5), percent(None)
    ('50 %', 'never')
    """
    return "never" if rate is None else f"{100 * rate:.0f} %"


def show(console: Console, document: dict[str, Any]) -> None:
    """Print the result: the targets, then a table for each measurement."""
    made = document["figures"]
    for one in made["targets"]:
        word = "met" if one["met"] else "NOT met"
        console.print(f"{one['target']}: {one['measured']:.3g} (at most {one['most']}): {word}", markup=False)
    for line in terminal.early_end(document):
        console.print(line, style="bold", markup=False)
    arms = document["config"]["arms"]
    console.print(medians("ns per key", arms, {key_name(row): row["ns"] for row in made["hits"]}))
    console.print("CPU time of a call, the loop (last column: alone) included. new: the key comes as a new object.\n")
    heads = ("", "hit", "miss", "xxh64()", "xxhash", "pays against\nxxh64() from", "against\nxxhash from")
    table = terminal.plain_table("", *heads, words=("",))
    for row in made["break_even"]:
        cells = [f"{row[name]:.1f}" for name in ("hit", "miss", "direct", "package")]
        table.add_row(key_name(row), *cells, percent(row["break_even_direct"]), percent(row["break_even_package"]))
    console.print(table)
    console.print()
    console.print(medians("held", MIXED, {percent(row["share"]): row["ns"] for row in made["mixes"]}))
    console.print("ns per key by the share of keys that are held, str of 16 bytes, loop included.\n")
    console.print(medians("m\\[key]", cache_worker.MAPS, {f"{row['size']:,} keys": row["ns"] for row in made["maps"]}))
    console.print("ns per look-up, str of 16 bytes in random order, the same objects, loop included.\n")
    console.print(medians("keys held", cache_worker.HELD_ARMS, {f"{row['held']:,}": row["ns"] for row in made["held"]}))
    console.print("ns per hit by the number of keys that are held, str of 16 bytes in random order, loop included.\n")
    show_loads(console, made["policies"])
    if "scan" in made:
        scan = made["scan"]
        times = {name: spread["median"] for name, spread in scan["ns"].items()}
        more, null = (
            f"{100 * one['value']:+.2f} % ({100 * one['low']:+.2f}..{100 * one['high']:+.2f})"
            for one in (scan["extra"], scan["extra_of_off_again"])
        )
        for line in (
            f"Scan of {document['config']['scanned']:,} keys: {times['on']:.1f} ns per key on, {times['off']:.1f} off.",
            f"On costs {more} more than off; another that is off {null}.",
            f"{scan['looked_up']:,} keys were looked up, in the warm-up and {scan['probes']} probes.\n",
        ):
            console.print(line, markup=False)
    show_rules(console, made["rules"])


def show_loads(console: Console, rows: list[dict[str, Any]]) -> None:
    """Print what each policy and size costs on each load, and where a policy loses."""
    heads = ("over off", "off, ns", "hits", "off\nagain", "hit-rate", "always", "cost", "cost,\n2nd half", "on")
    table = terminal.plain_table("", *heads, words=("over off",))
    for row in rows:
        cells = [ratio(row["over_off"].get(arm)) for arm in (policies.AGAIN, "hit-rate", "always", "cost")]
        cells += [ratio(row["over_off_late"].get("cost")), percent(row["looked_up_late"].get("cost"))]
        table.add_row(row["load"], f"{row['ns'][policies.OFF]['median']:.1f}", percent(row["hit_rate"]), *cells)
    console.print(table)
    console.print(
        "Time of a call over that of a cache that is off, loop included, by policy; hits: of a cache that is always"
    )
    console.print('on. on: what the policy "cost" looks up in the second half of the calls.')
    for policy in ("cost", "hit-rate"):
        late = [(row["load"], row["over_off_late"][policy]) for row in rows if policy in row["over_off_late"]]
        lost = [f"{load} ({one['value']:.2f})" for load, one in late if policies.loses(one)]
        console.print(f'In the second half "{policy}" loses to off by over 2 % on: {"; ".join(lost) or "none"}.')
    for policy in ("cost", "hit-rate"):
        arms = [f"{policy} {size}" for size in policies.TRIED]
        heading = f"{policy}, max_entries"
        table = terminal.plain_table("", heading, *map(str, policies.TRIED), words=(heading,))
        for row in [row for row in rows if any(arm in row["over_off"] for arm in arms)]:
            table.add_row(row["load"], *[ratio(row["over_off"].get(arm)) for arm in arms])
        console.print()
        console.print(table)
    console.print("The same by size, under both policies.\n")


def ratio(one: dict[str, float] | None) -> str:
    """A ratio with two digits.

    >>> ratio({"value": 1.234, "low": 1.2, "high": 1.3}), ratio(None)
    ('1.23', '-')
    """
    return f"{one['value']:.2f}" if one else "-"


def show_rules(console: Console, rows: list[dict[str, Any]]) -> None:
    """Print the score of every change of a rule, over the traces it was chosen on and over the others."""
    if not rows:
        return
    heads = [name for group in (rules.TUNING, rules.HELD_OUT) for name in (group, "switched")]
    table = terminal.plain_table("", "score, %", *heads, "loses most on", words=("score, %", "loses most on"))
    for change, total in rules.totals(rows).items():
        cells = []
        for group, score in total.scores.items():
            cells += [f"{score:.1f}", str(total.switched[group])]
        table.add_row(change, *cells, total.loss)
    console.print(table)
    console.print(
        "score: (hits - 0.85 x look-ups) / calls, the sum over the traces; switched: changes between use and bypass."
    )
    console.print("always on: without the rules. See profiling/cache/rules.py for the traces.")
