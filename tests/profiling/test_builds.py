"""The verb that compares builds of the package: which build a process uses, and the arithmetic."""

import pytest

from builds import run as builds
from render import terminal


def sample(build, block, hit):
    times = dict.fromkeys(builds.OPERATIONS, 10.0) | {"hit": hit}
    return {"checkout": build, "block": block, "kind": "int64", "size": 1000} | times


def test_ratios_are_taken_block_by_block_over_the_first_build():
    samples = [sample("old", 0, 10.0), sample("new", 0, 5.0), sample("new", 1, 10.0), sample("old", 1, 20.0)]
    rows = builds.rows(samples, ["old", "new"])
    hit = next(row for row in rows if row["operation"] == "hit")
    assert set(hit["ratios"]["new"].values()) == {0.5}
    assert (hit["ns"]["old"]["median"], hit["ns"]["new"]["n"]) == (15.0, 2)


def test_a_run_that_was_interrupted_has_a_table_too(capsys):
    document = {"config": {"builds": ["old", "new"]}, "figures": builds.rows([sample("old", 0, 12.5)], ["old", "new"])}
    builds.show(terminal.output_console(), document)
    line = next(line for line in capsys.readouterr().out.splitlines() if "hit" in line)
    assert "12.5" in line
    assert line.rstrip().endswith("-")


def test_a_folder_without_a_build_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"holds no built pyhmap: run .* there"):
        builds.named([tmp_path])


def test_folders_of_one_name_are_refused(tmp_path):
    with pytest.raises(ValueError, match="two folders of one name"):
        builds.named([tmp_path / "a" / "x", tmp_path / "b" / "x"])


def test_bytes_per_entry_stand_beside_the_times_of_frozen_maps():
    frozen = [
        sample(build, 0, 10.0) | {"nbytes": nbytes, "memory": 99.0} for build, nbytes in (("a", 16.58), ("b", 16.7))
    ]
    for each in frozen:
        del each["mixed"]
    document = {"config": {"builds": ["a", "b"]}, "figures": builds.rows(frozen, ["a", "b"])}
    lines = builds.markdown(document).splitlines()
    assert [line.split(",")[0].strip("| ") for line in lines[2:]] == ["build", "hit", "miss", "bytes per entry"]
    assert lines[-1] == "| bytes per entry, int64, 10^3 | 16.58 | 16.70 |"
