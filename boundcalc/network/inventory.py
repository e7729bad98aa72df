"""List the weights of a checkpoint whose architecture is unknown: enough to report their sparsity, not to run the network."""

from __future__ import annotations

import math
from collections.abc import Container

import torch

from boundcalc.checkpoint.types import Checkpoint
from boundcalc.errors import ArchitectureUnknown
from boundcalc.network import apart, fit, tied
from boundcalc.network.load import from_checkpoint
from boundcalc.network.network import Network
from boundcalc.network.ops import UNPLACED, Input, Unknown, Weight

_KINDS = {2: "linear", 3: "conv1d", 4: "conv2d", 5: "conv3d"}
"""Number of dimensions of a weight -> the kind of layer to which such a weight usually belongs."""

_SOURCE = "not known: the weights alone"


def network_or_inventory(
    checkpoint: Checkpoint,
    model: str | torch.nn.Module | None = None,
    input_shape: tuple[int, ...] | None = None,
    prefix: str | None = None,
) -> Network:
    """Read the architecture of a checkpoint as `from_checkpoint` does; if it is unknown, list the weights alone.

    Args:
        checkpoint: the checkpoint.
        model: the model, as for `from_checkpoint`.
        input_shape: one sample's shape.
        prefix: prefix of the keys of the network to read.

    Raises:
        CheckpointError: when the architecture is given and does not fit, or there are several networks.
    """
    try:
        return from_checkpoint(checkpoint, model, input_shape, prefix)
    except ArchitectureUnknown as error:
        return inventory(checkpoint, error.problem, prefix)


def inventory(checkpoint: Checkpoint, reason: str, prefix: str | None = None) -> Network:
    """List the weights of a checkpoint.

    Args:
        checkpoint: checkpoint with canonical tensors.
        reason: why its architecture is unknown, and what to do.
        prefix: prefix of the keys of the network to read.

    Returns:
        A network of one `Unknown` operation that reads all weights; a weight with several names counts once.

    Raises:
        CheckpointError: when no key begins with the prefix, or the weights take too much memory.
    """
    fitted = fit.select_prefix(checkpoint, prefix)
    own = fitted.checkpoint
    own.check_memory()
    shared = tied.plain(own.shared, own.tensors)
    again = {key for keys in shared for key in keys[1:]}
    aside = {key: why for key in own.tensors if (why := apart.by_name(key)) is not None}
    kept = {key: tensor for key, tensor in own.tensors.items() if key not in aside and key not in again}
    weights = {key: tensor for key, tensor in kept.items() if tensor.ndim > 1 and tensor.numel()}
    found = tuple(_weight(key, tensor, own.masks.get(key)) for key, tensor in weights.items())
    biases = tuple((key, kept[key].numel()) for key in kept if key not in weights and _is_bias(key, weights))
    network = Unknown("network", (0,), (1, 1, 1), UNPLACED, {}, ((1,),), found, biases)
    notes = ("kinds of layers are told from the dimensions of their weights", *tied.notes(shared))
    return fit.with_file_keys(
        Network(
            (Input("input", (), (1, 1, 1)), network),
            _SOURCE,
            (),
            notes,
            set_aside=tuple(aside.items()),
            unplaced=reason,
        ),
        fitted,
    )


def _is_bias(key: str, weights: Container[str]) -> bool:
    """Return whether a key is a bias of one of the weights, and not the shift of a normalization, whose scale is
    one-dimensional.
    """
    return key.endswith("bias") and f"{key.removesuffix('bias')}weight" in weights


def _weight(key: str, tensor: torch.Tensor, mask: torch.Tensor | None) -> Weight:
    shape = _shape(tensor)
    weight = tensor.double().reshape(shape)
    declared = None if mask is None else mask.bool().reshape(shape)
    support = weight != 0 if declared is None else (weight != 0) & declared
    kind = _KINDS.get(tensor.ndim, f"{tensor.ndim} dimensions")
    return Weight(key, kind, weight, support, declared, tuple(tensor.shape))


def _shape(tensor: torch.Tensor) -> tuple[int, ...]:
    """Return the shape that masks use: (out, in, height, width), or the tensor's own if its number of dimensions is none of
    `_KINDS`.
    """
    if tensor.ndim not in _KINDS:
        return tuple(tensor.shape)
    window = tuple(tensor.shape[2:])
    return (*tensor.shape[:2], *(window if len(window) == 2 else (1, math.prod(window))))
