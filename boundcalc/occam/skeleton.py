"""Reduced networks that compute the same function: without dead units, unread pixels, or constants that biases can absorb."""

from __future__ import annotations

from dataclasses import replace

import torch

from boundcalc.network.geometry import Window
from boundcalc.network.network import Network
from boundcalc.network.ops import Affine, Input, Node, ReLU
from boundcalc.occam.axes import Axes, axes_of


def flattened(network: Network) -> Network:
    """Return the network with a vector as its input, if every layer that reads the input reads the whole image; else
    unchanged.

    The input units are then pixels, each a unit of an axis. Names, function and order of weights are the same.
    """
    readers = [node for node in network.nodes if 0 in node.inputs]
    if not all(isinstance(node, Affine) and reads_all(node) for node in readers):
        return network
    units = network.inputs

    def flat(node: Node) -> Node:
        if isinstance(node, Input):
            return replace(node, shape=(units, 1, 1))
        if isinstance(node, Affine) and 0 in node.inputs:
            return _with_shape(node, (node.weight.shape[0], units, 1, 1), Window.whole((1, 1)))
        return node

    return replace(network, nodes=tuple(flat(node) for node in network.nodes))


def reads_all(node: Affine) -> bool:
    """Return whether every output of a layer reads its whole input, as in a linear layer."""
    window = node.window
    whole = window.kernel == (window.height.size, window.width.size) and window.out == (1, 1)
    return whole and not any(window.pads) and node.groups == 1


def _with_shape(node: Affine, shape: tuple[int, int, int, int], window: Window) -> Affine:
    declared = None if node.declared is None else node.declared.reshape(shape)
    return replace(
        node,
        weight=node.weight.reshape(shape),
        support=node.support.reshape(shape),
        declared=declared,
        window=window,
    )


def with_weights(
    network: Network, weights: dict[str, torch.Tensor], biases: dict[str, torch.Tensor]
) -> Network:
    """Return the network with other weights and, in the layers that have them, other biases, in float64."""

    def changed(node: Node) -> Node:
        if not isinstance(node, Affine):
            return node
        weight = weights[node.name].reshape(node.weight.shape)
        bias = None if node.bias is None else biases[node.name]
        return replace(node, weight=weight, bias=bias, support=weight != 0)

    return replace(network, nodes=tuple(changed(node) for node in network.nodes))


def simplified(network: Network) -> Network:
    """Return the network without weights that cannot matter; its function is unchanged up to rounding.

    Units that no input reaches are constants: if a layer on vectors reads them, they become part of its bias. The weights
    and biases of units that nothing reads are set to zero.
    """
    axes = axes_of(network)
    weights = {layer.name: layer.weight.clone() for layer in network.stored()}
    biases = {layer.name: layer.bias.clone() for layer in network.stored() if layer.bias is not None}
    once = len(list(network.layers())) == len(weights)
    for _ in range(network.depth):
        if once:
            _absorb_constants(network, weights, biases)
        read = {
            axis: torch.zeros(axes.axes[axis].size, dtype=torch.bool) for axis in set(axes.columns.values())
        }
        for name, axis in axes.columns.items():
            read[axis] |= (weights[name] != 0).any(0).flatten(1).any(1)
        for name, axis in axes.rows.items():
            if axes.axes[axis].free and axis in read:
                weights[name][~read[axis]] = 0.0
                if name in biases:
                    biases[name][~read[axis]] = 0.0
    return with_weights(network, weights, biases)


def _absorb_constants(
    network: Network, weights: dict[str, torch.Tensor], biases: dict[str, torch.Tensor]
) -> None:
    """Move constant outputs of layers on vectors, if only a ReLU follows them, into the biases of the layers that read
    them.
    """
    consumers = network.consumers()
    for index, node in enumerate(network.nodes):
        if not isinstance(node, Affine) or node.name not in biases or node.shape[1:] != (1, 1):
            continue
        if len(consumers[index]) != 1 or not isinstance(network.nodes[consumers[index][0]], ReLU):
            continue
        readers = [network.nodes[i] for i in consumers[consumers[index][0]]]
        if not readers or not all(_takes_constants(reader, biases) for reader in readers):
            continue
        constant = (weights[node.name] == 0).flatten(1).all(1)
        values = biases[node.name].clamp(min=0) * constant
        for reader in readers:
            kernel = weights[reader.name].flatten(1)
            biases[reader.name] = biases[reader.name] + kernel @ values
            weights[reader.name][:, constant] = 0.0
        biases[node.name] = torch.where(constant, 0.0, biases[node.name])


def _takes_constants(reader: Node, biases: dict[str, torch.Tensor]) -> bool:
    return (
        isinstance(reader, Affine)
        and reader.name in biases
        and reader.groups == 1
        and reader.weight.shape[2:] == (1, 1)
        and reader.shape[1:] == (1, 1)
    )


def compacted(network: Network) -> tuple[Network, tuple[torch.Tensor, ...]]:
    """Remove the units of free axes and of a vector input that no surviving weight or bias touches.

    Returns:
        The smaller network, and for each axis the indices of the units that were kept, int64.
    """
    axes = axes_of(network)
    touched = [torch.zeros(axis.size, dtype=torch.bool) for axis in axes.axes]
    for layer in network.stored():
        alive = layer.weight != 0
        touched[axes.rows[layer.name]] |= alive.flatten(1).any(1)
        touched[axes.columns[layer.name]] |= alive.any(0).flatten(1).any(1)
        if layer.bias is not None:
            touched[axes.rows[layer.name]] |= layer.bias != 0
    vector_input = axes.nodes[0] if _input_can_be_cut(network, axes) else -1
    kept = tuple(
        (seen if bool(seen.any()) else _first(seen)).nonzero()[:, 0]
        if axis.free or i == vector_input
        else torch.arange(axis.size)
        for i, (axis, seen) in enumerate(zip(axes.axes, touched, strict=True))
    )

    def small(index: int, node: Node) -> Node:
        shape = (kept[axes.nodes[index]].numel(), *node.shape[1:])
        if not isinstance(node, Affine):
            return replace(node, shape=shape)
        rows, columns = kept[axes.rows[node.name]], kept[axes.columns[node.name]]
        return replace(
            node,
            shape=shape,
            weight=node.weight[rows][:, columns],
            bias=None if node.bias is None else node.bias[rows],
            support=node.support[rows][:, columns],
            declared=None,
        )

    nodes = tuple(small(index, node) for index, node in enumerate(network.nodes))
    return replace(network, nodes=nodes, input_shape=nodes[0].shape), kept


def _input_can_be_cut(network: Network, axes: Axes) -> bool:
    readers = [node for node in network.nodes if 0 in node.inputs]
    alone = axes.nodes.count(axes.nodes[0]) == 1 and network.nodes[0].shape[1:] == (1, 1)
    return alone and all(isinstance(node, Affine) and node.groups == 1 for node in readers)


def _first(units: torch.Tensor) -> torch.Tensor:
    only = torch.zeros_like(units)
    only[0] = True
    return only
