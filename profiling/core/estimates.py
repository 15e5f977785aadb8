"""Estimates from samples: medians with their spread, paired ratios, intervals of shares.

Owns the statistics of the harness. What SciPy has comes from there. Written here are the expanded percentile interval
of a median and the interval that belongs to the Mann-Whitney test, which it lacks; ``scipy.stats.bootstrap`` gives the
same percentiles, but draws the resamples again for each interval, and a run of ``peers`` has a thousand.
"""

import math
from functools import cache
from typing import NamedTuple, TypeVar

import numpy as np
from scipy import stats

# Below this many pairs even their whole range holds the true median less than 95 times in 100.
FEWEST_PAIRS = 6
# A change smaller than this is not called one, however sure it is: another build's code placement can make as much.
SMALLEST_CHANGE = 0.02
# Of ten thousand resamples 25 lie beyond either end of the fewest pairs' interval (``expanded_tail``), more of others'.
RESAMPLES = 10_000
SEED = 1979  # of the resamples, so that a file's samples give the same interval again


class Estimate(NamedTuple):
    """A value and its 95 % interval; both ends equal the value where it is exact."""

    value: float
    low: float
    high: float


class Paired(NamedTuple):
    """A median over pairs and two 95 % intervals: the bootstrap's, which tables print, and the sign test's.

    The bootstrap's is mostly the narrower where they differ, and with some numbers of pairs, as 11, it holds the truth
    a little less often than it says. The sign test's never does, so a claim needs both (``is_change``).
    """

    value: float
    low: float
    high: float
    sign_low: float
    sign_high: float


Ratio = TypeVar("Ratio", Estimate, Paired)


class Spread(NamedTuple):
    """Median and quartiles of a sample, and its size."""

    median: float
    q1: float
    q3: float
    n: int


def spread(values: list[float]) -> Spread:
    """Median and quartiles, between neighbours by linear interpolation.

    >>> spread([4.0, 1.0, 2.0, 3.0])
    Spread(median=2.5, q1=1.75, q3=3.25, n=4)
    """
    q1, median, q3 = np.percentile(values, [25, 50, 75]).tolist()
    return Spread(median, q1, q3, len(values))


def wilson(successes: int, trials: int) -> Estimate:
    """A share and its 95 % Wilson score interval, which stays sound near 0 and 1 (Wilson 1927).

    >>> wilson(0, 10).high > 0.25
    True
    """
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f"a share needs 0 <= successes <= trials and trials > 0, not {successes} of {trials}")
    interval = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    return Estimate(successes / trials, float(interval.low), float(interval.high))


def independent(runs: list[tuple[int, int]]) -> tuple[int, int]:
    """Successes and trials of several runs together, as few as independent trials would need to vary as the runs do.

    Samples of one process are alike in ways that those of another are not (how its memory came to lie, what else the
    machine did), so their number overstates what is known. Where the shares of the runs vary more than chance would
    make them, by a factor of f in variance, all counts are divided by f (Kish's design effect).

    >>> independent([(50, 100), (50, 100)]), independent([(45, 100), (55, 100)])
    ((100, 200), (50, 100))
    """
    successes, trials = (sum(run[side] for run in runs) for side in (0, 1))
    if len(runs) < 2 or not 0 < successes < trials:
        return successes, trials
    p, usual = successes / trials, trials / len(runs)
    variance = sum((x / n - p) ** 2 for x, n in runs) / (len(runs) - 1)
    factor = max(1.0, variance / (p * (1 - p) / usual))
    return round(successes / factor), max(1, round(trials / factor))


def median_interval(values: list[float]) -> Paired:
    """The median, with both of its 95 % intervals.

    Fewer than ``FEWEST_PAIRS`` values give their whole range as either, which holds the truth less often than that.

    >>> median_interval([3.0, 1.0, 2.0])
    Paired(value=2.0, low=1.0, high=3.0, sign_low=1.0, sign_high=3.0)
    """
    ordered = np.sort(np.asarray(values, float))
    whole = float(ordered[0]), float(ordered[-1])
    few = len(ordered) < FEWEST_PAIRS
    by_bootstrap, by_sign = (whole, whole) if few else (bootstrap_interval(ordered), sign_interval(ordered))
    return Paired(float(np.median(ordered)), *by_bootstrap, *by_sign)


def sign_interval(ordered: np.ndarray) -> tuple[float, float]:
    """The interval of the sign test: those two of the values, float64 in order, that hold the true median.

    They do so with 95 % at least, whatever the distribution (Conover, Practical Nonparametric Statistics,
    section 3.2). There must be ``FEWEST_PAIRS`` values.

    >>> sign_interval(np.arange(1.0, 13.0))
    (3.0, 10.0)
    """
    low, high = sign_places(len(ordered))
    return float(ordered[low]), float(ordered[high])


@cache
def sign_places(n: int) -> tuple[int, int]:
    """Which two of ``n`` ordered values are the ends of ``sign_interval``: only their number matters."""
    interval = stats.quantile_test(np.arange(n), p=0.5).confidence_interval(0.95)
    return int(interval.low), int(interval.high)


def bootstrap_interval(ordered: np.ndarray) -> tuple[float, float]:
    """The expanded percentile interval of the median of values, float64 in order (Hesterberg 2015).

    The ends are quantiles of the medians of ``RESAMPLES`` resamples, drawn with replacement (Efron 1979), further
    out than 2.5 and 97.5 %: those hold the truth only 88 times in 100 with so few values. These hold it 95
    times and more with 6, 8, 10 and 12 values, 93 at the least with other numbers (``test_estimates.py``).

    >>> bootstrap_interval(np.arange(1.0, 13.0))
    (3.0, 10.0)
    """
    lower, upper = resampled_middles(len(ordered))
    medians = (ordered[lower] + ordered[upper]) / 2
    tail = expanded_tail(len(ordered))
    low, high = np.quantile(medians, [tail, 1 - tail]).tolist()
    return low, high


@cache
def resampled_middles(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Which two of ``n`` ordered values are the middle ones of each resample (one and the same where n is odd).

    Only the number of values matters, so all intervals of a table share them.
    """
    drawn = np.sort(np.random.default_rng(SEED).integers(n, size=(RESAMPLES, n)), axis=1)
    return drawn[:, (n - 1) // 2], drawn[:, n // 2]


@cache
def expanded_tail(n: int) -> float:
    """The share of resamples to leave out at either end, for a 95 % interval from ``n`` values.

    Resamples vary too little, by a factor of sqrt((n - 1) / n), and their quantiles stand for the normal
    distribution's, not for Student's. The tail that makes up for both is the normal distribution's beyond
    t * sqrt(n / (n - 1)) (Hesterberg 2015, What Teachers Should Know About the Bootstrap, The American
    Statistician 69, 371-386).

    >>> round(expanded_tail(12), 4), round(expanded_tail(10**9), 4)
    (0.0108, 0.025)
    """
    return float(stats.norm.sf(stats.t.ppf(0.975, n - 1) * math.sqrt(n / (n - 1))))


def paired_ratio(after: list[float], before: list[float]) -> Paired:
    """Median of ``after[i] / before[i]``, with the intervals of ``median_interval``.

    Values with the same index were measured one after the other, so what slows the machine for a while
    slows both and leaves their ratio alone.

    >>> paired_ratio([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    Paired(value=2.0, low=2.0, high=2.0, sign_low=2.0, sign_high=2.0)
    """
    if len(after) != len(before) or not after:
        raise ValueError(f"pairs need two samples of the same size, not {len(after)} and {len(before)}")
    return median_interval((np.asarray(after, float) / np.asarray(before, float)).tolist())


def rank_sum_counts(n: int, m: int) -> np.ndarray:
    """In how many of the orders of ``n`` and ``m`` values the Mann-Whitney U is 0, 1, ... n*m.

    The generating function is a Gaussian binomial coefficient (Mann and Whitney 1947).

    >>> rank_sum_counts(2, 2).tolist()
    [1.0, 1.0, 2.0, 1.0, 1.0]
    """
    counts = np.zeros(n * m + 1)
    counts[0] = 1.0
    for i in range(1, m + 1):
        for u in range(n * m, n + i - 1, -1):  # times (1 - q^(n+i)) ...
            counts[u] -= counts[u - n - i]
        for u in range(i, n * m + 1):  # ... over (1 - q^i)
            counts[u] += counts[u - i]
    return counts


def unpaired_ratio(after: list[float], before: list[float], level: float = 0.99) -> Estimate | None:
    """The typical ratio of two samples that were measured apart, with the interval of the Mann-Whitney test.

    The value is the median of all ``after[i] / before[j]``, and the ends are those of these ratios that hold
    the true one at the ``level``, whatever the distribution (Hodges and Lehmann 1963): the interval leaves out 1
    exactly where the test says that the samples differ. None where so few values cannot give that level.

    >>> unpaired_ratio([2.0] * 5, [1.0] * 5)
    Estimate(value=2.0, low=2.0, high=2.0)
    >>> unpaired_ratio([2.0] * 4, [1.0] * 4) is None
    True
    """
    if not after or not before:
        return None
    counts = rank_sum_counts(len(after), len(before))
    place = int(np.searchsorted(np.cumsum(counts) / counts.sum(), (1 - level) / 2, side="right"))
    if place == 0:
        return None
    ratios = np.sort(np.divide.outer(np.asarray(after, float), np.asarray(before, float)), axis=None)
    return Estimate(float(np.median(ratios)), float(ratios[place - 1]), float(ratios[-place]))


def share_ratio(after: tuple[int, int], before: tuple[int, int]) -> Estimate:
    """The ratio of two shares, each given as (successes, trials), with a 95 % interval.

    The interval is Katz's, on the logarithm (Katz et al. 1978), with half a success added to each so
    that a share of 0 has one too; ``scipy.stats.contingency.relative_risk`` takes whole numbers only.

    >>> share_ratio((50, 100), (50, 100)).value
    1.0
    """
    (x1, n1), (x0, n0) = after, before
    value = (x1 / n1) / (x0 / n0) if x0 else math.inf
    x1, n1, x0, n0 = x1 + 0.5, n1 + 0.5, x0 + 0.5, n0 + 0.5
    centre, error = math.log(x1 / n1 / (x0 / n0)), stats.norm.ppf(0.975) * math.sqrt(1 / x1 - 1 / n1 + 1 / x0 - 1 / n0)
    return Estimate(value, math.exp(centre - error), math.exp(centre + error))


def exact(value: float) -> Estimate:
    """A figure without an interval: a count, or a single run."""
    return Estimate(value, value, value)


def as_change(ratio: Ratio) -> Ratio:
    """A ratio as a relative change: 0.25 is -75 %.

    >>> as_change(exact(0.25))
    Estimate(value=-0.75, low=-0.75, high=-0.75)
    """
    return type(ratio)(*(end - 1 for end in ratio))


def excludes_zero(relative: Estimate | Paired) -> list[bool]:
    """For each interval of a relative change, whether it leaves out 0.

    >>> excludes_zero(Paired(0.05, 0.01, 0.09, -0.01, 0.10))
    [True, False]
    """
    ends = relative[1:]
    return [low > 0 or high < 0 for low, high in zip(ends[::2], ends[1::2], strict=True)]


def is_change(relative: Estimate | Paired) -> bool:
    """Whether a relative change can be told from none: every interval leaves out 0, and it is over 2 %."""
    return all(excludes_zero(relative)) and abs(relative.value) > SMALLEST_CHANGE


def may_be_change(relative: Estimate | Paired) -> bool:
    """Whether one interval leaves out 0, and it is over 2 %: enough to doubt what should be no change."""
    return any(excludes_zero(relative)) and abs(relative.value) > SMALLEST_CHANGE
