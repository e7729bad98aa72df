"""Bound by the l1 path norm of the network.

||Phi||_1 is one forward pass with absolute weights on the all-ones input, with outputs and pooling windows summed; a bias starts a
path from a constant input of value t with weight |b| / t. The unit class is the l1 hull of the single paths, so that l1
peeling leaves the coordinates. With K from `boundcalc.bounds.path_lengths.log_factor` and z over the C coordinates (and the
constant) of all classes:

    R_S(F) <= ||Phi||_1 z / m,    R_S(margins) <= ||Phi||_1 min( z_own + sqrt(pi/2) z,  sqrt(pi) z ) / m

(`boundcalc.rademacher.second_moment`, `boundcalc.rademacher.margin`; two classes are one output). The mask's structure is not used,
so nothing is paid for the mask; t is paid for if there are biases.

As published, without max pooling, where L - 1 is the largest number of ReLUs on a path, plus one if raw inputs are
added past a ReLU:

    R_S <= ||Phi||_1 S sqrt(2 ((L-1) log 2 + log(2 (d_in + 1) C))) / m,    S^2 = max(m, max_coordinate sum_i x_i[coordinate]^2);

with max pooling, by Gonon, Brisebarre, Riccietti & Gribonval 2024 (A path-norm toolkit for modern networks), Theorem 3.1:

    R_S <= ||Phi||_1 max(1, max|x|) sqrt(2 (D log((3+2P) K) + log((3+2P)/(1+P) (d_in+1) C))) / sqrt m.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch

from boundcalc.bounds.bound_inputs import BoundInputs
from boundcalc.bounds.catalogue import Bound, register
from boundcalc.bounds.classes import PATHS
from boundcalc.bounds.code_lengths import CONSTANTS, constant_bits, descend
from boundcalc.bounds.margin_networks import is_two_classes, same_margins
from boundcalc.bounds.outcome import Margins, NormComplexity, Terms
from boundcalc.bounds.path_lengths import has_constant, input_skips_relu, log_factor, longest, neurons_deep
from boundcalc.bounds.peeling.input_sets import InputSetFamily, MomentSample
from boundcalc.errors import NotCovered
from boundcalc.network.coverage import require
from boundcalc.network.network import Network
from boundcalc.network.ops import MaxPool, ReLU
from boundcalc.norms.path import Known, log_path_norm
from boundcalc.norms.rounding import LOG2, log_product, log_up, logsumexp, shown, shown_log10
from boundcalc.rademacher.margin import margins_summed


@dataclass(frozen=True)
class PathNorms:
    """The two parts of the path norm.

    Attributes:
        log_weights: log of the sum over paths that start at an input.
        log_biases: log of the sum over paths that start at a bias; -inf without biases.
    """

    log_weights: float
    log_biases: float

    @classmethod
    def of(cls, networks: Sequence[Network]) -> list[PathNorms]:
        """Measure several networks; the part that they share from the input on is computed only once.

        Raises:
            NotCovered: an operation is outside ReLU networks with pooling and sums.
        """
        known: Known = {}
        weights = [log_path_norm(network, biases=False, known=known) for network in networks]
        known = {}
        biases = [
            log_path_norm(network, inputs=False, known=known) if has_constant(network) else -math.inf
            for network in networks
        ]
        return [cls(*pair) for pair in zip(weights, biases, strict=True)]

    def log_total(self, t: float) -> float:
        """Return log(rho_w + rho_b / t), rounded up."""
        return logsumexp([self.log_weights, log_product([self.log_biases, -math.log(t)])])


def coordinates(network: Network) -> InputSetFamily:
    """Return the family of single inputs, each a set of its own, and the constant if there are biases."""
    biased = has_constant(network)
    constant = torch.zeros(network.inputs + biased, dtype=torch.float64)
    constant[network.inputs :] = 1.0

    def measure(energies: torch.Tensor) -> torch.Tensor:
        return torch.cat([energies.flatten(), torch.zeros(int(biased), dtype=torch.float64)])

    return InputSetFamily("coordinates", measure, constant, 1)


def compute(problem: BoundInputs) -> NormComplexity:
    """Evaluate the bound, and the published form that applies to the network.

    Raises:
        NotCovered: an operation is outside ReLU networks with pooling and sums.
    """
    network, log_m = problem.network, math.log(problem.energies.m)
    own, alike = PathNorms.of([network, same_margins(network, "median")])
    family, cost, classes = coordinates(network), log_factor(network), network.outputs
    remaining = 1 if is_two_classes(network) else classes

    @cache
    def at(t: float) -> tuple[float, float]:
        """Return log(m R_S) of margins and of outputs at path norm 1."""
        sample = MomentSample(problem.energies, t)
        of_margins = margins_summed(remaining, sample.summed(family, cost, remaining))
        return of_margins, sample.summed(family, cost, classes).whole

    biased = has_constant(network)
    grid = CONSTANTS if biased else (1.0,)
    t = descend(grid, grid.index(1.0), lambda t: log_product([alike.log_total(t), at(t)[0]]))
    z_margins, z = at(t)
    try:
        published, form = _published(problem, own.log_total(1.0)), None
    except NotCovered as error:
        published, form = None, f"not covered: {error}"
    terms: Terms = {
        "log10_path_norm": shown_log10(own.log_total(t)),
        "path_norm_of_weights": shown(own.log_weights),
        "path_norm_of_biases": shown(own.log_biases),
        "log10_path_norm_of_margins": shown_log10(alike.log_total(t)),
        "constant": t if biased else None,
        "log_relu_factor": cost,
        "root_second_moment": shown(z),
        "log_moment": z if z > -math.inf else None,
        "bits": {"constant": constant_bits(biased)},
        "published_form": form if published is None else published.terms,
    }
    return NormComplexity(
        own.log_total(t), log_product([z, -log_m]), constant_bits(biased), terms,
        margins=Margins(alike.log_total(t), log_product([z_margins, -log_m])), published=published,
    )  # fmt: skip


def _published(problem: BoundInputs, log_norm: float) -> NormComplexity:
    network, m = problem.network, problem.energies.m
    require(network)
    pools = [node for node in network.nodes if isinstance(node, MaxPool)]
    log_unit, terms = _with_max_pooling(problem, pools) if pools else _without_max_pooling(problem)
    return NormComplexity(log_norm, log_product([log_unit, -math.log(m)]), terms=terms)


def _without_max_pooling(problem: BoundInputs) -> tuple[float, Terms]:
    network, energies = problem.network, problem.energies
    relus = longest(network, ReLU) + input_skips_relu(network)
    energy = max(float(energies.m), energies.max_coordinate)
    inside = 2 * (relus * LOG2 + math.log(2 * (network.inputs + 1) * network.outputs))
    terms: Terms = {"form": "l1 peeling", "relus": relus, "energy": energy}
    return log_product([0.5 * log_up(energy, 1), 0.5 * math.log(inside)]), terms


def _with_max_pooling(problem: BoundInputs, pools: list[MaxPool]) -> tuple[float, Terms]:
    network, energies = problem.network, problem.energies
    sizes = {math.prod(pool.window.kernel) for pool in pools}
    kinds, window, depth = len(sizes), max(sizes), neurons_deep(network)
    inside = 2 * (
        depth * math.log((3 + 2 * kinds) * window)
        + math.log((3 + 2 * kinds) / (1 + kinds) * (network.inputs + 1) * network.outputs)
    )
    terms: Terms = {
        "form": "Gonon et al. 2024, Theorem 3.1",
        "depth": depth,
        "pooling_kinds": kinds,
        "window": window,
    }
    largest = math.log(max(1.0, energies.largest))
    return log_product([largest, 0.5 * math.log(inside), 0.5 * math.log(energies.m)]), terms


register(
    Bound(
        "path_norm",
        "F",
        "theorem",
        "l1 peeling of the path norm with the lemmas of boundcalc.rademacher; as published also Gonon, Brisebarre, Riccietti &"
        " Gribonval 2024, Theorem 3.1",
        ("iid sample; the architecture is fixed before the sample", "the mask's structure is not used"),
        compute,
        hypotheses=PATHS,
    )
)
