"""What the bounds need to know of the data: energies of the input coordinates, on the arrays that the network sees."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch

from boundcalc.errors import UsageError
from boundcalc.norms.rounding import LEAST, UNIT, up, up_all

MOST_SAMPLES = 10**300
"""More than any sample: beyond, float64 would not hold their number."""
CHUNK = 2**22
"""Entries of Gram matrices whose eigenvalues are computed at once."""


@dataclass(frozen=True, eq=False)
class Gram:
    """Inner products of the input coordinates over the sample.

    Attributes:
        matrix: (inputs, inputs) float64.
        error: no eigenvalue of it, or of its part on some of the inputs, as a solver gives it, is farther below the true one.
    """

    matrix: torch.Tensor
    error: float

    def spectra(self, sets: list[torch.Tensor]) -> torch.Tensor:
        """Return the squared singular values of the sample on sets of inputs, from above.

        Args:
            sets: indices of inputs, (s,) int64 each.

        Returns:
            Rising values, (sets, largest s) float64: a smaller set has `error` first, in place of values that it does not have.
        """
        most = max(len(members) for members in sets)
        found = []
        for chunk in torch.arange(len(sets)).split(max(1, CHUNK // max(1, most) ** 2)):
            part = torch.zeros(len(chunk), most, most, dtype=torch.float64)
            for place, k in enumerate(chunk.tolist()):
                members = sets[k]
                part[place, : len(members), : len(members)] = self.matrix[members[:, None], members]
            found.append(torch.linalg.eigvalsh(part))
        return torch.cat(found).clamp(min=0.0) + self.error


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
        gram: inner products of the coordinates; None where they are not known.
    """

    m: int
    coordinate: torch.Tensor
    largest: float
    declared: bool = False
    classes: torch.Tensor | None = None
    counts: torch.Tensor | None = None
    gram: Gram | None = None

    @cached_property
    def spectrum(self) -> tuple[float, ...] | None:
        """Squared singular values of the sample, (m, inputs), in falling order, from above; None where they are not known."""
        if self.gram is None:
            return None
        return tuple(self.gram.spectra([torch.arange(len(self.gram.matrix))])[0].flip(0).tolist())

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


MOST_INPUTS = 1024
"""Inputs up to which the Gram matrix is summed."""
MOST_SUMS = 2**24
"""Numbers that sums of squares by label may take."""
LEAST_TRACE = 1e-280
"""Sum of squares below which rounding is no small share of them any more."""


class SecondMoments:
    """Collects what the norm bounds need beside the energy of each coordinate.

    Args:
        shape: of the network's input.
        labels: number of labels.
    """

    def __init__(self, shape: tuple[int, int, int], labels: int) -> None:
        inputs = shape[0] * shape[1] * shape[2]
        self._classes = (
            torch.zeros(labels, *shape, dtype=torch.float64) if labels * inputs <= MOST_SUMS else None
        )
        self._counts = torch.zeros(labels, dtype=torch.int64)
        self._gram = torch.zeros(inputs, inputs, dtype=torch.float64) if inputs <= MOST_INPUTS else None
        self._total = 0

    def add(self, x: torch.Tensor, labels: torch.Tensor) -> None:
        """Take a batch: samples (b, ...) float64 and labels (b,)."""
        flat = x.flatten(1)
        self._total += len(flat)
        self._counts += torch.bincount(labels, minlength=len(self._counts))
        if self._classes is not None:
            self._classes.flatten(1).index_add_(0, labels, flat.square())
        if self._gram is not None:
            self._gram.addmm_(flat.T, flat)

    def by_class(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Return the sums of squares by label, from above, and the number of samples of each; None where they take too much."""
        if self._classes is None or not bool(self._classes.isfinite().all()):
            return None
        return up_all(self._classes, self._total), self._counts

    def gram(self) -> Gram | None:
        """Return the Gram matrix; None where it was not summed.

        A sum of m products is off by gamma_m times the sum of their sizes, the matrix by gamma_m times its trace in Frobenius
        norm, and so is each of its principal parts; the solver is backward stable, and 64 n u of the largest eigenvalue is granted
        to it. Products near the end of float64's range lose more than that: where their sum is below `LEAST_TRACE` there is none.
        """
        if self._gram is None or not bool(self._gram.isfinite().all()):
            return None
        trace = float(self._gram.diagonal().sum())
        if trace < LEAST_TRACE:
            return None
        return Gram(self._gram, 2 * (self._total + 64 * len(self._gram)) * UNIT * trace)
