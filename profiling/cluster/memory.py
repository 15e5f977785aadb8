"""One process of the measure ``memory``: the private memory of each worker that has looked up keys in a whole set.

Use: ``WAY FOLDER ROWS FACTS``. A way is map (a dataset in files) or sent (a pandas frame that each worker gets).
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from cluster import data, processes, ways
from cluster.data import Shape

SENT = "sent"
WORKERS = 2


def joined(facts: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """A part of the facts with the values of a frame that the worker has."""
    return facts.merge(rows, on="key", how="left")


def run(way: str, folder: Path, shape: Shape) -> dict[str, Any]:
    """Look keys up all over the set, in each worker; then read what each has for itself."""
    import pyhmap

    if way == ways.MAP:
        pyhmap.build_dataset([rows_of(shape)], folder / "set", partitions=shape.parts)
    with (
        tempfile.TemporaryDirectory(prefix="cluster-", dir=folder) as own,
        processes.Cluster(WORKERS, Path(own)) as cluster,
    ):
        ways.warm(cluster.client)
        before = cluster.client.run(processes.private)
        facts = ways.facts(shape)
        if way == ways.MAP:
            found = ways.answer(ways.looked_up(facts, str(folder / "set"), ways.MAP))
            after = cluster.client.run(processes.private)
        else:
            rows = cluster.client.scatter(data.dimension(0, shape.rows), broadcast=True, direct=False)
            meta = joined(ways.facts(shape)._meta, data.dimension(0, 1).iloc[:0])
            frame = facts.map_partitions(joined, rows, meta=meta)
            found = ways.answer(frame)
            after = cluster.client.run(processes.private)
    workers = [{"before": before[name], "after": after[name]} for name in sorted(before)]
    return {"workers": workers, "answer": list(found)}


def rows_of(shape: Shape) -> tuple[Any, Any]:
    """All rows."""
    rows = data.dimension(0, shape.rows)
    return rows["key"], rows["value"]


def main(arguments: list[str]) -> None:
    """Print the sample as JSON."""
    way, folder, rows, facts = arguments
    print(json.dumps(run(way, Path(folder), Shape(int(facts), int(rows)))))


if __name__ == "__main__":
    processes.end_as_if_interrupted()
    main(sys.argv[1:])
