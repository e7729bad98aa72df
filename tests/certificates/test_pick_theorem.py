"""eps(k): against exact sums, against the binomial tail that no bound can pass, and by simulation of whole procedures."""

from __future__ import annotations

import math
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from boundcalc.certificates.pick.procedure import pick
from boundcalc.certificates.pick.theorem import error_bound, weighted


def exact_sum(eps: Fraction, size: int, samples: int, delta: Fraction) -> Fraction:
    """The theorem's sum in rational arithmetic, term by term."""
    sizes = range(samples)[weighted(samples)]
    weight = delta / len(sizes)
    return sum(
        (
            weight * Fraction(comb(n, size), comb(samples, size)) * (1 - eps) ** -(samples - n)
            for n in sizes
            if n >= size
        ),
        Fraction(0),
    )


@given(
    st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))),
    st.sampled_from((0.05, 0.3, 1e-6)),
)
def test_it_is_the_root_from_above(case: tuple[int, int], delta: float) -> None:
    size, samples = case
    eps = error_bound(size, samples, delta)
    if not any(n >= size for n in range(samples)[weighted(samples)]):
        assert eps == 1.0
        return
    assert exact_sum(Fraction(eps), size, samples, Fraction(delta)) >= 1
    below = Fraction(eps) * (1 - Fraction(1, 10**6)) - Fraction(1, 10**12)
    assert below <= 0 or exact_sum(below, size, samples, Fraction(delta)) < 1


def test_everything_picked_says_nothing() -> None:
    assert error_bound(60, 60, 0.05) == 1.0


@pytest.mark.parametrize("size", [0, 10, 300, 1500, 7667])
def test_it_grows_with_size_and_confidence_and_lies_above_the_binomial_tail(size: int) -> None:
    here = error_bound(size, 60_000, 0.05)
    assert here < error_bound(size + 1, 60_000, 0.05)
    assert here < error_bound(size, 60_000, 0.01)
    assert here < error_bound(size, 30_000, 0.05)
    assert here > beta.isf(0.05, size + 1, 60_000 - size)
    assert error_bound(size, 60_000, 0.05, bits=3.0) == pytest.approx(
        error_bound(size, 60_000, 0.05 / 8), rel=1e-6
    )


@pytest.mark.parametrize(
    ("size", "samples", "delta", "bits"),
    [
        (-1, 10, 0.05, 0),
        (11, 10, 0.05, 0),
        (0, 0, 0.05, 0),
        (1, 10, 0.0, 0),
        (1, 10, 1.0, 0),
        (1, 10, 0.05, -1.0),
    ],
)
def test_values_that_mean_nothing_are_refused(size: int, samples: int, delta: float, bits: float) -> None:
    with pytest.raises(ValueError, match="give"):
        error_bound(size, samples, delta, bits)


class NearestNeighbour:
    """1-nearest-neighbour on the line as a learner: wrong examples score by their distance to the nearest picked one."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        self.x, self.y = x, y
        self.picked = np.zeros(0, dtype=np.int64)

    def predict(self, x: np.ndarray) -> np.ndarray:
        nearest = np.abs(x[:, None] - self.x[self.picked][None]).argmin(1)
        return self.y[self.picked][nearest]

    def scores(self) -> np.ndarray:
        distance = np.abs(self.x[:, None] - self.x[self.picked][None]).min(1)
        return np.where(self.predict(self.x) != self.y, 1.0 / (1.0 + distance), 0.0)

    def learn(self, picked: np.ndarray, round: int) -> None:
        self.picked = picked

    def wrong(self) -> np.ndarray:
        return self.predict(self.x) != self.y

    def state(self) -> np.ndarray:
        return self.picked

    def restore(self, state: np.ndarray) -> None:
        self.picked = state


def draw(generator: np.random.Generator, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of two classes on the line, a step at 0.5, one label in ten wrong."""
    x = generator.random(samples)
    return x, (x > 0.5).astype(np.int64) ^ (generator.random(samples) < 0.1)


def run_once(
    generator: np.random.Generator, samples: int, sizes: tuple[int, ...], candidates: int
) -> tuple[float, float]:
    """The bound of a whole run, and the true error of its classifier, on 20,000 fresh examples."""
    x, y = draw(generator, samples)
    learner = NearestNeighbour(x, y)
    chosen = pick(learner, sizes, generator.random(samples), candidates=candidates).until(len(sizes))
    assert np.array_equal(chosen, learner.picked)
    wrong = learner.predict(x) != y
    wrong[chosen] = False
    fresh, labels = draw(generator, 20_000)
    return error_bound(len(chosen) + int(wrong.sum()), samples, 0.1, math.log2(candidates)), float(
        (learner.predict(fresh) != labels).mean()
    )


@pytest.mark.parametrize(("sizes", "candidates"), [((3, 2, 2), 1), ((2, 1, 1, 1, 1, 1), 6)])
def test_the_whole_procedure_keeps_its_promise(sizes: tuple[int, ...], candidates: int) -> None:
    generator = np.random.default_rng(11)
    runs = [run_once(generator, 200, sizes, candidates) for _ in range(400)]
    violations = sum(error > bound for bound, error in runs)
    assert violations <= 0.1 * 400  # far fewer in fact: the bound is for the worst distribution
    assert np.mean([bound < 0.6 for bound, _ in runs]) > 0.5, "bounds that say nothing cannot fail"


def test_errors_that_are_not_counted_break_the_promise() -> None:
    """The check above can fail: the picks alone, without the errors outside them, are too small a size."""
    generator = np.random.default_rng(12)
    violations = 0
    for _ in range(50):
        x, y = draw(generator, 400)
        learner = NearestNeighbour(x, y)
        chosen = pick(learner, (3, 2, 2), generator.random(400)).until(3)
        fresh, labels = draw(generator, 20_000)
        error = float((learner.predict(fresh) != labels).mean())
        violations += error > error_bound(len(chosen), 400, 0.1)
    assert violations > 40
