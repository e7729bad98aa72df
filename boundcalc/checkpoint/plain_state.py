"""Convert a checkpoint of any convention to one state dict that any tool can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from boundcalc.checkpoint.types import Checkpoint
from boundcalc.errors import CheckpointError

SUFFIX = "_mask"


def plain_state(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    """Return weights and masks under plain names.

    ``L.weight`` is the weight, zero where it is pruned, so that a tool that knows no masks reads the pruned network. If the
    checkpoint declares a mask, ``L.weight_mask`` follows: a bool tensor, True where a weight is kept, which distinguishes a
    weight that is kept but zero from a pruned one. ``load_state_dict(state, strict=False)`` ignores the masks.

    Args:
        checkpoint: the checkpoint.

    Raises:
        CheckpointError: when a tensor of the file already has a mask's name.
    """
    found: dict[str, torch.Tensor] = {}
    for key, tensor in checkpoint.tensors.items():
        found[key] = tensor.detach().clone().contiguous()
        if key in checkpoint.masks:
            name = f"{key}{SUFFIX}"
            if name in checkpoint.tensors:
                raise CheckpointError(
                    checkpoint.path,
                    f"the checkpoint already has a key {name}, so the mask of {key} cannot be saved "
                    "under that name",
                )
            found[name] = checkpoint.masks[key].bool().clone().contiguous()
    return found


def in_order(state: Mapping[str, torch.Tensor], layers: Sequence[str]) -> dict[str, torch.Tensor] | None:
    """Return a state dict in the order of the layers, or None if one of its weights belongs to none of them.

    Args:
        state: a state dict with keys in any order.
        layers: the layers' names, in order.
    """
    places = {layer: place for place, layer in enumerate(layers)}
    homes = {key: places.get(key.rpartition(".")[0]) for key in state}
    if any(homes[key] is None for key, tensor in state.items() if tensor.ndim > 1):
        return None
    ranks = {key: len(layers) if place is None else place for key, place in homes.items()}
    return {key: state[key] for key in sorted(state, key=lambda key: (ranks[key], "weight" not in key))}
