"""The two largest singular values of a sparse matrix, with a residual, and with a check that no other singular value is larger.

Lanczos iteration with full reorthogonalization (Golub & Kahan 1965; Parlett 1998) works on the smaller side from a seeded
random start. Its residual proves that a singular value is close to each number found, but not that these are the largest:
from one start, Lanczos finds only one copy of a repeated singular value, and the mask of a disconnected graph has repeated
ones. Therefore either a Cholesky factorization of ``tau^2 I - (A^T A - V S^2 V^T)`` proves that all others are at most tau
(Sylvester's law of inertia, up to the rounding of the factorization), or a second run from another start, orthogonal to the
vectors found, must find nothing larger. Small matrices are decomposed densely.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from boundcalc.norms.rounding import scaled

Floats = NDArray[np.float64]
Apply = Callable[[Floats], Floats]

SMALL_SIDE = 128
"""Largest smaller side of a matrix for which the whole Gram matrix is decomposed."""

GRAM_SIDE = 1024
"""Largest smaller side of a matrix for which the Gram matrix is formed (8 MB): the Cholesky proof needs it, and Lanczos runs
faster on it."""

DENSE_ENTRIES, DENSE_SHARE = 2**22, 0.03
"""Matrices with at most this many entries (32 MB), of which more than this share are not 0, are multiplied as dense ones."""

FIRST_CHECK = 24
"""Steps of Lanczos before its convergence is looked at: few matrices of more than `SMALL_SIDE` columns need less."""

STEPS = 1000
"""Largest number of Lanczos steps; random masks need about 70."""

TOLERANCE = 1e-9
"""Residual, relative to the largest singular value, at which Lanczos stops."""

PASSES = 6
"""Lanczos runs before the matrix is decomposed densely: each one that is not the last found a larger value."""

MODERATE = 64
"""Matrices whose largest entry is between 2^-64 and 2^64 are taken as they are."""

LEAST_RELATIVE_EIGENVALUE = 1e-9
"""Share of the largest eigenvalue of a Gram matrix below which rounding tells too little of the second one."""

EXACT_SUMS = 2**24
"""Smaller integers are exact in float32."""

EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Leading:
    """The two largest singular values of a matrix.

    Attributes:
        sigma1: largest singular value.
        sigma2: second largest singular value; 0 for a matrix of rank 1.
        residual: largest of ``||A v - s u||`` and ``||A^T u - s v||`` over the two, in the units of the matrix: each number
            is within this distance of a singular value.
        ceiling: upper bound of all other singular values; at least `sigma2`, and equal to it up to rounding.
        method: `"dense"`, `"closed form"`, `"lanczos, proved"` (Cholesky) or `"lanczos, checked"` (a second run).
    """

    sigma1: float
    sigma2: float
    residual: float
    ceiling: float
    method: str

    def __post_init__(self) -> None:
        if not self.sigma1 >= self.sigma2 >= 0:
            raise ValueError(f"singular values out of order: {self.sigma1}, {self.sigma2}")


def leading_two(matrix: Any, seed: int = 0) -> Leading:
    """Return the two largest singular values.

    Args:
        matrix: sparse or dense array, (rows, columns), with at least one entry, all finite.
        seed: seed of the random starts.

    Returns:
        The values, with the accuracy given by `Leading.residual` and `Leading.ceiling`. A second value below rounding,
        ``max(rows, columns) eps sigma_1``, is set to 0.

    Raises:
        ValueError: there are no rows or no columns, an entry is not finite, or the values overflow.

    Source: Parlett 1998, The Symmetric Eigenvalue Problem, chapters 3 (inertia) and 13 (Lanczos).

    Example:
        >>> round(leading_two(np.ones((3, 12))).sigma1, 12)
        6.0
    """
    if 0 in matrix.shape:
        raise ValueError(f"a matrix of shape {matrix.shape} has no singular values")
    entries = matrix if isinstance(matrix, np.ndarray) else matrix.data
    largest = float(np.abs(entries).max(initial=0.0))
    if not np.isfinite(largest):
        raise ValueError("an entry is not finite")
    if largest == 0.0:
        return Leading(0.0, 0.0, 0.0, 0.0, "closed form")
    exponent = int(np.frexp(largest)[1])
    exponent = exponent if abs(exponent) > MODERATE else 0
    found = _of_moderate_size(_halved(matrix, exponent), seed)
    numbers = [
        scaled(value, exponent) for value in (found.sigma1, found.sigma2, found.residual, found.ceiling)
    ]
    if numbers[0] is None:
        raise ValueError("its singular values are not representable in float64")
    sigma1, sigma2, residual, ceiling = (value or 0.0 for value in numbers)
    return Leading(sigma1, sigma2, residual, ceiling, found.method)


def two_values(matrices: Floats) -> list[tuple[float, float]]:
    """Return the two largest singular values of dense matrices, as `leading_two`, without what proves them.

    Args:
        matrices: (count, rows, columns), at least one entry each, finite.

    Raises:
        ValueError: as `leading_two`.

    Example:
        >>> [[round(value, 12) for value in pair] for pair in two_values(np.diag([3.0, 4.0])[None])]
        [[4.0, 3.0]]
    """
    across = matrices.swapaxes(1, 2)
    largest = np.abs(matrices).max(axis=(1, 2))
    squares: Iterable[Floats] = np.zeros((len(matrices), 2))
    if (
        1 < min(matrices.shape[1:]) <= SMALL_SIDE
        and ((largest > 2.0**-MODERATE) & (largest < 2.0**MODERATE)).all()
    ):
        squares = np.linalg.eigvalsh(
            matrices @ across if matrices.shape[1] <= matrices.shape[2] else across @ matrices
        )[:, -2:]
    found = []
    for matrix, (second, first) in zip(matrices, squares, strict=True):
        if second >= LEAST_RELATIVE_EIGENVALUE * first > 0:
            found.append((math.sqrt(first), math.sqrt(second)))
        else:
            exact = leading_two(matrix)
            found.append((exact.sigma1, exact.sigma2))
    return found


def _halved(matrix: Any, exponent: int) -> Any:
    """Return ``matrix * 2**-exponent``."""
    if exponent == 0:
        return matrix
    with np.errstate(under="ignore"):
        if isinstance(matrix, np.ndarray):
            return np.ldexp(matrix, -exponent)
        smaller = matrix.copy()
        smaller.data = np.ldexp(matrix.data, -exponent)
        return smaller


def _of_moderate_size(matrix: Any, seed: int) -> Leading:
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    side = tall.shape[1]
    if side == 1:
        norm = float(np.linalg.norm(tall if isinstance(tall, np.ndarray) else tall.data))
        return Leading(norm, 0.0, EPS * norm, 0.0, "closed form")
    tall = tall if isinstance(tall, np.ndarray) else tall.tocsr()
    if side <= SMALL_SIDE:
        return _small(tall)
    return _large(tall, seed)


def _small(tall: Any) -> Leading:
    """Decompose the Gram matrix, or the matrix itself if squaring would lose the second value."""
    gram = _gram(tall)
    side = gram.shape[0]
    values, vectors = linalg.eigh(gram, subset_by_index=[side - 2, side - 1], check_finite=False)
    if values[0] < LEAST_RELATIVE_EIGENVALUE * values[1]:
        return _dense(tall)
    pair = SingularPair.of(tall, vectors.T)
    above = np.sqrt(max(values[0], pair.second**2) + 4 * side * EPS * values[1])
    return pair.leading(tall.shape, float(above), "dense")


def _dense(tall: Any) -> Leading:
    dense = tall if isinstance(tall, np.ndarray) else tall.toarray()
    values = np.linalg.svd(dense, compute_uv=False)
    rounding = max(dense.shape) * EPS * float(values[0])
    second = _rounded(float(values[1]), rounding)
    return Leading(float(values[0]), second, rounding, float(values[1]) + rounding, "dense")


def _large(tall: Any, seed: int) -> Leading:
    gram = _gram(tall) if tall.shape[1] <= GRAM_SIDE else None
    across = tall.T
    apply: Apply = (lambda x: across @ (tall @ x)) if gram is None else gram.dot
    pair = SingularPair.of(tall, lanczos(apply, np.empty((0, tall.shape[1])), [seed, 0]))
    for number in range(1, PASSES):
        if gram is not None and len(pair.values) == 2:
            ceiling = _proved_ceiling(gram, pair)
            if ceiling is not None:
                return pair.leading(tall.shape, ceiling, "lanczos, proved")
        others = lanczos(apply, pair.right, [seed, number], float(pair.values[0]) ** 2)
        merged = SingularPair.of(tall, np.concatenate([pair.right, others]))
        if len(pair.values) == 2 and merged.second <= pair.second * (1 + TOLERANCE):
            return merged.leading(tall.shape, merged.second, "lanczos, checked")
        pair = merged
    return _dense(tall)


def lanczos(apply: Apply, locked: Floats, seed: list[int], norm: float = 0.0) -> Floats:
    """Return Ritz vectors of the two largest eigenvalues of a positive semidefinite operator, orthogonal to `locked`.

    Args:
        apply: the operator, (n,) -> (n,).
        locked: orthonormal rows, (k, n), that the Krylov space excludes.
        seed: seed of the start.
        norm: largest known eigenvalue; sets the level below which remainders count as rounding.

    Returns:
        Orthonormal rows, (at most 2, n), fewer if the Krylov space is smaller; of several equal eigenvalues only one appears.

    Source: Parlett 1998, chapter 13; every vector is orthogonalized twice against all previous ones.
    """
    count, size = locked.shape
    steps = min(size - count, STEPS)
    basis = np.empty((count + steps, size))
    basis[:count] = locked
    diagonal, beside = np.zeros(steps), np.zeros(steps)
    start: Floats = np.random.default_rng(seed).standard_normal((1, size))[0]
    vector, length = _orthogonal(start, locked)
    done = 0
    for step in range(steps):
        basis[count + step] = vector / length
        image = apply(basis[count + step])
        diagonal[step] = image @ basis[count + step]
        vector, length = _orthogonal(image, basis[: count + step + 1])
        beside[step] = length
        done = step + 1
        exhausted = length <= size * EPS * max(float(diagonal[:done].max()), norm, EPS)
        if exhausted or (
            done >= FIRST_CHECK and done % 8 == 0 and _converged(diagonal[:done], beside[:done])
        ):
            break
    if done == 0:
        return np.empty((0, size))
    _, vectors = _top(diagonal[:done], beside[: done - 1])
    return vectors.T @ basis[count : count + done]


def _orthogonal(vector: Floats, rows: Floats) -> tuple[Floats, float]:
    for _ in range(2):
        vector = vector - (rows @ vector) @ rows
    return vector, float(np.linalg.norm(vector))


def _top(diagonal: Floats, beside: Floats) -> tuple[Floats, Floats]:
    """Return the two largest eigenvalues, ascending, and their vectors as columns; only one for a 1 x 1 matrix."""
    if len(diagonal) == 1:
        return diagonal, np.ones((1, 1))
    last = len(diagonal) - 1
    values, vectors = linalg.eigh_tridiagonal(
        diagonal, beside, select="i", select_range=(last - 1, last), check_finite=False
    )
    return values, vectors


def _converged(diagonal: Floats, beside: Floats) -> bool:
    values, vectors = _top(diagonal, beside[:-1])
    sigma = np.sqrt(np.maximum(values, 1e-12 * values[-1]))
    return bool(np.all(beside[-1] * np.abs(vectors[-1]) <= TOLERANCE * sigma * sigma[-1]))


@dataclass(frozen=True)
class SingularPair:
    """The best two singular triplets of a matrix within a space of right vectors.

    Attributes:
        values: singular values, (2,) descending, or (1,) if the space has one dimension.
        right: right vectors, (2, n) orthonormal rows.
        residual: largest ``||A^T u - s v||``; ``A v = s u`` holds by construction, up to rounding.
    """

    values: Floats
    right: Floats
    residual: float

    @classmethod
    def of(cls, tall: Any, space: Floats) -> SingularPair:
        """Return the triplets of the two largest singular values of `tall` restricted to the span of the rows of `space`."""
        axes = np.linalg.qr(space.T)[0]
        left, values, mixing = np.linalg.svd(tall @ axes, full_matrices=False)
        keep = slice(0, min(2, len(values)))
        right = mixing[keep] @ axes.T
        residuals = np.linalg.norm(tall.T @ left[:, keep] - right.T * values[keep], axis=0)
        return cls(values[keep], right, float(residuals.max()))

    @property
    def second(self) -> float:
        """The smaller of the two values."""
        return float(self.values[-1])

    def leading(self, shape: tuple[int, int], ceiling: float, method: str) -> Leading:
        """Return the result; a second value below rounding becomes 0."""
        rounding = max(shape) * EPS * float(self.values[0])
        second = _rounded(self.second, rounding)
        return Leading(float(self.values[0]), second, self.residual + rounding, max(ceiling, second), method)


def _rounded(second: float, rounding: float) -> float:
    return second if second > rounding else 0.0


def _proved_ceiling(gram: Floats, pair: SingularPair) -> float | None:
    """Return an upper bound of all singular values other than the pair's, or None if the Cholesky proof fails."""
    first = float(pair.values[0]) ** 2
    bound = pair.second**2 + 4 * gram.shape[0] * EPS * first + 2 * pair.residual * float(pair.values[0])
    shifted = (pair.right.T * pair.values**2) @ pair.right - gram
    shifted[np.diag_indices_from(shifted)] += bound
    try:
        linalg.cholesky(shifted, lower=True, overwrite_a=True, check_finite=False)
    except linalg.LinAlgError:
        return None
    return float(np.sqrt(bound))


def _gram(tall: Any) -> Floats:
    """Return A^T A; of a dense matrix of zeros and ones by products in float32, whose sums are exact."""
    if not isinstance(tall, np.ndarray) and _is_faster_dense(tall):
        tall = tall.toarray()
    if isinstance(tall, np.ndarray) and len(tall) < EXACT_SUMS and ((tall == 0) | (tall == 1)).all():
        tall = tall.astype(np.float32)
        return np.asarray(tall.T @ tall, dtype=np.float64)
    product = tall.T @ tall
    return product if isinstance(product, np.ndarray) else product.toarray()


def _is_faster_dense(tall: Any) -> bool:
    rows, side = tall.shape
    return rows * side <= DENSE_ENTRIES and tall.nnz > DENSE_SHARE * rows * side
