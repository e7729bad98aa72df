"""A step function on the unit square: a mask after its units are grouped into cells and averaged."""

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

    Rows are the outputs of a layer, columns its inputs. The arrays are copied and made read-only.

    Attributes:
        values: share of connections that survive between two cells, (K1, K2) float64 in [0, 1].
        row_weights: measure of each row cell, (K1,) float64, positive; they sum to 1.
        column_weights: measure of each column cell, (K2,) float64, positive; they sum to 1.

    Raises:
        ValueError: shapes do not fit, values are outside [0, 1], or weights do not partition the unit interval.

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
        """Degrees of the rows: means over the columns, (K1,)."""
        return self.values @ self.column_weights

    @property
    def column_degrees(self) -> Floats:
        """Degrees of the columns: means over the rows, (K2,)."""
        return self.row_weights @ self.values

    @property
    def density(self) -> float:
        """The integral of the step function, in [0, 1]."""
        return min(1.0, math.fsum((self.row_weights * self.row_degrees).tolist()))
