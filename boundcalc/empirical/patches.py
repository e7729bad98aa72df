"""The largest input patch of every layer, measured while the data run through the network."""

from __future__ import annotations

import torch

from boundcalc.network.forward import affine, evaluate_node
from boundcalc.network.network import Network
from boundcalc.network.ops import Affine, Node

PASS_ROUNDING = 1e-12
"""Relative rounding granted to the float64 pass that computed the values."""


class PatchNorms:
    """Evaluates nodes, and keeps the largest l2 norm of the inputs that one output of each layer reads.

    Squares are summed over channels first and then over windows, so that no patch is ever copied.

    Args:
        network: the network that will be run with this object as its `evaluate`.
    """

    def __init__(self, network: Network) -> None:
        self._layers = list(network.layers())
        self._largest: dict[int, torch.Tensor] = {}

    def __call__(self, node: Node, values: list[torch.Tensor]) -> torch.Tensor:
        """Compute a node from the values it reads; see `evaluate_node`."""
        if isinstance(node, Affine):
            found = _largest_norm(node, values[0])
            seen = self._largest.get(id(node), found)
            self._largest[id(node)] = torch.maximum(seen, found)
        return evaluate_node(node, values)

    def norms(self) -> tuple[float, ...]:
        """Return the largest l2 norm of an input patch for each layer in order of execution, rounded up."""
        return tuple(float(self._largest[id(layer)]) * (1 + PASS_ROUNDING) for layer in self._layers)


def _largest_norm(layer: Affine, x: torch.Tensor) -> torch.Tensor:
    """Return the largest l2 norm of an input patch; values are scaled first, so that no square overflows or underflows."""
    scale = x.abs().amax()
    if scale == 0:
        return scale
    batch, channels, height, width = x.shape
    grouped = (x / scale).reshape(batch, layer.groups, channels // layer.groups, height, width)
    energy = grouped.square().sum(2)
    window = torch.ones(layer.groups, 1, *layer.window.kernel, dtype=x.dtype, device=x.device)
    return affine(layer, energy, window, None).amax().sqrt() * scale
