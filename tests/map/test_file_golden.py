"""Files that earlier releases wrote: each version of the format stays readable.

`python tests/map/test_file_golden.py` writes those of the present version, once, when a version is new. A file that is
here is never written again.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import pyhmap
from file_support import header_in
from pyhmap import HIndex, HMap, HSet

GOLDEN = Path(__file__).parent.parent / "golden"
RECORD = np.dtype([("x", "f4"), ("name", "U3")])
LABELS = ["mir", "ключ", "", "a key of more than twelve bytes", *map(str, range(20, 0, -1))]
MAPS = {
    "ints": lambda: HMap(np.int64, np.float64, {i * i - 50: i / 4 for i in range(100)}),
    "texts": lambda: HMap(str, bytes, {"clé " * i: b"\xff" * (i * 3) for i in range(20)}),
    "records": lambda: HMap([("a", "i4"), ("b", "S2")], RECORD, {(i, b"%d" % i): (i / 2, f"{i}€") for i in range(9)}),
    "times": lambda: HMap("M8[ns]", "?", {np.datetime64(i, "ns"): i % 3 == 0 for i in range(-5, 5)}),
    "set": lambda: HSet(np.uint16, range(0, 65536, 999)),
    "index": lambda: HIndex(str, LABELS),
}


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("version", [1])
@pytest.mark.parametrize("verify", ["header", "full"])
def test_a_file_of_each_version_is_read(version, name, verify):
    f = pyhmap.open(GOLDEN / f"{name}-{version}.pyhmap", verify=verify)
    expected = MAPS[name]()
    assert f == expected
    assert f.key_dtype == expected.key_dtype
    assert sorted(f) == sorted(expected)


@pytest.mark.parametrize("verify", ["header", "full"])
def test_an_index_of_version_1_is_read_both_ways(verify):
    f = pyhmap.open(GOLDEN / "index-1.pyhmap", verify=verify)
    assert f.decode(range(24), to="list") == LABELS
    assert f.encode(LABELS[::-1]).tolist() == list(range(24))[::-1]


@pytest.mark.parametrize("name", MAPS)
def test_the_present_version_is_written_as_it_was(tmp_path, name):
    """But for the name of the release."""
    golden, path = GOLDEN / f"{name}-1.pyhmap", tmp_path / "f"
    MAPS[name]().freeze(seed=1).save(path)
    header = header_in(golden)
    assert replace(header_in(path), written_by=header.written_by) == header
    begin = header.sections()["entries"].begin
    assert path.read_bytes()[begin:] == golden.read_bytes()[begin:]


if __name__ == "__main__":
    for name, make in MAPS.items():
        if not (GOLDEN / f"{name}-1.pyhmap").exists():
            make().freeze(seed=1).save(GOLDEN / f"{name}-1.pyhmap")
