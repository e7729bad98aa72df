"""What the values of a tensor say: zeros and ones, packed bits, or neither."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch

from boundcalc.checkpoint.arrays import array, every


def is_binary(tensor: torch.Tensor) -> bool:
    """Tell whether a tensor is made of zeros and ones, whatever its type."""
    return tensor.dtype is torch.bool or every(lambda values: (values == 0) | (values == 1), tensor)


def ones(tensor: torch.Tensor) -> torch.Tensor:
    """Return where a tensor of zeros and ones is 1."""
    if tensor.dtype is torch.bool:
        return tensor
    return tensor == 1 if tensor.dtype is torch.bfloat16 else torch.from_numpy(np.asarray(array(tensor) == 1))


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Tell whether two tensors have the same shape and values."""
    return one.shape == other.shape and every(lambda first, second: first == second, one, other)


def is_integer(tensor: torch.Tensor) -> bool:
    """Tell whether a tensor's type is one of whole numbers."""
    return not tensor.is_floating_point() and not tensor.is_complex() and tensor.dtype is not torch.bool


def looks_packed(tensor: torch.Tensor, sizes: Iterable[int]) -> bool:
    """Tell whether a tensor may hold eight bits a byte.

    Args:
        tensor: of any type.
        sizes: numbers of entries that a mask may have.

    Returns:
        Whether it is made of bytes and has an eighth of one of these numbers.
    """
    return tensor.dtype in {torch.uint8, torch.int8} and any(
        tensor.numel() == math.ceil(size / 8) for size in sizes
    )
