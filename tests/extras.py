"""Uses one extra in an environment that has only that one: `python -P tests/extras.py files|remote|dask`.

`python tests/pythons.py --extras PYTHON` makes the environments. Nothing else may be imported here: neither pytest nor
a library of another extra. Prints the versions of what the extra brought.
"""

import importlib.metadata
import subprocess
import sys
import tempfile
from pathlib import Path

import pyhmap


def files(folder: Path) -> None:
    """A map from a Parquet file, by the command."""
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table({"name": ["a", "b", "c"], "price": [1.5, 2.5, 3.5]})
    pyarrow.parquet.write_table(table, folder / "prices.parquet")
    command = [sys.executable, "-P", "-m", "pyhmap", "build", "prices.parquet", "prices", "--key", "name"]
    subprocess.run([*command, "--value", "price"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    assert pyhmap.open(folder / "prices") == {"a": 1.5, "b": 2.5, "c": 3.5}


def remote(folder: Path) -> None:
    """An enricher whose file is read through a file system of fsspec."""
    import fsspec

    pyhmap.HMap(int, float, {1: 1.5, 2: 2.5}).save(folder / "prices")
    with fsspec.open("memory://shop/prices.pyhmap", "wb") as file:
        file.write((folder / "prices").read_bytes())
    enrich = pyhmap.Enricher("memory://shop/prices.pyhmap", on="item", cache=folder / "cache")
    assert enrich({"item": [2, 1]})["value"].tolist() == [2.5, 1.5]


def dask(folder: Path) -> None:
    """A dataset built from a Dask data frame, and looked up for one."""
    import dask.dataframe
    import distributed  # noqa: F401 - is there
    import pandas

    import pyhmap.dask

    frame = pandas.DataFrame({"name": ["a", "b", "c", "d"], "price": [1.5, 2.5, 3.5, 4.5]})
    frames = dask.dataframe.from_pandas(frame, npartitions=2)
    with dask.config.set(scheduler="threads"):
        pyhmap.dask.build(frames, key="name", value="price", path=folder / "prices", partitions=2)
        found = pyhmap.dask.lookup(frames[["name"]], folder / "prices", on="name", out="found").compute()
    assert found["found"].tolist() == [1.5, 2.5, 3.5, 4.5]


BROUGHT = {"files": ["pyarrow"], "remote": ["fsspec"], "dask": ["dask", "distributed", "pandas", "pyarrow"]}

if __name__ == "__main__":
    extra = sys.argv[1]
    with tempfile.TemporaryDirectory() as name:
        globals()[extra](Path(name))
    print(", ".join(f"{each} {importlib.metadata.version(each)}" for each in BROUGHT[extra]))
