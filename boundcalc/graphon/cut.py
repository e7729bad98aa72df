"""The cut norm of a step function as a certified interval.

``||A||_cut = max over sets S, T of |integral of A over S x T|``. A step function attains it at unions of cells, so that it is
the maximum of ``|s^T A t|`` over 0/1 vectors, where A is integrated over cells. With signs instead, ``4 ||A||_cut`` is the
maximum of ``x^T A~ y`` over +-1 vectors, where ``A~ = [[sum A, column sums], [row sums, A]]`` is A bordered by its sums: put
``s = (1 + x) / 2`` and ``t = (1 + y) / 2``; the two additional signs represent the sign of the integral.

Lower end: the value at sets found by a local search. Upper end: the smaller of two bounds.

- A dual-feasible point of the semidefinite relaxation. For every d with ``Diag(d) - [[0, A~/2], [A~^T/2, 0]]`` positive
  semidefinite, ``x^T A~ y <= sum d``. The point is guessed by a low-rank iteration, scaled, and used only after a
    Cholesky factorization has proved that it is feasible (Rump 2006).
- ``sigma_1`` of A between the L2 spaces of the cells, because the norm of an indicator is at most that of the whole side.

Source: Alon & Naor 2006, Approximating the cut-norm via Grothendieck's inequality; Frieze & Kannan 1999.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from boundcalc.graphon.refine import Kernel
from boundcalc.graphon.step import Floats
from boundcalc.norms.rounding import UNIT, slack, up

Bools = NDArray[np.bool_]

RESTARTS = 48
"""Random starts of the local search."""

ROUNDS = 400
"""Largest number of steps of the low-rank iteration."""

LEAST_GAIN = 1e-7
"""Relative gain over ten steps below which the low-rank iteration stops."""

FLOOR = 1e-9
"""Smallest entry of a dual point, relative to the largest: cells of no weight stay positive."""


GROWTH = (1e-10, 1e-8, 1e-6, 1e-4, 1e-2)
"""Relative steps up until a dual point is proved feasible."""


def cut_norm(kernel: Kernel, seed: int | list[int] = 0) -> tuple[float, float]:
    """Return an interval that contains the cut norm.

    Args:
        kernel: step function.
        seed: seed of the restarts and of the start of the low-rank iteration.

    Returns:
        (low, high): low is attained by a pair of sets, up to rounding that is subtracted; high is proved, and rounded up.

    Raises:
        ValueError: an entry is not finite.
    """
    matrix = kernel.weighted
    if not np.isfinite(matrix).all():
        raise ValueError("the cut norm of a step function with entries that are not finite")
    scale = float(np.abs(matrix).max(initial=0.0))
    if scale == 0.0:
        return 0.0, 0.0
    exponent = math.frexp(scale)[1]
    unit_sized = np.ldexp(matrix, -exponent)
    rng = np.random.default_rng(seed)
    bordered = border(unit_sized)
    left, right = _low_rank(bordered, rng)
    rounding = _rounding(unit_sized) + kernel.blur * 2.0**-exponent
    low = max(0.0, attained(unit_sized, *_search(bordered, left, right, rng)) - rounding)
    high = min(_semidefinite(bordered, left, right), _spectral(kernel, exponent)) + rounding
    return math.ldexp(low, exponent), math.nextafter(math.ldexp(high, exponent), math.inf)


def border(matrix: Floats) -> Floats:
    """Return A~, (K1 + 1, K2 + 1): a matrix bordered by its total, column sums and row sums.

    Example:
        >>> border(np.array([[1.0, 2.0]])).tolist()
        [[3.0, 1.0, 2.0], [3.0, 1.0, 2.0]]
    """
    columns = np.vstack([matrix.sum(axis=0), matrix])
    return np.hstack([columns.sum(axis=1, keepdims=True), columns])


def attained(matrix: Floats, rows: Bools, columns: Bools) -> float:
    """Return ``|sum of the matrix over rows and columns|`` for two sets, (K1,) and (K2,) bool."""
    return abs(math.fsum(matrix[np.ix_(rows, columns)].ravel().tolist()))


def is_feasible(diagonal: Floats, coupling: Floats) -> bool:
    """Return whether a Cholesky factorization proves that ``Diag(diagonal) - coupling`` is positive semidefinite.

    Source: Rump 2006, Verification of positive definiteness, with twice the required shift.
    """
    shift = 4.0 * (len(diagonal) + 4) * UNIT * float(diagonal.sum())
    try:
        np.linalg.cholesky(np.diag(diagonal - shift) - coupling)
    except np.linalg.LinAlgError:
        return False
    return True


def coupled(bordered: Floats) -> Floats:
    """Return the symmetric matrix ``[[0, B/2], [B^T/2, 0]]`` whose quadratic form is ``x^T B y``."""
    rows, columns = bordered.shape
    coupling = np.zeros((rows + columns, rows + columns))
    coupling[:rows, rows:] = bordered / 2
    coupling[rows:, :rows] = bordered.T / 2
    return coupling


def dual_point(bordered: Floats, left: Floats, right: Floats) -> Floats:
    """Return a feasible point d of the dual, (K1 + K2 + 2,): ``Diag(d) - coupling`` is proved positive semidefinite.

    Args:
        bordered: bordered matrix, (K1 + 1, K2 + 1).
        left: unit rows of a good primal point, (K1 + 1, r); the result is proved without relying on them.
        right: unit rows of the same point, (K2 + 1, r).
    """
    coupling = coupled(bordered)
    guess = np.concatenate([
        np.linalg.norm(bordered @ right, axis=1), np.linalg.norm(bordered.T @ left, axis=1)
    ]) / 2  # fmt: skip
    guess = np.maximum(guess, FLOOR * guess.max())
    root = np.sqrt(guess)
    guess *= float(np.linalg.eigvalsh(coupling / np.multiply.outer(root, root))[-1])
    return _proved(guess, coupling)


def _proved(guess: Floats, coupling: Floats) -> Floats:
    """Raise a guess until it is proved feasible; if that fails, return the row sums, which are feasible (Gershgorin)."""
    for growth in GROWTH:
        if is_feasible(guess * (1 + growth), coupling):
            return guess * (1 + growth)
    return np.abs(coupling).sum(axis=1) * (1 + slack(len(coupling)))


def _semidefinite(bordered: Floats, left: Floats, right: Floats) -> float:
    point = dual_point(bordered, left, right)
    return up(math.fsum(point.tolist()) / 4, 1)


def _spectral(kernel: Kernel, exponent: int) -> float:
    sides = (kernel.row_weights, kernel.column_weights)
    roots = [np.sqrt(weights) for weights in sides]
    between = roots[0][:, None] * np.ldexp(kernel.values, -exponent) * roots[1]
    guess = np.full(sum(between.shape), np.linalg.norm(between, 2))
    norm = float(_proved(guess, coupled(2 * between)).max()) + slack(1) * float(np.linalg.norm(between))
    whole = math.prod(math.sqrt(math.fsum(weights.tolist())) for weights in sides)
    return up(norm * whole, 8)


def _rounding(matrix: Floats) -> float:
    """Return an upper bound of the rounding error of ``|s^T A t|`` from the integrals over cells and their sums."""
    return slack(sum(matrix.shape)) * float(np.abs(matrix).sum())


def _low_rank(bordered: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return unit rows that nearly maximize ``sum of bordered * (left @ right.T)``, by alternating maximization."""
    rows, columns = bordered.shape
    rank = math.ceil(math.sqrt(2 * (rows + columns))) + 1
    right = _unit(rng.standard_normal((columns, rank)))
    value = 0.0
    for index in range(ROUNDS):
        left = _unit(bordered @ right)
        pull = bordered.T @ left
        right = _unit(pull)
        if index % 10 == 9:
            now = float(np.linalg.norm(pull, axis=1).sum())
            if now <= value * (1 + LEAST_GAIN):
                break
            value = now
    return left, right


def _unit(rows: Floats) -> Floats:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = np.zeros_like(rows)
    unit[:, 0] = 1.0
    return np.divide(rows, norms, out=unit, where=norms > 0)


def _search(bordered: Floats, left: Floats, right: Floats, rng: np.random.Generator) -> tuple[Bools, Bools]:
    """Return the sets of the best local maximum, starting from rounded hyperplanes and random signs."""
    planes = rng.standard_normal((right.shape[1], RESTARTS))
    y = np.hstack([_signs(right @ planes), _signs(rng.standard_normal((len(right), RESTARTS)))])
    value = np.full(y.shape[1], -np.inf)
    while True:
        x = _signs(bordered @ y)
        pull = bordered.T @ x
        now = np.abs(pull).sum(axis=0)
        if (now <= value * (1 + LEAST_GAIN)).all():
            break
        y, value = _signs(pull), np.maximum(now, value)
    best = int(now.argmax())
    y = _signs(pull)
    return x[1:, best] == x[0, best], y[1:, best] == y[0, best]


def _signs(values: Floats) -> Floats:
    return np.where(values >= 0, 1.0, -1.0)
