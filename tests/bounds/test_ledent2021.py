"""Ledent et al. 2021 and the score after Long & Sedghi 2020 against loops; patch norms against patches cut out one by one."""

from __future__ import annotations

import math

import pytest
import torch
from distance_twins import (
    CHAINS,
    entries,
    feeding_norms,
    filter_norms,
    ledent,
    patch_norms,
    pooled_input,
    reference_for,
)
from peeling_networks import grouped, max_pooled, projection_skips
from twins import Sketch, mlp, problem_for, sample, toeplitz_matrices

from boundcalc.bounds.catalogue import registry
from boundcalc.bounds.distances import weight_minus_init
from boundcalc.bounds.evaluate import evaluate
from boundcalc.bounds.ledent2021 import patch_numbers
from boundcalc.empirical.datasets import open_data
from boundcalc.empirical.energies import declared
from boundcalc.empirical.measure import measure
from boundcalc.empirical.patches import PatchNorms
from boundcalc.network.forward import run


def measured(network, x):
    seen = PatchNorms(network)
    outputs = run(network, x, seen)
    assert torch.equal(outputs, run(network, x))
    return seen.norms()


@pytest.mark.parametrize("make", [*CHAINS, grouped, max_pooled, projection_skips])
def test_patch_norms(make):
    network = make(2)
    x = sample(network, 4)
    expected = patch_norms(network, x)
    found = measured(network, x)
    assert found == pytest.approx(expected, rel=1e-11)
    assert all(own >= slow for own, slow in zip(found, expected, strict=True))


def test_patch_norms_of_a_whole_data_set_come_with_the_margins():
    sketch = Sketch((1, 8, 8), 0)
    sketch.linear(sketch.relu(sketch.conv(0, 3, 3, padding=1)), 10)
    network = sketch.network()
    found = measure(network, open_data("digits"))
    images = torch.cat([torch.from_numpy(x) for x, _ in open_data("digits").train.batches(700)])
    images = images.reshape(-1, 1, 8, 8)
    windows = torch.nn.functional.unfold(images, 3, padding=1)
    assert found.patches[0] == pytest.approx(float(windows.norm(dim=1).max()), rel=1e-11)
    weight = next(network.layers()).weight
    hidden = torch.nn.functional.conv2d(images, weight, padding=1).relu()
    assert found.patches[1] == pytest.approx(float(hidden.flatten(1).norm(dim=1).max()), rel=1e-11)
    assert len(found.patches) == 2 and found.margins.numel() == len(images)


@pytest.mark.parametrize("make", CHAINS)
@pytest.mark.parametrize("refer", [False, True])
def test_ledent(make, refer):
    network = make(3)
    x = 3 * sample(network, 12)
    reference = reference_for(network) if refer else {}
    patches = measured(network, x)
    problem = problem_for(network, x, spectral=True, reference=reference, patches=patches)
    outcome = registry["ledent2021"].compute(problem)
    layers = list(network.layers())
    kernels = [weight_minus_init(problem, layer) for layer in layers]
    distances = [filter_norms(kernel) for kernel in kernels[:-1]] + [entries(kernels[-1])]
    positions = [layer.shape[1] * layer.shape[2] for layer in layers]
    channels = [layer.shape[0] for layer in layers]
    for gamma in (1e-3, 1.0, 50.0):
        expected = ledent(
            problem.chain.spectral, distances, patch_norms(network, x), positions, channels, 12, gamma
        )
        found = math.exp(outcome.log_complexity(outcome.numbers, math.log(gamma)))
        assert expected * (1 - 1e-12) <= found <= expected * (1 + 1e-9) * (1.1 if averages_up(network) else 1)
    assert outcome.terms["patch_norms_are"] == "measured on the training data"
    assert registry["ledent2021"].status == "published"


def averages_up(network):
    return any(norm > 1 for norm in feeding_norms(network))


@pytest.mark.parametrize("make", CHAINS)
def test_without_data_patches_are_bounded_by_norms(make):
    network = make(4)
    x = sample(network, 30).clamp(-1, 1)
    without = problem_for(network, declared(30, 1.0, network.nodes[0].shape), spectral=True)
    names = [layer.name for layer in network.layers()]
    claimed = patch_numbers(without, registry["ledent2021"].compute(without).numbers)
    for name, norm in zip(names, measured(network, x), strict=True):
        assert norm <= math.exp(claimed[f"patch.{name}"]) * (1 + 1e-11)
    first = next(network.layers())
    if make not in {pooled_input}:
        corner = torch.ones(1, *network.nodes[0].shape, dtype=torch.float64)
        assert math.exp(claimed[f"patch.{first.name}"]) == pytest.approx(
            measured(network, corner)[0], rel=1e-9
        )
    outcome = registry["ledent2021"].compute(without)
    assert outcome.terms["patch_norms_are"] == "from above"
    assert math.isfinite(evaluate(registry["ledent2021"], without).risk.log_value)


def test_patch_norms_are_paid_for_on_their_own_grid():
    network = mlp((6, 5, 4, 3), 0)
    x = sample(network, 40)
    given = problem_for(
        network, x, torch.ones(40).double(), spectral=True, patches=measured(network, x), margin=1.0
    )
    outcome = registry["ledent2021"].compute(given)
    assert {name for name in outcome.numbers if name.startswith("patch.")} == {
        "patch.layer0", "patch.layer1", "patch.layer2",
    }  # fmt: skip
    from boundcalc.bounds.risk import grid_above, log2_weight

    price = sum(log2_weight(grid_above(number)) for number in outcome.numbers.values())
    risk = evaluate(registry["ledent2021"], given).risk
    assert risk.terms["choice_bits"] == pytest.approx(price)


def test_a_layer_that_reads_only_zeros_has_threshold_one():
    s = Sketch((4, 1, 1), 0, 1.0)
    dead = -torch.ones(3, 4, 1, 1, dtype=torch.float64)
    s.linear(s.relu(s.affine(0, dead)), 2)
    network = s.network()
    x = sample(network, 10).abs()
    problem = problem_for(network, x, spectral=True, patches=measured(network, x))
    assert problem.patches[1] == 0.0
    outcome = registry["ledent2021"].compute(problem)
    assert outcome.terms["patch_norms"]["layer1"] == pytest.approx(1.0)
    assert math.isfinite(outcome.log_complexity(outcome.numbers, 0.0))


# ------------------------------------------------------------------------------- Long & Sedghi


@pytest.mark.parametrize("refer", [False, True])
@pytest.mark.parametrize("make", CHAINS)
def test_long_and_sedghi(make, refer):
    network = make(3)
    reference = reference_for(network) if refer else {}
    problem = problem_for(network, sample(network, 12), spectral=True, reference=reference, delta=0.1)
    from distance_twins import referred

    starts = toeplitz_matrices(referred(network, reference))
    distances = [
        float(torch.linalg.matrix_norm(matrix - start, 2))
        for matrix, start in zip(toeplitz_matrices(network), starts, strict=True)
    ]
    weights = sum(layer.weight.numel() for layer in network.layers())
    expected = math.sqrt((weights * sum(distances) + math.log(10)) / 12)
    found = math.exp(registry["longsedghi2020"].compute(problem).log_score)
    assert expected * (1 - 1e-9) <= found <= expected * 1.3


def test_a_score_has_no_value_and_is_never_vacuous_nor_the_best_bound():
    from boundcalc.bounds.evaluate import proved
    from boundcalc.parts.bounds import bound_tree

    network = mlp((6, 5, 3), 0)
    problem = problem_for(network, sample(network, 12), torch.ones(12).double(), spectral=True)
    result = evaluate(registry["longsedghi2020"], problem)
    tree = bound_tree(result)
    assert tree["status"] == tree["kind"] == "score"
    assert tree["complexity"] > 0
    assert tree["value"] is None and tree["log10_value"] is None and tree["margin"] is None
    assert tree["vacuous"] is False and tree["ratio"] is None
    assert "says nothing about the error" in tree["reason"]
    assert proved([result], "network") == []
