"""The statistics against published values, closed forms and simulation."""

import math
import statistics

import numpy as np
import pytest

import estimates
from estimates import Estimate, exact


def test_spread_is_the_quartiles_of_the_standard_library() -> None:
    values = [3.1, 9.0, 2.2, 7.7, 5.0, 1.4, 8.8]
    q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive")

    assert estimates.spread(values) == pytest.approx((median, q1, q3, 7))


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3 (score, no continuity correction).
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_newcombes_published_intervals(successes: int, trials: int, low: float, high: float) -> None:
    assert estimates.wilson(successes, trials) == pytest.approx((successes / trials, low, high), abs=5e-5)


@pytest.mark.parametrize(("successes", "trials"), [(1, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_what_is_no_share(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match=f"{successes} of {trials}"):
        estimates.wilson(successes, trials)


def test_paired_ratio_ignores_what_slows_both_of_a_pair() -> None:
    machine = np.random.default_rng(3).uniform(1.0, 10.0, 20)
    noise = np.random.default_rng(4).normal(1.0, 0.001, 20)

    ratio = estimates.paired_ratio((machine * 1.1 * noise).tolist(), machine.tolist())

    assert 1.098 < ratio.low < 1.1 < ratio.high < 1.102


@pytest.mark.parametrize(
    ("n", "first", "last"),
    # The tabulated 95 % intervals of the sign test, as positions in the ordered sample.
    [(3, 1, 3), (5, 1, 5), (6, 1, 6), (8, 1, 8), (9, 2, 8), (10, 2, 9), (15, 4, 12), (20, 6, 15), (30, 10, 21)],
)
def test_paired_ratio_has_the_interval_of_the_sign_test(n: int, first: int, last: int) -> None:
    ratios = [float(number) for number in range(1, n + 1)]
    shuffled = np.random.default_rng(5).permutation(ratios).tolist()

    assert estimates.paired_ratio(shuffled, [1.0] * n) == (statistics.median(ratios), first, last)


def test_the_sign_tests_interval_holds_the_median_as_often_as_it_says_and_a_bootstrap_would_not() -> None:
    """Why there is no bootstrap here: of ten pairs with now and then a slow one it holds the truth too seldom."""
    rng = np.random.default_rng(8)
    by_sign = by_bootstrap = 0
    runs = 600
    for _ in range(runs):
        ratios = rng.lognormal(0, 0.03, 10) * np.where(rng.random(10) < 0.2, rng.uniform(0.7, 1.5, 10), 1.0)
        interval = estimates.median_interval(ratios.tolist())
        by_sign += interval.low <= 1.0 <= interval.high
        medians = np.median(rng.choice(ratios, (400, 10)), axis=1)
        low, high = np.percentile(medians, [2.5, 97.5])
        by_bootstrap += low <= 1.0 <= high

    assert by_sign >= 0.95 * runs
    assert by_bootstrap < 0.95 * runs


def test_paired_ratio_refuses_samples_that_are_no_pairs() -> None:
    with pytest.raises(ValueError, match="2 and 1"):
        estimates.paired_ratio([1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ("n", "m", "critical"),
    # The published table of Mann and Whitney's U, two-sided at 1 %: the largest U that is significant.
    [(5, 5, 0), (6, 6, 2), (7, 9, 7), (10, 10, 16), (12, 8, 15), (20, 20, 105)],
)
def test_the_distribution_of_u_gives_the_published_critical_values(n: int, m: int, critical: int) -> None:
    tail = np.cumsum(estimates.rank_sum_counts(n, m)) / math.comb(n + m, n)

    assert tail[critical] <= 0.005 < tail[critical + 1]


def test_too_few_unpaired_values_cannot_reach_99_in_100() -> None:
    assert math.comb(8, 4) < 200 <= math.comb(10, 5)  # orders of the values; two of them are the extremes
    assert estimates.unpaired_ratio([9.0] * 4, [1.0] * 4) is None
    assert estimates.unpaired_ratio([9.0] * 5, [1.0] * 5) is not None
    assert estimates.unpaired_ratio([], [1.0] * 9) is None


def test_unpaired_interval_holds_the_truth_about_99_times_in_100() -> None:
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(500):
        before, after = rng.lognormal(0, 0.05, 8), 1.1 * rng.lognormal(0, 0.05, 8)
        ratio = estimates.unpaired_ratio(after.tolist(), before.tolist())
        assert ratio is not None
        held += ratio.low <= 1.1 <= ratio.high

    assert 488 <= held <= 500


def test_share_ratio_interval_holds_the_truth_about_95_times_in_100() -> None:
    rng = np.random.default_rng(6)
    held = 0
    for after, before in zip(rng.binomial(2000, 0.05, 400), rng.binomial(1500, 0.2, 400), strict=True):
        ratio = estimates.share_ratio((int(after), 2000), (int(before), 1500))
        held += ratio.low <= 0.25 <= ratio.high

    assert 370 <= held <= 392


def test_share_ratio_of_a_share_of_zero_still_has_an_interval() -> None:
    ratio = estimates.share_ratio((0, 500), (250, 500))

    assert ratio.value == 0.0
    assert 0 < ratio.low < ratio.high < 0.05


@pytest.mark.parametrize(
    ("change", "called_one"),
    [
        (Estimate(-0.10, -0.12, -0.08), True),
        (Estimate(0.10, 0.08, 0.12), True),
        (Estimate(-0.10, -0.25, 0.05), False),  # the interval holds "no change"
        (Estimate(-0.01, -0.011, -0.009), False),  # sure, but too small to mean anything
        (exact(0.0), False),
    ],
)
def test_is_change_needs_a_sure_and_large_enough_difference(change: Estimate, called_one: bool) -> None:
    assert estimates.is_change(change) is called_one
