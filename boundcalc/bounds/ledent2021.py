"""Bound of Ledent, Mustafa, Lei & Kloft 2021 (Norm-based generalisation bounds for multi-class convolutional networks), Theorem 11.

a_l is the sum over filters of ||filter - filter_0||_2 (last layer: Frobenius norm), b_l the largest l2 norm of an input patch of
layer l on the training data, b_{L+1} = gamma, O_l the number of output positions, c_l that of output channels, and

    rho_l^+ = sqrt(O_l) max_{i >= l} prod_{k=l+1}^{i} s_k / b_{i+1},   rho_L^+ = 1/gamma,   r_l = b_l rho_l^+ a_l,
    R <= 4/m + 768 (sum r_l^{2/3})^{3/2} sqrt(log2(32 Gamma m^2 + 7 Wb m)) log(m) / sqrt m,
    Gamma = max_l r_l O_l c_l,   Wb = max_l O_l c_l.

The formula is not derived again here. sqrt(O_l) is the spatial width d_{l+1} of the next layer's input. Average pooling, which
the source treats as part of the network and not of a layer, comes before the patches are cut, so that b_l and a_l are those of
pooled values; a pooling norm above 1 multiplies sqrt(O_l).

The patch norms depend on the sample. The theorem holds for thresholds b_l that no training patch exceeds, fixed before the
sample: each is rounded up to its own grid, as are s_l and a_l. A layer that only ever reads zeros has threshold 1. Without
data, a patch is at most the whole image: the largest input norm times the spectral norms below, on its own grid as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from boundcalc.bounds.catalogue import Bound, register
from boundcalc.bounds.classes import SPECTRAL_PATCHES
from boundcalc.bounds.distances import (
    IID,
    REFERENCE,
    SPECTRAL,
    moved,
    names_of,
    origin,
    shown_by_layer,
    spectral_numbers,
    unbiased,
)
from boundcalc.bounds.outcome import PostHoc, Terms
from boundcalc.bounds.problem import Chain, Problem
from boundcalc.network.ops import Affine
from boundcalc.norms.kernels import filters, frobenius, pooling
from boundcalc.norms.rounding import LEAST, LOG2, log_product, log_up, logsumexp


def largest_patch(layer: Affine) -> int:
    """Return the number of entries of the largest input patch that one output reads."""
    taps = [int(axis.taps().sum(1).max()) for axis in (layer.window.height, layer.window.width)]
    if layer.circular:
        taps = [layer.window.height.kernel, layer.window.width.kernel]
    return layer.weight.shape[1] * math.prod(taps)


def patch_numbers(problem: Problem, chain: Chain, names: Sequence[str]) -> dict[str, float]:
    """Return ``"patch.NAME"`` -> log b_l: measured where the data was, else from above; 0 for a layer that reads only zeros."""
    measured = problem.patches
    logs = _patches_from_norms(problem, chain) if measured is None else [log_up(norm, 4) for norm in measured]
    return {
        f"patch.{name}": value if value > -math.inf else 0.0 for name, value in zip(names, logs, strict=True)
    }


def _patches_from_norms(problem: Problem, chain: Chain) -> list[float]:
    log_entry = log_up(problem.energies.largest, 4)
    pooled = [log_up(pooling(link), 1) for link in chain.links]
    first = log_product([log_entry, 0.5 * math.log(largest_patch(chain.links[0].layer)), pooled[0]])
    image = [log_entry, 0.5 * math.log(problem.network.inputs)]
    logs = [first if not chain.links[0].pools else log_product([*image, pooled[0]])]
    for norm, after in zip(chain.spectral[:-1], pooled[1:], strict=True):
        image.append(log_up(max(norm, LEAST), 4))
        logs.append(log_product([*image, after]))
    return logs


def _log_widths(chain: Chain) -> list[float]:
    """Return log sqrt(O_l), and where the next layer pools with a norm above 1, that norm added."""
    pooled = [max(1.0, pooling(link)) for link in chain.links[1:]]
    return [
        log_product([0.5 * math.log(math.prod(link.layer.window.out)), log_up(norm, 1)])
        for link, norm in zip(chain.links[:-1], pooled, strict=True)
    ]


def _log_reach(
    spectral: Sequence[float], thresholds: Sequence[float], widths: Sequence[float]
) -> list[float]:
    """Return log rho_l^+ from log s_1..s_L, log b_2..b_{L+1} and log sqrt(O_1)..sqrt(O_{L-1})."""
    ahead = -thresholds[-1]
    reach = [ahead]
    for index in range(len(widths) - 1, -1, -1):
        ahead = max(log_product([spectral[index + 1], ahead]), -thresholds[index])
        reach.append(log_product([widths[index], ahead]))
    return reach[::-1]


def compute(problem: Problem) -> PostHoc:
    """Evaluate the formula.

    Raises:
        NotCovered: the network is no chain of matrices without biases.
    """
    chain, m = unbiased(problem), problem.energies.m
    names = names_of(chain)
    widths = _log_widths(chain)
    units = [math.log(math.prod(link.layer.shape)) for link in chain.links]
    measured = {**spectral_numbers(chain, names), **patch_numbers(problem, chain, names)}
    for name, link in zip(names, chain.links, strict=True):
        norm = frobenius if link is chain.links[-1] else filters
        measured[f"distance.{name}"] = norm(moved(problem, link.layer)).log

    def complexity(numbers: Mapping[str, float], log_gamma: float) -> float:
        thresholds = [*(numbers[f"patch.{name}"] for name in names[1:]), log_gamma]
        reach = _log_reach([numbers[f"spectral.{name}"] for name in names], thresholds, widths)
        sizes = [
            log_product([numbers[f"patch.{name}"], numbers[f"distance.{name}"], value])
            for name, value in zip(names, reach, strict=True)
        ]
        largest = max(size + count for size, count in zip(sizes, units, strict=True))
        inside = logsumexp([
            log_product([math.log(32), largest, 2 * math.log(m)]),
            log_product([math.log(7), math.log(m), max(units)]),
        ])  # fmt: skip
        log_cover = log_product([math.log(768), 0.5 * math.log(inside / LOG2), -0.5 * math.log(m)])
        log_samples = math.log(math.log(m)) if m > 1 else -math.inf
        total = log_product([log_cover, log_samples, 1.5 * logsumexp([2 / 3 * size for size in sizes])])
        return logsumexp([log_product([math.log(4), -math.log(m)]), total])

    terms: Terms = {
        "spectral_norms": shown_by_layer(names, measured, "spectral"),
        "distances": shown_by_layer(names, measured, "distance"),
        "distance_from": origin(problem, chain),
        "patch_norms": shown_by_layer(names, measured, "patch"),
        "patch_norms_are": "from above" if problem.patches is None else "measured on the training data",
    }
    return PostHoc(measured, complexity, terms=terms)


register(
    Bound(
        "ledent2021", "loss", "published", "Ledent, Mustafa, Lei & Kloft 2021, Theorem 11",
        (IID, REFERENCE, SPECTRAL, "patch norms rounded up to a grid fixed before the sample"),
        compute, toeplitz=True, spectral=True, hypotheses=SPECTRAL_PATCHES,
    )
)  # fmt: skip
