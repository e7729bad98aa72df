"""Squares that float64 cannot hold: a power of ten that moves between layers, or between data and weights, proves nothing.

The networks and samples here differ by factors that leave every output as it is, so that a bound which does not change under them
must not fall; where a square would vanish it may only rise.
"""

from __future__ import annotations

import math
import sys
from dataclasses import replace

import pytest
import torch
from twins import Sketch, mlp, problem_for, sample

from boundcalc.bounds.catalogue import registry
from boundcalc.bounds.evaluate import evaluate, evaluate_all
from boundcalc.bounds.outcome import NormComplexity
from boundcalc.bounds.risk import risk_bound
from boundcalc.empirical.datasets import open_data
from boundcalc.empirical.energies import declared
from boundcalc.empirical.measure import measure
from boundcalc.errors import DataError, UsageError
from boundcalc.network.network import Network
from boundcalc.network.ops import Affine

THEOREMS = (
    "peeling", "path_norm", "golowich2018_fro", "golowich2018_1inf", "neyshabur2015_fro", "neyshabur2015_1inf", "bartlett2017",
    "graf2022_norms", "graf2022_params", "ledent2021", "lin2019", "gouk2021_1inf", "gouk2021_fro",
)  # fmt: skip


def scaled(network, *powers):
    """Multiply the layers by powers of ten, and the biases by those of all layers up to theirs."""
    nodes, layer = [], 0
    for node in network.nodes:
        changed = node
        if isinstance(node, Affine):
            bias = None if node.bias is None else node.bias * 10.0 ** sum(powers[: layer + 1])
            changed = replace(node, weight=node.weight * 10.0 ** powers[layer], bias=bias)
            layer += 1
        nodes.append(changed)
    return Network(tuple(nodes), network.source, network.input_shape)


def log_complexities(problem):
    results = evaluate_all(registry.values(), problem)
    return {name: results[name].risk.log_complexity for name in THEOREMS if results[name].risk is not None}


@pytest.mark.parametrize("powers", [(-200, 200), (-170, 170), (-150, 150), (-200, 150)])
def test_a_small_layer_before_a_large_one(powers):
    network = mlp((6, 5, 3), 0)
    x = sample(network, 20)
    before = log_complexities(problem_for(network, x, spectral=True))
    after = log_complexities(problem_for(scaled(network, *powers), x, spectral=True))
    assert {"path_norm", "golowich2018_1inf"} <= set(after)
    for name, value in after.items():
        assert value >= before[name] + math.log(10) * sum(powers) - 0.02, name


def test_one_small_unit_that_the_next_layer_makes_large():
    """The other unit is large, and nobody reads it."""
    s = Sketch((2, 1, 1), 0, 1.0)
    s.linear(s.relu(s.linear(0, 2)), 2)
    network = s.network()
    first, second = (layer for layer in network.layers())
    ones = torch.ones(2, 2, 1, 1, dtype=torch.float64)
    plain = rebuilt(
        network, {first.name: ones, second.name: ones * torch.tensor([1.0, 0.0])[None, :, None, None]}
    )
    rows, columns = (torch.tensor(sizes, dtype=torch.float64) for sizes in ((1e-100, 1e100), (1e100, 0.0)))
    weights = {first.name: ones * rows[:, None, None, None], second.name: ones * columns[None, :, None, None]}
    moved = rebuilt(network, weights)
    x = sample(network, 20)
    before, after = (
        log_complexities(problem_for(one, x, spectral=True))["peeling"] for one in (plain, moved)
    )
    assert after >= before - 0.02


def rebuilt(network, weights):
    nodes = [
        replace(node, weight=weights[node.name], support=weights[node.name] != 0)
        if isinstance(node, Affine)
        else node
        for node in network.nodes
    ]
    return Network(tuple(nodes), network.source, network.input_shape)


@pytest.mark.parametrize("name", ["peeling", "golowich2018_fro", "neyshabur2015_fro"])
def test_a_small_bias_that_the_next_layer_makes_large(name):
    """A network of constants: its only hidden weights are biases, and its outputs 1e-50 or so."""
    s = Sketch((2, 1, 1), 0, 1.0)
    s.linear(s.relu(s.linear(0, 2, bias=True)), 2)
    network = s.network()
    first, _ = network.layers()
    x = sample(network, 20)

    def constants(bias, weight):
        hidden = replace(
            first,
            weight=first.weight * 0,
            support=first.weight != first.weight,
            bias=torch.full_like(first.bias, bias),
        )
        nodes = [
            hidden
            if node is first
            else replace(node, weight=node.weight * weight)
            if isinstance(node, Affine)
            else node
            for node in network.nodes
        ]
        return problem_for(Network(tuple(nodes), "test", network.input_shape), x, spectral=True)

    before = evaluate(registry[name], constants(1.0, 1.0)).risk.log_complexity
    after = evaluate(registry[name], constants(1e-200, 1e150)).risk.log_complexity
    assert after >= before - 50 * math.log(10) - 1


def arrays(scale, m=400):
    x = torch.randn(m, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = (x[:, 0] > 0).long().numpy()
    return open_data(((x * scale).numpy(), labels, (x * scale).numpy(), labels))


def signs(scale):
    """The sign of the first coordinate, and twice its size as the margin."""
    s = Sketch((4, 1, 1), 0, 1.0)
    s.linear(s.relu(s.linear(0, 2)), 2)
    network = s.network()
    first, second = network.layers()
    one = torch.zeros(2, 4, 1, 1, dtype=torch.float64)
    one[:, 0, 0, 0] = torch.tensor([scale, -scale])
    two = torch.tensor([[-1.0, 1.0], [1.0, -1.0]], dtype=torch.float64)[:, :, None, None]
    return rebuilt(network, {first.name: one, second.name: two})


@pytest.mark.parametrize("power", [-170, -200, -157])
def test_small_samples_that_the_first_layer_makes_large(power):
    values = []
    for scale in (1.0, 10.0**power):
        network = signs(1 / scale)
        seen = measure(network, arrays(scale))
        problem = replace(
            problem_for(network, seen.energies, seen.margins, spectral=True), patches=seen.patches
        )
        values.append(log_complexities(problem))
        assert seen.energies.max_coordinate > 0
    for name, after in values[1].items():
        if registry[name].kind == "F":
            assert after >= values[0][name] - 0.02, name


def test_coordinates_that_are_always_zero_have_no_energy():
    x = torch.zeros(5, 3, dtype=torch.float64)
    x[2, 1] = 1e-200
    labels = torch.zeros(5).long().numpy()
    energies = measure(mlp((3, 2), 0), open_data((x.numpy(), labels, x.numpy(), labels))).energies
    assert energies.coordinate.flatten().tolist()[0::2] == [0.0, 0.0]
    assert energies.coordinate.flatten()[1] > 0


def test_samples_whose_squares_overflow_are_refused():
    with pytest.raises(DataError, match="overflow float64"):
        measure(mlp((4, 2), 0), arrays(1e160))


@pytest.mark.parametrize("bound", [1e200, 1e153])
def test_an_input_bound_whose_square_overflows_is_refused(bound):
    with pytest.raises(UsageError, match="--input-bound"):
        declared(10**6, bound, (3, 32, 32))


def test_an_input_bound_whose_square_vanishes_has_an_energy():
    assert declared(10, 1e-200, (2, 1, 1)).max_coordinate > 0


@pytest.mark.parametrize("power", [200.0, -200.0])
def test_patches_whose_squares_float64_does_not_hold(power):
    """Thresholds of the second layer, scaled back."""
    x = sample(mlp((4, 3, 2), 0), 10)
    labels = torch.zeros(10).long().numpy()
    data = open_data((x.flatten(1).numpy(), labels, x.flatten(1).numpy(), labels))
    plain = measure(mlp((4, 3, 2), 0), data).patches
    large = measure(scaled(mlp((4, 3, 2), 0), power, -power), data).patches
    assert large[1] * 10.0**-power == pytest.approx(plain[1], rel=1e-9)


@pytest.mark.parametrize("log_rho", [710.0, 720.0, 1000.0, 5000.0])
def test_no_sample_has_a_margin_that_float64_does_not_hold(log_rho):
    """At k = 0 the margin is exp(log_rho): above every margin there is, so that every sample is an error."""
    margins = torch.full((1000,), 1e306, dtype=torch.float64)
    problem = problem_for(mlp((3, 2), 0), sample(mlp((3, 2), 0), 5), margins)
    problem = replace(problem, energies=replace(problem.energies, m=10**9))
    risk = risk_bound(NormComplexity(log_rho, -30.0), problem)
    assert risk.margin <= sys.float_info.max
    needed = log_rho - math.log(risk.margin)
    assert risk.terms["margin_error"] == 1.0 or risk.log_value >= math.log(4) + needed - 30.0 - 1e-6
