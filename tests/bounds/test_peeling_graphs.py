"""Peeling on graphs: concatenation, diagonal layers, leaky ReLUs, signed sums and averages as output, against dense matrices."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
import torch
from graph_twins import layer_matrix, pool_matrix
from peeling_networks import six_as_relus, tanh_as_relus
from twins import Sketch, problem_for, sample

from boundcalc.bounds.catalogue import registry
from boundcalc.bounds.margin_networks import with_layer_at_end
from boundcalc.bounds.path_lengths import log_factor
from boundcalc.bounds.peeling import dense_structure
from boundcalc.bounds.peeling.dynamic_program import PeelingProgram
from boundcalc.bounds.peeling.kernels import Choice, Kernels
from boundcalc.bounds.peeling.norms import L1, L2
from boundcalc.bounds.peeling.rules import Setting, SharpRules
from boundcalc.bounds.peeling.search import SharpSearch
from boundcalc.errors import NotCovered
from boundcalc.network.forward import run
from boundcalc.network.geometry import Window
from boundcalc.network.nodes import ExactPositions
from boundcalc.network.ops import (
    Add,
    Affine,
    AvgPool,
    ChannelAffine,
    Concat,
    Input,
    LeakyReLU,
    MaxPool,
    Weight,
)

CONSTANT = 1.0


def concat(s, *sources):
    shape = (sum(s.nodes[i].shape[0] for i in sources), *s.nodes[sources[0]].shape[1:])
    return s._append(Concat("cat", sources, shape))


def leaky(s, source, slope=0.1, **more):
    shape = s.nodes[source].shape
    slopes = torch.full((shape[0],), slope, dtype=torch.float64)
    return s._append(LeakyReLU("leaky", (source,), shape, slopes, **more))


def dense_block(seed):
    """Concatenation of a conv's values with what it read, a diagonal layer and a ReLU after it."""
    s = Sketch((2, 4, 4), seed)
    at = s.relu(s.conv(0, 3, 3, padding=1, bias=True))
    at = concat(s, at, s.conv(at, 2, 3, padding=1))
    at = s.relu(s.batchnorm(at))
    s.linear(s.avg(at, 4), 3, bias=True)
    return s.network()


def pre_activation(seed):
    """A sum of values of either sign, BatchNorm and ReLU before each convolution."""
    s = Sketch((2, 4, 4), seed)
    stem = s.conv(0, 3, 3, padding=1)
    inner = s.conv(s.relu(s.batchnorm(stem)), 3, 3, padding=1)
    at = s.relu(s.batchnorm(s.add(stem, inner)))
    s.linear(at, 2)
    return s.network()


def averaged_output(seed):
    s = Sketch((1, 4, 4), seed)
    at = s.relu(s.conv(0, 3, 3, padding=1))
    s.avg(s.relu(s.conv(at, 3, 1, bias=True)), 4)
    return s.network()


def averaged_maps(seed):
    s = Sketch((1, 4, 4), seed)
    s.avg(s.conv(s.relu(s.conv(0, 3, 3, padding=1)), 2, 1), 4)
    return s.network()


def leaky_chain(seed):
    s = Sketch((5, 1, 1), seed)
    at = leaky(s, s.linear(0, 4, bias=True))
    s.linear(leaky(s, s.linear(at, 4)), 2)
    return s.network()


def branches(seed):
    """Four branches of which one is pooled, as in GoogLeNet."""
    s = Sketch((2, 4, 4), seed)
    at = s.relu(s.conv(0, 3, 1))
    parts = [s.relu(s.conv(at, 2, 1)), s.relu(s.conv(at, 2, 3, padding=1)), s.max(at, 3, 1, 1)]
    s.linear(concat(s, *parts), 2)
    return s.network()


MAKES = (
    dense_block, pre_activation, averaged_output, averaged_maps, leaky_chain, branches, six_as_relus, tanh_as_relus,
)  # fmt: skip


def naive_rho(network):
    """Sizes of units by absolute dense matrices: rows that read inputs by l2, with the bias over t, others by l1; classes by l2."""
    sizes = []
    nodes = with_layer_at_end(network).nodes
    for place, node in enumerate(nodes):
        before = [sizes[i] for i in node.inputs]
        if isinstance(node, Input):
            sizes.append(None)
        elif isinstance(node, Affine):
            matrix = layer_matrix(replace(network, nodes=nodes), node, node.weight)
            area = node.shape[1] * node.shape[2]
            bias = torch.zeros(len(matrix)).double()
            if node.bias is not None:
                bias = node.bias.repeat_interleave(area).abs() / CONSTANT
            if place == len(nodes) - 1:
                return float((matrix.norm(dim=0) * before[0]).sum() + bias.norm())
            own = (
                (matrix.square().sum(1) + bias.square()).sqrt()
                if before[0] is None
                else matrix.abs() @ before[0] + bias
            )
            sizes.append(own)
        elif isinstance(node, Add):
            sizes.append(before[0] + before[1])
        elif isinstance(node, Concat):
            sizes.append(torch.cat(before))
        elif isinstance(node, ChannelAffine):
            area = node.shape[1] * node.shape[2]
            scale, shift = (v.abs().repeat_interleave(area) for v in (node.scale, node.shift))
            sizes.append(scale * before[0] + shift / CONSTANT)
        elif isinstance(node, AvgPool | MaxPool):
            sizes.append(pool_matrix(network, node).abs() @ before[0])
        else:
            sizes.append(before[0])
    raise AssertionError


def outcome_of(network, x):
    return registry["peeling"].compute(problem_for(network, x, mask_origin="independent"))


def judged(network, x):
    """Log rho and log R_S at rho = 1 with nodes of one channel, l2 at the input, the output by l1 over units, t = 1."""
    network = with_layer_at_end(network)
    layers = list(network.layers())
    split = {layer.name: Choice(1, L2() if layer.inputs[0] == 0 else L1()) for layer in layers}
    split[layers[-1].name] = Choice(network.outputs, L1())
    structure, positions = dense_structure(), ExactPositions()
    problem, kernels = problem_for(network, x), Kernels(structure, positions)
    setting, rules = Setting(structure, positions, problem.energies), SharpRules(log_factor(network))
    (walk,) = PeelingProgram(network, setting, kernels, CONSTANT, rules).walks(split)
    _, _, theorem = SharpSearch(problem, structure, kernels)._priced(network, walk, CONSTANT)
    return walk.log_rho, theorem.log_outputs


@pytest.mark.parametrize("make", MAKES)
def test_scales_equal_those_of_dense_matrices(make):
    for seed in range(3):
        network = make(seed)
        assert math.exp(judged(network, sample(network))[0]) == pytest.approx(naive_rho(network), rel=1e-9)


@pytest.mark.parametrize("make", MAKES)
def test_the_search_covers_it(make):
    network = make(0)
    outcome = outcome_of(network, sample(network))
    assert -math.inf < outcome.log_rho < math.inf and outcome.log_unit < math.inf


@pytest.mark.parametrize("make", MAKES)
def test_no_network_of_the_class_passes_the_claim_over_all_signs(make):
    m = 3
    first = make(0)
    x = sample(first, m)
    claimed = math.exp(judged(first, x)[1])
    networks = [make(seed) for seed in range(60)]
    reached = torch.stack([run(network, x).flatten() / naive_rho(network) for network in networks])
    signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=m * first.outputs)), dtype=torch.float64)
    attained = float((signs @ reached.T).abs().amax(1).mean()) / m
    assert 0 < attained <= claimed * (1 + 1e-9)


@pytest.mark.parametrize("make", MAKES)
def test_masking_never_raises_it(make):
    network = make(1)
    x, random = sample(network), torch.Generator().manual_seed(0)
    nodes = tuple(
        replace(node, weight=node.weight * (torch.rand(node.weight.shape, generator=random) < 0.6))
        if isinstance(node, Affine) else node
        for node in network.nodes
    )  # fmt: skip
    before, after = (outcome_of(n, x) for n in (network, replace(network, nodes=nodes)))
    assert after.log_rho + after.log_unit <= before.log_rho + before.log_unit + 1e-9


def test_a_branch_of_weight_zero_beside_a_value_leaves_the_chains_number():
    """Zero channels, also rectified and pooled ones, have scale 0 whatever reads them."""
    for after in (lambda s, at: at, lambda s, at: s.max(s.relu(at), 2), leaky):
        s = Sketch((2, 4, 4), 3)
        at = s.relu(s.conv(0, 3, 3, padding=1, bias=True))
        chain = Sketch((2, 4, 4))
        chain.nodes = list(s.nodes)
        below = chain.nodes[after(chain, at)].shape
        weight = torch.randn(2, *below, generator=s.random, dtype=torch.float64)
        chain.affine(len(chain.nodes) - 1, weight)
        zeros = s.affine(
            at,
            torch.zeros(2, 3, 1, 1, dtype=torch.float64),
            window=Window.of((4, 4), (1, 1), (1, 1), (0, 0)),
            kind="conv2d",
        )
        joined = after(s, concat(s, at, zeros))
        s.affine(joined, torch.cat([weight, torch.ones(2, 2, *below[1:], dtype=torch.float64)], 1))
        x = sample(s.network())
        assert torch.allclose(run(s.network(), x), run(chain.network(), x))
        (rho, unit), (of_chain, unit_of_chain) = judged(s.network(), x), judged(chain.network(), x)
        assert rho == pytest.approx(of_chain, rel=1e-9)
        assert unit >= unit_of_chain - 1e-9  # a ReLU of the branch is counted, whatever its weights


def test_an_identity_at_the_end_changes_no_output_and_no_number_of_a_network_that_ends_in_a_layer():
    network = averaged_output(0)
    x = sample(network)
    assert torch.equal(run(network, x), run(with_layer_at_end(network), x))
    chain = leaky_chain(0)
    assert with_layer_at_end(chain) is chain


def test_a_concatenation_with_the_input_and_a_trained_slope_are_not_covered():
    s = Sketch((3, 1, 1), 0)
    s.linear(concat(s, 0, s.relu(s.linear(0, 2))), 2)
    network = s.network()
    with pytest.raises(NotCovered, match="concatenation with the input"):
        outcome_of(network, sample(network))
    s = Sketch((3, 1, 1), 0)
    slope = torch.full((1,), 0.1, dtype=torch.float64)
    weight = Weight("a.weight", "prelu", slope, slope > 0, None, (1,))
    s.linear(leaky(s, s.linear(0, 2), weights=(weight,)), 2)
    network = s.network()
    with pytest.raises(NotCovered, match="trained slope"):
        outcome_of(network, sample(network))
