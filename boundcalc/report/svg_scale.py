"""Axes: from numbers to shares of a length, with round ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from boundcalc.report.svg import power_of_ten

MOST_TICKS = 5
STEPS = (1, 2, 5, 10)


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high`; a logarithmic one is in powers of ten, and its numbers are their exponents.

    Args:
        low: the number at share 0.
        high: the number at share 1, above `low`.
        powers: whether numbers are exponents of ten.
    """

    low: float
    high: float
    powers: bool

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"an axis from {self.low} to {self.high}")

    def share(self, number: float) -> float:
        """Return where a number lies, from 0 to 1; outside, the nearer end."""
        return min(1.0, max(0.0, (number - self.low) / (self.high - self.low)))

    def ticks(self) -> list[tuple[float, str]]:
        """Return at most six round numbers in the axis with their texts."""
        least = (self.high - self.low) / MOST_TICKS
        step = float(max(1, math.ceil(least))) if self.powers and least <= STEPS[-1] else _step(least)
        numbers = [
            k * step
            for k in range(math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9) + 1)
        ]
        return [(n, power_of_ten(round(n)) if self.powers else f"{round(n, 12) + 0.0:g}") for n in numbers]


def of_powers(exponents: Iterable[float]) -> Scale:
    """Return an axis of whole powers of ten around all exponents.

    Example:
        >>> of_powers([-1.5, 3.2])
        Scale(low=-2, high=4, powers=True)
    """
    found = list(exponents) or [0.0]
    low, high = math.floor(min(found)), math.ceil(max(found))
    return Scale(low, high if high > low else low + 1, powers=True)


def of_numbers(numbers: Iterable[float]) -> Scale:
    """Return an axis of numbers around all of them, with room at both ends.

    Example:
        >>> of_numbers([0.0, 10.0])
        Scale(low=-0.5, high=10.5, powers=False)
    """
    found = list(numbers) or [0.0]
    low, high = min(found), max(found)
    room = (high - low) * 0.05 or abs(low) * 0.5 or 1.0
    return Scale(low - room, high + room, powers=False)


def _step(least: float) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that is not below a number."""
    unit = 10.0 ** math.floor(math.log10(least))
    return next(step * unit for step in STEPS if step * unit >= least * (1 - 1e-9))
