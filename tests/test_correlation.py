"""Kendall's tau: against scipy, against the textbook, and what is not defined is None."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from boundcalc.correlation import MOST_RESAMPLED, complete, correlate


def draws():
    """Yield three quantities of several tickets, with ties and without."""
    for seed, n, levels in ((0, 6, 100), (1, 9, 100), (2, 30, 4), (3, 60, 1000), (4, 25, 2)):
        yield np.random.default_rng(seed).integers(0, levels, (3, n)).astype(float)


@pytest.mark.parametrize("columns", list(draws()))
def test_tau_b_is_scipys(columns):
    x, y, z = map(list, columns)
    found = correlate(x, y, z)
    assert found.plain.tau == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-12)
    assert (found.n, found.left_out) == (len(x), 0)


@pytest.mark.parametrize("columns", list(draws()))
def test_partial_tau_is_the_textbooks(columns):
    x, y, z = map(list, columns)
    xy, xz, yz = (stats.kendalltau(*pair).statistic for pair in itertools.combinations((x, y, z), 2))
    expected = (xy - xz * yz) / math.sqrt((1 - xz**2) * (1 - yz**2))
    assert correlate(x, y, z).partial.tau == pytest.approx(expected, abs=1e-12)


def test_partial_tau_of_a_common_cause_is_far_smaller():
    """Two noisy copies of a third quantity; that something is left is known of Kendall's partial tau."""
    draw = np.random.default_rng(0)
    z = np.arange(200.0)
    x, y = (list(z + 20 * draw.standard_normal(200)) for _ in range(2))
    found = correlate(x, y, list(z))
    assert found.plain.tau > 0.7
    assert 0 < found.partial.tau < 0.2
    assert found.partial.interval[0] < found.partial.tau < found.partial.interval[1]


def bootstrap_twin(x, y, seed, draws=1000):
    """Resample tickets one at a time and ask scipy."""
    counts = np.random.default_rng(seed).multinomial(len(x), np.full(len(x), 1 / len(x)), draws)
    taus = []
    for row in counts:
        chosen = np.repeat(np.arange(len(x)), row)
        taus.append(stats.kendalltau(np.array(x)[chosen], np.array(y)[chosen]).statistic)
    return np.quantile(np.array(taus), [0.025, 0.975])


def test_the_interval_is_that_of_resampled_tickets():
    x, y, z = map(list, np.random.default_rng(5).standard_normal((3, 15)))
    found = correlate(x, y, z, seed=3)
    assert found.plain.interval == pytest.approx(tuple(bootstrap_twin(x, y, 3)), abs=1e-12)
    assert found.plain.interval[0] < found.plain.tau < found.plain.interval[1]


def test_the_seed_decides_the_interval_and_nothing_else():
    x, y, z = map(list, np.random.default_rng(5).standard_normal((3, 12)))
    first, same, other = (correlate(x, y, z, seed) for seed in (0, 0, 1))
    assert first == same
    assert first.plain.interval != other.plain.interval
    assert (first.plain.tau, first.partial.tau) == (other.plain.tau, other.partial.tau)


def test_who_lacks_one_of_them_is_left_out():
    x, y, z = [1.0, 2, None, 4, 5, 6], [2.0, 1, 9, None, 4, 6], [6.0, 1, 3, 2, 5, None]
    found = correlate(x, y, z)
    assert (found.n, found.left_out) == (3, 3)
    assert found.plain.tau is found.partial.tau is found.plain.interval is None
    assert found.plain.reason == "too few tickets for a correlation (3; 4 are needed)"
    more = [*x, 7.0, 8.0], [*y, 3.0, 9.0], [*z, 1.0, 4.0]
    whole = [row for row in zip(*more, strict=True) if None not in row]
    assert correlate(*more) == _but(correlate(*map(list, zip(*whole, strict=True))), left_out=3)


def _but(found, left_out):
    return type(found)(found.n, left_out, found.plain, found.partial)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_nan_is_never_taken_for_missing(bad):
    with pytest.raises(ValueError, match="give None for what is missing"):
        correlate([1.0, bad, 3, 4], [1.0, 2, 3, 4], [1.0, 2, 3, 4])
    with pytest.raises(ValueError, match="zip"):
        complete([1.0], [1.0, 2.0])


def test_what_is_not_defined_is_none_with_its_reason():
    rising = [1.0, 2, 3, 4, 5]
    constant = correlate(rising, [2.0] * 5, rising)
    assert constant.plain.tau is constant.plain.interval is None
    assert constant.plain.reason == "one of the two quantities is the same for all tickets"
    decided = correlate(rising, [1.0, 2, 3, 5, 4], rising)
    assert decided.plain.tau == pytest.approx(0.8)
    assert decided.partial.tau is None
    assert decided.partial.reason == "the third quantity is constant or determines one of the two"
    no_third = correlate(rising, [1.0, 2, 3, 5, 4], [7.0] * 5)
    assert (no_third.plain.tau, no_third.partial.tau) == (pytest.approx(0.8), None)


def test_no_interval_where_resamples_do_not_define_it():
    """One ticket of twelve differs: a third of the resamples lack it."""
    x = [0.0] * 11 + [1.0]
    found = correlate(x, x, list(map(float, range(12))))
    assert found.plain.tau == 1
    assert found.plain.interval is None
    assert found.plain.reason == "no interval: too few tickets have different values"


def test_no_interval_for_very_many_tickets():
    x = list(map(float, range(MOST_RESAMPLED + 1)))
    found = correlate(x, x, [0.0] * len(x))
    assert (found.plain.tau, found.plain.interval) == (1, None)
    assert found.plain.reason == f"no interval: more than {MOST_RESAMPLED} tickets"


def test_tau_is_of_ranks():
    """A monotone map of a quantity changes nothing, a falling one the sign."""
    x, y, z = np.random.default_rng(8).random((3, 20)) + 0.1
    found = correlate(list(x), list(y), list(z))
    assert correlate(list(np.log(x)), list(y**3), list(z)) == found
    assert correlate(list(-x), list(y), list(z)).plain.tau == -found.plain.tau
