"""Bounds by distances from the initialization: matrices, attacks on the class, the steps of the proof, the ledger."""

from __future__ import annotations

import math

import pytest
import torch
from attack import layers_of, outputs
from distance_twins import CHAINS, circular, conv_chain, dilated, gouk, overlapping, reference_for, referred
from twins import Sketch, dense, mlp, problem_for, sample, toeplitz_matrices

from boundcalc.bounds.catalogue import registry
from boundcalc.bounds.evaluate import evaluate, evaluate_all
from boundcalc.bounds.risk import LOG_STEP, grid_above, log2_weight

NAMES = ("gouk2021_1inf", "gouk2021_fro")


@pytest.mark.parametrize("make", CHAINS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("refer", ["none", "all", "last"])
def test_formula(make, name, refer):
    network = make(3)
    x = 3 * sample(network, 12)
    reference = {} if refer == "none" else reference_for(network)
    if refer == "last":
        last = list(network.layers())[-1].name
        reference = {f"{last}.weight": reference[f"{last}.weight"]}
    outcome = registry[name].compute(problem_for(network, x, reference=reference)).published
    matrices, starts = toeplitz_matrices(network), toeplitz_matrices(referred(network, reference))
    expected = gouk(name.removeprefix("gouk2021_"), matrices, starts, x, network.outputs)
    found = math.exp(outcome.log_complexity(outcome.numbers))
    assert expected * (1 - 1e-13) <= found
    assert found <= expected * (1.7 if make is overlapping else 1 + 1e-9)
    assert (len(outcome.numbers) == len(matrices)) == (refer == "none" or len(matrices) == 1)


@pytest.mark.parametrize("name", NAMES)
def test_it_rises_with_every_number_and_falls_with_samples(name):
    network = conv_chain(0)
    x = sample(network, 9)
    reference = reference_for(network)
    outcome = registry[name].compute(problem_for(network, x, reference=reference))
    base = outcome.log_complexity(outcome.numbers)
    for number, value in outcome.numbers.items():
        assert outcome.log_complexity({**outcome.numbers, number: value + 0.1}) > base, number
    more = registry[name].compute(problem_for(network, x.repeat(4, 1, 1, 1), reference=reference))
    assert more.log_complexity(more.numbers) == pytest.approx(base - math.log(2), abs=1e-6)


@pytest.mark.parametrize("kind", ["1inf", "fro"])
@pytest.mark.parametrize("seed", range(5))
def test_the_statement_of_the_source_follows(kind, seed):
    """Sum_j D_j/B_j prod_k 2 B_k with sqrt(2 log 2d) for 1inf, and widths' square roots for fro, where N_k <= B_k."""
    network, x = mlp((6, 8, 5, 3), seed, 0.7), sample(mlp((6, 8, 5, 3), seed), 9)
    reference = {f"{layer.name}.weight": 0.5 * layer.weight for layer in network.layers()}
    outcome = registry[f"gouk2021_{kind}"].compute(problem_for(network, x, reference=reference)).published
    matrices, starts = toeplitz_matrices(network), toeplitz_matrices(referred(network, reference))

    def size(a):
        return float(a.abs().sum(1).max() if kind == "1inf" else a.norm())

    spread = math.sqrt(2 * math.log(2 * 6)) if kind == "1inf" else 1.0
    data = float(x.flatten(1).norm(dim=0).max() if kind == "1inf" else x.norm())
    product = math.prod(2 * size(a) for a in matrices)
    total = sum(size(a - b) / size(a) for a, b in zip(matrices, starts, strict=True))
    widths = 1.0 if kind == "1inf" else math.prod(math.sqrt(a.shape[1]) for a in matrices)
    stated = 3 / 9 * data * spread * total * product * widths
    assert math.exp(outcome.log_complexity(outcome.numbers)) <= stated


# ------------------------------------------------------------------------------- attacks


def size_of(kind, matrix):
    return matrix.abs().sum(1).amax() if kind == "1inf" else (matrix.square().sum() + 1e-24).sqrt()


def attained(kind, network, reference, radii, x, draws=4, restarts=2, steps=40, seed=0):
    """Mean over signs of the largest sum xi f found at distances `radii` from the reference, divided by m."""
    random = torch.Generator().manual_seed(seed)
    layers = layers_of(network)
    starts = {index: reference[f"{layer.name}.weight"] for index, layer in layers.items()}
    count, m = draws * restarts, x.shape[0]
    signs = torch.randint(0, 2, (draws, m, network.outputs), generator=random).double() * 2 - 1
    signs = signs.repeat_interleave(restarts, 0)
    moves = {
        index: torch.randn(count, *layer.weight.shape, generator=random, dtype=torch.float64).requires_grad_()
        for index, layer in layers.items()
    }
    fixed = outputs(network, {index: (start, None) for index, start in starts.items()}, x)

    def objective(move, xi):
        weights = {}
        for (index, layer), radius in zip(layers.items(), radii, strict=True):
            step = radius * move[index] / size_of(kind, dense(network, layer, move[index]))
            weights[index] = (starts[index] + step, None)
        return ((outputs(network, weights, x) - fixed) * xi).sum()

    every = torch.func.vmap(objective, in_dims=(0, 0))
    optimizer = torch.optim.Adam(list(moves.values()), lr=0.1)
    best = torch.full((count,), -math.inf, dtype=torch.float64)
    for _ in range(steps):
        reached = every(moves, signs)
        best = torch.maximum(best, reached.detach())
        optimizer.zero_grad()
        (-reached.sum()).backward()
        optimizer.step()
    return float(best.reshape(draws, restarts).amax(1).mean()) / m


def claimed(kind, network, reference, radii, x):
    outcome = registry[f"gouk2021_{kind}"].compute(problem_for(network, x, reference=reference))
    layers = list(network.layers())
    numbers = {}
    for layer, radius in zip(layers, radii, strict=True):
        start = size_of(kind, dense(network, layer, reference[f"{layer.name}.weight"]))
        numbers[f"norm.{layer.name}"] = math.log(float(start) + radius)
        rows = math.prod(layer.shape) if layer is layers[-1] else 1
        spread = rows if kind == "1inf" else math.sqrt(rows)
        numbers[f"distance.{layer.name}"] = math.log(radius * spread) if radius else -math.inf
    assert numbers.keys() >= outcome.numbers.keys()
    return math.exp(outcome.log_complexity(numbers))


RADII = [
    (1.0, 1.0, 1.0),
    (1.0, 0.0, 0.0),
    (0.0, 1.0, 0.0),
    (0.0, 0.0, 1.0),
    (0.01, 0.01, 0.01),
    (9.0, 3.0, 1.0),
]


@pytest.mark.parametrize("kind", ["1inf", "fro"])
@pytest.mark.parametrize("radii", RADII)
@pytest.mark.parametrize("outputs_", [1, 3])
def test_no_class_around_a_reference_passes_it(kind, radii, outputs_):
    network = mlp((6, 5, 4, outputs_), 0, 1.0)
    for seed, scale in ((0, 1.0), (1, 5.0)):
        reference = {name: scale * start for name, start in reference_for(network, seed).items()}
        for x in (sample(network, 8), sample(network, 1).repeat(8, 1, 1, 1)):
            found = attained(kind, network, reference, radii, x)
            assert 0 < found <= claimed(kind, network, reference, radii, x)


@pytest.mark.parametrize("kind", ["1inf", "fro"])
@pytest.mark.parametrize("make", [conv_chain, dilated, overlapping, circular])
def test_no_convolution_around_a_reference_passes_it(kind, make):
    network = make(0)
    radii = [1.0] * len(list(network.layers()))
    reference, x = reference_for(network), sample(network, 6)
    found = attained(kind, network, reference, radii, x, steps=25)
    assert 0 < found <= claimed(kind, network, reference, radii, x)


@pytest.mark.parametrize("kind", ["1inf", "fro"])
@pytest.mark.parametrize("width", [2, 40])
def test_a_moving_first_layer_below_a_wide_fixed_sum(kind, width):
    """The last layer adds all units up: N = width. For 1inf this is nearly attained."""
    network = mlp((2, width, 1), 0, 1.0)
    first, last = network.layers()
    reference = {
        f"{first.name}.weight": torch.zeros_like(first.weight),
        f"{last.name}.weight": torch.ones_like(last.weight),
    }
    x = sample(network, 20)
    found = attained(kind, network, reference, (1.0, 0.0), x, draws=8)
    ratio = found / claimed(kind, network, reference, (1.0, 0.0), x)
    assert (0.1 if kind == "1inf" else 0.01) < ratio <= 1


def test_contraction_needs_the_shift_of_one_unit_only():
    """One step of the proof: E sup_t sum xi_i (relu(t_i + a_i) - relu(a_i)) <= E sup_t sum xi_i t_i over any set."""
    random = torch.Generator().manual_seed(0)
    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 8).double()
    for _ in range(50):
        points = torch.randn(30, 8, generator=random, dtype=torch.float64)
        shift = 2 * torch.randn(8, generator=random, dtype=torch.float64)
        moved = (points + shift).relu() - shift.relu()
        left, right = ((signs @ kept.T).amax(1).mean() for kept in (moved, points))
        assert left <= right + 1e-12


# ------------------------------------------------------------------------------- ledger and report


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("margin", [None, 0.7])
def test_norms_and_distances_are_paid_for_one_by_one(name, margin):
    network = mlp((6, 5, 4, 3), 0)
    x = sample(network, 100)
    margins = torch.linspace(-1, 40, 100).double()
    problem = problem_for(network, x, margins, reference=reference_for(network), margin=margin)
    outcome = registry[name].compute(problem)
    assert sorted(outcome.numbers) == [
        "distance.layer0", "distance.layer1", "distance.layer2", "norm.layer0", "norm.layer1",
    ]  # fmt: skip
    risk = evaluate(registry[name], problem).risk
    points = {number: grid_above(value) for number, value in outcome.numbers.items()}
    gamma = round(-math.log(risk.margin) / LOG_STEP)
    price = sum(log2_weight(k) for k in [*points.values(), gamma])
    above = math.exp(outcome.log_margins({number: k * LOG_STEP for number, k in points.items()}))
    error = float((margins <= risk.margin).double().mean())
    total = error + 2 / risk.margin * above
    total += 2 * math.sqrt((math.log(1 / 0.05) + price * math.log(2)) / 200)
    assert math.exp(risk.log_value) == pytest.approx(total, rel=1e-9)
    assert risk.log_complexity == outcome.log_complexity(outcome.numbers)
    assert (margin is None) or risk.margin <= margin


def test_it_is_one_of_the_bounds_that_others_are_compared_with():
    network = mlp((6, 5, 4, 3), 0)
    problem = problem_for(network, sample(network, 30), torch.ones(30).double(), spectral=True)
    results = evaluate_all(registry.values(), problem)
    ratios = {name: result.log_ratio for name, result in results.items() if result.log_ratio is not None}
    product = [name for name in ratios if name.startswith(("golowich", "neyshabur", "gouk"))]
    assert len(product) == 6 and min(ratios[name] for name in product) == 0.0


def test_the_bias_of_the_last_layer_counts_by_what_it_moved():
    s = Sketch((3, 1, 1))
    s.linear(s.relu(s.linear(0, 4)), 2, bias=True)
    network = s.network()
    outcome = registry["gouk2021_fro"].compute(problem_for(network, sample(network)))
    assert outcome.published is None and "bias.layer1" not in outcome.numbers
    assert {"shift.layer1", "distance.layer1"} <= outcome.numbers.keys()
