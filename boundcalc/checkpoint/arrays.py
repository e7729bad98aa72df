"""Elementary questions about tensors, answered by NumPy on the same memory.

For tensors of this size PyTorch's thread pool costs more than the work, a hundredfold on a busy machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch


def array(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    """View a tensor as an array.

    Args:
        tensor: on the CPU, without gradient.

    Returns:
        The same memory; bfloat16, which NumPy lacks, as a copy in float32.
    """
    return tensor.float().numpy() if tensor.dtype is torch.bfloat16 else tensor.numpy()


PIECE = 1 << 18
"""Entries that are looked at in one go, so that no question needs memory of a tensor's size."""


def pieces(*tensors: torch.Tensor) -> Iterator[tuple[np.ndarray[Any, Any], ...]]:
    """Go through tensors of one shape piece by piece.

    Args:
        *tensors: of one shape.

    Yields:
        The same entries of each, at most `PIECE` of them, as `array` shows them; their shape says nothing.
    """
    first = tensors[0]
    if first.numel() <= PIECE:
        yield tuple(array(tensor) for tensor in tensors)
        return
    rows = PIECE * len(first) // first.numel()
    if rows:
        for parts in zip(*(tensor.split(rows) for tensor in tensors), strict=True):
            yield tuple(array(part) for part in parts)
    else:
        for number in range(len(first)):
            yield from pieces(*(tensor[number] for tensor in tensors))


def every(test: Callable[..., Any], *tensors: torch.Tensor) -> bool:
    """Tell whether something holds of all entries.

    Args:
        test: takes an array a tensor and returns an array of bool.
        *tensors: of one shape.
    """
    return all(bool(test(*parts).all()) for parts in pieces(*tensors))


def all_finite(tensor: torch.Tensor) -> bool:
    """Tell whether a tensor has neither infinities nor NaN.

    Args:
        tensor: of any type.

    Returns:
        Whether all entries are finite.
    """
    with np.errstate(all="ignore"):
        return every(np.isfinite, tensor)


def count_nonzero(tensor: torch.Tensor) -> int:
    """Count the entries that are not zero.

    Args:
        tensor: of any type.

    Returns:
        Their number.
    """
    return sum(int(np.count_nonzero(values)) for (values,) in pieces(tensor))


def keep_where(keep: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
    """Set entries to zero.

    Args:
        keep: bool, of the tensor's shape.
        tensor: of any type.

    Returns:
        A new tensor of the same type, +0 where ``keep`` is false.
    """
    half = tensor.dtype is torch.bfloat16
    values = tensor.view(torch.int16).numpy() if half else tensor.numpy()
    kept = torch.from_numpy(np.asarray(np.where(keep.numpy(), values, values.dtype.type(0))))
    return kept.view(torch.bfloat16) if half else kept
