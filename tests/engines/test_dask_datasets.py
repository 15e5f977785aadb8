"""pyhmap.dask: datasets built from a Dask data frame and looked up for one. The answers are those of pandas' merge."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import pyhmap
from pyhmap import FileFormatError, open_dataset
from pyhmap._file.parts import MANIFEST

dask = pytest.importorskip("dask")
dd = pytest.importorskip("dask.dataframe")
on_dask = pytest.importorskip("pyhmap.dask")

N = 5000
random = np.random.default_rng(7)
ROWS = pd.DataFrame(
    {
        "id": random.permutation(N),
        "name": [f"the name of {i}" for i in range(N)],
        "price": np.arange(N) / 4,
        "stock": np.arange(N),
        "when": pd.date_range("2024-01-01", periods=N, freq="min", unit="s"),
    }
)
# Some keys are in no row; nine tenths of the facts have one key.
FACTS = pd.DataFrame(
    {"id": np.where(random.random(8000) < 0.9, 7, random.integers(-50, N + 50, 8000)), "n": range(8000)}
)
KEYS = {"id": "id", "name": "name", "when": "when", "two": ["id", "stock"]}


@pytest.fixture(autouse=True)
def in_threads():
    with dask.config.set(scheduler="threads", num_workers=2):
        yield


def frame(rows=ROWS, npartitions=4):
    return dd.from_pandas(rows, npartitions=npartitions)


def merged(facts, rows, on, columns):
    return facts.merge(rows[[*([on] if isinstance(on, str) else on), *columns]], how="left", on=on)


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("partitions", [1, 7])
def test_a_dataset_has_the_rows_of_the_frame(tmp_path, key, partitions):
    on_dask.build(frame(), key=key, value="price", path=tmp_path, partitions=partitions)
    ds = open_dataset(tmp_path)
    ds.check()
    assert (len(ds), ds.partitions) == (N, partitions)
    keys = ROWS[key] if isinstance(key, str) else tuple(ROWS[name] for name in key)
    assert ds.get_many(keys).tolist() == ROWS["price"].tolist()


def test_it_is_the_dataset_that_batches_make(tmp_path):
    on_dask.build(frame(), key="id", value=["price", "stock"], path=tmp_path / "a", partitions=5)
    values = np.rec.fromarrays([ROWS["price"], ROWS["stock"]], [("price", "f8"), ("stock", "i8")])
    pyhmap.build_dataset([(ROWS["id"].to_numpy(), np.asarray(values))], tmp_path / "b", partitions=5)
    a, b = (open_dataset(tmp_path / name) for name in "ab")
    assert a == b
    assert [len(part) for part in a._all()] == [len(part) for part in b._all()]


@pytest.mark.parametrize("how", ["map", "shuffle"])
@pytest.mark.parametrize("npartitions", [1, 6])
def test_a_look_up_gives_what_a_merge_gives(tmp_path, how, npartitions):
    on_dask.build(frame(), key="id", value="price", path=tmp_path, partitions=7)
    facts = FACTS.set_index(FACTS["n"].to_numpy()[::-1] * 3)
    found = on_dask.lookup(frame(facts, npartitions), tmp_path, on="id", out="price", how=how)
    expected = merged(facts, ROWS, "id", ["price"]).set_index(facts.index)
    assert found.dtypes.to_dict() == expected.dtypes.to_dict()
    computed = found.compute()
    expected = expected.sort_index()  # as from_pandas() does
    pd.testing.assert_frame_equal(computed.sort_index() if how == "shuffle" else computed, expected)


@pytest.mark.parametrize("how", ["map", "shuffle"])
def test_several_columns_of_two_keys(tmp_path, how):
    on_dask.build(frame(), key=["id", "stock"], value=["price", "when"], path=tmp_path, partitions=3)
    facts = pd.concat([ROWS[["id", "stock"]][::3], pd.DataFrame({"id": [1, -1], "stock": [-1, 1]})], ignore_index=True)
    found = on_dask.lookup(frame(facts), open_dataset(tmp_path), on=["id", "stock"], how=how).compute()
    pd.testing.assert_frame_equal(found.sort_index(), merged(facts, ROWS, ["id", "stock"], ["price", "when"]))


def test_a_default_and_names(tmp_path):
    on_dask.build(frame(), key="id", value=["price", "stock"], path=tmp_path, partitions=3)
    found = on_dask.lookup(frame(FACTS), tmp_path, on="id", out={"stock": "left"}, default={"stock": -1}).compute()
    expected = merged(FACTS, ROWS, "id", ["stock"])["stock"].fillna(-1).astype("int64")
    pd.testing.assert_series_equal(found["left"], expected, check_names=False)


def test_a_file_can_be_mapped_but_not_shuffled(tmp_path):
    path = tmp_path / "prices.pyhmap"
    pyhmap.HMap.from_arrays(ROWS["id"], ROWS["price"]).save(path)
    found = on_dask.lookup(frame(FACTS), path, on="id", out="price").compute()
    pd.testing.assert_frame_equal(found, merged(FACTS, ROWS, "id", ["price"]))
    with pytest.raises(ValueError, match="is a file, which has no parts: give how='map'"):
        on_dask.lookup(frame(FACTS), path, on="id", how="shuffle")
    with pytest.raises(ValueError, match="how='join': give 'map' or 'shuffle'"):
        on_dask.lookup(frame(FACTS), path, on="id", how="join")


@pytest.mark.parametrize("rows", [2 * N, N + 1])
def test_a_key_that_comes_twice_is_named_and_the_old_dataset_stays(tmp_path, rows):
    on_dask.build(frame(), key="id", value="price", path=tmp_path, partitions=3)
    twice = pd.concat([ROWS, ROWS], ignore_index=True)[:rows]
    with pytest.raises(ValueError, match=r"the key \d+ comes twice: ddf.drop_duplicates\('id'\) keeps one of each"):
        on_dask.build(frame(twice), key="id", value="stock", path=tmp_path, partitions=3)
    assert open_dataset(tmp_path).get_many(ROWS["id"]).tolist() == ROWS["price"].tolist()
    on_dask.build(frame(twice).drop_duplicates("id"), key="id", value="stock", path=tmp_path, partitions=3)
    assert len(open_dataset(tmp_path)) == N
    named = {part.file for part in open_dataset(tmp_path)._manifest.parts}
    assert named == {name for name in os.listdir(tmp_path) if name.endswith(".pyhmap")}


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"key": "ID"}, ValueError, "there is no column 'ID'; there are id, name"),
        ({"value": ["price", "none"]}, ValueError, "there is no column 'none'"),
        ({"value": ["price", "name"]}, TypeError, "'name' has texts, which a structured value cannot hold"),
        ({"partitions": 0}, ValueError, "give a whole number from 1 to 4,096"),
    ],
)
def test_arguments_that_are_refused(tmp_path, options, error, said):
    with pytest.raises(error, match=said):
        on_dask.build(frame(), **{"key": "id", "value": "price", "path": tmp_path} | options)
    assert not (tmp_path / MANIFEST).exists()


def test_a_null_key_is_refused(tmp_path):
    rows = ROWS.astype({"id": "Int64"})
    rows.loc[17, "id"] = pd.NA
    with pytest.raises(ValueError, match="is null"):
        on_dask.build(frame(rows), key="id", value="price", path=tmp_path)


def test_a_folder_that_the_workers_do_not_share(tmp_path, monkeypatch):
    """The file of a part is where the worker is, and not here."""
    written = on_dask._written
    monkeypatch.setattr(on_dask, "_written", lambda folder, *rest, **options: written(str(tmp_path), *rest, **options))
    with pytest.raises(FileNotFoundError, match="give a folder that all of them share"):
        on_dask.build(frame(), key="id", value="price", path=tmp_path / "here", partitions=3)
    assert os.listdir(tmp_path / "here") == []


def test_a_task_that_runs_again_while_the_first_run_goes_on(tmp_path, monkeypatch):
    """The part that the first run writes in the end does not take the place of the one that the manifest names."""
    written, late = on_dask._written, []

    def twice(*given, **options):
        late.append((given, options))
        return written(*given, **options)

    monkeypatch.setattr(on_dask, "_written", twice)
    on_dask.build(frame(), key="id", value="price", path=tmp_path, partitions=3)
    for given, options in late:
        written(*given, **options)
    open_dataset(tmp_path).check()
    assert open_dataset(tmp_path).get_many(ROWS["id"]).tolist() == ROWS["price"].tolist()


def test_one_builds_at_a_time(tmp_path):
    from pyhmap._file.dataset import alone_in

    with alone_in(str(tmp_path)), pytest.raises(BlockingIOError, match="somebody else builds"):
        on_dask.build(frame(), key="id", value="price", path=tmp_path)


def test_a_dataset_that_was_replaced_after_the_graph_was_made(tmp_path):
    on_dask.build(frame(), key="id", value="price", path=tmp_path, partitions=3)
    found = on_dask.lookup(frame(FACTS), tmp_path, on="id", out="price")
    on_dask.build(frame(), key="id", value="stock", path=tmp_path, partitions=3)
    with pytest.raises(FileFormatError, match="it was replaced by another"):
        found.compute()


def test_a_cache_of_each_machine(tmp_path):
    on_dask.build(frame(), key="id", value="price", path=tmp_path / "a", partitions=3)
    for place in (tmp_path / "a", f"file://{tmp_path / 'a'}"):
        found = on_dask.lookup(frame(FACTS), place, on="id", out="price", cache=tmp_path / "cache").compute()
        pd.testing.assert_frame_equal(found, merged(FACTS, ROWS, "id", ["price"]))
    assert len([name for name in os.listdir(tmp_path / "cache") if name.endswith(".pyhmap")]) == 3


# ---- processes -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_cluster_whose_workers_are_killed(tmp_path):
    """A worker that is killed in the middle, of a build and of look-ups, changes nothing."""
    program = Path(__file__).parent / "killed_workers.py"
    done = subprocess.run(
        [sys.executable, program, tmp_path], capture_output=True, text=True, timeout=200, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"build", "map", "shuffle"} <= set(os.listdir(tmp_path))  # each has killed one
