"""The run as a whole, in small: processes, their time limit, what is left out, and what is written."""

import json
import sys

import pytest

from core.runner import MeasurementError
from peers import keys, plan, toolchains
from peers import run as peers
from peers.plan import Plan, Workload


def test_a_process_that_takes_too_long_is_ended_and_keeps_what_it_had():
    """A shell begins at once, also on a busy machine."""
    sample = peers.limited(["sh", "-c", 'echo \'{"now": "build", "memory": 30.5}\'; exec sleep 60'], 1)
    assert sample == {"memory": 30.5, "cut_off": "build", "limit": 1}


def test_a_process_that_says_nothing_in_time_was_cut_off_at_its_start():
    sample = peers.limited([sys.executable, "-c", "import time; time.sleep(60)"], 0.5)
    assert sample == {"cut_off": "start", "limit": 0.5}


def test_a_process_that_fails_says_why():
    program = 'print(\'{"now": "hit", "build": 9}\'); raise AssertionError(\'wrong answers: hit\')'
    sample = peers.limited([sys.executable, "-c", program], 10)
    assert sample == {"build": 9, "failed": "AssertionError: wrong answers: hit"}


def test_a_library_that_was_cut_off_is_not_measured_again(tmp_path, monkeypatch):
    asked = []

    def cut_off(command, limit, *, hash_seed=0):
        asked.append(hash_seed)
        return {"cut_off": "build", "limit": limit}

    monkeypatch.setattr(peers, "limited", cut_off)
    bench, workload = peers.Bench(tmp_path, {}, {}), Workload("int64", 100, 3)
    samples = [bench.measure(workload, block, "dict") for block in range(3)]
    assert asked == [0]
    assert [sample.get("cut_off") for sample in samples] == ["build", None, None]
    assert samples[0]["unmeasured"] == plan.OPERATIONS


def test_a_failure_of_pyhmap_ends_the_run_and_one_of_a_peer_does_not(tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "limited", lambda *arguments, **options: {"failed": "it broke"})
    bench = peers.Bench(tmp_path, {}, {})
    assert bench.measure(Workload("int64", 100, 1), 0, "dict")["failed"] == "it broke"
    with pytest.raises(MeasurementError, match="pyhmap, 100 int64: it broke"):
        bench.measure(Workload("int64", 100, 1), 0, "pyhmap")


def test_libraries_of_a_block_get_the_same_file(tmp_path, monkeypatch):
    monkeypatch.setattr(keys, "FEWEST_QUERIES", 100)
    files = []
    monkeypatch.setattr(
        peers, "limited", lambda *arguments, **options: files.append((tmp_path / "questions").read_bytes()) or {}
    )
    bench, workload = peers.Bench(tmp_path, {"boost": tmp_path / "boost"}, {}), Workload("int64", 100, 2)
    for block in (0, 1):
        for library in ("dict", "boost"):
            bench.measure(workload, block, library)
    assert files[0] == files[1] != files[2] == files[3]


def test_every_library_is_in_every_block_and_those_left_out_in_none(tmp_path):
    steps = peers.Bench(tmp_path, {}, {"boost": "no g++"}).steps([Workload("int64", 1000, 2)])
    names = [step.label.partition(",")[0] for step in steps if "block 1" in step.label]
    assert {"pyhmap", "dict", "cykhash", "hirola", "pandas", "pyarrow", "polars", "numba", "arraykit"} <= {*names}
    assert "boost" not in names
    assert len(steps) == 2 * (len(plan.libraries(Workload("int64", 1000, 2))) - 1)


def test_the_plans_measure_what_they_promise():
    full = plan.FULL.workloads
    assert {each.size for each in full if each.kind == "int64"} == {10**3, 10**4, 10**5, 10**6, 10**7}
    assert {each.kind for each in full} == {"int64", "float64", "str8", "str17", "str40"}
    assert {each.key_set for each in full} == {*keys.KEY_SETS}
    for workload in full:
        assert set(workload.operations) <= {"memory", *plan.OPERATIONS}
        assert all(workload.blocks_of(name) <= workload.blocks for name in plan.libraries(workload))


def test_what_is_not_installed_is_left_out_with_how_to_get_it(monkeypatch):
    monkeypatch.setattr(plan.peers_python, "missing", lambda name: "hirola" if name == "hirola" else "")
    assert plan.left_out({"boost": "it needs g++"}) == {
        "hirola": "hirola is not installed; pip install 'pyhmap[peers]'",
        "boost": "it needs g++",
    }


def test_a_run_measures_prints_draws_and_writes(tmp_path, capsys, monkeypatch):
    small = Plan((Workload("int64", 100, 1), Workload("str8", 100, 1)), (100,), (1000,), (1000,), 1, 1000, 64)
    monkeypatch.setattr(peers, "QUICK", small)
    monkeypatch.setattr(keys, "FEWEST_QUERIES", 1000)
    left_out = dict.fromkeys([*plan.peers_python.LIBRARIES, *toolchains.NATIVE], "not today")
    for name in ("pyhmap", "pyhmap (list)", "dict"):
        del left_out[name]
    monkeypatch.setattr(plan, "left_out", lambda native: left_out)
    monkeypatch.setattr(toolchains, "compile_all", lambda folder: ({}, {}, {}))

    assert peers.run(quick=True, out=tmp_path) == ""

    printed = capsys.readouterr().out
    assert "Left out: boost: not today." in printed
    document = json.loads((tmp_path / "peers.json").read_text())
    assert document["ended_by"] == ""
    points = {(row["kind"], row["operation"]) for row in document["figures"]["rows"]}
    assert points == {(kind, name) for kind in ("int64", "str8") for name in plan.OPERATIONS}
    assert {sample["measure"] for sample in document["samples"]} == {
        "workload",
        "scalar",
        "threads",
        "writing",
        "small",
        "freezing",
        "frozen",
        "memory",
        "inserts",
    }
    assert document["figures"]["worst_inserts"]["inserts"] == 1000
    assert (tmp_path / "peers-times.svg").exists()
