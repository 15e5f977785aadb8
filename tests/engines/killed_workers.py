"""A cluster of two processes, of which one is killed in the middle of a build, and of each look-up. Exits with 0 if all
answers are those of pandas' merge.

    python tests/engines/killed_workers.py FOLDER
"""

import os
import signal
import sys
from pathlib import Path

import dask.dataframe as dd
import distributed
import numpy as np
import pandas as pd

import pyhmap
import pyhmap.dask

N = 5000


def kill_once(rows, mark):
    """The rows; the first call with some kills its process."""
    if len(rows) and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return rows


def main(folder):
    rows = pd.DataFrame({"id": np.random.default_rng(1).permutation(N), "price": np.arange(N) / 4})
    facts = pd.DataFrame({"id": np.random.default_rng(2).integers(-50, N + 50, 8000)})

    def frame(whole, mark):
        return dd.from_pandas(whole, npartitions=6).map_partitions(kill_once, folder / mark, meta=whole[:0])

    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster),
    ):
        pyhmap.dask.build(frame(rows, "build"), key="id", value="price", path=folder / "dataset", partitions=5)
        pyhmap.open_dataset(folder / "dataset").check()
        for how in ("map", "shuffle"):
            found = pyhmap.dask.lookup(frame(facts, how), folder / "dataset", on="id", out="price", how=how).compute()
            pd.testing.assert_frame_equal(found.sort_index(), facts.merge(rows, how="left", on="id"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
