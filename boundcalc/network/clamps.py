"""Clamps (ReLU6, hardtanh, clamp) as what they are: two ReLUs with fixed biases.

For -a <= 0 <= b

    min(max(u, -a), b) = b - relu(a + b - relu(u + a)),

so a network with clamps is a ReLU network with biases that no sample had a say in, and whatever is proved of those holds.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from boundcalc.network.network import Network
from boundcalc.network.ops import Activation, ChannelAffine, Node, ReLU

_OF_ITSELF = {
    "hardtanh": (-1.0, 1.0),
    "relu6": (0.0, 6.0),
    **dict.fromkeys(("clamp", "clip", "clamp_min", "clamp_max"), (-math.inf, math.inf)),
}


def limits(node: Node) -> tuple[float, float] | None:
    """Return the interval, with 0 in it, to which an activation clamps; None for any other node.

    Args:
        node: of a network.
    """
    if not isinstance(node, Activation) or node.packet not in _OF_ITSELF:
        return None
    given = {name.removesuffix("_val"): value for name, value in node.args.items() if value is not None}
    low, high = _OF_ITSELF[node.packet]
    return float(given.get("min", low)), float(given.get("max", high))


def has_clamps(network: Network) -> bool:
    """Return whether a network has a clamp."""
    return any(limits(node) is not None for node in network.nodes)


def in_relus(network: Network) -> Network:
    """Return the same function with ReLUs and fixed shifts in place of clamps.

    Args:
        network: any network.
    """
    places: list[int] = []
    nodes: list[Node] = []
    for node in network.nodes:
        moved = replace(node, inputs=tuple(places[i] for i in node.inputs))
        interval = limits(node)
        if interval is None:
            nodes.append(moved)
        else:
            nodes += _clamped(moved, *interval, len(nodes))
        places.append(len(nodes) - 1)
    return replace(network, nodes=tuple(nodes))


def _clamped(node: Node, low: float, high: float, place: int) -> list[Node]:
    """Return the nodes of one clamp, the first of which gets the number `place`."""
    maps: list[tuple[float, float] | None] = []  # scale and shift, or None for a ReLU
    if low > -math.inf:
        maps += [(1.0, -low), None, (1.0, low)]
    if high < math.inf:
        between = (-1.0, high - low if maps else high)
        maps = [*maps[:-1], between, None, (-1.0, high)]
    found: list[Node] = []
    for step in maps:
        if step == (1.0, 0.0):
            continue
        inputs = (place + len(found) - 1,) if found else node.inputs
        if step is None:
            found.append(ReLU(node.name, inputs, node.shape))
        else:
            scale, shift = (torch.full(node.shape[:1], value, dtype=torch.float64) for value in step)
            found.append(ChannelAffine(node.name, inputs, node.shape, scale, shift, trained=False))
    return found
