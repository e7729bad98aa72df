"""Graphon NTK benchmarks: ratios of one run, against targets. Run with `python experiments/benchmarks/gntk.py`.

Each case runs in a process of its own. Rates and times of one case are measured in turns, so that a slow moment of the machine
hits all of them. The roofline is the time of the multiplications at the measured rate of the machine's matrix product plus the
time of one arc cosine and one square root a cell, layer and pair at their measured rates, all with both cores; products of sparse
matrices count at the measured rate of the sparse product. The twin is tiled and symmetric, forward and backward as section
8 of the theory writes it, with numpy's matrix product on all cores.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from common import Target, gigabytes, run_cases, timed
from scipy import sparse
from threadpoolctl import threadpool_limits

CORES = len(os.sched_getaffinity(0))
TILE = 128
DEPTH, CELLS, INPUTS, DIMENSION = 4, 64, 1024, 784
WIDTH, FEW, DENSITY = 1024, 256, 0.1


TARGETS = (
    Target(
        "4 layers, 64 cells, 1024 inputs: times faster than the twin", "graphon", "faster", "x", 3.0, True
    ),
    Target("the same: times the roofline", "graphon", "roofline", "x", 2.0),
    Target("the same: largest relative difference off the diagonal", "graphon", "difference", "", 1e-10),
    Target("exact, width 1024, 256 inputs, 10 %: times the roofline", "exact", "roofline", "x", 2.0),
    Target("4096 inputs: peak memory of the process", "growth", "gigabytes", "GB", 2.0),
    Target("from 1024 to 4096 inputs: time by inputs squared", "growth", "growth", "x", 1.3),
)


def sample(m: int, d: int = DIMENSION) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((m, d))


def graphons(cells: int = CELLS, depth: int = DEPTH) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.random((cells, cells)) for _ in range(depth)]


def twin(steps: list[np.ndarray], x: np.ndarray, tile: int = TILE) -> np.ndarray:
    """Compute Theta tile by tile, the lower triangle by symmetry; equal cells, sigma_w^2 = 1."""
    m, d = x.shape
    cells = steps[0].shape[0]
    columns = (np.arange(d) * 2 + 1) * steps[0].shape[1] // (2 * d)
    first = steps[0][:, columns] / d
    later = [step / cells for step in steps[1:]]
    diagonals = [first @ (x**2).T]
    for step in later:
        diagonals.append(step @ (diagonals[-1] / 2))
    theta = np.empty((m, m))
    for a in range(0, m, tile):
        for b in range(a, m, tile):
            i, j = slice(a, a + tile), slice(b, b + tile)
            covariance = np.matmul(first[:, None, :] * x[None, i], x[j].T)
            covariances, slopes = [], []
            for layer, diagonal in enumerate(diagonals):
                scale = np.sqrt(diagonal[:, i, None] * diagonal[:, None, j])
                rho = np.clip(covariance / scale, -1, 1)
                angle = np.arccos(rho)
                value = scale * (np.sqrt(1 - rho**2) + (np.pi - angle) * rho) / (2 * np.pi)
                covariances.append(covariance)
                slopes.append((np.pi - angle) / (2 * np.pi))
                if layer < len(later):
                    flat = later[layer] @ value.reshape(cells, -1)
                    covariance = flat.reshape(value.shape)
            total = value.mean(axis=0)
            gradient = slopes[-1]
            for layer in reversed(range(len(diagonals))):
                total = total + (gradient * covariances[layer]).mean(axis=0)
                if layer:
                    back = later[layer - 1].T @ gradient.reshape(cells, -1)
                    gradient = slopes[layer - 1] * back.reshape(gradient.shape)
            theta[i, j] = total
            theta[j, i] = total.T
    return theta


def on_all_cores(work: Callable[[], Any], repeats: int) -> float:
    """Return the seconds of `repeats` calls on each core at once."""
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(CORES) as pool:
        return timed(lambda: list(pool.map(lambda _: [work() for _ in range(repeats)], range(CORES))))[0]


def multiply_rate(size: int = 512) -> float:
    """Return multiply-adds a second of the dense product, all cores."""
    a, b = sample(size, size), sample(size, size)
    return CORES * 8 * size**3 / on_all_cores(lambda: a @ b, 8)


def sparse_rate(size: int = WIDTH, columns: int = 96) -> float:
    """Return multiply-adds a second of the sparse product at 10 %, all cores."""
    matrix = sparse.random_array((size, size), density=DENSITY, format="csr", rng=np.random.default_rng(0))
    b = sample(size, columns)
    return CORES * 10 * matrix.nnz * columns / on_all_cores(lambda: matrix @ b, 10)


def evaluate_seconds(size: int = 2**14) -> float:
    """Return the seconds of an arc cosine and a square root, all cores busy."""
    x, out = np.random.default_rng(0).random(size), np.empty(size)

    def work() -> None:
        np.arccos(x, out=out)
        np.sqrt(x, out=out)

    return on_all_cores(work, 200) / (200 * size * CORES)


def pairs(m: int) -> float:
    return m * (m + 1) / 2


def graphon_case(rounds: int = 5) -> dict[str, float]:
    """Compare with the twin and the roofline of the merged form of the recursion."""
    from boundcalc.graphon.ntk import gntk

    steps, x = graphons(), sample(INPUTS)
    ours, theirs, roofs = [], [], []
    theta = expected = x
    for _ in range(rounds):
        seconds, theta = timed(lambda: gntk(steps, x))
        ours.append(seconds)
        seconds, expected = timed(lambda: twin(steps, x))
        theirs.append(seconds)
        multiplications = DIMENSION + CELLS**2 * (1 + 2 * (DEPTH - 1)) + CELLS
        roofs.append(pairs(INPUTS) * (multiplications / multiply_rate() + DEPTH * CELLS * evaluate_seconds()))
    return {
        "faster": min(theirs) / min(ours),
        "roofline": min(ours) / min(roofs),
        "difference": float(np.abs(theta / expected - 1)[np.triu_indices(INPUTS, 1)].max()),
        "ours": min(ours),
        "twin": min(theirs),
        "roof": min(roofs),
    }


def exact_case(rounds: int = 3) -> dict[str, float]:
    """Compare masks themselves with the roofline of the cheaper of the dense and sparse forms."""
    from boundcalc.graphon.ntk import gntk

    rng = np.random.default_rng(2)
    shapes = [(WIDTH, DIMENSION)] + [(WIDTH, WIDTH)] * (DEPTH - 1)
    masks = [(rng.random(shape) < DENSITY).astype(float) for shape in shapes]
    x = sample(FEW)
    ours, dense, thin = [], [], []
    terms = [DIMENSION * WIDTH, *[2 * WIDTH**2] * (DEPTH - 1)]
    for _ in range(rounds):
        ours.append(timed(lambda: gntk(masks, x))[0])
        evaluations = pairs(FEW) * DEPTH * WIDTH * evaluate_seconds()
        dense.append(pairs(FEW) * sum(terms) / multiply_rate() + evaluations)
        thin.append(pairs(FEW) * DENSITY * sum(terms) / sparse_rate() + evaluations)
    roof = min(*dense, *thin)
    return {"roofline": min(ours) / roof, "ours": min(ours), "dense": min(dense), "sparse": min(thin)}


def growth_case() -> dict[str, float]:
    """Time 1024 and 4096 inputs in turns, and read the peak memory of the process."""
    from boundcalc.graphon.ntk import gntk

    steps = graphons()
    few, many = sample(1024), sample(4096)
    small, large = [], []
    for _ in range(2):
        small.append(timed(lambda: gntk(steps, few))[0])
        large.append(timed(lambda: gntk(steps, many))[0])
    return {
        "growth": min(large) / min(small) / 16,
        "gigabytes": gigabytes(),
        "few": min(small),
        "many": min(large),
    }


CASES: dict[str, Callable[[], dict[str, float]]] = {
    "graphon": graphon_case,
    "exact": exact_case,
    "growth": growth_case,
}


if __name__ == "__main__":
    sys.exit(run_cases(__file__, CASES, TARGETS, __doc__))
