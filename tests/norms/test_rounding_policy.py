"""The rounding policy against exact arithmetic: what is raised is never below the truth, and not far above."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boundcalc.norms.rounding import (
    LEAST,
    NORMAL,
    UpperSize,
    exp_up,
    log10_up,
    log_product,
    log_up,
    logsumexp,
    slack,
    up,
)

mpmath.mp.prec = 200
FACTORS = st.one_of(
    st.floats(0, 1e150), st.floats(1e-170, 1e-150), st.floats(0, 1e-160, allow_subnormal=True)
)
LOGS = st.floats(-800, 700)


def exact_log(value: Fraction) -> mpmath.mpf:
    return mpmath.log(mpmath.mpf(value.numerator)) - mpmath.log(mpmath.mpf(value.denominator))


@given(st.lists(st.tuples(FACTORS, FACTORS), min_size=1, max_size=40))
def test_sums_of_products_are_raised_above_the_truth_and_no_further_than_said(pairs):
    total, true = 0.0, Fraction(0)
    for one, other in pairs:
        total += one * other
        true += Fraction(one) * Fraction(other)
    if not math.isfinite(total) or total == 0:
        return
    raised = up(total, len(pairs))
    assert not math.isfinite(raised) or Fraction(raised) >= true
    if total > 1e-290 and math.isfinite(raised):
        assert Fraction(raised) <= true * (1 + 2 * Fraction(slack(len(pairs))))


@pytest.mark.parametrize("exponent", [-1074, -1073, -1060, -1023, -1022, -1021, -900, 0, 900])
def test_the_subnormal_range_is_covered(exponent):
    for mantissa in (1.0, 1.25, 1.999):
        root = math.ldexp(mantissa, exponent // 2)
        other = math.ldexp(mantissa, exponent - exponent // 2)
        if root * other:
            assert Fraction(up(root * other, 1)) >= Fraction(root) * Fraction(other)


@given(st.floats(LEAST, 1e300, allow_subnormal=True), st.integers(1, 10**6))
def test_logarithms_of_sums_are_from_above(value, terms):
    found = log_up(value, terms)
    true = mpmath.log(mpmath.mpf(value))
    assert found >= true
    if value > NORMAL:
        assert found - true <= 4 * slack(terms) + 1e-13 * (1 + abs(true))


@given(st.lists(LOGS, min_size=1, max_size=30))
def test_sums_of_logarithms_and_of_their_exponentials_are_from_above(logs):
    assert log_product(logs) >= sum(map(Fraction, logs))
    true = mpmath.log(sum(mpmath.exp(mpmath.mpf(one)) for one in logs))
    assert true <= logsumexp(logs) <= true + 1e-12 * (1 + abs(max(logs, key=abs)))


@given(st.floats(-800, 720))
def test_exponentials_are_from_above_and_never_0(log_value):
    found = exp_up(log_value)
    assert found > 0
    assert mpmath.mpf(found) >= mpmath.exp(mpmath.mpf(log_value))
    if -700 < log_value < 709:
        assert found <= mpmath.exp(mpmath.mpf(log_value)) * (1 + 1e-12)
    if abs(log_value) > NORMAL:
        assert log10_up(log_value) >= mpmath.mpf(log_value) / mpmath.log(10)


@given(st.integers(1, 10**30), st.integers(1, 10**30))
def test_logarithms_of_fractions_of_any_size(numerator, denominator):
    logs = [log_up(float(numerator), 1), -math.log(denominator)]
    assert log_product(logs) >= exact_log(Fraction(numerator, denominator)) - 1e-15


@given(st.floats(0, 1), st.integers(-5000, 5000))
def test_a_size_is_held_whatever_its_exponent(mantissa, exponent):
    size = UpperSize(mantissa, exponent)
    if mantissa == 0:
        assert size.value == 0 and size.log == -math.inf
        return
    assert size.value > 0
    assert size.log >= mpmath.log(mpmath.mpf(mantissa)) + exponent * mpmath.log(2)
    if math.isfinite(size.value):
        assert Fraction(size.value) >= Fraction(mantissa) * Fraction(2) ** exponent
