"""Independent naive twin of the peeling bound: loops over units, matrices written out."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import matrices
import numpy as np
import torch
from twins import dense, repeated_bias

from boundcalc.network.ops import Add, Affine, AvgPool, Input, Rearrange, ReLU


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
        inside = {place: 1.0 for place, _ in matrices.taps(node.window, i, j)}
        return inside, math.ceil(math.log2(math.prod(node.window.kernel))) * math.log(1.5)

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
