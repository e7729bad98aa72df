"""Each property on fixed subjects, on drawn ones, and on a subject that breaks it."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import numpy as np
import peeling_networks
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from subjects import NETWORKS, problem
from twins import Sketch, sample

from boundcalc import testing
from boundcalc.bounds import Bound, NormComplexity, registry
from boundcalc.errors import NotCovered
from boundcalc.network.load import from_checkpoint
from boundcalc.occam.codeword import plan_of
from boundcalc.occam.spelling import quantize, spell
from boundcalc.theory.symbolic import NotFilled

TABLE = Path(__file__).parents[2] / "docs" / "howto" / "check-the-theory.md"
UNITS = {"peeling", "path_norm"}
LAYERS = set(registry) - {"occam", "longsedghi2020"}
"""Bounds that do not change when units, or whole layers without biases, are rescaled."""


def test_every_public_name_exists_and_every_check_is_documented():
    for name in testing.__all__:
        found = getattr(testing, name)
        if name.startswith("check_"):
            assert "Raises:" in found.__doc__, name
    assert sorted(testing.__all__) == testing.__all__
    assert set(dir(testing)) == set(testing.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = testing.nothing


def unchanged(check, bound, subject):
    try:
        check(bound, subject)
    except AssertionError:
        return False
    return True


def test_rescaling_table():
    """What the table of the documentation says is what is computed."""
    rows = dict(
        re.findall(
            r"^\| `(\w+)` \| (yes \| yes|no \| yes|no \| no) \|", TABLE.read_text(encoding="utf-8"), re.M
        )
    )
    for name, bound in registry.items():
        if bound.kind == "certificate":
            continue
        found = [
            unchanged(check, bound, problem("perceptron"))
            for check in (testing.check_rescaling, testing.check_layer_rescaling)
        ]
        assert found == [name in UNITS, name in LAYERS], name
        assert rows[name] == " | ".join("yes" if kept else "no" for kept in found), name


@pytest.mark.parametrize("name", [name for name, bound in registry.items() if bound.kind != "certificate"])
def test_permutation(name):
    testing.check_permutation(registry[name], problem("perceptron"))


def test_a_bound_without_a_complexity_is_told():
    with pytest.raises(ValueError, match="occam has no complexity"):
        testing.check_permutation(registry["occam"], problem("perceptron"))


@pytest.mark.parametrize("name", [name for name, bound in registry.items() if bound.kind == "F"])
def test_repeated_samples(name):
    testing.check_repeated_sample(registry[name], problem("perceptron"))


MONOTONE = ("path_norm", "golowich2018_fro", "golowich2018_1inf", "neyshabur2015_fro", "neyshabur2015_1inf")


@pytest.mark.parametrize("network", ["perceptron", "with biases", "convolutions"])
@pytest.mark.parametrize("name", MONOTONE)
def test_pruning_further(name, network):
    for seed in range(3):
        testing.check_mask_inclusion(registry[name], problem(network), seed=seed)


@pytest.mark.parametrize("network", NETWORKS)
def test_peeling_orders(network):
    testing.check_masked_structure(problem(network))
    testing.check_peeling_dominance(problem(network))


@pytest.mark.parametrize("network", ["perceptron", "convolutions", "average pooling", "circular"])
def test_toeplitz_norms(network):
    testing.check_toeplitz(problem(network).network)


@pytest.mark.parametrize("network", NETWORKS)
def test_path_norm(network):
    testing.check_path_norm(problem(network).network)


def test_batchnorm_folding():
    s = Sketch((2, 4, 4), 0)
    at = s.relu(s.batchnorm(s.conv(0, 3, 3, padding=1)))
    s.linear(s.relu(s.batchnorm(s.conv(at, 4, 2))), 2)
    network = s.network()
    folded = testing.check_batchnorm_folding(network, sample(network, 6))
    assert [layer.folded for layer in folded.layers()] == [True, True, False]


@settings(max_examples=8)
@given(testing.networks(), st.integers(0, 5))
def test_drawn_networks(network, seed):
    x = torch.randn(6, network.inputs, generator=torch.Generator().manual_seed(seed)).double()
    subject = testing.problem_of(network, x, torch.arange(6) % max(2, network.outputs))
    testing.check_path_norm(network)
    testing.check_toeplitz(network)
    testing.check_masked_structure(subject)
    testing.check_peeling_paths(subject)
    for name in MONOTONE:
        testing.check_mask_inclusion(registry[name], subject)
    bits = [layer.surviving for layer in network.layers()]
    assume(all(bits))
    for name in ("golowich2018_fro", "lin2019"):
        with suppress(NotFilled):
            testing.check_symbolic_form(registry[name], subject)
            testing.check_rounds_up(registry[name], subject)


@settings(max_examples=6)
@given(testing.modules(), st.data())
def test_drawn_modules(drawn, data):
    from boundcalc.checkpoint import from_state_dict

    module, shape = drawn
    network = from_checkpoint(from_state_dict(module.state_dict(), "drawn"), module, shape)
    x, labels = data.draw(testing.samples(shape))
    subject = testing.problem_of(network, x, labels)
    testing.check_masked_structure(subject)
    with suppress(NotCovered):
        testing.check_toeplitz(network)
    word = spell(plan_of(network), quantize(plan_of(network), network, 4, "own"), None)
    testing.check_code(plan_of(network), word)


@settings(max_examples=40)
@given(testing.cut_matrices(), testing.cut_matrices(), st.integers(0, 3))
def test_cut_norms(left, right, seed):
    testing.check_cut_norm(left, seed)
    testing.check_cut_triangle(left, right, seed)


@settings(max_examples=40)
@given(testing.supports())
def test_r_tilde(support):
    testing.check_r_tilde(support)


@settings(max_examples=20)
@given(testing.graphons(columns=4), st.integers(1, 3), st.sampled_from([0.05, 0.5, 1.0]), st.integers(0, 9))
def test_kernels(graphon, depth, c, seed):
    x = np.random.default_rng(seed).normal(size=(5, 4))
    testing.check_gntk_power_law([(3, 4), *[(2, 3), (4, 2)][: depth - 1]], x, c, 1.5)
    testing.check_gntk_psd([graphon], x[:, : len(graphon.column_weights)])


def test_kernel_of_a_network():
    testing.check_gntk_psd(problem("deep").network, np.random.default_rng(0).normal(size=(6, 4)))


@settings(max_examples=60)
@given(st.floats(1e-9, 0.5), st.floats(0, 1e5), st.integers(1, 10**6), st.floats(0, 1))
def test_ledger(delta, bits, m, share):
    testing.check_confidence(delta, bits, m)
    testing.check_certificate(int(share * m), m, bits, delta)


def test_grid_weights():
    testing.check_grid_weights()


@pytest.mark.parametrize("sizes", [(2, 1, 1), (3, 1), (1, 2, 1)])
def test_kraft(sizes):
    """With reference, groups and codebooks fixed, masks and values are a complete code: the sum is 1."""
    plan = plan_of(testing.mlp(sizes))
    words = list(testing.small_codewords(plan))
    assert len(words) >= 50
    for word in words:
        testing.check_code(plan, word)
    assert testing.check_kraft(plan, words, testing.fixed_bits) == pytest.approx(1.0, abs=1e-9)
    assert testing.check_kraft(plan, words) < 0.01


@pytest.mark.parametrize("network", ["perceptron", "with biases", "convolutions"])
@pytest.mark.parametrize("mode", ["raw", "own", "shared"])
def test_codes_of_networks(network, mode):
    subject = problem(network).network
    plan = plan_of(subject)
    testing.check_code(plan, spell(plan, quantize(plan, subject, 4, mode), None))


def test_a_users_own_bound():
    """The example of the documentation."""

    def compute(subject):
        outcome = registry["path_norm"].compute(subject)
        return NormComplexity(outcome.log_rho, outcome.log_unit + 0.1)

    own = Bound("mine", "F", "published", "here", (), compute)
    testing.check_rescaling(own, problem("with biases"))
    testing.check_mask_inclusion(own, problem("with biases"))

    def worse(subject):
        return NormComplexity(float(next(subject.network.layers()).weight.norm()), 0.0)

    with pytest.raises(AssertionError, match="worse: rescaling single units moves log complexity"):
        testing.check_rescaling(Bound("worse", "F", "published", "here", (), worse), problem("perceptron"))


@pytest.mark.parametrize("make", peeling_networks.ONE)
def test_path_norms_of_every_structure(make):
    testing.check_path_norm(make(1))


def test_hypothesis_missing_is_told(monkeypatch):
    import builtins
    import sys

    real = builtins.__import__

    def without(name, *rest, **more):
        if name.startswith("hypothesis"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.delitem(sys.modules, "boundcalc.testing.strategies")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install -e '.\[testing\]'"):
        _ = testing.masks
