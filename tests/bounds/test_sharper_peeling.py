"""The sharper peeling theorem: a twin on dense matrices, and what must not change it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from peeling_networks import conv_chain, grouped, identity_skips, max_pooled
from twins import Sketch, dense, mlp, problem_for, sample

from boundcalc.bounds.catalogue import registry
from boundcalc.bounds.margin_networks import same_margins
from boundcalc.bounds.outcome import Margins
from boundcalc.bounds.path_lengths import log_factor
from boundcalc.bounds.peeling import dense_structure
from boundcalc.bounds.peeling import kernels as peeling_kernels
from boundcalc.bounds.peeling.dynamic_program import PeelingProgram
from boundcalc.bounds.peeling.kernels import Choice, Kernels
from boundcalc.bounds.peeling.norms import L1, L2
from boundcalc.bounds.peeling.rules import Setting, SharpRules
from boundcalc.bounds.peeling.theorem import output_norm, rho_of_chain
from boundcalc.network.nodes import ExactPositions
from boundcalc.network.ops import Affine, ReLU


def walk(network, x, sizes, first="l2", last=None):
    """One walk with given node sizes; the output as one node over units."""
    structure, positions = dense_structure(), ExactPositions()
    layers = list(network.layers())
    norms = {"l1": L1(), "l2": L2()}
    split = {
        layer.name: Choice(size, norms[first] if layer.inputs[0] == 0 else L1())
        for layer, size in zip(layers[:-1], sizes, strict=True)
    }
    split[layers[-1].name] = last or Choice(layers[-1].shape[0], L1())
    setting = Setting(structure, positions, problem_for(network, x).energies)
    rules = SharpRules(log_factor(network))
    (found,) = PeelingProgram(network, setting, Kernels(structure, positions), 1.0, rules).walks(split)
    return found


def naive_scale(network, sizes):
    """Scales by dense matrices: units of a node are consecutive channels at one position; l2 at the input, l1 after it."""
    layers = list(network.layers())
    scale, groups = None, None
    for layer, size in zip(layers, [*sizes, layers[-1].shape[0]], strict=True):
        matrix = dense(network, layer, layer.weight).numpy()
        channels, area = layer.shape[0], layer.shape[1] * layer.shape[2]
        nodes = [
            [c * area + p for c in range(start, min(start + size, channels))]
            for start in range(0, channels, size)
            for p in range(area)
        ]
        if scale is None:
            scale = [np.linalg.norm(matrix[rows]) for rows in nodes]
        else:
            scale = [
                sum(
                    s * np.linalg.norm(matrix[np.ix_(rows, units)])
                    for s, units in zip(scale, groups, strict=True)
                )
                for rows in nodes
            ]
        groups = nodes
    return sum(scale)


def test_rho_of_a_chain_is_that_of_the_walk():
    network = mlp((6, 8, 5, 3), 1, 0.6)
    *hidden, last = [layer.weight[:, :, 0, 0].numpy() for layer in network.layers()]
    assert rho_of_chain(hidden, last) == pytest.approx(
        math.exp(walk(network, sample(network), (1, 1)).log_rho)
    )


@pytest.mark.parametrize("sizes", [(1, 1), (2, 3), (8, 5)])
def test_scales_of_perceptrons_and_convolutions_equal_those_of_dense_matrices(sizes):
    network = mlp((6, 8, 5, 3), 1, 0.6)
    assert math.exp(walk(network, sample(network), sizes).log_rho) == pytest.approx(
        naive_scale(network, sizes)
    )
    s = Sketch((2, 5, 4), 3)
    at = s.relu(s.conv(0, 8, 3, padding=1))
    s.linear(s.relu(s.conv(at, 5, (3, 2), stride=2, padding=1)), 3)
    network = s.network()
    assert math.exp(walk(network, sample(network), sizes).log_rho) == pytest.approx(
        naive_scale(network, sizes)
    )


def value(network, x):
    outcome = registry["peeling"].compute(problem_for(network, x, mask_origin="independent"))
    assert isinstance(outcome.margins, Margins)
    return outcome.log_rho + outcome.log_unit, outcome.margins.log_rho + outcome.margins.log_unit


def test_one_hidden_layer_by_hand():
    """Two classes, no biases: rho ||X|| sqrt(3/2) / m, with rho summed over units and the supremum over one set of inputs."""
    network = mlp((4, 3, 2), 0, 1.0)
    x = sample(network, 50)
    w, v = (layer.weight[:, :, 0, 0] for layer in network.layers())
    rho = float((w.norm(dim=1) * (v[1] - v[0]).abs()).sum())
    outcome = registry["peeling"].compute(problem_for(network, x))
    by_hand = rho * float(x.norm()) * math.sqrt(1.5) / 50
    assert math.exp(outcome.margins.log_rho + outcome.margins.log_unit) <= by_hand * (1 + 1e-9)


@pytest.mark.parametrize("make", [conv_chain, grouped, identity_skips, max_pooled])
def test_masking_never_raises_a_scale(make):
    network = make(0)
    x, random = sample(network), torch.Generator().manual_seed(0)
    sizes = [1] * (len(list(network.layers())) - 1)
    before = walk(network, x, sizes).log_rho
    nodes = tuple(
        replace(node, weight=node.weight * (torch.rand(node.weight.shape, generator=random) < 0.6))
        if isinstance(node, Affine) else node
        for node in network.nodes
    )  # fmt: skip
    assert walk(replace(network, nodes=nodes), x, sizes).log_rho <= before + 1e-12


def test_channels_of_zeros_change_nothing():
    def network(extra):
        s = Sketch((3, 1, 1), 0, 1.0)
        random = torch.Generator().manual_seed(5)
        w, v = (
            torch.randn(*shape, 1, 1, generator=random, dtype=torch.float64) for shape in ((4, 3), (3, 4))
        )
        w = torch.cat([w, torch.zeros(extra, 3, 1, 1, dtype=torch.float64)])
        v = torch.cat([v, torch.zeros(3, extra, 1, 1, dtype=torch.float64)], 1)
        s.affine(s.relu(s.affine(0, w)), v)
        return s.network()

    plain, padded = network(0), network(4)
    x = sample(plain, 30)
    assert value(padded, x) == pytest.approx(value(plain, x), abs=1e-9)


def test_a_residual_branch_of_weight_zero_gives_the_chains_value():
    def network(branch):
        s = Sketch((3, 1, 1), 2, 1.0)
        at = s.relu(s.linear(0, 4))
        if branch:
            zero = torch.zeros(4, 4, 1, 1, dtype=torch.float64)
            at = s.relu(s.add(s.affine(at, zero), at))
        random = torch.Generator().manual_seed(7)
        s.affine(at, torch.randn(3, 4, 1, 1, generator=random, dtype=torch.float64))
        return s.network()

    chain, residual = network(False), network(True)
    x = sample(chain, 20)
    found, expected = (walk(net, x, sizes).log_rho for net, sizes in ((residual, (1, 1)), (chain, (1,))))
    assert found == pytest.approx(expected, abs=1e-12)


def test_margins_of_the_network_that_takes_its_place_are_the_same():
    from boundcalc.empirical.measure import margins_of
    from boundcalc.network.forward import run

    for classes in (2, 3, 5):
        for bias in (False, True):
            network = mlp((4, 6, classes), classes, 1.0, bias)
            x = sample(network, 40)
            labels = torch.arange(40) % classes
            own = margins_of(run(network, x), labels)
            for center in ("mean", "median"):
                other = same_margins(network, center)
                assert torch.allclose(margins_of(run(other, x), labels), own, atol=1e-12)
                assert other.outputs == (1 if classes == 2 else classes)


def test_blocks_of_a_large_layer_give_the_value_of_the_whole(monkeypatch):
    network = mlp((5, 12, 9, 3), 0, 0.7, True)
    x = sample(network, 20)
    splits = [(1, 1), (12, 9), (1, 9), (12, 1)]
    whole = [walk(network, x, sizes).log_rho for sizes in splits]
    monkeypatch.setattr(peeling_kernels, "LARGE", 10)
    monkeypatch.setattr(peeling_kernels, "BLOCK", 30)
    assert [walk(network, x, sizes).log_rho for sizes in splits] == pytest.approx(whole, abs=1e-12)
    assert value(network, x)[1] < math.inf


def test_names_of_output_norms():
    assert output_norm(Choice(3, L1()), 3) == "l1 over units"
    assert output_norm(Choice(1, L1()), 3) == "l1"
    assert output_norm(Choice(1, L2()), 3) == "l2"
    assert output_norm(Choice(1, L1()), 1) == "l1 over units"


def test_costs_of_steps():
    step = math.log(1.5)
    s = Sketch((1, 6, 6), 0)
    at = s.max(s.relu(s.conv(0, 2, 3)), 2)
    s.linear(s.relu(s.linear(at, 3)), 2)
    assert log_factor(s.network()) == pytest.approx((1 + 3 - 1 + 1) * step)
    assert sum(isinstance(node, ReLU) for node in s.network().nodes) == 2
    s = Sketch((3, 1, 1), 0)
    s.add(s.linear(s.relu(s.linear(0, 3)), 2), s.linear(0, 2))
    assert log_factor(s.network()) == pytest.approx(step + math.log(3))
