"""The l1 path norm: one forward pass with absolute weights on the all-ones input, kept in log domain."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from boundcalc.errors import NotCovered
from boundcalc.network.chain import operation_name, place_of
from boundcalc.network.forward import affine, rearrange
from boundcalc.network.network import Network
from boundcalc.network.ops import Add, Affine, AvgPool, Input, MaxPool, Node, Rearrange, ReLU

Scaled = tuple[torch.Tensor, float]


def log_path_norm(network: Network) -> float:
    """Return log ||Phi||_1, from above: max pooling adds its window up, since every entry starts a path.

    Raises:
        NotCovered: an operation outside ReLU networks with pooling and sums.
    """
    values: dict[int, Scaled] = {}
    for index, node in enumerate(network.nodes):
        if isinstance(node, Input):
            values[index] = torch.ones(1, *node.shape, dtype=torch.float64), 0.0
        else:
            values[index] = _absolute(network, index, node, [values[i] for i in node.inputs])
    tensor, log_scale = values[len(network.nodes) - 1]
    total = float(tensor.sum())
    fan_in = sum(layer.weight[0].numel() + 1 for layer in network.layers()) + network.outputs
    return math.log(total) + log_scale + 1e-15 * (fan_in + 64) if total > 0 else -math.inf


def _absolute(network: Network, index: int, node: Node, inputs: list[Scaled]) -> Scaled:
    x, log_scale = inputs[0]
    match node:
        case Affine():
            bias = None if node.bias is None else node.bias.abs() * math.exp(-log_scale)
            return _normalised(affine(node, x, node.weight.abs(), bias), log_scale)
        case ReLU():
            return x, log_scale
        case AvgPool():
            return node.rows_h.abs() @ x @ node.rows_w.abs().T, log_scale
        case MaxPool():
            return _window_sum(node, x), log_scale
        case Rearrange():
            return rearrange(node, x), log_scale
        case Add():
            top = max(log_scale, inputs[1][1])
            return sum_of([(tensor * math.exp(scale - top)) for tensor, scale in inputs]), top
        case _:
            raise NotCovered(operation_name(node), place_of(network, index))


def sum_of(tensors: list[torch.Tensor]) -> torch.Tensor:
    """Add tensors of one shape."""
    return torch.stack(tensors).sum(0)


def _normalised(x: torch.Tensor, log_scale: float) -> Scaled:
    top = float(x.max())
    if top <= 0 or 1e-100 < top < 1e100:
        return x, log_scale
    return x / top, log_scale + math.log(top)


def _window_sum(node: MaxPool, x: torch.Tensor) -> torch.Tensor:
    window = node.window
    room = [
        max(0, (axis.out - 1) * axis.stride + axis.reach - axis.size - axis.before)
        for axis in (window.width, window.height)
    ]
    padded = F.pad(x, [window.width.before, room[0], window.height.before, room[1]])
    ones = torch.ones(x.shape[1], 1, *window.kernel, dtype=x.dtype)
    summed = F.conv2d(padded, ones, None, window.stride, dilation=window.dilation, groups=x.shape[1])
    return summed[:, :, : window.out[0], : window.out[1]]
