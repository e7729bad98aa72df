"""Attack what a bound claims about margins: E sup sum_i xi_i (f_{y_i}(x_i) - max_{c != y_i} f_c(x_i)) over the class.

Margins do not change when the same function is subtracted from every output. The attack is therefore made on the network that
the bound measures: one output for two classes, where the signs of the labels are absorbed in the xi_i, and centered
rows for more.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.candidates import Architecture
from boundcalc.bounds.catalogue import Bound
from boundcalc.bounds.classes import NormBalls, Scale
from boundcalc.bounds.evaluate import evaluate
from boundcalc.bounds.margin_networks import same_margins
from boundcalc.bounds.outcome import ClassComplexity, NormComplexity, Terms
from boundcalc.empirical.measure import margins_of
from boundcalc.network.network import Network
from boundcalc.theory.falsify_ascent import SMALLEST, Leaves, NormBallClass, Target, kernels_of, masks_of
from boundcalc.theory.falsify_draw import Case


def margin_target(bound: Bound, case: Case, problem: BoundInputs) -> Target | None:
    """Return the target of an attack on what a bound claims about margins.

    Args:
        bound: the bound.
        case: network and sample.
        problem: the same case as input of the bounds.

    Returns:
        The target; None if the bound makes no separate claim about margins, does not cover the network, or claims 0
        or infinity.
    """
    hypotheses, outcome = bound.hypotheses, evaluate(bound, problem).outcome
    if isinstance(hypotheses, NormBalls) and isinstance(outcome, ClassComplexity):
        return _in_balls(hypotheses, outcome, case, problem)
    if (
        not isinstance(hypotheses, Scale)
        or not isinstance(outcome, NormComplexity)
        or outcome.margins is None
    ):
        return None
    log_rho, m = outcome.margins.log_rho, len(case.x)
    claimed = math.exp(min(log_rho + outcome.margins.log_unit, 700.0))
    if not SMALLEST < claimed < math.inf:
        return None
    network = same_margins(hypotheses.seen(problem.network), "mean")
    architecture, terms = Architecture(network), _terms(outcome.terms, network)
    x = case.x.flatten(1)

    def values(leaves: Leaves, signs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        networks = architecture.with_weights(kernels_of(leaves))
        reached = (_margins(networks.outputs(x), case.y) * signs[:, :, 0]).sum(1)
        size = hypotheses.log_number(networks, terms)
        return reached.clamp(min=0) * (log_rho - size).exp(), reached * (-size).exp()

    def directions(signs: torch.Tensor) -> torch.Tensor:
        if network.outputs == 1:
            return signs
        wanted = torch.nn.functional.one_hot(case.y, network.outputs).double()
        return signs * (wanted - 1 / network.outputs)

    masks = masks_of(architecture, hypotheses.masked(outcome.terms), hypotheses.biases)
    return Target(claimed, m, (m, 1), masks, values, architecture, x, directions)


def _in_balls(
    hypotheses: NormBalls, outcome: ClassComplexity, case: Case, problem: BoundInputs
) -> Target | None:
    """Return the target for a class around a reference.

    The margins of the reference are subtracted; their sum with random signs has mean 0.
    """
    if outcome.log_margins is None:
        return None
    around = case if hypotheses.reference else replace(case, reference={})
    balls, m = NormBallClass(hypotheses, outcome, problem, around), len(case.x)
    claimed, fixed = (
        math.exp(min(outcome.log_margins(balls.numbers), 700.0)),
        _margins(balls.at_start(), case.y),
    )
    if not SMALLEST < claimed < math.inf:
        return None

    def values(leaves: Leaves, signs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        moved = _margins(balls.networks(leaves).outputs(balls.x), case.y) - fixed
        reached = (moved * signs[:, :, 0]).sum(1)
        return reached.clamp(min=0), reached

    masks = masks_of(balls.architecture, False, hypotheses.biases)
    wanted = torch.nn.functional.one_hot(case.y, max(2, problem.network.outputs)).double() - 0.5
    directions = None if problem.network.outputs == 1 else (lambda signs: signs * wanted)
    return Target(claimed, m, (m, 1), masks, values, balls.architecture, balls.x, directions)


def _terms(terms: Terms, network: Network) -> Terms:
    """Return the terms for the network whose margins are measured: its output may be measured in a norm of its own."""
    norm = terms.get("output_norm_of_margins")
    if norm is None:
        return terms
    last = list(terms["split"])[-1]
    group = network.outputs if norm == "l1 over units" else 1
    return {
        **terms,
        "split": {**terms["split"], last: group},
        "norms": {**terms["norms"], last: "l2" if norm == "l2" else "l1"},
    }


def _margins(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the margins of B networks with outputs (B, m, C); if C = 1 the output itself, because the xi_i absorb its sign."""
    if outputs.shape[2] == 1:
        return outputs[:, :, 0]
    found = margins_of(outputs.flatten(0, 1), labels.repeat(len(outputs)))
    return found.unflatten(0, outputs.shape[:2])
