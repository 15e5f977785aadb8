"""The verb ``cluster`` as text: its tables, and what a reader must know to judge them."""

import math
from collections.abc import Callable
from typing import Any

from rich.console import Console

from cluster import model
from cluster.figures import ASSUMED, PAYLOAD
from render import markdown as md
from render import parts, terminal
from render.parts import Part

Document = dict[str, Any]
Row = dict[str, Any]
NONE = "-"
PLAIN_WIDTH = 130  # of the widest table, where nobody looks at a terminal
MERGED = {
    "pandas": "pandas, `merge`",
    "dask": "`dd.merge`",
    "map": '`lookup(how="map")`',
    "shuffle": '`lookup(how="shuffle")`',
    "build": "`pyhmap.dask.build`",
}
HELD = {"map": "a dataset in files", "sent": "a pandas frame that each worker gets"}
LOOK_UPS = ("map", "shuffle")
JOBS = {"fetch": "fetch the file", "map": "look up, map", "shuffle": "look up, shuffle", "build": "build"}
CASES = {
    "lookup-map-killed": "look-up by map, a worker is killed at batch {}",
    "lookup-shuffle-killed": "look-up by shuffle, a worker is killed at batch {}",
    "build-killed": "build, a worker is killed at batch {}",
    "lookup-map-skew": "look-up by map, 90 % of the keys equal",
    "lookup-shuffle-skew": "look-up by shuffle, 90 % of the keys equal",
    "build-skew": "build, 90 % of the keys equal",
    "build-skew-distinct": "the same after `drop_duplicates`",
    "build-client-killed": "build, the process that asked for it is killed, and another asks again",
    "build-client-killed-writing": "the same, killed while parts are written",
    "build-local-killed": "`build_dataset` is killed when half of it is done, and called again",
}


def power(number: float) -> str:
    """A number of keys in short.

    >>> power(10**7), power(4 * 10**6), power(1234)
    ('10^7', '4·10^6', '1,234')
    """
    digits, exponent = f"{number:.0f}", len(f"{number:.0f}") - 1
    if exponent < 4 or digits.rstrip("0") != digits[0]:
        return f"{number:,.0f}"
    return f"10^{exponent}" if digits[0] == "1" else f"{digits[0]}·10^{exponent}"


def size(bytes: float) -> str:
    """Bytes in the unit that fits.

    >>> size(1.5e9), size(2e6), size(1.7e12)
    ('1.5 GB', '2 MB', '1.7 TB')
    """
    for unit, name in ((1e12, "TB"), (1e9, "GB")):
        if abs(bytes) >= unit:
            return f"{bytes / unit:,.1f} {name}"
    return f"{bytes / 1e6:,.0f} MB"


def time(seconds: float) -> str:
    """Seconds in the unit that fits.

    >>> time(0.25), time(75), time(600), time(10_000)
    ('0.25 s', '75 s', '10 min', '2.8 h')
    """
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 300:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:,.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def merge(document: Document) -> Part:
    """Time and memory beside merges. Bold: less than pandas."""
    shown = []
    for row in document["figures"]["merge"]:
        seconds, peak = row["seconds"], row["peak_bytes"]["median"]
        spread = f"{time(seconds['median'])} ({seconds['q1']:.1f}..{seconds['q3']:.1f})"
        over = parts.over(row["over"]) if "over" in row and row["way"] != "build" else NONE
        better = row.get("over", {}).get("high", 2.0) < 1 and row["way"] != "build"
        cells = [md.bold(spread, better), md.bold(over, better), size(peak), size(peak - row["before_bytes"]["median"])]
        shown.append([power(row["rows"]), MERGED[row["way"]], *cells, "yes" if row["right"] else "NO"])
    facts = document["figures"]["merge"][0]["facts"] if document["figures"]["merge"] else 0
    head = ("rows", "way", "time", "over pandas", "memory, at most", "of that, by the job", "right")
    return Part(f"{power(facts)} facts get a value, from Parquet files to the answer", head, 2, shown)


def memory(document: Document) -> Part:
    """What a worker has for itself."""
    shown = [
        [HELD[row["way"]], power(row["rows"]), *(size(row[name]) for name in ("private_dirty", "private_clean", "rss"))]
        for row in document["figures"]["memory"]
    ]
    head = ("what the workers have", "rows", "private, written", "private, of files", "mapped in all")
    return Part("By how much the memory of a worker grows, at most", head, 1, shown)


def faults(document: Document) -> Part:
    """What comes of killed processes and of skew."""
    shown = []
    for row in document["figures"]["faults"]:
        stem, _, last = row["case"].rpartition("-")
        text = CASES[stem].format(last) if stem in CASES and last.isdigit() else CASES[row["case"]]
        seen = f"{row['half_seen']} of {row['looks']:,}" if "looks" in row else NONE
        shown.append([text, outcome(row), time(row["seconds"]), seen])
    return Part("Killed processes, and skew", ("case", "outcome", "time", "half datasets seen, of looks"), 2, shown)


def outcome(row: Row) -> str:
    """In words."""
    message = row["said"].partition(": ")[2] or row["said"]  # without the class of the error
    words = {"right": "right", "error": f"an error: {message}", "WRONG": f"WRONG: {row['said']}"}[row["outcome"]]
    return words + (" (nothing was killed)" if row.get("killed") is False and "killed" in row["case"] else "")


def links(document: Document) -> Part:
    """What comes of links that are cut or slow."""
    shown = [
        [row["case"], JOBS[row["how"]], outcome(row), time(row["seconds"]), f"{row['workers_left']}"]
        for row in document["figures"]["links"]
    ]
    head = ("link of one of two workers", "job", "outcome", "time", "workers at the end")
    return Part("Links between network namespaces", head, 3, shown)


def rate(row: Row) -> str:
    """Of a link."""
    return f"{8 * row['rate'] / 1e6:,.0f} Mbit/s"


def network(document: Document) -> Part:
    """Jobs over one, two and three nodes."""
    shown = [
        [rate(row), power(row["rows"]), JOBS[row["way"]], f"{row['nodes']}", time(row["seconds"]),
         size(sum(row["sent"])), "yes" if row["right"] else "NO"]
        for row in sorted(document["figures"]["network"], key=order)
    ]  # fmt: skip
    head = ("link", "keys and facts", "job", "nodes", "time", "sent", "right")
    return Part("Jobs over network namespaces", head, 3, shown)


def order(row: Row) -> tuple[Any, ...]:
    """Runs that differ by nodes alone stand together."""
    return row["rate"], row["rows"], list(JOBS).index(row["way"]), row["nodes"]


def costs(document: Document) -> Part:
    """What the model is calibrated with."""
    shown = [
        [JOBS[way], f"{cost['overhead']:.2f} s", f"{1e9 * cost['per_row']:,.0f} ns"]
        for way, cost in document["figures"].get("costs", {}).items()
    ]
    return Part("The model: what runs over one node cost", ("job", "by itself", "CPU time per row"), 1, shown)


def checks(document: Document) -> Part:
    """Predicted beside measured."""
    shown = [
        [rate(row), power(row["rows"]), JOBS[row["way"]], f"{row['nodes']}", time(row["seconds"]),
         time(row["predicted"]), f"{terminal.signed(row['error'], 0)} %"]
        for row in sorted(document["figures"].get("checks", []), key=order)
    ]  # fmt: skip
    head = ("link", "keys and facts", "job", "nodes", "measured", "predicted", "error")
    return Part("The model: predicted for two and three nodes, beside measured", head, 3, shown)


def told(document: Document) -> Part:
    """Other clusters. Bold: the better of the two ways to look up, once the file is there."""
    shown = []
    for row in document["figures"].get("told", []):
        cells = [told_time(row, way) for way in ("build", "fetch", *LOOK_UPS)]
        seconds = [row[way]["seconds"] if way in row else math.inf for way in LOOK_UPS]
        cells[2:] = [md.bold(cell, its == min(seconds)) for cell, its in zip(cells[2:], seconds, strict=True)]
        shown.append([power(row["keys"]), size(row["bytes"]), f"{row['nodes']}", *cells, pays(row)])
    head = ("keys and facts", "size", "nodes", "build", "fetch", "look up, map", "look up, shuffle", "to fetch pays")
    return Part("The model: other clusters", head, 1, shown)


def pays(row: Row) -> str:
    """When it pays to fetch the file.

    >>> pays({"pays_after": 1}), pays({"pays_after": 3}), pays({"pays_after": None})
    ('at once', 'with 3 look-ups', 'never')
    """
    after = row.get("pays_after")
    return "never" if after is None else "at once" if after == 1 else f"with {after:,} look-ups"


def stops(document: Document) -> Part:
    """Where a look-up by map stops paying."""
    shown = [
        [f"{row['nodes']}", "-" if row["keys"] is None else f"{row['keys']:.1e}"]
        for row in document["figures"].get("stops_paying", [])
    ]
    return Part(
        "The model: where a map stops paying",
        ("nodes", "number of keys from which a map takes longer than a shuffle"),
        1,
        shown,
    )


def told_time(row: Row, way: str) -> str:
    """Of one way, and what takes most of it."""
    if way not in row:
        return NONE
    parts_of = {name: row[way][name] for name in ("cpu", "network", "disk", "pages")}
    most = max(parts_of, key=parts_of.__getitem__)
    return f"{time(row[way]['seconds'])}, {most}"


PARTS: tuple[Callable[[Document], Part], ...] = (merge, memory, faults, links, network, costs, checks, told, stops)


def show(console: Console, document: Document) -> None:
    """Print the result."""
    parts.show_all(console, document, (part(document) for part in PARTS), notes(document), PLAIN_WIDTH)


def notes(document: Document) -> list[str]:
    """What a reader must know to judge the tables."""
    lines = [
        "Memory: the proportional set sizes of all processes added up, looked at ten times a second.",
        "All nodes are namespaces of one machine and share its cores. A worker has one thread.",
    ]
    if "largest_keys" in document["figures"]:
        lines.append(
            f"Other clusters: nodes of {ASSUMED.cores} cores like this one, {size(ASSUMED.memory)} of memory, "
            f"{8 * ASSUMED.network / PAYLOAD / 1e9:.0f} Gbit/s, disks of {size(ASSUMED.disk)}/s and "
            f"{ASSUMED.page_reads:,.0f} page reads/s. A node has {document['figures']['largest_keys']:.1e} keys in "
            f"memory ({document['figures']['row_bytes']:.1f} bytes each, {100 * model.USABLE:.0f} % of it)."
        )
    return lines + parts.left_out(document)
