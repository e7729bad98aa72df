"""The statistics of experiments, against counts by hand."""

from __future__ import annotations

import runpy
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

OWN = runpy.run_path(str(Path(__file__).parents[2] / "experiments" / "common" / "statistics.py"))


def test_pairs_of_different_strata_are_not_compared():
    random = np.random.default_rng(0)
    x, y = random.integers(0, 5, (2, 30)).astype(float)
    strata = random.integers(0, 3, 30)
    pairs = [(i, j) for i, j in combinations(range(30), 2) if strata[i] == strata[j]]
    expected = sum(np.sign(x[i] - x[j]) * np.sign(y[i] - y[j]) for i, j in pairs) / len(pairs)
    tau, low, high, points = OWN["within"](x, y, strata)
    assert tau == pytest.approx(expected) and low < tau < high and points == 30


def test_missing_values_are_left_out():
    assert OWN["within"]([1.0, 2.0, None], [1.0, 2.0, 0.0], "aaa")[0::3] == (1.0, 2)
    assert OWN["within"]([1.0, 2.0], [1.0, 2.0], "ab") is None


def test_slope_of_a_power_law():
    b, low, high = OWN["slope"]([1, 2, 4, 8], [[3 * x**-0.5] * 2 for x in (1, 2, 4, 8)])
    assert b == pytest.approx(-0.5) and low == pytest.approx(-0.5) and high == pytest.approx(-0.5)


def test_difference_of_pairs_of_groups():
    pairs = [([2.0, 4.0], [1.0, 1.0]), ([5.0], [1.0, 3.0])]
    found, low, high = OWN["difference"](pairs)
    assert found == pytest.approx(2.5) and low < found < high
    assert OWN["difference"]([([2.0], [1.0])] * 3) == (1.0, 1.0, 1.0)
    assert OWN["mean"]([1.0]) is None and OWN["mean"]([1.0, 3.0])[0] == 2.0


@pytest.mark.parametrize("hits", [0, 2, 6])
def test_ends_of_a_share_are_those_at_which_it_is_as_far_as_chance_goes(hits):
    """At either end the share is 1.96 standard errors of that end away."""
    for end in OWN["share_interval"](hits, 6):
        assert (hits / 6 - end) ** 2 == pytest.approx(1.959964**2 * end * (1 - end) / 6, abs=1e-12)
