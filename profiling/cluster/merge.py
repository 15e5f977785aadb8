"""One process of the measure ``merge``: one way to join the facts and the dimension, from Parquet files to the answer.

Use: ``make FOLDER FACTS ROWS``, then ``WAY FOLDER FACTS ROWS``. A way is pandas, dask (``dd.merge``), map, shuffle, or
build (of the dataset that the last two read, by Dask).
"""

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from cluster import data, processes
from cluster.data import Shape

PANDAS, DASK, BUILD = "pandas", "dask", "build"
WAYS = (PANDAS, DASK, "map", "shuffle", BUILD)
WORKERS = 2


def make(folder: Path, shape: Shape) -> dict[str, Any]:
    """Write the files, and the dataset; return how long the dataset took."""
    for name in ("facts", "rows", "set"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "facts").mkdir(parents=True)
    (folder / "rows").mkdir()
    for part in range(shape.parts):
        data.facts_part(part, shape).to_parquet(folder / "facts" / f"{part:03d}.parquet")
        data.dimension_part(part, shape.parts, shape.rows).to_parquet(folder / "rows" / f"{part:03d}.parquet")
    import pyhmap

    batches = (data.dimension_part(part, shape.parts, shape.rows) for part in range(shape.parts))
    began = time.perf_counter()
    pyhmap.build_dataset(((each["key"], each["value"]) for each in batches), folder / "set", partitions=shape.parts)
    seconds = time.perf_counter() - began
    size = sum(path.stat().st_size for path in (folder / "set").glob("*.pyhmap"))
    return {"seconds": seconds, "bytes": size}


def measured(call: Callable[[], Any], pids: Callable[[], list[int]]) -> tuple[Any, dict[str, Any]]:
    """What a call returns, how long it takes, and the memory of these processes before it and at most."""
    before = processes.Peak(pids)
    before.look()
    with processes.Peak(pids) as peak:
        began = time.perf_counter()
        found = call()
        seconds = time.perf_counter() - began
    return found, {"seconds": seconds, "before_bytes": before.bytes, "peak_bytes": peak.bytes}


def by_pandas(folder: Path) -> data.Answer:
    """All in this process."""
    facts, rows = (pd.read_parquet(folder / name) for name in ("facts", "rows"))
    return data.answer(data.checksum(facts.merge(rows, on="key", how="left")))


def by_dask(way: str, folder: Path, shape: Shape) -> Callable[[], Any]:
    """What to call in the presence of a cluster."""
    import dask.dataframe as dd  # only here: the process of pandas does without

    from cluster import ways

    facts, rows = (dd.read_parquet(folder / name) for name in ("facts", "rows"))
    if way == BUILD:
        return lambda: ways.build(rows, str(folder / "built"), partitions=shape.parts)
    if way == DASK:
        return lambda: ways.answer(facts.merge(rows, on="key", how="left"))
    return lambda: ways.answer(ways.looked_up(facts, str(folder / "set"), way))


def run(way: str, folder: Path, shape: Shape) -> dict[str, Any]:
    """Measure one way."""
    if way == PANDAS:
        found, sample = measured(lambda: by_pandas(folder), lambda: [os.getpid()])
    else:
        from cluster import ways

        with (
            tempfile.TemporaryDirectory(prefix="cluster-", dir=folder) as own,
            processes.Cluster(WORKERS, Path(own)) as cluster,
        ):
            ways.warm(cluster.client)
            found, sample = measured(by_dask(way, folder, shape), cluster.pids)
    if way == BUILD:
        import pyhmap

        with pyhmap.open_dataset(folder / "built") as built:
            sample["right"] = len(built) == shape.rows and built == pyhmap.open_dataset(folder / "set")
        shutil.rmtree(folder / "built")
        return sample
    return sample | {"answer": list(found)}


def main(arguments: list[str]) -> None:
    """Print the sample as JSON."""
    what, folder, facts, rows = arguments
    shape = Shape(int(facts), int(rows))
    print(json.dumps(make(Path(folder), shape) if what == "make" else run(what, Path(folder), shape)))


if __name__ == "__main__":
    processes.end_as_if_interrupted()
    main(sys.argv[1:])
