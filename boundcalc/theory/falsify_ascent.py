"""Search a class for the largest correlation with given signs: closed-form starts, then gradient ascent with restarts.

Every value found is attained by a network of the class, so that its mean over signs is at most the complexity,
no matter what the ascent missed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from boundcalc.adam import Adam
from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.candidates import Architecture, Candidates, Kernels, affine_nodes
from boundcalc.bounds.catalogue import Bound
from boundcalc.bounds.classes import LayerBatch, NormBalls, Scale, parts_of
from boundcalc.bounds.distances import unbiased
from boundcalc.bounds.evaluate import evaluate
from boundcalc.bounds.outcome import ClassComplexity, Formula, LossComplexity, NormComplexity, Terms
from boundcalc.empirical.measure import margins_of
from boundcalc.errors import NotCovered
from boundcalc.theory.falsify_draw import Case

RESTARTS = 4
SMALLEST = 1e-12
"""Claims below this count as 0."""
RATE = 0.1

Leaves = dict[int, list[torch.Tensor]]
Values = Callable[[Leaves, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""Leaves and signs -> the attained values and the objective of the ascent, each (count,)."""


@dataclass(frozen=True)
class Effort:
    """Effort spent on the search.

    Attributes:
        steps: ascent steps; with 0 only the starts are evaluated.
        restarts: starts per draw of signs.
    """

    steps: int = 25
    restarts: int = RESTARTS


@dataclass(frozen=True, eq=False)
class Target:
    """A claimed complexity and how to attack it.

    Attributes:
        claimed: R_S or R that the bound claims for the class around the drawn network.
        m: number of samples.
        signs_shape: (m, outputs) for kind F, (m, 1) for a loss class.
        masks: index of a layer -> masks of its weights and, where biases move, of its biases.
        values: leaves, signs (count, m, outputs) -> attained sums over the sample (count,) and the ascended objective (count,).
        architecture: architecture of the networks.
        x: sample, (m, input units).
        directions: signs -> directions for the outputs at the starts, (count, m, outputs); None for the signs themselves.
    """

    claimed: float
    m: int
    signs_shape: tuple[int, int]
    masks: dict[int, list[torch.Tensor]]
    values: Values
    architecture: Architecture
    x: torch.Tensor
    directions: Callable[[torch.Tensor], torch.Tensor] | None = None


def target(bound: Bound, case: Case, problem: BoundInputs) -> Target:
    """Evaluate a bound on a case and return the target of the attack.

    Args:
        bound: the bound.
        case: network and sample.
        problem: the same case as input of the bounds.

    Raises:
        NotCovered: the bound does not cover the network, claims 0 or infinity, or its class does not fit its outcome.
    """
    hypotheses = bound.hypotheses
    if not attackable(bound, case, problem):
        raise NotCovered("patch norms are attacked on chains without biases and reference")
    result = evaluate(bound, problem)
    if result.outcome is None:
        raise NotCovered(result.reason.removeprefix("not covered: "))
    match hypotheses, result.outcome:
        case Scale(), NormComplexity() | Formula():
            found = _scaled(hypotheses, result.outcome, problem, case)
        case NormBalls(), LossComplexity() | ClassComplexity():
            around = case if hypotheses.reference else replace(case, reference={})
            found = _in_balls(hypotheses, result.outcome, problem, around)
        case _:
            raise NotCovered(f"{bound.name} declares no class that fits its outcome")
    if not SMALLEST < found.claimed < math.inf:
        raise NotCovered("a claim of 0 or infinity")
    return found


def attackable(bound: Bound, case: Case, problem: BoundInputs) -> bool:
    """Return whether networks can be moved into the class of a bound.

    A class with patch norms is supported only on a chain without biases and without a reference: the projection relies on
    scaling a layer scaling all patches above it by the same factor; in a graph, sums of patches do not scale by one factor.

    Args:
        bound: the bound.
        case: network and sample.
        problem: the same case as input of the bounds.
    """
    if not (isinstance(bound.hypotheses, NormBalls) and bound.hypotheses.patches):
        return True
    if case.reference:
        return False
    try:
        unbiased(problem)
    except NotCovered:
        return False
    return True


# ---------------------------------------------------------------------------------------- one number


def _scaled(hypotheses: Scale, outcome: NormComplexity | Formula, problem: BoundInputs, case: Case) -> Target:
    architecture = Architecture(hypotheses.seen(problem.network))
    number = float(_own_number(hypotheses, architecture, outcome.terms))
    log_claimed = (
        outcome.log_rho + outcome.log_unit if isinstance(outcome, NormComplexity) else outcome.log_complexity
    )
    x = case.x.flatten(1)

    def values(leaves: Leaves, signs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        networks = architecture.with_weights(kernels_of(leaves))
        reached = (networks.outputs(x) * signs).sum((1, 2)).abs()
        sizes = hypotheses.log_number(networks, outcome.terms)
        log_reached = (reached + 1e-300).log() - sizes
        return (log_reached + number).exp(), (reached + 1e-12).log() - sizes

    masks = masks_of(architecture, hypotheses.masked(outcome.terms), hypotheses.biases)
    m = len(case.x)
    claimed = float(torch.tensor(log_claimed, dtype=torch.float64).exp())
    return Target(claimed, m, (m, problem.network.outputs), masks, values, architecture, x)


def _own_number(hypotheses: Scale, architecture: Architecture, terms: Terms) -> torch.Tensor:
    kernels = {
        index: (
            layer.weight[None],
            layer.bias[None] if layer.bias is not None and hypotheses.biases else None,
        )
        for index, layer in architecture.layers.items()
    }
    return hypotheses.log_number(architecture.with_weights(kernels), terms)[0]


def masks_of(architecture: Architecture, masked: bool, biases: bool) -> dict[int, list[torch.Tensor]]:
    """Return, per layer index, masks of the weights and, if `biases`, of the biases that may move."""
    masks = {}
    for index, layer in architecture.layers.items():
        own = [layer.weight] + ([layer.bias] if layer.bias is not None and biases else [])
        masks[index] = [(tensor != 0).double() if masked else torch.ones_like(tensor) for tensor in own]
    return masks


def kernels_of(leaves: Leaves) -> Kernels:
    """Return the leaves as pairs of weights and biases."""
    return {index: (pair[0], pair[1] if len(pair) > 1 else None) for index, pair in leaves.items()}


# ---------------------------------------------------------------------------------------- several numbers


class NormBallClass:
    """Moves networks into the class of networks whose numbers are at most those of the drawn network."""

    def __init__(
        self,
        hypotheses: NormBalls,
        outcome: LossComplexity | ClassComplexity,
        problem: BoundInputs,
        case: Case,
    ) -> None:
        self.hypotheses, self.outcome = hypotheses, outcome
        self.architecture = Architecture(problem.network)
        self.x = case.x.flatten(1)
        self.constant = outcome.terms.get("constant") or 1.0
        self.starts = {
            index: case.reference.get(f"{layer.name}.weight", torch.zeros_like(layer.weight))[None]
            for index, layer in self.architecture.layers.items()
        }
        own = self.architecture.own()
        moved = self._with_starts_taken(own)
        self.radii = self._norms(parts_of(moved, self.constant))
        self.numbers = self._numbers(case)
        self.reads = [
            (self.architecture._places[index] < layer.weight.numel()).double()
            for index, layer in self.architecture.layers.items()
        ]

    def _with_starts_taken(self, own: Candidates) -> Candidates:
        return self.architecture.with_weights({
            index: (weight - self.starts[index], bias) for index, (weight, bias) in own.kernels.items()
        })  # fmt: skip

    def _norms(self, parts: list[LayerBatch]) -> dict[str, torch.Tensor]:
        return {
            f"{name}.{part.link.layer.name}": norm(part)
            for part in parts
            for name, norm in self.hypotheses.norms.items()
            if f"{name}.{part.link.layer.name}" in self.outcome.numbers
        }

    def _numbers(self, case: Case) -> dict[str, float]:
        """Return the logs of the class's numbers: the bound's own or, around a reference, upper limits that no move exceeds."""
        numbers = dict(self.outcome.numbers)
        if not case.reference:
            return numbers
        at_start = self.architecture.with_weights(
            {index: (start, None) for index, start in self.starts.items()}
        )
        for name, size in self._norms(parts_of(at_start, self.constant)).items():
            if not name.startswith("distance."):
                total = size[0] + self.radii[name][0]
                numbers[name] = float(total.log()) + 1e-12
        return numbers

    def networks(self, leaves: Leaves) -> Candidates:
        """Return the networks of the class that lie in the directions of the leaves."""
        moves = self.architecture.with_weights(kernels_of(leaves))
        sizes = self._norms(parts_of(moves, self.constant))
        kernels = {}
        for index, (weight, bias) in moves.kernels.items():
            name = self.architecture.layers[index].name
            shares = [
                self.radii[key] / (sizes[key] + 1e-14) for key in sizes if key.partition(".")[2] == name
            ]
            factor = torch.stack(shares).amin(0) if shares else torch.zeros(len(weight), dtype=torch.float64)
            moved = self.starts[index] + weight * factor[:, None, None, None, None]
            kernels[index] = moved, None if bias is None else bias * factor[:, None]
        found = self.architecture.with_weights(kernels)
        return self._within_patches(found) if self.hypotheses.patches else found

    def _within_patches(self, networks: Candidates) -> Candidates:
        values, layers = networks.values(self.x), list(self.architecture.layers.items())
        grown = torch.ones(1, dtype=torch.float64)
        kernels = dict(networks.kernels)
        for place, (index, _) in enumerate(layers[:-1]):
            following, layer = layers[place + 1]
            value = values[layer.inputs[0]]
            reach = (value.square() @ self.reads[place + 1].T).amax((1, 2)).clamp(min=0).add(1e-28).sqrt()
            limit = torch.tensor(self.outcome.numbers[f"patch.{layer.name}"], dtype=torch.float64).exp()
            factor = (limit / (reach * grown)).clamp(max=1.0)
            grown = grown * factor
            kernels[index] = kernels[index][0] * factor[:, None, None, None, None], None
        return self.architecture.with_weights(kernels)

    def at_start(self) -> torch.Tensor:
        """Return the outputs of the reference, (1, m, outputs)."""
        biases = {
            index: None if layer.bias is None else torch.zeros_like(layer.bias)[None]
            for index, layer in self.architecture.layers.items()
        }
        kernels = {index: (start, biases[index]) for index, start in self.starts.items()}
        return self.architecture.with_weights(kernels).outputs(self.x)


def _in_balls(
    hypotheses: NormBalls, outcome: LossComplexity | ClassComplexity, problem: BoundInputs, case: Case
) -> Target:
    balls = NormBallClass(hypotheses, outcome, problem, case)
    fixed, m = balls.at_start(), len(case.x)
    masks = masks_of(balls.architecture, False, hypotheses.biases)
    if isinstance(outcome, ClassComplexity):
        log_claimed = outcome.log_complexity(balls.numbers)

        def correlation(leaves: Leaves, signs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            reached = ((balls.networks(leaves).outputs(balls.x) - fixed) * signs).sum((1, 2))
            return reached.clamp(min=0), reached

        values: Values = correlation
        shape = (m, problem.network.outputs)
    else:
        log_gamma = float(torch.tensor(case.gamma, dtype=torch.float64).log())
        log_claimed = outcome.log_complexity(balls.numbers, log_gamma)
        values, shape = _ramp_values(balls, case, fixed), (m, 1)
    claimed = float(torch.tensor(log_claimed, dtype=torch.float64).exp())
    return Target(claimed, m, shape, masks, values, balls.architecture, balls.x)


def _ramp_values(balls: NormBallClass, case: Case, fixed: torch.Tensor) -> Values:
    def margins(outputs: torch.Tensor) -> torch.Tensor:
        labels = case.y.repeat(outputs.shape[0])
        return margins_of(outputs.flatten(0, 1), labels).unflatten(0, outputs.shape[:2])

    def ramp(margin: torch.Tensor) -> torch.Tensor:
        return (1 - margin / case.gamma).clamp(0, 1)

    at_start = ramp(margins(fixed))

    def values(leaves: Leaves, signs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        margin = margins(balls.networks(leaves).outputs(balls.x))
        xi = signs[:, :, 0]
        reached = ((ramp(margin) - at_start) * xi).sum(1).clamp(min=0)
        smooth = ((2 - 4 * margin / case.gamma).sigmoid() * xi).sum(1)
        return reached, smooth

    return values


def reach(found: Target, signs: torch.Tensor, effort: Effort, generator: torch.Generator) -> torch.Tensor:
    """Return the largest correlation found for each draw of signs, divided by m.

    Args:
        found: target of the attack.
        signs: signs -1 and 1, (draws, m, outputs) float64.
        effort: ascent steps and restarts.
        generator: source of randomness of the starts.

    Returns:
        (draws,) float64; each is at least 0 and attained by a network of the class.
    """
    draws = signs.shape[0]
    every = signs.repeat_interleave(effort.restarts, 0)
    leaves = _starts(found, every, effort.restarts, generator)
    tensors = [tensor.requires_grad_() for pair in leaves.values() for tensor in pair]
    optimizer = Adam(tensors)
    best = torch.zeros(len(every), dtype=torch.float64)
    for step in range(effort.steps + 1):
        masked = {
            index: [leaf * mask for leaf, mask in zip(pair, found.masks[index], strict=True)]
            for index, pair in leaves.items()
        }
        attained, ascended = found.values(masked, every)
        best = torch.maximum(best, attained.detach().nan_to_num(nan=0.0, posinf=0.0))
        if step == effort.steps:
            break
        (-ascended.sum()).backward()
        for tensor in tensors:
            if tensor.grad is not None:
                tensor.grad.nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0)
        optimizer.step(RATE)
    return best.reshape(draws, effort.restarts).amax(1) / found.m


def _starts(found: Target, signs: torch.Tensor, restarts: int, generator: torch.Generator) -> Leaves:
    """Return starts of four kinds: random; and with an optimal last layer; and weights >= 0; and one weight per unit."""
    count = signs.shape[0]
    kind = torch.arange(count) % restarts
    leaves: Leaves = {}
    for index, masks in found.masks.items():
        pair = []
        for mask in masks:
            drawn = torch.randn(count, *mask.shape, generator=generator, dtype=torch.float64)
            drawn = torch.where(_as_type(kind >= 2, drawn), drawn.abs(), drawn)
            single = _largest_only(drawn * mask) if mask.dim() > 1 else 0.1 * drawn
            pair.append(torch.where(_as_type(kind == 3, drawn), single, drawn))
        leaves[index] = pair
    wanted = signs if found.directions is None else found.directions(signs)
    _inform_last_layers(found, leaves, wanted, kind)
    return leaves


def _as_type(flags: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return flags.reshape(-1, *(1,) * (like.dim() - 1))


def _largest_only(weights: torch.Tensor) -> torch.Tensor:
    flat = weights.flatten(2)
    kept = flat.abs() >= flat.abs().amax(2, keepdim=True)
    return (flat * kept + 1e-3 * flat).reshape(weights.shape)


def _inform_last_layers(found: Target, leaves: Leaves, signs: torch.Tensor, kind: torch.Tensor) -> None:
    """Point a linear last layer along the correlation of its features with the signs, which is optimal for Euclidean norms.

    Starts of kind 3 keep only the largest entry of each row, which is optimal for l1 norms of rows.
    """
    network = found.architecture.network
    index = len(network.nodes) - 1
    layer = affine_nodes(network).get(index)
    if layer is None or layer.kind != "linear" or signs.shape[2] != layer.shape[0]:
        return
    with torch.no_grad():
        features = found.architecture.with_weights(kernels_of(leaves)).values(found.x)[layer.inputs[0]]
        correlation = (signs.transpose(1, 2) @ features).reshape(len(signs), *layer.weight.shape)
        kept = correlation * found.masks[index][0]
        rows = (
            _largest_only(kept) / kept.abs().flatten(1).amax(1).clamp(min=1e-300)[:, None, None, None, None]
        )
        rows = rows / (rows.abs().flatten(2).amax(2)[..., None, None, None] + 1e-12)
        informed = torch.where(_as_type(kind == 3, rows), rows, correlation)
        weight = leaves[index][0]
        leaves[index][0] = torch.where(_as_type(kind >= 1, weight), informed, weight)
