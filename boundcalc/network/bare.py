"""The state dict of a single layer, {weight, bias}, whose keys contain no layer name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from boundcalc.checkpoint.types import Checkpoint

LAYER = "weight"
"""Name of such a layer: its key without ``.weight``, as for any other layer."""

_OWN = ("weight", "bias")


def with_layer_name(checkpoint: Checkpoint) -> Checkpoint:
    """Add a layer name to the keys of a single layer's checkpoint; return any other checkpoint unchanged.

    Args:
        checkpoint: checkpoint with canonical tensors.
    """
    if not _is_bare(checkpoint.tensors):
        return checkpoint
    tensors = {_named(key): tensor for key, tensor in checkpoint.tensors.items()}
    masks = {_named(key): mask for key, mask in checkpoint.masks.items()}
    return replace(checkpoint, tensors=tensors, masks=masks)


def key_in_file(key: str, checkpoint: Checkpoint) -> str:
    """Return the name that a key of `with_layer_name` has in the file.

    Args:
        key: key of a layer's tensor.
        checkpoint: the checkpoint as read from the file.
    """
    own = key.removeprefix(f"{LAYER}.")
    return own if _is_bare(checkpoint.tensors) else key


def _is_bare(keys: Iterable[str]) -> bool:
    return LAYER in keys and all(key in _OWN for key in keys)


def _named(key: str) -> str:
    return f"{LAYER}.{key}"
