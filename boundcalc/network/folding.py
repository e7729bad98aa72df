"""Rewrites that preserve the function: fold diagonal layers, move ReLU before max pooling, merge rearrangements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from boundcalc.network.ops import Affine, AvgPool, ChannelAffine, MaxPool, Node, Rearrange, ReLU


def folded(nodes: list[Node]) -> list[Node]:
    """Apply all rewrites of this module.

    Args:
        nodes: the nodes in topological order, the input first and the output last.
    """
    nodes = relu_before_max_pool(fold_batchnorm(merge_moves(nodes)))
    return fold_forward(fold_batchnorm(sink_diagonals(nodes)))


def _readers(nodes: list[Node]) -> list[list[int]]:
    readers: list[list[int]] = [[] for _ in nodes]
    for index, node in enumerate(nodes):
        for source in node.inputs:
            readers[source].append(index)
    return readers


def _rewritten(nodes: list[Node], merge: Callable[[Node, Node, bool], Node | None]) -> list[Node]:
    """Merge nodes with the node that they read, in one pass.

    Args:
        nodes: the nodes in topological order.
        merge: takes the node that is read, its reader and whether that is the only reader; returns one node that computes
            the reader's value from the first node's inputs, or None.
    """
    readers = [len(found) for found in _readers(nodes)]
    made: list[Node] = []
    place: list[int] = []
    count: list[int] = []
    for index, old in enumerate(nodes):
        node = replace(old, inputs=tuple(place[i] for i in old.inputs))
        before = node.inputs[0] if len(node.inputs) == 1 else -1
        alone = before >= 0 and count[before] == 1
        merged = merge(made[before], node, alone) if before >= 0 else None
        if merged is not None and alone:
            made[before], count[before] = merged, readers[index]
            place.append(before)
            continue
        if merged is not None:
            count[before] -= 1
            for source in merged.inputs:
                count[source] += 1
        made.append(node if merged is None else merged)
        count.append(readers[index])
        place.append(len(made) - 1)
    return _without_unread(made, place[-1])


def _without_unread(nodes: list[Node], output: int) -> list[Node]:
    """Return the input and the nodes that the output depends on, the output last."""
    needed = {0, output}
    for index in range(output, -1, -1):
        if index in needed:
            needed |= set(nodes[index].inputs)
    position = {old: new for new, old in enumerate(sorted(needed))}
    return [
        replace(nodes[old], inputs=tuple(position[i] for i in nodes[old].inputs)) for old in sorted(needed)
    ]


def merge_moves(nodes: list[Node]) -> list[Node]:
    """Merge successive rearrangements, and remove those that change nothing."""

    def merge(before: Node, node: Node, alone: bool) -> Node | None:
        if not (isinstance(before, Rearrange) and isinstance(node, Rearrange)):
            return None
        first, second = before.source.flatten(), node.source
        source = torch.where(second >= 0, first[second.clamp(min=0)], -1)
        return replace(node, inputs=before.inputs, source=source)

    merged = _rewritten(nodes, merge)
    idle = {
        index
        for index, node in enumerate(merged)
        if isinstance(node, Rearrange) and node.shape == merged[node.inputs[0]].shape
        and torch.equal(node.source.flatten(), torch.arange(node.source.numel()))
    }  # fmt: skip
    place = list(range(len(merged)))
    for index in sorted(idle):
        place[index] = place[merged[index].inputs[0]]
    moved = [replace(node, inputs=tuple(place[i] for i in node.inputs)) for node in merged]
    return _without_unread(moved, place[-1])


def scaled(layer: Affine, diagonal: ChannelAffine) -> Affine:
    """Return the layer followed by ``y = scale * x + shift`` per channel, as one layer.

    Args:
        layer: the layer before.
        diagonal: the diagonal layer after it; one without a shift adds no bias.
    """
    scale, shift = diagonal.scale, diagonal.shift
    bias: torch.Tensor | None = shift if layer.bias is None else layer.bias * scale + shift
    if layer.bias is None and not diagonal.eps and not bool(shift.any()):
        bias = None
    return replace(
        _folded_with(layer, diagonal), weight=layer.weight * scale[:, None, None, None], bias=bias,
        norms=(*layer.norms, *_norm(diagonal)),
    )  # fmt: skip


def _norm(diagonal: ChannelAffine) -> tuple[tuple[str, float], ...]:
    return ((diagonal.name, diagonal.eps),) if diagonal.eps else ()


def _folded_with(layer: Affine, diagonal: ChannelAffine) -> Affine:
    others = () if diagonal.eps else (diagonal.name,)
    return replace(
        layer, folded=True, scales=(*layer.scales, *diagonal.weights), diagonals=(*layer.diagonals, *others)
    )


def fold_batchnorm(nodes: list[Node]) -> list[Node]:
    """Fold every diagonal layer into the layer, or the diagonal layer other than a BatchNorm, before it, if that has no
    other reader.
    """

    def merge(before: Node, node: Node, alone: bool) -> Node | None:
        if not isinstance(node, ChannelAffine) or not alone or before.shape != node.shape:
            return None
        if isinstance(before, Affine):
            return scaled(before, node)
        if isinstance(before, ChannelAffine) and not before.eps:
            return replace(
                node, inputs=before.inputs, scale=before.scale * node.scale,
                shift=before.shift * node.scale + node.shift, trained=before.trained or node.trained,
                weights=(*before.weights, *node.weights), biases=(*before.biases, *node.biases),
            )  # fmt: skip
        return None

    return _rewritten(nodes, merge)


def fold_forward(nodes: list[Node]) -> list[Node]:
    """Fold every diagonal layer into the layer that is its only reader, unless its shift would not apply to that layer's
    zero padding.
    """

    def merge(before: Node, node: Node, alone: bool) -> Node | None:
        if not (alone and isinstance(before, ChannelAffine) and isinstance(node, Affine)):
            return None
        padded = any(node.window.pads) and not node.circular
        return None if padded and bool(before.shift.any()) else _on_inputs(node, before)

    return _rewritten(nodes, merge)


def _on_inputs(layer: Affine, diagonal: ChannelAffine) -> Affine:
    """Return the layer applied to ``scale * x + shift``; the layer must not use zero padding unless the shift is 0."""
    out, width = layer.weight.shape[:2]

    def by_row(entries: torch.Tensor) -> torch.Tensor:
        own = entries.reshape(layer.groups, 1, width).expand(-1, out // layer.groups, -1)
        return own.reshape(out, width)[:, :, None, None]

    bias = layer.bias
    if bool(diagonal.shift.any()):
        added = (layer.weight * by_row(diagonal.shift)).sum((1, 2, 3))
        bias = added if bias is None else bias + added
    return replace(
        _folded_with(layer, diagonal), inputs=diagonal.inputs, weight=layer.weight * by_row(diagonal.scale), bias=bias,
        norms_before=(*_norm(diagonal), *layer.norms_before),
    )  # fmt: skip


def relu_before_max_pool(nodes: list[Node]) -> list[Node]:
    """Replace max pooling followed by ReLU by ReLU followed by max pooling, which is the same function."""
    return _swapped(nodes, lambda first, second: isinstance(first, MaxPool) and isinstance(second, ReLU))


def sink_diagonals(nodes: list[Node]) -> list[Node]:
    """Swap a diagonal layer with the pooling that reads it if they commute, so that it may reach a layer."""
    return _swapped(nodes, _commute)


def _commute(first: Node, second: Node) -> bool:
    if not isinstance(first, ChannelAffine):
        return False
    if isinstance(second, MaxPool):
        return bool((first.scale > 0).all())
    if not isinstance(second, AvgPool):
        return False
    sums = torch.cat([second.rows_h.sum(1), second.rows_w.sum(1)])
    return not bool(first.shift.any()) or bool(((sums - 1).abs() < 1e-12).all())


def _swapped(nodes: list[Node], swaps: Callable[[Node, Node], bool]) -> list[Node]:
    """Exchange a node and its only reader as long as `swaps` allows it."""
    nodes = list(nodes)
    readers = _readers(nodes)
    for index in range(len(nodes)):
        place = index
        while len(nodes[place].inputs) == 1:
            (source,) = nodes[place].inputs
            first, second = nodes[source], nodes[place]
            if readers[source] != [place] or not swaps(first, second):
                break
            shape = nodes[first.inputs[0]].shape
            nodes[source] = replace(second, inputs=first.inputs, shape=_shape_after(second, shape))
            nodes[place] = replace(first, inputs=(source,), shape=second.shape)
            place = source
    return nodes


def _shape_after(node: Node, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    return shape if isinstance(node, ReLU) else (shape[0], *node.shape[1:])
