"""Every check fails on something that breaks its property: none passes whatever it is given."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from subjects import problem
from theory.test_mutations import MUTATIONS
from twins import Sketch, sample

from boundcalc import testing
from boundcalc.bounds import Bound, NormComplexity
from boundcalc.bounds.peeling import dense_structure
from boundcalc.bounds.peeling.norms import L2
from boundcalc.testing import ordering


def of_weights(log_rho: Callable, log_unit: Callable = lambda problem: 0.0) -> Bound:
    """Return a bound that is a function of the layers' weights and of the problem."""

    def compute(subject):
        weights = [layer.weight for layer in subject.network.layers()]
        return NormComplexity(float(log_rho(weights)), log_unit(subject))

    return Bound("own", "F", "published", "here", (), compute)


def of_the_first_unit(patch):
    testing.check_permutation(of_weights(lambda weights: weights[0][0].norm()), problem("perceptron"))


def of_a_sum_of_norms(patch):
    own = of_weights(lambda weights: sum(weight.norm() for weight in weights).log())
    testing.check_layer_rescaling(own, problem("perceptron"))


def of_one_layer(patch):
    testing.check_rescaling(of_weights(lambda weights: weights[0].norm()), problem("perceptron"))


def of_m_squared(patch):
    own = of_weights(lambda weights: 0.0, lambda subject: -2 * math.log(subject.energies.m))
    testing.check_repeated_sample(own, problem("perceptron"))


def of_the_pruned(patch):
    own = of_weights(lambda weights: sum(float((weight == 0).sum()) for weight in weights))
    testing.check_mask_inclusion(own, problem("perceptron"))


def inverse_fan_in(patch):
    patch.setattr(L2, "log_fan_in", lambda self, fan_in: -fan_in.clamp(min=1).log())
    testing.check_masked_structure(problem("perceptron"))


def search_for_the_dense(patch):
    def careless(subject, structure, kernels):
        del structure, kernels
        split = ordering.one_node_a_unit(subject.network)
        return ordering._walk(subject, dense_structure(), split), 1.0

    patch.setattr(ordering, "search_published", careless)
    testing.check_peeling_dominance(problem("perceptron"))


def folding_nothing(patch):
    s = Sketch((2, 4, 4), 0)
    s.linear(s.relu(s.batchnorm(s.conv(0, 3, 3, padding=1))), 2)
    network = s.network()
    patch.setattr("boundcalc.testing.invariances.fold_batchnorm", lambda nodes: nodes)
    testing.check_batchnorm_folding(network, sample(network, 6))


def averaged_kernel(patch):
    patch.setattr(
        "boundcalc.testing.kernels.gntk", lambda graphons, x, **more: np.asarray(x) @ np.asarray(x).T
    )
    testing.check_gntk_power_law([(2, 3)], np.eye(3), 0.5)


def kernel_less_its_mean(patch):
    patch.setattr("boundcalc.testing.kernels.gntk", lambda network, x, **more: np.eye(3) - 0.5)
    testing.check_gntk_psd([np.ones((1, 3))], np.eye(3))


def lopsided_kernel(patch):
    patch.setattr("boundcalc.testing.kernels.gntk", lambda network, x, **more: np.triu(np.ones((3, 3))))
    testing.check_gntk_psd([np.ones((1, 3))], np.eye(3))


def squared_norm(patch):
    def square(kernel, seed=0):
        return (float(np.square(kernel.weighted).sum()),) * 2

    patch.setattr("boundcalc.testing.cuts.cut_norm", square)
    testing.check_cut_triangle(np.ones((2, 2)), np.ones((2, 2)))


def upside_down_interval(patch):
    patch.setattr("boundcalc.testing.cuts.cut_norm", lambda kernel, seed=0: (2.0, 1.0))
    testing.check_cut_triangle(np.ones((2, 2)), np.ones((2, 2)))


BROKEN = {
    "check_permutation": of_the_first_unit,
    "check_layer_rescaling": of_a_sum_of_norms,
    "check_rescaling": of_one_layer,
    "check_repeated_sample": of_m_squared,
    "check_mask_inclusion": of_the_pruned,
    "check_masked_structure": inverse_fan_in,
    "check_peeling_dominance": search_for_the_dense,
    "check_batchnorm_folding": folding_nothing,
    "check_gntk_power_law": averaged_kernel,
    "check_gntk_psd": kernel_less_its_mean,
    "check_gntk_psd, symmetry": lopsided_kernel,
    "check_cut_triangle": squared_norm,
    "check_cut_triangle, intervals": upside_down_interval,
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_it_fails(broken, monkeypatch):
    with torch.no_grad(), pytest.raises(AssertionError, match=r"own: |peeling: |folding|folded|NTK|cut norm"):
        broken(monkeypatch)


def test_every_check_is_seen_to_fail(monkeypatch):
    """Here, or on one of the mutants of test_mutations."""
    called = {name.partition(",")[0] for name in BROKEN}
    checks = [name for name in testing.__all__ if name.startswith("check_")]
    for name in checks:
        original = getattr(testing, name)

        def noted(*given, _name=name, _original=original, **named):
            called.add(_name)
            return _original(*given, **named)

        monkeypatch.setattr(testing, name, noted, raising=False)
    for mutation in MUTATIONS:
        called.update([mutation.check.__name__] if mutation.check.__name__ in checks else [])
        mutation.check()
    assert called >= set(checks), set(checks) - called
