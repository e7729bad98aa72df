"""Networks made by hand, and slow twins of the formulas on explicit units, nodes, matrices and paths."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import torch

from boundcalc.bounds.bound_inputs import BoundInputs, Settings, chain_of
from boundcalc.empirical.energies import Energies
from boundcalc.network import forward
from boundcalc.network.geometry import Window
from boundcalc.network.network import Network
from boundcalc.network.ops import Add, Affine, AvgPool, ChannelAffine, Input, MaxPool, Rearrange, ReLU
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
        network, energies, margins, Settings(**settings), reference or {}, chain_of(network, spectral=spectral),
        patches=patches,
    )  # fmt: skip


def dense(network, layer, weight):
    """The layer's linear map, (output units, input units), from unit vectors."""
    shape = network.nodes[layer.inputs[0]].shape
    units = torch.eye(math.prod(shape), dtype=torch.float64).reshape(-1, *shape)
    return forward.affine(layer, units, weight.double(), None).flatten(1).T


def repeated_bias(layer, bias):
    """(output units,)."""
    return bias[:, None, None].expand(layer.shape).reshape(-1)


# ---------------------------------------------------------------------------------------------- peeling


@dataclass
class TwinNode:
    """s, one number for each path below it (product of |pred| and energy), log of the largest factor of a path."""

    s: float
    paths: np.ndarray
    factor: float


@dataclass
class TwinField:
    nodes: dict
    group: int


@dataclass
class TwinPeeling:
    rho: float
    pairs: float
    energy: float
    paths: float
    factor: float
    value: float


class PeelingTwin:
    """docs/theory/peeling.md word for word on units: every node a dictionary entry, every path a number.

    `split` is layer -> (channels in a node, "l2" or "l1").
    """

    def __init__(self, network, energies, split, t=1.0, masked=True):
        self.network, self.split, self.t, self.masked = network, split, t, masked
        self.m = energies.m
        self.energy = energies.coordinate.flatten().numpy()
        self.constant = np.array([energies.m * t**2])
        self.values = {}

    def connected(self, layer):
        links = (layer.weight != 0) if self.masked else torch.ones_like(layer.weight)
        return (dense(self.network, layer, links.double()) > 0).numpy()

    def fed(self, layer):
        if layer.bias is None:
            return np.zeros(math.prod(layer.shape), dtype=bool)
        there = (layer.bias != 0) if self.masked else torch.ones_like(layer.bias)
        return repeated_bias(layer, there).bool().numpy()

    def run(self):
        for index, node in enumerate(self.network.nodes):
            self.values[index] = self._value(index, node)
        return self._output(self.values[len(self.network.nodes) - 1])

    def _value(self, index, node):
        if isinstance(node, Input):
            return "input"
        if isinstance(node, Add):
            return [term for i in node.inputs for term in self._terms(self.values[i])]
        if isinstance(node, ReLU):
            source = self.values[node.inputs[0]]
            return self._field(source, node.shape, True) if isinstance(source, list) else source
        source = self.values[node.inputs[0]]
        if isinstance(source, list):
            source = self._field(source, self.network.nodes[node.inputs[0]].shape, False)
            self.values[node.inputs[0]] = source
        if isinstance(node, Affine):
            return [(node, source)]
        return self._pooled(node, source)

    @staticmethod
    def _terms(value):
        return value if isinstance(value, list) else [(None, value)]

    def _predecessors(self, terms, rows, key, norm):
        """Every predecessor of the given rows: scale times Frobenius norm of its weights, its paths, their factor."""
        found = []
        for layer, source in terms:
            if layer is None:
                if source.nodes[key] is not None:
                    below = source.nodes[key]
                    found.append((below.s, below.paths, below.factor))
                continue
            matrix = dense(self.network, layer, layer.weight).numpy()[rows] ** 2
            used = self.connected(layer)[rows].any(0)
            constant = bool(self.fed(layer)[rows].any())
            bias = 0.0
            if layer.bias is not None:
                bias = float((repeated_bias(layer, layer.bias)[rows] / self.t).square().sum())
            if source == "input" and norm == "l2":
                energy = self.energy[used].sum() + constant * self.constant[0]
                if used.any() or constant:
                    found.append((math.sqrt(matrix.sum() + bias), np.array([energy]), 0.0))
                continue
            found += self._below(layer, source, matrix, used)
            if constant:
                found.append((math.sqrt(bias), self.constant, 0.0))
        return found

    def _below(self, layer, source, matrix, used):
        if source == "input":
            return [
                (math.sqrt(matrix[:, i].sum()), self.energy[i : i + 1], 0.0) for i in np.flatnonzero(used)
            ]
        blocks, reached = {}, set()
        shape = self.network.nodes[layer.inputs[0]].shape
        for flat, (c, i, j) in enumerate(itertools.product(*map(range, shape))):
            owner = (c // source.group, i, j)
            blocks[owner] = blocks.get(owner, 0.0) + matrix[:, flat].sum()
            if used[flat] and source.nodes[owner] is not None:
                reached.add(owner)
        nodes = [(source.nodes[owner], blocks[owner]) for owner in sorted(reached)]
        return [(node.s * math.sqrt(block), node.paths, node.factor) for node, block in nodes]

    def _choice(self, terms):
        skips = [source.group for layer, source in terms if layer is None]
        names = [layer.name for layer, _ in terms if layer is not None]
        group, norm = self.split[names[0]] if names else (skips[0], "l2")
        return (skips[0] if skips else group), norm

    def _field(self, terms, shape, rectified):
        group, norm = self._choice(terms)
        nodes = {}
        for g, i, j in itertools.product(range(-(-shape[0] // group)), range(shape[1]), range(shape[2])):
            channels = range(g * group, min((g + 1) * group, shape[0]))
            rows = [(c * shape[1] + i) * shape[2] + j for c in channels]
            found = self._predecessors(terms, rows, (g, i, j), norm)
            nodes[g, i, j] = None
            if found:
                fan_in = len(found) if norm == "l2" else 1
                paths = np.concatenate([paths for _, paths, _ in found]) * fan_in
                factor = max(factor for *_, factor in found) + (math.log(2) if rectified else 0.0)
                nodes[g, i, j] = TwinNode(scale_of(norm, [size for size, *_ in found]), paths, factor)
        return TwinField(nodes, group)

    def _copied(self, node, source):
        shape = self.network.nodes[node.inputs[0]].shape
        nodes = {}
        for key in itertools.product(*map(range, node.shape)):
            flat = int(node.source[key])
            c, i, j = flat // (shape[1] * shape[2]), flat // shape[2] % shape[1], flat % shape[2]
            nodes[key] = source.nodes[c, i, j] if flat >= 0 else None
        return TwinField(nodes, source.group)

    def _pooled(self, node, source):
        if isinstance(node, Rearrange):
            return self._copied(node, source)
        height, width = (1 + max(key[axis] for key in source.nodes) for axis in (1, 2))
        nodes = {}
        for g, i, j in itertools.product({key[0] for key in source.nodes}, *map(range, node.shape[1:])):
            shares, extra = self._window(node, i, j, height, width)
            alive = [(a, source.nodes[g, y, x]) for (y, x), a in shares.items() if source.nodes[g, y, x]]
            nodes[g, i, j] = None
            if alive:
                nodes[g, i, j] = TwinNode(
                    sum(a * below.s for a, below in alive),
                    np.concatenate([below.paths for _, below in alive]),
                    max(below.factor for _, below in alive) + extra,
                )
        return TwinField(nodes, source.group)

    @staticmethod
    def _window(node, i, j, height, width):
        if isinstance(node, AvgPool):
            shares = {
                (y, x): float(node.rows_h[i, y] * node.rows_w[j, x])
                for y in range(height)
                for x in range(width)
                if node.rows_h[i, y] * node.rows_w[j, x] != 0
            }
            return shares, 0.0
        high, wide = node.window.height, node.window.width
        taps = itertools.product(range(high.kernel), range(wide.kernel))
        places = [
            (
                i * high.stride - high.before + a * high.dilation,
                j * wide.stride - wide.before + b * wide.dilation,
            )
            for a, b in taps
        ]
        inside = {(y, x): 1.0 for y, x in places if 0 <= y < height and 0 <= x < width}
        return inside, math.ceil(math.log2(high.kernel * wide.kernel)) * math.log(1.5)

    def _output(self, terms):
        shape = self.network.nodes[-1].shape
        norm = self._choice(terms)[1]
        found = []
        for flat, key in enumerate(itertools.product(*map(range, shape))):
            found += self._predecessors(terms, [flat], key, norm)
        every = np.concatenate([np.zeros(0), *(paths for _, paths, _ in found)])
        rho, energy = scale_of(norm, [size for size, *_ in found]), float(every.max(initial=0.0))
        pairs = len(found) if norm == "l2" else 1
        factor = max([0.0, *(factor for *_, factor in found)])
        if norm == "l2" and len(terms) == 1 and terms[0][1] == "input":
            layer = terms[0][0]
            used = self.connected(layer).any(0)
            union = self.energy[used].sum() + bool(self.fed(layer).any()) * self.constant[0]
            outputs = math.prod(shape)
            value = rho / self.m * math.sqrt(outputs * union)
            return TwinPeeling(rho, outputs, union, len(every), 0.0, value)
        spread = 1 + math.sqrt(2 * (factor + math.log(len(every)))) if energy > 0 else 0.0
        value = rho * math.sqrt(pairs * energy) / self.m * spread
        return TwinPeeling(rho, pairs, energy, len(every), factor, value)


def scale_of(norm, sizes):
    return math.hypot(*sizes) if norm == "l2" else sum(sizes)


# ---------------------------------------------------------------------------------------------- Toeplitz


def toeplitz_matrices(network, t=None):
    """A~^l of a chain from unit vectors: average pooling multiplied in, the constant's row and column where t is given."""
    matrices, pooling = [], None
    for node in network.nodes[1:]:
        if isinstance(node, AvgPool):
            shape = network.nodes[node.inputs[0]].shape
            units = torch.eye(math.prod(shape), dtype=torch.float64).reshape(-1, *shape)
            step = forward.evaluate_node(node, [units]).flatten(1).T
            pooling = step if pooling is None else step @ pooling
        if isinstance(node, Affine):
            own = dense(network, node, node.weight)
            matrices.append((node, own if pooling is None else own @ pooling))
            pooling = None
    if t is None:
        return [matrix for _, matrix in matrices]
    full = []
    for index, (layer, matrix) in enumerate(matrices):
        bias = torch.zeros(matrix.shape[0], dtype=torch.float64)
        if layer.bias is not None:
            bias = repeated_bias(layer, layer.bias) / t
        last = torch.zeros(1, matrix.shape[1] + 1, dtype=torch.float64)
        last[0, -1] = 1.0
        handed_on = any(later.bias is not None for later, _ in matrices[index + 1 :])
        full.append(torch.cat([torch.cat([matrix, bias[:, None]], 1), last[: int(handed_on)]]))
    return full


# ---------------------------------------------------------------------------------------------- path norm


class PathNorm:
    """Sum over paths, walked one by one from every output back, of the product of absolute weights."""

    def __init__(self, network):
        self.network = network
        self.matrices = {}
        for index, node in enumerate(network.nodes):
            if isinstance(node, Affine):
                self.matrices[index] = dense(network, node, node.weight).abs()
            elif isinstance(node, AvgPool | Rearrange):
                shape = network.nodes[node.inputs[0]].shape
                units = torch.eye(math.prod(shape), dtype=torch.float64).reshape(-1, *shape)
                self.matrices[index] = forward.evaluate_node(node, [units]).flatten(1).T.abs()

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
    places, _ = PeelingTwin._window(node, i, j, height, width)
    return [(c * height + y) * width + x for y, x in places]
