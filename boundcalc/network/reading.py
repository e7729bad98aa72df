"""The tensors of the file that an operation outside the bounds reads: the role of each, and the weights among them.

The rule is that of `boundcalc.network.network.Network`: a tensor is counted even if no bound covers the operation that
reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from boundcalc.checkpoint.program import Call, Ref
from boundcalc.network.ops import KERNELS, Weight

if TYPE_CHECKING:
    from boundcalc.network.draft import Draft

WEIGHT, BIAS, NORMALIZATION, BUFFER = ("weight", "bias", "normalisation", "buffer")

_SUMS = frozenset({"add", "addmm", "addmv", "baddbmm", "rsub", "sub"})


def role(call: Call, argument: str, key: str, sizes: tuple[int, ...]) -> str:
    """Return the role of a parameter in an operation.

    Args:
        call: the operation.
        argument: name of its argument that the parameter enters.
        key: key of the parameter.
        sizes: its shape in the file.

    Returns:
        ``"weight"``, ``"bias"`` or ``"normalisation"``.

    Example:
        >>> layer_norm = Call("layer_norm.default", {}, ("y",))
        >>> role(layer_norm, "weight", "ln.weight", (4,)), role(Call("add.Tensor", {}, ("y",)), "other", "shift", (4,))
        ('normalisation', 'bias')
    """
    packet = call.packet.rstrip("_")
    flat, leaf = len(sizes) < 2, key.rpartition(".")[2]
    if packet.endswith("_norm") or "batch_norm" in packet or argument.startswith("norm_"):
        return NORMALIZATION
    named = "bias" in argument or argument.startswith("b_") or leaf.startswith("bias")
    if named or (flat and ("bias" in leaf or packet in _SUMS)):
        return BIAS
    return WEIGHT


def weight(draft: Draft, call: Call, key: str, argument: tuple[Ref, torch.Tensor | None]) -> Weight:
    """Return a weight that a call reads.

    Args:
        draft: the network under construction.
        call: the operation.
        key: key of the weight.
        argument: the value through which the call reads the weight, and that value in float64, or None if it is unknown.
    """
    stored, mask = draft.stored(key), draft.masks.get(key)
    value, read = argument
    declared = None if mask is None else mask.bool()
    if read is None or read.numel() != stored.numel():
        read = stored.double()
    elif declared is not None:
        declared = draft.parameters.moved(value.name, declared)
    kind = _kind(call, read)
    if kind in KERNELS:
        read = read.reshape(*read.shape[:2], 1, -1)
    if declared is not None:
        declared = declared.reshape(read.shape)
    support = read != 0 if declared is None else (read != 0) & declared
    groups = int(call.args.get("groups") or 1) if kind in KERNELS else 1
    return Weight(key, kind, read, support, declared, tuple(stored.shape), groups)


def _kind(call: Call, kernel: torch.Tensor) -> str:
    """Return the operation's name; a generic convolution is named by its number of dimensions."""
    packet = call.packet.rstrip("_")
    if packet in {"convolution", "_convolution"}:
        return f"conv{'_transpose' * bool(call.args.get('transposed'))}{kernel.dim() - 2}d"
    return packet
