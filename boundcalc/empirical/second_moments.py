"""Second moments of the sample: sums of squares by label, and the spectrum of its Gram matrix, collected batch by batch."""

from __future__ import annotations

import torch

from boundcalc.norms.rounding import UNIT, up_all

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

    def spectrum(self) -> tuple[float, ...] | None:
        """Return the eigenvalues of the Gram matrix in falling order, from above; None where it was not summed.

        A sum of m products is off by gamma_m times the sum of their sizes, the matrix by gamma_m times its trace in Frobenius norm;
        the solver is backward stable, and 64 n u of the largest eigenvalue is granted to it. Products near the end of float64's range
        lose more than that: where their sum is below `LEAST_TRACE` there is no spectrum.
        """
        if self._gram is None or not bool(self._gram.isfinite().all()):
            return None
        trace = float(self._gram.diagonal().sum())
        if trace < LEAST_TRACE:
            return None
        values = torch.linalg.eigvalsh(self._gram).flip(0).clamp(min=0.0)
        slack = 2 * (self._total + 64 * len(values)) * UNIT * trace
        return tuple((values + slack).tolist())
