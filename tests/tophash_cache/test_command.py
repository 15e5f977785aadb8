"""`python -m tophash_cache`: output and exit status; and the arithmetic of the break-even."""

import json
import os
import subprocess
import sys

import pytest

from tophash_cache import break_even, configure
from tophash_cache.__main__ import describe, main, policy, verdict
from tophash_cache.break_even import Costs, measure


def costs(**changes):
    figures = {"hit": 20.0, "miss": 100.0, "direct": 25.0, "package": 60.0, **changes}
    return Costs(kind="str", length=16, new_objects=False, **figures)


@pytest.mark.parametrize("rate", [0.0, 0.3, 0.85, 1.0])
def test_at_the_break_even_both_ways_cost_the_same(rate):
    one = costs(hit=20.0, miss=100.0)
    other = rate * one.hit + (1 - rate) * one.miss
    if rate == 1.0:
        assert one.break_even(other) is None
    else:
        assert one.break_even(other) == pytest.approx(rate)


def test_a_miss_cheaper_than_the_other_way_pays_at_any_rate():
    assert costs(miss=50.0).break_even(60.0) == 0.0


def test_a_cost_is_the_median_of_its_rounds_less_the_loop(monkeypatch):
    """The measurements are replaced: 3 for the loop, 40 for the encoding call, 8 (the bytes of a digest) for others."""
    monkeypatch.setattr(break_even, "_time_loop", lambda keys: 3.0)
    monkeypatch.setattr(break_even, "_time_encoded", lambda keys: 40.0)
    monkeypatch.setattr(break_even, "_time", lambda call, keys: float(len(call(keys[0]).to_bytes(8, "big"))))
    for one in measure(rounds=3, keys=20):
        assert (one.hit, one.miss, one.direct) == (5.0, 5.0, 5.0)
        assert one.package == (37.0 if one.kind == "str" else 5.0)


def test_the_verdict_names_what_pays_at_the_floor():
    report = describe([costs(), costs(miss=30.0)])
    assert report["costs_ns"][0]["break_even_direct"] == pytest.approx(75 / 80)
    assert report["costs_ns"][1]["break_even_direct"] == pytest.approx(0.5)
    assert verdict(report["costs_ns"], 0.85, "direct").endswith("against xxh64() for: str of 16 bytes (same object).")
    assert verdict(report["costs_ns"], 0.95, "direct").count("16 bytes") == 2
    assert verdict(report["costs_ns"], 0.4, "direct").endswith("for: none.")


@pytest.mark.parametrize(
    ("hits", "sentence"),
    [
        ([20.0, 20.0], "do the same here: from 95 % on"),
        ([20.0, 30.0], 'pays here is "cost": "hit-rate" keeps a losing cache on, for: str of 16 bytes (same object).'),
        ([30.0, 25.0], "No policy pays here"),
    ],
)
def test_the_policy_that_pays_is_named(hits, sentence):
    """A direct hash takes 25 and a miss 100, so hits of 20 pay from 94 % on, and hits of 25 or more never."""
    assert sentence in policy(describe([costs(hit=hit) for hit in hits])["costs_ns"], 0.95)


def test_the_floor_is_the_configured_one():
    configure(hit_rate_floor=0.95, resume_at=0.97)
    assert describe([costs()])["verdict"][1].startswith("At a hit rate of 95 % the cache pays against xxh64() for: str")


def test_it_prints_settings_and_costs(capsys):
    configure(max_entries=100)
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert ["max_entries", "100", "configure()"] in [line.split() for line in printed.splitlines()]
    assert len([line for line in printed.splitlines() if line.startswith(("str ", "bytes "))]) == 12
    assert any("polic" in line and "here" in line for line in printed.splitlines())


def test_json_holds_the_same(capsys, tmp_path):
    path = tmp_path / "cache.toml"
    path.write_text("window = 128")
    assert main(["--json", "--config", str(path)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["settings"]["window"] == {"value": 128, "origin": f"file {path}"}
    assert {(row["kind"], row["length"], row["new_objects"]) for row in report["costs_ns"]} == {
        (kind, length, new) for kind in ("str", "bytes") for length in (8, 16, 32) for new in (False, True)
    }


@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        (["--config", "nowhere.toml"], {}, "cannot read nowhere.toml"),
        ([], {"TOPHASH_CACHE_WINDOV": "1"}, "did you mean 'window'"),
        ([], {"TOPHASH_CACHE": "maybe"}, "not 'maybe'"),
    ],
)
def test_a_faulty_configuration_is_an_error(arguments, variables, message):
    command = [sys.executable, "-P", "-W", "ignore", "-m", "tophash_cache", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | variables)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
