"""The form of a network that the Toeplitz-norm bounds require: a chain of matrices, with average pooling multiplied in."""

from __future__ import annotations

from dataclasses import dataclass

from boundcalc.network.coverage import Blocker, blocker, refuse
from boundcalc.network.network import Network
from boundcalc.network.ops import Affine, AvgPool, Input, ReLU


@dataclass(frozen=True)
class ToeplitzLayer:
    """One matrix A^l of a chain: average poolings followed by a layer.

    Attributes:
        layer: the linear or convolution layer.
        pools: average poolings between the previous ReLU and this layer, in order of execution.
    """

    layer: Affine
    pools: tuple[AvgPool, ...]


def toeplitz_layers(network: Network) -> tuple[ToeplitzLayer, ...]:
    """Return the network as a chain of matrices with ReLU (or nothing) between them.

    Raises:
        NotCovered: when the network is no such chain; the message names every operation that prevents it.
    """
    refuse(_blockers(network))
    found: list[ToeplitzLayer] = []
    pools: list[AvgPool] = []
    for node in network.nodes:
        if isinstance(node, Affine):
            found.append(ToeplitzLayer(node, tuple(pools)))
            pools = []
        elif isinstance(node, AvgPool):
            pools.append(node)
    return tuple(found)


def _blockers(network: Network) -> list[Blocker]:
    found: list[Blocker] = []
    pooled = False
    for index, node in enumerate(network.nodes):
        if not isinstance(node, Affine | AvgPool | ReLU | Input):
            found.append(blocker(network, index))
        elif pooled and isinstance(node, ReLU):
            found.append(blocker(network, index, "ReLU after average pooling"))
        elif pooled and isinstance(node, Affine) and node.circular:
            found.append(blocker(network, index, "circular padding after average pooling"))
        pooled = isinstance(node, AvgPool) or (pooled and not isinstance(node, Affine))
    last = len(network.nodes) - 1
    if pooled:
        found.append(blocker(network, last, "average pooling of the outputs"))
    if isinstance(network.nodes[last], ReLU):
        found.append(blocker(network, last, "ReLU on the outputs"))
    return found
