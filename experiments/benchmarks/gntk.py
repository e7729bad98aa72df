"""Graphon NTK benchmarks: ratios of one run, against targets. Run with `python experiments/benchmarks/gntk.py`.

Each case runs in a process of its own. Times are processor seconds, of all threads together: other processes on the machine then
count little. Rates and times of one case are measured in turns, and the least of each is taken. The inputs of the first case are
images of the sample that ships with boundcalc. The roofline is the time of the multiplications at the measured rate of the machine's
matrix product plus the time of one arc cosine and one square root a cell, layer and pair at their measured rates; products of sparse
matrices count at the measured rate of the sparse product. The roofline knows nothing of the seven products, sums and squares a cell,
layer and pair that lie between these (six in the first and the last layer): numpy makes a pass over memory of each, and only a fused
kernel could reach it. The twin is tiled and symmetric, forward and backward as docs/theory/pham2025.md writes it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from common import Target, gigabytes, run_cases
from scipy import sparse
from threadpoolctl import threadpool_limits

TILE = 128
DEPTH, CELLS, INPUTS, DIMENSION = 4, 64, 1024, 784
WIDTH, FEW, DENSITY = 1024, 256, 0.1


TARGETS = (
    Target(
        "4 layers, 64 cells, 1024 images: times faster than the twin", "graphon", "faster", "x", 3.5, True
    ),
    Target("the same: times the roofline", "graphon", "roofline", "x", 1.5),
    Target("the same: largest relative difference off the diagonal", "graphon", "difference", "", 1e-10),
    Target("exact, width 1024, 256 inputs, 10 %: times the roofline", "exact", "roofline", "x", 2.0),
    Target("4096 inputs: peak memory of the process", "growth", "gigabytes", "GB", 2.0),
    Target("from 1024 to 4096 inputs: time by inputs squared", "growth", "growth", "x", 1.3),
)


def sample(m: int, d: int = DIMENSION) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((m, d))


def images(m: int) -> np.ndarray:
    """Return images of the sample, (m, 784)."""
    from boundcalc.empirical.datasets import open_data

    parts = (x for x, _ in open_data("sample").train.batches(m))
    return next(parts).reshape(m, -1).astype(np.float64)


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


def processor(run: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor seconds that a call takes, on all cores, and what it returns."""
    start = time.process_time()
    result = run()
    return time.process_time() - start, result


def on_one_core(work: Callable[[], Any], repeats: int = 1) -> float:
    """Return the processor seconds of a call."""
    with threadpool_limits(limits=1, user_api="blas"):
        return processor(lambda: [work() for _ in range(repeats)])[0] / repeats


def multiply_seconds(size: int = 512) -> float:
    """Return the seconds of a multiply-add of the dense product."""
    a, b = sample(size, size), sample(size, size)
    return on_one_core(lambda: a @ b, 8) / size**3


def sparse_seconds(size: int = WIDTH, columns: int = 96) -> float:
    """Return the seconds of a multiply-add of the sparse product at 10 %."""
    matrix = sparse.random_array((size, size), density=DENSITY, format="csr", rng=np.random.default_rng(0))
    b = sample(size, columns)
    return on_one_core(lambda: matrix @ b, 10) / (matrix.nnz * columns)


def evaluate_seconds(size: int = 2**14) -> float:
    """Return the seconds of an arc cosine and a square root."""
    x, out = np.random.default_rng(0).random(size), np.empty(size)

    def work() -> None:
        np.arccos(x, out=out)
        np.sqrt(x, out=out)

    return on_one_core(work, 200) / size


def pairs(m: int) -> float:
    return m * (m + 1) / 2


def graphon_case(rounds: int = 5) -> dict[str, float]:
    """Compare with the twin and the roofline of the merged form of the recursion."""
    from boundcalc.graphon.ntk import gntk

    steps, x = graphons(), images(INPUTS)
    ours, theirs, multiply, evaluate = [], [], [], []
    for _ in range(rounds):
        ours.append(processor(lambda: gntk(steps, x))[0])
        theirs.append(on_one_core(lambda: twin(steps, x)))
        multiply.append(multiply_seconds())
        evaluate.append(evaluate_seconds())
    theta, expected = gntk(steps, x), twin(steps, x)
    multiplications = DIMENSION + CELLS**2 * (1 + 2 * (DEPTH - 1)) + CELLS
    roof = pairs(INPUTS) * (multiplications * min(multiply) + DEPTH * CELLS * min(evaluate))
    return {
        "faster": min(theirs) / min(ours),
        "roofline": min(ours) / roof,
        "difference": float(np.abs(theta / expected - 1)[np.triu_indices(INPUTS, 1)].max()),
        "ours": min(ours),
        "twin": min(theirs),
        "roof": roof,
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
        ours.append(processor(lambda: gntk(masks, x))[0])
        evaluations = pairs(FEW) * DEPTH * WIDTH * evaluate_seconds()
        dense.append(pairs(FEW) * sum(terms) * multiply_seconds() + evaluations)
        thin.append(pairs(FEW) * DENSITY * sum(terms) * sparse_seconds() + evaluations)
    roof = min(*dense, *thin)
    return {"roofline": min(ours) / roof, "ours": min(ours), "dense": min(dense), "sparse": min(thin)}


def growth_case() -> dict[str, float]:
    """Time 1024 and 4096 inputs in turns, and read the peak memory of the process."""
    from boundcalc.graphon.ntk import gntk

    steps = graphons()
    few, many = sample(1024), sample(4096)
    small, large = [], []
    for _ in range(2):
        small.append(processor(lambda: gntk(steps, few))[0])
        large.append(processor(lambda: gntk(steps, many))[0])
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
