"""Products with the matrices of the recursion, scaled for one input at a time: dense, sparse, or with equal columns merged.

The form of a matrix is chosen by the work it takes; the rates were measured with `experiments/benchmarks/gntk.py`.
"""

from __future__ import annotations

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
    """A matrix A that is used as ``diag(left) A diag(right)``, with the scales of r inputs at a time."""

    @property
    def room(self) -> int:
        """How many numbers an input's product keeps in the room that it is given."""
        ...

    def at(self, lefts: Floats, rights: Floats | None, room: Floats) -> Product:
        """Return the product with r scaled matrices, for as long as the room is not used again.

        Args:
            lefts: scales of the rows, (r, K').
            rights: scales of the columns, (r, K); None for 1.
            room: buffer of at least r times `self.room` numbers.
        """
        ...


class Product(Protocol):
    """Scaled matrices, ready for multiplication."""

    def times(self, values: Floats, out: Floats) -> Floats:
        """Return the products with values, (r, K, n), or (K, n) for all of them, in `out`, (r, K', n)."""
        ...


@dataclass(frozen=True, eq=False)
class Dense:
    """A dense matrix, (K', K)."""

    matrix: Floats

    @property
    def room(self) -> int:
        """All entries."""
        return self.matrix.size

    def at(self, lefts: Floats, rights: Floats | None, room: Floats) -> Product:
        """Scale rows and columns; columns of scale 0 are left out where there are many."""
        if rights is None or (np.count_nonzero(rights, axis=1) > OFTEN_ZERO * rights.shape[1]).all():
            scaled = room[: len(lefts) * self.room].reshape(len(lefts), *self.matrix.shape)
            np.multiply(lefts[:, :, None], self.matrix, out=scaled)
            if rights is not None:
                scaled *= rights[:, None, :]
            return _DenseProduct(scaled)
        used = [np.flatnonzero(right) for right in rights]
        return _OneByOne(
            tuple(
                _UsedColumns(left[:, None] * self.matrix[:, some] * right[some], some)
                for left, right, some in zip(lefts, rights, used, strict=True)
            )
        )


@dataclass(frozen=True, eq=False)
class _DenseProduct:
    matrices: Floats

    def times(self, values: Floats, out: Floats) -> Floats:
        return np.matmul(self.matrices, values, out=out)


@dataclass(frozen=True, eq=False)
class _UsedColumns:
    matrix: Floats
    used: Ints

    def __matmul__(self, values: Floats) -> Floats:
        return self.matrix @ values[self.used]


@dataclass(frozen=True, eq=False)
class _SumsFirst:
    matrix: Floats
    sums: sparse.csr_array

    def __matmul__(self, values: Floats) -> Floats:
        return self.matrix @ (self.sums @ values)


@dataclass(frozen=True, eq=False)
class _OneByOne:
    matrices: tuple[_UsedColumns | _SumsFirst | sparse.csr_array, ...]

    def times(self, values: Floats, out: Floats) -> Floats:
        for number, matrix in enumerate(self.matrices):
            out[number] = matrix @ (values if values.ndim == 2 else values[number])
        return out


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

    @property
    def room(self) -> int:
        """The nonzero entries."""
        return self.matrix.nnz

    def at(self, lefts: Floats, rights: Floats | None, room: Floats) -> Product:
        """Scale the entries."""
        return _OneByOne(self.scaled(lefts, rights, room))

    def scaled(self, lefts: Floats, rights: Floats | None, room: Floats) -> tuple[sparse.csr_array, ...]:
        """Return the r scaled matrices; the arguments are those of `at`."""
        own, shape = self.matrix, self.matrix.shape
        data = room[: len(lefts) * own.nnz].reshape(len(lefts), own.nnz)
        np.multiply(own.data, lefts[:, self.rows], out=data)
        if rights is not None:
            data *= rights[:, own.indices]
        return tuple(sparse.csr_array((one, own.indices, own.indptr), shape=shape) for one in data)


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
    def members(self) -> Ints:
        """The columns of each group, (H, g), and K wherever a group has fewer than g."""
        whole = self.sums.matrix
        sizes = np.diff(whole.indptr)
        found = np.full((len(sizes), sizes.max()), whole.shape[1])
        found[np.arange(found.shape[1]) < sizes[:, None]] = whole.indices
        return found

    def gathered(self, x: Floats) -> Floats:
        """Return the coordinates of inputs, (m, K), group by group, (H, m, g), and 0 wherever a group has fewer than g."""
        longer = np.concatenate([x, np.zeros((len(x), 1))], axis=1)
        return np.ascontiguousarray(longer.T[self.members].swapaxes(1, 2))

    @property
    def room(self) -> int:
        """The entries of the sums, and of the dense matrix."""
        return self.sums.room + self.matrix.size

    def at(self, lefts: Floats, rights: Floats | None, room: Floats) -> Product:
        """Scale the columns in the sums, the rows in the dense matrix."""
        count, shape = len(lefts), self.matrix.shape
        sums = self.sums.scaled(np.ones((count, shape[1])), rights, room)
        rest = room[count * self.sums.room :][: count * self.matrix.size].reshape(count, *shape)
        matrices = np.multiply(lefts[:, :, None], self.matrix, out=rest)
        return _OneByOne(tuple(map(_SumsFirst, matrices, sums)))


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
