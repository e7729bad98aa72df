"""How well N = c eps0^-2 kappa^4 Gamma^2 K^4 r~ log q describes the measured thresholds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.sample_complexity.teacher import Plan
from experiments.sample_complexity.threshold import Found

Array = NDArray[np.float64]

EPS0 = 0.5
LOG_Q = 1.0
LEVEL = 0.95


@dataclass(frozen=True)
class Cell:
    """All thresholds of one plan."""

    plan: Plan
    found: tuple[Found, ...]

    @property
    def median(self) -> float:
        """Median threshold."""
        return float(np.median([found.N for found in self.found]))


@dataclass(frozen=True)
class Table:
    """Thresholds as arrays, one row a cell and one column a seed; K and log r by cell."""

    K: NDArray[np.int64]
    log_weights: Array
    log_n: Array
    log_r: Array
    log_unit: Array

    def drawn(self, cells: NDArray[np.int64], seeds: NDArray[np.int64]) -> Table:
        """Return the table of some cells (c,), with seeds (c, s) of each."""
        rows = cells[:, None]
        return Table(
            self.K[cells],
            self.log_weights[cells],
            self.log_n[rows, seeds],
            self.log_r[rows, seeds],
            self.log_unit[rows, seeds],
        )


def table(cells: list[Cell]) -> Table:
    """Return the cells as arrays; log_unit is log N - log c of the formula."""
    log_r = np.array([[math.log(f.r_tilde) for f in cell.found] for cell in cells])
    conditioning = np.array([[f.log_conditioning for f in cell.found] for cell in cells])
    K = np.array([cell.plan.K for cell in cells])
    constant = math.log(LOG_Q) - 2 * math.log(EPS0)
    return Table(
        K=K,
        log_weights=np.log([cell.plan.r for cell in cells]),
        log_n=np.log([[f.N for f in cell.found] for cell in cells]),
        log_r=log_r,
        log_unit=4 * np.log(K)[:, None] + conditioning + log_r + constant,
    )


def constant(data: Table) -> float:
    """Return c, the geometric mean over all thresholds."""
    return math.exp(float((data.log_n - data.log_unit).mean()))


def constants_by_neurons(data: Table) -> dict[int, float]:
    """Return c from the cells of each K alone."""
    return {
        int(K): constant(data.drawn(np.flatnonzero(data.K == K), _all_seeds(data, data.K == K)))
        for K in np.unique(data.K)
    }


def r_squared(log_n: Array, fitted: Array) -> float:
    """Return 1 - (residual / total sum of squares) of log N; negative where a constant would do better."""
    return 1 - float(np.square(log_n - fitted).sum() / np.square(log_n - log_n.mean()).sum())


def formula_r_squared(data: Table) -> float:
    """Return R^2 of the whole formula with one c."""
    return r_squared(data.log_n, math.log(constant(data)) + data.log_unit)


def proportional_r_squared(data: Table) -> float:
    """Return R^2 of N = a_K r~, a constant of its own for every K, about the mean of every K."""
    explained = _within(data.K, data.log_n)
    return 1 - float(np.square(_within(data.K, data.log_n - data.log_r)).sum() / np.square(explained).sum())


def r_exponent(data: Table) -> float:
    """Return b of log N = a_K + b log r~."""
    return _slope(data, data.log_r)


def weight_exponent(data: Table) -> float:
    """Return b of log N = a_K + b log r, r the surviving weights of a neuron whatever it shares with others."""
    return _slope(data, _by_seed(data, data.log_weights))


def r_exponent_r_squared(data: Table) -> float:
    """Return R^2 of log N = a_K + b log r~ about the mean of every K."""
    return _explained(data, data.log_r)


def weight_exponent_r_squared(data: Table) -> float:
    """Return R^2 of log N = a_K + b log r about the mean of every K."""
    return _explained(data, _by_seed(data, data.log_weights))


def neuron_exponent(data: Table) -> float:
    """Return p of log N = a + b log r~ + p log K."""
    log_K = _by_seed(data, np.log(data.K))
    columns = np.stack([np.ones(data.log_n.size), data.log_r.ravel(), log_K.ravel()], 1)
    return float(np.linalg.lstsq(columns, data.log_n.ravel(), rcond=None)[0][2])


def misfit(data: Table) -> float:
    """Return the largest factor by which the formula misses the geometric mean of a cell."""
    residual = (data.log_n - data.log_unit).mean(1) - math.log(constant(data))
    return math.exp(float(np.abs(residual).max()))


def bootstrap(data: Table, resamples: int, seed: int, resample_cells: bool) -> list[Table]:
    """Return resampled tables: seeds within every cell, and the cells themselves where asked for."""
    random = np.random.default_rng(seed)
    count, seeds = data.log_n.shape
    drawn = []
    for _ in range(resamples):
        cells = random.integers(count, size=count) if resample_cells else np.arange(count)
        drawn.append(data.drawn(cells, random.integers(seeds, size=(count, seeds))))
    return drawn


def interval(values: list[float]) -> tuple[float, float]:
    """Return the percentile interval at `LEVEL`."""
    ends = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(ends[0]), float(ends[1])


def _slope(data: Table, log_x: Array) -> float:
    x, y = _within(data.K, log_x), _within(data.K, data.log_n)
    return float((x * y).sum() / np.square(x).sum())


def _explained(data: Table, log_x: Array) -> float:
    x, y = _within(data.K, log_x), _within(data.K, data.log_n)
    return 1 - float(np.square(y - _slope(data, log_x) * x).sum() / np.square(y).sum())


def _by_seed(data: Table, by_cell: Array) -> Array:
    """Return (cells,) as (cells, seeds)."""
    return np.broadcast_to(by_cell[:, None], data.log_n.shape)


def _within(K: NDArray[np.int64], values: Array) -> Array:
    """Return values less the mean of their K."""
    centered = values.copy()
    for each in np.unique(K):
        centered[each == K] -= values[each == K].mean()
    return centered


def _all_seeds(data: Table, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.tile(np.arange(data.log_n.shape[1]), (int(chosen.sum()), 1))
