"""Coverage of the drawn network by simulation of the whole procedure, and what breaks it.

The world: each of `PLACES` places is drawn with the same probability and has a label, 0 or 1, by a fair coin that is thrown for
every example. So every classifier has error 1/2, whatever the sample says. A network is one weight a place; its sign is the label.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
import torch
from scipy.special import xlogy
from scipy.stats import binom

from boundcalc.certificates import test_set
from boundcalc.certificates.pacbayes import theorem
from boundcalc.certificates.pacbayes.draws import Oracle, Posterior, Prior, log2_ratio
from boundcalc.certificates.pacbayes.tables import KEEP_LEVELS, PHASES, TOTAL
from boundcalc.occam.kl import kl_inverse

PLACES, SAMPLES, DELTA, RUNS = 30, 60, 0.1, 200
PRIOR = Prior(4, 224, 12)
LAW = PRIOR.law(PLACES)


def sample(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, dict[str, object]]:
    x, y = rng.integers(0, PLACES, SAMPLES), rng.integers(0, 2, SAMPLES)
    return x, y, {"data": hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest()}


def errors_of(values: np.ndarray, x: np.ndarray, y: np.ndarray) -> int:
    return int(((values[x] > 0) != (y == 1)).sum())


def wanted(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The label that most examples of each place have, -1 or 1."""
    votes = np.bincount(x, weights=2.0 * y - 1, minlength=PLACES)
    return np.where(votes > 0, 1, -1)


def posterior(centre: np.ndarray, width: int, keep: int = KEEP_LEVELS) -> Posterior:
    return Posterior(np.full(PLACES, keep), centre.astype(np.int64), np.full(PLACES, width))


def fails(values: np.ndarray, law: Posterior, x: np.ndarray, y: np.ndarray, bits: float = 0.0) -> bool:
    """Whether the bound is below the true error, 1/2."""
    ratio = log2_ratio(values, law.law(), LAW)
    return theorem.error_bound(errors_of(values, x, y), SAMPLES, ratio + bits, DELTA) < 0.5


def fitted(rng: np.random.Generator, tries: int, paid: float) -> bool:
    """Fit Q to the sample, draw often, keep the draw with the smallest bound."""
    x, y, facts = sample(rng)
    law = posterior(wanted(x, y) * rng.integers(4, 40, PLACES), int(rng.integers(6, 12)))
    oracle = Oracle(facts)
    return any(fails(law.law().draw(oracle.uniform(PRIOR, law, s)), law, x, y, paid) for s in range(tries))


def test_the_promise_is_kept() -> None:
    rng = np.random.default_rng(0)
    assert sum(fitted(rng, 1, 0.0) for _ in range(RUNS)) <= DELTA * RUNS
    assert sum(fitted(rng, 16, 4.0) for _ in range(60)) <= DELTA * 60


def to_the_noise(x: np.ndarray, y: np.ndarray, answers: np.ndarray) -> Posterior:
    """Q whose draw by these answers is right on the sample, while Q itself is nearly as wide as P: nothing is paid."""
    width, target = PRIOR.width, wanted(x, y)
    around = posterior(np.zeros(PLACES), width).law().draw(answers)  # what the answers give around 0
    return posterior((target * 4 - around) * PHASES, width)


def chased(rng: np.random.Generator, *, hashed: bool) -> bool:
    """Choose Q when the draw's noise is known: with a hash of Q it is another draw's."""
    x, y, facts = sample(rng)
    start = posterior(np.zeros(PLACES), PRIOR.width)
    oracle = Oracle(facts)
    law = to_the_noise(x, y, oracle.uniform(PRIOR, start, 0))
    answers = oracle.uniform(PRIOR, law if hashed else start, 0)
    return fails(law.law().draw(answers), law, x, y)


def test_a_posterior_fitted_to_the_noise_of_a_draw_gains_nothing() -> None:
    rng = np.random.default_rng(1)
    assert sum(chased(rng, hashed=True) for _ in range(RUNS)) <= DELTA * RUNS
    assert sum(chased(rng, hashed=False) for _ in range(50)) > 20, (
        "the attack works where the noise is public"
    )


def trained(rng: np.random.Generator, *, reused: bool) -> bool:
    """Train the means by gradients through fixed noise (reparameterization), then draw with that noise or with the hash."""
    x, y, facts = sample(rng)
    noise = rng.standard_normal(PLACES)
    mean, sigma = np.zeros(PLACES), 4.0
    target = wanted(x, y)
    for _ in range(30):
        mean += 0.5 * target * ((mean + sigma * noise) * target < 3)
    law = posterior(np.rint(mean * PHASES), 12)
    drawn = law.law().draw(Oracle(facts).uniform(PRIOR, law, 0))
    return fails(np.rint(mean + sigma * noise).astype(np.int64) if reused else drawn, law, x, y)


def test_noise_of_the_training_is_not_that_of_the_draw() -> None:
    rng = np.random.default_rng(2)
    assert sum(trained(rng, reused=False) for _ in range(RUNS)) <= DELTA * RUNS
    assert sum(trained(rng, reused=True) for _ in range(50)) > 0.2 * 50, "reusing it is an attack"
    law = posterior(np.arange(PLACES), 9)
    before = Oracle({}).uniform(PRIOR, law, 3)
    torch.manual_seed(1)
    torch.rand(10)
    assert np.array_equal(before, Oracle({}).uniform(PRIOR, law, 3)), "no generator has a part in a draw"


def best(rng: np.random.Generator, draws: int, paid: float) -> bool:
    """P itself as Q, of which often is drawn: every draw errs like a coin on the sample."""
    return theorem.error_bound(int(rng.binomial(SAMPLES, 0.5, draws).min()), SAMPLES, paid, DELTA) < 0.5


def test_the_best_of_many_draws_is_paid() -> None:
    rng = np.random.default_rng(3)
    assert sum(best(rng, 4000, math.log2(4000)) for _ in range(100)) <= DELTA * 100
    assert sum(best(rng, 4000, 0.0) for _ in range(100)) > 50


def hunted(rng: np.random.Generator, draws: int, paid: float) -> bool:
    """Layer by layer: go on with the draw of h_1 that has the smallest Q / P, and draw h_2 as often from there.

    P is sure of one h_1 and Q_1 gives it the mass 1 / draws, so among so many draws it comes up more often than not, with P / Q_1 =
    draws; Q_2 is P.
    """
    if not (rng.random(draws) < 1 / draws).any():
        return False
    errors = int(rng.binomial(40, 0.5, draws).min())
    return theorem.error_bound(errors, 40, paid - math.log2(draws), DELTA) < 0.5


def test_layer_by_layer_the_product_of_the_draws_is_paid_not_their_number() -> None:
    rng = np.random.default_rng(4)
    draws = 2**13
    number, product = math.log2(2 * draws), 2 * math.log2(draws)
    assert sum(hunted(rng, draws, product) for _ in range(100)) <= DELTA * 100
    assert sum(hunted(rng, draws, number) for _ in range(100)) > 2 * DELTA * 100


def spent(rng: np.random.Generator, *, exact: bool) -> bool:
    """P uniform on hypotheses of error 1/2; Q gives each of those with few errors the largest mass at which its bound still fails."""
    m, hypotheses = 200, 3000
    wrong = rng.binomial(m, 0.5, hypotheses)
    q = wrong / m
    kl = np.log(2) + xlogy(q, q) + xlogy(1 - q, 1 - q)
    by_kl = np.where(q < 0.5, np.exp(m * kl - theorem.log_xi(m)), 0.0)
    ratios = 0.999 * DELTA * (1 / binom.cdf(np.arange(m + 1), m, 0.5)[wrong] if exact else by_kl)
    return bool(rng.random() < ratios.sum() / hypotheses)


def test_exact_tails_are_false_with_a_density_ratio() -> None:
    assert (
        test_set.error_bound(70, 200, DELTA, math.log2(0.999 * DELTA / float(binom.cdf(70, 200, 0.5)))) < 0.5
    )
    rng = np.random.default_rng(5)
    assert sum(spent(rng, exact=False) for _ in range(RUNS)) <= DELTA * RUNS
    assert sum(spent(rng, exact=True) for _ in range(RUNS)) > 3 * DELTA * RUNS


def test_the_bound_is_by_kl_and_not_by_exact_tails() -> None:
    for errors, m, bits in ((0, 100, 3.0), (7, 100, 10.0), (1150, 60_000, 300.0)):
        nats = bits * math.log(2) + theorem.log_xi(m) - math.log(0.05)
        assert theorem.error_bound(errors, m, bits, 0.05) >= kl_inverse(errors, m, nats / m)
        assert theorem.error_bound(errors, m, bits, 0.05) > test_set.error_bound(errors, m, 0.05, bits)


def prior_of_half(rng: np.random.Generator, *, ticket_of_all: bool) -> bool:
    """A prior around a network that was fitted to a part set aside, or to the whole sample; certified on the other part."""
    x, y, facts = sample(rng)
    half = slice(0, SAMPLES // 2)
    rest = slice(SAMPLES // 2, SAMPLES)
    centre = wanted(x, y) if ticket_of_all else wanted(x[half], y[half])
    law = posterior(centre * 5 * PHASES, 4)
    values = law.law().draw(Oracle(facts).uniform(PRIOR, law, 0))
    ratio = log2_ratio(values, law.law(), law.law())  # Q = P: the reference costs nothing
    m = SAMPLES - SAMPLES // 2
    return theorem.error_bound(errors_of(values, x[rest], y[rest]), m, ratio, DELTA) < 0.5


def test_a_ticket_of_the_whole_sample_is_no_reference() -> None:
    rng = np.random.default_rng(6)
    assert sum(prior_of_half(rng, ticket_of_all=False) for _ in range(RUNS)) <= DELTA * RUNS
    assert sum(prior_of_half(rng, ticket_of_all=True) for _ in range(RUNS)) > 0.2 * RUNS


def test_masses_are_compared_on_one_scale() -> None:
    assert int(LAW.masses(np.zeros(PLACES, dtype=np.int64)).max()) < TOTAL
