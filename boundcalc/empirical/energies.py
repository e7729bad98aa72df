"""Statistics of the data that the bounds need: energies of the input coordinates, on the arrays that the network sees."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch

from boundcalc.errors import UsageError
from boundcalc.norms.rounding import LEAST, UNIT, up, up_all

MOST_SAMPLES = 10**300
"""Largest number of samples, more than any sample has; a larger number would not fit a float64."""
CHUNK = 2**22
"""Number of entries of the Gram matrices whose eigenvalues are computed at once."""


@dataclass(frozen=True, eq=False)
class Gram:
    """Inner products of the input coordinates over the sample.

    Attributes:
        matrix: (inputs, inputs) float64.
        error: upper bound on how far a computed eigenvalue of the matrix, or of its submatrix on some inputs, lies below the true
            one.
    """

    matrix: torch.Tensor
    error: float

    def spectra(self, sets: list[torch.Tensor]) -> torch.Tensor:
        """Return upper bounds on the squared singular values of the sample restricted to sets of inputs.

        Args:
            sets: indices of inputs, (s,) int64 each.

        Returns:
            Values in ascending order, (sets, largest s) float64; a smaller set has `error` in the leading places for which it has
            no value.
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
        coordinate: sum_i x_i[coordinate]^2, (channels, height, width) float64, rounded up.
        largest: max |x|.
        declared: whether these are the declared worst case |x| <= B rather than measured values.
        classes: sums of squares over the samples of each label, (labels, channels, height, width) float64, rounded up; None if
            unknown.
        counts: number of samples of each label, (labels,) int64; None if `classes` is None.
        gram: inner products of the coordinates; None if unknown.
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
        """Upper bounds on the squared singular values of the sample, (m, inputs), in descending order; None if unknown."""
        if self.gram is None:
            return None
        return tuple(self.gram.spectra([torch.arange(len(self.gram.matrix))])[0].flip(0).tolist())

    @property
    def frobenius_squared(self) -> float:
        """||X||_F^2, rounded up."""
        return up(float(self.coordinate.sum()), self.coordinate.numel())

    @property
    def max_coordinate(self) -> float:
        """Largest energy of a coordinate."""
        return float(self.coordinate.max())

    @property
    def max_pixel(self) -> float:
        """Largest energy of a pixel, summed over channels, rounded up."""
        return up(float(self.coordinate.sum(0).max()), self.coordinate.shape[0])


def energy_of(squares: torch.Tensor, peak: torch.Tensor, samples: int) -> torch.Tensor:
    """Return upper bounds on sums of squares.

    A sum that underflowed to 0 although its coordinate is not always 0 is raised to the smallest float64 first: each square lost
    at most half of that, which `up_all` makes up for.

    Args:
        squares: the computed sums, sum_i x_i[coordinate]^2.
        peak: largest |x_i[coordinate]|.
        samples: number of squares in each sum.
    """
    return up_all(torch.where(peak > 0, squares.clamp(min=LEAST), squares), samples)


def declared(samples: int, bound: float, shape: tuple[int, int, int]) -> Energies:
    """Return the energies of the worst-case sample with |x| <= bound in every coordinate.

    Args:
        samples: m >= 1.
        bound: B > 0.
        shape: shape of the network's input, (channels, height, width).

    Raises:
        UsageError: m or B is not positive and finite, or the energies exceed the range of float64.
    """
    if not 1 <= samples <= MOST_SAMPLES:
        raise UsageError(f"--samples: give a number from 1 to {float(MOST_SAMPLES):.0e}")
    if not (bound > 0 and math.isfinite(bound)):
        raise UsageError(f"--input-bound {bound}: give a positive number")
    energy = up(samples * up(max(bound * bound, LEAST), 1), 1)
    if not math.isfinite(energy * math.prod(shape)):
        raise UsageError(f"--input-bound {bound}: the squares of such inputs overflow float64")
    return Energies(samples, torch.full(shape, energy, dtype=torch.float64), bound, declared=True)


MOST_INPUTS = 1024
"""Largest number of inputs for which the Gram matrix is summed."""
MOST_SUMS = 2**24
"""Largest number of entries of the sums of squares by label."""
LEAST_TRACE = 1e-280
"""Sum of squares below which rounding is no longer a small share of it."""


class SecondMoments:
    """Collects the statistics that the norm bounds need besides the energy of each coordinate.

    Args:
        shape: shape of the network's input.
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
        """Add a batch: samples (b, ...) float64 and labels (b,)."""
        flat = x.flatten(1)
        self._total += len(flat)
        self._counts += torch.bincount(labels, minlength=len(self._counts))
        if self._classes is not None:
            self._classes.flatten(1).index_add_(0, labels, flat.square())
        if self._gram is not None:
            self._gram.addmm_(flat.T, flat)

    def by_class(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Return the sums of squares by label, rounded up, and the number of samples of each; None if they take too much memory."""
        if self._classes is None or not bool(self._classes.isfinite().all()):
            return None
        return up_all(self._classes, self._total), self._counts

    def gram(self) -> Gram | None:
        """Return the Gram matrix; None if it was not summed or is not accurate enough.

        The rounding error of a sum of m products is at most gamma_m times the sum of their absolute values; in Frobenius norm,
        that of the matrix and of each principal submatrix is at most gamma_m times the trace. The eigenvalue solver is backward
        stable, and 64 n u times the largest eigenvalue is allowed for it. Products near the lower end of float64's range lose
        more: if the trace is below `LEAST_TRACE`, None is returned.
        """
        if self._gram is None or not bool(self._gram.isfinite().all()):
            return None
        trace = float(self._gram.diagonal().sum())
        if trace < LEAST_TRACE:
            return None
        return Gram(self._gram, 2 * (self._total + 64 * len(self._gram)) * UNIT * trace)
