"""Nodes behind fixed maps: average pooling, max pooling, cropping and zero padding (docs/theory/peeling.md)."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from boundcalc.errors import NotCovered
from boundcalc.network.nodes import NeuronGroups, Positions
from boundcalc.network.ops import AvgPool, MaxPool, Node, Rearrange


def averaged(source: NeuronGroups, node: AvgPool, positions: Positions) -> NeuronGroups:
    """Return the nodes of an average: s = sum_p |a_p| s_p, no fan-in, as many paths as terms."""
    reads = (node.rows_h != 0).double(), (node.rows_w != 0).double()
    scale = positions.averaged(source.squares.sqrt(), node.rows_h.abs(), node.rows_w.abs())
    relative, top = relative_paths(source)
    return replace(
        source,
        squares=scale.square(),
        log_energy=positions.averaged_max(source.log_energy, *reads),
        log_paths=positions.averaged(relative, *reads).log() + top,
    )


def pooled(source: NeuronGroups, node: MaxPool, positions: Positions) -> NeuronGroups:
    """Return the nodes of a maximum over k values: s = sum_p s_p, k times the paths, a factor (3/2)^ceil(log2 k)."""
    relative, top = relative_paths(source)
    size = math.prod(node.window.kernel)
    return replace(
        source,
        squares=positions.window_sum(source.squares.sqrt(), node.window).square(),
        log_energy=positions.window_max(source.log_energy, node.window),
        log_paths=positions.window_sum(relative, node.window).log() + top,
        log_factor=source.log_factor + math.ceil(math.log2(size)) * math.log(1.5),
    )


def rearranged(
    source: NeuronGroups, node: Rearrange, before: Node, positions: Positions, place: str
) -> NeuronGroups:
    """Return nodes copied to new places.

    Args:
        source: nodes of one channel.
        node: where each entry comes from.
        before: the node that it reads.
        positions: exact or general.
        place: for the message.

    Raises:
        NotCovered: nodes of several channels.
    """
    if source.group != 1:
        raise NotCovered("cropping or padding of nodes of several channels", place)
    area = before.shape[1] * before.shape[2]

    def pick(values: torch.Tensor, empty: float) -> torch.Tensor:
        return positions.picked(values, node.source, area, empty)

    return replace(
        source,
        channels=node.shape[0],
        squares=pick(source.squares, 0.0),
        log_energy=pick(source.log_energy, -math.inf),
        log_paths=pick(source.log_paths, -math.inf),
    )


def relative_paths(field: NeuronGroups) -> tuple[torch.Tensor, float]:
    """Return path counts over the largest one, never 0 where a node lives, and the log of the largest."""
    top = float(field.log_paths.max())
    if top == -math.inf:
        return torch.zeros_like(field.log_paths), 0.0
    return (field.log_paths - top).clamp(min=-700.0).exp() * field.alive, top
