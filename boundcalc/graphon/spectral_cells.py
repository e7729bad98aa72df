"""Cells without sorting by degree: units with similar leading singular coordinates share a cell.

A mask minus its density is projected on the singular vectors whose singular values exceed those of independent entries of the
same variance. The units of a side are then halved repeatedly, each time across the direction in which the projections of the group
vary most, until the number of cells of equal size is reached. Two blocks of equal degree, which sorting by degree cannot separate,
differ in the second singular vector.

Source: the noise level is that of Gavish & Donoho 2014; balanced splits across principal directions after Verma, Kpotufe &
Dasgupta 2009.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from boundcalc.graphon.step import Floats

Ints = NDArray[np.int64]
Singles = NDArray[np.float32]
Reals = NDArray[np.float32] | Floats

MOST_VECTORS = 8
"""Number of singular vectors that are considered."""

ABOVE_NOISE = 1.05
"""Factor by which a singular value must exceed the noise level."""

SMALL = 128
"""Side up to which all singular values are computed."""

BLOCK = 16
"""Number of vectors in the subspace iteration."""

ITERATIONS = 12
"""Number of steps of the subspace iteration."""


def spectral_cells(residual: Singles, degrees: tuple[Floats, Floats], cells: int) -> tuple[Ints, Ints] | None:
    """Return the spectral cells of rows and columns.

    Args:
        residual: shares of surviving entries minus their mean, (rows, columns) float32; 0 where an entry is not known.
        degrees: degrees of rows and of columns; the half with the higher degree comes first.
        cells: largest number of cells per side.

    Returns:
        The cell of each row and of each column; None if no singular value is above the noise.
    """
    left, values, right = _leading(residual)
    noise = float(np.linalg.norm(residual)) / math.sqrt(residual.size) * sum(map(math.sqrt, residual.shape))
    chosen = values > ABOVE_NOISE * noise
    if not chosen.any():
        return None
    rows = halved(left[:, chosen] * values[chosen], degrees[0], cells)
    columns = halved(right[:, chosen] * values[chosen], degrees[1], cells)
    return rows, columns


def _leading(matrix: Singles) -> tuple[Reals, Reals, Reals]:
    """Return left vectors (rows, k), singular values (k,) and right vectors (columns, k), by block subspace iteration.

    Source: Halko, Martinsson & Tropp 2011, Finding structure with randomness, algorithm 4.4.
    """
    if min(matrix.shape) <= SMALL:
        left, values, right = np.linalg.svd(matrix.astype(np.float64), full_matrices=False)
        return left[:, :MOST_VECTORS], values[:MOST_VECTORS], right[:MOST_VECTORS].T
    block = np.random.default_rng(0).standard_normal((matrix.shape[1], BLOCK), dtype=matrix.dtype)
    for _ in range(ITERATIONS):
        left = np.linalg.qr(matrix @ block)[0]
        block = np.linalg.qr(matrix.T @ left)[0]
    inner, values, right = np.linalg.svd(matrix @ block, full_matrices=False)
    return inner[:, :MOST_VECTORS], values[:MOST_VECTORS], (block @ right.T)[:, :MOST_VECTORS]


def halved(points: Reals, degrees: Floats, cells: int) -> Ints:
    """Return the cell of each unit, (n,) int64, by repeated halving across the principal direction.

    Args:
        points: coordinates of the units, (n, r).
        degrees: degrees of the units, (n,); they decide which half comes first.
        cells: largest number of cells; sizes differ by at most one.
    """
    units = len(points)
    count = min(cells, units)
    partition = np.zeros(units, dtype=np.int64)
    pending = [(np.arange(units), 0, count)]
    while pending:
        group, first, number = pending.pop()
        if number == 1:
            partition[group] = first
            continue
        half = number // 2
        size = _start(first + half, units, count) - _start(first, units, count)
        order = group[_along_principal(points[group], degrees[group])]
        pending += [(order[:size], first, half), (order[size:], first + half, number - half)]
    return partition


def _start(cell: int, units: int, cells: int) -> int:
    """Return the number of units in all cells before a cell."""
    return -(-cell * units // cells)


def _along_principal(points: Reals, degrees: Floats) -> Ints:
    centered = points - points.mean(axis=0)
    direction = np.linalg.eigh(centered.T @ centered)[1][:, -1]
    along = (centered * direction).sum(
        axis=1
    )  # a product by BLAS flagged finite numbers as invalid now and then
    falls = float(along @ degrees) < 0 or (along @ degrees == 0 and direction[np.abs(direction).argmax()] < 0)
    return np.argsort(along if falls else -along, kind="stable")
