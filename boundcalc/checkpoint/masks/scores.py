"""Edge-popup: weights keep their initial values, and those with the largest scores of a layer form the network.

Ramanujan, Wortsman, Kembhavi, Farhadi & Rastegari 2020, What's hidden in a randomly weighted neural network? As
allenai/hidden-networks computes it: of a layer's n scores, ranked by absolute value, the first int((1 - k) n) are dropped
and the others kept; k is not stored in the file.
"""

from __future__ import annotations

import torch

from boundcalc.checkpoint.arrays import array, count_nonzero
from boundcalc.checkpoint.conventions.state import StateDict, listing
from boundcalc.checkpoint.masks.values import is_binary
from boundcalc.errors import CheckpointError

NAME = "edge-popup"
SCORES = ("scores", "popup_scores", "weight_scores", "bias_scores")
"""Names of scores beside their weights; scores of zeros and ones are the mask of a fixed subnetwork."""


def keys(state: StateDict) -> dict[str, str]:
    """Return the scores of a state dict: key -> the tensor that they rank.

    Scores that consist of zeros and ones already are a mask, and are not included.

    Args:
        state: the state dict, without wrapper prefixes.
    """
    found: dict[str, str] = {}
    for key, tensor in state.tensors.items():
        layer, dot, last = key.rpartition(".")
        owner = f"{layer}{dot}{'bias' if last == 'bias_scores' else 'weight'}"
        if last not in SCORES or owner not in state.tensors or not tensor.is_floating_point():
            continue
        settled = is_binary(tensor) and 0 < count_nonzero(tensor) < tensor.numel()
        if tensor.shape == state.tensors[owner].shape and not settled:
            found[key] = owner
    return found


def masks(state: StateDict, density: float | None) -> dict[str, torch.Tensor]:
    """Return the masks that the scores of a state dict define.

    Args:
        state: the state dict, without wrapper prefixes.
        density: the share of each layer that is kept; None if it was not given.

    Returns:
        Name of the tensor -> bool mask; empty without scores.

    Raises:
        CheckpointError: when there are scores and no density, a density and no scores, or scores that are NaN.
    """
    ranked = keys(state)
    if ranked and density is None:
        raise CheckpointError(
            state.path,
            f"{listing(ranked)}: scores of edge-popup, by which each layer keeps the weights with the "
            "largest scores; give the kept share with --mask-from-scores DENSITY, or give masks with "
            "--mask",
        )
    if density is not None and not ranked:
        raise CheckpointError(
            state.path, "--mask-from-scores was given, but the file has no scores beside its weights"
        )
    return {} if density is None else {owner: _largest(state, key, density) for key, owner in ranked.items()}


def _largest(state: StateDict, key: str, density: float) -> torch.Tensor:
    scores = torch.from_numpy(abs(array(state.tensors[key])))
    if bool(torch.isnan(scores).any()):
        raise CheckpointError(state.path, f"{key} holds NaN, so its scores cannot be ranked")
    keep = torch.ones(scores.numel(), dtype=torch.bool)
    order = scores.flatten().sort(stable=True).indices
    keep[order[: int((1 - density) * scores.numel())]] = False
    return keep.reshape(scores.shape)
