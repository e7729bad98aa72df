"""Through disagreement: the promise is kept on simulated samples, and broken as soon as something saw the unlabelled examples."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from boundcalc import load
from boundcalc.bounds.bound_inputs import BoundInputs, BoundSettings
from boundcalc.bounds.disagreement import CERTIFICATE_SHARE, CertifiedPair, disagreements
from boundcalc.bounds.normalization import Normalization
from boundcalc.bounds.outcome import AtDelta
from boundcalc.bounds.risk import risk_bound
from boundcalc.certificates.pick.claim import Counted
from boundcalc.empirical.columns import ArrayColumn
from boundcalc.empirical.energies import Energies
from boundcalc.empirical.split import Split, split_of_columns
from boundcalc.errors import NotCovered

DELTA, UNLABELLED, HELD_OUT, RUNS = 0.1, 100, 200, 600


@cache
def value_of(pair: CertifiedPair) -> float:
    """Return the value of a pair; many samples are alike."""
    return pair.value(DELTA, 1)


@cache
def agreed_of(apart: int, paid: int) -> float:
    """Return the bound on P(f != h) by a number of disagreements."""
    return CertifiedPair("h", Counted(0, 0, 10**6), 0.0, apart, UNLABELLED).parts(DELTA, paid)[1]


def pair(rng: np.random.Generator, error_of_h: float, differing: float) -> CertifiedPair:
    """A certificate of h by a hold-out sample, and disagreements on U; f errs wherever h errs or they differ."""
    wrong, apart = rng.binomial(HELD_OUT, error_of_h), rng.binomial(UNLABELLED, differing)
    return CertifiedPair("h", Counted(0, int(wrong), HELD_OUT), 0.0, int(apart), UNLABELLED)


def test_the_promise_is_kept() -> None:
    rng = np.random.default_rng(0)
    for error_of_h, differing in ((0.02, 0.02), (0.1, 0.005), (0.3, 0.2)):
        values = [value_of(pair(rng, error_of_h, differing)) for _ in range(RUNS)]
        assert sum(value < error_of_h + differing for value in values) <= DELTA * RUNS
        assert np.mean(values) < 0.75, "bounds that say nothing cannot fail"


def test_each_part_has_its_share_of_delta() -> None:
    found = CertifiedPair("h", Counted(0, 3, HELD_OUT), 0.0, 4, UNLABELLED)
    certified, agreed = found.parts(DELTA, 2)
    assert certified == Counted(0, 3, HELD_OUT).value(CERTIFICATE_SHARE * DELTA / 2, 0.0)
    assert found.value(DELTA, 2) == certified + agreed > found.value(DELTA, 1)


def best_of(rng: np.random.Generator, candidates: int, paid: int) -> bool:
    """Whether the best of several candidates breaks the bound on P(f != h): all differ from f on a fifth of what there is."""
    apart = [int(rng.binomial(UNLABELLED, 0.2)) for _ in range(candidates)]
    return min(agreed_of(one, paid) for one in apart) < 0.2


def test_the_best_of_several_candidates_is_paid() -> None:
    rng = np.random.default_rng(1)
    assert sum(best_of(rng, 30, 30) for _ in range(RUNS)) <= DELTA * RUNS
    assert sum(best_of(rng, 30, 1) for _ in range(RUNS)) > 0.5 * RUNS, "unpaid it would be broken"


def broken_by(rng: np.random.Generator, *, seen: bool) -> bool:
    """Whether the bound on P(f != h) fails where h learns by heart what f says on some examples: on U itself, or on others.

    f is a fair coin on a large domain; h says 0 but for what it has learned.
    """
    domain = 20_000
    f = rng.integers(0, 2, domain)
    unlabelled, others = rng.integers(0, domain, UNLABELLED), rng.integers(0, domain, UNLABELLED)
    learned = unlabelled if seen else others
    h = np.zeros(domain, dtype=np.int64)
    h[learned] = f[learned]
    apart = int((f[unlabelled] != h[unlabelled]).sum())
    return agreed_of(apart, 1) < float((f != h).mean())


def test_a_network_distilled_on_the_unlabelled_examples_breaks_it() -> None:
    rng = np.random.default_rng(2)
    assert sum(broken_by(rng, seen=False) for _ in range(200)) <= DELTA * 200
    assert sum(broken_by(rng, seen=True) for _ in range(200)) == 200


def linear(weight: list[list[float]]) -> nn.Module:
    module = nn.Sequential(nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor(weight))
    return module


def split(x: np.ndarray) -> Split:
    labels = ArrayColumn("y", np.zeros(len(x), dtype=np.int64))
    return split_of_columns("u", ArrayColumn("x", x), labels)


def test_disagreements_are_counted_and_a_tie_is_one() -> None:
    x = split(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, 1.0]]))
    same, swapped = load(linear([[1, 0], [0, 1]])), load(linear([[0, 1], [1, 0]]))
    assert disagreements(same, x, same, x) == (1, 4)
    assert disagreements(same, x, swapped, x) == (4, 4)


def test_an_output_that_is_not_finite_is_refused() -> None:
    x = split(np.array([[1e308, 1e308]]))
    large = load(linear([[1e30, 1e30], [0, 1]]))
    with pytest.raises(NotCovered, match="not finite"):
        disagreements(large, x, large, x)


def test_the_networks_own_normalization_costs_nothing_here() -> None:
    """f, with its normalization, is independent of U; only a bound by the sample on which it was chosen pays for its digits."""
    network = load(linear([[1, 0], [0, 1]]))
    energies = Energies(10, torch.ones(2, 1, 1, dtype=torch.float64), 1.0)
    settings = BoundSettings(normalization=Normalization((0.1307, 0.3081)))
    problem = BoundInputs(network, energies, None, settings)
    values = [
        risk_bound(AtDelta(lambda delta: delta, any_normalization=free), problem).log_value
        for free in (True, False)
    ]
    assert math.exp(values[0]) == pytest.approx(0.05)
    assert math.exp(values[1]) == pytest.approx(0.05 * 2**-settings.normalization.bits)
