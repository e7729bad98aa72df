"""Networks with the same margins as another: one output for two classes, centred rows for more."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch

from boundcalc.network.geometry import Window
from boundcalc.network.network import Network
from boundcalc.network.ops import Add, Affine

Center = Literal["mean", "median"]


def same_margins(network: Network, center: Center) -> Network:
    """Return a network whose margins are those of another and whose last layer has smaller norms.

    Two classes: one output f_1 - f_0, labels 0 and 1. More: one function is taken from every output, so that the weights of each
    column of the last layer have mean or median 0; a column of its mask is then full where it was not empty. The shift is a
    float64 number, so that an entry rounds once.

    Args:
        network: any network; returned as it is where it has one output, or outputs at several positions.
        center: ``"mean"`` makes sums over classes of squares smallest, ``"median"`` sums of absolute values.
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
    """Return the same function with an identity as its last layer, where its outputs are not those of layers or of sums of layers.

    Averages, ReLUs or a concatenation as the output become what a last layer reads; networks with any last layer there contain
    those with the identity. Outputs at several positions are left as they are.
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
    """Return whether `same_margins` gives a network with one output."""
    return network.outputs == 2 and network.nodes[-1].shape[1:] == (1, 1) and not _grouped(network)


def _grouped(network: Network) -> bool:
    return any(
        layer.groups > 1
        for layer in (network.nodes[index] for index in _final_layers(network))
        if isinstance(layer, Affine)
    )
