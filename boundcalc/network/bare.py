"""The state dict of a single layer, {weight, bias}: its keys have no layer's name before them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from boundcalc.checkpoint.types import Checkpoint

LAYER = "weight"
"""What such a layer is called: its key without ``.weight``, as for any other."""

_OWN = ("weight", "bias")


def with_layer(checkpoint: Checkpoint) -> Checkpoint:
    """Return a checkpoint with a name before the keys of a single layer; any other as it is.

    Args:
        checkpoint: canonical tensors.
    """
    if not _is_bare(checkpoint.tensors):
        return checkpoint
    tensors = {_named(key): tensor for key, tensor in checkpoint.tensors.items()}
    masks = {_named(key): mask for key, mask in checkpoint.masks.items()}
    return replace(checkpoint, tensors=tensors, masks=masks)


def in_file(key: str, checkpoint: Checkpoint) -> str:
    """Return what a key of `with_layer` is called in the file.

    Args:
        key: of a layer's tensor.
        checkpoint: as it is in the file.
    """
    own = key.removeprefix(f"{LAYER}.")
    return own if _is_bare(checkpoint.tensors) else key


def _is_bare(keys: Iterable[str]) -> bool:
    return LAYER in keys and all(key in _OWN for key in keys)


def _named(key: str) -> str:
    return f"{LAYER}.{key}"
