"""Networks made by hand, and slow twins of the formulas on explicit units, nodes, matrices and paths."""

from __future__ import annotations

import math

import matrices
import torch

from boundcalc.bounds.bound_inputs import BoundInputs, BoundSettings, chain_of
from boundcalc.empirical.energies import Energies
from boundcalc.network.geometry import Window
from boundcalc.network.network import Network
from boundcalc.network.ops import (
    Activation,
    Add,
    Affine,
    AvgPool,
    ChannelAffine,
    Input,
    MaxPool,
    Rearrange,
    ReLU,
)
from boundcalc.network.pooling import average_rows


class Sketch:
    """Draws a network node by node; methods take and return indices of nodes."""

    def __init__(self, shape, seed=0, density=0.6):
        self.nodes = [Input("x", (), tuple(shape))]
        self.random = torch.Generator().manual_seed(seed)
        self.density = density
        self.input_shape = tuple(shape)

    def _append(self, node):
        self.nodes.append(node)
        return len(self.nodes) - 1

    def _weights(self, shape, bias):
        weight = torch.randn(shape, generator=self.random, dtype=torch.float64)
        weight = weight * (torch.rand(shape, generator=self.random) < self.density)
        vector = torch.randn(shape[0], generator=self.random, dtype=torch.float64) if bias else None
        if bias:
            vector = vector * (torch.rand(shape[0], generator=self.random) < 0.7)
        return weight, vector

    def affine(self, source, weight, bias=None, window=None, kind="linear", name=None, **more):
        shape = self.nodes[source].shape
        window = window or Window.whole(shape[1:])
        name = name or f"layer{sum(isinstance(node, Affine) for node in self.nodes)}"
        node = Affine(
            name, (source,), (weight.shape[0], *window.out), kind, weight, bias, weight != 0, None,
            tuple(weight.shape), window, **more,
        )  # fmt: skip
        return self._append(node)

    def conv(
        self,
        source,
        out,
        kernel=3,
        stride=1,
        padding=0,
        dilation=1,
        groups=1,
        circular=False,
        bias=False,
        dead=(),
    ):
        channels, *size = self.nodes[source].shape
        pairs = [(v, v) if isinstance(v, int) else v for v in (kernel, stride, padding, dilation)]
        window = Window.of(tuple(size), *pairs)
        weight, vector = self._weights((out, channels // groups, *pairs[0]), bias)
        for channel in dead:
            weight[channel] = 0
            if bias:
                vector[channel] = 0
        return self.affine(source, weight, vector, window, "conv2d", groups=groups, circular=circular)

    def linear(self, source, out, bias=False):
        weight, vector = self._weights((out, *self.nodes[source].shape), bias)
        return self.affine(source, weight, vector)

    def relu(self, source):
        return self._append(ReLU("relu", (source,), self.nodes[source].shape))

    def avg(self, source, kernel=2, stride=None, padding=0):
        channels, *size = self.nodes[source].shape
        rows = [average_rows(n, kernel, stride or kernel, padding, False, True) for n in size]
        return self._append(AvgPool("avg", (source,), (channels, len(rows[0]), len(rows[1])), *rows))

    def max(self, source, kernel=2, stride=None, padding=0, ceil=False):
        channels, *size = self.nodes[source].shape
        pair = [(v, v) for v in (kernel, stride or kernel, padding)]
        window = Window.of(tuple(size), *pair, ceil=ceil)
        return self._append(MaxPool("max", (source,), (channels, *window.out), window))

    def add(self, left, right):
        return self._append(Add("add", (left, right), self.nodes[left].shape))

    def batchnorm(self, source):
        shape = self.nodes[source].shape
        scale, shift = torch.randn(2, shape[0], generator=self.random, dtype=torch.float64)
        return self._append(ChannelAffine("bn", (source,), shape, scale, shift))

    def clamp(self, source, low, high):
        limits = {"min": low, "max": high}
        given = {name: value for name, value in limits.items() if math.isfinite(value)}
        return self._append(
            Activation("clamp", (source,), self.nodes[source].shape, "clamp.default", given, 1.0)
        )

    def widened(self, source, channels):
        """Strided slicing and zero padding of channels, as in a parameter-free shortcut."""
        shape = self.nodes[source].shape
        places = torch.arange(math.prod(shape)).reshape(shape)[:, ::2, ::2]
        fill = torch.full((channels - shape[0], *places.shape[1:]), -1)
        moved = torch.cat([places, fill])
        return self._append(Rearrange("pad", (source,), tuple(moved.shape), moved))

    def network(self):
        return Network(tuple(self.nodes), "by hand", self.input_shape)


def mlp(sizes, seed=0, density=0.6, bias=False):
    sketch = Sketch((sizes[0], 1, 1), seed, density)
    at = 0
    for size in sizes[1:-1]:
        at = sketch.relu(sketch.linear(at, size, bias))
    sketch.linear(at, sizes[-1], bias)
    return sketch.network()


def energies_of(x):
    """Energies of a sample (m, channels, height, width)."""
    return Energies(x.shape[0], x.square().sum(0), float(x.abs().max()))


def sample(network, m=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(m, *network.nodes[0].shape, generator=generator, dtype=torch.float64)


def problem_for(network, x, margins=None, spectral=False, reference=None, patches=None, **settings):
    energies = x if isinstance(x, Energies) else energies_of(x)
    return BoundInputs(
        network, energies, margins, BoundSettings(**settings), reference or {}, chain_of(network, spectral=spectral),
        patches=patches,
    )  # fmt: skip


def dense(network, layer, weight):
    """The layer's linear map, (output units, input units)."""
    return matrices.of_layer(layer, weight.double())


def repeated_bias(layer, bias):
    """(output units,)."""
    return bias[:, None, None].expand(layer.shape).reshape(-1)


# ---------------------------------------------------------------------------------------------- Toeplitz


def toeplitz_matrices(network, t=None):
    """A~^l of a chain, entry by entry: average pooling multiplied in, the constant's row and column where t is given."""
    found, pooling = [], None
    for node in network.nodes[1:]:
        if isinstance(node, AvgPool):
            step = matrices.of_node(network, node)
            pooling = step if pooling is None else step @ pooling
        if isinstance(node, Affine):
            own = dense(network, node, node.weight)
            found.append((node, own if pooling is None else own @ pooling))
            pooling = None
    if t is None:
        return [matrix for _, matrix in found]
    full = []
    for index, (layer, matrix) in enumerate(found):
        bias = torch.zeros(matrix.shape[0], dtype=torch.float64)
        if layer.bias is not None:
            bias = repeated_bias(layer, layer.bias) / t
        last = torch.zeros(1, matrix.shape[1] + 1, dtype=torch.float64)
        last[0, -1] = 1.0
        handed_on = any(later.bias is not None for later, _ in found[index + 1 :])
        full.append(torch.cat([torch.cat([matrix, bias[:, None]], 1), last[: int(handed_on)]]))
    return full


# ---------------------------------------------------------------------------------------------- path norm


class PathNorm:
    """Sum over paths, walked one by one from every output back, of the product of absolute weights."""

    def __init__(self, network):
        self.network = network
        self.matrices = {}
        for index, node in enumerate(network.nodes):
            if isinstance(node, Affine | AvgPool | Rearrange):
                self.matrices[index] = matrices.of_node(network, node).abs()

    def value(self):
        last = len(self.network.nodes) - 1
        return sum(self.walk(last, unit) for unit in range(math.prod(self.network.nodes[last].shape)))

    def walk(self, index, unit):
        node = self.network.nodes[index]
        if isinstance(node, Input):
            return 1.0
        if isinstance(node, ReLU | Add):
            return sum(self.walk(i, unit) for i in node.inputs)
        if isinstance(node, MaxPool):
            return sum(self.walk(node.inputs[0], below) for below in pooled_units(self.network, index, unit))
        total = 0.0
        if isinstance(node, Affine) and node.bias is not None:
            total = float(repeated_bias(node, node.bias)[unit].abs())
        row = self.matrices[index][unit]
        for below in torch.nonzero(row).flatten().tolist():
            total += float(row[below]) * self.walk(node.inputs[0], below)
        return total


def path_norm(network):
    return PathNorm(network).value()


def pooled_units(network, index, unit):
    """Flat units that one output of a max pooling looks at."""
    node = network.nodes[index]
    channels, height, width = network.nodes[node.inputs[0]].shape
    c, rest = divmod(unit, node.shape[1] * node.shape[2])
    i, j = divmod(rest, node.shape[2])
    return [(c * height + y) * width + x for (y, x), _ in matrices.taps(node.window, i, j)]
