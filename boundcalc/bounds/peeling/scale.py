"""The scale rho of the peeling bound (docs/theory/peeling.md) as a differentiable function of the weights of many networks."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from boundcalc.bounds.candidates import Candidates, picked, window_index
from boundcalc.bounds.outcome import Terms
from boundcalc.errors import NotCovered
from boundcalc.network.coverage import place_of
from boundcalc.network.nodes import group_sum
from boundcalc.network.ops import (
    Add,
    Affine,
    AvgPool,
    ChannelAffine,
    Concat,
    Input,
    LeakyReLU,
    MaxPool,
    Node,
    Rearrange,
    ReLU,
)

TINY = 1e-28
"""Added below square roots, so that they have gradients at 0: raises a scale by 1e-14 at most."""


@dataclass(frozen=True)
class _Split:
    """The node size and the norm of one layer."""

    group: int
    norm: str


@dataclass(frozen=True, eq=False)
class _Nodes:
    """Scales of the nodes of a value, (B, nodes, height, width), and the number of channels in a node."""

    scales: torch.Tensor
    group: int


@dataclass(frozen=True, eq=False)
class _Sum:
    """A value before its ReLU: the indices of its layers, each with the nodes that it reads, and skipped values that are added."""

    layers: tuple[tuple[int, _Nodes], ...]
    skips: tuple[_Nodes, ...]


def _blocks(squares: torch.Tensor, node: Node, group: int, axis: int) -> torch.Tensor:
    """Return squared matrix entries summed over the units of every node along one axis."""
    channels, height, width = node.shape
    apart = squares.unflatten(axis, (channels, height * width))
    return group_sum(apart, group, axis).flatten(axis, axis + 1)


def peeling_scales(candidates: Candidates, terms: Terms) -> torch.Tensor:
    """Return rho of each network, (B,), for the split, norms and constant that the bound reports."""
    split = {name: _Split(group, terms["norms"][name]) for name, group in terms["split"].items()}
    return _Scaling(candidates, split, float(terms["constant"])).rho()


class _Scaling:
    """Walks over the graph once and stores the scales of the nodes of every value."""

    def __init__(self, candidates: Candidates, split: dict[str, _Split], constant: float) -> None:
        self.candidates, self.split, self.constant = candidates, split, constant
        self.network = candidates.architecture.network
        self.found: list[_Nodes | _Sum] = []

    def rho(self) -> torch.Tensor:
        for index, node in enumerate(self.network.nodes):
            self.found.append(self._value(index, node))
        last = self.found[-1]
        if not isinstance(last, _Sum):
            raise NotCovered("an output that is not a layer's", place_of(self.network, len(self.found) - 1))
        chosen = self.split[self.network.nodes[last.layers[0][0]].name]
        return _scale(self._sizes(last, self.network.nodes[-1], chosen).sum(1), chosen.norm)

    def _value(self, index: int, node: Node) -> _Nodes | _Sum:
        if isinstance(node, Input):
            return _Nodes(torch.ones(1, *node.shape, dtype=torch.float64), 1)
        if isinstance(node, Add):
            parts = [self.found[i] for i in node.inputs]
            sums = [part if isinstance(part, _Sum) else _Sum((), (part,)) for part in parts]
            return _Sum(sums[0].layers + sums[1].layers, sums[0].skips + sums[1].skips)
        below = self._nodes(node.inputs[0])
        if isinstance(node, ReLU | LeakyReLU):
            return below
        for source in node.inputs:  # what is read as it is has nodes from here on
            self.found[source] = self._nodes(source)
        if isinstance(node, Affine):
            return _Sum(((index, below),), ())
        if isinstance(node, Concat):
            scales = [self._nodes(i).scales for i in node.inputs]
            batch = max(map(len, scales))
            return _Nodes(torch.cat([each.expand(batch, -1, -1, -1) for each in scales], 1), below.group)
        return _Nodes(self._through(node, below, index), below.group)

    def _nodes(self, index: int) -> _Nodes:
        value = self.found[index]
        if isinstance(value, _Nodes):
            return value
        node = self.network.nodes[index]
        chosen = self._chosen(value)
        sizes = self._sizes(value, node, chosen)
        shape = (-(-node.shape[0] // chosen.group), *node.shape[1:])
        return _Nodes(_scale(sizes, chosen.norm).unflatten(1, shape), chosen.group)

    def _chosen(self, value: _Sum) -> _Split:
        groups = [skip.group for skip in value.skips]
        if not value.layers:
            return _Split(groups[0], "l1")
        own = self.split[self.network.nodes[value.layers[0][0]].name]
        return _Split(groups[0] if groups else own.group, own.norm)

    def _sizes(self, value: _Sum, node: Node, chosen: _Split) -> torch.Tensor:
        """Return the sums over the predecessors of each node, (B, nodes)."""
        total = torch.zeros(1, 1, dtype=torch.float64)
        for skip in value.skips:
            total = total + _measured(skip.scales.flatten(1).square(), chosen.norm)
        for index, below in value.layers:
            source = self.network.nodes[self.network.nodes[index].inputs[0]]
            squares = _blocks(self.candidates.matrices[index].square(), node, chosen.group, 1)
            blocks = _blocks(squares, source, below.group, 2)
            weighted = blocks * below.scales.flatten(1).square()[:, None]
            total = total + _measured(weighted, chosen.norm).sum(2)
            bias = self.candidates.biases[index]
            if bias is not None:
                own = _blocks((bias / self.constant).square()[..., None], node, chosen.group, 1)
                total = total + _measured(own[..., 0], chosen.norm)
        return total

    def _through(self, node: Node, below: _Nodes, index: int) -> torch.Tensor:
        scales = below.scales
        match node:
            case AvgPool():
                return node.rows_h.abs() @ scales @ node.rows_w.abs().T
            case ChannelAffine():
                factors, shifts = (
                    part.abs()[:, None, None] for part in (node.scale, node.shift / self.constant)
                )
                return scales * factors + shifts
            case MaxPool():
                places = window_index(node.window, scales.shape[1])
                return picked(scales.flatten(1), places, 0.0).sum(-1).unflatten(1, (-1, *node.shape[1:]))
            case Rearrange() if below.group == 1:
                source = node.source.flatten()
                there = torch.where(source >= 0, source, scales[0].numel())
                return picked(scales.flatten(1), there, 0.0).unflatten(1, node.shape)
            case _:
                raise NotCovered("nodes of several channels moved apart", place_of(self.network, index))


def _measured(squares: torch.Tensor, norm: str) -> torch.Tensor:
    return squares if norm == "l2" else (squares + TINY).sqrt()


def _scale(sizes: torch.Tensor, norm: str) -> torch.Tensor:
    return (sizes + TINY).sqrt() if norm == "l2" else sizes
