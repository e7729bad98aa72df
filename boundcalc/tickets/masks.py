"""Masks: which weights can be pruned, and which ones the scores keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from boundcalc.errors import CheckpointError

Masks = dict[str, Tensor]
"""Key of the weight (`fc1.weight`) -> bool mask of its shape, True where the weight survives."""
LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d)


def weights(module: nn.Module) -> dict[str, nn.Parameter]:
    """Return the weights that can be pruned: those of all linear and convolution layers, including the last.

    Biases and BatchNorm are never pruned.

    Args:
        module: a module without parametrizations.

    Raises:
        CheckpointError: when there are none, one is computed from other tensors, or two layers share one.
    """
    found: dict[str, nn.Parameter] = {}
    name = type(module).__name__
    for layer_name, layer in module.named_modules(remove_duplicate=False):
        if not isinstance(layer, LAYERS):
            continue
        key = f"{layer_name}.weight" if layer_name else "weight"
        weight = layer._parameters.get("weight")
        if weight is None:
            raise CheckpointError(name, f"{key} is computed from other tensors: remove the parametrization")
        if any(weight is other for other in found.values()):
            raise CheckpointError(name, f"{key} is shared with another layer, which is not supported")
        found[key] = weight
    if not found:
        raise CheckpointError(name, "has no linear or convolution layer to prune")
    return found


def ones(module: nn.Module) -> Masks:
    """Return masks that keep everything."""
    return {key: torch.ones_like(weight, dtype=torch.bool) for key, weight in weights(module).items()}


def apply(module: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Set the pruned weights of a module to zero, in place."""
    with torch.no_grad():
        for key, weight in weights(module).items():
            weight.mul_(masks[key].to(weight.device))


def surviving(masks: Mapping[str, Tensor]) -> int:
    """Return the number of weights that the masks keep."""
    return sum(int(mask.sum()) for mask in masks.values())


def size(masks: Mapping[str, Tensor]) -> int:
    """Return the number of weights, kept or not."""
    return sum(mask.numel() for mask in masks.values())


def keep_best(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], density: float, scope: str) -> Masks:
    """Keep the weights with the highest scores; pruned weights remain pruned.

    Args:
        scores: key -> importance of each weight, finite, in the masks' shapes.
        masks: the masks so far.
        density: share of all weights, including pruned ones, that is kept, rounded to a whole number of weights and at
            least one; if `scope` is `"layerwise"`, the share of each layer.
        scope: `"global"` or `"layerwise"`.

    Returns:
        The new masks; among equal scores the first in the order of keys and entries are kept.
    """
    if scope == "layerwise":
        return {
            key: _best([scores[key]], [mask], kept(density, mask.numel()))[0] for key, mask in masks.items()
        }
    keys = list(masks)
    chosen = _best([scores[key] for key in keys], [masks[key] for key in keys], kept(density, size(masks)))
    return dict(zip(keys, chosen, strict=True))


def kept(density: float, count: int) -> int:
    """Return the whole number of weights that corresponds to a density; at least one."""
    return max(1, round(density * count))


def _best(scores: Sequence[Tensor], masks: Sequence[Tensor], count: int) -> list[Tensor]:
    flat = torch.cat([score.flatten().double() for score in scores])
    alive = torch.cat([mask.flatten() for mask in masks])
    flat = torch.where(alive, flat, -torch.inf)
    least = flat.kthvalue(len(flat) - count + 1).values  # linear in time, where sorting is not
    chosen = flat > least
    equal = (flat == least).nonzero()[:, 0]
    chosen[equal[: count - int(chosen.sum())]] = True
    pieces = (chosen & alive).split([mask.numel() for mask in masks])
    return [piece.reshape(mask.shape) for piece, mask in zip(pieces, masks, strict=True)]
