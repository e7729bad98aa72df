"""Nodes behind maps without ReLU: pooling, cropping, padding, concatenation, diagonal layers (docs/theory/peeling.md)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch

from boundcalc.bounds.peeling.norms import L1
from boundcalc.bounds.peeling.predecessors import Predecessors
from boundcalc.errors import NotCovered
from boundcalc.network.nodes import NeuronGroups, Positions
from boundcalc.network.ops import AvgPool, ChannelAffine, MaxPool, Node, Rearrange
from boundcalc.norms.rounding import squared, unit_sized


def averaged(source: NeuronGroups, node: AvgPool, positions: Positions) -> NeuronGroups:
    """Return the nodes of an average: s = sum_p |a_p| s_p; fan-in costs nothing, and paths are multiplied by the number of terms."""
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
    """Return the nodes of a maximum over k values: s = sum_p s_p, k times as many paths, and the factor (3/2)^ceil(log2 k)."""
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
        node: operation that says where each entry comes from.
        before: network node that it reads.
        positions: exact positions or one general position.
        place: name of the operation for the message.

    Raises:
        NotCovered: the nodes have several channels.
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


def joined(parts: Sequence[object], place: str) -> NeuronGroups:
    """Return the nodes of a concatenation: the nodes of all parts.

    Args:
        parts: values that are concatenated.
        place: name of the operation for the message.

    Raises:
        NotCovered: a part is the input, or has nodes of several channels.
    """
    fields = [part for part in parts if isinstance(part, NeuronGroups)]
    if len(fields) < len(parts):
        raise NotCovered("concatenation with the input", place)
    if any(field.group != 1 for field in fields):
        raise NotCovered("concatenation of nodes of several channels", place)
    feeds = [Predecessors.of(field, L1()) for field in fields]
    exponent = max(feed.exponent for feed in feeds)
    return NeuronGroups(
        1,
        sum(field.channels for field in fields),
        all(field.rectified for field in fields),
        exponent,
        torch.cat([feed.at(exponent) for feed in feeds]).square(),
        torch.cat([field.log_energy for field in fields]),
        torch.cat([field.log_paths for field in fields]),
        max(field.log_factor for field in fields),
    )


def scaled(
    source: NeuronGroups, node: ChannelAffine, constant: float, energy: float, place: str
) -> NeuronGroups:
    """Return the nodes of a diagonal layer: s = |a_c| s_p + |b_c| / t; the constant is one more predecessor if b_c is not 0.

    Args:
        source: nodes of one channel.
        node: diagonal layer with factors a and shifts b.
        constant: value t of the constant unit.
        energy: energy m t^2 of the constant unit.
        place: name of the layer for the message.

    Raises:
        NotCovered: the nodes have several channels.
    """
    if source.group != 1:
        raise NotCovered("a diagonal layer of nodes of several channels", place)
    feed = Predecessors.of(source, L1())
    unit, exponent = unit_sized(node.scale.abs()[:, None, None])
    feed = replace(feed, sizes=feed.sizes * unit, exponent=feed.exponent + exponent)
    shift, exponent = unit_sized((node.shift / constant).abs()[:, None, None])
    if bool((node.shift != 0).any()):
        log_fed = (node.shift != 0).double().log()[:, None, None].expand_as(feed.sizes)
        feed = feed.with_constant(squared(shift).expand_as(feed.sizes), exponent, log_fed, energy)
    squares, exponent = feed.squares()
    rectified = source.rectified and not bool((node.scale < 0).any() or (node.shift < 0).any())
    return replace(
        source, rectified=rectified, exponent=exponent, squares=squares, log_energy=feed.log_energy,
        log_paths=feed.log_paths,
    )  # fmt: skip


def relative_paths(field: NeuronGroups) -> tuple[torch.Tensor, float]:
    """Return path counts divided by the largest one, above 0 for every live node, and the log of the largest."""
    top = float(field.log_paths.max())
    if top == -math.inf:
        return torch.zeros_like(field.log_paths), 0.0
    return (field.log_paths - top).clamp(min=-700.0).exp() * field.alive, top
