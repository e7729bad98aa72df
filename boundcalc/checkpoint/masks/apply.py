"""Multiply weights by the masks that were found, and record what became of every tensor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from boundcalc.checkpoint.arrays import keep_where, pieces
from boundcalc.checkpoint.conventions.state import StateDict
from boundcalc.checkpoint.masking import masked
from boundcalc.checkpoint.masks.leaves import path_text
from boundcalc.checkpoint.masks.resolver import Resolved
from boundcalc.checkpoint.types import Entry

_STATISTICS = frozenset({"running_mean", "running_var"})


def without_masks(state: StateDict, resolved: Resolved) -> StateDict:
    """Remove masks that have names of their own from a state dict, and record those that are for its weights.

    Args:
        state: the state dict, without wrapper prefixes.
        resolved: its masks.
    """
    tensors = {key: tensor for key, tensor in state.tensors.items() if key not in resolved.owners}
    return replace(state, tensors=tensors, unapplied_masks=resolved.masks)


def apply(state: StateDict, resolved: Resolved) -> StateDict:
    """Multiply weights by their masks.

    Args:
        state: the decoded state.
        resolved: its masks.

    Returns:
        The state with masked tensors, the masks, and evidence of where they come from.
    """
    tensors, masks = dict(state.tensors), dict(state.masks)
    for key, mask in resolved.masks.items():
        if key in tensors:
            tensors[key], keep = masked(state, key, tensors[key], mask)
            if key in masks:
                state.take(keep.numel(), f"the product of the masks of {key}")
                keep = keep & masks[key]
            masks[key] = keep
    state = replace(state, tensors=tensors, masks=masks)
    for sentence, name in resolved.sentences:
        state = state.with_note(sentence, name or None)
    return state


def count_alive(state: StateDict, resolved: Resolved) -> dict[str, int]:
    """Count the weights that masks set to zero and that are not zero in the file.

    Args:
        state: the decoded state, not yet masked.
        resolved: its masks.

    Returns:
        Key -> count, for tensors whose mask has their own shape.
    """
    found: dict[str, int] = {}
    for key, mask in resolved.masks.items():
        tensor = state.tensors.get(key)
        if tensor is not None and tensor.shape == mask.shape:
            found[key] = sum(
                int(np.count_nonzero(values[~kept])) for values, kept in pieces(tensor, mask.bool())
            )
    return found


def to_raw(
    raw: Mapping[str, torch.Tensor], masks: Mapping[str, torch.Tensor], state: StateDict
) -> dict[str, torch.Tensor]:
    """Multiply the undecoded state dict by masks, wherever it holds the masked tensor under its plain name or as an
    original.

    Args:
        raw: the state dict as the model loads it.
        masks: key -> bool mask.
        state: the decoded and masked state; its tensors are used where they have the same name.

    Returns:
        The state dict with these tensors masked; other parts of reparametrizations are unchanged.
    """
    found: dict[str, torch.Tensor] = {}
    for key, tensor in raw.items():
        if key in masks and key in state.tensors:
            found[key] = state.tensors[key]
            continue
        owner = next((name for name in _plain_names(key, raw) if name in masks), None)
        fits = owner is not None and masks[owner].shape == tensor.shape and tensor.is_floating_point()
        if owner is not None and fits:
            state.take(tensor.numel() * tensor.element_size(), f"{key}, masked,")
            found[key] = keep_where(masks[owner], tensor)
        else:
            found[key] = tensor
    return found


def _plain_names(key: str, raw: Mapping[str, torch.Tensor]) -> tuple[str, ...]:
    if key.endswith("_orig") and f"{key[:-5]}_mask" in raw:
        return (key[:-5],)
    layer, mark, rest = key.rpartition("parametrizations.")
    if mark and rest.endswith(".original"):
        return (f"{layer}{rest.removesuffix('.original')}",)
    return (key,)


def entries(state: StateDict, raw: Mapping[str, torch.Tensor], resolved: Resolved) -> tuple[Entry, ...]:
    """Account for every tensor of a file.

    Args:
        state: the decoded and masked state.
        raw: the state dict before decoding.
        resolved: its masks.

    Returns:
        What became of each tensor, starting with those of the state dict.
    """
    before = {new: old for old, new in state.renamed.items()}
    own = [
        Entry(path_text((*state.home, before.get(key, key))), *_role(key, state, resolved), key)
        for key in raw
    ]
    named = {entry.key for entry in (*own, *resolved.entries)}
    return (*own, *resolved.entries, *_removed_keys(state, named))


def _removed_keys(state: StateDict, named: set[str]) -> tuple[Entry, ...]:
    """Return the keys that were removed with a wrapper or as a metric before the search for masks."""
    lost = [key for key in state.renamed if state.renamed[key] in state.ignored or key in state.ignored]
    keys = [path_text((*state.home, key)) for key in lost]
    return tuple(Entry(key, "buffer", "not part of the network") for key in keys if key not in named)


def _role(key: str, state: StateDict, resolved: Resolved) -> tuple[str, str]:
    owner = resolved.owners.get(key)
    if owner is not None:
        return ("mask", f"of {owner}") if owner else ("not read", "the masks given are used instead")
    last = key.rpartition(".")[2]
    if key in state.masks or key in state.tensors:
        return _of_network(key, last, state)
    if last.endswith(("_mask", "mask")):
        return "mask", "part of a reparametrization, which was undone"
    if key in state.ignored:
        return "buffer", "a counter or a buffer of whole numbers"
    return (
        "bias" if last.startswith(("bias", "_bias")) else "weight"
    ), "part of a reparametrization, which was undone"


def _of_network(key: str, last: str, state: StateDict) -> tuple[str, str]:
    masked_too = ", multiplied by its mask" if key in state.masks else ""
    if last in _STATISTICS:
        return "buffer", "statistics of a normalization"
    if last == "bias":
        return "bias", f"as stored{masked_too}"
    return "weight", f"as stored{masked_too}"
