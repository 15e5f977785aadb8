"""The statistics against published values, closed forms and simulation."""

import math
import statistics
from collections.abc import Callable

import numpy as np
import pytest

from core import estimates
from core.estimates import Estimate, Paired, exact


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

    ratio = estimates.paired_ratio(shuffled, [1.0] * n)

    assert ratio.value == statistics.median(ratios)
    assert (ratio.sign_low, ratio.sign_high) == (first, last)


def at_least(j: int, n: int, share: float) -> float:
    """The probability of ``j`` successes or more in ``n`` trials."""
    return sum(math.comb(n, i) * share**i * (1 - share) ** (n - i) for i in range(j, n + 1))


def of_all_resamples(n: int, tail: float) -> tuple[int, float]:
    """For an odd ``n``: from which of the ordered values a percentile interval goes, and how often it holds the median.

    A resample's median is one of the first k when more than half of the resample are; the true median is left out
    when fewer than so many values are on one side of it.
    """
    first = next(k for k in range(1, n) if at_least(n // 2 + 1, n, k / n) > tail)
    return first, 1 - 2 * (1 - at_least(first, n, 0.5))


@pytest.mark.parametrize("n", range(7, 35, 2))
def test_the_bootstraps_interval_is_that_of_all_resamples_there_could_be(n: int) -> None:
    first, held = of_all_resamples(n, estimates.expanded_tail(n))
    ratio = estimates.paired_ratio([float(number) for number in range(n, 0, -1)], [1.0] * n)

    assert (ratio.low, ratio.high) == (first, n + 1 - first)
    assert held >= 0.93


def test_how_rarely_the_usual_bootstrap_holds_the_median_of_seven_and_the_expanded_one_that_of_eleven() -> None:
    """The two figures in the harness's README."""
    assert of_all_resamples(7, 0.025)[1] == pytest.approx(0.875)
    assert of_all_resamples(11, estimates.expanded_tail(11))[1] == pytest.approx(0.935, abs=5e-4)


NOISE: dict[str, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]] = {  # each with median 0
    "normal": lambda rng, size: rng.normal(0, 1, size),
    "skewed": lambda rng, size: rng.exponential(1, size) - math.log(2),
    "uniform": lambda rng, size: rng.uniform(-1, 1, size),
    "now and then a slow one": lambda rng, size: rng.normal(0, 1, size) * np.where(rng.random(size) < 0.2, 10, 1),
    "two humps": lambda rng, size: rng.normal(0, 1, size) + rng.choice([-3, 3], size),
}
RUNS = 500


def coverage(noise: str, n: int) -> tuple[int, int, int]:
    """How many of ``RUNS`` intervals hold the true ratio: the bootstrap's, the sign test's, the usual bootstrap's."""
    samples = np.sort(1 + 0.03 * NOISE[noise](np.random.default_rng(8), (RUNS, n)))
    intervals = np.array([estimates.median_interval(sample.tolist()) for sample in samples])
    # The median of a resample is that of the values' places, drawn in order: of one in the middle or of two.
    drawn = np.sort(np.random.default_rng(9).integers(n, size=(2000, n)))
    medians = (samples[:, drawn[:, (n - 1) // 2]] + samples[:, drawn[:, n // 2]]) / 2
    usual = np.percentile(medians, [2.5, 97.5], axis=1).T
    low = np.column_stack([intervals[:, 1], intervals[:, 3], usual[:, 0]])
    high = np.column_stack([intervals[:, 2], intervals[:, 4], usual[:, 1]])
    expanded, sign, percentile = ((low <= 1) & (high >= 1)).sum(axis=0).tolist()
    return expanded, sign, percentile


@pytest.mark.parametrize("n", [6, 7, 8, 12])
def test_both_intervals_hold_the_median_as_often_as_they_say_and_the_usual_bootstrap_does_not(n: int) -> None:
    """Why the bootstrap's ends are further out than 2.5 and 97.5 %: the numbers of pairs that are planned, and 7."""
    expanded, sign, usual = np.sum([coverage(noise, n) for noise in NOISE], axis=0) / (RUNS * len(NOISE))

    assert expanded >= 0.95
    assert sign >= 0.95
    assert usual < 0.95


@pytest.mark.parametrize("noise", NOISE)
def test_the_bootstrap_holds_the_median_whatever_the_noise(noise: str) -> None:
    assert coverage(noise, 10)[0] >= 0.94 * RUNS


def test_a_claim_needs_the_sign_test_too_since_with_eleven_pairs_the_bootstrap_is_too_sure() -> None:
    expanded, sign, _ = np.sum([coverage(noise, 11) for noise in NOISE], axis=0) / (RUNS * len(NOISE))

    assert 0.92 < expanded < 0.95
    assert sign >= 0.95


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
        (Paired(-0.10, -0.12, -0.08, -0.13, -0.07), True),
        (Paired(-0.10, -0.12, -0.08, -0.13, 0.01), False),  # the sign test's holds it
        (Paired(-0.10, -0.12, 0.01, -0.13, -0.07), False),  # the bootstrap's does
        (Paired(0.01, 0.008, 0.012, 0.007, 0.013), False),
    ],
)
def test_is_change_needs_a_sure_and_large_enough_difference(change: Estimate | Paired, called_one: bool) -> None:
    assert estimates.is_change(change) is called_one
