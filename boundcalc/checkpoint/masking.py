"""Checking a mask and applying it to a tensor."""

from __future__ import annotations

import numpy as np
import torch

from boundcalc.checkpoint.arrays import all_finite, every, keep_where
from boundcalc.checkpoint.conventions.state import StateDict
from boundcalc.checkpoint.masks.values import is_binary, ones
from boundcalc.errors import CheckpointError


def masked(
    state: StateDict, key: str, tensor: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Set the pruned entries of a tensor to zero.

    Args:
        state: the state of the file; the masked tensor counts in its memory budget.
        key: key of the tensor, for errors.
        tensor: the weights.
        mask: zeros and ones of any type, of the same shape.

    Returns:
        The masked tensor and the mask as bool.

    Raises:
        CheckpointError: when the mask has another shape or other values, prunes an infinity or a NaN, or takes too much
            memory.
    """
    keep = as_bool(state, f"the mask of {key}", mask)
    if keep.shape != tensor.shape:
        raise CheckpointError(
            state.path, f"the mask of {key} has shape {tuple(mask.shape)}, {key} {tuple(tensor.shape)}"
        )
    if not all_finite(tensor) and not every(lambda kept, values: kept | np.isfinite(values), keep, tensor):
        raise CheckpointError(
            state.path,
            f"{key} is infinite or NaN where its mask is 0, and PyTorch multiplies that to NaN; save "
            "it again with finite values there",
        )
    state.take(tensor.numel() * tensor.element_size(), f"{key}, masked,")
    return keep_where(keep, tensor), keep


def as_bool(state: StateDict, what: str, mask: torch.Tensor) -> torch.Tensor:
    """Check that a mask consists of zeros and ones.

    Args:
        state: the state of the file; a mask that has to be converted counts in its memory budget.
        what: name of the mask in errors.
        mask: a tensor of any type.

    Returns:
        The mask as bool.

    Raises:
        CheckpointError: when it has other values, or the file takes too much memory.
    """
    if mask.dtype is torch.bool:
        return mask
    if not is_binary(mask):
        raise CheckpointError(state.path, f"{what} has values other than 0 and 1")
    state.take(mask.numel(), what)
    return ones(mask)
