"""Bound by the l1 path norm (theory section 3).

Without max pooling, by l1 peeling, with L-1 the most ReLUs on a path, one more if raw inputs are added past a ReLU:

    R_S <= ||Phi||_1 S sqrt(2 ((L-1) log 2 + log(2 (d_in + 1) C))) / m,    S^2 = max(m, max_coordinate sum_i x_i[coordinate]^2).

With max pooling, Gonon, Brisebarre, Riccietti & Gribonval 2024 (A path-norm toolkit for modern networks), Theorem 3.1:

    R_S <= ||Phi||_1 max(1, max|x|) sqrt(2 (D log((3+2P) K) + log((3+2P)/(1+P) (d_in+1) C))) / sqrt m.

It does not use the mask's structure, so that no mask is paid for.
"""

from __future__ import annotations

import math

from boundcalc.bounds.catalogue import Bound, register
from boundcalc.bounds.classes import PATHS
from boundcalc.bounds.outcome import Homogeneous, Terms
from boundcalc.bounds.problem import Problem
from boundcalc.network.network import Network
from boundcalc.network.ops import Add, Affine, MaxPool, Node, Rearrange, ReLU
from boundcalc.norms.path import log_path_norm
from boundcalc.norms.rounding import LOG2, log_product, log_up, shown_log10


def longest(network: Network, *kinds: type[Node]) -> int:
    """Return the largest number of nodes of the given kinds on a path from input to output."""
    lengths: list[int] = []
    for node in network.nodes:
        lengths.append(max((lengths[i] for i in node.inputs), default=0) + isinstance(node, kinds))
    return lengths[-1]


def input_skips_relu(network: Network) -> bool:
    """Return whether a linear image of the raw input is added to a value that has passed a ReLU.

    Units that skip ReLUs are in the hull of the next level's units, since relu(relu(h)) = relu(h); only raw inputs, which have
    signs, are not. With T_k the moment after k ReLUs they give T_k <= 2 T_{k-1} + T_0, hence T_k < 2^{k+1} T_0: one ReLU more.
    """
    raw, deep = [True], [False]
    skipping = False
    for node in network.nodes[1:]:
        raw_here, deep_here = any(raw[i] for i in node.inputs), any(deep[i] for i in node.inputs)
        skipping |= raw_here and deep_here
        rectified = isinstance(node, ReLU)
        raw.append(raw_here and not rectified)
        deep.append(deep_here or rectified)
    return skipping


def neurons_deep(network: Network) -> int:
    """Return D of Gonon et al. 2024: the most neurons on a path, a sum belonging to the neuron that it is the argument of."""
    depth, open_sum = [0], [False]
    for node in network.nodes[1:]:
        below = [depth[i] for i in node.inputs]
        if isinstance(node, Add):
            own = max(d + (not open_sum[i]) for d, i in zip(below, node.inputs, strict=True))
        elif isinstance(node, Rearrange):
            own = below[0]
        else:
            own = below[0] + (not (isinstance(node, ReLU) and open_sum[node.inputs[0]]))
        depth.append(own)
        kept = isinstance(node, Rearrange) and open_sum[node.inputs[0]]
        open_sum.append(isinstance(node, Affine | Add) or kept)
    return depth[-1]


def compute(problem: Problem) -> Homogeneous:
    """Evaluate the form that fits the network.

    Raises:
        NotCovered: an operation outside ReLU networks with pooling and sums.
    """
    network, m = problem.network, problem.energies.m
    log_norm = log_path_norm(network)
    pools = [node for node in network.nodes if isinstance(node, MaxPool)]
    log_unit, terms = _with_max_pooling(problem, pools) if pools else _without_max_pooling(problem)
    return Homogeneous(
        log_norm,
        log_product([log_unit, -math.log(m)]),
        terms={"log10_path_norm": shown_log10(log_norm), **terms},
    )


def _without_max_pooling(problem: Problem) -> tuple[float, Terms]:
    network, energies = problem.network, problem.energies
    relus = longest(network, ReLU) + input_skips_relu(network)
    energy = max(float(energies.m), energies.max_coordinate)
    inside = 2 * (relus * LOG2 + math.log(2 * (network.inputs + 1) * network.outputs))
    terms: Terms = {"form": "l1 peeling", "relus": relus, "energy": energy}
    return log_product([0.5 * log_up(energy, 1), 0.5 * math.log(inside)]), terms


def _with_max_pooling(problem: Problem, pools: list[MaxPool]) -> tuple[float, Terms]:
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
        "l1 peeling of the path norm; with max pooling Gonon, Brisebarre, Riccietti & Gribonval 2024, Theorem 3.1",
        ("iid sample; the architecture is fixed before the sample", "the mask's structure is not used"),
        compute,
        hypotheses=PATHS,
    )
)
