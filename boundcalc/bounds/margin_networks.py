"""Networks with the same margins as another: one output for two classes, centered rows for more."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch

from boundcalc.network.geometry import Window
from boundcalc.network.network import Network
from boundcalc.network.ops import Add, Affine

Center = Literal["mean", "median"]


def same_margins(network: Network, center: Center) -> Network:
    """Return a network with the same margins as another and smaller norms of its last layer.

    For two classes the result has one output f_1 - f_0, with labels 0 and 1. For more classes the same function is subtracted
    from every output so that each column of the last layer's weights has mean or median 0; a column of its mask is then full unless
    it was empty. The subtracted value is a float64 number, so that each entry is rounded once.

    Args:
        network: any network; it is returned unchanged if it has one output, or outputs at several positions.
        center: ``"mean"`` minimizes sums of squares over classes, ``"median"`` sums of absolute values.
    """
    last = network.nodes[-1]
    if network.outputs == 1 or last.shape[1:] != (1, 1):
        return network
    nodes = list(network.nodes)
    for index in _final_layers(network):
        layer = nodes[index]
        assert isinstance(layer, Affine)
        nodes[index] = _changed(layer, center)
    for index, node in enumerate(nodes):
        if isinstance(node, Add) and _reaches_only_sums(network, index):
            nodes[index] = replace(node, shape=nodes[node.inputs[0]].shape)
    return replace(network, nodes=tuple(nodes))


def with_layer_at_end(network: Network) -> Network:
    """Return the same function with an identity layer appended, unless its outputs are already those of layers or of sums of layers.

    The averages, ReLUs or concatenation that were the output become the input of a last layer; networks with an arbitrary last layer
    contain those with the identity. Networks with outputs at several positions are returned unchanged.
    """
    last, waiting = network.nodes[-1], [len(network.nodes) - 1]
    if last.shape[1:] != (1, 1):
        return network
    while waiting:
        node = network.nodes[waiting.pop()]
        if isinstance(node, Add):
            waiting += node.inputs
        elif not isinstance(node, Affine):
            break
    else:
        return network
    outputs = last.shape[0]
    eye = torch.eye(outputs, dtype=torch.float64)[:, :, None, None]
    layer = Affine(
        "outputs", (len(network.nodes) - 1,), last.shape, "linear", eye, None, eye > 0, None, (outputs, outputs),
        Window.whole((1, 1)),
    )  # fmt: skip
    return replace(network, nodes=(*network.nodes, layer))


def _final_layers(network: Network) -> list[int]:
    waiting, found = [len(network.nodes) - 1], []
    while waiting:
        index = waiting.pop()
        node = network.nodes[index]
        if isinstance(node, Add):
            waiting += node.inputs
        elif isinstance(node, Affine):
            found.append(index)
    return found


def _reaches_only_sums(network: Network, index: int) -> bool:
    waiting = [len(network.nodes) - 1]
    while waiting:
        here = waiting.pop()
        if here == index:
            return True
        if isinstance(network.nodes[here], Add):
            waiting += network.nodes[here].inputs
    return False


def _changed(layer: Affine, center: Center) -> Affine:
    weight, bias, used = layer.weight, layer.bias, layer.support.any(0, keepdim=True)
    declared = layer.declared
    if layer.groups > 1:
        return layer
    if weight.shape[0] == 2:
        return replace(
            layer, weight=weight[1:] - weight[:1], bias=None if bias is None else bias[1:] - bias[:1], support=used,
            declared=None if declared is None else declared.any(0, keepdim=True), shape=(1, 1, 1), window=layer.window,
        )  # fmt: skip
    shift = weight.mean(0, keepdim=True) if center == "mean" else weight.median(0, keepdim=True).values
    moved = None
    if bias is not None:
        moved = bias - (bias.mean() if center == "mean" else bias.median())
    return replace(
        layer, weight=weight - shift, bias=moved, support=used.expand_as(layer.support),
        declared=None if declared is None else declared.any(0, keepdim=True).expand_as(declared),
    )  # fmt: skip


def is_two_classes(network: Network) -> bool:
    """Return whether `same_margins` returns a network with one output for two classes."""
    return network.outputs == 2 and network.nodes[-1].shape[1:] == (1, 1) and not _grouped(network)


def _grouped(network: Network) -> bool:
    return any(
        layer.groups > 1
        for layer in (network.nodes[index] for index in _final_layers(network))
        if isinstance(layer, Affine)
    )
