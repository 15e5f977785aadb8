"""The verb ``cache``: its figures, from samples whose result is known; its rules, on traces whose result is known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import cache
import cache_rules
import cache_worker
from tophash_cache import controller


def hit_samples(**nanoseconds: float) -> list[dict[str, object]]:
    """Six blocks, each a little slower than the last, of a str of 16 bytes."""
    return [
        {
            "measure": "hits",
            "arm": arm,
            "block": block,
            "rows": [
                {
                    "kind": "str",
                    "length": 16,
                    "new_objects": False,
                    "ns": ns * (1 + block / 10),
                    "blocks_kept": 0.0 if arm == "cache" else 1.0,
                }
            ],
        }
        for block in range(6)
        for arm, ns in nanoseconds.items()
    ]


def scan_sample(on: float) -> dict[str, object]:
    ns = {"on": on, "off": 40.0, "off again": 40.0}
    return {"measure": "scan", "block": 0, "ns": ns, "looked_up": 12_288, "probes": 1}


def judged(samples: list[dict[str, object]]) -> dict[str, bool]:
    return {one["target"]: one["met"] for one in cache.figures(samples)["targets"]}


def test_ratios_are_taken_within_blocks() -> None:
    (row,) = cache.figures(hit_samples(cache=20.0, dict=16.0))["hits"]

    assert set(row["cache_over"]["dict"].values()) == {1.25}
    assert row["ns"]["cache"]["median"] == pytest.approx(25.0)


@pytest.mark.parametrize(("dict_ns", "oneshot", "many", "on"), [(16.0, 50.0, 5.0, 40.5), (12.0, 30.0, 15.0, 41.5)])
def test_a_target_is_met_or_not(dict_ns: float, oneshot: float, many: float, on: float) -> None:
    samples = [*hit_samples(cache=20.0, dict=dict_ns, oneshot=oneshot, many=many), scan_sample(on)]
    met = dict_ns == 16.0

    assert judged(samples) == {
        "cache over dict": met,
        "cache over one-shot": met,
        "allocations a hit": True,
        "hash_many, ns a key": met,
        "a scan's extra cost": met,
    }


def test_a_hit_keeps_no_memory_and_a_direct_hash_keeps_its_int() -> None:
    keys = cache_worker.make_keys("str", 16, range(500))
    kept = {}
    for arm in ("cache", "direct"):
        _, call = cache_worker.build(arm, "str", keys)
        assert call is not None
        kept[arm] = cache_worker.blocks_kept(call, keys)

    assert kept["cache"] == 0
    assert kept["direct"] > 0.9


def test_a_wrong_digest_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_worker, "CASES", [("str", 8, False)])
    monkeypatch.setattr(cache_worker, "xxh64", lambda key: 1)

    with pytest.raises(AssertionError, match="direct gives wrong digests"):
        cache_worker.measure_hits("direct")


def test_the_score_is_what_look_ups_win_at_85_percent() -> None:
    assert cache_rules.run(["key"] * 1000, {})["score"] == pytest.approx(0.999 - 0.85)
    assert cache_rules.run(cache_rules.scan(1000), {})["score"] == pytest.approx(-0.85)


def test_a_changed_constant_is_put_back() -> None:
    before = controller.NO_HITS
    ended = {
        name: cache_rules.run(cache_rules.scan(20_000), change)["looked_up"]
        for name, change in {"kept": {}, "changed": {"NO_HITS": 0.0}}.items()
    }

    assert ended["kept"] == pytest.approx(8192 / 20_000, abs=1e-4)
    assert ended["changed"] == 1.0
    assert before == controller.NO_HITS


def test_cache_measures_prints_and_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "QUICK", cache.Plan(blocks=1, scans=1, scanned=20_000, calls=2000))
    monkeypatch.setattr(cache_worker, "ARMS", ("cache", "dict", "oneshot", "many", "loop"))

    assert cache.run(quick=True, out=tmp_path) == ""

    printed = capsys.readouterr().out
    assert "cache over dict" in printed
    assert "str 16, new" in printed
    document = json.loads((tmp_path / "cache.json").read_text())
    assert {row["change"] for row in document["figures"]["rules"]} == set(cache_rules.CHANGES)
    assert {row["size"] for row in document["figures"]["maps"]} == set(cache_worker.MAP_SIZES)
