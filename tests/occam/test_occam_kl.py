"""The inverse of the binary relative entropy against 60 digits, and what the certificate is monotone in."""

from __future__ import annotations

import math

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boundcalc.occam.kl import certificate, kl_inverse

SIZES = (1, 2, 3, 10, 1000, 60_000, 10**9)
BOUNDS = (1e-300, 1e-18, 1e-12, 1e-6, 1e-3, 0.1, 0.6931, 1.0, 5.0, 20.0, 36.0, 40.0, 700.0)


def exact_inverse(errors: int, m: int, bound: float) -> mpmath.mpf:
    """The largest p with kl(errors / m || p) <= bound, by bisection in 80 digits of 1 - p or p - q, whichever is smaller."""
    with mpmath.workdps(700):
        q, target = mpmath.mpf(errors) / m, mpmath.mpf(bound)
        if errors == 0:
            return -mpmath.expm1(-target)
    with mpmath.workdps(330 if bound > 100 else 80 if bound > 1e-20 else 330):
        q, low, high = mpmath.mpf(errors) / m, mpmath.mpf(errors) / m, mpmath.mpf(1)
        for _ in range(1100 if mpmath.mp.dps > 100 else 270):
            middle = (low + high) / 2
            if middle in (low, high):
                break
            value = q * mpmath.log(q / middle) + (1 - q) * mpmath.log((1 - q) / (1 - middle))
            low, high = (low, middle) if value > target else (middle, high)
        return high


@pytest.mark.parametrize("m", SIZES)
@pytest.mark.parametrize("bound", BOUNDS)
def test_inverse_is_exact_and_from_above(m, bound):
    for errors in sorted({0, 1, m // 100, m // 3, m // 2, m - 1}):
        if errors >= m:
            continue
        found = kl_inverse(errors, m, bound)
        exact = exact_inverse(errors, m, bound)
        with mpmath.workdps(60):
            excess = (mpmath.mpf(found) - exact) / exact
        assert found == 1.0 or excess >= 0
        assert excess <= 1e-14


@given(st.integers(1, 10**6), st.data())
@settings(max_examples=60)
def test_inverse_of_any_numbers(m, data):
    errors = data.draw(st.integers(0, m - 1))
    bound = data.draw(st.floats(1e-15, 50))
    found, exact = kl_inverse(errors, m, bound), exact_inverse(errors, m, bound)
    with mpmath.workdps(60):
        excess = (mpmath.mpf(found) - exact) / exact
    assert (found == 1.0 or excess >= 0) and excess <= 1e-14


def test_extremes():
    assert kl_inverse(5, 5, 0.1) == 1.0
    assert kl_inverse(0, 5, math.inf) == 1.0
    assert kl_inverse(0, 1, 700.0) == 1.0
    assert 0 <= kl_inverse(0, 10, 0.0) < 1e-300
    assert 0.3 <= kl_inverse(3, 10, 0.0) < 0.3 * (1 + 1e-14)
    assert kl_inverse(0, 10**9, 1e-12) == pytest.approx(1e-12, rel=1e-11)


def test_certificate_is_the_theorem_at_known_values():
    """Without errors the statement is 1 - (delta 2^-bits)^(1/m)."""
    for m, bits, delta in ((100, 20.0, 0.05), (60_000, 5000.0, 0.01), (7, 1.0, 0.5)):
        with mpmath.workdps(40):
            exact = 1 - (mpmath.mpf(delta) * mpmath.mpf(2) ** -bits) ** (mpmath.mpf(1) / m)
            assert 0 <= mpmath.mpf(certificate(0, m, bits, delta)) / exact - 1 <= 1e-14


@given(
    st.integers(1, 5000),
    st.data(),
    st.floats(0.5, 4000),
    st.floats(0.001, 0.9),
    st.floats(0, 300),
    st.floats(0, 1),
)
@settings(max_examples=200)
def test_certificate_is_monotone(m, data, bits, delta, more_bits, share):
    errors = data.draw(st.integers(0, m))
    more = data.draw(st.integers(errors, m))
    value = certificate(errors, m, bits, delta)
    rounding = 1 + 1e-14
    assert errors / m <= value <= 1
    assert value <= certificate(more, m, bits, delta) * rounding
    assert value <= certificate(errors, m, bits + more_bits, delta) * rounding
    assert certificate(errors, m, bits, delta + share * (1 - delta)) <= value * rounding
