"""From made-up samples to rows and verdicts: each expected figure is worked out by hand."""

from typing import Any

import pytest

from core.estimates import Estimate, Paired
from table import figures


def counted(arm: str, small: int, large: int) -> list[dict[str, Any]]:
    return [
        {"measure": "memray", "arm": arm, "ops": 100, "allocations": small},
        {"measure": "memray", "arm": arm, "ops": 200, "allocations": large},
    ]


def timed(arm: str, times: list[float]) -> list[dict[str, Any]]:
    info = {"hits": 720, "misses": 80, "maxsize": 10, "currsize": 10}
    passes = [{"measure": "time", "arm": arm, "block": b, "ops": 10, "cpu_ns": 10 * t} for b, t in enumerate(times)]
    return [sample | {"keys": 1000, "cache_info": info} for sample in passes]


def row(samples: list[dict[str, Any]], measure: str) -> dict[str, Any]:
    return next(row for row in figures.rows(samples) if row["measure"] == measure)


@pytest.mark.parametrize(
    ("fall", "expected"),
    [
        (Estimate(-0.80, -0.81, -0.78), "reproduced"),
        (Estimate(-0.80, -0.90, -0.77), "direction only"),  # the interval reaches above the article's fall
        (Estimate(-0.30, -0.32, -0.28), "direction only"),
        (Estimate(-0.30, -0.70, 0.10), "not reproduced"),
        (Estimate(0.30, 0.20, 0.40), "not reproduced"),
        (Paired(-0.80, -0.81, -0.78, -0.82, -0.78), "reproduced"),
        (Paired(-0.80, -0.81, -0.78, -0.82, -0.77), "direction only"),  # the sign test's interval reaches above it
        (Paired(-0.30, -0.32, -0.28, -0.34, 0.01), "not reproduced"),
    ],
)
def test_the_rule_of_the_verdicts(fall: Estimate | Paired, expected: str) -> None:
    assert figures.verdict(fall, 0.775) == expected


def test_allocations_are_the_slope_so_that_start_up_cancels() -> None:
    samples = counted("before", 5_000 + 12_400, 5_000 + 24_800) + counted("cache", 9_000 + 2_000, 9_000 + 4_000)

    found = row(samples, "memray")

    assert found["arms"]["before"]["value"] == 124
    assert found["arms"]["cache"]["value"] == 20
    assert found["change"]["value"] == pytest.approx(20 / 124 - 1)
    assert found["verdict"] == "reproduced"


def test_shares_by_sampling_have_an_interval_and_a_verdict() -> None:
    samples = [
        {"measure": "py-spy", "arm": arm, "samples": 5000, "in_loop": 4000, "in_hashing": hashing}
        for arm, hashing in (("before", 800), ("oneshot", 600), ("cache", 400))
    ]

    found = row(samples, "py-spy")

    assert found["arms"]["before"]["low"] < 0.2 < found["arms"]["before"]["high"]
    assert found["change"]["low"] < -0.5 < found["change"]["high"]
    assert found["change_from_oneshot"]["value"] == pytest.approx(400 / 600 - 1)
    assert found["verdict"] == "direction only"


def test_times_are_compared_by_pairs_and_lost_cases_are_named() -> None:
    before = [100.0, 200.0, 120.0, 90.0, 150.0, 110.0]
    samples = timed("before", before) + timed("before2", before)
    samples += timed("cache", [t * 0.8 for t in before]) + timed("direct", [t * 0.5 for t in before])

    found = row(samples, "time")

    assert list(found["change"].values()) == pytest.approx([-0.2] * 5)
    assert found["verdict"] == "lower"
    assert found["loses_to"] == ["direct"]
    assert found["arms"]["before"]["median"] == 115


def test_a_null_arm_that_differs_makes_the_times_invalid() -> None:
    before = [100.0, 200.0, 120.0, 90.0, 150.0, 110.0]
    samples = timed("before", before) + timed("before2", [t * 1.1 for t in before]) + timed("cache", before)

    assert row(samples, "time")["verdict"] == "invalid"


def test_one_pair_of_eight_that_says_otherwise_forbids_a_claim_but_not_a_doubt() -> None:
    """Seven of eight are no majority to the sign test at 95 %; the bootstrap's interval leaves the eighth out."""
    before, other = [100.0] * 8, [99.0] + [110.0] * 7

    claimed = row(timed("before", before) + timed("before2", before) + timed("cache", other), "time")
    doubted = row(timed("before", before) + timed("before2", other) + timed("cache", before), "time")

    assert claimed["change"]["sign_low"] < 0 < claimed["change"]["low"]
    assert claimed["verdict"] == "~"
    assert doubted["verdict"] == "invalid"


def test_an_incomplete_block_is_left_out_of_the_pairs() -> None:
    samples = timed("before", [100.0] * 6 + [900.0]) + timed("cache", [50.0] * 6)

    assert row(samples, "time")["change"]["value"] == -0.5


def test_too_few_pairs_give_times_but_no_verdict() -> None:
    found = row(timed("before", [100.0] * 5) + timed("cache", [50.0] * 5), "time")

    assert found["arms"]["cache"]["median"] == 50
    assert "change" not in found
    assert "verdict" not in found


def test_too_few_pairs_give_shares_by_ablation_but_no_verdict() -> None:
    found = row(ablated("before", [0.5] * 5) + ablated("cache", [0.25] * 5), "ablation")

    assert found["arms"]["cache"]["value"] == 0.25
    assert "change" not in found
    assert "verdict" not in found


def test_the_hit_rate_counts_the_look_ups_that_were_made() -> None:
    found = row(timed("cache", [1.0, 2.0]), "hits")

    assert found["arms"]["cache"]["value"] == 0.9
    assert found["looked_up"] == 0.8
    assert found["verdict"] == "above 85%"


def test_a_tool_that_is_unavailable_keeps_its_row_and_its_reason() -> None:
    samples = [{"measure": "py-spy", "unavailable": "py-spy is not installed"}]

    assert row(samples, "py-spy")["unavailable"] == "py-spy is not installed"


def ablated(arm: str, shares: list[float]) -> list[dict[str, Any]]:
    """Passes in which so much of the time went when hashing was taken out."""
    passes = [{"block": b, "whole_ns": 1000.0, "rest_ns": 1000.0 * (1 - share)} for b, share in enumerate(shares)]
    timed = {"measure": "time", "arm": arm, "ops": 1, "keys": 40, "cpu_ns": 1000}
    return [timed | {"cache_info": {"hits": 0, "misses": 0}} | sample for sample in passes]


def sampled(arm: str, in_hashing: int, of: int = 4000) -> list[dict[str, Any]]:
    return [{"measure": "py-spy", "arm": arm, "in_hashing": in_hashing, "in_loop": of}]


def test_the_share_by_ablation_is_what_goes_when_hashing_is_taken_out() -> None:
    samples = ablated("before", [0.5, 0.48, 0.52, 0.5, 0.49, 0.51]) + ablated(
        "cache", [0.25, 0.24, 0.26, 0.25, 0.245, 0.255]
    )

    found = row(samples, "ablation")

    both = {"low": 0.48, "high": 0.52, "sign_low": 0.48, "sign_high": 0.52}
    assert found["arms"]["before"] == pytest.approx({"value": 0.5} | both)
    assert list(found["change"].values()) == pytest.approx([-0.5] * 5)
    assert found["verdict"] == "direction only"


def test_amdahls_bound_is_what_the_fall_in_share_could_save() -> None:
    samples = ablated("before", [0.5] * 6) + ablated("cache", [0.25] * 6)

    # Half a unit is not hashing; if that is three quarters afterwards, the whole is two thirds.
    assert row(samples, "ablation")["amdahl"] == pytest.approx(2 / 3 - 1)


def test_samples_of_processes_that_differ_widen_the_interval() -> None:
    alike = [s for part in (400, 400, 400, 400) for s in sampled("before", part, 1000)]
    apart = [s for part in (300, 500, 350, 450) for s in sampled("before", part, 1000)]

    one, other = row(alike, "py-spy")["arms"]["before"], row(apart, "py-spy")["arms"]["before"]

    assert one["value"] == other["value"] == 0.4
    assert other["high"] - other["low"] > 3 * (one["high"] - one["low"])


@pytest.mark.parametrize(
    ("by_sampling", "by_ablation", "agree"),
    [
        ((0.50, 0.25), (0.51, 0.26), True),
        ((0.50, 0.25), (0.40, 0.25), False),  # before: 10 points apart
        ((0.50, 0.25), (0.50, 0.19), False),  # cache: 6 points apart
        ((0.50, 0.25), (0.478, 0.25), True),  # 2.2 points, outside of the intervals but too little to matter
        ((0.19, 0.04), (0.19, 0.044), False),  # the fall is the article's by one and not by the other
    ],
)
def test_ways_that_contradict_one_another_are_named(
    by_sampling: tuple[float, float], by_ablation: tuple[float, float], agree: bool
) -> None:
    samples = sampled("before", round(40_000 * by_sampling[0]), 40_000)
    samples += sampled("cache", round(40_000 * by_sampling[1]), 40_000)
    samples += ablated("before", [by_ablation[0]] * 6) + ablated("cache", [by_ablation[1]] * 6)

    assert (figures.disagreements(figures.rows(samples)) == []) is agree


def test_calls_in_hashing_are_given_an_op() -> None:
    sample = {
        "measure": "cProfile",
        "arm": "before",
        "hashing_s": 1.0,
        "loop_s": 2.0,
        "c_calls": 4000,
        "c_calls_ops": 50,
    }

    assert row([sample], "cProfile")["c_calls"] == {"before": 80}


def test_no_samples_give_no_rows() -> None:
    assert figures.rows([]) == []
