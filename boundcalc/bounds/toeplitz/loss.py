"""Code shared by the bounds of kind loss: the norms of the layers, and the effect of each on the loss (docs/theory/toeplitz.md).

Layer l reads a value of Frobenius norm at most r_l over the sample. A change of its output changes the network's output by at most
G_l times as much, and the loss at margin gamma by sqrt(2) / gamma times that. Let D_l be the distance of its matrix from the
reference in the norm of the bound, and b_l - b_l0 the difference of its bias from the reference. Then

    Ct_l = (sqrt(2) / gamma) G_l (D_l r_l / sqrt m + sqrt(O_l) ||b_l - b_l0||_1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from boundcalc.bounds.bound_inputs import BoundInputs, ToeplitzView
from boundcalc.bounds.distances import origin, unbiased
from boundcalc.bounds.outcome import LossComplexity, Terms
from boundcalc.bounds.toeplitz.covering import Covers, Shares
from boundcalc.bounds.toeplitz.reach import Numbers, largest, log_gains, log_norm, log_radii
from boundcalc.bounds.toeplitz.steps import Block, Diagonal, LayerStep, Slopes, never_biased
from boundcalc.errors import NotCovered
from boundcalc.norms.kernels import filters, frobenius
from boundcalc.norms.rounding import LEAST, log_product, log_up, logsumexp, shown

if TYPE_CHECKING:
    import torch

GRAPH = "iid sample; a graph of linear maps, ReLUs, poolings, sums and concatenations fixed before the sample"

EXTENDED = "as published for chains without biases; biases, max pooling, sums and concatenations are extended here, not proved"

Distance = Callable[[BoundInputs, ToeplitzView, LayerStep], float]
"""Log of a bound's distance of a layer's matrix from its reference."""


def bias_start(problem: BoundInputs, step: Block) -> torch.Tensor | None:
    """Return the reference of a layer's bias; None if the reference is zero."""
    return problem.reference.get(f"{step.name}.bias")


def bias_moved(problem: BoundInputs, step: Block) -> torch.Tensor | None:
    """Return b - b_0, (channels,); None if the layer has no bias and the reference is zero."""
    start, bias = bias_start(problem, step), step.bias
    if bias is None:
        return None if start is None or not bool((start != 0).any()) else -start
    return bias if start is None else bias - start


def measured(problem: BoundInputs, distance: Distance) -> dict[str, float]:
    """Return the logs of all numbers that training determined.

    They are ``"spectral.LAYER"`` and ``"distance.LAYER"`` and, for a bias, ``"bias.LAYER"``, its Euclidean norm, and
    ``"shift.LAYER"``, the l1 norm of its difference from the reference.

    Args:
        problem: network and reference.
        distance: function that returns the log of the distance of a layer's matrix from its reference.
    """
    chain = problem.toeplitz()
    numbers: dict[str, float] = {}
    for name, step in chain.blocks():
        match step:
            case LayerStep():
                numbers[f"spectral.{name}"] = log_up(max(chain.spectral[step.place], LEAST), 4)
                numbers[f"distance.{name}"] = distance(problem, chain, step)
            case Diagonal() | Slopes() if step.trained:
                numbers[f"spectral.{name}"] = largest(step)
                numbers[f"distance.{name}"] = frobenius(step.scale[:, None, None, None]).log
            case _:
                continue
        moved = bias_moved(problem, step)
        if moved is None and not never_biased(step):
            numbers[f"bias.{name}"] = -math.inf
        elif moved is not None:
            numbers[f"bias.{name}"] = log_norm(step) if step.bias is not None else -math.inf
            numbers[f"shift.{name}"] = filters(moved[:, None, None, None]).log
    return numbers


@dataclass(frozen=True)
class Reach:
    """Logs of r_l / sqrt m (`radius`) and of G_l (`gain`)."""

    radius: float
    gain: float


def log_layers(problem: BoundInputs, numbers: Numbers) -> dict[str, Reach]:
    """Return upper bounds of log(r_l / sqrt m) and log G_l for every step with weights."""
    chain, m = problem.toeplitz(), problem.energies.m
    log_data = 0.5 * log_up(problem.energies.frobenius_squared, 1)
    radii = log_radii(chain.steps, chain.names, numbers, log_data, m)
    gains = log_gains(chain.steps, chain.names, numbers)
    return {
        name: Reach(log_product([radii[step.inputs[0]], -0.5 * math.log(m)]), gain)
        for name, step, gain in zip(chain.names, chain.steps, gains, strict=True)
        if name
    }


def log_capacities(problem: BoundInputs, numbers: Numbers) -> dict[str, float]:
    """Return an upper bound of log Ct_l at gamma = 1 for every trained layer; -inf for a layer that does not affect the output."""
    reaches = log_layers(problem, numbers)
    found = {}
    for name, step in problem.toeplitz().blocks():
        if f"distance.{name}" in numbers:
            weights = log_product([numbers[f"distance.{name}"], reaches[name].radius])
            shift = log_product([0.5 * math.log(step.positions), numbers.get(f"shift.{name}", -math.inf)])
            found[name] = log_product([0.5 * math.log(2), reaches[name].gain, logsumexp([weights, shift])])
    return found


def entries(step: Block) -> int:
    """Return the number of a layer's weights and biases, pruned ones included."""
    own = step.link.layer.parameters if isinstance(step, LayerStep) else step.scale.numel()
    return own + biases(step)


def biases(step: Block) -> int:
    """Return the number of a layer's bias entries."""
    channels = step.link.layer.shape[0] if isinstance(step, LayerStep) else step.scale.numel()
    return channels if step.bias is not None else 0


def evaluate(
    problem: BoundInputs,
    numbers: dict[str, float],
    atoms: Mapping[str, int],
    shares: Shares,
    published: LossComplexity | None,
    **terms: Any,
) -> LossComplexity:
    """Return the complexity that follows from covers of the layers.

    Args:
        problem: network and sample.
        numbers: norms and distances, as `measured` returns them.
        atoms: layer -> W_l.
        shares: rule that divides the resolution among the layers.
        published: the bound as its source states it; None if it does not cover the network.
        terms: further entries for the report.
    """
    m, last = problem.energies.m, Latest()

    def log_complexity(given: Numbers, log_gamma: float) -> float:
        covers: Covers = last.of(given, lambda: Covers.of(log_capacities(problem, given), atoms, shares, m))
        return covers.log_complexity(log_gamma)

    names = [name for name, _ in problem.toeplitz().blocks()]
    ingredients: Terms = {
        "spectral_norms": by_name(names, numbers, "spectral"),
        "distances": by_name(names, numbers, "distance"),
        "distance_from": origin(problem, problem.toeplitz()),
        "biases": by_name(names, numbers, "bias"),
        "bias_distances": by_name(names, numbers, "shift"),
        "atoms": dict(atoms),
        **terms,
    }
    return LossComplexity(numbers, log_complexity, terms=ingredients, published=published)


class Latest:
    """Cache of one result, for the last numbers: the ledger evaluates many margins for the same numbers."""

    def __init__(self) -> None:
        self._numbers: Numbers | None = None
        self._found: Any = None

    def of(self, numbers: Numbers, make: Callable[[], Any]) -> Any:
        """Return the result for these numbers; call `make` unless they are the last ones."""
        if self._numbers is not numbers:
            self._numbers, self._found = numbers, make()
        return self._found


def by_name(names: Sequence[str], numbers: Numbers, kind: str) -> dict[str, float | None]:
    """Return layer -> the number of this kind, for the report."""
    return {name: shown(numbers[f"{kind}.{name}"]) for name in names if f"{kind}.{name}" in numbers}


def extended(problem: BoundInputs) -> str | None:
    """Return why a published formula had to be extended to a network; None for a chain without biases."""
    try:
        unbiased(problem)
    except NotCovered as error:
        return f"extended here, not proved: {error}"
    return None
