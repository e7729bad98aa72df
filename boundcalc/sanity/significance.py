"""Compare two evaluations on the same samples: does one make significantly fewer errors?

The evaluations are paired, so that only samples on which they differ count. If both erred equally often, each of these n
samples would favor either like a fair coin: the difference has standard deviation sqrt(n) (McNemar 1947).
"""

from __future__ import annotations

import math

import torch

DEVIATIONS = 4.0
"""Number of standard deviations from which on a difference is not noise."""

LEAST_ERRORS = 10
"""Smallest number of errors that must be saved."""


def much_worse(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Return whether one evaluation errs much more often than another: significantly, and on at least 10 more samples.

    Args:
        first: which samples the first evaluation gets wrong, (n,) bool.
        second: which samples the second evaluation gets wrong, (n,) bool.
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    difference = only_first - only_second
    return difference >= LEAST_ERRORS and difference > DEVIATIONS * math.sqrt(only_first + only_second)
