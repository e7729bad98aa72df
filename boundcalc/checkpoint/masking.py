"""A mask on a tensor: checked, then applied."""

from __future__ import annotations

import numpy as np
import torch

from boundcalc.checkpoint.arrays import all_finite, array, keep_where
from boundcalc.errors import CheckpointError


def masked(
    path: str, key: str, tensor: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Set to zero what a mask prunes.

    Args:
        path: the file, for errors.
        key: of the tensor, for errors.
        tensor: the weights.
        mask: zeros and ones of any type, of the same shape.

    Returns:
        The masked tensor and the mask as bool.

    Raises:
        CheckpointError: when the mask has another shape or other values, or prunes an infinity or a NaN.
    """
    keep = as_bool(path, f"the mask of {key}", mask)
    if keep.shape != tensor.shape:
        raise CheckpointError(
            path, f"the mask of {key} has shape {tuple(mask.shape)}, {key} {tuple(tensor.shape)}"
        )
    if not all_finite(tensor) and not bool((keep.numpy() | np.isfinite(array(tensor))).all()):
        raise CheckpointError(
            path,
            f"{key} is infinite or NaN where its mask is 0, which PyTorch makes NaN; re-save it finite",
        )
    return keep_where(keep, tensor), keep


def as_bool(path: str, what: str, mask: torch.Tensor) -> torch.Tensor:
    """Check that a mask is made of zeros and ones.

    Args:
        path: the file, for errors.
        what: what to call the mask in errors.
        mask: of any type.

    Returns:
        The mask as bool.

    Raises:
        CheckpointError: when it has other values.
    """
    if mask.dtype is torch.bool:
        return mask
    values = array(mask)
    keep = np.asarray(values == 1)
    if not bool((keep | (values == 0)).all()):
        raise CheckpointError(path, f"{what} has values other than 0 and 1")
    return torch.from_numpy(keep)
