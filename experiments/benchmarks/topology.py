"""Topology benchmarks: figures and ratios of one run, against targets. Run with `python experiments/benchmarks/topology.py`.

Each case runs in a process of its own, so that its peak memory is its own. The naive twin builds the adjacency edge by edge in
networkx and calls scipy's eigsh on it and on each regular subgraph, structural and weighted, without random masks; it is
compared with the same quantities, without random masks, of the same mask.
"""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from common import Target, gigabytes, masked_resnet18, run_cases, timed

DENSITY = 0.05
LEFT, RIGHT = 4608, 512


TARGETS = (
    Target("ResNet-18 at 5 %, 5 random masks a layer: time", "resnet18", "seconds", "s", 10.0),
    Target("the same: peak memory of the process", "resnet18", "gigabytes", "GB", 1.0),
    Target(
        f"{RIGHT} x {LEFT} at 5 %: times faster than networkx and eigsh", "ratio", "ratio", "x", 20.0, True
    ),
    Target("the same: largest difference of a quantity", "ratio", "difference", "", 1e-6),
)


def resnet18_case() -> dict[str, float]:
    from boundcalc.topology import analyze

    network = masked_resnet18(DENSITY)
    start = time.perf_counter()
    topology = analyze(network, {})
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "gigabytes": gigabytes(), "layers": len(topology.layers)}


def ratio_case(left: int = LEFT, right: int = RIGHT, rounds: int = 3) -> dict[str, float]:
    """Time both on one mask; theirs once, ours as the median of some rounds, all with one BLAS thread."""
    from threadpoolctl import threadpool_limits

    from boundcalc.topology.bipartite import Layout, build
    from boundcalc.topology.hoang2023 import score

    rng = np.random.default_rng(1)
    mask = rng.random((left, right)) < DENSITY
    weights = np.where(mask, rng.standard_normal((left, right)), 0.0)
    layout = Layout(1, left, 1, right, False)

    def fast() -> dict[str, float | None]:
        positions = np.flatnonzero(mask)
        found = score(build(layout, positions, weights.reshape(-1)[positions]))
        keys = ("delta_r", "delta_r_imdb", "lambda_", "lambda_imsg", "narc")
        return {key: getattr(found, key) for key in keys}

    with threadpool_limits(limits=1, user_api="blas"):
        fast()
        times = [timed(fast)[0] for _ in range(rounds)]
        naive_seconds, expected = timed(lambda: naive(mask, weights))
    ours, seconds = fast(), float(np.median(times))
    both = [(ours[key], expected[key]) for key in expected]
    apart = [abs(a - b) if a is not None and b is not None else float(a is not b) for a, b in both]
    return {
        "ratio": naive_seconds / seconds,
        "fast": seconds,
        "naive": naive_seconds,
        "difference": max(apart),
    }


def naive(mask: np.ndarray, weights: np.ndarray) -> dict[str, float | None]:
    """Compute the scores as their definition reads, with networkx and eigsh."""
    import networkx as nx

    graph = nx.Graph()
    inputs, outputs = mask.shape
    graph.add_nodes_from(("in", i) for i in range(inputs))
    graph.add_nodes_from(("out", o) for o in range(outputs))
    for i, o in zip(*np.nonzero(mask), strict=True):
        graph.add_edge(("in", int(i)), ("out", int(o)), weight=abs(float(weights[i, o])))
    whole = naive_score(graph, inputs, outputs)
    degrees = Counter(degree for node, degree in graph.degree() if node[0] == "in")
    parts = []
    for degree in [d for d, count in degrees.items() if d > 0 and count >= 3]:
        keep = [n for n in graph if n[0] == "out" or graph.degree(n) == degree]
        parts.append(naive_score(graph.subgraph(keep), inputs, outputs))
    return {
        **whole,
        "delta_r_imdb": mean(part["delta_r"] for part in parts),
        "lambda_imsg": mean(part["lambda_"] for part in parts),
    }


def naive_score(graph: Any, inputs: int, outputs: int) -> dict[str, float | None]:
    import networkx as nx
    from scipy.sparse.linalg import eigsh

    graph = graph.subgraph([n for n in graph if graph.degree(n) > 0])
    nodes = sorted(graph)
    left = sum(node[0] == "in" for node in nodes)
    right, edges = len(nodes) - left, graph.number_of_edges()
    if not edges or edges / left < 3 or edges / right < 3:
        return {"delta_r": None, "lambda_": None, "narc": None}
    sigma = {}
    for weight in (None, "weight"):
        adjacency = nx.to_scipy_sparse_array(graph, nodelist=nodes, weight=weight, dtype=float)
        found = sorted(abs(eigsh(adjacency, k=3, which="LM", return_eigenvectors=False)))
        sigma[weight] = found[2], found[0]
    second = sigma[None][1]
    gap = math.sqrt(edges / left - 1) + math.sqrt(edges / right - 1) - second
    spread = (second**2 / 4 + 1) * math.sqrt(left * right)
    excess = abs(2 * edges - edges / left * left * right / outputs)
    return {
        "delta_r": gap,
        "lambda_": sigma["weight"][0] - sigma["weight"][1],
        "narc": (spread - excess) / (inputs * outputs),
    }


def mean(values: Iterable[float | None]) -> float | None:
    scored = [value for value in values if value is not None]
    return sum(scored) / len(scored) if scored else None


CASES: dict[str, Callable[[], dict[str, float]]] = {"resnet18": resnet18_case, "ratio": ratio_case}


if __name__ == "__main__":
    sys.exit(run_cases(__file__, CASES, TARGETS, __doc__))
