"""Products with the matrices of the recursion, scaled for one input at a time: dense, sparse, or with equal columns merged.

The form of a matrix is chosen by the work it takes; the rates were measured with `experiments/benchmarks/gntk.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy import sparse

from boundcalc.graphon.ntk_maps import Floats, Ints

SPARSE_COST = 5.0
"""Time of a multiplication in a sparse product, relative to one in a dense product."""

OFTEN_ZERO = 0.7
"""Share of nonzero coordinates below which those that are zero are skipped."""


class ScaledMatrix(Protocol):
    """A matrix A that is used as ``diag(left) A diag(right)``."""

    def at(self, left: Floats, right: Floats) -> Product:
        """Return the product with scaled rows, left (K',), and columns, right (K,)."""
        ...


class Product(Protocol):
    """A scaled matrix, ready for multiplication."""

    def times(self, values: Floats, out: Floats) -> Floats:
        """Return the product with values (K, n), either in `out` (K', n) or in a new array."""
        ...


@dataclass(frozen=True, eq=False)
class Dense:
    """A dense matrix, (K', K)."""

    matrix: Floats

    def at(self, left: Floats, right: Floats) -> Product:
        """Scale rows and columns; columns of scale 0 are left out if there are many."""
        if np.count_nonzero(right) > OFTEN_ZERO * len(right):
            return _DenseProduct(left[:, None] * self.matrix * right, None)
        used = np.flatnonzero(right)
        return _DenseProduct(left[:, None] * self.matrix[:, used] * right[used], used)


@dataclass(frozen=True, eq=False)
class _DenseProduct:
    matrix: Floats
    used: Ints | None

    def times(self, values: Floats, out: Floats) -> Floats:
        return np.matmul(self.matrix, values if self.used is None else values[self.used], out=out)


@dataclass(frozen=True, eq=False)
class Sparse:
    """A matrix, (K', K), of which only the nonzero entries are multiplied.

    Attributes:
        matrix: nonzero entries, by rows.
        rows: row of each entry.
    """

    matrix: sparse.csr_array
    rows: Ints

    @classmethod
    def of(cls, matrix: Floats) -> Sparse:
        """Return the sparse form of a dense matrix."""
        found = sparse.csr_array(matrix)
        return cls(found, np.repeat(np.arange(matrix.shape[0]), np.diff(found.indptr)))

    def at(self, left: Floats, right: Floats) -> Product:
        """Scale the entries."""
        data = self.matrix.data * left[self.rows] * right[self.matrix.indices]
        scaled = sparse.csr_array((data, self.matrix.indices, self.matrix.indptr), shape=self.matrix.shape)
        return _SparseProduct(scaled)


@dataclass(frozen=True, eq=False)
class _SparseProduct:
    matrix: sparse.csr_array

    def times(self, values: Floats, out: Floats) -> Floats:  # noqa: ARG002
        return np.asarray(self.matrix @ values)


@dataclass(frozen=True, eq=False)
class Grouped:
    """A matrix with equal columns: products first sum over the columns of each group, then use one dense column per group.

    Attributes:
        sums: indicators of the groups, (H, K), 0 and 1.
        matrix: one column per group, (K', H).
    """

    sums: Sparse
    matrix: Floats

    @cached_property
    def members(self) -> tuple[slice | Ints, ...]:
        """The columns of each group, as a slice if they are consecutive."""
        whole = self.sums.matrix
        found = np.split(whole.indices, whole.indptr[1:-1])
        return tuple(
            slice(int(one[0]), int(one[-1]) + 1) if len(one) and (np.diff(one) == 1).all() else one
            for one in found
        )

    def between(self, rows: Floats, columns: Floats, out: Floats) -> Floats:
        """Return the sums of products of inputs over each group, (r, H, n).

        Args:
            rows: inputs, (r, K).
            columns: other inputs, transposed, (K, n).
            out: buffer of at least r H n numbers, which is overwritten.
        """
        shape = len(rows), len(self.members), columns.shape[1]
        found = out[: math.prod(shape)].reshape(shape)
        for group, members in enumerate(self.members):
            np.matmul(rows[:, members], columns[members], out=found[:, group])
        return found

    def at(self, left: Floats, right: Floats) -> Product:
        """Scale the columns in the sums, the rows in the dense matrix."""
        return _GroupedProduct(
            self.sums.at(np.ones(self.matrix.shape[1]), right), left[:, None] * self.matrix
        )


@dataclass(frozen=True, eq=False)
class _GroupedProduct:
    sums: Product
    matrix: Floats

    def times(self, values: Floats, out: Floats) -> Floats:
        return np.matmul(self.matrix, self.sums.times(values, out), out=out)


def best_form(matrix: Floats, used: float = 1.0) -> ScaledMatrix:
    """Return the form of a matrix that takes the least work.

    Args:
        matrix: dense matrix, (K', K).
        used: share of the columns with a nonzero scale.
    """
    columns, group = np.unique(matrix, axis=1, return_inverse=True)
    rows, width = matrix.shape
    work = {
        "dense": rows * width * (used if used < OFTEN_ZERO else 1.0),
        "sparse": SPARSE_COST * np.count_nonzero(matrix),
        "grouped": SPARSE_COST * width + rows * columns.shape[1],
    }
    form = min(work, key=lambda name: work[name])
    if form == "dense":
        return Dense(matrix)
    if form == "sparse":
        return Sparse.of(matrix)
    sums = np.zeros((columns.shape[1], width))
    sums[group.reshape(-1), np.arange(width)] = 1.0
    return Grouped(Sparse.of(sums), np.ascontiguousarray(columns))
