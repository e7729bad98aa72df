"""Who may feed whom, and the weights between nodes of any size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from boundcalc.bounds.peeling.norms import NORMS, NodeNorm
from boundcalc.network.nodes import Positions, group_sum, ungrouped
from boundcalc.network.ops import Affine
from boundcalc.norms.rounding import exponent_of, squared, times_power, unit_sized


@dataclass(frozen=True)
class Structure:
    """Who may feed whom.

    Attributes:
        name: ``"masked"`` or ``"dense"``.
        connections: layer -> (out, in / groups, kh, kw) bool.
        biases: layer -> (out,) bool, which outputs the constant feeds; None for a layer without bias.
    """

    name: str
    connections: Callable[[Affine], torch.Tensor]
    biases: Callable[[Affine], torch.Tensor | None]


@dataclass(frozen=True)
class Choice:
    """What is chosen for the nodes of one layer.

    Attributes:
        group: channels in a node.
        norm: how a node measures its incoming weights.
    """

    group: int
    norm: NodeNorm


@dataclass(frozen=True, eq=False)
class Chosen:
    """The choices of a walk as a linked list, the last one first: walks that differ only in late choices share the early ones.

    Attributes:
        layers: those that one node reads together.
        choice: for their nodes.
        before: what was chosen before, None at the first.
    """

    layers: tuple[Affine, ...]
    choice: Choice
    before: Chosen | None

    def split(self) -> dict[str, Choice]:
        """Return layer -> choice, in the order of the walk."""
        chain: list[Chosen] = []
        link: Chosen | None = self
        while link is not None:
            chain.append(link)
            link = link.before
        return {layer.name: link.choice for link in reversed(chain) for layer in link.layers}


def group_sizes(channels: int) -> list[int]:
    """Return the fixed options for the node size of a layer: 1, 2, 4, ..., all.

    Example:
        >>> group_sizes(10)
        [1, 2, 4, 8, 10]
    """
    return [2**k for k in range(channels.bit_length()) if 2**k < channels] + [channels]


LARGE = 2**20
"""Weights of a layer from which on its nodes are made block by block and not kept."""
BLOCK = 2**21
"""Weights of a block."""


class Kernels:
    """Weights and connections of each layer, grouped into nodes; all groupings of a layer are made once for a search.

    The weights of a layer are brought to size 1 by a power of two, so that no product of scales and weights leaves the range of
    float64; `exponent` tells which.
    """

    def __init__(self, structure: Structure, positions: Positions) -> None:
        self._structure = structure
        self._positions = positions
        self._between: dict[tuple[Affine, int, int, str], tuple[torch.Tensor, torch.Tensor]] = {}
        self._first: dict[tuple[Affine, int], tuple[torch.Tensor, torch.Tensor]] = {}
        self._exponents: dict[Affine, int] = {}

    def exponent(self, layer: Affine) -> int:
        """Return the exponent of the power of two that was taken out of a layer's weights."""
        if layer not in self._exponents:
            self._exponents[layer] = exponent_of(layer.weight)
        return self._exponents[layer]

    def between_nodes(
        self, layer: Affine, group: int, below: int, norm: NodeNorm
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (weights as the norm sums them, connections), (nodes, nodes below, taps...), as the positions use them."""
        key = (layer, group, below, norm.name)
        if key not in self._between:
            self._group(layer, group, below)
        return self._between[key]

    @staticmethod
    def large(layer: Affine) -> bool:
        """Return whether the nodes of a layer are made block by block."""
        return layer.groups == 1 and layer.weight.numel() > LARGE

    def pieces(
        self, layer: Affine, group: int, below: int, norm: NodeNorm
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield what `between_nodes` returns for consecutive nodes, in as many blocks as memory asks for."""
        if not self.large(layer):
            yield self.between_nodes(layer, group, below, norm)
            return
        rows = max(1, BLOCK // layer.weight[0].numel())
        if group > rows:
            for start in range(0, layer.weight.shape[0], group):
                parts = [self._block(layer, k, min(k + rows, start + group, layer.weight.shape[0]))
                         for k in range(start, min(start + group, layer.weight.shape[0]), rows)]  # fmt: skip
                squares, links = (
                    torch.stack([part[i].sum(0) for part in parts]).sum(0)[None] for i in (0, 1)
                )
                yield self._measured(squares, links, below, norm)
            return
        step = rows - rows % group
        for start in range(0, layer.weight.shape[0], step):
            squares, links = self._block(layer, start, min(start + step, layer.weight.shape[0]))
            yield self._measured(group_sum(squares, group, 0), group_sum(links, group, 0), below, norm)

    def _block(self, layer: Affine, start: int, stop: int) -> tuple[torch.Tensor, torch.Tensor]:
        weight = times_power(layer.weight[start:stop], -self.exponent(layer))
        return squared(weight), self._structure.connections(layer)[start:stop].double()

    def _measured(
        self, squares: torch.Tensor, links: torch.Tensor, below: int, norm: NodeNorm
    ) -> tuple[torch.Tensor, torch.Tensor]:
        kernel = self._positions.kernel
        connected = (group_sum(links, below, 1) > 0).double()
        return kernel(norm.weights(group_sum(squares, below, 1))), kernel(connected)

    def from_inputs(self, layer: Affine, group: int, norm: NodeNorm) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (weights as the norm sums them, connections), (nodes, channels below, kernel height, kernel width)."""
        if (layer, group) not in self._first:
            pyramids = [_pyramid(part, 0, group) for part in self._units(layer)]
            self._first |= {
                (layer, size): (rows, (count > 0).double())
                for (size, rows), (_, count) in zip(*pyramids, strict=True)
            }
        squares, links = self._first[layer, group]
        return norm.weights(squares), links

    def _units(self, layer: Affine) -> tuple[torch.Tensor, torch.Tensor]:
        links = self._structure.connections(layer).double()
        return ungrouped(squared(unit_sized(layer.weight)[0]), layer.groups), ungrouped(links, layer.groups)

    def _group(self, layer: Affine, group: int, below: int) -> None:
        kernel = self._positions.kernel
        pyramids = [_pyramid(part, 0, group) for part in self._units(layer)]
        for (size, rows), (_, counts) in zip(*pyramids, strict=True):
            blocks = zip(_pyramid(rows, 1, below), _pyramid(counts, 1, below), strict=True)
            for (size_below, block), (_, count) in blocks:
                connected = kernel((count > 0).double())
                for norm in NORMS:
                    self._between[layer, size, size_below, norm.name] = (
                        kernel(norm.weights(block)),
                        connected,
                    )


def _pyramid(tensor: torch.Tensor, axis: int, wanted: int) -> Iterator[tuple[int, torch.Tensor]]:
    sizes = group_sizes(tensor.shape[axis])
    if wanted not in sizes:
        yield wanted, group_sum(tensor, wanted, axis)
        return
    grouped, reached = tensor, 1
    for size in sizes:
        if size > reached:
            whole = size == tensor.shape[axis]
            grouped = grouped.sum(axis, keepdim=True) if whole else group_sum(grouped, 2, axis)
        reached = size
        yield size, grouped
