"""Rewrites that keep the function: BatchNorm into the layer before it, ReLU before max pooling."""

from __future__ import annotations

from dataclasses import replace

import torch

from boundcalc.network.ops import Affine, ChannelAffine, MaxPool, Node, ReLU


def _readers(nodes: list[Node]) -> dict[int, list[int]]:
    readers: dict[int, list[int]] = {index: [] for index in range(len(nodes))}
    for index, node in enumerate(nodes):
        for source in node.inputs:
            readers[source].append(index)
    return readers


def drop(nodes: list[Node], index: int) -> list[Node]:
    """Remove a node with one input; its readers read that input instead."""
    (source,) = nodes[index].inputs

    def move(i: int) -> int:
        i = source if i == index else i
        return i - 1 if i > index else i

    kept = nodes[:index] + nodes[index + 1 :]
    return [replace(node, inputs=tuple(move(i) for i in node.inputs)) for node in kept]


def scaled(layer: Affine, scale: torch.Tensor, shift: torch.Tensor) -> Affine:
    """Return the layer followed by ``y = scale * x + shift`` per channel, as one layer.

    Args:
        layer: the layer before.
        scale: (out,) float64.
        shift: (out,) float64.
    """
    bias = shift if layer.bias is None else layer.bias * scale + shift
    return replace(layer, weight=layer.weight * scale[:, None, None, None], bias=bias, folded=True)


def fold_batchnorm(nodes: list[Node]) -> list[Node]:
    """Fold every per-channel affine map into the layer it follows, where that layer has no other reader."""
    index = 0
    while index < len(nodes):
        node = nodes[index]
        before = nodes[node.inputs[0]] if isinstance(node, ChannelAffine) else None
        foldable = isinstance(before, Affine) and before.shape == node.shape
        if foldable and _readers(nodes)[node.inputs[0]] == [index]:
            assert isinstance(node, ChannelAffine) and isinstance(before, Affine)
            nodes = list(nodes)
            folded = scaled(before, node.scale, node.shift)
            nodes[node.inputs[0]] = replace(folded, norms=(*before.norms, (node.name, node.eps)))
            nodes = drop(nodes, index)
        else:
            index += 1
    return nodes


def relu_before_max_pool(nodes: list[Node]) -> list[Node]:
    """Swap max pooling followed by ReLU into ReLU followed by max pooling: the same function."""
    nodes = list(nodes)
    readers = _readers(nodes)
    for index in range(len(nodes)):
        place = index
        while (swapped := _pool_before(nodes, readers, place)) is not None:
            pool, relu = nodes[swapped], nodes[place]
            nodes[swapped] = replace(relu, inputs=pool.inputs, shape=nodes[pool.inputs[0]].shape)
            nodes[place] = replace(pool, inputs=(swapped,))
            place = swapped
    return nodes


def _pool_before(nodes: list[Node], readers: dict[int, list[int]], index: int) -> int | None:
    if not isinstance(nodes[index], ReLU):
        return None
    (source,) = nodes[index].inputs
    return source if isinstance(nodes[source], MaxPool) and readers[source] == [index] else None
