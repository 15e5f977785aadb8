"""What the samples of the verb ``cluster`` say. Everything is computed from the samples alone."""

import math
from dataclasses import replace
from typing import Any

from cluster import model
from cluster.model import Cost, Nodes
from core import estimates
from core.runner import Sample

Row = dict[str, Any]
REFERENCE = "pandas"
PAYLOAD = 1448 / 1514  # the share of an Ethernet frame that TCP fills
# The cluster that the model is asked about. The costs per row are those of one core of the machine that measured.
ASSUMED = Nodes(1, cores=16, network=1.25e9 * PAYLOAD, memory=64e9, disk=1e9, page_reads=1e5)
TOLD = (1, 10, 100)  # nodes
KEYS = (10**8, 10**9, 10**10)
MOST_KEYS = 1e14
PART = 10**6  # rows of a part of a Dask frame, at which a task begins
# How many tasks there are for a part: to make it and look it up; to shuffle it out and in; the same, and to write it.
TASKS = {model.FETCH: 0, model.MAP: 1, model.SHUFFLE: 3, model.BUILD: 3}


def figures(samples: list[Sample]) -> dict[str, Any]:
    """Everything that is shown."""
    return {
        "merge": merge(samples),
        "memory": memory(samples),
        "faults": [without_measure(each) for each in samples if each["measure"] == "faults"],
        "links": [without_measure(each) for each in samples if each["measure"] == "links"],
        "network": runs(samples),
        **of_model(samples),
    }


def without_measure(sample: Sample) -> Row:
    """A sample that is a figure as it is."""
    return {name: value for name, value in sample.items() if name != "measure"}


def merge(samples: list[Sample]) -> list[Row]:
    """A row for each way and number of rows: its time, over that of pandas by rounds, its memory, if it is right."""
    found: dict[tuple[int, str], dict[int, Sample]] = {}
    for sample in samples:
        if sample["measure"] == "merge":
            found.setdefault((sample["rows"], sample["way"]), {})[sample["round"]] = sample
    rows = []
    for (size, way), rounds in sorted(found.items(), key=lambda item: (item[0][0], item[0][1] != REFERENCE)):
        its, reference = list(rounds.values()), found.get((size, REFERENCE), {})
        row: Row = {"rows": size, "way": way, "facts": its[0]["facts"]}
        row["seconds"] = estimates.spread([each["seconds"] for each in its])._asdict()
        for name in ("peak_bytes", "before_bytes"):
            row[name] = estimates.spread([each[name] for each in its])._asdict()
        if both := sorted(rounds.keys() & reference.keys()):
            pairs = [[found[size, name][number]["seconds"] for number in both] for name in (way, REFERENCE)]
            row["over"] = estimates.paired_ratio(*pairs)._asdict()
        answers = [each.get("answer") for each in reference.values()]
        row["right"] = all(each.get("right", each.get("answer") in answers) for each in its)
        rows.append(row)
    return rows


def memory(samples: list[Sample]) -> list[Row]:
    """A row for each way and number of rows: by how much the private memory of a worker grew, at most."""
    rows = []
    for sample in samples:
        if sample["measure"] == "memory":
            row: Row = {name: sample[name] for name in ("way", "rows", "facts")}
            for name in ("private_dirty", "private_clean", "rss"):
                row[name] = max(each["after"][name] - each["before"][name] for each in sample["workers"])
            rows.append(row)
    return rows


def runs(samples: list[Sample]) -> list[Row]:
    """A row for each job over a network."""
    return [
        {"nodes": sample["nodes"], "rate": sample["rate"], "cores": sample["cores"]} | run
        for sample in samples
        if sample["measure"] == "network"
        for run in sample["runs"]
    ]


# ---- the model -------------------------------------------------------------------------------------------------------


def rig(row: Row) -> Nodes:
    """The nodes of a run: namespaces of one machine, which share its cores and its page cache."""
    infinite = float("inf")
    return Nodes(
        row["nodes"],
        cores=1,
        network=row["rate"] * PAYLOAD,
        memory=infinite,
        disk=infinite,
        page_reads=infinite,
        all_cores=row["cores"],
        one_server=True,
        own_files=True,
    )


def of_model(samples: list[Sample]) -> Row:
    """What a row costs, by runs over one node; what that predicts for two and three; and for other clusters."""
    made = [sample for sample in samples if sample["measure"] == "network files"]
    measured = runs(samples)
    if not made or not any(row["nodes"] == 1 for row in measured):
        return {}
    row_bytes = max(bytes / int(rows) for rows, bytes in made[0]["file_bytes"].items())
    costs = calibrated(measured, row_bytes)
    return {
        "row_bytes": row_bytes,
        "costs": {way: cost._asdict() for way, cost in costs.items()},
        "checks": checks(measured, costs, row_bytes),
        "told": told(costs, row_bytes),
        "stops_paying": stops_paying(costs, row_bytes) if {model.MAP, model.SHUFFLE} <= costs.keys() else [],
        "largest_keys": model.largest(ASSUMED, row_bytes),
    }


def calibrated(measured: list[Row], row_bytes: float) -> dict[str, Cost]:
    """The cost of each way, from the runs over one node: what is left of their time without what the network takes."""
    free = Cost(0.0, 0.0)
    left: dict[str, list[tuple[float, float]]] = {}
    for row in measured:
        if row["nodes"] == 1:
            known = {"facts": row["rows"], "rows": row["rows"], "row_bytes": row_bytes}
            moved = model.predicted(row["way"], rig(row), free, **known).seconds
            left.setdefault(row["way"], []).append((row["rows"], max(0.0, row["seconds"] - moved)))
    return {way: model.fitted(points) for way, points in left.items() if len({rows for rows, _ in points}) > 1}


def checks(measured: list[Row], costs: dict[str, Cost], row_bytes: float) -> list[Row]:
    """Predicted beside measured, of the runs that the costs do not come from."""
    found = []
    for row in measured:
        if row["nodes"] > 1 and row["way"] in costs:
            known = {"facts": row["rows"], "rows": row["rows"], "row_bytes": row_bytes}
            guess = model.predicted(row["way"], rig(row), costs[row["way"]], **known)
            one = {name: row[name] for name in ("way", "nodes", "rate", "rows", "seconds")}
            found.append(one | {"predicted": guess.seconds, "error": guess.seconds / row["seconds"] - 1})
    return found


def told(costs: dict[str, Cost], row_bytes: float) -> list[Row]:
    """What the model says of other clusters: as many facts as keys, by keys and nodes."""
    found = []
    for keys in KEYS:
        for number in TOLD:
            nodes = replace(ASSUMED, number=number)
            row: Row = {"keys": keys, "nodes": number, "bytes": keys * row_bytes}
            for way, cost in costs.items():
                known = {"facts": keys, "rows": keys, "row_bytes": row_bytes, "tasks": TASKS[way] * keys / PART}
                guess = model.predicted(way, nodes, cost, **known)
                row[way] = guess._asdict() | {"seconds": guess.seconds}
            if {model.FETCH, model.MAP, model.SHUFFLE} <= costs.keys():
                row["pays_after"] = pays_after(
                    *(row[way]["seconds"] for way in (model.FETCH, model.MAP, model.SHUFFLE))
                )
            found.append(row)
    return found


def pays_after(fetch: float, by_map: float, by_shuffle: float) -> int | None:
    """With how many look-ups of all facts it takes less time to fetch the file once and look up by map than to shuffle
    each time; None: never.

    >>> pays_after(10, 1, 20), pays_after(10, 1, 5), pays_after(10, 6, 5)
    (1, 3, None)
    """
    saved = by_shuffle - by_map
    return max(1, math.ceil(fetch / saved)) if saved > 0 else None


def stops_paying(costs: dict[str, Cost], row_bytes: float) -> list[Row]:
    """For each number of nodes: from how many keys on a look-up by shuffle takes less time than one by map, though the
    file is there. None where that does not happen."""
    found = []
    for number in TOLD:
        nodes = replace(ASSUMED, number=number)

        def lead(keys: float, nodes: Nodes = nodes) -> float:
            known = {"facts": keys, "rows": keys, "row_bytes": row_bytes}
            known_of = {way: known | {"tasks": TASKS[way] * keys / PART} for way in (model.MAP, model.SHUFFLE)}
            by_map, by_shuffle = (model.predicted(way, nodes, costs[way], **known_of[way]).seconds for way in known_of)
            return by_shuffle - by_map

        low, high = model.largest(ASSUMED, row_bytes), MOST_KEYS
        if lead(low) < 0 or lead(high) > 0:
            found.append({"nodes": number, "keys": None})
            continue
        while high / low > 1.001:
            middle = math.sqrt(low * high)
            low, high = (middle, high) if lead(middle) > 0 else (low, middle)
        found.append({"nodes": number, "keys": low})
    return found
