"""Slopes and rank correlations with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
DRAWS = 1000
ENDS = (0.025, 0.975)
NORMAL = 1.959964
"""Quantile of the normal distribution at the upper end."""


def slope(x: Sequence[float], groups: Sequence[Sequence[float]], seed: int = 0) -> tuple[float, float, float]:
    """Return the exponent b of y = a x^b, by least squares in logarithms, and its 95 % bootstrap interval.

    Args:
        x: a number a group, positive.
        groups: the values y at each x, positive; they are resampled within their group.
        seed: of the bootstrap.
    """
    random = np.random.default_rng(seed)
    logs = [np.log(np.asarray(group, dtype=np.float64)) for group in groups]
    along = np.log(np.asarray(x, dtype=np.float64))
    along -= along.mean()

    def fit(means: Vector) -> float:
        return float(along @ means / (along @ along))

    drawn = [
        fit(np.array([random.choice(values, len(values)).mean() for values in logs])) for _ in range(DRAWS)
    ]
    low, high = np.quantile(drawn, ENDS)
    return fit(np.array([values.mean() for values in logs])), float(low), float(high)


def within(
    x: Sequence[float | None],
    y: Sequence[float | None],
    strata: Sequence[object],
    seed: int = 0,
    noise: Sequence[float] | None = None,
) -> tuple[float, float, float, int] | None:
    """Return Kendall's tau over the pairs of one stratum, its 95 % bootstrap interval, and the number of points.

    Pairs of different strata are not compared; pairs that tie in either quantity count half a mistake, that is nothing.

    Args:
        x: a number a point, or None.
        y: another.
        strata: of each point, such as its density.
        seed: of the bootstrap, which resamples points within their stratum.
        noise: standard error of each y: pairs whose y are not two standard errors of their difference apart are not compared.

    Returns:
        (tau, low, high, points); None where no pair can be compared.

    Example:
        >>> within([1, 2, 5, 4], [1, 2, 3, 4], ["a", "a", "b", "b"])[0]
        0.0
        >>> within([1, 2, 3], [1, 2, 9], "aaa", noise=[1, 1, 1])[0]
        1.0
    """
    errors = [0.0] * len(x) if noise is None else noise
    kept = [
        (a, b, e, s)
        for a, b, e, s in zip(x, y, errors, strata, strict=True)
        if a is not None and b is not None
    ]
    random = np.random.default_rng(seed)
    agreed, pairs = np.zeros(DRAWS + 1), np.zeros(DRAWS + 1)
    for stratum in dict.fromkeys(s for *_, s in kept):
        a, b, e = (
            np.array([row[k] for row in kept if row[3] == stratum], dtype=np.float64) for k in range(3)
        )
        apart = np.abs(b[:, None] - b[None, :]) >= 2 * np.hypot(e[:, None], e[None, :])
        np.fill_diagonal(apart, False)
        signs = _signs(a) * _signs(b) * apart
        times = np.vstack([np.ones(len(a)), random.multinomial(len(a), np.full(len(a), 1 / len(a)), DRAWS)])
        agreed += ((times @ signs) * times).sum(axis=1)
        pairs += ((times @ apart) * times).sum(axis=1)
    if not pairs[0]:
        return None
    taus = agreed[pairs > 0] / pairs[pairs > 0]
    low, high = np.quantile(taus[1:], ENDS) if len(taus) > 1 else (taus[0], taus[0])
    return float(taus[0]), float(low), float(high), len(kept)


def mean(values: Sequence[float], seed: int = 0) -> tuple[float, float, float] | None:
    """Return a mean and its 95 % bootstrap interval, the values resampled; None of fewer than two.

    Args:
        values: to be averaged.
        seed: of the bootstrap.
    """
    if len(values) < 2:
        return None
    random = np.random.default_rng(seed)
    all_of_them = np.asarray(values, dtype=np.float64)
    low, high = np.quantile(random.choice(all_of_them, (DRAWS, len(values))).mean(axis=1), ENDS)
    return float(all_of_them.mean()), float(low), float(high)


def difference(
    pairs: Sequence[tuple[Sequence[float], Sequence[float]]], seed: int = 0
) -> tuple[float, float, float]:
    """Return the mean over pairs of groups of mean(a) - mean(b), and its 95 % bootstrap interval.

    Args:
        pairs: (a, b) of every pair; pairs are resampled, and values within their group.
        seed: of the bootstrap.
    """
    random = np.random.default_rng(seed)
    drawn = [
        np.mean([
            np.mean(random.choice(np.asarray(a), len(a))) - np.mean(random.choice(np.asarray(b), len(b)))
            for a, b in (pairs[k] for k in random.integers(len(pairs), size=len(pairs)))
        ])
        for _ in range(DRAWS)
    ]  # fmt: skip
    low, high = np.quantile(drawn, ENDS)
    return float(np.mean([np.mean(a) - np.mean(b) for a, b in pairs])), float(low), float(high)


def share_interval(hits: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, by Wilson's score.

    Args:
        hits: of the trials.
        n: trials.

    Example:
        >>> [round(end, 2) for end in share_interval(6, 6)]
        [0.61, 1.0]
    """
    z2 = NORMAL**2
    middle, half = hits + z2 / 2, (z2 * (hits * (n - hits) / n + z2 / 4)) ** 0.5
    return (middle - half) / (n + z2), (middle + half) / (n + z2)


def _signs(values: Vector) -> Vector:
    return np.sign(values[:, None] - values[None, :])
