"""Code lengths in bits of everything chosen after seeing the sample (docs/theory/risk.md, docs/theory/occam.md)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from boundcalc.network.network import Network
from boundcalc.norms.rounding import LIBM
from boundcalc.occam.coder import log2_binomial


def log2_weight(k: int) -> float:
    """Return -log2 of the prefix-code weight w(k) of a grid point, in bits, rounded up.

    Example:
        >>> round(sum(2 ** -log2_weight(k) for k in range(-100000, 100001)), 4)
        1.0
    """
    return math.log2(1.5 * (abs(k) + 1) * (abs(k) + 2)) * (1 + 2 * LIBM)


def subset_bits(n: int, chosen: int) -> float:
    """Return the bits that encode a subset of `n` places: first its size, then which subset."""
    return math.log2(n + 1) * (1 + LIBM) + log2_binomial(n, chosen)


def mask_bits(network: Network) -> float:
    """Return the bits that encode which weights survive and which biases are nonzero, with a uniform code for each layer.

    One bit per layer is reserved for the choice between mask codes (docs/theory/occam.md).
    """
    total = 0.0
    for layer in network.stored():
        surviving = layer.surviving
        total += subset_bits(layer.parameters, surviving) + (1.0 if surviving else 0.0)
        if layer.bias is not None:
            total += subset_bits(layer.bias.numel(), int((layer.bias != 0).sum()))
    return total


LOWEST = -100_000
"""Grid point that stands for 0 and all below it, e^-995: no positive float64 is smaller."""


def absent_bits(declared: int, absent: int) -> float:
    """Return the bits that encode which biases of an architecture are 0 everywhere; 0 bits if there are none.

    A network with all its biases pays nothing. Networks with fewer share the weight of the grid points below `LOWEST`, which no
    number uses, 2 / (3 (|LOWEST| + 2)), among at most 2^declared patterns.

    Example:
        >>> absent_bits(3, 0), round(absent_bits(3, 1), 1)
        (0.0, 20.2)
    """
    return (math.log2(1.5 * (2 - LOWEST)) + declared) * (1 + 2 * LIBM) if absent else 0.0


CONSTANTS = tuple(2.0**k for k in range(-10, 11))
"""The fixed grid of values t for the constant unit that carries biases."""


def descend(grid: Sequence[float], start: int, height: Callable[[float], float]) -> float:
    """Walk downhill along a grid from `start` and return the point where no neighbor is lower.

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


def constant_bits(biased: bool) -> float:
    """Return the bits that encode the choice of t."""
    return math.log2(len(CONSTANTS)) if biased else 0.0
