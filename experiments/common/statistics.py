"""Slopes and rank correlations with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
DRAWS = 1000
ENDS = (0.025, 0.975)


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
    x: Sequence[float | None], y: Sequence[float | None], strata: Sequence[object], seed: int = 0
) -> tuple[float, float, float, int] | None:
    """Return Kendall's tau over the pairs of one stratum, its 95 % bootstrap interval, and the number of points.

    Pairs of different strata are not compared; pairs that tie in either quantity count half a mistake, that is nothing.

    Args:
        x: a number a point, or None.
        y: another.
        strata: of each point, such as its density.
        seed: of the bootstrap, which resamples points within their stratum.

    Returns:
        (tau, low, high, points); None where no pair can be compared.

    Example:
        >>> within([1, 2, 5, 4], [1, 2, 3, 4], ["a", "a", "b", "b"])[0]
        0.0
    """
    kept = [(a, b, s) for a, b, s in zip(x, y, strata, strict=True) if a is not None and b is not None]
    blocks = []
    for stratum in dict.fromkeys(s for _, _, s in kept):
        a, b = (np.array([row[k] for row in kept if row[2] == stratum], dtype=np.float64) for k in (0, 1))
        blocks.append(_signs(a) * _signs(b))
    pairs = sum(len(block) * (len(block) - 1) for block in blocks)
    agreed = float(sum(block.sum() for block in blocks))
    if not pairs:
        return None
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(DRAWS):
        total, possible = 0.0, 0.0
        for block in blocks:
            times = random.multinomial(len(block), np.full(len(block), 1 / len(block)))
            total += float(times @ block @ times)
            possible += float(times.sum() ** 2 - (times**2).sum())
        drawn.append(total / possible if possible else 0.0)
    low, high = np.quantile(drawn, ENDS)
    return agreed / pairs, float(low), float(high), len(kept)


def _signs(values: Vector) -> Vector:
    return np.sign(values[:, None] - values[None, :])
