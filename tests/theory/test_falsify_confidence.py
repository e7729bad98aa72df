"""Confidence limits: identities, and how often they fail where the truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from boundcalc.theory.falsify_confidence import log_capital, lower_limit, share_lower_limit


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=30), st.floats(1e-6, 0.5))
def test_the_limit_is_where_the_capital_is_won(values, alpha):
    limit = lower_limit(values, alpha)
    assert 0 <= limit <= max(values)
    assert log_capital(values, limit * (1 - 1e-9)) >= -math.log(alpha) - 1e-6
    assert log_capital(values, limit * (1 + 1e-6)) < -math.log(alpha) + 1e-6


def test_the_capital_is_the_mean_of_plain_products():
    values, claimed = [0.3, 2.0, 1.1], 0.9
    products = [math.prod(1 + bet * (v / claimed - 1) for v in values) for bet in (0.25, 0.5, 0.75, 1.0)]
    assert math.exp(log_capital(values, claimed)) == pytest.approx(sum(products) / 4)
    assert log_capital([0.0, 5.0], 1.0) == pytest.approx(math.log((0.75 * 2 + 0.5 * 3 + 0.25 * 4 + 0) / 4))


@pytest.mark.parametrize("law", ["exponential", "rare", "tight"])
def test_it_fails_no_more_often_than_promised(law):
    random = np.random.default_rng(0)
    draw = {
        "exponential": lambda: random.exponential(1.0, 40),
        "rare": lambda: 20.0 * (random.random(40) < 0.05),
        "tight": lambda: random.uniform(0.9, 1.1, 40),
    }[law]
    above = sum(lower_limit(draw().tolist(), 0.1) > 1.0 for _ in range(400))
    assert above <= 400 * 0.1


def test_stopping_when_it_looks_good_does_not_help():
    random = np.random.default_rng(1)
    won = 0
    for _ in range(300):
        values = random.exponential(1.0, 120).tolist()
        won += any(log_capital(values[:n], 1.0) >= -math.log(0.1) for n in range(5, 121, 5))
    assert won <= 300 * 0.1


@pytest.mark.parametrize("failures", [1, 3, 10])
def test_clopper_and_pearson(failures):
    limit = share_lower_limit(failures, 10, 0.01)
    assert binom.sf(failures - 1, 10, limit) == pytest.approx(0.01)
