"""Distributions of one weight as tables of whole numbers: a share at 0 and a discrete normal distribution on a lattice.

A weight is v = Delta j with a whole number j. Its law is

    (256 - keep) / 256  at  j = 0     and     keep / 256  times  exp(-(j - centre)^2 / (2 width^2)) / sum,

the second one in units of 2^-40 from integer arithmetic alone, so that the masses of the sum are whole multiples of 2^-48, alike on
every machine. Centres are multiples of 1/16; the square of a width is 2^(w/2 - 2), cut after 16 binary digits, for a number
w = 0..31.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

KEEP_LEVELS = 256
"""Number of parts into which the share outside 0 is divided."""
SLAB = 1 << 40
TOTAL = KEEP_LEVELS * SLAB
"""The sum of a table: masses are whole multiples of 1 / TOTAL."""
PHASES = 16
"""Number of centers between two points of the lattice."""
WIDTHS = 32
_BITS = 64
_LN2 = 12_786_308_645_202_655_659
"""floor(2^64 log 2)."""


def width_of(number: int) -> float:
    """Return a width in units of the lattice; `nearest_width` is its inverse.

    Example:
        >>> width_of(4), width_of(8)
        (1.0, 2.0)
    """
    return math.sqrt(_square(number) / 2**16)


def nearest_width(widths: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the number of the nearest width, by ratio."""
    return np.clip(np.rint(4 * np.log2(np.maximum(widths, 1e-9)) + 4), 0, WIDTHS - 1).astype(np.int64)


def _square(number: int) -> int:
    """Return 2^16 times the square of a width: floor(2^(w/2 + 14))."""
    return math.isqrt(1 << (number + 28))


def _exp_minus(numerator: int, denominator: int) -> int:
    """Return about 2^64 exp(-numerator / denominator), by integers alone."""
    halvings, rest = divmod((numerator << _BITS) // denominator, _LN2)
    term = total = 1 << _BITS
    for k in range(1, 40):
        term = -(term * rest >> _BITS) // k
        total += term
    return total >> halvings


@functools.cache
def slab(phase: int, number: int) -> tuple[int, NDArray[np.int64]]:
    """Return the discrete normal distribution whose centre is phase / 16.

    Args:
        phase: 0..15.
        number: of the width.

    Returns:
        The first j of the table, and masses in units of 2^-40, whose sum is exactly 2^40; the first and the last are not 0.

    Example:
        >>> first, masses = slab(0, 4)
        >>> first, int(masses.sum()) == SLAB, round(int(masses[-first]) / SLAB, 6)
        (-7, True, 0.398942)
    """
    square, reach = _square(number), math.ceil(8 * width_of(number)) + 1
    places = range(-reach, reach + 2)
    heights = [_exp_minus((PHASES * j - phase) ** 2 * 128, square) for j in places]
    whole = sum(heights)
    masses = [height * SLAB // whole for height in heights]
    masses[masses.index(max(masses))] += SLAB - sum(masses)
    used = [place for place, mass in enumerate(masses) if mass]
    return places[used[0]], np.array(masses[used[0] : used[-1] + 1], dtype=np.int64)


class Law:
    """The laws of many weights, looked up together.

    Args:
        keep: (n,) int64 in 0..256, parts of 256 that are not at 0.
        centre: (n,) int64, sixteenths of a lattice unit.
        width: (n,) int64, numbers of widths.

    Raises:
        ValueError: a number out of range.
    """

    def __init__(self, keep: NDArray[np.int64], centre: NDArray[np.int64], width: NDArray[np.int64]) -> None:
        inside = (
            (keep >= 0) & (keep <= KEEP_LEVELS) & (width >= 0) & (width < WIDTHS) & (np.abs(centre) < 2**24)
        )
        if not inside.all():
            raise ValueError("a law's number is out of range")
        self.keep = keep
        self._base, phase = np.divmod(centre, PHASES)
        kinds, self._kind = np.unique(phase * WIDTHS + width, return_inverse=True)
        tables = [slab(*divmod(int(kind), WIDTHS)) for kind in kinds]
        self._first = np.array([first for first, _ in tables], dtype=np.int64)
        self._size = np.array([masses.size for _, masses in tables], dtype=np.int64)
        self._start = np.concatenate([[0], np.cumsum(self._size)])[:-1]
        self._masses = np.concatenate([masses for _, masses in tables]) if tables else np.zeros(0, np.int64)
        below = [np.cumsum(masses) - masses + number * SLAB for number, (_, masses) in enumerate(tables)]
        self._below = np.concatenate(below) if tables else np.zeros(0, np.int64)

    def masses(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return TOTAL times the probability of each weight's value, exactly.

        Args:
            values: (n,) int64, lattice points.
        """
        place = values - self._base - self._first[self._kind]
        inside = (place >= 0) & (place < self._size[self._kind])
        found = self._masses[np.where(inside, self._start[self._kind] + place, 0)]
        masses: NDArray[np.int64] = np.where(inside, found, 0) * self.keep
        return masses + np.where(values == 0, (KEEP_LEVELS - self.keep) * SLAB, 0)

    def support(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return every weight with every lattice point that has a mass: which weight, and the point, (n,) int64 each."""
        count = np.where(self.keep > 0, self._size[self._kind], 0)
        first = self._first[self._kind] + self._base
        which = np.repeat(np.arange(count.size), count)
        values = np.arange(which.size) - np.repeat(np.cumsum(count) - count, count) + first[which]
        pruned = np.flatnonzero((self.keep < KEEP_LEVELS) & ((first > 0) | (first + count <= 0)))
        return np.concatenate([which, pruned]), np.concatenate([values, np.zeros_like(pruned)])

    def draw(self, uniform: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return lattice points from numbers that are uniform in 0..TOTAL-1, (..., n) int64: the inverse of the distribution
        function, with the share at 0 first.
        """
        atom = (KEEP_LEVELS - self.keep) * SLAB
        inner = np.maximum(uniform - atom, 0) // np.maximum(self.keep, 1)
        place = np.searchsorted(self._below, inner + self._kind * SLAB, side="right") - 1
        values = place - self._start[self._kind] + self._first[self._kind] + self._base
        return np.where(uniform < atom, 0, values).astype(np.int64)
