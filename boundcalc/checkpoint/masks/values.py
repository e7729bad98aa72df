"""Classify the values of a tensor: zeros and ones, packed bits, or neither."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch

from boundcalc.checkpoint.arrays import array, every


def is_binary(tensor: torch.Tensor) -> bool:
    """Return whether a tensor of any type consists of zeros and ones."""
    return tensor.dtype is torch.bool or every(lambda values: (values == 0) | (values == 1), tensor)


def ones(tensor: torch.Tensor) -> torch.Tensor:
    """Return a bool tensor, true where a tensor of zeros and ones is 1."""
    if tensor.dtype is torch.bool:
        return tensor
    return tensor == 1 if tensor.dtype is torch.bfloat16 else torch.from_numpy(np.asarray(array(tensor) == 1))


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Return whether two tensors have the same shape and values."""
    return one.shape == other.shape and every(lambda first, second: first == second, one, other)


def is_integer(tensor: torch.Tensor) -> bool:
    """Return whether a tensor has an integer type."""
    return not tensor.is_floating_point() and not tensor.is_complex() and tensor.dtype is not torch.bool


def looks_packed(tensor: torch.Tensor, sizes: Iterable[int]) -> bool:
    """Return whether a tensor may hold eight mask entries per byte.

    Args:
        tensor: a tensor of any type.
        sizes: possible numbers of mask entries.

    Returns:
        Whether its type has one byte per entry and its length is an eighth of one of these numbers, rounded up.
    """
    return tensor.dtype in {torch.uint8, torch.int8} and any(
        tensor.numel() == math.ceil(size / 8) for size in sizes
    )
