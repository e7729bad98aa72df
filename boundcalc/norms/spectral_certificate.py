"""Certified upper and lower bounds of the largest eigenvalues of Gram matrices.

An estimate by Lanczos iteration is only a guess. A number tau counts as an upper bound only if the trace is at most tau, or if
a Cholesky factorization of tau - G succeeds in floating point, which proves that no eigenvalue of G exceeds tau by more
than 16 u n (n + 2) tau (Demmel 1989; Rump 2006: the residual of a factorization that succeeded is at most
(n + 1) u / (1 - 2 (n + 1) u) times the trace of tau - G, here at most n tau; complex products cost at most 2 sqrt(2) times
more, and forming tau - G one u). The lower bound is the Rayleigh quotient of an explicit vector, minus its own rounding error.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from boundcalc.norms.rounding import UNIT

MARGIN = 1e-7
"""Relative distance between a Rayleigh quotient and the number for which a factorization is tried."""

ATTEMPTS = ((1e-9, MARGIN), (1e-13, MARGIN), (1e-13, 2e-3))
"""The relative gain at which Lanczos iteration stops, and the distance then tried; after them comes the trace."""

SMALL = 16
"""Side up to which one call of numpy factorizes many matrices faster than many calls of LAPACK do."""

TOGETHER = 128
"""Small matrices that are factorized in one call."""

STEPS = 400
"""Largest number of steps of a Lanczos iteration."""

CHECKED = 8
"""Steps of a Lanczos iteration between two looks at its estimate."""


@dataclass(frozen=True, eq=False)
class Peak:
    """Bounds of the largest eigenvalue of a set of Hermitian matrices.

    Attributes:
        upper: number that no eigenvalue of any of the matrices exceeds.
        lower: number >= 0 that the largest eigenvalue is not below.
        member: index of the matrix whose eigenvalue is at least `lower`; -1 if all matrices are 0.
        vector: unit vector (n,) whose Rayleigh quotient is at least `lower`; empty if all matrices are 0.
    """

    upper: float
    lower: float
    member: int
    vector: np.ndarray


def certified_peak(batches: Iterable[np.ndarray], error: float) -> Peak:
    """Return an interval that contains the largest eigenvalue of positive semidefinite matrices that are known up to rounding.

    Args:
        batches: arrays (b, n, n), float64 or complex128, finite, of which only the upper triangles are read.
        error: bound of the spectral norm of each matrix's error, and of the error of its trace.

    Returns:
        An interval of relative width `MARGIN` plus rounding, or of 0.2 % if many eigenvalues are close to the largest.

    Source:
        Rump 2006, Verification of positive definiteness, Theorem 2.3; Demmel 1989, On floating point errors in Cholesky.
    """
    bound, best = 0.0, Peak(0.0, 0.0, -1, np.empty(0))
    start, side, work = 0, 1, np.empty((0, 0))
    for batch in batches:
        side = batch.shape[1]
        if work.shape != batch.shape[1:] or work.dtype != batch.dtype:
            work = np.empty_like(batch[0])  # once: fresh pages cost a good part of a factorization
        traces = np.trace(batch, axis1=1, axis2=2).real
        order = np.argsort(-traces, kind="stable")
        for place, index in enumerate(order):
            if place % TOGETHER == 0:
                rest = batch[order[place : place + TOGETHER]] if bound > 0 and side <= SMALL else None
                done = rest is not None and _exceeds_none(rest, bound)
            if done:
                continue
            if traces[index] <= bound:
                break
            if bound > 0 and _exceeds_no_eigenvalue(batch[index], bound, work):
                continue
            bound, value, vector = _raised(batch[index], bound, float(traces[index]), work)
            lower = value - error - 16.0 * UNIT * (side + 8) * float(traces[index])
            if lower > best.lower or best.member < 0:
                best = Peak(0.0, max(lower, 0.0), start + int(index), vector)
        start += len(batch)
    upper = (bound + error) * (1 + 16.0 * UNIT * (side + 2) * side)
    return Peak(upper, best.lower, best.member, best.vector)


def _raised(
    gram: np.ndarray, bound: float, trace: float, work: np.ndarray
) -> tuple[float, float, np.ndarray]:
    """Return a number that no eigenvalue exceeds, and the largest Rayleigh quotient found with its vector."""
    value, vector = 0.0, np.empty(0)
    for gain, distance in ATTEMPTS:
        value, vector = top_pair(gram, gain)
        raised = max(bound, value * (1 + distance))
        if raised < trace and _exceeds_no_eigenvalue(gram, raised, work):
            return raised, value, vector
    return max(bound, trace * (1 + 4 * UNIT * len(gram))), value, vector


def _exceeds_none(grams: np.ndarray, bound: float) -> bool:
    """Return whether the factorizations of all bound - gram, (b, n, n), succeeded."""
    shifted = -grams.swapaxes(1, 2)
    places = np.arange(grams.shape[1])
    shifted[:, places, places] += bound
    try:
        factors = np.linalg.cholesky(shifted)
    except np.linalg.LinAlgError:
        return False
    return bool((factors[:, places, places].real > 0).all())


def _exceeds_no_eigenvalue(gram: np.ndarray, bound: float, work: np.ndarray) -> bool:
    """Return whether a Cholesky factorization of bound - gram, made in `work`, succeeded with positive pivots, none of them NaN."""
    from scipy.linalg import lapack

    np.negative(gram, out=work)
    work.flat[:: len(gram) + 1] += bound
    factorize = lapack.zpotrf if np.iscomplexobj(gram) else lapack.dpotrf
    factor, info = factorize(work.T, lower=1, clean=0, overwrite_a=1)
    return info == 0 and bool((factor.diagonal().real > 0).all())


def top_pair(gram: np.ndarray, gain: float) -> tuple[float, np.ndarray]:
    """Return the Rayleigh quotient and unit vector that Lanczos iteration finds for a Hermitian (n, n) matrix.

    Args:
        gram: matrix of which only the upper triangle is read.
        gain: the iteration ends when `CHECKED` steps raise the quotient by less than this relative amount.
    """
    from scipy.linalg import blas

    lower = gram.T
    times = blas.zhemv if np.iscomplexobj(gram) else blas.dsymv
    side = len(gram)
    vector = np.random.default_rng(0).standard_normal(side).astype(gram.dtype)
    basis = np.zeros((min(STEPS, side), side), dtype=gram.dtype)
    middle: list[float] = []
    beside: list[float] = []
    before = 0.0
    for step in range(len(basis)):
        vector = vector / np.linalg.norm(vector)
        basis[step] = vector
        image = times(1.0, lower, vector, lower=1)
        middle.append(float(np.vdot(vector, image).real))
        known = basis[: step + 1]
        for _ in range(2):
            image -= known.T @ (known.conj() @ image)
        beside.append(float(np.linalg.norm(image)))
        vector = image
        ends = beside[-1] <= 1e-14 * max(middle) or step + 1 == len(basis)
        if ends or (step + 1) % CHECKED == 0:
            value, weights = _top_of_tridiagonal(middle, beside[:-1])
            if ends or value - before <= gain * value:
                break
            before = value
    ritz = weights @ known
    ritz /= np.linalg.norm(ritz)
    return float(np.vdot(ritz, times(1.0, lower, ritz, lower=1)).real), ritz


def _top_of_tridiagonal(middle: list[float], beside: list[float]) -> tuple[float, np.ndarray]:
    from scipy.linalg import eigh_tridiagonal

    last = len(middle) - 1
    values, vectors = eigh_tridiagonal(middle, beside, select="i", select_range=(last, last))
    return float(values[0]), vectors[:, 0]
