"""Elementary questions about tensors, answered by NumPy on the same memory.

For tensors of this size PyTorch's thread pool costs more than the work, a hundredfold on a busy machine.
"""

from __future__ import annotations

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


def all_finite(tensor: torch.Tensor) -> bool:
    """Tell whether a tensor has neither infinities nor NaN.

    Args:
        tensor: of any type.

    Returns:
        Whether all entries are finite.
    """
    values = array(tensor)
    with np.errstate(all="ignore"):
        return bool(np.isfinite(values.sum(dtype=np.float64)) or np.isfinite(values).all())


def count_nonzero(tensor: torch.Tensor) -> int:
    """Count the entries that are not zero.

    Args:
        tensor: of any type.

    Returns:
        Their number.
    """
    return int(np.count_nonzero(array(tensor)))


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
