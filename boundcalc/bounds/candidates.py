"""Batches of networks of one architecture: the matrices of every layer, and the outputs on a sample.

All results are differentiable in the weights, so that a class of networks can be searched by gradient ascent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from boundcalc.errors import NotCovered
from boundcalc.network.coverage import RELU_NETWORK, operation_name, place_of, require
from boundcalc.network.forward import affine
from boundcalc.network.geometry import Window
from boundcalc.network.network import Network
from boundcalc.network.ops import (
    Add,
    Affine,
    AvgPool,
    ChannelAffine,
    Concat,
    LeakyReLU,
    MaxPool,
    Node,
    Rearrange,
    ReLU,
)

GRAPH = (*RELU_NETWORK, Concat, ChannelAffine, LeakyReLU)
"""The kinds of nodes that this module can evaluate."""

Kernels = Mapping[int, tuple[torch.Tensor, "torch.Tensor | None"]]
"""Index of a layer's node -> weights (B, out, in / groups, kh, kw) and biases (B, out) or None."""


def affine_nodes(network: Network) -> dict[int, Affine]:
    """Return the layers with weights, keyed by the index of their node."""
    return {index: node for index, node in enumerate(network.nodes) if isinstance(node, Affine)}


def units(node: Node) -> int:
    """Return the number of entries of a node's value."""
    return math.prod(node.shape)


def placement(network: Network, layer: Affine) -> torch.Tensor:
    """Return, for each entry of the layer's matrix, the index of the flat kernel entry in this place.

    Returns:
        (output units, input units) int64, with ``kernel.numel()`` where the matrix is 0.

    Raises:
        NotCovered: taps of a circular kernel coincide.
    """
    shape = network.nodes[layer.inputs[0]].shape
    eye = torch.eye(math.prod(shape), dtype=torch.float64).reshape(-1, *shape)
    taps = affine(layer, eye, torch.ones_like(layer.weight), None).flatten(1).T
    if bool((taps > 1).any()):
        raise NotCovered("a circular kernel wider than its image", layer.name)
    count = layer.weight.numel()
    numbered = torch.arange(1, count + 1, dtype=torch.float64).reshape(layer.weight.shape)
    places = affine(layer, eye, numbered, None).flatten(1).T.round().long()
    return torch.where(places > 0, places - 1, count)


def window_index(window: Window, channels: int) -> torch.Tensor:
    """Return the entries of a (channels, height, width) value that each pooling window reads.

    Returns:
        (channels * oh * ow, taps) int64 indices into the flat value; the index is the size of the value where the
        window reads padding.
    """
    high, wide = window.height, window.width
    rows, columns = high.positions(), wide.positions()
    inside = high.taps()[:, None, :, None] & wide.taps()[None, :, None, :]
    flat = rows[:, None, :, None] * wide.size + columns[None, :, None, :]
    area = high.size * wide.size
    places = torch.where(inside, flat, -1).reshape(1, math.prod(window.out), -1)
    shifted = torch.where(places >= 0, places + area * torch.arange(channels)[:, None, None], channels * area)
    return shifted.reshape(channels * math.prod(window.out), -1)


def picked(values: torch.Tensor, index: torch.Tensor, fill: float) -> torch.Tensor:
    """Gather along the last axis; an index equal to the size of this axis gives `fill`."""
    extended = torch.cat([values, values.new_full((*values.shape[:-1], 1), fill)], -1)
    return extended[..., index]


class Architecture:
    """The parts that all networks of one architecture share, computed once.

    Args:
        network: network that provides the nodes; its weights are ignored.
        covered: kinds of nodes that are accepted.

    Raises:
        NotCovered: an operation cannot be run in this way; the exception names its place.
    """

    def __init__(self, network: Network, covered: tuple[type, ...] = GRAPH) -> None:
        require(network, covered)
        self.network = network
        self.layers = affine_nodes(network)
        self._places = {index: placement(network, layer) for index, layer in self.layers.items()}
        self._windows = {
            index: window_index(node.window, node.shape[0])
            for index, node in enumerate(network.nodes)
            if isinstance(node, MaxPool)
        }

    def with_weights(self, kernels: Kernels) -> Candidates:
        """Return the networks that have these weights."""
        matrices, biases = {}, {}
        for index, (weight, bias) in kernels.items():
            matrices[index] = picked(weight.flatten(1), self._places[index], 0.0)
            area = math.prod(self.layers[index].shape[1:])
            biases[index] = None if bias is None else bias.repeat_interleave(area, 1)
        return Candidates(self, kernels, matrices, biases)

    def own(self) -> Candidates:
        """Return the network itself, a batch of one."""
        return self.with_weights({
            index: (layer.weight[None], None if layer.bias is None else layer.bias[None])
            for index, layer in self.layers.items()
        })  # fmt: skip

    def each(self, index: int, per_channel: torch.Tensor) -> torch.Tensor:
        """Expand one number per channel to every unit of a node, (units,)."""
        return per_channel.repeat_interleave(math.prod(self.network.nodes[index].shape[1:]))

    def fixed(
        self, index: int, value: torch.Tensor, pooled: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        """Compute a node without weights.

        Args:
            index: index of the node.
            value: input of the node, (..., units).
            pooled: reduces the windows of a max pooling, (..., windows, taps), with -inf where a tap reads padding.

        Raises:
            NotCovered: the operation cannot be run in this way.
        """
        node = self.network.nodes[index]
        match node:
            case ReLU():
                return value.relu()
            case LeakyReLU():
                return value.relu() - self.each(index, node.slopes) * (-value).relu()
            case ChannelAffine():
                return value * self.each(index, node.scale) + self.each(index, node.shift)
            case AvgPool():
                shape = self.network.nodes[node.inputs[0]].shape
                return (node.rows_h @ value.unflatten(-1, shape) @ node.rows_w.T).flatten(-3)
            case MaxPool():
                return pooled(picked(value, self._windows[index], -math.inf))
            case Rearrange():
                source = node.source.flatten()
                return picked(value, torch.where(source >= 0, source, value.shape[-1]), 0.0)
            case _:
                raise NotCovered(operation_name(node), place_of(self.network, index))


@dataclass(frozen=True, eq=False)
class Candidates:
    """A batch of B networks of one architecture.

    Attributes:
        architecture: parts that they share.
        kernels: weights and biases as the layers hold them.
        matrices: index of a layer's node -> (B, output units, input units).
        biases: index of a layer's node -> (B, output units), or None.
    """

    architecture: Architecture
    kernels: Kernels
    matrices: dict[int, torch.Tensor]
    biases: dict[int, torch.Tensor | None]

    def values(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the value of every node.

        Args:
            x: inputs, (m, input units) float64.

        Returns:
            For each node (B, m, units); (1, m, units) if no weight has entered yet.
        """
        return self._walk(x[None], self.matrices, self.biases, lambda windows: windows.amax(-1))

    def outputs(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs on the sample, (B, m, outputs)."""
        return self.values(x)[-1]

    def path_norms(self, t: float = 1.0) -> torch.Tensor:
        """Return the l1 path norms, (B,): one pass of ones with absolute weights, biases over t, and pooling windows summed."""
        ones = torch.ones(1, 1, units(self.architecture.network.nodes[0]), dtype=torch.float64)
        matrices = {index: matrix.abs() for index, matrix in self.matrices.items()}
        biases = {index: None if bias is None else bias.abs() / t for index, bias in self.biases.items()}
        last = self._walk(ones, matrices, biases, lambda windows: windows.clamp(min=0).sum(-1), t)[-1]
        return last.sum((1, 2))

    def _walk(
        self,
        x: torch.Tensor,
        matrices: dict[int, torch.Tensor],
        biases: dict[int, torch.Tensor | None],
        pooled: Callable[[torch.Tensor], torch.Tensor],
        absolute: float | None = None,
    ) -> list[torch.Tensor]:
        """Return the value of every node; if `absolute` is a t, use absolute factors of diagonal layers and absolute
        shifts over t.
        """
        architecture, found = self.architecture, [x]
        for index, node in enumerate(self.architecture.network.nodes[1:], start=1):
            value = found[node.inputs[0]]
            if isinstance(node, Affine):
                bias = biases[index]
                product = value @ matrices[index].transpose(1, 2)
                found.append(product if bias is None else product + bias[:, None])
            elif isinstance(node, Add):
                found.append(value + found[node.inputs[1]])
            elif isinstance(node, Concat):
                batch = max(len(found[i]) for i in node.inputs)
                found.append(torch.cat([found[i].expand(batch, -1, -1) for i in node.inputs], 2))
            elif isinstance(node, ChannelAffine) and absolute is not None:
                scale, shift = (
                    architecture.each(index, part.abs()) for part in (node.scale, node.shift / absolute)
                )
                found.append(value * scale + shift)
            else:
                found.append(architecture.fixed(index, value, pooled))
        return found
