"""Against the public code of Graf et al.: equal where that code is right, and by how much where it is not."""

from __future__ import annotations

import math
from dataclasses import replace

import excess_capacity as released
import pytest
import torch
from distance_twins import entries, filter_norms, kernel_two_one, patch_norms, spectral_norms
from twins import Sketch, problem_for, sample, toeplitz_matrices

from boundcalc.bounds.catalogue import registry
from boundcalc.bounds.evaluate import evaluate_all

GAMMA = 0.01
N = 40


def cnn(kernel):
    """Two convolutions, the second down to one position, and a classifier."""
    s = Sketch((2, 4, 4), 5, 1.0)
    at = s.relu(s.conv(0, 3, kernel, padding=kernel // 2))
    at = s.relu(s.conv(at, 4, 4, stride=4))
    s.linear(at, 3)
    return s.network()


@pytest.fixture(params=[1, 3], ids=["1x1", "3x3"])
def case(request):
    network = cnn(request.param)
    x = 2 * sample(network, N)
    starts = {
        f"{layer.name}.weight": torch.randn(
            layer.weight.shape, generator=torch.Generator().manual_seed(i), dtype=torch.float64
        )
        for i, layer in enumerate(network.layers())
    }
    patches = tuple(patch_norms(network, x))
    problem = problem_for(network, x, spectral=True, reference=starts, patches=patches, margin=GAMMA)
    return network, x, problem, request.param


def run_of(case, margin=GAMMA):
    network, x, problem, kernel = case
    rows = []
    geometry = [(4, 1, kernel), (4, 4, 4), (1, 1, 1)]
    for layer, lip, (width, stride, side) in zip(
        network.layers(), problem.chain.spectral, geometry, strict=True
    ):
        moved = layer.weight - problem.reference[f"{layer.name}.weight"]
        rows.append(
            released.Layer(
                lip, width, stride, side, layer.weight.shape[1], layer.weight.numel(), entries(layer.weight),
                float(layer.weight.abs().sum((1, 2, 3)).max()), kernel_two_one(moved), filter_norms(moved),
                entries(moved), float(moved.abs().sum((1, 2, 3)).max()),
            )
        )  # fmt: skip
    flat = x.flatten(1)
    norms = float(flat.norm()), float(flat.norm(dim=0).max()), float(flat.abs().max())
    return released.Run(tuple(rows), N, network.outputs, margin, *norms)


def own(case, name):
    outcome = registry[name].compute(case[2])
    outcome = getattr(outcome, "published", None) or outcome
    if hasattr(outcome, "log_rho"):
        return math.exp(outcome.log_rho + outcome.log_unit)
    if registry[name].kind == "F":
        return math.exp(outcome.log_complexity(outcome.numbers))
    return math.exp(outcome.log_complexity(outcome.numbers, math.log(GAMMA)))


def test_lin_agrees(case):
    assert own(case, "lin2019") == pytest.approx(released.lin(run_of(case)), rel=1e-9)


def test_ours_norms_agrees_up_to_the_harmonic_number_and_ceilings(case):
    run = run_of(case)
    pieces = [run.capacity(layer, layer.d21) ** (2 / 3) for layer in run.layers]
    whole = (sum(map(math.ceil, pieces)) / sum(pieces)) ** 1.5
    harmonic = sum(1 / k for k in range(1, N)) / math.log(N)
    expected = 4 / N + (released.ours_norms(run) - 4 / N) * whole * harmonic
    assert own(case, "graf2022_norms") == pytest.approx(expected, rel=1e-9)
    assert 1 < whole < 1.01


def test_ours_params_agrees_up_to_psi_that_it_does_not_multiply(case):
    run = run_of(case)
    missing = sum(2 * layer.parameters * 2.7 - 2 for layer in run.layers) * 144 / N
    expected = math.sqrt(released.ours_params(run) ** 2 + missing)
    assert own(case, "graf2022_params") == pytest.approx(expected, rel=1e-5)
    assert released.ours_params(run) < expected


def test_golowich_fro_agrees_without_padding(case):
    value = released.golowich_fro(run_of(case))
    if case[3] == 1:
        assert own(case, "golowich2018_fro") == pytest.approx(value, rel=1e-9)
    else:
        assert 0.5 * value < own(case, "golowich2018_fro") < value


def test_golowich_1inf_agrees_once_the_norm_is_squared(case):
    run = run_of(case)
    repaired = released.golowich_1inf(run) * math.sqrt(run.coordinate)
    assert own(case, "golowich2018_1inf") == pytest.approx(repaired, rel=1e-9)
    assert run.coordinate > 1 and released.golowich_1inf(run) < own(case, "golowich2018_1inf")


def test_neyshabur_differs_by_known_factors(case):
    run = run_of(case)
    if case[3] == 1:
        assert own(case, "neyshabur2015_fro") == pytest.approx(math.sqrt(2) * released.neyshabur_fro(run))
    data = math.sqrt(2) * run.largest * math.sqrt(N) / run.coordinate
    assert own(case, "neyshabur2015_1inf") * data == pytest.approx(released.neyshabur_1inf(run))
    assert data > 1


def test_bartlett_has_a_distance_that_is_too_small_and_a_smaller_constant(case):
    network, _, problem, _ = case
    run = run_of(case)
    after = [4, 1, 1]
    moved = [
        matrix - start
        for matrix, start in zip(toeplitz_matrices(network), starts_of(network, problem), strict=True)
    ]
    exact = [float(matrix.norm(dim=1).sum()) for matrix in moved]
    taken = [layer.d21 * width**2 / layer.kernel for layer, width in zip(run.layers, after, strict=True)]
    assert taken[1] < exact[1] * 0.999
    assert taken[2] == pytest.approx(exact[2])
    repaired = sum(
        run.capacity(layer, distance) ** (2 / 3) for layer, distance in zip(run.layers, exact, strict=True)
    )
    width = max(matrix.numel() for matrix in moved)
    value = 4 / N + 12 * math.log(N) / math.sqrt(N) * math.sqrt(math.log(2 * width)) * repaired**1.5
    assert own(case, "bartlett2017") == pytest.approx(value, rel=1e-9)
    assert released.bartlett(run) < value


def starts_of(network, problem):
    from distance_twins import referred

    return toeplitz_matrices(referred(network, problem.reference))


def test_ledent_agrees_once_b_counts_once_and_no_end_is_left_out(case):
    run, patches = run_of(case), list(case[2].patches)
    value = released.ledent_main(run, patches, repaired=True)
    assert own(case, "ledent2021") == pytest.approx(value, rel=1e-9)
    assert released.ledent_main(run, patches) != pytest.approx(value, rel=0.01)


def test_ledent_overwrites_a_constant_that_other_bounds_read(case):
    run = run_of(case)
    last = list(case[0].layers())[-1].weight
    overwritten = replace(run.layers[-1], lip=max(entries(one) for one in last))
    after = replace(run, layers=(*run.layers[:-1], overwritten))
    assert overwritten.lip < spectral_norms(case[0])[-1]
    assert released.ours_norms(after) < released.ours_norms(run)


def test_gouk_1inf_is_above_the_bound_derived_here(case):
    assert own(case, "gouk2021_1inf") < released.gouk_1inf(run_of(case))


def test_a_misclassified_sample_gives_nan_there_and_a_value_here(case):
    network, x, problem, _ = case
    for formula in (released.ours_norms, released.bartlett, released.lin):
        assert math.isnan(formula(run_of(case, margin=-0.5)))
    margins = torch.cat([torch.tensor([-0.5]), torch.ones(N - 1)]).double()
    results = evaluate_all(registry.values(), replace(problem, margins=margins))
    risk = {name: result.risk for name, result in results.items()}
    for name in (
        "graf2022_norms",
        "graf2022_params",
        "ledent2021",
        "lin2019",
        "gouk2021_1inf",
        "gouk2021_fro",
    ):
        assert math.isfinite(risk[name].log_value)
        assert risk[name].terms["margin_error"] == pytest.approx(1 / N)
