"""The classes that are attacked are those that the bounds speak of, and the networks found lie in them."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
import torch

from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.candidates import Architecture
from boundcalc.bounds.catalogue import registry
from boundcalc.bounds.classes import NormBalls, Scale, parts_of
from boundcalc.bounds.evaluate import evaluate
from boundcalc.bounds.outcome import Margins, NormComplexity
from boundcalc.network.forward import run
from boundcalc.theory.falsify import falsify, measured
from boundcalc.theory.falsify_ascent import Effort, NormBallClass, attackable, reach, target
from boundcalc.theory.falsify_blueprint import Drafter
from boundcalc.theory.falsify_draw import EDGES, Case, draw
from boundcalc.theory.falsify_margins import margin_target
from boundcalc.threads import one_thread

SCALED = [bound for bound in registry.values() if isinstance(bound.hypotheses, Scale)]
BALLED = [bound for bound in registry.values() if isinstance(bound.hypotheses, NormBalls)]
CASES = [
    draw(seed, trial)
    for seed, trial in itertools.product((0, 1), (*range(0, 40, 2), *range(19, 60, 4), *range(61, 80, 4)))
]


@pytest.fixture(autouse=True, scope="module")
def quick():
    with one_thread():
        yield


def test_every_bound_that_is_no_score_declares_its_class_or_certifies_an_error():
    for bound in registry.values():
        assert (bound.hypotheses is not None) == (bound.kind in {"F", "loss"}), bound.name


def test_many_networks_at_once_are_the_network():
    for case in CASES:
        network = case.blueprint.network(case.weights)
        own = Architecture(network).own()
        torch.testing.assert_close(own.outputs(case.x.flatten(1))[0], run(network, case.x))


@pytest.mark.parametrize("bound", SCALED, ids=lambda bound: bound.name)
def test_the_class_has_the_number_that_the_bound_computes(bound):
    compared = 0
    for case in CASES:
        problem = case.problem()
        outcome = evaluate(bound, problem).outcome
        if not isinstance(outcome, NormComplexity):
            continue
        network = bound.hypotheses.seen(problem.network)
        number = float(bound.hypotheses.log_number(Architecture(network).own(), outcome.terms))
        overlapping = any(step["op"] == "avg" and step.get("stride") == 1 for step in case.blueprint.steps)
        room = 0.5 if overlapping and "1inf" in bound.name else 1e-7
        if outcome.log_rho == -math.inf:  # the network is 0, and the class's own number has a floor
            assert number < -30
            continue
        assert outcome.log_rho - room <= number <= outcome.log_rho + 1e-7
        compared += 1
    assert compared > 10 or bound.name == "galanti2023"


@pytest.mark.parametrize("bound", BALLED, ids=lambda bound: bound.name)
def test_networks_found_are_inside(bound):
    compared = 0
    for case in CASES:
        problem = case.problem()
        outcome = evaluate(bound, problem).outcome
        if outcome is None or not attackable(bound, case, problem):
            continue
        around = case if bound.hypotheses.reference else Case(**{**vars(case), "reference": {}})
        balls = NormBallClass(bound.hypotheses, outcome, problem, around)
        random = torch.Generator().manual_seed(0)
        leaves = {
            index: [
                5 * torch.randn(7, *tensor.shape, generator=random, dtype=torch.float64)
                for tensor in (layer.weight, layer.bias)
                if tensor is not None and (bound.hypotheses.biases or tensor is layer.weight)
            ]
            for index, layer in balls.architecture.layers.items()
        }
        found = balls._norms(parts_of(balls._with_starts_taken(balls.networks(leaves)), balls.constant))
        for name, sizes in found.items():
            assert float((sizes / balls.radii[name]).max()) <= 1 + 1e-9, (name, case.words)
        for number, network in enumerate(_each(case, balls, leaves)):
            own = evaluate(bound, Case(**{**vars(case), "weights": network}).problem()).outcome
            for name, value in own.numbers.items():
                if name.startswith("spectral."):
                    continue
                assert value <= balls.numbers[name] + 1e-6, (number, name, case.words)
        compared += 1
    assert compared > 5


def _each(case, balls, leaves):
    found = balls.networks(leaves)
    for one in range(3):
        weights = {}
        for index, (kernel, bias) in found.kernels.items():
            name = balls.architecture.layers[index].name
            weights[f"{name}.weight"] = kernel[one].detach()
            if bias is not None:
                weights[f"{name}.bias"] = bias[one].detach()
            elif f"{name}.bias" in case.weights:
                weights[f"{name}.bias"] = torch.zeros_like(case.weights[f"{name}.bias"])
        yield weights


@pytest.mark.parametrize("outputs", [1, 2])
def test_linear_classes_are_attained_in_closed_form(outputs):
    """E ||sum_i xi_i x_i^T||_F for Euclidean norms; sums of row maxima for l1 norms of rows; the largest entry for the path norm."""
    draft = Drafter((3, 1, 1))
    draft.linear(0, outputs)
    random = torch.Generator().manual_seed(4)
    x = torch.randn(2, 3, 1, 1, generator=random, dtype=torch.float64)
    weights = {"layer0.weight": torch.randn(outputs, 3, 1, 1, generator=random, dtype=torch.float64)}
    case = Case(draft.blueprint(), weights, x, torch.zeros(2, dtype=torch.int64), 1.0)
    signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=2 * outputs)), dtype=torch.float64)
    correlations = signs.reshape(-1, 2, outputs).transpose(1, 2) @ x.flatten(1)
    w = weights["layer0.weight"].flatten(1)
    expected = {
        "golowich2018_fro": w.norm() * correlations.norm(dim=(1, 2)).mean(),
        "golowich2018_1inf": w.abs().sum(1).max() * correlations.abs().amax(2).sum(1).mean(),
        "path_norm": w.abs().sum() * correlations.abs().amax((1, 2)).mean(),
    }
    for name, value in expected.items():
        found = target(registry[name], case, case.problem())
        result = measured(name, case, found, 0, 0, 0, Effort())
        assert (result.error, result.draws) == (0.0, 4**outputs)
        assert result.mean == pytest.approx(float(value) / 2, rel=2e-2 if name == "path_norm" else 2e-3)
        assert result.mean <= float(value) / 2 * (1 + 1e-12)


def test_more_ascent_attains_no_less():
    case = draw(3, len(EDGES) + 1)
    found = target(registry["path_norm"], case, case.problem())
    signs = torch.ones(4, *found.signs_shape, dtype=torch.float64)
    few, many = (reach(found, signs, Effort(steps), torch.Generator().manual_seed(0)) for steps in (0, 30))
    assert bool((many >= few).all()) and float(many.sum()) > 0


def test_cases_come_back_from_their_plain_values():
    for case in CASES[:20:5]:
        again = Case.of(case.to_dict())
        assert again.words == case.words and torch.equal(again.x, case.x)
        for name in registry:
            first, second = (evaluate(registry[name], one.problem()).risk for one in (case, again))
            assert (first is None) == (second is None)
            assert (
                first is None
                or first.log_complexity == second.log_complexity
                or math.isnan(first.log_complexity)
            )


def test_the_first_cases_are_the_edges():
    words = [draw(5, trial).words for trial in range(len(EDGES))]
    assert words[0].startswith("1x1x1 > linear 1") and "m 1 " in words[0]
    assert any("m 5 repeated" in text for text in words)
    assert any("conv 1x1 to 1" in text for text in words)
    assert any("linear 16" in text for text in words)


@pytest.mark.parametrize(
    "name",
    ["peeling", "path_norm", "golowich2018_fro", "neyshabur2015_1inf", "gouk2021_1inf", "gouk2021_fro"],
)
def test_what_is_claimed_of_margins_is_attacked_and_holds(name: str) -> None:
    attacked = 0
    for trial in (*range(12), *range(19, 40, 4)):
        case = draw(3, trial)
        found = margin_target(registry[name], case, case.problem())
        if found is None:
            continue
        attacked += 1
        one = measured(name, case, found, trial, 3, 6, Effort(steps=5))
        assert 0 < one.mean - 6 * one.error <= one.claimed * (1 + 1e-9) or one.mean <= one.claimed
    assert attacked


def test_a_claim_of_margins_that_is_too_small_is_refuted() -> None:
    def halved(problem: BoundInputs) -> NormComplexity:
        found = registry["path_norm"].compute(problem)
        margins = Margins(found.margins.log_rho, found.margins.log_unit - math.log(8))
        return replace(found, margins=margins)

    false = replace(registry["path_norm"], compute=halved)
    attack = falsify([false], trials=8, seed=1).attacks[0]
    assert any(one.of_margins for one in attack.violations)
    assert not any(one.violated and not one.of_margins for one in attack.violations)
    assert attack.margins and attack.tightest_margins.ratio < 1
