"""Elementary tensor operations, done by NumPy on the tensor's own memory.

For tensors of this size PyTorch's thread pool costs more than the work itself, a hundred times more on a busy machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch


def array(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    """View a tensor as a NumPy array.

    Args:
        tensor: a tensor on the CPU, without gradient.

    Returns:
        An array on the same memory; a bfloat16 tensor, whose type NumPy lacks, is copied to float32.
    """
    return tensor.float().numpy() if tensor.dtype is torch.bfloat16 else tensor.numpy()


ENTRIES_AT_ONCE = 1 << 18
"""Number of entries that are examined at once, so that no check needs memory of a tensor's size."""


def pieces(*tensors: torch.Tensor) -> Iterator[tuple[np.ndarray[Any, Any], ...]]:
    """Iterate over tensors of equal shape piece by piece.

    Args:
        *tensors: tensors of equal shape.

    Yields:
        The same entries of each tensor, at most `ENTRIES_AT_ONCE` at a time, as arrays made by `array`; a piece's shape carries no
        meaning.
    """
    first = tensors[0]
    if first.numel() <= ENTRIES_AT_ONCE:
        yield tuple(array(tensor) for tensor in tensors)
        return
    rows = ENTRIES_AT_ONCE * len(first) // first.numel()
    if rows:
        for parts in zip(*(tensor.split(rows) for tensor in tensors), strict=True):
            yield tuple(array(part) for part in parts)
    else:
        for number in range(len(first)):
            yield from pieces(*(tensor[number] for tensor in tensors))


def every(test: Callable[..., Any], *tensors: torch.Tensor) -> bool:
    """Return whether a condition holds for all entries.

    Args:
        test: takes one array per tensor and returns an array of bool.
        *tensors: tensors of equal shape.
    """
    return all(bool(test(*parts).all()) for parts in pieces(*tensors))


def all_finite(tensor: torch.Tensor) -> bool:
    """Return whether a tensor contains neither infinities nor NaN.

    Args:
        tensor: a tensor of any type.

    Returns:
        Whether all entries are finite.
    """
    with np.errstate(all="ignore"):
        return every(np.isfinite, tensor)


def count_nonzero(tensor: torch.Tensor) -> int:
    """Count the nonzero entries.

    Args:
        tensor: a tensor of any type.

    Returns:
        Their number.
    """
    return sum(int(np.count_nonzero(values)) for (values,) in pieces(tensor))


def keep_where(keep: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
    """Set the entries outside a mask to zero.

    Args:
        keep: bool mask of the tensor's shape.
        tensor: a tensor of any type.

    Returns:
        A new tensor of the same type, +0 where ``keep`` is false.
    """
    half = tensor.dtype is torch.bfloat16
    values = tensor.view(torch.int16).numpy() if half else tensor.numpy()
    kept = torch.from_numpy(np.asarray(np.where(keep.numpy(), values, values.dtype.type(0))))
    return kept.view(torch.bfloat16) if half else kept
