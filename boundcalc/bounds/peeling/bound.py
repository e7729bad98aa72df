"""Sparse bound by peeling over a partition of the neurons into nodes.

Statement (theory section 1). Let F_rho be the networks of a given node graph whose forward-normalised output scale is at most
rho. With L layers, N paths from a class to the first layer's nodes, and
B^2 = max over paths of A_L prod_{l=2}^{L-1} |pred(l, p_l)| E(p_1),

    R_S(F_rho) <= (rho B / m) (1 + sqrt(2 ((L-1) log 2 + log N))),      L = 1: (rho / m) sqrt(C sum_i ||x_i||^2).

Source: the technique of Golowich, Rakhlin & Shamir 2018 (Lemma 1) on the node graph of Galanti, Xu, Galanti & Poggio 2023.
A layer may measure the weights that enter its nodes by an l1 sum over predecessors instead of the l2 norm; then its |pred| is 1, and
inputs count one by one (`norms` has the proof). The graph, the split into nodes, these norms and the constant that carries
biases are chosen after seeing the sample and paid for in bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from boundcalc.bounds.catalogue import Bound, register
from boundcalc.bounds.classes import PEELED
from boundcalc.bounds.outcome import Homogeneous, Terms
from boundcalc.bounds.peeling.dynamic_program import Setting, Walk, Walker, split_options
from boundcalc.bounds.peeling.kernels import Choice, Kernels, Structure
from boundcalc.bounds.prices import CONSTANTS, constant_bits, mask_bits
from boundcalc.bounds.problem import Problem
from boundcalc.network.network import Network
from boundcalc.network.nodes import ExactPositions, GeneralPosition, Positions
from boundcalc.network.ops import Affine
from boundcalc.norms.rounding import log_product, shown, shown_log10

EXACT_WORK = 3e7
"""Connections (weights times positions) up to which every position of an image is walked."""


def positions_for(network: Network) -> Positions:
    """Return exact positions for small images, one general position for large ones."""
    work = sum(
        layer.weight.numel() * layer.groups * math.prod(layer.window.out) for layer in network.layers()
    )
    return ExactPositions() if work <= EXACT_WORK else GeneralPosition()


def dense_structure() -> Structure:
    """Every connection that the architecture has."""
    return Structure(
        "dense",
        lambda layer: torch.ones_like(layer.support),
        lambda layer: None if layer.bias is None else torch.ones_like(layer.bias, dtype=torch.bool),
    )


def masked_structure(mask_origin: str) -> Structure:
    """The connections that survive.

    Args:
        mask_origin: with ``"data"`` the nonzero weights and biases, which are paid for; with ``"independent"`` the declared
            mask where there is one, and every bias.
    """
    if mask_origin == "data":
        return Structure(
            "masked",
            lambda layer: layer.support,
            lambda layer: None if layer.bias is None else layer.bias != 0,
        )
    return Structure("masked", _declared, dense_structure().biases)


def _declared(layer: Affine) -> torch.Tensor:
    return layer.support if layer.declared is None else layer.declared


def search(problem: Problem, structure: Structure) -> tuple[Walk, float]:
    """Return the best walk and constant t found for a structure: splits by beam, t by descent along its grid."""
    network = problem.network
    positions = positions_for(network)
    setting, kernels = Setting(structure, positions, problem.energies), Kernels(structure, positions)

    def walk(t: float, fixed: dict[str, Choice] | None = None) -> Walk:
        return Walker(network, setting, kernels, t).best(fixed)

    def size(found: Walk) -> float:
        return found.log_complexity(problem.energies.m)

    best = walk(1.0)
    if not any(layer.bias is not None for layer in network.layers()) or best.log_rho == -math.inf:
        return best, 1.0
    split = best.split
    constant = descend(CONSTANTS, CONSTANTS.index(1.0), lambda t: size(walk(t, split)))
    return min((walk(constant), walk(constant, split)), key=size), constant


def descend(grid: Sequence[float], start: int, height: Callable[[float], float]) -> float:
    """Walk downhill along a grid from `start` and return the point where no neighbour is lower.

    Example:
        >>> descend([1.0, 2.0, 3.0, 4.0], 0, lambda t: (t - 3) ** 2)
        3.0
    """
    heights = {start: height(grid[start])}
    here = start
    while True:
        near = [k for k in (here - 1, here + 1) if 0 <= k < len(grid)]
        heights |= {k: height(grid[k]) for k in near if k not in heights}
        lowest = min([here, *near], key=lambda k: heights[k])
        if heights[lowest] >= heights[here]:
            return grid[here]
        here = lowest


def price(problem: Problem, structure: Structure) -> Terms:
    """Return what the choices cost, in bits: structure, split, constant, mask."""
    masked_by_data = structure.name == "masked" and problem.settings.mask_origin == "data"
    biased = any(layer.bias is not None for layer in problem.network.layers())
    return {
        "structure": 1.0,
        "split": math.log2(split_options(problem.network)),
        "constant": constant_bits(biased),
        "mask": mask_bits(problem.network) if masked_by_data else 0.0,
    }


def outcome_for(problem: Problem, structure: Structure) -> Homogeneous:
    """Return the theorem for one structure with everything it chose."""
    walk, constant = search(problem, structure)
    prices = price(problem, structure)
    m = problem.energies.m
    terms: Terms = {
        "structure": structure.name,
        "positions": positions_for(problem.network).name,
        "rho": shown(walk.log_rho),
        "log10_rho": shown_log10(walk.log_rho),
        "B": shown(walk.log_b),
        "log10_B": shown_log10(walk.log_b),
        "output_pairs": shown(walk.log_output_pairs),
        "log10_path_product": shown_log10(walk.log_energy),
        "paths": shown(walk.log_paths),
        "log_paths": walk.log_paths if walk.log_paths > -math.inf else None,
        "log_relu_factor": walk.log_factor,
        "split": {name: choice.group for name, choice in walk.split.items()},
        "norms": {name: choice.norm.name for name, choice in walk.split.items()},
        "constant": constant,
        "bits": prices,
        "mask_origin": problem.settings.mask_origin,
    }
    return Homogeneous(walk.log_rho, walk.log_unit(m), sum(prices.values()), terms)


def compute(problem: Problem) -> Homogeneous:
    """Return the better of the masked and the dense structure; the choice costs 1 bit.

    Raises:
        NotCovered: an operation outside the theorem, with its layer.
    """
    from boundcalc.bounds.risk import judge

    candidates = [
        outcome_for(problem, structure)
        for structure in (masked_structure(problem.settings.mask_origin), dense_structure())
    ]
    masked, dense = candidates
    chosen = min(candidates, key=lambda outcome: judge(outcome, problem).log_value)
    other = dense if chosen is masked else masked
    alternative = {
        "structure": other.terms["structure"],
        "log10_complexity": shown_log10(log_product([other.log_rho, other.log_unit])),
        "bits": other.bits,
    }
    return Homogeneous(
        chosen.log_rho, chosen.log_unit, chosen.bits, {**chosen.terms, "alternative": alternative}
    )


PEELING = register(
    Bound(
        name="peeling",
        kind="F",
        status="theorem",
        source="Peeling over a node partition, after Galanti, Xu, Galanti & Poggio 2023 and Golowich, Rakhlin & Shamir 2018, Lemma 1",
        assumptions=(
            "iid sample; the architecture is fixed before the sample",
            "ReLU (or no) activations; BatchNorm in evaluation mode, folded",
            "a mask that saw the sample is paid for in bits; --mask-origin independent says that it did not",
        ),
        compute=compute,
        hypotheses=PEELED,
    )
)
