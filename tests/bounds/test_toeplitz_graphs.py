"""Bounds by Toeplitz norms on graphs: dense twins, properties, counts of contractions made by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from distance_twins import kernel_two_one, reference_for
from graph_twins import Graph, second_moment
from peeling_networks import (
    average_pooled,
    conv_chain,
    grouped,
    identity_skips,
    input_in_several_places,
    max_pooled,
    preactivated,
    projection_skips,
    six_as_relus,
    sum_of_sums,
    tanh_as_relus,
)
from test_peeling_graphs import leaky_chain, pre_activation
from twins import Sketch, mlp, problem_for, sample

from boundcalc.bounds.catalogue import registry
from boundcalc.bounds.evaluate import inputs_of
from boundcalc.bounds.toeplitz.loss import log_capacities
from boundcalc.bounds.toeplitz.scale import contractions
from boundcalc.errors import NotCovered
from boundcalc.network.geometry import Window
from boundcalc.network.network import Network
from boundcalc.network.ops import Activation, Affine, ChannelAffine, Concat, LeakyReLU

PRODUCTS = ("golowich2018_fro", "golowich2018_1inf", "neyshabur2015_fro", "neyshabur2015_1inf")
LOSS = ("bartlett2017", "graf2022_norms", "graf2022_params")


def dense_block(seed):
    """Two convolutions, each of which reads all that is before it."""
    s = Sketch((2, 3, 3), seed)

    def cat(*of):
        shape = (sum(s.nodes[i].shape[0] for i in of), *s.nodes[of[0]].shape[1:])
        return s._append(Concat("cat", of, shape))

    first = s.relu(s.conv(0, 2, 3, padding=1, bias=True))
    second = s.relu(s.conv(cat(0, first), 2, 3, padding=1))
    s.linear(cat(first, second), 3)
    return s.network()


GRAPHS = (
    conv_chain, grouped, average_pooled, max_pooled, identity_skips, projection_skips, preactivated, sum_of_sums,
    input_in_several_places, dense_block, six_as_relus, tanh_as_relus,
)  # fmt: skip


@pytest.mark.parametrize("make", (*GRAPHS, leaky_chain, pre_activation))
@pytest.mark.parametrize("name", PRODUCTS)
def test_sizes_are_those_of_dense_matrices(make, name):
    network = make(1)
    outcome = registry[name].compute(problem_for(network, sample(network, 7)))
    expected = float(Graph(network).size(name.rpartition("_")[2], outcome.terms["constant"] or 1.0))
    overlapping = make is average_pooled and name.endswith("1inf")
    assert (
        expected * (1 - 1e-13) <= math.exp(outcome.log_rho) <= expected * (1.7 if overlapping else 1 + 1e-7)
    )


@pytest.mark.parametrize(
    "make", [lambda seed: mlp((5, 6, 4, 3), seed), average_pooled, max_pooled, projection_skips]
)
def test_the_last_step_is_the_second_moment(make):
    network = make(0)
    x = sample(network, 9)
    energies = x.square().sum(0).flatten().tolist()
    for name, sets in (("golowich2018_fro", [sum(energies)]), ("golowich2018_1inf", energies)):
        outcome = registry[name].compute(problem_for(network, x))
        t = outcome.terms["constant"]
        expected = second_moment(sets + ([9 * t**2] if t else []), math.exp(outcome.terms["log_factor"]))
        classes = network.outputs if name.endswith("1inf") else math.sqrt(network.outputs)
        found = math.exp(outcome.terms["log_sum"]) / classes
        assert found <= expected * (1 + 1e-3)
        assert name.endswith("fro") or found >= expected * (1 - 1e-3)


@pytest.mark.parametrize("make", GRAPHS)
def test_capacities_are_those_of_dense_matrices(make):
    network = make(2)
    x, m = sample(network, 7), 7
    problem = problem_for(network, x, spectral=True)
    numbers = registry["bartlett2017"].compute(problem).numbers
    found, graph = log_capacities(problem, numbers), Graph(network)
    certified = dict(zip(graph.matrices, problem.chain.spectral, strict=True))
    for norms, above in ((graph.spectral(), False), (certified, True)):
        radii = graph.radii(float(x.norm()), m, norms)
        for (index, matrix), value in zip(graph.matrices.items(), found.values(), strict=True):
            layer = network.nodes[index]
            area = layer.shape[1] * layer.shape[2]
            shift = 0.0 if layer.bias is None else float(layer.bias.abs().sum())
            distance = float(matrix.square().sum(1).sqrt().sum())
            reach = distance * radii[graph.sources[index]] / math.sqrt(m) + math.sqrt(area) * shift
            expected = math.sqrt(2) * graph.gain(index, norms) * reach
            assert math.exp(value) >= expected * (1 - 1e-12)
            if above:
                assert math.exp(value) <= expected * (1 + 1e-6)


@pytest.mark.parametrize("make", [projection_skips, identity_skips, dense_block, max_pooled, grouped])
def test_kernel_distances_of_graf_on_a_graph(make):
    network = make(3)
    reference = reference_for(network)
    numbers = (
        registry["graf2022_norms"]
        .compute(problem_for(network, sample(network), spectral=True, reference=reference))
        .numbers
    )
    for layer in network.layers():
        moved = layer.weight - reference[f"{layer.name}.weight"]
        rows = float(moved.flatten(1).norm(dim=1).sum()) if layer.kind == "linear" else kernel_two_one(moved)
        assert math.exp(numbers[f"distance.{layer.name}"]) == pytest.approx(rows, rel=1e-9)


@pytest.mark.parametrize(
    ("make", "levels", "exits"),
    [
        (lambda: mlp((3, 4, 4, 2), 0), 2, [0]),
        (lambda: mlp((3, 2), 0), 0, [0]),
        (lambda: projection_skips(0), 3, [0]),
        (lambda: identity_skips(0), 4, [0]),
        (lambda: preactivated(0), 3, [0, 1, 2]),
        (lambda: max_pooled(0), 1 + 3 + 1 + 2, [0]),
    ],
)
def test_contractions_counted_by_hand(make, levels, exits):
    """The raw input leaves at the given heights above the bottom; 3x3 maxima after a ReLU take 3 more levels, 2x2 ones 2."""
    network = make()
    found = contractions(problem_for(network, sample(network)).chain.steps)
    assert found.levels == levels
    assert math.exp(found.log_inputs) == pytest.approx(
        sum(1.5 ** (levels - height) for height in exits), rel=1e-9
    )


# ------------------------------------------------------------------------------- properties


def complexity(name, network, x):
    problem = problem_for(network, x, spectral=True)
    outcome = registry[name].compute(inputs_of(registry[name], problem))
    if hasattr(outcome, "log_rho"):
        return outcome.log_rho + outcome.log_unit
    return (
        outcome.log_complexity(outcome.numbers, 0.0)
        if registry[name].kind == "loss"
        else outcome.log_complexity(outcome.numbers)
    )


@pytest.mark.parametrize(
    "make",
    [
        conv_chain, max_pooled, identity_skips, projection_skips, dense_block, six_as_relus, leaky_chain,
        pre_activation, preactivated,
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", [*PRODUCTS, "gouk2021_fro", "gouk2021_1inf", "path_norm"])
def test_masking_weights_never_raises_it(make, name):
    """Norms of entries fall when entries become 0; spectral norms need not, so that bounds of kind loss may rise."""
    network = make(0)
    x, random = sample(network, 6), torch.Generator().manual_seed(3)
    nodes = [
        replace(node, weight=node.weight * (torch.rand(node.weight.shape, generator=random) < 0.7))
        if isinstance(node, Affine)
        else replace(node, scale=node.scale * (torch.arange(len(node.scale)) % 2))
        if isinstance(node, ChannelAffine)
        else node
        for node in network.nodes
    ]
    masked = Network(tuple(nodes), "masked", network.input_shape)
    assert complexity(name, masked, x) <= complexity(name, network, x) + 1e-12


def test_masking_may_raise_a_spectral_norm():
    whole = torch.tensor([[1.0, 1.0], [1.0, -1.0]]).double()
    masked = whole * torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    assert torch.linalg.matrix_norm(masked, 2) > torch.linalg.matrix_norm(whole, 2)


def diagonal(s, at, shift=0.0):
    """A factor for each channel; more than three channels repeat them."""
    channels = s.nodes[at].shape[0]
    scale = torch.tensor([0.5, -2.0, 1.5]).double().repeat(2)[:channels]
    return s._append(ChannelAffine("bn", (at,), s.nodes[at].shape, scale, torch.full_like(scale, shift)))


def leaky(s, at):
    slopes = torch.full((s.nodes[at].shape[0],), 0.1, dtype=torch.float64)
    return s._append(LeakyReLU("leaky", (at,), s.nodes[at].shape, slopes))


def gelu(s, at):
    return s._append(Activation("gelu", (at,), s.nodes[at].shape, "gelu.default", {}, 1.12905))


BETWEEN = {
    "relu": lambda s, at: s.relu(at), "diagonal": lambda s, at: s.relu(diagonal(s, at)), "leaky": leaky,
    "clamp": lambda s, at: s.clamp(at, 0.0, 6.0), "gelu": gelu,
}  # fmt: skip
ROWS = ("golowich2018_1inf", "neyshabur2015_1inf", "gouk2021_1inf")


@pytest.mark.parametrize("name", [*PRODUCTS, "gouk2021_fro", "gouk2021_1inf", "path_norm", "peeling"])
@pytest.mark.parametrize("between", BETWEEN)
def test_padding_with_zero_channels_changes_nothing(name, between):
    if (between == "gelu" and name not in ROWS) or (between == "clamp" and name.endswith("fro")):
        pytest.skip("not covered, or every unit of a clamp has a shift of its own")
    plain, wide = Sketch((2, 4, 4), 0), Sketch((2, 4, 4), 0)
    first, last = plain._weights((3, 2, 3, 3), False)[0], plain._weights((2, 3, 2, 2), False)[0]
    for s, more in ((plain, 0), (wide, 2)):
        one = torch.cat([first, torch.zeros(more, 2, 3, 3).double()])
        two = torch.cat([last, torch.zeros(2, more, 2, 2).double()], 1)
        window = Window.of((4, 4), (3, 3), (1, 1), (1, 1))
        s.affine(s.max(BETWEEN[between](s, s.affine(0, one, window=window, kind="conv2d")), 2), two)
    x = sample(plain.network(), 6)
    assert complexity(name, wide.network(), x) == pytest.approx(
        complexity(name, plain.network(), x), abs=1e-12
    )


def with_branch(scale, seed=0, last_step="relu", levels=2):
    """A residual block whose branch has scaled weights, and the chain without it, with so many activations in a row."""
    s, c = Sketch((4, 1, 1), seed, 1.0), Sketch((4, 1, 1), seed, 1.0)
    weights = [torch.randn(5, n, 1, 1, generator=s.random, dtype=torch.float64) for n in (4, 5, 5)]
    last = torch.randn(2, 5, 1, 1, generator=s.random, dtype=torch.float64)
    stem = s.relu(s.affine(0, weights[0]))
    inner = s.relu(s.affine(stem, scale * weights[1]))
    s.affine(BETWEEN[last_step](s, s.add(s.affine(inner, scale * weights[2]), stem)), last)
    at = c.affine(0, weights[0])
    for _ in range(levels - 1):
        at = c.relu(at)
    c.affine(BETWEEN[last_step](c, at), last)
    return s.network(), c.network()


@pytest.mark.parametrize("name", ["bartlett2017", "graf2022_norms"])
def test_a_branch_of_weight_zero_gives_the_chain(name):
    graph, chain = with_branch(0.0)
    x = sample(graph, 6)
    assert complexity(name, graph, x) == pytest.approx(complexity(name, chain, x), rel=1e-6)


@pytest.mark.parametrize(("name", "least", "most"), [("lin2019", 0.5, 0.5), ("ledent2021", 0.0, 0.03)])
def test_a_branch_of_weight_zero_gives_the_chain_but_for_the_number_of_layers(name, least, most):
    """lin has the fourth root of L^2, with four layers for two; ledent counts layers' units inside a logarithm."""
    graph, chain = with_branch(0.0)
    x = sample(graph, 6)
    more = complexity(name, graph, x) - complexity(name, chain, x)
    assert least * math.log(2) - 1e-6 <= more <= most * math.log(2) + 1e-6


@pytest.mark.parametrize("last_step", ["relu", "diagonal", "clamp"])
@pytest.mark.parametrize("name", ["gouk2021_fro", "gouk2021_1inf", "golowich2018_1inf"])
def test_a_branch_of_weight_zero_gives_a_chain_of_as_many_activations(name, last_step):
    graph, chain = with_branch(0.0, 0, last_step, levels=3)
    x = sample(graph, 6)
    assert complexity(name, graph, x) == pytest.approx(complexity(name, chain, x), abs=1e-9)


@pytest.mark.parametrize("last_step", ["leaky", "gelu"])
def test_a_branch_of_weight_zero_still_is_a_path_for_contractions(last_step):
    """Values below such functions cannot wait for each other: the factors of both paths add up, 1 + 3/2 at the sum."""
    graph, chain = (problem_for(net, sample(net, 6)) for net in with_branch(0.0, 0, last_step, levels=2))
    own, other = (contractions(problem.chain.steps) for problem in (graph, chain))
    assert math.exp(own.log_inputs - other.log_inputs) == pytest.approx(1 + 1.5)


@pytest.mark.parametrize("name", [*PRODUCTS, "path_norm", "peeling"])
def test_a_branch_of_weight_zero_gives_the_chains_size(name):
    """Its ReLUs are still counted: the class holds networks whose branch is not 0."""
    graph, chain = with_branch(0.0)
    x = sample(graph, 6)
    own, other = (registry[name].compute(problem_for(network, x)) for network in (graph, chain))
    assert own.log_rho == pytest.approx(other.log_rho, abs=1e-9)
    if name in PRODUCTS:
        assert own.terms["contractions"] == other.terms["contractions"] + 1


@pytest.mark.parametrize("name", [*LOSS, *PRODUCTS])
def test_it_is_below_what_was_published(name):
    for network in (mlp((6, 5, 4, 3), 0), conv_chain(0)):
        outcome = registry[name].compute(problem_for(network, sample(network, 40), spectral=True))
        if outcome.published is None:
            continue
        if name in LOSS:
            own, published = (o.log_complexity(o.numbers, 0.0) for o in (outcome, outcome.published))
        else:
            own, published = (o.log_rho + o.log_unit for o in (outcome, outcome.published))
        assert own < published


def test_every_blocker_is_named():
    s = Sketch((3, 1, 1), 0, 1.0)
    at = s.linear(0, 4)
    at = s._append(Activation("gelu", (at,), (4, 1, 1), "gelu", {}, 1.13))
    s.linear(s._append(Activation("silu", (s.linear(at, 4),), (4, 1, 1), "silu", {}, 1.1)), 2)
    problem = problem_for(s.network(), sample(s.network()), spectral=True)
    assert math.isfinite(
        registry["bartlett2017"]
        .compute(problem)
        .log_complexity(registry["bartlett2017"].compute(problem).numbers, 0.0)
    )
    with pytest.raises(NotCovered, match=r"gelu.*silu"):
        registry["golowich2018_fro"].compute(problem)
