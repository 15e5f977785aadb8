"""Files that earlier releases wrote: each version of the format stays readable.

`python tests/map/test_file_golden.py` writes those of the present version, once, when a version is new. A file that is
here is never written again.
"""

from dataclasses import replace
from pathlib import Path

import pytest

import pyhmap
from file_support import header_in
from golden_maps import LABELS, MAPS

GOLDEN = Path(__file__).parent.parent / "golden"


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
