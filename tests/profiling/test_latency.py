"""Single inserts, memory over time, keys that come and go: the figures, on made samples, and the workers in small."""

import json

import numpy as np
import pytest

from growth import latency, latency_worker


def test_a_spike_that_recurs_is_the_map_s_and_one_that_does_not_is_the_machine_s(tmp_path, monkeypatch):
    """Three repeats: insert 500 takes 70 us each time, and each time another insert is disturbed for 1 ms."""
    repeats = iter([100, 200, 300])

    def worker(command):
        taken = np.full(1000, 50, np.uint32)
        taken[499] = 70_000
        taken[next(repeats)] = 1_000_000
        np.save(command[-1], taken)
        return {}

    monkeypatch.setattr(latency, "run_json", worker)
    samples = [latency.time_inserts("pyhmap", 1000, repeat, tmp_path) for repeat in range(3)]
    section = latency.figures(samples)["latency"]["libraries"]["pyhmap"]
    assert section["worst_ns"] == [1_000_000] * 3
    assert section["recurring_worst_ns"] == 70_000
    assert section["largest"][0] == {"insert": 500, "ns": 70_000}
    assert section["percentiles"]["50"] == 50


def test_the_series_of_the_picture_leaves_out_no_spike():
    least = np.full(100_000, 10, np.uint32)
    least[[0, 77, 5_000, 99_999]] = [400, 300, 200, 500]
    series = latency.summary(least)["series"]
    assert sorted(point["ns"] for point in series if point["ns"] > 10) == [200, 300, 400, 500]
    assert [point["insert"] for point in series] == sorted({point["insert"] for point in series})
    assert len(json.dumps(series)) < 40_000


@pytest.mark.parametrize("library", ["pyhmap", "dict", "clock"])
def test_every_insert_is_timed(library):
    taken = latency_worker.time_inserts(library, 2000)
    assert (taken.shape, taken.dtype) == ((2000,), np.uint32)
    assert np.median(taken) > 0


def test_keys_are_distinct_and_repeatable():
    keys = latency_worker.make_keys(5000)
    assert len(np.unique(keys)) == 5000
    np.testing.assert_array_equal(keys, latency_worker.make_keys(5000))


def test_memory_is_counted_from_the_empty_map_on():
    series = latency.memory("dict", 200_000)["series"]
    assert series[0] == {"count": 0, "bytes": 0}
    assert series[-1]["count"] == 200_000
    assert 60 < series[-1]["bytes"] / 200_000 < 200


def test_churn_ends_with_as_many_keys_in_as_many_buckets():
    made = latency_worker.churn(800, 4000)
    assert made["same_buckets"]
    assert made["series"][0]["operations"] == 0
    assert made["series"][-1]["operations"] == 4000
    row = latency.figures([{"measure": "churn", "operations": 4000} | made])["churn"]["loads"][0]
    assert row["peak_over_fresh"] >= 1
    assert set(row["time_over_fresh"]) == {"get_many", "replace"}
