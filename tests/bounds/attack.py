"""Rademacher complexities attained by gradient ascent over a class: lower bounds that no claimed bound may pass."""

from __future__ import annotations

import itertools
import math

import torch
from graph_twins import Graph
from twins import dense, repeated_bias

from boundcalc.network import forward
from boundcalc.network.nodes import ExactPositions
from boundcalc.network.ops import Add, Affine, AvgPool, Input, MaxPool, Rearrange, ReLU

TINY = 1e-24


def layers_of(network):
    return {index: node for index, node in enumerate(network.nodes) if isinstance(node, Affine)}


def outputs(network, weights, x):
    """(m, C) of the network with other weights: layer's index -> (weight, bias)."""
    places = {id(node): index for index, node in layers_of(network).items()}

    def evaluate(node, values):
        if isinstance(node, Affine):
            return forward.affine(node, values[0], *weights[places[id(node)]])
        return forward.evaluate_node(node, values)

    return forward.run(network, x, evaluate)


def node_matrix(shape, group):
    """(nodes, units): which units a node holds; nodes in the order channel group, row, column."""
    count = -(-shape[0] // group)
    matrix = torch.zeros(count, *shape[1:], *shape, dtype=torch.float64)
    for c, i, j in itertools.product(*map(range, shape)):
        matrix[c // group, i, j, c, i, j] = 1.0
    return matrix.reshape(count * shape[1] * shape[2], -1)


class PeelingScale:
    """rho of docs/theory/peeling.md as a differentiable function of the weights; split as in the twin."""

    def __init__(self, network, split, t):
        self.network, self.split, self.t = network, split, t

    def __call__(self, weights):
        values = []
        for index, node in enumerate(self.network.nodes):
            values.append(self._value(index, node, values, weights))
        terms, norm = values[-1], self._choice(values[-1])[1]
        return self._scale(terms, self.network.nodes[-1].shape, 1, norm, weights).sum_up(norm)

    def _choice(self, terms):
        skips = [term[1][1] for term in terms if term[0] == "skip"]
        names = [self.network.nodes[term[0]].name for term in terms if term[0] != "skip"]
        group, norm = self.split[names[0]] if names else (skips[0], "l2")
        return (skips[0] if skips else group), norm

    def _value(self, index, node, values, weights):
        if isinstance(node, Input):
            return torch.ones(node.shape, dtype=torch.float64), 1
        below = [values[i] for i in node.inputs]
        if isinstance(node, Add):
            return [t for value in below for t in (value if isinstance(value, list) else [("skip", value)])]
        if isinstance(below[0], list):
            shape = self.network.nodes[node.inputs[0]].shape
            group, norm = self._choice(below[0])
            field = self._scale(below[0], shape, group, norm, weights).field(norm)
            if isinstance(node, ReLU):
                return field, group
            below[0] = field, group
        field, group = below[0]
        if isinstance(node, Affine):
            return [(index, (field, group))]
        if isinstance(node, AvgPool):
            field = node.rows_h.abs() @ field @ node.rows_w.abs().T
        elif isinstance(node, MaxPool):
            field = ExactPositions.window_sum(field, node.window)
        elif isinstance(node, Rearrange):
            field = ExactPositions.picked(field, node.source, field.shape[1] * field.shape[2], 0.0)
        return field, group

    def _scale(self, terms, shape, group, norm, weights):
        rows = node_matrix(shape, group)
        total = Total(norm, (-(-shape[0] // group), *shape[1:]))
        for kind, (field, below) in terms:
            if kind == "skip":
                total.add(field.reshape(-1)[:, None].square())
                continue
            layer, (weight, bias) = self.network.nodes[kind], weights[kind]
            columns = node_matrix(self.network.nodes[layer.inputs[0]].shape, below)
            blocks = rows @ dense(self.network, layer, weight).square() @ columns.T
            total.add(blocks * field.reshape(-1).square())
            if bias is not None:
                total.add(rows @ (repeated_bias(layer, bias) / self.t).square()[:, None])
        return total


class Total:
    """Adds squared sizes of predecessors, one row a node."""

    def __init__(self, norm, shape):
        self.norm, self.shape, self.sizes = norm, shape, 0.0

    def add(self, squares):
        self.sizes = self.sizes + (squares if self.norm == "l2" else (squares + TINY).sqrt()).sum(1)

    def field(self, norm):
        return ((self.sizes + TINY).sqrt() if norm == "l2" else self.sizes).reshape(self.shape)

    def sum_up(self, norm):
        return (self.sizes.sum() + TINY).sqrt() if norm == "l2" else self.sizes.sum()


def path_norm_of(network, t=1.0):
    """The l1 path norm, biases over t, as a differentiable function of the weights."""
    places = {id(node): index for index, node in layers_of(network).items()}

    def evaluate(node, values):
        if isinstance(node, Affine):
            weight, bias = weights_now[0][places[id(node)]]
            return forward.affine(node, values[0], weight.abs(), None if bias is None else bias.abs() / t)
        if isinstance(node, MaxPool):
            return ExactPositions.window_sum(values[0][0], node.window)[None]
        return forward.evaluate_node(node, values)

    weights_now = [None]

    def norm(weights):
        weights_now[0] = weights
        return forward.run(
            network, torch.ones(1, *network.nodes[0].shape, dtype=torch.float64), evaluate
        ).sum()

    return norm


def sizes_of(network, t, kind):
    """The outputs' size against unit classes as a function of the weights; t is None without biases."""

    def norm(weights):
        return Graph(network, weights).size(kind, t or 1.0)

    return norm


def attained(network, x, norm, draws=6, restarts=4, steps=120, seed=0):
    """Mean over sign draws of the largest correlation found by ascent, divided by norm and m: at most R_S at norm 1.

    Returns:
        (mean, standard error).
    """
    random = torch.Generator().manual_seed(seed)
    layers = layers_of(network)
    count, m, classes = draws * restarts, x.shape[0], math.prod(network.nodes[-1].shape)
    signs = torch.randint(0, 2, (draws, m, classes), generator=random).double() * 2 - 1
    signs = signs.repeat_interleave(restarts, 0)
    masks, parameters = {}, {}
    for index, layer in layers.items():
        start = torch.randn(count, *layer.weight.shape, generator=random, dtype=torch.float64)
        parameters[index] = [start.requires_grad_()]
        masks[index] = [layer.weight != 0]
        if layer.bias is not None:
            bias = torch.randn(count, layer.bias.numel(), generator=random, dtype=torch.float64) * 0.3
            parameters[index].append(bias.requires_grad_())
            masks[index].append(layer.bias != 0)

    def objective(weights, xi):
        kept = {i: [w * mask for w, mask in zip(weights[i], masks[i], strict=True)] for i in weights}
        weights = {i: (pair[0], pair[1] if len(pair) == 2 else None) for i, pair in kept.items()}
        return (outputs(network, weights, x) * xi).sum().abs() / norm(weights)

    every = torch.func.vmap(objective, in_dims=(0, 0))
    leaves = [tensor for pair in parameters.values() for tensor in pair]
    optimizer = torch.optim.Adam(leaves, lr=0.1)
    best = torch.zeros(count, dtype=torch.float64)
    for _ in range(steps):
        reached = every(parameters, signs)
        best = torch.maximum(best, reached.detach())
        optimizer.zero_grad()
        (-(reached + 1e-12).log().sum()).backward()
        optimizer.step()
    found = best.reshape(draws, restarts).amax(1) / m
    return float(found.mean()), float(found.std() / math.sqrt(draws))
