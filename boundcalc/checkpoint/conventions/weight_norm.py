"""The old torch.nn.utils.weight_norm: ``L.weight_g`` and ``L.weight_v``; the weight is g v / norm(v).

g has v's size along one axis and 1 along the others; a 0-dimensional g means one norm for all of v. The weight is computed
by the function that the live module calls. A filter of zeros has no direction (0 / 0) and is refused unless its mask prunes
all of it.
"""

from __future__ import annotations

import torch

from boundcalc.checkpoint.arrays import all_finite, keep_where
from boundcalc.checkpoint.conventions.state import Convention, DecodedTensor, StateDict, listing
from boundcalc.checkpoint.masking import as_bool
from boundcalc.errors import CheckpointError

NAME = "weight-norm"


def decode(state: StateDict) -> StateDict:
    """Compute weights from their magnitudes and directions.

    Raises a `CheckpointError` when magnitude and direction do not fit, or a direction is all zeros.

    Args:
        state: the state dict, with pruning undone.

    Returns:
        The state with plain weights.
    """
    keys = state.tensors
    names = [key[:-2] for key in keys if key.endswith("_g") and f"{key[:-2]}_v" in keys]
    if not names:
        return state
    parts = {name: normed(state, name, f"{name}_g", f"{name}_v") for name in names}
    return state.with_parts(parts).with_note(
        f"{names[0]}_g with {names[0]}_v: weight_norm of {listing(names)}", NAME
    )


def normed(state: StateDict, name: str, magnitude: str, direction: str) -> DecodedTensor:
    """Compute one weight as torch.nn.utils.weight_norm does.

    Raises a `CheckpointError` when g and v do not fit, or a filter of v is all zeros and not entirely pruned.

    Args:
        state: the state dict that holds g and v.
        name: name of the weight.
        magnitude: key of g.
        direction: key of v.

    Returns:
        The weight, with the mask of v, g or the weight, if there is one.
    """
    g, v = state.tensors[magnitude], state.tensors[direction]
    axis = _axis(state, magnitude, direction)
    keep = _mask(state, name, magnitude, direction)
    state.take(v.numel() * v.element_size(), f"{name}, computed from {direction},")
    weight = torch._weight_norm(v, g, axis)
    if keep is not None:
        weight = keep_where(keep, weight)
    _refuse_zero_direction(state, direction, v, weight)
    return DecodedTensor(weight, (magnitude, direction), keep)


def _axis(state: StateDict, magnitude: str, direction: str) -> int:
    g, v = state.tensors[magnitude], state.tensors[direction]
    if not (g.is_floating_point() and g.dtype == v.dtype):
        raise CheckpointError(
            state.path, f"{magnitude} is {g.dtype} but {direction} is {v.dtype}, so they are no weight norm"
        )
    if g.dim() == 0:
        return -1
    for axis, size in enumerate(v.shape):
        if g.shape == tuple(size if other == axis else 1 for other in range(v.dim())):
            return axis
    raise CheckpointError(
        state.path, f"{magnitude} of shape {tuple(g.shape)} fits no axis of {direction} {tuple(v.shape)}"
    )


def _mask(state: StateDict, name: str, magnitude: str, direction: str) -> torch.Tensor | None:
    shape = state.tensors[direction].shape
    masks = [state.masks[key].expand(shape) for key in (magnitude, direction) if key in state.masks]
    apart = state.unapplied_mask(name)
    if apart is not None and apart.shape == shape:
        masks.append(as_bool(state, f"the mask of {name}", apart))
    return torch.stack(masks).all(0) if masks else None


def _refuse_zero_direction(state: StateDict, key: str, v: torch.Tensor, weight: torch.Tensor) -> None:
    if bool(torch.isnan(weight).any()) and all_finite(v):
        where = tuple(torch.isnan(weight).nonzero()[0].tolist())
        raise CheckpointError(
            state.path,
            f"the filter of {key} around {where} is all zeros, so weight_norm divides by zero; "
            "give a mask that prunes the whole filter, or save after remove_weight_norm",
        )


CONVENTION = Convention(NAME, 30, decode)
