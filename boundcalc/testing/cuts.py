"""Checks of the cut norm: its interval contains the norm, and interval ends satisfy the triangle inequality."""

from __future__ import annotations

import itertools

import numpy as np

from boundcalc.graphon.cut import cut_norm
from boundcalc.graphon.refine import Kernel

LARGEST = 14
"""Cells of the smaller side whose subsets are all tried."""


def kernel_of(matrix: np.ndarray) -> Kernel:
    """Return the step function with equal cells of a (K1, K2) array."""
    rows, columns = matrix.shape
    return Kernel(
        np.asarray(matrix, dtype=np.float64), np.full(rows, 1 / rows), np.full(columns, 1 / columns)
    )


def by_brute_force(matrix: np.ndarray) -> float:
    """Return the cut norm of a step function with equal cells by trying all sets of rows.

    Raises:
        ValueError: the matrix has too many rows.
    """
    if len(matrix) > LARGEST:
        raise ValueError(f"{len(matrix)} rows: at most {LARGEST} are tried")
    best = 0.0
    for chosen in itertools.product((0.0, 1.0), repeat=len(matrix)):
        columns = np.array(chosen) @ matrix
        best = max(best, float(columns[columns > 0].sum()), -float(columns[columns < 0].sum()))
    return best / matrix.size


def check_cut_norm(matrix: np.ndarray, seed: int = 0) -> None:
    """Check that the interval computed for the cut norm contains the norm.

    Args:
        matrix: (K1, K2) float64, K1 at most 14.
        seed: seed of the search.

    Raises:
        AssertionError: the norm lies outside the interval.

    Source: Alon & Naor 2006.
    """
    low, high = cut_norm(kernel_of(matrix), seed)
    true = by_brute_force(matrix)
    assert low <= true * (1 + 1e-12), f"cut norm: {low!r} from below is above {true!r}"
    assert high >= true * (1 - 1e-12), f"cut norm: {high!r} from above is below {true!r}"


def check_cut_triangle(left: np.ndarray, right: np.ndarray, seed: int = 0) -> None:
    """Check ||A + B|| <= ||A|| + ||B|| on the ends of the intervals, and that no interval is empty.

    Args:
        left: (K1, K2) float64.
        right: (K1, K2) float64.
        seed: seed of the searches.

    Raises:
        AssertionError: an interval is empty, or the lower end for the sum is above the sum of the upper ends.
    """
    ends = [cut_norm(kernel_of(matrix), seed) for matrix in (left, right, left + right)]
    for low, high in ends:
        assert 0 <= low <= high, f"cut norm: the interval [{low!r}, {high!r}] is empty"
    total = ends[0][1] + ends[1][1]
    assert ends[2][0] <= total * (1 + 1e-12), (
        f"cut norm: {ends[2][0]!r} of a sum is above {total!r} of the parts"
    )
