"""What the bounds need to know of the data: energies of the input coordinates, on the arrays that the network sees."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from boundcalc.errors import UsageError
from boundcalc.norms.rounding import LEAST, up, up_all

MOST_SAMPLES = 10**300
"""More than any sample: beyond, float64 would not hold their number."""


@dataclass(frozen=True, eq=False)
class Energies:
    """Sums of squares over the training sample.

    Attributes:
        m: number of samples.
        coordinate: sum_i x_i[coordinate]^2, (channels, height, width) float64, from above.
        largest: max |x|.
        declared: whether these are the declared worst case |x| <= B and not measured.
        classes: sums of squares over the samples of each label, (labels, channels, height, width) float64, from above; None where
            they are not known.
        counts: number of samples of each label, (labels,) int64; None as `classes`.
        spectrum: squared singular values of the sample as a matrix (m, inputs) in falling order, from above; None where they are
            not known.
    """

    m: int
    coordinate: torch.Tensor
    largest: float
    declared: bool = False
    classes: torch.Tensor | None = None
    counts: torch.Tensor | None = None
    spectrum: tuple[float, ...] | None = None

    @property
    def frobenius_squared(self) -> float:
        """||X||_F^2, from above."""
        return up(float(self.coordinate.sum()), self.coordinate.numel())

    @property
    def max_coordinate(self) -> float:
        """Largest energy of a coordinate."""
        return float(self.coordinate.max())

    @property
    def max_pixel(self) -> float:
        """Largest energy of a pixel, channels summed, from above."""
        return up(float(self.coordinate.sum(0).max()), self.coordinate.shape[0])


def energy_of(squares: torch.Tensor, peak: torch.Tensor, samples: int) -> torch.Tensor:
    """Return sums of squares from above.

    A sum that vanished though a coordinate is not always 0 is raised to the smallest float64 first: each square lost at most half
    of it, which `up_all` restores.

    Args:
        squares: sum_i x_i[coordinate]^2, as summed.
        peak: largest |x_i[coordinate]|.
        samples: how many squares were summed.
    """
    return up_all(torch.where(peak > 0, squares.clamp(min=LEAST), squares), samples)


def declared(samples: int, bound: float, shape: tuple[int, int, int]) -> Energies:
    """Return the energies of the worst sample with |x| <= bound in every coordinate.

    Args:
        samples: m >= 1.
        bound: B > 0.
        shape: the network's input (channels, height, width).

    Raises:
        UsageError: m or B is not positive and finite, or the energies are more than float64 holds.
    """
    if not 1 <= samples <= MOST_SAMPLES:
        raise UsageError(f"--samples: give a number from 1 to {float(MOST_SAMPLES):.0e}")
    if not (bound > 0 and math.isfinite(bound)):
        raise UsageError(f"--input-bound {bound}: give a positive number")
    energy = up(samples * up(max(bound * bound, LEAST), 1), 1)
    if not math.isfinite(energy * math.prod(shape)):
        raise UsageError(f"--input-bound {bound}: the squares of such inputs are more than float64 holds")
    return Energies(samples, torch.full(shape, energy, dtype=torch.float64), bound, declared=True)
