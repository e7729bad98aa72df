"""Tensors with several names: a module that is registered twice, or layers that share a weight."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import torch

from boundcalc.checkpoint.shared import Groups
from boundcalc.checkpoint.types import Checkpoint
from boundcalc.errors import CheckpointError
from boundcalc.network.weights import plain_key


def first_names(shared: Groups) -> dict[str, str]:
    """Return other name -> first name for every tensor that has several names."""
    return {key: keys[0] for keys in shared for key in keys[1:]}


def plain(groups_of_raw: Groups, tensors: Iterable[str]) -> Groups:
    """Translate groups of raw keys to canonical keys; groups that are left with a single key are dropped."""
    names = set(tensors)
    found = (
        tuple(dict.fromkeys(key if key in names else plain_key(key) for key in keys))
        for keys in groups_of_raw
    )
    return tuple(keys for keys in found if len(keys) > 1)


def notes(shared: Groups) -> tuple[str, ...]:
    """Return one sentence per group, which says that its keys are one tensor that counts once."""
    return tuple(f"{', '.join(keys)}: one tensor under {len(keys)} names, counted once" for keys in shared)


def agreed(checkpoint: Checkpoint, shared: Groups) -> Checkpoint:
    """Give all names of a shared tensor the values and the mask that one of them has.

    Args:
        checkpoint: checkpoint with canonical tensors and masks.
        shared: groups of keys that name one tensor; keys that the checkpoint lacks are added.

    Returns:
        The checkpoint, with the same values and mask under all names.

    Raises:
        CheckpointError: when two names of one tensor have different values or masks.
    """
    tensors, masks = dict(checkpoint.tensors), dict(checkpoint.masks)
    for keys in shared:
        present = [key for key in keys if key in tensors]
        masked = [key for key in present if key in masks]
        for key in masked[1:]:
            if not torch.equal(masks[masked[0]], masks[key]):
                raise CheckpointError(
                    checkpoint.path, f"{masked[0]} and {key} are one tensor, with two masks"
                )
        for key in present:
            if masked and key not in masks:
                masks[key] = masks[masked[0]]
                tensors[key] = torch.where(masks[key], tensors[key], torch.zeros_like(tensors[key]))
            if not torch.equal(tensors[present[0]], tensors[key]):
                problem = f"{present[0]} and {key} are one tensor in the network, but have different values in the file"
                raise CheckpointError(checkpoint.path, f"{problem}: keep the key that the network uses")
        for key in keys if present else ():
            tensors.setdefault(key, tensors[present[0]])
            if masked:
                masks[key] = masks[masked[0]]
    return replace(checkpoint, tensors=tensors, masks=masks)


def in_one_memory(
    state: Mapping[str, torch.Tensor], shared: Groups, tensors: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Return a raw state dict in which all names of a tensor refer to the same object, the canonical tensor if there is
    one.

    Args:
        state: raw state dict.
        shared: groups of its keys that name one tensor.
        tensors: canonical state dict.
    """
    same = {key: tensors.get(keys[0], state[keys[0]]) for keys in shared for key in keys if keys[0] in state}
    return {**state, **same}
