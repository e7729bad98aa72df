"""Convert a certified network to a state dict that its own architecture can load."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from boundcalc.errors import BoundcalcError
from boundcalc.network.network import Network
from boundcalc.network.ops import Affine

VARIANCE, SCALE = 2.0**60, 2.0**30
"""A variance beside which eps is lost in rounding, and its root as the scale, so that a BatchNorm only adds its shift, in any
precision."""


def state_dict(
    stored: Mapping[str, torch.Tensor], network: Network, certified: Network
) -> dict[str, torch.Tensor]:
    """Return a checkpoint's tensors with the weights and biases of the certified network.

    Args:
        stored: the checkpoint's own tensors, with reparametrizations undone.
        network: the network read from the checkpoint.
        certified: a network of this architecture, possibly with hidden units in another order and a vector as its input;
            its numbers must be float32 values.

    Returns:
        Key -> tensor, with shapes as in `stored` and weights and biases in float32. A BatchNorm that was folded into a
        layer only adds the bias; one without a scale keeps a factor that is 1 up to the rounding of float32.

    Raises:
        BoundcalcError: when a layer's weight is not stored as `LAYER.weight`, row by row, or the model scales or shifts the
            layer's inputs or outputs in a way that the file cannot undo.
    """
    state = {key: tensor.clone() for key, tensor in stored.items()}
    shapes = {layer.name: layer for layer in network.stored()}
    for layer in certified.stored():
        own = shapes[layer.name]
        if not _is_stored_by_rows(stored, own):
            raise BoundcalcError(
                f"{layer.name}: its weight is not stored in the key {layer.name}.weight, row by row"
            )
        if own.diagonals or (own.norms_before and not own.norms and f"{layer.name}.bias" not in stored):
            what = ", ".join([*own.diagonals, *(name for name, _ in own.norms_before)])
            raise BoundcalcError(
                f"{layer.name}: its checkpoint cannot store the compressed network, which has no {what}"
            )
        state[f"{layer.name}.weight"] = layer.weight.float().reshape(own.stored_shape).contiguous()
        if layer.bias is not None:
            _put_bias(state, own, layer.bias.float())
    return state


def _is_stored_by_rows(stored: Mapping[str, torch.Tensor], layer: Affine) -> bool:
    if f"{layer.name}.weight" not in stored:
        return False
    kernel = stored[f"{layer.name}.weight"].double().reshape(layer.weight.shape)
    return layer.folded or torch.equal(torch.where(layer.support, kernel, 0.0), layer.weight)


def _put_bias(state: dict[str, torch.Tensor], layer: Affine, bias: torch.Tensor) -> None:
    for norm, eps in layer.norms_before:
        _put_shift(state, norm, eps, torch.zeros_like(state[f"{norm}.running_mean"]))
    if not layer.norms:
        state[f"{layer.name}.bias"] = bias
        return
    if f"{layer.name}.bias" in state:
        state[f"{layer.name}.bias"] = torch.zeros_like(bias)
    for place, (norm, eps) in enumerate(layer.norms):
        _put_shift(state, norm, eps, bias if place == 0 else torch.zeros_like(bias))


def _put_shift(state: dict[str, torch.Tensor], norm: str, eps: float, shift: torch.Tensor) -> None:
    """Make a BatchNorm add a shift and do nothing else."""
    has_scale = f"{norm}.weight" in state
    state[f"{norm}.running_mean"] = -shift
    state[f"{norm}.running_var"] = torch.full_like(shift, VARIANCE if has_scale else 1.0 - eps)
    if has_scale:
        state[f"{norm}.weight"] = torch.full_like(shift, SCALE)
        state[f"{norm}.bias"] = torch.zeros_like(shift)
