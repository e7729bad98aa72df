"""A linear layer of which few weights are left, as a sparse product: the time follows the surviving weights."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch

THIN = 1 / 8
"""Largest share of surviving weights for which the sparse product is faster than the dense one on a processor."""


@dataclass(frozen=True, eq=False)
class ThinPattern:
    """Where the weights of a linear layer stand.

    Attributes:
        size: (outputs, inputs).
        starts: for each row, where its weights start, (outputs + 1,) int64.
        columns: column of each weight, (n,) int64.
        turned_starts: as `starts`, for the columns of the matrix.
        turned_rows: row of each weight, in the order of the columns.
        turned_order: place of each of those among the weights.
    """

    size: tuple[int, int]
    starts: torch.Tensor
    columns: torch.Tensor
    turned_starts: torch.Tensor
    turned_rows: torch.Tensor
    turned_order: torch.Tensor

    @classmethod
    def of(cls, places: torch.Tensor, size: tuple[int, int]) -> ThinPattern:
        """Return the pattern of a matrix, given the flat index of each weight in rising order, (n,) int64."""
        rows, columns = places // size[1], places % size[1]
        order = torch.argsort(columns, stable=True)
        pattern = cls(size, _starts(rows, size[0]), columns, _starts(columns, size[1]), rows[order], order)
        with warnings.catch_warnings():
            # torch says so once in a process
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")
            pattern.matrix(torch.zeros(places.numel()))
        return pattern

    def matrix(self, values: torch.Tensor) -> torch.Tensor:
        """Return the matrix with these weights, (outputs, inputs) in compressed rows."""
        return _compressed(self.starts, self.columns, values, self.size)

    def turned(self, values: torch.Tensor) -> torch.Tensor:
        """Return its transpose, (inputs, outputs) in compressed rows."""
        return _compressed(self.turned_starts, self.turned_rows, values[self.turned_order], self.size[::-1])


class ThinLinear(torch.autograd.Function):
    """x -> x W^T for a thin W; the gradient of W is computed at its weights alone."""

    @staticmethod
    def forward(ctx, x: torch.Tensor, values: torch.Tensor, pattern: ThinPattern) -> torch.Tensor:  # type: ignore[no-untyped-def]
        """Multiply (batch, inputs) by weights (n,)."""
        ctx.save_for_backward(x, values)
        ctx.pattern = pattern
        return torch.sparse.mm(pattern.matrix(values), x.T).T

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor, None]:  # type: ignore[no-untyped-def]
        """Return the gradients of the inputs and of the weights."""
        x, values = ctx.saved_tensors
        below = torch.sparse.mm(ctx.pattern.turned(values), gradient.T).T if ctx.needs_input_grad[0] else None
        own = torch.sparse.sampled_addmm(ctx.pattern.matrix(values), gradient.T, x, beta=0.0)
        return below, own.values(), None


def _starts(lines: torch.Tensor, number: int) -> torch.Tensor:
    counts = torch.bincount(lines, minlength=number)
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])


def _compressed(
    starts: torch.Tensor, inside: torch.Tensor, values: torch.Tensor, size: tuple[int, int]
) -> torch.Tensor:
    return torch.sparse_csr_tensor(starts, inside, values, size, check_invariants=False)
