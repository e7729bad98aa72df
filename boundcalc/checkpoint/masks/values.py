"""What the values of a tensor say: zeros and ones, packed bits, or neither."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch

from boundcalc.checkpoint.arrays import array

_FIRST = 256


def is_binary(tensor: torch.Tensor) -> bool:
    """Tell whether a tensor is made of zeros and ones, whatever its type."""
    if tensor.dtype is torch.bool:
        return True
    values = array(tensor)
    return _binary(values.reshape(-1)[:_FIRST]) and _binary(values)


def _binary(values: np.ndarray) -> bool:
    return bool(((values == 0) | (values == 1)).all())


def ones(tensor: torch.Tensor) -> torch.Tensor:
    """Return where a tensor of zeros and ones is 1."""
    return tensor if tensor.dtype is torch.bool else torch.from_numpy(np.asarray(array(tensor) == 1))


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
