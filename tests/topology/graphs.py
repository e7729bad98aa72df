"""Layers and networks made of masks, and slow twins of the scores: dense, and on networkx graphs."""

from __future__ import annotations

import math
from collections import Counter

import networkx as nx
import numpy as np
import torch

from boundcalc.network.geometry import Axis, Window
from boundcalc.network.network import Network
from boundcalc.network.ops import Affine, Input
from boundcalc.topology.bipartite import Layout, of_layer
from boundcalc.topology.hoang2023 import score

KEYS = ("delta_r", "delta_r_imdb", "lambda_", "lambda_imsg", "narc")


def layer(weight, groups=1, kind=None, name="fc", folded=False):
    """An Affine of a weight (out, in) or (out, in / groups, kh, kw); zeros are pruned."""
    weight = torch.as_tensor(np.asarray(weight), dtype=torch.float64)
    kind = kind or ("linear" if weight.ndim == 2 else "conv2d")
    stored = tuple(weight.shape)
    weight = weight.reshape(*weight.shape, 1, 1) if weight.ndim == 2 else weight
    window = Window(Axis(8, weight.shape[2]), Axis(8, weight.shape[3]))
    shape = (weight.shape[0], window.height.out, window.width.out)
    return Affine(
        name, (0,), shape, kind, weight, None, weight != 0, None, stored, window, groups, folded=folded
    )


def network(*layers):
    return Network((Input("x", (), (1, 8, 8)), *layers), "test", (1, 8, 8))


def scores_of(weight, groups=1, encoding="unrolled", kind=None):
    made = layer(weight, groups, kind)
    return score(of_layer(made, Layout.of(made, encoding)))


def random_weight(seed, shape, density):
    """Gaussian weights, a share of them pruned."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape) * (rng.random(shape) < density)


def biadjacency(weight, groups=1, rolled=False):
    """The weights (inputs, outputs), entry by entry; rolled, the sum of absolute values over the kernel."""
    weight = np.asarray(weight, dtype=float)
    weight = weight.reshape(*weight.shape, 1, 1) if weight.ndim == 2 else weight
    out, inputs, kh, kw = weight.shape
    taps = 1 if rolled else kh * kw
    matrix = np.zeros((groups * inputs * taps, out))
    for o in range(out):
        group = o // (out // groups)
        for i in range(inputs):
            for tap in range(kh * kw):
                row = (group * inputs + i) * taps + (0 if rolled else tap)
                matrix[row, o] += abs(weight[o, i, tap // kw, tap % kw])
    return matrix


def dense_twin(matrix):
    """The scores of a nonnegative biadjacency matrix, by numpy's svd, straight from their definition."""
    whole = dense_score(matrix, matrix.shape)
    degrees = (matrix > 0).sum(1)
    parts = []
    for degree in sorted(set(degrees.tolist()) - {0}):
        if (degrees == degree).sum() >= 3:
            parts.append(dense_score(matrix[degrees == degree], matrix.shape))
    return {
        **whole,
        "delta_r_imdb": mean(part["delta_r"] for part in parts),
        "lambda_imsg": mean(part["lambda_"] for part in parts),
    }


def dense_score(matrix, full):
    matrix = matrix[(matrix > 0).any(1)][:, (matrix > 0).any(0)]
    left, right = matrix.shape
    edges = (matrix > 0).sum()
    if not edges or edges / left < 3 or edges / right < 3:
        return dict.fromkeys(("delta_r", "lambda_", "narc"))
    sigma = top(matrix > 0)
    weighted = top(matrix)
    spread = (sigma[1] ** 2 / 4 + 1) * math.sqrt(left * right)
    return {
        "delta_r": math.sqrt(edges / left - 1) + math.sqrt(edges / right - 1) - sigma[1],
        "lambda_": weighted[0] - weighted[1],
        "narc": (spread - abs(2 * edges - edges / left * left * right / full[1])) / (full[0] * full[1]),
    }


def top(matrix):
    values = np.linalg.svd(np.asarray(matrix, dtype=float), compute_uv=False)
    return float(values[0]), float(values[1]) if len(values) > 1 else 0.0


def graph_twin(matrix):
    """The same on a networkx graph: isolated vertices dropped as vertices, spectra of the full adjacency."""
    graph = nx.Graph()
    graph.add_nodes_from(("in", i) for i in range(matrix.shape[0]))
    graph.add_nodes_from(("out", o) for o in range(matrix.shape[1]))
    for i, o in np.argwhere(matrix > 0):
        graph.add_edge(("in", int(i)), ("out", int(o)), weight=float(matrix[i, o]))
    counts = Counter(degree for node, degree in graph.degree() if node[0] == "in")
    parts = []
    for degree, count in counts.items():
        if degree > 0 and count >= 3:
            keep = [node for node in graph if node[0] == "out" or graph.degree(node) == degree]
            parts.append(graph_score(graph.subgraph(keep), matrix.shape))
    return {
        **graph_score(graph, matrix.shape),
        "delta_r_imdb": mean(part["delta_r"] for part in parts),
        "lambda_imsg": mean(part["lambda_"] for part in parts),
    }


def graph_score(graph, full):
    graph = graph.subgraph([node for node, degree in graph.degree() if degree > 0])
    left = sum(node[0] == "in" for node in graph)
    right, edges = len(graph) - left, graph.number_of_edges()
    if not edges or 2 * edges < 6 * max(left, right):
        return dict.fromkeys(("delta_r", "lambda_", "narc"))
    plain, weighted = (
        np.linalg.eigvalsh(nx.to_numpy_array(graph, weight=weight))[::-1] for weight in (None, "weight")
    )
    spread = (plain[1] ** 2 / 4 + 1) * math.sqrt(left * right)
    return {
        "delta_r": math.sqrt(edges / left - 1) + math.sqrt(edges / right - 1) - plain[1],
        "lambda_": weighted[0] - weighted[1],
        "narc": (spread - abs(2 * edges - edges * right / full[1])) / (full[0] * full[1]),
    }


def mean(values):
    values = [value for value in values if value is not None]
    return sum(values) / len(values) if values else None


def assert_same(scores, expected, tolerance=1e-6):
    for key in KEYS:
        ours, theirs = getattr(scores, key), expected[key]
        assert (ours is None) == (theirs is None), key
        assert ours is None or abs(ours - theirs) <= tolerance * max(1.0, abs(theirs)), key
        assert (key in scores.reasons) == (ours is None), key
