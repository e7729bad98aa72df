"""Two readings of the same samples compared: which makes so many fewer errors that noise does not explain it.

The readings are paired, so only samples on which they differ count. If both erred equally often, the n of
them would fall on either side like coins: their difference has standard deviation sqrt(n) (McNemar 1947).
"""

from __future__ import annotations

import math

import torch

DEVIATIONS = 4.0
"""Standard deviations from which on a difference is no noise."""

LEAST = 10
"""Errors saved, at least."""


def much_worse(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Return whether one reading errs much more often than another: significantly, and on at least 10 samples more.

    Args:
        first: which samples it gets wrong, (n,) bool.
        second: as `first`, of the other.
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    difference = only_first - only_second
    return difference >= LEAST and difference > DEVIATIONS * math.sqrt(only_first + only_second)
