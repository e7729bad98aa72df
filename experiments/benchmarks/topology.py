"""Topology benchmarks: figures and ratios of one run, against targets. Run with `python experiments/benchmarks/topology.py`.

Each case runs in a process of its own, so that its peak memory is its own. The naive twin builds the adjacency edge by edge in
networkx and calls scipy's eigsh on it and on each regular subgraph, structural and weighted, without random masks; it is
compared with the same quantities, without random masks, of the same mask.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

DENSITY = 0.05
LEFT, RIGHT = 4608, 512


@dataclass(frozen=True)
class Target:
    """What a case measures, and the limit."""

    name: str
    case: str
    key: str
    unit: str
    limit: float
    at_least: bool = False

    def met(self, value: float) -> bool:
        """Whether the limit is kept."""
        return value >= self.limit if self.at_least else value <= self.limit


TARGETS = (
    Target("ResNet-18 at 5 %, 5 random masks a layer: time", "resnet18", "seconds", "s", 10.0),
    Target("the same: peak memory of the process", "resnet18", "gigabytes", "GB", 1.0),
    Target(
        f"{RIGHT} x {LEFT} at 5 %: times faster than networkx and eigsh", "ratio", "ratio", "x", 20.0, True
    ),
    Target("the same: largest difference of a quantity", "ratio", "difference", "", 1e-6),
)


def masked_resnet18() -> Any:
    """Return a ResNet-18 with random 5 % masks as a network."""
    import torch

    from boundcalc.checkpoint import from_state_dict
    from boundcalc.network.load import from_checkpoint
    from boundcalc.tickets.architectures import resnet18

    torch.manual_seed(0)
    model = resnet18().eval()
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
                module.weight *= torch.from_numpy(rng.random(tuple(module.weight.shape)) < DENSITY)
    return from_checkpoint(from_state_dict(model.state_dict(), "ResNet-18"), model, (3, 32, 32))


def resnet18_case() -> dict[str, float]:
    from boundcalc.topology import analyse

    network = masked_resnet18()
    start = time.perf_counter()
    topology = analyse(network, {})
    seconds = time.perf_counter() - start
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return {"seconds": seconds, "gigabytes": gigabytes, "layers": len(topology.layers)}


def ratio_case(left: int = LEFT, right: int = RIGHT, rounds: int = 3) -> dict[str, float]:
    """Time both on one mask; theirs once, ours as the median of some rounds, all with one BLAS thread."""
    from threadpoolctl import threadpool_limits

    from boundcalc.topology.bipartite import Layout, build
    from boundcalc.topology.scores import score

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


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


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


def main() -> int:
    """Print the table; the exit status says whether every target is met."""
    results = {}
    for case in CASES:
        command = [sys.executable, __file__, "--case", case]
        results[case] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    print("| case | measured | target | met |")
    print("|---|---|---|---|")
    failed = 0
    for target in TARGETS:
        value = results[target.case][target.key]
        failed += not target.met(value)
        sign = ">=" if target.at_least else "<="
        print(
            f"| {target.name} | {value:.3g} {target.unit} | {sign} {target.limit:g} | {'yes' if target.met(value) else 'NO'} |"
        )
    ratio = results["ratio"]
    print(f"\nThe mask took {ratio['fast']:.3f} s, networkx and eigsh {ratio['naive']:.1f} s.")
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--case", choices=tuple(CASES))
    chosen = parser.parse_args().case
    if chosen:
        print(json.dumps(CASES[chosen]()))
    else:
        sys.exit(main())
