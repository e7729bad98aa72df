"""Two step graphons on their common refinement, and their difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from boundcalc.graphon.step import Floats, StepGraphon
from boundcalc.norms.rounding import UNIT


@dataclass(frozen=True, eq=False)
class Kernel:
    """A step function of two variables that may be negative, such as a difference of graphons.

    Attributes:
        values: (K1, K2) float64.
        row_weights: (K1,) float64, measure of each row cell.
        column_weights: (K2,) float64, measure of each column cell.
        blur: bound of the change of its L1 norm by the rounding of its weights.
    """

    values: Floats
    row_weights: Floats
    column_weights: Floats
    blur: float = 0.0

    @property
    def weighted(self) -> Floats:
        """Integral over each product of cells, (K1, K2)."""
        return self.row_weights[:, None] * self.values * self.column_weights

    @property
    def l2(self) -> float:
        """The L2 norm."""
        squares = self.row_weights[:, None] * self.values**2 * self.column_weights
        return float(np.sqrt(squares.sum()))


def from_constant(graphon: StepGraphon) -> Kernel:
    """Return a graphon minus the constant graphon of the same density.

    Example:
        >>> from_constant(StepGraphon([[1.0, 0.0]], [1.0], [0.5, 0.5])).values.tolist()
        [[0.5, -0.5]]
    """
    return Kernel(graphon.values - _mean(graphon), graphon.row_weights, graphon.column_weights)


def _mean(graphon: StepGraphon) -> float:
    """Return the density, or exactly the common value if all values are equal."""
    low, high = float(graphon.values.min()), float(graphon.values.max())
    return min(max(graphon.density, low), high)


def difference(a: StepGraphon, b: StepGraphon) -> Kernel:
    """Return a - b on the common refinement of their cells, which may differ in number and size.

    Example:
        >>> a = StepGraphon([[0.0, 1.0]], [1.0], [0.5, 0.5])
        >>> b = StepGraphon([[1.0]], [1.0], [1.0])
        >>> difference(a, b).l2 == 0.5**0.5
        True
    """
    rows, of_a, of_b = _common(a.row_weights, b.row_weights)
    columns, also_a, also_b = _common(a.column_weights, b.column_weights)
    values = a.values[np.ix_(of_a, also_a)] - b.values[np.ix_(of_b, also_b)]
    as_given = rows is a.row_weights and columns is a.column_weights
    return Kernel(values, rows, columns, 0.0 if as_given else _blur(len(rows), len(columns)))


def _blur(rows: int, columns: int) -> float:
    """Return a bound of twice the area moved by rounding: each of K ends by at most K roundings, values by at most 2."""
    return 4.0 * UNIT * (rows * rows + columns * columns)


def _common(
    a: Floats, b: Floats
) -> tuple[Floats, np.ndarray[tuple[int], np.dtype[np.int64]], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Return the weights of the common refinement of two partitions of [0, 1], and the cell of each partition that
    contains its cells.
    """
    if np.array_equal(a, b):
        return a, np.arange(len(a)), np.arange(len(b))
    ends = [np.append(np.cumsum(weights)[:-1], 1.0) for weights in (a, b)]
    points = np.unique(np.concatenate(ends))
    weights = np.diff(points, prepend=0.0)
    of_a, of_b = (np.searchsorted(end, points, side="left") for end in ends)
    return weights, of_a, of_b
