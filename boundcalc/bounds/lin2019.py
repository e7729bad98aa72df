"""Bound of Lin & Zhang 2019 (Generalization bounds for convolutional neural networks), Lemma 18.

    R <= (16 / sqrt m) ((2/gamma) (||X|| / sqrt m) prod_k s_k L^2 sum_l W_l^2 (d_l / stride_l) ||K^l||_F / s_l)^{1/4}

for the Rademacher complexity of the ramp-loss class; d_l is the width of layer l's input, the larger d_l / stride_l of the two
axes where they differ, and 1 in place of it for a layer with one output position, which is a linear layer. The formula is not
derived again here. Average pooling before a layer, which the source does not treat, multiplies ||K^l||_F by the pooling's norm.
W_l counts dense parameters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from boundcalc.bounds.catalogue import Bound, register
from boundcalc.bounds.classes import SPECTRAL_KERNELS
from boundcalc.bounds.distances import (
    IID,
    SPECTRAL,
    capacities,
    log_kernel_norm,
    log_rms,
    names_of,
    shown_by_layer,
    spectral_numbers,
    unbiased,
)
from boundcalc.bounds.outcome import PostHoc, Terms
from boundcalc.bounds.problem import Problem
from boundcalc.network.ops import Affine
from boundcalc.norms.kernels import frobenius
from boundcalc.norms.rounding import log_product, logsumexp


def steps(layer: Affine) -> float:
    """Return d / stride: the number of kernel steps along the longer axis; 1 for a layer with one output position."""
    if layer.window.out == (1, 1):
        return 1.0
    return max(axis.size / axis.stride for axis in (layer.window.height, layer.window.width))


def compute(problem: Problem) -> PostHoc:
    """Evaluate the formula.

    Raises:
        NotCovered: the network is no chain of matrices without biases.
    """
    chain, m = unbiased(problem), problem.energies.m
    names = names_of(chain)
    measured = spectral_numbers(chain, names)
    sizes = []
    for name, link in zip(names, chain.links, strict=True):
        measured[f"distance.{name}"] = log_kernel_norm(link, link.layer.weight, frobenius)
        sizes.append(log_product([2 * math.log(link.layer.parameters), math.log(steps(link.layer))]))
    log_data = log_rms(problem)

    def complexity(numbers: Mapping[str, float], log_gamma: float) -> float:
        scale = log_product([math.log(2), -log_gamma, log_data, 2 * math.log(len(names))])
        by_layer = capacities(names, numbers, scale)
        inside = logsumexp([log_product(pair) for pair in zip(sizes, by_layer, strict=True)])
        return log_product([math.log(16), -0.5 * math.log(m), inside / 4])

    terms: Terms = {
        "spectral_norms": shown_by_layer(names, measured, "spectral"),
        "norms": shown_by_layer(names, measured, "distance"),
        "distance_from": "zero",
    }
    return PostHoc(measured, complexity, terms=terms)


register(
    Bound(
        "lin2019", "loss", "published", "Lin & Zhang 2019, Lemma 18",
        (IID, SPECTRAL), compute, toeplitz=True, spectral=True, hypotheses=SPECTRAL_KERNELS,
    )
)  # fmt: skip
