"""Kendall's rank correlation of two quantities over tickets, with a bootstrap interval, and the partial one given a third.

Missing values are never imputed: `correlate` leaves out tickets that lack one of them, and reports their number. A coefficient
that is not defined (a constant quantity, too few tickets) is None with a reason, never NaN. Partial tau need not vanish when two
quantities are independent given the third: it shows how much of their agreement disappears when the third is held fixed, and is
not a test of independence.

Source: Kendall 1945 (tau-b, for ties); Kendall 1942 (partial tau); Efron 1979 (percentile bootstrap).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEWEST = 4
MOST_RESAMPLED = 2000
DRAWS = 1000
LEVEL = 0.95
FEWEST_DEFINED = 0.9
"""Share of the resamples in which a coefficient must be defined for an interval to be reported."""

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Coefficient:
    """Kendall's tau-b.

    Attributes:
        tau: value in [-1, 1]; None if it is not defined.
        interval: percentile bootstrap over tickets at `LEVEL`; None if too many resamples do not define it.
        reason: why either is None; empty otherwise.
    """

    tau: float | None
    interval: Interval | None
    reason: str = ""


@dataclass(frozen=True)
class Correlation:
    """The correlation of two quantities over the tickets that have both.

    Attributes:
        n: number of tickets that have both quantities and the third.
        left_out: number of tickets that lack one of them.
        plain: tau of the two quantities.
        partial: tau of the two with the third held fixed.
    """

    n: int
    left_out: int
    plain: Coefficient
    partial: Coefficient


def correlate(
    x: Sequence[float | None], y: Sequence[float | None], z: Sequence[float | None], seed: int = 0
) -> Correlation:
    """Return Kendall's tau of x and y, and their partial tau given z.

    Args:
        x: one number per ticket, or None.
        y: another number per ticket.
        z: the third number, e.g. density.
        seed: seed of the bootstrap.

    Returns:
        Both coefficients, over the tickets that have all three numbers.

    Raises:
        ValueError: the sequences have different lengths, or one of them contains NaN or infinity.

    Example:
        >>> found = correlate([1, 2, 3, 4, None], [1, 2, 4, 3, 5], [1, 1, 2, 2, 2])
        >>> found.n, found.left_out, round(found.plain.tau, 3)
        (4, 1, 0.667)
    """
    rows = complete(x, y, z)
    n, left_out = len(rows), len(x) - len(rows)
    if n < FEWEST:
        nothing = Coefficient(None, None, f"too few tickets for a correlation ({n}; {FEWEST} are needed)")
        return Correlation(n, left_out, nothing, nothing)
    signs = [_signs(column) for column in rows.T]
    products = {(a, b): signs[a] * signs[b] for a, b in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))}
    once = np.ones((1, n))
    drawn = _drawn(n, seed) if n <= MOST_RESAMPLED else None
    taus = [_taus(products, weights) for weights in (once, drawn) if weights is not None]
    point, many = taus[0], taus[1] if len(taus) > 1 else None
    plain = _coefficient(
        point[0, 1],
        None if many is None else many[0, 1],
        "one of the two quantities is the same for all tickets",
    )
    partial = _coefficient(
        _partial(point),
        None if many is None else _partial(many),
        "the third quantity is constant or determines one of the two",
    )
    return Correlation(n, left_out, plain, partial)


def complete(*columns: Sequence[float | None]) -> Matrix:
    """Return the rows in which no column is None, (rows, columns).

    Raises:
        ValueError: the columns have different lengths, or one of them contains NaN or infinity.
    """
    rows = [row for row in zip(*columns, strict=True) if None not in row]
    found = np.array(rows, dtype=np.float64).reshape(len(rows), len(columns))
    if not np.isfinite(found).all():
        raise ValueError("NaN or infinity among the values: give None for what is missing")
    return found


def _signs(values: Vector) -> Matrix:
    return np.sign(values[:, None] - values[None, :])


def _drawn(n: int, seed: int) -> Matrix:
    """Return how often each of n tickets is in each resample, (DRAWS, n)."""
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), DRAWS).astype(np.float64)


def _taus(products: dict[tuple[int, int], Matrix], weights: Matrix) -> dict[tuple[int, int], Vector]:
    """Return tau-b for each pair of quantities in each resample; a pair drawn twice is tied with itself."""
    sums = {pair: np.einsum("bi,bi->b", weights @ product, weights) for pair, product in products.items()}
    with np.errstate(invalid="ignore", divide="ignore"):
        return {(a, b): sums[a, b] / np.sqrt(sums[a, a] * sums[b, b]) for a, b in sums if a != b}


def _partial(taus: dict[tuple[int, int], Vector]) -> Vector:
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt((1 - taus[0, 2] ** 2).clip(0) * (1 - taus[1, 2] ** 2).clip(0))
        found: Vector = (taus[0, 1] - taus[0, 2] * taus[1, 2]) / np.where(spread > 1e-12, spread, np.nan)
    return found


def _coefficient(point: Vector, many: Vector | None, undefined: str) -> Coefficient:
    value = float(point[0])
    if math.isnan(value):
        return Coefficient(None, None, undefined)
    tau = min(1.0, max(-1.0, value))
    if many is None:
        return Coefficient(tau, None, f"no interval: more than {MOST_RESAMPLED} tickets")
    defined = many[~np.isnan(many)]
    if len(defined) < FEWEST_DEFINED * len(many):
        return Coefficient(tau, None, "no interval: too few tickets have different values")
    low, high = np.quantile(defined.clip(-1, 1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Coefficient(tau, (float(low), float(high)))
