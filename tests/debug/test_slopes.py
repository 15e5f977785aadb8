"""The Theil-Sen slope, compared with SciPy's definition and tested with simulated noise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhmap.debug.slopes import theil_sen


@given(st.integers(-1000, 1000), st.integers(-1000, 1000), st.integers(4, 20))
def test_a_line_has_its_own_slope(start, slope, n):
    assert theil_sen([start + slope * i for i in range(n)]) == (slope, slope, slope)


@given(st.lists(st.integers(-(2**40), 2**40), min_size=4, max_size=12))
def test_the_value_is_the_median_of_all_pairs_and_lies_in_its_interval(values):
    x = np.arange(len(values))
    i, j = np.triu_indices(len(values), 1)
    slopes = (np.array(values)[j] - np.array(values)[i]) / (x[j] - x[i])
    found = theil_sen(values)
    assert found.value == pytest.approx(float(np.median(slopes)))
    assert found.low <= found.value <= found.high


@pytest.mark.parametrize("at", range(1, 11))
def test_one_jump_is_no_growth(at):
    assert theil_sen([0] * at + [1000] * (11 - at)).low <= 0


def test_the_interval_of_ten_values_is_the_one_of_the_tables():
    """Kendall's S for n = 10 is 21 at 5 % of both sides (Hollander, Wolfe and Chicken, table A.30: P(S >= 23) = 0.023):
    the ends are the 12th slope from each side of 45, within one place of the normal approximation."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=10).tolist()
    slopes = sorted((values[j] - values[i]) / (j - i) for i in range(10) for j in range(i + 1, 10))
    found = theil_sen(values)
    assert found.low in slopes[10:13]
    assert found.high in slopes[-13:-10]


def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(2)
    runs = [theil_sen((3 * np.arange(11) + rng.normal(size=11) * 5).tolist()) for _ in range(400)]
    assert sum(found.low <= 3 <= found.high for found in runs) / 400 > 0.92


def test_three_values_are_too_few():
    with pytest.raises(ValueError, match="4 values or more, not 3"):
        theil_sen([1, 2, 3])
