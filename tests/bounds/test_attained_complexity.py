"""Attacks: no complexity found by ascent over a class passes the one that is claimed for it."""

from __future__ import annotations

import math

import pytest
import torch
from attack import PeelingScale, attained, layers_of, path_norm_of, sizes_of
from peeling_networks import (
    average_pooled,
    input_in_several_places,
    no_relu_between,
    preactivated,
    projection_skips,
    shortcut_without_weights,
    sum_of_sums,
    uniform,
    walk,
)
from twins import Sketch, energies_of, mlp, problem_for, sample

from boundcalc.bounds.catalogue import registry

QUICK = {"draws": 4, "restarts": 2, "steps": 50}


def assert_not_passed(network, x, split, t=1.0, errors=0.0, **how):
    energies = energies_of(x)
    claimed = walk(network, energies, split, t)
    scale = PeelingScale(network, split, t)
    own = {index: (layer.weight, layer.bias) for index, layer in layers_of(network).items()}
    assert float(scale(own)) == pytest.approx(math.exp(claimed.log_rho), rel=1e-6)
    found, error = attained(network, x, scale, **{**QUICK, **how})
    assert 0 < found - errors * error <= math.exp(claimed.log_unit(energies.m))
    return found / math.exp(claimed.log_unit(energies.m))


def residual(width, blocks=1, m=8):
    s = Sketch((m, 1, 1), 0, 1.0)
    at = s.relu(s.linear(0, width))
    for _ in range(blocks):
        inner = s.relu(s.linear(at, width))
        at = s.relu(s.add(s.linear(inner, width), at))
    s.linear(at, 1)
    return s.network()


def max_pooled(channels, outputs):
    s = Sketch((8, 2, 2), 0, 1.0)
    at = s.max(s.relu(s.conv(0, channels, 1)), 2)
    s.linear(at, outputs)
    return s.network()


def one_hot(network, m=8):
    shape = network.nodes[0].shape
    x = torch.zeros(m, *shape, dtype=torch.float64)
    for i in range(m):
        x[i, i % shape[0], i % shape[1], i // 2 % shape[2]] = 1.0
    return x


NORMS = [("l2",), ("l1",), ("l2", "l1")]


@pytest.mark.parametrize("norms", NORMS, ids="-".join)
@pytest.mark.parametrize("size", [1, 2, 0])
def test_multilayer_perceptrons(norms, size):
    network = mlp((6, 5, 4, 3), 0, 1.0)
    assert_not_passed(network, sample(network, 8), uniform(network, size, norms))


@pytest.mark.parametrize("norms", NORMS[:2], ids="-".join)
@pytest.mark.parametrize("outputs", [1, 4])
def test_one_layer_is_nearly_attained(norms, outputs):
    network = mlp((2, outputs), 0, 1.0)
    split = uniform(network, 1, norms)
    ratio = assert_not_passed(network, sample(network, 6), split, errors=3.0, draws=20, steps=80)
    assert norms == ("l1",) or ratio > 0.7


@pytest.mark.parametrize("norms", NORMS[:2], ids="-".join)
@pytest.mark.parametrize("t", [0.25, 4.0])
def test_biases(norms, t):
    network = mlp((3, 6, 6, 1), 0, 1.0, True)
    for size in (0, 1):
        assert_not_passed(network, sample(network, 8), uniform(network, size, norms), t)


@pytest.mark.parametrize("norms", NORMS[:2], ids="-".join)
def test_repeated_samples(norms):
    network = mlp((3, 6, 6, 1), 0, 1.0)
    x = sample(network, 1).repeat(10, 1, 1, 1)
    for size in (0, 1):
        assert_not_passed(network, x, uniform(network, size, norms))


@pytest.mark.parametrize("norms", NORMS[:2], ids="-".join)
@pytest.mark.parametrize("size", [1, 2, 0])
def test_identity_skips_of_many_channels(norms, size):
    for network in (residual(4), residual(12), residual(5, blocks=2)):
        assert_not_passed(network, one_hot(network), uniform(network, size, norms))


@pytest.mark.parametrize("norms", NORMS[:2], ids="-".join)
@pytest.mark.parametrize("size", [1, 0])
def test_max_pooling(norms, size):
    network = max_pooled(6, 2)
    assert_not_passed(network, one_hot(network), uniform(network, size, norms))


@pytest.mark.parametrize("norms", NORMS[:2], ids="-".join)
def test_a_convolution_and_a_wide_linear_layer(norms):
    s = Sketch((1, 8, 8), 0, 1.0)
    s.linear(s.relu(s.conv(0, 1, 1)), 2)
    network = s.network()
    x = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert_not_passed(network, x, uniform(network, 1, norms))


@pytest.mark.parametrize("norms", NORMS[:2], ids="-".join)
@pytest.mark.parametrize(
    "make",
    [
        projection_skips,
        preactivated,
        input_in_several_places,
        no_relu_between,
        sum_of_sums,
        average_pooled,
        shortcut_without_weights,
    ],
)
def test_other_structures(make, norms):
    network = make(0)
    size = 1 if make is shortcut_without_weights else 2
    assert_not_passed(network, sample(network, 8), uniform(network, size, norms), steps=30)


def test_two_layers_added_without_a_hidden_one():
    s = Sketch((3, 1, 1), 0, 1.0)
    s.add(s.linear(0, 1), s.linear(0, 1))
    network = s.network()
    x = sample(network, 1).repeat(6, 1, 1, 1)
    for norms in NORMS[:2]:
        assert_not_passed(network, x, uniform(network, 1, norms))


# ------------------------------------------------------------------------------- bounds by other norms


def unit(name, network, x):
    outcome = registry[name].compute(problem_for(network, x))
    return math.exp(outcome.log_unit), outcome.terms.get("constant")


CHAINS = {
    "plain": lambda: mlp((6, 5, 4, 3), 0, 1.0),
    "biased": lambda: mlp((3, 5, 5, 2), 0, 1.0, True),
    "shallow": lambda: mlp((2, 3), 0, 1.0),
}


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize(
    "name", ["golowich2018_fro", "golowich2018_1inf", "neyshabur2015_fro", "neyshabur2015_1inf"]
)
def test_products_of_norms(chain, name):
    network = CHAINS[chain]()
    for x in (sample(network, 8), sample(network, 1).repeat(8, 1, 1, 1)):
        claimed, t = unit(name, network, x)
        found, error = attained(network, x, sizes_of(network, t, name.rpartition("_")[2]), **QUICK)
        assert found > 0
        assert found - 3 * error <= claimed


def skip_of_the_raw_input():
    s = Sketch((4, 1, 1), 0, 1.0)
    at = s.relu(s.linear(0, 5))
    at = s.relu(s.add(s.linear(at, 5), s.linear(0, 5)))
    at = s.relu(s.add(s.linear(at, 5), s.linear(0, 5)))
    s.linear(at, 2)
    return s.network()


@pytest.mark.parametrize(
    "make",
    [
        *CHAINS.values(),
        skip_of_the_raw_input,
        sum_of_sums,
        projection_skips,
        average_pooled,
        lambda: max_pooled(4, 2),
    ],
)
def test_path_norm(make):
    network = (
        make()
        if make in CHAINS.values() or make.__name__ in {"skip_of_the_raw_input", "<lambda>"}
        else make(0)
    )
    for x in (sample(network, 8), sample(network, 1).repeat(8, 1, 1, 1)):
        claimed, t = unit("path_norm", network, x)
        found, _ = attained(network, x, path_norm_of(network, t or 1.0), **QUICK)
        assert 0 < found <= claimed


# ------------------------------------------------------------------------------- the refuted formula


def test_the_released_formula_of_galanti_is_passed():
    """Theory 1b: 1x1 convolution of weight 1, inputs >= 0, one linear output of norm 1: all linear maps of norm 1.

    By ascent 0.52 was found; the supremum over linear maps of norm 1 is ||sum xi_i x_i|| / m.
    """
    s = Sketch((1, 16, 16))
    at = s.relu(s.affine(0, torch.ones(1, 1, 1, 1, dtype=torch.float64), window=_one_by_one(), kind="conv2d"))
    s.affine(at, torch.full((1, 1, 16, 16), 1 / 16, dtype=torch.float64))
    network = s.network()
    random = torch.Generator().manual_seed(0)
    x = torch.rand(40, 1, 16, 16, generator=random, dtype=torch.float64)
    problem = problem_for(network, x)
    complexity = math.exp(registry["galanti2023"].compute(problem).log_complexity)
    signs = torch.randint(0, 2, (400, 40), generator=random).double() * 2 - 1
    found = torch.linalg.vector_norm(signs @ x.flatten(1), dim=1).mean() / 40
    assert complexity == pytest.approx(0.284, abs=0.02)
    assert float(found) > 0.52 > complexity
    peeling = registry["peeling"].compute(problem)
    assert float(found) <= math.exp(peeling.log_rho + peeling.log_unit)


def test_disjoint_samples_pass_even_the_whole_released_value():
    width = 64
    s = Sketch((1, width, width))
    at = s.relu(
        s.affine(0, torch.ones(1, 1, 1, 1, dtype=torch.float64), window=_one_by_one(width), kind="conv2d")
    )
    s.affine(at, torch.full((1, 1, width, width), 1 / width, dtype=torch.float64))
    m = 16
    x = torch.zeros(m, width * width, dtype=torch.float64)
    for i in range(m):
        x[i, i::m] = 1.0
    x = x.reshape(m, 1, width, width)
    outcome = registry["galanti2023"].compute(problem_for(s.network(), x))
    attained_exactly = width / m
    confidence = 3 * math.sqrt(math.log(2 * 9 / 0.05) / (2 * m))
    assert attained_exactly > math.exp(outcome.log_value) - confidence
    assert attained_exactly > math.exp(outcome.log_complexity)


def _one_by_one(side=16):
    from boundcalc.network.geometry import Window

    return Window.of((side, side), (1, 1))
