"""Maps of single nodes written out entry by entry, for twins: nothing of the package's forward pass is in them."""

from __future__ import annotations

import itertools
import math

import torch

from boundcalc.network.ops import Add, Affine, AvgPool, Input, MaxPool, Rearrange, ReLU


def taps(window, i, j, circular=False):
    """The positions (y, x) of the image that a window reads at the output (i, j), each with its tap (a, b)."""
    high, wide = window.height, window.width
    for a, b in itertools.product(range(high.kernel), range(wide.kernel)):
        y = i * high.stride - high.before + a * high.dilation
        x = j * wide.stride - wide.before + b * wide.dilation
        if circular:
            y, x = y % high.size, x % wide.size
        if 0 <= y < high.size and 0 <= x < wide.size:
            yield (y, x), (a, b)


def of_layer(layer, weight):
    """A layer's linear map, (outputs, inputs)."""
    outputs, inputs = weight.shape[0] // layer.groups, weight.shape[1]
    high, wide = layer.window.height.size, layer.window.width.size
    matrix = weight.new_zeros(layer.groups, outputs, *layer.window.out, layer.groups, inputs, high, wide)
    kernel = weight.reshape(layer.groups, outputs, *weight.shape[1:])
    for i, j in itertools.product(*map(range, layer.window.out)):
        for (y, x), (a, b) in taps(layer.window, i, j, layer.circular):
            for group in range(layer.groups):
                matrix[group, :, i, j, group, :, y, x] += kernel[group, :, :, a, b]
    return matrix.flatten(4).flatten(0, 3)


def of_averages(node, channels):
    """An average pooling's map, (outputs, inputs)."""
    return torch.kron(torch.eye(channels, dtype=torch.float64), torch.kron(node.rows_h, node.rows_w))


def of_places(node, inputs):
    """The map of entries that are copied to other places, (outputs, inputs)."""
    matrix = torch.zeros(math.prod(node.shape), inputs, dtype=torch.float64)
    for unit, source in enumerate(node.source.flatten().tolist()):
        if source >= 0:
            matrix[unit, source] = 1.0
    return matrix


def of_node(network, node):
    """The linear map of a layer, an average pooling or a rearrangement, biases left out."""
    shape = network.nodes[node.inputs[0]].shape
    if isinstance(node, Affine):
        return of_layer(node, node.weight)
    return of_averages(node, shape[0]) if isinstance(node, AvgPool) else of_places(node, math.prod(shape))


def largest_in_windows(node, x):
    """A max pooling of one image."""
    cells = [
        torch.stack([x[:, place[0], place[1]] for place, _ in taps(node.window, i, j)]).amax(0)
        for i, j in itertools.product(*map(range, node.shape[1:]))
    ]
    return torch.stack(cells, 1).reshape(node.shape)


def values_of(network, x):
    """What every node of a network has for one input, by its index."""
    values = []
    for node in network.nodes:
        below = [values[i] for i in node.inputs]
        if isinstance(node, Input):
            values.append(x.reshape(node.shape))
        elif isinstance(node, ReLU):
            values.append(below[0].clamp(min=0))
        elif isinstance(node, Add):
            values.append(below[0] + below[1])
        elif isinstance(node, MaxPool):
            values.append(largest_in_windows(node, below[0]))
        else:
            assert isinstance(node, Affine | AvgPool | Rearrange), node
            out = (of_node(network, node) @ below[0].flatten()).reshape(node.shape)
            has_bias = isinstance(node, Affine) and node.bias is not None
            values.append(out + node.bias[:, None, None] if has_bias else out)
    return values
