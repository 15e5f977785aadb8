"""The verb ``fragmentation``: the states are what they say, and the verdict follows from the figures."""

import numpy as np
import pytest

from fragmentation import run as fragmentation
from fragmentation import worker as fragmentation_worker


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(fragmentation_worker, "B", 8)
    monkeypatch.setattr(fragmentation_worker, "LOOK_UPS", 500)


def test_a_churned_map_keeps_its_count_and_gains_overflow_buckets(small):
    m = fragmentation_worker.fragmented("churned", 1)
    assert len(m) == int(6.4 * 256)
    assert m.header().buckets == 256
    assert m.header().noverflow > 80  # a fresh one: a fifth of the buckets, 50
    m.check()


def test_a_thinned_map_would_shrink_at_the_next_deletion(small):
    m = fragmentation_worker.fragmented("thinned", 1)
    assert (m.header().buckets, m.stats().shrinks) == (256, 0)
    m.popitem()
    assert m.stats().shrinks == 1


def test_a_hollowed_map_holds_one_key_in_each_overflow_bucket(small):
    m = fragmentation_worker.fragmented("hollowed", 1)
    arrays = m.bucket_arrays()
    full = (arrays.tophash >= 5).sum(1)
    assert full.tolist() == [0] * 256 + [1] * 256
    assert fragmentation_worker.space(m) == 1 / 16
    m.check()


def test_compacting_gives_back_what_an_even_map_would_not_take(small):
    made = fragmentation_worker.measure("thinned", 1)
    assert made["compacted"]["nbytes"] == pytest.approx(made["even"]["nbytes"], rel=0.05)
    assert made["fragmented"]["nbytes"] > 5 * made["compacted"]["nbytes"]
    assert made["keys"] == (13 << 8) // 16


def sample(state, block, fragmented_ns):
    figures = {"space": 0.6, "nbytes": 10, "buckets": 4, "noverflow": 0, "batch_ns": 1.0}
    maps = {
        name: figures | {"single_ns": ns}
        for name, ns in (("even", 40.0), ("fragmented", fragmented_ns), ("compacted", 40.0))
    }
    return {"state": state, "block": block, "keys": 5} | maps


@pytest.mark.parametrize(("ns", "word"), [(200.0, "reproduced"), (60.0, "direction only"), (30.0, "not reproduced")])
def test_the_verdict_on_time(ns, word):
    rows = fragmentation.rows([sample("churned", block, ns + block / 10) for block in range(6)])
    assert f"(4.5 times): {word};" in fragmentation.verdict(rows)
    row = rows[1]
    assert row["single_ns_over_even"]["value"] == pytest.approx(
        np.median([(ns + block / 10) / 40 for block in range(6)])
    )


def test_nothing_measured_is_no_verdict():
    assert fragmentation.verdict(fragmentation.rows([])) == "Nothing to compare."
