"""A step function on the unit square: what a mask becomes when its units are put into cells and averaged."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WEIGHTS_SUM = 1e-9
"""How far the weights of a side may be from summing to 1."""


@dataclass(frozen=True, eq=False)
class StepGraphon:
    """A bipartite graphon that is constant on each product of a row cell and a column cell.

    Rows are a layer's outputs, columns its inputs. The arrays are copied and made read-only.

    Attributes:
        values: (K1, K2) float64 in [0, 1], share of connections that survive between two cells.
        row_weights: (K1,) float64, positive, measure of each row cell; they sum to 1.
        column_weights: (K2,) float64, positive, measure of each column cell; they sum to 1.

    Raises:
        ValueError: shapes that do not fit, values outside [0, 1], or weights that do not divide the unit interval.

    Example:
        >>> StepGraphon([[1.0, 0.0]], [1.0], [0.25, 0.75]).density
        0.25
    """

    values: Floats
    row_weights: Floats
    column_weights: Floats

    def __post_init__(self) -> None:
        for name in ("values", "row_weights", "column_weights"):
            array = np.array(getattr(self, name), dtype=np.float64)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if self.values.shape != (len(self.row_weights), len(self.column_weights)):
            raise ValueError(
                f"values of shape {self.values.shape} with {len(self.row_weights)} row and"
                f" {len(self.column_weights)} column cells"
            )
        if not ((self.values >= 0) & (self.values <= 1)).all():
            raise ValueError("a graphon's values lie in [0, 1]")
        for side, weights in (("row", self.row_weights), ("column", self.column_weights)):
            if not (weights > 0).all() or not abs(math.fsum(weights) - 1.0) <= WEIGHTS_SUM:
                raise ValueError(f"{side} weights are positive and sum to 1, not to {math.fsum(weights)}")

    @property
    def row_degrees(self) -> Floats:
        """Degree profile of the rows: mean over the columns, (K1,)."""
        return self.values @ self.column_weights

    @property
    def column_degrees(self) -> Floats:
        """Degree profile of the columns: mean over the rows, (K2,)."""
        return self.row_weights @ self.values

    @property
    def density(self) -> float:
        """Its integral, in [0, 1]."""
        return min(1.0, math.fsum((self.row_weights * self.row_degrees).tolist()))
