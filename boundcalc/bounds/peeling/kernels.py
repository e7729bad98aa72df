"""The connections and weights between nodes of any size."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from boundcalc.bounds.peeling.norms import NORMS, NodeNorm
from boundcalc.network.nodes import NeuronGroups, Positions, group_sum, ungrouped
from boundcalc.network.ops import Affine
from boundcalc.norms.rounding import exponent_of, squared, times_power


@dataclass(frozen=True)
class KernelStructure:
    """The connections that count as existing.

    Attributes:
        name: ``"masked"`` or ``"dense"``.
        connections: layer -> its existing connections, (out, in / groups, kh, kw) bool.
        biases: layer -> outputs that the constant feeds, (out,) bool; None for a layer without bias.
    """

    name: str
    connections: Callable[[Affine], torch.Tensor]
    biases: Callable[[Affine], torch.Tensor | None]


@dataclass(frozen=True)
class Choice:
    """The choice for the nodes of one layer.

    Attributes:
        group: number of channels in a node.
        norm: norm by which a node measures its incoming weights.
    """

    group: int
    norm: NodeNorm


@dataclass(frozen=True, eq=False)
class Chosen:
    """The choices of a walk as a linked list, the last one first; walks that differ only in late choices share the early ones.

    Attributes:
        layers: layers whose outputs are added up in one node.
        choice: choice for the nodes of these layers.
        before: earlier choices; None for the first choice.
    """

    layers: tuple[Affine, ...]
    choice: Choice
    before: Chosen | None

    def ends(self) -> tuple[str, str]:
        """Return the names of the norms that were chosen first and last."""
        link = self
        while link.before is not None:
            link = link.before
        return link.choice.norm.name, self.choice.norm.name

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
"""Number of weights from which on the nodes of a layer are computed block by block and not kept."""
BLOCK = 2**21
"""Number of weights in a block."""
SMALL = 2**22
"""Largest number of weights between nodes that are kept although the layer is large."""


class Kernels:
    """Weights and connections of each layer, grouped into nodes; all groupings of a layer are made once for a search.

    The weights of a layer are scaled to size 1 by a power of two (`exponent`), so that no product of scales and weights leaves the
    range of float64.

    Args:
        structure: which connections exist.
        positions: exact positions or one general position.
        alike: kernels of another structure of the same network at the same positions, whose weights are reused.
    """

    def __init__(
        self, structure: KernelStructure, positions: Positions, alike: Kernels | None = None
    ) -> None:
        self._structure = structure
        self._positions = positions
        self._fan_ins: dict[tuple[Affine, int, int], tuple[torch.Tensor, torch.Tensor]] = {}
        self._links: dict[tuple[Affine, int, int], torch.Tensor] = {}
        self._first: dict[tuple[Affine, int], tuple[torch.Tensor, torch.Tensor]] = {}
        self._weights: dict[tuple[Affine, int, int, str], torch.Tensor] = alike._weights if alike else {}
        self._exponents: dict[Affine, int] = alike._exponents if alike else {}

    def exponent(self, layer: Affine) -> int:
        """Return the exponent of the power of two that was taken out of a layer's weights."""
        if layer not in self._exponents:
            self._exponents[layer] = exponent_of(layer.weight)
        return self._exponents[layer]

    @staticmethod
    def large(layer: Affine) -> bool:
        """Return whether the nodes of a layer are computed block by block."""
        return layer.groups == 1 and layer.weight.numel() > LARGE

    def weights(self, layer: Affine, group: int, below: int, norm: NodeNorm) -> Iterator[torch.Tensor]:
        """Yield the weights of consecutive nodes in the form that the norm sums, in blocks if the layer is large."""
        key = layer, group, below, norm.name
        if key not in self._weights:
            if self.large(layer) and self._entries(layer, group, below) > SMALL:
                yield from self._weight_blocks(layer, group, below, norm)
                return
            if self.large(layer):
                self._weights[key] = torch.cat(list(self._weight_blocks(layer, group, below, norm)))
            else:
                self._group_weights(layer, group, below, norm)
        yield self._weights[key]

    def links(self, layer: Affine, group: int, below: int) -> Iterator[torch.Tensor]:
        """Yield the connections of consecutive nodes, in blocks if the layer is large."""
        if not self.large(layer):
            if (layer, group, below) not in self._links:
                self._group_links(layer, group, below)
            yield self._links[layer, group, below]
            return
        connections, kernel = self._structure.connections(layer), self._positions.kernel
        for count in _by_rows(layer, group, lambda rows: connections[rows].double()):
            yield kernel((group_sum(count, below, 1) > 0).double())

    def taps_of_all(self, layer: Affine) -> int:
        """Return the taps that each node of a large layer reads of each node below; 0 if they differ or the layer is small."""
        exact = self._positions.name == "exact"
        if self._structure.name != "dense" or not self.large(layer) or (exact and layer.window.out != (1, 1)):
            return 0
        return 1 if exact else math.prod(layer.window.kernel)

    def fan_in(self, layer: Affine, group: int, source: NeuronGroups) -> torch.Tensor:
        """Return the number of live nodes that feed each node of a layer; the result for the last pattern of live nodes is cached."""
        taps = self.taps_of_all(layer)
        if taps:
            return (source.alive.double().sum() * taps).expand(-(-layer.shape[0] // group), 1, 1)
        key, alive = (layer, group, source.group), source.alive
        known = self._fan_ins.get(key)
        if known is None or not torch.equal(known[0], alive):
            total = self._positions.total
            parts = [total(alive.double(), links, layer) for links in self.links(layer, group, source.group)]
            known = self._fan_ins[key] = alive, torch.cat(parts)
        return known[1]

    def _weight_blocks(self, layer: Affine, group: int, below: int, norm: NodeNorm) -> Iterator[torch.Tensor]:
        kernel, exponent = self._positions.kernel, self.exponent(layer)
        if group == below == 1 and norm.name == "l1":
            for part in layer.weight.split(_rows(layer)):
                yield kernel(times_power(part.abs(), -exponent))
            return
        for squares in _by_rows(
            layer, group, lambda rows: squared(times_power(layer.weight[rows], -exponent))
        ):
            yield kernel(norm.weights(group_sum(squares, below, 1)))

    def _entries(self, layer: Affine, group: int, below: int) -> int:
        """Return the number of weights between nodes."""
        out, width, high, wide = layer.weight.shape
        taps = high * wide if self._positions.name == "exact" else 1
        return -(-out // group) * -(-width // below) * taps

    def from_inputs(self, layer: Affine, group: int, norm: NodeNorm) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the weights as the norm sums them, and connections, each (nodes, channels below, kernel height, width)."""
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
        return self._squares(layer), ungrouped(links, layer.groups)

    def _squares(self, layer: Affine) -> torch.Tensor:
        return ungrouped(squared(times_power(layer.weight, -self.exponent(layer))), layer.groups)

    def _group_weights(self, layer: Affine, group: int, below: int, norm: NodeNorm) -> None:
        """Compute and store the weights between nodes of these sizes and, if a size is above 1, those of all sizes on the way."""
        kernel = self._positions.kernel
        if group == below == 1:
            unit = times_power(layer.weight, -self.exponent(layer))
            part = kernel(unit.abs() if norm.name == "l1" else squared(unit))
            self._weights[layer, 1, 1, norm.name] = ungrouped(part, layer.groups)
            return
        for size, size_below, block in _blocks(self._squares(layer), group, below):
            for each in NORMS:
                self._weights[layer, size, size_below, each.name] = kernel(each.weights(block))

    def _group_links(self, layer: Affine, group: int, below: int) -> None:
        """Compute and store the connections between nodes of these sizes, as `_group_weights` does for weights."""
        kernel, links = self._positions.kernel, self._structure.connections(layer).double()
        if group == below == 1:
            self._links[layer, 1, 1] = ungrouped(kernel(links), layer.groups)
            return
        for size, size_below, count in _blocks(ungrouped(links, layer.groups), group, below):
            self._links[layer, size, size_below] = kernel((count > 0).double())


def _rows(layer: Affine) -> int:
    """Return the number of rows in a block of a large layer."""
    return max(1, BLOCK // layer.weight[0].numel())


def _by_rows(layer: Affine, group: int, part: Callable[[slice], torch.Tensor]) -> Iterator[torch.Tensor]:
    """Yield sums over groups of consecutive rows of a large layer, at most one block at once; `part` returns rows of the layer."""
    out, rows = layer.weight.shape[0], _rows(layer)
    if group <= rows:
        step = rows - rows % group
        for start in range(0, out, step):
            yield group_sum(part(slice(start, start + step)), group, 0)
        return
    for start in range(0, out, group):
        end = min(start + group, out)
        parts = [part(slice(k, min(k + rows, end))).sum(0) for k in range(start, end, rows)]
        yield torch.stack(parts).sum(0)[None]


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


def _blocks(tensor: torch.Tensor, group: int, below: int) -> Iterator[tuple[int, int, torch.Tensor]]:
    """Yield sums over blocks of (out, in, ...) by their sizes: all sizes that lead to those wanted, or only one node of all
    outputs where that is wanted of single inputs.
    """
    if (group, below) == (len(tensor), 1):
        *_, (_, whole) = _pyramid(tensor, 0, group)
        yield group, below, whole
        return
    for size, rows in _pyramid(tensor, 0, group):
        for size_below, block in _pyramid(rows, 1, below):
            yield size, size_below, block
