"""Homomorphism densities of an edge, the two stars of two edges and the 4-cycle, for a mask and for a step function.

They are the probabilities that random rows u, u' and columns v, v' have the edges u v (edge); u v and u v' (row star); u v and
u' v (column star); u v, u v', u' v and u' v' (cycle). For a convolution, rows and columns are channels, and an edge has the
weight of its share of surviving kernel entries. The densities do not depend on the order of the units. A cycle density equal to
the fourth power of the edge density characterizes a quasirandom mask (Chung, Graham & Wilson 1989), whatever its cells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from boundcalc.graphon.counts import EntryCounts
from boundcalc.graphon.estimate import EXACT_SINGLE
from boundcalc.graphon.step import Floats, StepGraphon

TILE = 1024
"""Rows whose Gram matrix is held at once."""

SPARSE_BELOW = 0.02
"""Share of connected pairs below which a sparse Gram matrix takes less time."""


@dataclass(frozen=True)
class Homomorphisms:
    """Homomorphism densities, all in [0, 1].

    Attributes:
        edge: density of an edge, which is the density of the mask.
        row_star: density of two edges that share their row.
        column_star: density of two edges that share their column.
        four_cycle: density of the cycle of four edges.
    """

    edge: float
    row_star: float
    column_star: float
    four_cycle: float


def of_mask(counts: EntryCounts) -> Homomorphisms:
    """Return the densities of a mask, each the double nearest to the exact fraction.

    The computation uses integers throughout: degrees, and entries of the Gram matrix in tiles of at most `TILE` rows.
    """
    rows, columns = counts.shape
    places = counts.entries
    row_star = _squares(counts.row_sums)
    column_star = _squares(counts.column_sums)
    taps = counts.taps
    return Homomorphisms(
        float(Fraction(counts.surviving, places)),
        float(Fraction(row_star, places * columns * taps)),
        float(Fraction(column_star, places * rows * taps)),
        float(Fraction(_cycles(counts), places * places * taps * taps)),
    )


def of_step(graphon: StepGraphon) -> Homomorphisms:
    """Return the densities of a step graphon, up to rounding.

    Example:
        >>> of_step(StepGraphon([[0.5]], [1.0], [1.0])).four_cycle
        0.0625
    """
    rows, columns = graphon.row_weights, graphon.column_weights
    gram = (graphon.values * columns) @ graphon.values.T
    return Homomorphisms(
        graphon.density,
        _within(rows @ graphon.row_degrees**2),
        _within(graphon.column_degrees**2 @ columns),
        _within(rows @ gram**2 @ rows),
    )


def _within(density: Floats) -> float:
    return min(1.0, float(density))


def _squares(sums: NDArray[np.int64]) -> int:
    return sum(value * value for value in sums.tolist())


def _cycles(counts: EntryCounts) -> int:
    """Return the exact sum of the squared entries of the Gram matrix of the smaller side."""
    matrix = counts.counts if counts.shape[0] <= counts.shape[1] else counts.counts.T
    tiles = [slice(start, start + TILE) for start in range(0, len(matrix), TILE)]
    total = 0
    for index, tile in enumerate(tiles):
        own = _tile(matrix[tile], counts.taps)
        total += _square_sum(own @ own.T)
        for other in tiles[index + 1 :]:
            total += 2 * _square_sum(own @ _tile(matrix[other], counts.taps).T)
    return total


def _tile(rows: NDArray[Any], taps: int) -> Any:
    """Return rows in a type in which their products are exact."""
    if np.count_nonzero(rows) < SPARSE_BELOW * rows.size:
        return sparse.csr_array(rows.astype(np.int64))
    exact = rows.shape[1] * taps * taps <= EXACT_SINGLE
    return rows.astype(np.float32 if exact else np.float64)


def _square_sum(gram: Any) -> int:
    entries = gram.data if sparse.issparse(gram) else gram
    largest = int(entries.max(initial=0))
    if largest * largest * max(entries.size, 1) < 2**63:
        whole = entries.astype(np.int64).ravel()
        return int(whole @ whole)
    return sum(math.prod((int(value), int(value))) for value in entries.ravel().tolist())
