"""Rounding is exact: fractions and integers decide, not floats."""

import re
from fractions import Fraction

import mpmath
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from boundcalc.report import numbers

POWER = re.compile(r"10\^(-?)(\d+)\.(\d)")
FINITE = st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(min_value=0, exclude_min=True, allow_infinity=False)


def tenths(text):
    sign, whole, tenth = POWER.fullmatch(text).groups()
    return (-1 if sign else 1) * (10 * int(whole) + int(tenth))


def at_least(text, value):
    """Decide exactly whether a shown number is >= value."""
    if POWER.fullmatch(text) is None:
        return Fraction(text) >= value
    return Fraction(10) ** tenths(text) >= value**10


def times(text, factor):
    """Compare with the shown number times a positive factor: a function of the value."""
    power = POWER.fullmatch(text) is not None
    return lambda value: (
        Fraction(10) ** tenths(text) * factor**10 <= value**10 if power else Fraction(text) * factor <= value
    )


@given(FINITE, st.integers(1, 17))
@example(1e4, 3)
@example(10000.000000000002, 3)
@example(1e5, 3)
@example(5e-324, 3)
@example(9.995, 3)
@example(1.7976931348623157e308, 3)
def test_upper_is_never_below(value, digits):
    assert at_least(numbers.upper(value, digits), Fraction(value))


@given(POSITIVE, st.integers(1, 17))
def test_upper_is_tight(value, digits):
    text = numbers.upper(value, digits)
    shown = digits if value <= 1e4 else min(digits, 2)
    step = Fraction(79, 100) if POWER.fullmatch(text) else 1 - Fraction(10) ** (1 - shown)
    assert times(text, step)(Fraction(value))


@given(FINITE, st.integers(1, 17))
@example(1e7, 3)
@example(2.5e7, 3)
def test_lower_is_never_above(value, digits):
    text = numbers.lower(value, digits)
    if POWER.fullmatch(text) is None:
        assert Fraction(text) <= Fraction(value)
    else:
        assert Fraction(10) ** tenths(text) <= Fraction(value) ** 10 < Fraction(10) ** (tenths(text) + 1)


@given(st.integers(1, 10**400))
def test_upper_takes_integers(value):
    assert at_least(numbers.upper(value), value)


@given(st.floats(7, 1e6))
@example(340.2)
@example(7.3)
@example(7.0)
def test_a_power_is_never_below_its_logarithm(log10):
    shown = Fraction(tenths(numbers.upper(None, log10=log10)), 10)
    assert 0 <= shown - Fraction(log10) < Fraction(1, 10)


@given(st.floats(-300, 6.99))
@example(0.0)
@example(4.0)
@example(-0.19382002601611282)
def test_a_number_known_by_its_logarithm_is_spelled_and_never_below_it(log10):
    text = numbers.upper(None, log10=log10)
    assert "^" not in text
    mpmath.mp.dps = 50
    true = mpmath.power(10, mpmath.mpf(log10))
    shown = mpmath.mpf(text)
    assert true <= shown <= true * 1.11


@given(st.floats(min_value=1e7, allow_infinity=False), st.floats(7, 309))
def test_a_power_is_above_both_of_what_is_known(value, log10):
    text = numbers.upper(value, log10=log10)
    assert at_least(text, Fraction(value))
    assert Fraction(tenths(text), 10) >= Fraction(log10)


@given(st.floats(0, 1))
def test_percent_of_a_bound_is_never_below(share):
    text = numbers.upper_percent(share)
    assert Fraction(text.removesuffix(" %")) >= 100 * Fraction(share)


@given(st.lists(st.floats(0, 1e4), min_size=2, max_size=2))
def test_upper_is_monotone(pair):
    low, high = sorted(pair)
    assert Fraction(numbers.upper(low)) <= Fraction(numbers.upper(high))


@given(st.floats(-1e4, 1e4), st.integers(1, 15))
def test_plain_is_near(value, digits):
    error = abs(Fraction(numbers.plain(value, digits)) - Fraction(value))
    assert error <= abs(Fraction(value)) * Fraction(10) ** (1 - digits) / 2


@given(st.floats(0, 1))
def test_percent_says_100_for_1_only(share):
    text = numbers.percent(share)
    assert text.endswith(" %")
    assert (Fraction(text[:-2]) == 100) == (share == 1)


@given(FINITE, FINITE)
def test_an_interval_holds_its_ends(low, high):
    shown_low, shown_high = numbers.interval([low, high])[1:-1].split(", ")
    if POWER.fullmatch(shown_low) is None:
        assert Fraction(shown_low) <= Fraction(low)
    assert at_least(shown_high, Fraction(high))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.0, "1.00"),
        (0.5, "0.500"),
        (99.96, "100"),
        (1234.5, "1240"),
        (0.00001234, "1.24e-5"),
        (-0.12349, "-0.123"),
        (1e4, "10000"),
        (10000.5, "1.1e4"),
        (1e5, "1.0e5"),
        (191_234.0, "2.0e5"),
        (9.95e6, "10^7.0"),
        (1e7, "10^7.0"),
        (None, "-"),
    ],
)
def test_upper_known(value, text):
    assert numbers.upper(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (True, "yes"),
        (0, "0"),
        (266200, "266,200"),
        (10**15, "10^15.0"),
        (-266200, "-266,200"),
        (2.0, "2.00"),
        ("text", "text"),
        ([], "-"),
        ({}, "-"),
        ([1, [2, 3]], "1, (2, 3)"),
        ({"a": {"b": 1}}, "a (b 1)"),
        (list(range(13)), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ... (13 in all)"),
    ],
)
def test_show_known(value, text):
    assert numbers.show(value) == text
