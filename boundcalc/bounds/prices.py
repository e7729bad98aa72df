"""Code lengths, in bits, of what was chosen after seeing the sample (theory sections 0, 1 and 4)."""

from __future__ import annotations

import math

from boundcalc.network.network import Network

_LOG2 = math.log(2.0)


def log2_binomial(n: int, k: int) -> float:
    """Return log2 of n choose k, from above.

    Example:
        >>> round(log2_binomial(4, 2), 6)
        2.584963
    """
    if k in {0, n}:
        return 0.0
    logs = math.lgamma(n + 1), math.lgamma(k + 1), math.lgamma(n - k + 1)
    return (logs[0] - logs[1] - logs[2] + 1e-14 * sum(logs)) / _LOG2


def subset_bits(n: int, chosen: int) -> float:
    """Return the bits that name a subset of `n` places: its size, then which."""
    return math.log2(n + 1) + log2_binomial(n, chosen)


def mask_bits(network: Network) -> float:
    """Return the bits that name which weights survive and which biases are nonzero, with a uniform code for each layer.

    One bit a layer is kept for the choice between mask codes (section 4).
    """
    total = 0.0
    for layer in network.stored():
        surviving = layer.surviving
        total += subset_bits(layer.parameters, surviving) + (1.0 if surviving else 0.0)
        if layer.bias is not None:
            total += subset_bits(layer.bias.numel(), int((layer.bias != 0).sum()))
    return total


CONSTANTS = tuple(2.0**k for k in range(-10, 11))
"""The fixed grid of values t for the constant unit that carries biases."""


def constant_bits(biased: bool) -> float:
    """Return the bits for the choice of t."""
    return math.log2(len(CONSTANTS)) if biased else 0.0
