"""The matrices of the graphon NTK's recursion: one nonnegative matrix per layer, with cells as rows.

If cell v has measure w_v, the integrals of the recursion become products with ``A^l(u, v) = sigma_w^2 Wg^l(u, v) w_v``; in the
first layer v runs over the d coordinates of the input, each of measure 1/d. Cells with equal rows have equal kernels, so
that they can be merged exactly: the merged cell gets the sum of their columns in the next matrix, which is their measure times
the measure-weighted mean of the next graphon. Cells that nothing reaches, or that reach nothing, contribute 0 and are dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boundcalc.graphon.step import StepGraphon

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Maps:
    """The matrices of a chain of layers.

    Attributes:
        hidden: matrices A^1 .. A^L, (K_1, d) and (K_l, K_{l-1}) float64, nonnegative.
        output: matrix A^{L+1}, (C, K_L) float64, nonnegative, with one row per output.

    Raises:
        ValueError: there is no hidden layer, the sizes of consecutive layers do not fit, or entries are negative or not finite.
    """

    hidden: tuple[Floats, ...]
    output: Floats

    def __post_init__(self) -> None:
        if not self.hidden:
            raise ValueError("the graphon NTK needs at least one hidden layer")
        every = (*self.hidden, self.output)
        for before, after in zip(every, every[1:], strict=False):
            if before.shape[0] != after.shape[1]:
                raise ValueError(
                    f"a layer reads {after.shape[1]} cells, but the layer before it has {before.shape[0]}"
                )
        for matrix in every:
            if not (np.isfinite(matrix).all() and (matrix >= 0).all()):
                raise ValueError("a graphon has entries that are negative or not finite")

    @property
    def inputs(self) -> int:
        """The number d of input coordinates."""
        return self.hidden[0].shape[1]

    @property
    def cells(self) -> tuple[int, ...]:
        """The numbers K_1 .. K_L of cells."""
        return tuple(matrix.shape[0] for matrix in self.hidden)

    @property
    def mean_output(self) -> Floats:
        """The mean row of the last matrix, (1, K_L); its kernel is the mean of the outputs' kernels, as Theta is
        linear in this matrix.
        """
        return self.output.mean(axis=0, keepdims=True)


def from_graphons(
    graphons: Sequence[StepGraphon | NDArray[np.floating]],
    inputs: int,
    sigma_w2: float = 1.0,
    output: NDArray[np.floating] | None = None,
) -> Maps:
    """Return the matrices of step graphons Wg^1 .. Wg^L.

    Args:
        graphons: graphons of the hidden layers; an array has cells of equal measure.
        inputs: number d of inputs; coordinate j reads the column cell of Wg^1 that contains (j + 1/2) / d.
        sigma_w2: weight variance sigma_w^2, positive.
        output: graphon of the output layer, (C, K), with column cells of equal measure; None for one output that reads all cells.

    Raises:
        ValueError: as in `Maps`, or an array is not a matrix.
    """
    steps = [_step(graphon) for graphon in graphons]
    if not steps:
        raise ValueError("the graphon NTK needs at least one hidden layer")
    ends = np.cumsum(steps[0].column_weights)
    middles = (np.arange(inputs) + 0.5) / inputs
    columns = np.minimum(np.searchsorted(ends, middles * ends[-1], side="right"), len(ends) - 1)
    found = [sigma_w2 / inputs * steps[0].values[:, columns]]
    for before, after in zip(steps, steps[1:], strict=False):
        found.append(sigma_w2 * after.values @ overlaps(after.column_weights, before.row_weights))
    last = _step(np.ones((1, 1)) if output is None else output)
    weights = steps[-1].row_weights
    return Maps(tuple(found), sigma_w2 * last.values @ overlaps(last.column_weights, weights))


def overlaps(first: Floats, second: Floats) -> Floats:
    """Return the measures of the intersections of two partitions of the unit interval, (K1, K2).

    Example:
        >>> overlaps(np.array([0.5, 0.5]), np.array([0.25, 0.75])).tolist()
        [[0.25, 0.25], [0.0, 0.5]]
    """
    if first.shape == second.shape and np.allclose(first, second, rtol=1e-12, atol=0):
        return np.diag(second)
    ends = [np.concatenate([[0.0], np.cumsum(weights)]) for weights in (first, second)]
    one, two = (end / end[-1] for end in ends)
    low = np.maximum.outer(one[:-1], two[:-1])
    return np.maximum(np.minimum.outer(one[1:], two[1:]) - low, 0.0)


def _step(graphon: StepGraphon | NDArray[np.floating]) -> StepGraphon:
    if isinstance(graphon, StepGraphon):
        return graphon
    values = np.asarray(graphon, dtype=np.float64)
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(f"a graphon of shape {values.shape}: give a matrix, cells by cells")
    rows, columns = values.shape
    return StepGraphon(values, np.full(rows, 1 / rows), np.full(columns, 1 / columns))


def merged(maps: Maps) -> Maps:
    """Return maps with the same kernels and fewer cells: equal rows are merged and dead cells dropped, layer by layer.

    Every layer keeps at least one cell.
    """
    hidden = list(maps.hidden)
    output = maps.output
    for index, matrix in enumerate(hidden):
        after = hidden[index + 1] if index + 1 < len(hidden) else output
        rows, group = np.unique(matrix, axis=0, return_inverse=True)
        gathered = np.zeros((after.shape[0], len(rows)))
        np.add.at(gathered.T, group.reshape(-1), after.T)
        alive = np.flatnonzero(rows.any(axis=1) & gathered.any(axis=0))
        alive = alive if alive.size else np.zeros(1, dtype=np.int64)
        hidden[index], gathered = rows[alive], gathered[:, alive]
        if index + 1 < len(hidden):
            hidden[index + 1] = gathered
        else:
            output = gathered
    return Maps(tuple(hidden), output)
