"""The verb ``growth``: what is counted, against figures worked out by hand or known from elsewhere."""

import json
from pathlib import Path

import numpy as np
import pytest

from core import runner
from growth import cases, latency
from growth import run as growth
from pyhmap import HMap


def test_each_size_grows_at_the_key_that_go_says():
    rows = cases.trigger(8)
    assert [row["grew_at_key"] for row in rows] == [9, 14, 27, 53, 105, 209, 417, 833, 1665]


def test_larger_sizes_are_filled_in_bulk_and_still_watched():
    assert cases.trigger(13)[-1] == {"B": 13, "buckets": 8192, "expected": 53249, "grew_at_key": 53249}


def test_positions_count_slots_along_the_chain():
    """One bucket: the keys lie at 1 to 8. Nine keys of one bucket: the ninth is the first of the next row."""
    m = HMap(np.int64, np.int64, {i: i for i in range(8)})
    assert sorted(cases.positions(m).tolist()) == [1, 2, 3, 4, 5, 6, 7, 8]
    m = HMap(np.int64, np.int64, capacity=104, seed=1)
    keys = iter(range(10**6))
    while not m.header().noverflow:
        m[next(keys)] = 0
    assert max(cases.positions(m)) == 9


def test_simulation_measurement_and_go_s_own_figures_agree():
    """Three sources: random numbers, real maps, and the comment in Go's map.go."""
    for load, (overflow, _, hit, miss) in cases.GO_LOADS.items():
        rows = [cases.simulated(load)] + ([cases.measured(load)] if load <= 6.5 else [])
        for row in rows:
            assert 100 * row["overflow_share"] == pytest.approx(overflow, abs=0.6)
            assert row["hit_probes"] == pytest.approx(hit, abs=0.03)
            assert row["miss_probes"] == pytest.approx(miss, abs=0.01)
            assert 1 < row["hit_rows"] < row["miss_rows"] < 1.5


def test_rows_of_a_real_map_and_of_the_simulation_are_the_same():
    simulated, measured = cases.simulated(6.0), cases.measured(6.0)
    for name in simulated:
        assert measured[name] == pytest.approx(simulated[name], rel=0.03), name


def test_freed_overflow_buckets_keep_a_table_small_and_kept_ones_do_not():
    made = cases.churn_simulation(6.4, turns=8, buckets=256)
    assert made["kept"][0] == made["freed"][0] == 1
    assert made["kept"][-1] > 1.5
    assert max(made["freed"]) < 1.3


def test_chi_square_tells_chance_from_bias():
    rng = np.random.default_rng(1)
    expected = np.full(256, 1000.0)
    fair = cases.chi_square(rng.poisson(1000, 256), expected)
    assert fair["dof"] == 255
    assert fair["p"] > 0.001
    assert cases.chi_square(np.array([1300] + [1000] * 255), expected)["p"] > 0.3  # chi2 = 90 of 255
    assert cases.chi_square(np.full(256, 1070), expected)["p"] < 1e-20


def test_the_steps_verdict_says_when_no_load_fits():
    row = {"B": 3, "load": 3.4, "slots_mean": 2.6, "slots_worst_median": 6, "rows_mean": 1.0, "rows_worst": 2}
    assert "not reproduced" in growth.steps_verdict([row | {"article": (1.8, 12)}])
    assert growth.steps_verdict([row | {"article": (2.6, 6)}]).endswith("reproduced at B=3 and load 3.40")


def test_the_occupancy_pictures_hold_every_key():
    made = cases.occupancy()
    settled, growing = made["settled"], made["growing"]
    assert sum(settled["full"]) == settled["count"] == 13 * 2**7
    assert sum(growing["full"]) + sum(growing["old_full"]) == growing["count"]
    assert growing["nmain"] == 2 * len(growing["evacuated"])
    assert settled["old_full"] is None


def test_a_whole_quick_run_in_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    """Every section is there, written, printed and drawn; libraries that are not installed are named."""
    monkeypatch.setattr(
        latency, "QUICK", latency.Plan(inserts=3000, repeats=2, churn_buckets=64, churn_operations=2000)
    )
    monkeypatch.setattr(growth, "MOST_B_QUICK", 4)
    assert growth.run(quick=True, out=tmp_path) == ""
    document = json.loads((tmp_path / "growth.json").read_text())
    sections = {"trigger", "steps", "loads", "churn_simulation", "chains", "tophash", "occupancy", "timeline"}
    assert set(document["figures"]) == sections | {"latency", "memory", "churn"}
    assert len(list(tmp_path.glob("growth-*.svg"))) == 16
    printed = capsys.readouterr().out
    for words in (
        "Growth trigger",
        "Load factors",
        "worst that recurs",
        "Private memory",
        "come and go",
        "not reproduced",
    ):
        assert words in printed
    for name in document["left_out"]:
        assert f"Left out: {name}" in printed


def test_an_interrupted_run_keeps_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(growth, "MOST_B_QUICK", 4)
    monkeypatch.setattr(latency, "run_json", interrupt)
    assert growth.run(quick=True, out=tmp_path) == runner.INTERRUPTED
    document = json.loads((tmp_path / "growth.json").read_text())
    assert document["ended_by"] == runner.INTERRUPTED
    assert document["figures"]["trigger"][1]["grew_at_key"] == 14
