"""The randomized network: its divergence against a naive sum, coverage of the whole estimate, and what an unpaid estimate breaks."""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from spelt import captured
from torch import nn

from boundcalc.certificates.pacbayes import claim, gibbs, theorem
from boundcalc.certificates.pacbayes.draws import Posterior, Prior, SavedLayer, divergence_bits
from boundcalc.certificates.pacbayes.gibbs import Randomized, randomized
from boundcalc.certificates.pacbayes.tables import KEEP_LEVELS, TOTAL, Law
from boundcalc.errors import NotCovered

PLACES, SAMPLES, DELTA = 20, 60, 0.1
PRIOR = Prior(4, 224, 12)

laws = st.tuples(st.integers(0, 256), st.integers(-300, 300), st.integers(0, 20))


@given(st.lists(laws, min_size=1, max_size=4))
def test_every_point_with_a_mass_is_in_the_support(numbers: list[tuple[int, int, int]]) -> None:
    keep, centre, width = (np.array(part, dtype=np.int64) for part in zip(*numbers, strict=True))
    which, values = Law(keep, centre, width).support()
    assert len({*zip(which.tolist(), values.tolist(), strict=True)}) == which.size
    masses = Law(keep[which], centre[which], width[which]).masses(values)
    assert (masses > 0).all()
    assert [int(masses[which == one].sum()) for one in range(keep.size)] == [TOTAL] * keep.size


@given(st.lists(laws, min_size=1, max_size=3))
def test_the_divergence_is_its_sum_from_above(numbers: list[tuple[int, int, int]]) -> None:
    posterior = Posterior(*(np.array(part, dtype=np.int64) for part in zip(*numbers, strict=True)))
    found, law, prior = divergence_bits(posterior, PRIOR), posterior.law(), PRIOR.law(posterior.keep.size)
    terms, moved = [], np.zeros_like(posterior.keep)
    for value in (*range(-600, 0), *range(1, 601), 0):
        points = np.full(posterior.keep.size, value)
        masses = law.masses(points) + (moved if value == 0 else 0)
        for one, (q, p) in enumerate(zip(masses.tolist(), prior.masses(points).tolist(), strict=True)):
            if not p:
                moved[one] += q  # what P never gives is drawn as 0
            elif q:
                terms.append(float(Fraction(q, TOTAL)) * math.log2(Fraction(q, p)))
    assert int((law.masses(np.zeros_like(moved)) + moved).max()) <= TOTAL
    exact = math.fsum(terms)
    assert found >= exact - 1e-12
    assert found == pytest.approx(exact, abs=1e-9)


def test_the_prior_itself_costs_nothing() -> None:
    law = PRIOR.law(5)
    same = Posterior(law.keep, np.zeros(5, dtype=np.int64), np.full(5, PRIOR.width))
    assert 0 <= divergence_bits(same, PRIOR) < 1e-9


def estimated(rng: np.random.Generator) -> float:
    """A linear layer on places whose labels are thrown by a coin, Q fitted to the sample: the bound on its error, which is 1/2."""
    x, y = rng.integers(0, PLACES, SAMPLES), rng.integers(0, 2, SAMPLES)
    votes = np.bincount(x, weights=2.0 * y - 1, minlength=PLACES)
    centre = np.where(votes > 0, 1, -1) * rng.integers(4, 60, PLACES)
    law = Posterior(
        np.full(PLACES, KEEP_LEVELS), centre.astype(np.int64), np.full(PLACES, int(rng.integers(6, 12)))
    )
    stage = SavedLayer(PRIOR, law, 0)
    frame = claim.frame_of(captured(nn.Linear(PLACES, 1, bias=False), (PLACES,)))
    known = claim.facts(frame, hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest(), None, DELTA)
    drawn = claim.drawn(frame, [stage], known)
    inputs = torch.eye(PLACES, dtype=torch.float64)[torch.from_numpy(x)][:, :, None, None]
    found = randomized(drawn, [stage], known, (), [(inputs, torch.from_numpy(y))], SAMPLES)
    assert found.answers == gibbs.ANSWERS // SAMPLES * SAMPLES
    return found.bound(SAMPLES, DELTA)


def test_the_promise_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gibbs, "ANSWERS", 6000)
    rng = np.random.default_rng(0)
    bounds = [estimated(rng) for _ in range(100)]
    assert sum(bound < 0.5 for bound in bounds) <= DELTA * 100
    assert min(bounds) < 0.95, "bounds that say nothing cannot fail"


def test_the_luckiest_of_many_estimates_is_paid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Q = P, of which 100,000 estimates are asked for; every network errs on half of the sample."""
    rng = np.random.default_rng(1)
    wrong = [int(rng.binomial(200, 0.5, 100_000).min()) for _ in range(20)]

    def violations() -> int:
        return sum(Randomized(one, 200, 0.0, 0.0).bound(20_000, DELTA) < 0.5 for one in wrong)

    assert violations() == 0
    monkeypatch.setattr(theorem, "QUESTIONS", 0)
    assert violations() > 15


def test_the_estimate_is_of_the_training_error() -> None:
    """Against predictions by networks that are drawn one by one."""
    rng = np.random.default_rng(2)
    torch.manual_seed(0)
    frame = claim.frame_of(captured(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), (3,)))
    sizes = frame.sizes()
    stages = [
        SavedLayer(PRIOR, Posterior(np.full(size, 200), rng.integers(-200, 200, size), np.full(size, 8)), 0) for size in sizes
    ]  # fmt: skip
    known = claim.facts(frame, "", None, DELTA)
    drawn = claim.drawn(frame, stages, known)
    x, y = (
        torch.randn(300, 3, dtype=torch.float64)[:, :, None, None],
        torch.from_numpy(rng.integers(0, 2, 300)),
    )
    found = randomized(drawn, stages, known, (), [(x, y)], 300)
    first = [layer.weight.flatten(1).numpy() for layer in drawn.small.stored()][0]
    offset = next(iter(drawn.small.stored())).bias
    assert offset is not None
    hidden = np.maximum(x.flatten(1).numpy() @ first.T + offset.numpy(), 0)
    law, shares = stages[1].posterior.law(), []
    for _ in range(2000):
        numbers = law.draw(rng.integers(0, TOTAL, sizes[1])) * PRIOR.delta
        outputs = hidden @ numbers[:8].reshape(2, 4).T + numbers[8:]
        own, other = outputs[np.arange(300), y.numpy()], outputs[np.arange(300), 1 - y.numpy()]
        shares.append(float((own <= other).mean()))
    assert found.wrong / found.answers == pytest.approx(np.mean(shares), abs=0.01)
    assert found.train_error(0.01) > found.wrong / found.answers


def test_a_last_layer_that_slides_is_not_drawn_anew() -> None:
    frame = claim.frame_of(
        captured(nn.Sequential(nn.Conv2d(1, 2, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten()), (1, 4, 4))
    )
    (size,) = frame.sizes()
    stages = [
        SavedLayer(PRIOR, Posterior(np.full(size, 200), np.zeros(size, dtype=np.int64), np.full(size, 8)), 0)
    ]
    drawn = claim.drawn(frame, stages, {})
    with pytest.raises(NotCovered, match="only a linear layer"):
        randomized(drawn, stages, {}, (), [], 10)
