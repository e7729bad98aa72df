"""Sizes, reaches and covers of graphs written out on dense matrices: no forward pass, norm or step of the package is used."""

from __future__ import annotations

import itertools
import math

import torch

from boundcalc.network.ops import Add, Affine, AvgPool, ChannelAffine, Concat, Input, LeakyReLU, MaxPool, ReLU


def windows(node, channels, size):
    """For every output unit of a convolution or pooling: (channel, [(tap row, tap column, input row, input column)])."""
    high, wide = node.window.height, node.window.width
    for channel, i, j in itertools.product(range(channels), range(node.shape[1]), range(node.shape[2])):
        read = []
        for a, b in itertools.product(range(high.kernel), range(wide.kernel)):
            y = i * high.stride - high.before + a * high.dilation
            x = j * wide.stride - wide.before + b * wide.dilation
            if getattr(node, "circular", False):
                y, x = y % size[0], x % size[1]
            if 0 <= y < size[0] and 0 <= x < size[1]:
                read.append((a, b, y, x))
        yield channel, read


def layer_matrix(network, node, weight):
    """A^l from its definition, one tap at a time; differentiable in the weight."""
    channels, height, width = network.nodes[node.inputs[0]].shape
    rows = []
    per_group, outs = weight.shape[1], weight.shape[0] // node.groups
    for out, read in windows(node, node.shape[0], (height, width)):
        row = [torch.zeros((), dtype=torch.float64)] * (channels * height * width)
        group = out // outs
        for c in range(per_group):
            for a, b, y, x in read:
                place = ((group * per_group + c) * height + y) * width + x
                row[place] = row[place] + weight[out, c, a, b]
        rows.append(torch.stack(row))
    return torch.stack(rows)


def pool_matrix(network, node):
    """The matrix of an average pooling; of a max pooling 1 for every entry of a window."""
    channels, height, width = network.nodes[node.inputs[0]].shape
    matrix = torch.zeros(math.prod(node.shape), channels * height * width, dtype=torch.float64)
    if isinstance(node, AvgPool):
        both = torch.einsum("iy,jx->ijyx", node.rows_h, node.rows_w).reshape(-1, height * width)
        return torch.kron(torch.eye(channels, dtype=torch.float64), both)
    for row, (channel, read) in enumerate(windows(node, channels, (height, width))):
        for _, _, y, x in read:
            matrix[row, (channel * height + y) * width + x] = 1.0
    return matrix


def read_by(network, node):
    """The index that a layer reads before its average poolings, and the product of their matrices."""
    (source,), pools = node.inputs, None
    while not node.circular and isinstance(network.nodes[source], AvgPool):
        own = pool_matrix(network, network.nodes[source])
        pools = own if pools is None else pools @ own
        (source,) = network.nodes[source].inputs
    return source, pools


class Graph:
    """A network with its own or other weights: index of a layer -> (weight, bias)."""

    def __init__(self, network, weights=None):
        self.network = network
        layers = {i: n for i, n in enumerate(network.nodes) if isinstance(n, Affine)}
        self.weights = weights or {i: (n.weight, n.bias) for i, n in layers.items()}
        self.matrices, self.sources = {}, {}
        for index, node in layers.items():
            matrix = layer_matrix(network, node, self.weights[index][0])
            self.sources[index], pools = read_by(network, node)
            self.matrices[index] = matrix if pools is None else matrix @ pools

    def bias(self, index):
        """A bias once for every output unit; zeros without one."""
        node, bias = self.network.nodes[index], self.weights[index][1]
        bias = torch.zeros(node.shape[0], dtype=torch.float64) if bias is None else bias
        return bias.repeat_interleave(node.shape[1] * node.shape[2])

    def size(self, kind, t=1.0):
        """rho: the outputs' size against unit classes, "fro" or "1inf"."""
        along, units = [], []
        for index, node in enumerate(self.network.nodes):
            below = node.inputs
            if isinstance(node, Input):
                pair = 1.0, math.sqrt(math.prod(node.shape)) if kind == "fro" else 1.0
            elif isinstance(node, Affine):
                size, matrix = along[self.sources[index]], self.matrices[index]
                if kind == "fro":
                    own = (matrix.square().sum() + 1e-30).sqrt() * size + (
                        self.bias(index).square().sum() + 1e-30
                    ).sqrt() / t
                else:
                    own = (matrix.abs().sum(1) * size + self.bias(index).abs() / t).max()
                pair = own, own
            elif isinstance(node, Add):
                pair = sum(along[i] for i in below), sum(units[i] for i in below)
            elif isinstance(node, Concat):
                join = (lambda v: math.hypot(*map(float, v))) if kind == "fro" else max
                pair = join([along[i] for i in below]), join([units[i] for i in below])
            elif isinstance(node, ReLU | LeakyReLU):  # slopes of at most 1
                pair = units[below[0]], units[below[0]]
            else:
                pair = self.fixed(kind, node, along[below[0]], units[below[0]], t)
            along.append(pair[0])
            units.append(pair[1])
        return units[-1]

    def fixed(self, kind, node, along, units, t):
        """Both sizes after a diagonal layer or a pooling."""
        if isinstance(node, ChannelAffine):
            scale, shift = float(node.scale.abs().max()), float(node.shift.abs().max())
            if kind == "fro":
                shift = math.sqrt(math.prod(node.shape[1:])) * float(node.shift.norm())
            return scale * along + shift / t, scale * units + shift / t
        matrix, pooled = pool_matrix(self.network, node), isinstance(node, MaxPool)
        if kind == "1inf":
            grown = float(matrix.sum(1).max())
        elif pooled:
            grown = math.sqrt(float(matrix.sum(1).max()) * float(matrix.sum(0).max()))
        else:
            grown = float(torch.linalg.matrix_norm(matrix, 2))
        return (units if pooled else along) * grown, units * grown

    def spectral(self):
        """Index of a layer -> ||A^l||_2."""
        return {i: float(torch.linalg.matrix_norm(matrix, 2)) for i, matrix in self.matrices.items()}

    def lipschitz(self, index, node, spectral):
        if isinstance(node, Affine):
            return spectral[index]
        if isinstance(node, ChannelAffine):
            return float(node.scale.abs().max())
        if isinstance(node, MaxPool):
            return math.sqrt(float(pool_matrix(self.network, node).sum(0).max()))
        return (
            float(torch.linalg.matrix_norm(pool_matrix(self.network, node), 2))
            if isinstance(node, AvgPool)
            else 1.0
        )

    def radii(self, data, m, spectral):
        """The largest Frobenius norm of every value over the sample."""
        found = []
        for index, node in enumerate(self.network.nodes):
            if isinstance(node, Input):
                found.append(data)
                continue
            below = [self.sources[index]] if isinstance(node, Affine) else node.inputs
            if isinstance(node, Add):
                found.append(sum(found[i] for i in below))
            elif isinstance(node, Concat):
                found.append(math.hypot(*(found[i] for i in below)))
            else:
                moved = self.bias(index) if isinstance(node, Affine) else torch.zeros(1)
                if isinstance(node, ChannelAffine):
                    moved = node.shift.repeat_interleave(math.prod(node.shape[1:]))
                shift = math.sqrt(m) * float(moved.norm())
                found.append(self.lipschitz(index, node, spectral) * found[below[0]] + shift)
        return found

    def gain(self, start, spectral):
        """The Lipschitz constant from one layer's output to the network's."""
        found = {start: 1.0}
        for index in range(start + 1, len(self.network.nodes)):
            node = self.network.nodes[index]
            below = [self.sources[index]] if isinstance(node, Affine) else node.inputs
            moved = [found.get(i, 0.0) for i in below]
            join = math.hypot(*moved) if isinstance(node, Concat) else sum(moved)
            found[index] = join * (
                1.0 if isinstance(node, Add | Concat) else self.lipschitz(index, node, spectral)
            )
        return found[len(self.network.nodes) - 1]


def second_moment(energies, factor):
    """inf over lambda of arccosh(1 + factor sum_S (exp(lambda^2 E_S / 2) - 1)) / lambda, on a fine grid."""
    best, top = math.inf, max(energies)
    for k in range(-800, 801):
        square = 4.0 ** (k / 100) / top
        if square * top / 2 < 700:
            total = factor * sum(math.expm1(square * e / 2) for e in energies)
            best = min(best, math.acosh(1 + total) / math.sqrt(square)) if total < 1e300 else best
    return min(best, math.sqrt(factor * sum(energies)))
