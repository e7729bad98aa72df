"""The test-set bound against the binomial tail in rational arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from boundcalc.certificates.test_set import error_bound


def tail(errors, m, p):
    """P(Bin(m, p) <= errors), exactly."""
    p = Fraction(p)
    return sum(math.comb(m, i) * p**i * (1 - p) ** (m - i) for i in range(errors + 1))


@pytest.mark.parametrize("m", [1, 2, 3, 7, 20, 41])
@pytest.mark.parametrize("delta", [0.5, 0.05, 1e-6])
def test_it_is_the_largest_error_that_the_tail_allows(m, delta):
    for errors in range(m):
        found = error_bound(errors, m, delta)
        assert tail(errors, m, found) <= Fraction(delta), (
            "at or above the root, where the tail has fallen to delta"
        )
        assert tail(errors, m, found * (1 - 1e-9)) > Fraction(delta), "and no farther above than rounding"
    assert error_bound(m, m, delta) == 1.0


@pytest.mark.parametrize(
    ("errors", "m"), [(0, 10**6), (292, 10_000), (59_999, 60_000), (30_000, 60_000), (1, 10**7)]
)
def test_large_samples_are_bounded_tightly(errors, m):
    from scipy.stats import binom

    found = error_bound(errors, m, 0.05)
    assert errors / m < found < 1
    assert binom.cdf(errors, m, found) == pytest.approx(0.05, rel=1e-6)
    if errors == 0:
        assert found == pytest.approx(-math.expm1(math.log(0.05) / m), rel=1e-9)
        assert found >= -math.expm1(math.log(0.05) / m)


def test_it_fails_with_probability_at_most_delta():
    m, delta = 30, 0.2
    values = [error_bound(k, m, delta) for k in range(m + 1)]
    assert values == sorted(values)
    for true in np.linspace(0.01, 0.99, 49).tolist():
        exceeded = [k for k in range(m + 1) if values[k] < true]
        share = sum(math.comb(m, k) * Fraction(true) ** k * (1 - Fraction(true)) ** (m - k) for k in exceeded)
        assert share <= Fraction(delta)


def test_less_delta_and_more_errors_give_more():
    assert error_bound(5, 100, 0.01) > error_bound(5, 100, 0.05) > error_bound(4, 100, 0.05)
    assert error_bound(5, 100, 5e-324) <= 1.0


@pytest.mark.parametrize("delta", [1e-9, 1e-20, 1e-100])
def test_small_delta_is_no_reason_to_say_nothing(delta):
    found = error_bound(3, 500, delta)
    assert tail(3, 500, found) <= Fraction(delta)
    assert tail(3, 500, found * (1 - 1e-9)) > Fraction(delta)
