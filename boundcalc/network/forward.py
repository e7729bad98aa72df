"""Evaluate a network in float64, on the device of its input."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from boundcalc.errors import NotCovered
from boundcalc.features.orientations import orientations
from boundcalc.network.network import Network
from boundcalc.network.ops import (
    UNREADABLE,
    Activation,
    Add,
    Affine,
    AvgPool,
    ChannelAffine,
    Concat,
    FirstStage,
    Input,
    LeakyReLU,
    MaxPool,
    Node,
    Rearrange,
    ReLU,
    Slot,
    Unknown,
)

Evaluate = Callable[[Node, list[torch.Tensor]], torch.Tensor]

EVALUATED = frozenset({
    "bmm", "cat", "conv3d", "conv_transpose1d", "conv_transpose2d", "div", "elu", "gelu", "group_norm", "hardsigmoid",
    "hardswish", "hardtanh", "layer_norm", "leaky_relu", "linear", "log_softmax", "matmul", "mish", "mul", "neg", "relu6",
    "selu", "sigmoid", "silu", "softmax", "softplus", "sub", "tanh",
})  # fmt: skip
"""Operations outside the theory that are still evaluated, so that the empirical gap can be measured."""


def affine(node: Affine, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """Apply a layer's window with the given weight and bias.

    Args:
        node: the layer that gives the geometry.
        x: (batch, channels, height, width).
        weight: (out, in / groups, kernel height, kernel width).
        bias: (out,) or None.

    Returns:
        (batch, out, output height, output width).
    """
    whole = node.window.kernel == tuple(x.shape[2:]) and not any(node.window.pads)
    if whole and node.window.out == (1, 1) and node.groups == 1:
        return F.linear(x.flatten(1), weight.flatten(1), bias)[:, :, None, None]
    mode = "circular" if node.circular else "constant"
    padded = F.pad(x, node.window.pads, mode=mode) if any(node.window.pads) else x
    return F.conv2d(
        padded, weight, bias, node.window.stride, dilation=node.window.dilation, groups=node.groups
    )


def pool_max(node: MaxPool, x: torch.Tensor) -> torch.Tensor:
    """Apply a max pooling to (batch, channels, height, width)."""
    window = node.window
    return F.max_pool2d(
        x,
        window.kernel,
        window.stride,
        (window.height.before, window.width.before),
        window.dilation,
        ceil_mode=window.height.ceil,
    )


def rearrange(node: Rearrange, x: torch.Tensor) -> torch.Tensor:
    """Copy entries of (batch, channels, height, width) to their new positions."""
    source = node.source.to(x.device).flatten()
    picked = x.flatten(1)[:, source.clamp(min=0)] * (source >= 0)
    return picked.reshape(x.shape[0], *node.shape)


def entrywise(node: LeakyReLU | Activation | ChannelAffine, x: torch.Tensor) -> torch.Tensor:
    """Apply an entrywise function to (batch, channels, height, width)."""
    if isinstance(node, LeakyReLU):
        return torch.where(x >= 0, x, x * node.slopes.to(x.device)[:, None, None])
    if isinstance(node, ChannelAffine):
        return x * node.scale.to(x.device)[:, None, None] + node.shift.to(x.device)[:, None, None]
    packet, _, overload = node.op.partition(".")
    operation = getattr(getattr(torch.ops.aten, packet.rstrip("_")), overload or "default")
    return operation(x, **node.args)


def _unknown(node: Node, values: list[torch.Tensor]) -> torch.Tensor:
    if not isinstance(node, Unknown):
        raise NotCovered(type(node).__name__.lower(), node.name)
    packet, _, overload = node.op.partition(".")
    unreadable = any(argument is UNREADABLE for argument in node.args.values())
    if node.packet not in EVALUATED or unreadable:
        raise NotCovered(node.packet, node.name)

    def fill(argument: object) -> object:
        if isinstance(argument, Slot):
            value = values[argument.index]
            return value.reshape(value.shape[0], *node.read_as[argument.index])
        return [fill(item) for item in argument] if isinstance(argument, list) else argument

    operation = getattr(getattr(torch.ops.aten, packet), overload)
    names = [argument.name for argument in operation._schema.arguments]
    arguments = {name: fill(value) for name, value in node.args.items()}
    return operation(**{name: arguments[name] for name in names if name in arguments})


def evaluate_node(node: Node, values: list[torch.Tensor]) -> torch.Tensor:
    """Compute one node from the values it reads, each (batch, channels, height, width) float64.

    Raises:
        NotCovered: when the operation cannot be evaluated.
    """
    x = values[0]
    match node:
        case Affine():
            bias = None if node.bias is None else node.bias.to(x.device)
            return affine(node, x, node.weight.to(x.device), bias)
        case ReLU():
            return x.relu()
        case AvgPool():
            return node.rows_h.to(x.device) @ x @ node.rows_w.to(x.device).T
        case MaxPool():
            return pool_max(node, x)
        case Add():
            return x + values[1]
        case Rearrange():
            return rearrange(node, x)
        case Concat():
            return torch.cat(values, 1)
        case LeakyReLU() | Activation() | ChannelAffine():
            return entrywise(node, x)
        case FirstStage():
            return orientations(x, node.cells)
        case _:
            return _unknown(node, values).reshape(x.shape[0], *node.shape)


def run(network: Network, x: torch.Tensor, evaluate: Evaluate = evaluate_node) -> torch.Tensor:
    """Evaluate the network, freeing each value after its last use.

    Args:
        network: the network.
        x: (batch, *input shape) of any layout with the right number of entries, float64.
        evaluate: computes a node from its input values; by default exactly as the network defines it.

    Returns:
        (batch, outputs) float64.
    """
    last_use = {source: index for index, node in enumerate(network.nodes) for source in node.inputs}
    values: dict[int, torch.Tensor] = {}
    for index, node in enumerate(network.nodes):
        if isinstance(node, Input):
            values[index] = x.reshape(x.shape[0], *node.shape)
            continue
        values[index] = evaluate(node, [values[i] for i in node.inputs])
        for source in set(node.inputs):
            if last_use[source] == index:
                del values[source]
    return values[len(network.nodes) - 1].flatten(1)
