"""What each result says in one sentence, and what its tab is called.

Owns the wording at the top of each tab. Every figure in it is read from the result document.
"""

import math
from collections.abc import Callable
from typing import Any

from floods import run as floods
from layout import reached
from peers.figures import FLOOR
from render import terminal

Document = dict[str, Any]
Row = dict[str, Any]

# Tabs in the order in which a newcomer would ask: the map, the cache, then what is below.
TITLES = {
    "peers": "Beside other maps",
    "table": "Before and after the cache",
    "cache": "Beside other caches",
    "files": "Files",
    "ids": "Ids",
    "floor": "The floor of memory",
    "cluster": "Clusters",
    "gateway": "A gateway",
    "growth": "Growth",
    "fragmentation": "Fragmentation",
    "floods": "Floods",
    "leaks": "Leaks",
    "layout": "Memory layout",
    "instructions": "Instructions",
    "builds": "Builds",
    "grouping": "Grouped batches",
}
MILLION = 10**6


def title(name: str, verb: str) -> str:
    """What a result's tab is called; what its file's name adds to its verb's stands behind a colon.

    >>> title("builds-texts", "builds"), title("peers", "peers"), title("mine", "seismograph")
    ('Builds: texts', 'Beside other maps', 'Seismograph: mine')
    """
    known = TITLES.get(verb, verb.capitalize())
    rest = name.removeprefix(verb).strip("-").replace("-", " ")
    return f"{known}: {rest}" if rest else known


def answer(document: Document) -> str:
    """The result in one sentence; empty for a verb without one, and where what it needs was not measured."""
    made = ANSWERS.get(document["verb"])
    return made(document) if made else ""


def fastest(row: Row) -> tuple[str, float] | None:
    """The fastest other map of a point, and its time over pyhmap's."""
    ratios = {name: one["value"] for name, one in row["ratios"].items() if name != FLOOR and "pyhmap" not in name}
    return min(ratios.items(), key=lambda item: item[1], default=None)


def points(document: Document, **fields: Any) -> list[Row]:
    """The timed rows of random int64 keys of ``peers`` that have these fields."""
    fields = {"kind": "int64", "key_set": "random"} | fields
    rows = [row for row in document["figures"]["rows"] if row["operation"] != "memory"]
    return [row for row in rows if all(row[name] == value for name, value in fields.items())]


def headline_row(document: Document) -> Row | None:
    """The look-ups among a million keys; of another size where those were not measured."""
    rows = points(document, operation="hit")
    return next((row for row in rows if row["size"] == MILLION), rows[-1] if rows else None)


def of_peers(document: Document) -> str:
    row = headline_row(document)
    if not row:
        return ""
    said = f"A batch look-up of {row['size']:,} int64 keys takes {row['spreads']['pyhmap']['median']:.1f} ns per key"
    over = {}
    if "dict" in row["ratios"]:
        over["dict"] = row["ratios"]["dict"]["value"]
    if found := fastest(row):
        over[f"{found[0]}, the fastest other map"] = found[1]
    beside = " and ".join(f"{float(f'{ratio:.2g}'):g} times as fast as {name}" for name, ratio in over.items())
    return f"{said}: {beside}." if beside else f"{said}."


def lost(document: Document) -> str:
    """In how many operations another map is faster, by number of keys."""
    by_size: dict[int, list[bool]] = {}
    for row in points(document):
        if found := fastest(row):
            by_size.setdefault(row["size"], []).append(found[1] < 1)
    said = [f"{sum(slower)} of {len(slower)} with {size:,} keys" for size, slower in sorted(by_size.items())]
    said[:1] = [first.replace(" with", " operations with") for first in said[:1]]
    return f"Another map is faster in {', '.join(said)}." if said else ""


def of_cache(document: Document) -> str:
    rows = [row for row in document["figures"]["mixes"] if {"cache", "direct"} <= row["ns"].keys()]
    if not rows:
        return ""
    rows.sort(key=lambda row: row["share"])
    cache = {row["share"]: row["ns"]["cache"]["median"] for row in rows}
    direct = {row["share"]: row["ns"]["direct"]["median"] for row in rows}
    lost = [share for share in cache if cache[share] >= direct[share]]
    pays = [share for share in cache if share > max(lost, default=-1)]
    held = " and ".join(
        f"{cache[share]:.1f} ns with {100 * share:.0f} % of the keys held" for share in (max(cache), min(cache))
    )
    pay = f"the cache pays from {100 * pays[0]:.0f} % on" if pays else "the cache never pays"
    return f"A digest through the cache takes {held}; hashing takes {direct[max(direct)]:.1f} ns: {pay}."


def of_table(document: Document) -> str:
    rows = {row["measure"]: row for row in document["figures"]}
    time, memory = rows.get("time", {}), rows.get("memray", {})
    parts = []
    if time.get("change"):
        unsure = {"~": ": no difference can be shown", "invalid": ": invalid, since the null arm differs from itself"}
        interval = terminal.interval(time["change"]) + unsure.get(time["verdict"], "")
        parts.append(f"the CPU time of a request by {terminal.signed(time['change']['value'])} % ({interval})")
    if memory.get("change"):
        parts.append(f"its allocations by {terminal.signed(memory['change']['value'])} %")
    return f"In the before/after table, the cache changes {' and '.join(parts)}." if parts else ""


def of_files(document: Document) -> str:
    rows = {(row["kind"], row["way"]): row for row in document["figures"]["opening"]}
    opened = rows.get(("int64", "structure"))
    mapped = [row for row in document["figures"]["batches"] if row["way"] == "mapped"]
    if not opened or not mapped:
        return ""
    return (
        f"A file of {opened['size']:,} int64 pairs is opened and first looked up in {opened['first_ms']['median']:.1f} "
        f"ms; a batch look-up in one of {mapped[-1]['size']:,} takes {mapped[-1]['over_memory']['value']:.2f} times as "
        "long as in memory."
    )


def of_ids(document: Document) -> str:
    rows = [row for row in document["figures"]["times"] if (row["measure"], row["kind"]) == ("stable", "int64")]
    own = next((row for row in rows if row["way"] == "HIndex"), None)
    pandas = [row for row in rows if row["way"].startswith("pd.") and own and row["size"] == own["size"]]
    if not pandas:
        return ""
    best = min(pandas, key=lambda row: row["over"]["value"])
    return (
        f"Codes that stay, of int64 keys in ten batches of {own['size']:,}, take {own['ns']['median']:.0f} ns per key; "
        f"with pandas, they take {best['over']['value']:.1f} times as long ({best['way']}, the fastest way)."
    )


def of_floor(document: Document) -> str:
    last = document["figures"]["look_ups"][-1]
    return (
        f"In a frozen map of {last['size']:,} keys, a hit takes {last['hit_over_read']['value']:.2f} times as long as "
        f"reading what it must read; that alone takes {last['read_over_words']['value']:.2f} times np.take of 8 bytes."
    )


def of_cluster(document: Document) -> str:
    found = document["figures"]
    tried = [*found["faults"], *found["links"]]
    wrong = sum(row["outcome"] == "WRONG" for row in tried)
    said = f"{len(tried)} jobs with killed processes, cut links and skew: {wrong} wrong"
    errors = sum(row["outcome"] == "error" for row in tried)
    said += f", {errors} with an error" if errors else ""
    told = {(row["keys"], row["nodes"]): row for row in found.get("told", [])}
    if "build" in told.get((10**10, 100), {}) and "shuffle" in told[10**10, 100]:
        row = told[10**10, 100]
        said += (
            f"; by the model, 100 nodes build 10^10 keys in {row['build']['seconds']:,.0f} s, and look as many up in "
            f"{row['shuffle']['seconds']:,.0f} s"
        )
    return f"{said}."


def of_gateway(document: Document) -> str:
    rows = {row["variant"]: row for row in document["figures"]["load"]}
    again = {row["variant"]: row for row in document["figures"]["replays"]}
    if "guard" not in rows or "guard" not in again:
        return ""
    own, its = rows["guard"], again["guard"]
    said = (
        f"The gateway with its guard answers {own['per_second']['median']:,.0f} requests a second, 99 of 100 within "
        f"{own['p99_ms']['median']:.0f} ms, and accepts {its['accepted_again']:,} of {its['replayed']:,} replays"
    )
    if "dict" in again:
        said += f"; with a dict per worker, {again['dict']['accepted_again']:,} of {again['dict']['replayed']:,}"
    return f"{said}."


def of_growth(document: Document) -> str:
    latency = document["figures"].get("latency", {})
    worst = {name: row["recurring_worst_ns"] / 1e6 for name, row in latency.get("libraries", {}).items()}
    if "pyhmap" not in worst:
        return ""
    others = ", ".join(f"{name} {ms:,.0f} ms" for name, ms in worst.items() if name != "pyhmap")
    return f"The slowest of {latency['inserts']:,} inserts takes {worst['pyhmap']:.2f} ms ({others})."


def of_fragmentation(document: Document) -> str:
    worst = max((row for row in document["figures"] if row["map"] == "fragmented"), key=over_even, default=None)
    if not worst:
        return ""
    repaired = next(row for row in document["figures"] if (row["state"], row["map"]) == (worst["state"], "compacted"))
    return (
        f"A look-up in a fragmented map takes up to {over_even(worst):.2f} times as long as in an even one "
        f"({worst['state']}); after compact() it takes {over_even(repaired):.2f} times as long."
    )


def over_even(row: Row) -> float:
    """How many times as long as in an even map a look-up takes."""
    return row["single_ns_over_even"]["value"]


def of_floods(document: Document) -> str:
    rows = sorted(document["figures"], key=lambda row: row["worst"])
    within = [row for row in rows if row["worst"] <= floods.LIMIT]
    beyond = ", ".join(f"{row['flood']} ({row['worst']:.1f} times)" for row in rows[len(within) :])
    said = f"{len(within)} of {len(rows)} floods take at most {floods.LIMIT} times as long as random keys"
    return f"{said}; not so: {beyond}." if beyond else f"{said}."


def of_layout(document: Document) -> str:
    header, buckets = document["figures"]["header"], document["figures"]["buckets"]
    said = "agrees with" if header["agree"] else "DIFFERS FROM"
    size = buckets["int64 to int64"]["bucket_bytes"]
    planted, leaks = document["figures"]["planted"], len(reached.LEAKS)
    few, most = reached.found(planted, "free_list"), reached.found(planted, "every_chain")
    return (
        f"header() {said} the memory; a bucket of eight int64 pairs takes {size} bytes. Of {leaks} planted leaks of "
        f"overflow rows the free list shows {few}, and check(), which walks every chain, {most}."
    )


def of_leaks(document: Document) -> str:
    made = document["figures"]
    judged = [form for case in made["cases"] for form in (case["leaking"], case["fixed"])]
    grown = [row for row in made["growth"] if row["beyond"]]
    expected, calls = sum(form["as_expected"] for form in judged), len(made["growth"])
    return (
        f"{expected} of {len(judged)} verdicts on planted leaks are as expected, and {calls - len(grown)} of {calls} "
        "public calls leave nothing behind."
    )


def of_builds(document: Document) -> str:
    """The geometric mean says nothing of a single call, so the tables and their extremes stay below."""
    means = {}
    for name in document["config"]["builds"][1:]:
        ratios = [row["ratios"][name]["value"] for row in document["figures"] if name in row["ratios"]]
        if ratios:
            means[name] = math.exp(sum(map(math.log, ratios)) / len(ratios))
    if not means:
        return ""
    said = ", ".join(f"{name} {mean:.2f}" for name, mean in sorted(means.items(), key=lambda item: item[1]))
    return f"Time over that of “{document['config']['builds'][0]}”, geometric mean of all calls: {said}."


def of_grouping(document: Document) -> str:
    queries = max(row["queries"] for row in document["figures"])
    ns = {row["what"]: row["ns"]["median"] for row in document["figures"] if row["queries"] == queries}
    whole, back = ns.pop("in 1 groups"), ns.pop("answers back")
    best = min(ns, key=ns.__getitem__)
    return (
        f"A batch of {queries:,} look-ups takes {whole:.1f} ns per key, {ns[best]:.1f} ns if it is sorted beforehand "
        f"{best} of buckets; writing the answers back adds {back:.1f} ns, and sorting is not counted."
    )


def of_instructions(document: Document) -> str:
    counts = document["figures"]
    own = counts["get_many, int64, hit"]["own"]
    return f"{len(counts)} operations are recorded; a hit in get_many with int64 keys takes {own:.0f} instructions."


ANSWERS: dict[str, Callable[[Document], str]] = {
    "peers": of_peers,
    "cache": of_cache,
    "table": of_table,
    "files": of_files,
    "ids": of_ids,
    "floor": of_floor,
    "cluster": of_cluster,
    "gateway": of_gateway,
    "growth": of_growth,
    "fragmentation": of_fragmentation,
    "floods": of_floods,
    "layout": of_layout,
    "leaks": of_leaks,
    "builds": of_builds,
    "grouping": of_grouping,
    "instructions": of_instructions,
}
