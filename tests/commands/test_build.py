"""`python -m pyhmap build`: files from tables of other formats, what it says, and what it refuses."""

import gzip
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest

import pyhmap
from command_support import as_on_screen, on_a_terminal, refused
from pyhmap import FrozenMap, FrozenSet

PRICES = pyarrow.table(
    {
        "id": pyarrow.array([7, 8, 9, 10], "int32"),
        "name": ["tea", "cake", "a longer name", "ham"],
        "price": [2.5, 4.0, None, 0.5],
        "stock": pyarrow.array([3, 0, 12, 1], "int64"),
        "at": pyarrow.array([0, 1, 2, None], pyarrow.timestamp("s")),
    }
)


def parquet(table, path):
    pyarrow.parquet.write_table(table, path, row_group_size=3)


def csv(table, path):
    pyarrow.csv.write_csv(table, path)


def csv_gz(table, path):
    with gzip.open(path, "wb") as file:
        pyarrow.csv.write_csv(table, file)


def arrow_file(table, path):
    with pyarrow.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)


def arrow_stream(table, path):
    with pyarrow.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)


SOURCES = {
    "a.parquet": parquet,
    "a.csv": csv,
    "a.CSV.GZ": csv_gz,
    "a.arrow": arrow_file,
    "a.arrows": arrow_stream,
    "stream.arrow": arrow_stream,
    "a.ipc": arrow_file,
    "a.feather": pyarrow.feather.write_feather,
}
sources = pytest.mark.parametrize("source", SOURCES)


def built(run, source, *arguments):
    """The map that is built of a source; nothing is left beside it."""
    before = set(os.listdir())
    status, _, err = run("build", source, "a.pyhmap", *arguments)
    assert (status, err) == (0, "")
    assert set(os.listdir()) - before <= {"a.pyhmap"}
    pyhmap.check_file("a.pyhmap")
    return pyhmap.open("a.pyhmap")


@sources
def test_build(run, source):
    SOURCES[source](PRICES, source)
    f = built(run, source, "--key", "name", "--value", "stock")
    assert type(f) is FrozenMap
    assert (f.key_dtype, f.value_dtype) == (str, np.dtype("i8"))
    assert f == {"tea": 3, "cake": 0, "a longer name": 12, "ham": 1}
    f = built(run, source, "--key", "id", "--value", "price", "--type", "id=int16")
    assert (f.key_dtype, f.value_dtype) == (np.dtype("i2"), np.dtype("f8"))
    assert dict(f) == {7: 2.5, 8: 4.0, 9: pytest.approx(np.nan, nan_ok=True), 10: 0.5}


@sources
def test_several_values_become_a_record_and_several_keys_too(run, source):
    SOURCES[source](PRICES, source)
    f = built(run, source, "--key=name", "--value=price", "--value=stock", "--value=at", "--type=at=M8[s]")
    assert f.value_dtype == [("price", "f8"), ("stock", "i8"), ("at", "M8[s]")]
    assert f["tea"][:2] == (2.5, 3)
    assert np.isnan(f["a longer name"][0])
    assert np.isnat(f.values_array()["at"]).sum() == 1
    f = built(run, source, "--key=stock", "--key=name", "--value=id", "--type", "name=U13")
    assert f.key_dtype == [("stock", "i8"), ("name", "U13")]
    assert f == {(3, "tea"): 7, (0, "cake"): 8, (12, "a longer name"): 9, (1, "ham"): 10}


@sources
def test_without_a_value_it_is_a_set(run, source):
    SOURCES[source](pyarrow.concat_tables([PRICES, PRICES]), source)
    s = built(run, source, "--key", "name")
    assert type(s) is FrozenSet
    assert s == {"tea", "cake", "a longer name", "ham"}


def test_what_build_says(run):
    parquet(PRICES, "a.parquet")
    outcome = run("build", "a.parquet", "a.pyhmap", "--key", "id", "--value", "stock", "--value", "price")
    size = os.path.getsize("a.pyhmap")
    title = "a.pyhmap: a map from int32 to {stock: int64, price: float64}"
    assert outcome == (0, f"{title}\n4 keys in {size:,} bytes\n", "")
    status, out, err = run("build", "a.parquet", "a.pyhmap", "--key", "id", "--json")
    assert (status, err) == (0, "")
    assert out == run("inspect", "--json", "a.pyhmap")[1]


@sources
def test_keys_that_come_twice(run, source):
    SOURCES[source](pyarrow.table({"k": ["a", "b", "a", "c"], "v": [1, 2, 3, 4]}), source)
    Path("a.pyhmap").write_bytes(b"old")
    refused(
        run("build", source, "a.pyhmap", "--key=k", "--value=v"), 1, f"build: {source}: ", "'a'", "--on-duplicate last"
    )
    assert Path("a.pyhmap").read_bytes() == b"old"
    assert built(run, source, "--key=k", "--value=v", "--on-duplicate=last") == {"a": 3, "b": 2, "c": 4}


@sources
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--key=n", "--value=k"], "column 'n' is null in row 4 (the first is 0): fill or drop nulls"),
        (["--key=k", "--value=n"], "column 'n' is null in row 4 (the first is 0): fill or drop nulls"),
        (["--key=k", "--value=k", "--value=n"], "column 'n' is null in row 4 (the first is 0): fill or drop nulls"),
        (["--key=k", "--key=n"], "column 'n' is null in row 4 (the first is 0): fill or drop nulls"),
    ],
)
def test_nulls_are_named(run, source, arguments, message):
    SOURCES[source](pyarrow.table({"k": range(6), "n": [1, 2, 3, 4, None, 5]}), source)
    refused(run("build", source, "a.pyhmap", *arguments), 1, message)
    assert not os.path.exists("a.pyhmap")


@sources
def test_a_column_that_is_not_there(run, source):
    SOURCES[source](PRICES, source)
    message = f"{source} has no column 'nme'; its columns are 'id', 'name', 'price', 'stock', 'at'"
    for arguments in ["--key=nme"], ["--key=id", "--value=nme"], ["--key=id", "--type=nme=str"]:
        refused(run("build", source, "a.pyhmap", *arguments), 2, message)
    assert not os.path.exists("a.pyhmap")


@sources
def test_a_source_that_is_something_else_or_cut_off(run, source):
    refused(run("build", source, "a.pyhmap", "--key=id"), 2, f"{source}: cannot read it: No such file or directory")
    os.mkdir(source)
    refused(run("build", source, "a.pyhmap", "--key=id"), 2, f"{source}: cannot read it: ")
    os.rmdir(source)
    Path(source).write_bytes(b"\xff\xfe no such thing" * 20)
    status, out, err = run("build", source, "a.pyhmap", "--key=id")
    refused((status, out, err), status, source)
    assert status in (1, 2)
    if "csv" not in source.lower():  # half a CSV file is a CSV file
        SOURCES[source](PRICES, source)
        os.truncate(source, os.path.getsize(source) // 2)
        refused(run("build", source, "a.pyhmap", "--key=id"), 1, source)
    assert not os.path.exists("a.pyhmap")


def test_types_of_csv_columns_can_be_named(run):
    Path("a.csv").write_text("zip,n\n01234,1\n99999,2\n" + "".join(f"{i:05},0\n" for i in range(2000, 3000)))
    assert built(run, "a.csv", "--key=zip", "--value=n")[1234] == 1
    f = built(run, "a.csv", "--key=zip", "--value=n", "--type=zip=str", "--type", "n=float32")
    assert (f.key_dtype, f.value_dtype, f["01234"]) == (str, np.dtype("f4"), 1.0)


def test_a_csv_column_whose_type_changes(run):
    """Types that are not named are those of the first MiB."""
    Path("a.csv").write_text("k,v\n" + "".join(f"{i},{i}\n" for i in range(200_000)) + "x,1\n")
    refused(run("build", "a.csv", "a.pyhmap", "--key=k", "--value=v"), 1, "a.csv: ", "'x'", "Name types with --type")
    assert built(run, "a.csv", "--key=k", "--value=v", "--type=k=str")["x"] == 1


@pytest.mark.parametrize(
    ("arguments", "status", "parts"),
    [
        (["--key=id", "--value=name", "--value=id"], 1, ["'name' is text", "--type name=U16"]),
        (["--key=id", "--value=name", "--value=id", "--type=name=U4"], 1, ["rows from 0 on", "'a longer name'"]),
        (["--key=list"], 1, ["list"]),
        (["--key=name", "--type=name=int64"], 1, ["column 'name': ", "int64"]),
        (["--key=id", "--type=id=int9"], 2, ["argument --type: ", "int9"]),
        (["--key=id", "--type=id"], 2, ["argument --type: 'id' is not of the form COLUMN=TYPE", "zip=str"]),
        (["--key=id", "--type=id=object"], 2, ["'object' is no type of a column: give str, bytes, a number, a time"]),
        (["--key=id", "--memory=much"], 2, ["memory='much'"]),
        (["--value=id"], 2, ["the following arguments are required: --key"]),
    ],
)
def test_what_cannot_be_built(run, arguments, status, parts):
    parquet(PRICES.append_column("list", [[[1], [2], [3], [4]]]), "a.parquet")
    found, out, err = run("build", "a.parquet", "a.pyhmap", *arguments)
    assert (found, out) == (status, "")
    for part in parts:
        assert part in err.splitlines()[-1]
    assert "Traceback" not in err
    assert not os.path.exists("a.pyhmap")


def test_a_source_of_no_known_kind(run):
    Path("a.txt").write_text("id\n1\n")
    message = "a.txt: its kind is not known: give a file whose name ends in one of .parquet, .csv, "
    refused(run("build", "a.txt", "a.pyhmap", "--key=id"), 2, message)


def test_the_source_is_not_overwritten(run):
    parquet(PRICES, "a.parquet")
    before = Path("a.parquet").read_bytes()
    os.link("a.parquet", "b.parquet")
    refused(run("build", "a.parquet", "b.parquet", "--key=id"), 2, "b.parquet is the source: give another name")
    assert Path("a.parquet").read_bytes() == before


def test_a_file_that_cannot_be_written(run):
    parquet(PRICES, "a.parquet")
    refused(run("build", "a.parquet", "no/a.pyhmap", "--key=id"), 2, "no/a.pyhmap: cannot write it: No such file")
    refused(run("build", "a.parquet", ".", "--key=id"), 2, ".: cannot write it: Is a directory")


def test_a_source_without_rows(run):
    for source, write in SOURCES.items():
        write(PRICES.slice(0, 0), source)
    for source in SOURCES:
        f = built(run, source, "--key=name", "--value=id", "--type=name=str", "--type=id=int32")
        assert (f, f.key_dtype, f.value_dtype) == ({}, str, np.dtype("i4"))


def test_pyarrow_is_not_installed():
    parquet(PRICES, "a.parquet")
    code = "import sys; sys.modules['pyarrow'] = None; import pyhmap.__main__ as c; sys.exit(c.main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "build", "a.parquet", "a.pyhmap", "--key=id"]
    run = subprocess.run(command, capture_output=True, text=True)
    refused((run.returncode, run.stdout, run.stderr), 2, "pyarrow", "is not installed: pip install 'pyhmap[files]'")


@sources
def test_progress_of_building(source):
    SOURCES[source](PRICES, source)
    status, shown, out = on_a_terminal("build", source, "a.pyhmap", "--key=id", "--value=stock")
    assert (status, out.startswith("a.pyhmap: a map from ")) == (0, True)
    assert re.search(r"\r\[#+-*\] +\d+ %  \d rows read", shown)
    assert as_on_screen(shown) == ""


def test_ctrl_c_leaves_the_old_file(interruptible):
    parquet(PRICES, "a.parquet")
    Path("a.pyhmap").write_bytes(b"old")
    Path("stop.py").write_text(
        "import os, signal\n"
        "import pyhmap.__main__ as command\n"
        "command.build.Side.items = lambda *_: os.kill(os.getpid(), signal.SIGINT)\n"
        "command.run()\n"
    )
    run = subprocess.run(
        [sys.executable, "stop.py", "build", "a.parquet", "a.pyhmap", "--key=id"], capture_output=True, text=True
    )
    assert (run.returncode, run.stdout, run.stderr) == (-signal.SIGINT, "", "")
    assert Path("a.pyhmap").read_bytes() == b"old"
    assert sorted(os.listdir()) == ["a.parquet", "a.pyhmap", "stop.py"]
