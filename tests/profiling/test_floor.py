"""The verb ``floor``: what is read is as large as a frozen map's memory, and the ratios are those of the samples."""

import numpy as np
import pytest

from core.internals import buckets_for
from floor import run as floor
from floor import worker
from floor.worker import FREEZE, HIT, PILOTS, ROWS, TOUCH, WORDS
from pyhmap import FrozenMap


def test_pilots_and_rows_are_as_large_as_the_map():
    f = FrozenMap.from_arrays(np.arange(10**5), np.arange(10**5))
    assert 16 * len(f) + buckets_for(len(f)) == pytest.approx(f.nbytes, rel=0.02)


def test_every_way_is_timed(monkeypatch):
    monkeypatch.setattr("peers.keys.MOST_QUERIES", 1000)
    assert worker.look_ups(500, 1).keys() == {HIT, WORDS, ROWS, PILOTS}


def test_wrong_answers_are_no_result(monkeypatch):
    monkeypatch.setattr("peers.keys.MOST_QUERIES", 1000)
    monkeypatch.setattr(FrozenMap, "get_many", lambda f, keys, out: out)
    with pytest.raises(AssertionError, match=f"wrong answers: {HIT}"):
        worker.look_ups(500, 1)


def test_the_floor_is_the_time_of_both_reads():
    samples = [
        {"measure": "look-ups", "size": 10, "ns": {HIT: 12.0 + block, WORDS: 4.0, ROWS: 5.0, PILOTS: 1.0}}
        for block in range(3)
    ]
    (row,) = floor.look_ups(samples)
    assert row["read_over_words"]["value"] == 1.5
    assert row["hit_over_words"]["value"] == 13 / 4
    assert row["hit_over_read"]["value"] == pytest.approx(13 / 6)


def test_what_the_system_takes_is_part_of_freezing():
    assert worker.freezing(10**5, 1).keys() == {FREEZE, TOUCH}
    samples = [{"measure": "freezing", "size": 10, "ns": {FREEZE: 50.0 + block, TOUCH: 20.0}} for block in range(3)]
    (row,) = floor.freezing(samples)
    assert row["ns"]["the rest"]["median"] == 31
