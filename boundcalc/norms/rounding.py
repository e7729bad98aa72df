"""Keeping floating-point sums and products on the safe side."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

UNIT = 2.0**-53
"""Unit roundoff of float64."""

SMALLEST_SQUARE = 1e-150
"""To this positive squares are raised: a product of two of them is still a normal float64."""


def slack(terms: int) -> float:
    """Return a relative error that a sum of `terms` non-negative float64 products cannot exceed.

    Any order of summation is covered: (terms + 8) roundings, doubled for second-order terms (Higham 2002, Lemma 3.1).

    Example:
        >>> slack(1000) < 1e-12
        True
    """
    return 2.0 * (terms + 8) * UNIT


def up(value: float, terms: int) -> float:
    """Return `value` raised by the rounding of a sum of `terms` non-negative products.

    Args:
        value: a non-negative float64 result.
        terms: number of terms that were summed.
    """
    return value * (1.0 + slack(terms))


def log_up(value: float, terms: int) -> float:
    """Return an upper bound of the logarithm of a non-negative sum; -inf for 0, inf for a sum that overflowed or is NaN."""
    if math.isnan(value):
        return math.inf
    if value <= 0:
        return -math.inf
    logarithm = math.log(up(value, terms))
    return logarithm + 1e-15 * (1 + abs(logarithm))


def kept_positive(values: torch.Tensor, origin: torch.Tensor) -> torch.Tensor:
    """Return non-negative values raised to `SMALLEST_SQUARE` where what they came from is not 0, so that none vanishes.

    Args:
        values: computed from `origin`, perhaps with underflow.
        origin: of the same shape; 0 where the exact values are.
    """
    return values.clamp(min=SMALLEST_SQUARE) * (origin != 0)


def squared(values: torch.Tensor) -> torch.Tensor:
    """Return squares, from above where they would vanish."""
    return kept_positive(values.square(), values)


def logsumexp(values: list[float]) -> float:
    """Return log(sum(exp(values))), -inf for no values or only -inf."""
    top = max(values, default=-math.inf)
    if top == -math.inf:
        return top
    return top + math.log(math.fsum(math.exp(value - top) for value in values))
