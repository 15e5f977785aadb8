"""The program that shows how reads scale with threads: what it prints, and what the page has of it."""

import json

import pythons
import scaling


def test_the_page_shows_what_is_recorded():
    text = pythons.PAGE.read_text()
    assert scaling.page(text, json.loads(scaling.RESULTS.read_text())) == text


def test_more_threads_are_told_by_how_many_times_as_fast_they_are():
    row = {"python": "3.13.1t", "gil": True, "work": "m[k], one map"}
    printed = scaling.table([row | {"per_second": {"1": [1e6, 2e6, 9e6], "2": [3e6, 5e6, 4e6]}}])

    assert printed.splitlines()[2] == "| 3.13.1t, with the GIL | `m[k]`, one map | 2.0              | 2.00 times |"


def test_all_look_ups_of_all_threads_count():
    calls = [0, 0]

    def work(index, keys):
        def once():
            calls[index] += 1
            return keys

        return once

    rate = scaling.rate([work(0, 10), work(1, 1)], 0.05)
    assert min(calls) > 0
    assert 0 < rate <= (10 * calls[0] + calls[1]) / 0.05


def test_each_row_has_each_number_of_threads(monkeypatch):
    monkeypatch.setattr(scaling, "KEYS", 1000)
    monkeypatch.setattr(scaling, "SCALARS", 10)
    monkeypatch.setattr(scaling, "BATCH", 100)
    rows = scaling.measured([1, 2], rounds=2, seconds=0.01)

    assert len(rows) == 8
    for row in rows:
        assert [len(rates) for rates in row["per_second"].values()] == [2, 2]
