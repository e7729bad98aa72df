"""What must not change a bound, and which bounds are never above which."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from peeling_networks import MIXES, conv_chain, identity_skips, max_pooled, uniform, walk
from twins import Sketch, energies_of, mlp, problem_for, sample

from boundcalc.bounds.catalogue import registry
from boundcalc.network.folding import fold_batchnorm
from boundcalc.network.forward import run
from boundcalc.network.network import Network
from boundcalc.network.ops import Affine

UNIT_MIXES = (("l2",), ("l1",), ("l2", "l1"))


def changed(network, change):
    """Replace layers: `change` maps a layer's number to its new (weight, bias)."""
    nodes = list(network.nodes)
    places = [index for index, node in enumerate(nodes) if isinstance(node, Affine)]
    for number, index in enumerate(places):
        weight, bias = change(number, nodes[index])
        nodes[index] = replace(nodes[index], weight=weight, bias=bias, support=weight != 0)
    return Network(tuple(nodes), network.source, network.input_shape)


def rescaled(network, factors):
    """Multiply each unit of layer 0 by a positive factor, and divide what reads it."""

    def change(number, layer):
        if number == 0:
            bias = None if layer.bias is None else layer.bias * factors
            return layer.weight * factors[:, None, None, None], bias
        if number == 1:
            return layer.weight / factors[None, :, None, None], layer.bias
        return layer.weight, layer.bias

    return changed(network, change)


def permuted(network, order):
    def change(number, layer):
        if number == 0:
            return layer.weight[order], None if layer.bias is None else layer.bias[order]
        return (layer.weight[:, order] if number == 1 else layer.weight), layer.bias

    return changed(network, change)


def complexity(network, x, split, t=0.5):
    return walk(network, energies_of(x), split, t).log_complexity(x.shape[0])


def path(network, x):
    outcome = registry["path_norm"].compute(problem_for(network, x))
    return outcome.log_rho + outcome.log_unit


@pytest.mark.parametrize(
    "make", [lambda: mlp((5, 6, 4, 3), 0, 0.6, True), lambda: conv_chain(0), lambda: max_pooled(0)]
)
@pytest.mark.parametrize("norms", UNIT_MIXES)
def test_rescaling_units_changes_nothing(make, norms):
    network = make()
    width = next(network.layers()).shape[0]
    factors = torch.rand(width, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 9 + 0.1
    other, x = rescaled(network, factors), sample(network, 6)
    assert torch.allclose(run(network, x), run(other, x))
    split = uniform(network, 1, norms)
    assert complexity(other, x, split) == pytest.approx(complexity(network, x, split), abs=1e-9)
    assert path(other, x) == pytest.approx(path(network, x), abs=1e-9)
    whole = uniform(network, 0, norms)
    assert complexity(other, x, whole) != pytest.approx(complexity(network, x, whole), abs=1e-3)


@pytest.mark.parametrize("make", [lambda: mlp((5, 6, 4, 3), 0, 0.6, True), lambda: conv_chain(0)])
@pytest.mark.parametrize("size", [1, 0])
def test_permuting_units_changes_nothing(make, size):
    network = make()
    width = next(network.layers()).shape[0]
    order = torch.randperm(width, generator=torch.Generator().manual_seed(1))
    other, x = permuted(network, order), sample(network, 6)
    assert torch.allclose(run(network, x), run(other, x))
    for norms in MIXES:
        split = uniform(network, size, norms)
        assert complexity(other, x, split) == pytest.approx(complexity(network, x, split), abs=1e-9)
    for name in ("golowich2018_fro", "golowich2018_1inf", "neyshabur2015_fro", "path_norm"):
        outcomes = [registry[name].compute(problem_for(n, x)) for n in (network, other)]
        values = [outcome.log_rho + outcome.log_unit for outcome in outcomes]
        assert values[0] == pytest.approx(values[1], abs=1e-9)


def test_batchnorm_is_the_layer_it_is_folded_into():
    s = Sketch((2, 4, 4), 0)
    at = s.relu(s.batchnorm(s.conv(0, 3, 3, padding=1)))
    s.linear(s.relu(s.batchnorm(s.conv(at, 4, 2))), 2)
    network = s.network()
    folded = Network(tuple(fold_batchnorm(list(network.nodes))), "folded", network.input_shape)
    x = sample(network, 6)
    assert torch.allclose(run(network, x), run(folded, x))
    by_hand = folded.nodes[1]
    scale, shift = network.nodes[2].scale, network.nodes[2].shift
    assert torch.allclose(by_hand.weight, network.nodes[1].weight * scale[:, None, None, None])
    assert torch.allclose(by_hand.bias, shift)
    layers = list(folded.layers())
    assert [layer.folded for layer in layers] == [True, True, False]
    s = Sketch((2, 4, 4), 0)
    at = s.relu(s.affine(0, layers[0].weight, layers[0].bias, layers[0].window, "conv2d"))
    at = s.relu(s.affine(at, layers[1].weight, layers[1].bias, layers[1].window, "conv2d"))
    s.affine(at, layers[2].weight)
    for norms in UNIT_MIXES:
        own, other = (complexity(n, x, uniform(n, 2, norms)) for n in (folded, s.network()))
        assert own == pytest.approx(other, abs=1e-12)


def test_one_module_used_twice_under_two_batchnorms_keeps_two_sets_of_weights():
    """The two folded layers have one name and different weights."""

    def network(names):
        s = Sketch((4, 1, 1), 0, 1.0)
        weight = torch.randn(4, 4, 1, 1, generator=s.random, dtype=torch.float64)
        at = s.relu(s.affine(0, weight, name=names[0]))
        at = s.relu(s.affine(at, weight * 100, name=names[1]))
        s.linear(at, 2)
        return s.network()

    shared, apart = network(("conv", "conv")), network(("a", "b"))
    x = sample(shared, 6)
    for norms in (("l2",), ("l1",)):
        values = [complexity(n, x, uniform(n, 2, norms)) for n in (shared, apart)]
        assert values[0] == pytest.approx(values[1], abs=1e-12)


@pytest.mark.parametrize("name", ["peeling", "path_norm", "golowich2018_fro", "golowich2018_1inf"])
def test_repeating_the_sample_divides_by_the_square_root(name):
    network = mlp((5, 6, 3), 0)
    x = 3 * sample(network, 6)
    values = []
    for copies in (1, 4, 16):
        outcome = registry[name].compute(
            problem_for(network, x.repeat(copies, 1, 1, 1), mask_origin="independent")
        )
        values.append(outcome.log_rho + outcome.log_unit)
    assert values[0] - values[1] == pytest.approx(math.log(2), abs=1e-6)
    assert values[1] - values[2] == pytest.approx(math.log(2), abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("classes", [1, 2, 10])
def test_one_node_a_layer_is_never_above_golowich(seed, classes):
    """One node a layer has A_L = N = C, and sqrt(C) (1 + sqrt(2((L-1) log 2 + log C))) <= C (1 + sqrt(2 L log 2))."""
    network = mlp((6, 8, 5, classes), seed, 0.7)
    x = sample(network, 9)
    own = complexity(network, x, uniform(network, 0))
    outcome = registry["golowich2018_fro"].compute(problem_for(network, x))
    assert own <= outcome.published.log_rho + outcome.published.log_unit + 1e-9
    if classes == 1:
        norms = sum(math.log(float(layer.weight.norm())) for layer in network.layers())
        spread = 1 + math.sqrt(2 * 2 * math.log(2))
        used = (next(network.layers()).weight != 0).any(0)
        energy = 0.5 * math.log(float(energies_of(x).coordinate[used].sum()))
        assert own == pytest.approx(norms + energy + math.log(spread / 9), abs=1e-9)


def test_a_mask_is_never_worse_than_the_dense_structure():
    """Fewer predecessors, less energy, fewer paths; the scales are the same."""
    for make in (lambda: mlp((6, 8, 5, 3), 0, 0.4, True), lambda: conv_chain(1), lambda: identity_skips(1)):
        network = make()
        energies = energies_of(sample(network, 9))
        for norms in MIXES:
            for size in (1, 2, 0) if network.depth < 4 else (1, 2):
                split = uniform(network, size, norms)
                masked, dense = (walk(network, energies, split, 0.5, kind) for kind in (True, False))
                assert masked.log_rho == pytest.approx(dense.log_rho, abs=1e-12)
                assert masked.log_complexity(9) <= dense.log_complexity(9) + 1e-12
