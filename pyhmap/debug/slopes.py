"""Whether a series grows: the Theil-Sen slope and its interval.

The lab tests slopes, not levels: a program may hold memory, but if it holds more after each round, it leaks. The median
of the slopes of all pairs ignores a single jump (a cache that fills, a table that doubles), and the interval contains 0
unless most pairs of rounds agree.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

Z95 = 1.959963984540054  # two-sided 95 % quantile of the normal distribution
FEWEST = 4  # values; with three, the interval spans all slopes


class Slope(NamedTuple):
    """Growth per round, with its 95 % interval."""

    value: float
    low: float
    high: float


def theil_sen(values: Sequence[float]) -> Slope:
    """The slope of values that were taken at equal intervals.

    The slope is the median of the slopes of all pairs (Theil 1950). The ends of the interval are the order statistics
    that Kendall's rank correlation gives at 95 % (Sen, "Estimates of the regression coefficient based on Kendall's
    tau", 1968). Raises ``ValueError`` for fewer than four values.

    >>> theil_sen([10, 12, 14, 16, 18])
    Slope(value=2.0, low=2.0, high=2.0)
    >>> theil_sen([10, 10, 10, 50, 50, 50])  # one jump is not growth
    Slope(value=10.0, low=0.0, high=20.0)
    """
    n = len(values)
    if n < FEWEST:
        raise ValueError(f"a slope needs {FEWEST} values or more, not {n}: take more snapshots")
    slopes = sorted((values[j] - values[i]) / (j - i) for i in range(n) for j in range(i + 1, n))
    spread = Z95 * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    place = max(0, math.floor((len(slopes) - spread) / 2))
    return Slope(float(median(slopes)), float(slopes[place]), float(slopes[-1 - place]))
