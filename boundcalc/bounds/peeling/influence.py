"""Influence of each channel on the output. It guides the search for a split; no bound depends on its correctness."""

from __future__ import annotations

import torch

from boundcalc.network.network import Network
from boundcalc.network.nodes import ungrouped
from boundcalc.network.ops import Affine, Node
from boundcalc.norms.rounding import exponent_of, unit_sized

PLAIN = 300
"""Layers whose largest weight has a binary exponent of larger absolute value are rescaled to size 1, so that the guide can
compare them."""


def influences(network: Network) -> list[torch.Tensor]:
    """Return for every node of the network the l1 size of the paths from each of its channels to the output.

    Positions are ignored, and the largest influence at the network's last value is 1.

    Returns:
        One tensor (channels,) float64 for each node.
    """
    found = [torch.zeros(node.shape[0], dtype=torch.float64) for node in network.nodes]
    found[-1] += 1.0
    for index in range(len(network.nodes) - 1, 0, -1):
        node = network.nodes[index]
        passed = (
            found[index] / found[index].max().clamp(min=1e-300) if isinstance(node, Affine) else found[index]
        )
        for source in node.inputs:
            found[source] = found[source] + _back(node, passed, found[source].numel())
    return found


def _back(node: Node, influence: torch.Tensor, channels: int) -> torch.Tensor:
    if isinstance(node, Affine):
        exponent = exponent_of(node.weight)
        sizes = node.weight.abs() if abs(exponent) < PLAIN else unit_sized(node.weight.abs())[0]
        return ungrouped(sizes.sum((2, 3), keepdim=True), node.groups)[:, :, 0, 0].T @ influence
    if influence.numel() == channels:
        return influence
    return torch.full((channels,), float(influence.mean()), dtype=torch.float64)
