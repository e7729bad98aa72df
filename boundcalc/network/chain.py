"""The view that the Toeplitz-norm bounds need: matrices one after another, average pooling multiplied in."""

from __future__ import annotations

from dataclasses import dataclass

from boundcalc.errors import NotCovered
from boundcalc.network.network import Network
from boundcalc.network.ops import (
    Add,
    Affine,
    AvgPool,
    ChannelAffine,
    Input,
    MaxPool,
    Node,
    Rearrange,
    ReLU,
    Unknown,
)


@dataclass(frozen=True)
class Link:
    """One matrix A^l of a chain: a layer applied to averaged values.

    Attributes:
        layer: the linear or convolution layer.
        pools: average poolings between the previous ReLU and this layer, in order of execution.
    """

    layer: Affine
    pools: tuple[AvgPool, ...]


def operation_name(node: Node) -> str:
    """Return the word by which a report calls an operation that a bound does not cover."""
    match node:
        case Unknown():
            return node.op.partition(".")[0]
        case MaxPool():
            return "max pooling"
        case Add():
            return "residual sum"
        case ChannelAffine():
            return "BatchNorm that follows no layer"
        case Rearrange():
            return "cropping or padding of values"
        case _:
            return type(node).__name__


def place_of(network: Network, index: int) -> str:
    """Return the layer nearest to a node, for messages: its own name or ``after NAME``."""
    node = network.nodes[index]
    if isinstance(node, Affine | ChannelAffine):
        return node.name
    layers = [n.name for n in network.nodes[:index] if isinstance(n, Affine)]
    return f"the input of {network.nodes[index].name}" if not layers else f"{node.name} after {layers[-1]}"


def links(network: Network) -> tuple[Link, ...]:
    """Return the network as a chain of matrices with ReLU (or nothing) between them.

    Raises:
        NotCovered: the network is no such chain; names the first operation that is in the way.
    """
    found: list[Link] = []
    pools: list[AvgPool] = []
    for index, node in enumerate(network.nodes):
        match node:
            case Affine():
                if node.circular and pools:
                    raise NotCovered("circular padding after average pooling", node.name)
                found.append(Link(node, tuple(pools)))
                pools = []
            case AvgPool():
                pools.append(node)
            case ReLU() | Input():
                if pools and isinstance(node, ReLU):
                    raise NotCovered("ReLU after average pooling", place_of(network, index))
            case _:
                raise NotCovered(operation_name(node), place_of(network, index))
    if pools:
        raise NotCovered("average pooling of the outputs", place_of(network, len(network.nodes) - 1))
    if isinstance(network.nodes[-1], ReLU):
        raise NotCovered("ReLU on the outputs", place_of(network, len(network.nodes) - 1))
    return tuple(found)
