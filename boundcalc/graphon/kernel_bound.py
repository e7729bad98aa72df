"""A bound on the error of a kernel's minimum-norm interpolant (docs/theory/kernel_bound.md).

Let Theta_c be kernels fixed before the sample S of m inputs, one per output. The functions f with sum_c ||f_c||^2 <= B^2, where
||f_c|| is the norm of Theta_c's space, have

      R_S <= (B / m) sqrt(sum_c tr Theta_c)

by Cauchy-Schwarz and Jensen. The minimum-norm interpolant of one-hot labels Y has B^2 = sum_c Y_c^T Theta_c^-1 Y_c and margin 1
on all of S, so that with the ramp loss of margin 1 and the point B_k of the grid r_k above B

      err <= 4 B_k sqrt(sum_c tr Theta_c) / m + 2 sqrt(log(1 / (delta w(k) 2^-bits)) / (2 m));

with a single output and labels +-1, the factor 4 is 2. If the mask depends on the data, its bits are paid for, and so is a
normalization that came from the data: the union bound runs over both, and the kernel is a function of the mask alone. Samples drawn
class by class are independent given their labels; the statement is then about the error at the class shares of S, conditional on the
labels.

B is replaced by an upper bound. The kernel's entries have a rounding error E with |E_ij| <= eta sqrt(Theta_ii Theta_jj), so
that ||E||_2 <= eta tr Theta. A Cholesky factorization of the shifted matrix proves ``lambda_min(Theta) >= low`` (Rump 2006),
and for any z, with r = y - Theta z,

      y^T Theta^-1 y = y^T z + z^T r + r^T Theta^-1 r <= y^T z + |z| |r| + |r|^2 / low.

The bound is about the kernel's interpolant, the network of infinite width trained from output 0, and not about the checkpoint.
Sources: Bartlett & Mendelson 2002 (kernel classes); Maurer 2016 (vector contraction); Rump 2006 (certificate).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from boundcalc.bounds.code_lengths import log2_weight
from boundcalc.bounds.risk import LOG_STEP, grid_above
from boundcalc.graphon.ntk_maps import Floats, Maps
from boundcalc.graphon.ntk_spectrum import targets
from boundcalc.norms.rounding import LOG2, UNIT, log_product, log_up, logsumexp, up
from boundcalc.rademacher.confidence import confidence

HOELDER = math.pi / math.sqrt(2.0)
"""|arccos a - arccos b| <= HOELDER sqrt(|a - b|) on [-1, 1]."""

INVERSE_STEPS, SHIFTS = 24, 10
"""Number of steps of inverse iteration, and of the shifts tried after it, each 0.8 of the one before."""


@dataclass(frozen=True)
class Unproved:
    """The reason why there is no bound.

    Attributes:
        reason: the reason in words.
    """

    reason: str


@dataclass(frozen=True)
class KernelBound:
    """The bound and its ingredients; all logarithms are natural, and upper bounds.

    Attributes:
        log_value: log of the bound on the error.
        log_norm: log of B.
        log_trace: log of sum_c tr Theta_c.
        log_complexity: log of the complexity B sqrt(trace) / m of the functions of norm B.
        confidence: confidence term.
        bits: price of the mask in bits.
        normalization_bits: price in bits of a normalization that came from the sample.
    """

    log_value: float
    log_norm: float
    log_trace: float
    log_complexity: float
    confidence: float
    bits: float
    normalization_bits: float = 0.0


@dataclass(frozen=True)
class Price:
    """Failure probability of the bound and the bits that it pays for.

    Attributes:
        delta: failure probability.
        bits: bits of the mask; 0 if it does not depend on the sample.
        normalization_bits: bits of the inputs' normalization; 0 if it did not come from the sample.
    """

    delta: float
    bits: float
    normalization_bits: float = 0.0


def entry_error(maps: Maps) -> float:
    """Return eta with |computed - exact| <= eta sqrt(Theta_ii Theta_jj) for every entry of `boundcalc.graphon.ntk_numpy`.

    Let layer l have n_l terms in its products, N = sum (n_l + 66), and L layers. Then every correlation is within delta = 6 L N
    2^-53: the map of correlations through a layer has slope at most 1, and each layer adds the rounding of its products, of the
    diagonals before it, of its root against its arc cosine (APART), and NEARLY. The arc cosine is 1/2-Hoelder at +-1, so that
    each slope k0 is within (HOELDER sqrt(delta) + 16 2^-53) / (2 pi); relative to sqrt(Theta_ii Theta_jj), the errors of L slopes
    add up to at most L times this.
    """
    depth = len(maps.hidden)
    terms = sum(matrix.shape[1] + 66 for matrix in (*maps.hidden, maps.output))
    delta = 6.0 * depth * terms * UNIT
    slope = (HOELDER * math.sqrt(delta) + 16 * UNIT) / (2 * math.pi)
    return depth * slope + 2 * (depth + 1) * delta


def kernel_bound(
    kernels: Floats,
    which: np.ndarray,
    sample: tuple[Floats, np.ndarray],
    error: float,
    price: Price,
    exponent: int = 0,
) -> KernelBound | Unproved:
    """Return the bound for the minimum-norm interpolant of a sample.

    Args:
        kernels: distinct kernels as computed, (R, m, m) float64, fixed before the sample.
        which: index of the kernel of each output, (C,).
        sample: (m, d) inputs and (m,) int64 labels, below C, or 0 and 1 if C = 1.
        error: relative error eta of `entry_error`.
        price: failure probability and bits to pay for.
        exponent: the intended kernels are 2^exponent times these, so that B is 2^(-exponent / 2) times its value for these.

    Returns:
        The bound, or the reason why there is none.
    """
    x, labels = sample
    kept = _distinct(x, labels)
    if isinstance(kept, Unproved):
        return kept
    outputs, m = len(which), len(x)
    wanted = targets(labels, outputs)
    squared, trace = 0.0, 0.0
    for index, kernel in enumerate(kernels):
        own = np.flatnonzero(which == index)
        trace += len(own) * up(float(np.trace(kernel)), m) * (1 + 2 * error)
        part = squared_norm(kernel[np.ix_(kept, kept)], wanted[np.ix_(kept, own)], error)
        if part is None:
            name = "" if outputs == 1 else f" of output {own[0]}"
            return Unproved(f"the kernel{name} is not proved to be positive definite on the batch")
        squared += part
    log_norm = log_product([0.5 * log_up(squared, outputs), -0.5 * exponent * LOG2])
    log_trace = log_product([log_up(trace, outputs), exponent * LOG2])
    return _judged(log_norm, log_trace, outputs, m, price)


def squared_norm(kernel: Floats, y: Floats, error: float) -> float | None:
    """Return an upper bound of tr(Y^T Theta^-1 Y), or None if Theta is not proved to be positive definite.

    Args:
        kernel: computed Theta, (m, m).
        y: right-hand sides Y, (m, columns).
        error: relative error eta of the entries.

    Returns:
        The bound; it is 0 for y = 0.
    """
    if not y.any():
        return 0.0
    m, trace = len(y), up(float(np.trace(kernel)), len(y))
    spectral = error * trace * (1 + 2 * error)
    try:
        factor = cho_factor(kernel, lower=True, check_finite=False)
    except LinAlgError:
        return None
    low = _smallest_eigenvalue(kernel, factor, spectral + 4 * (m + 4) * UNIT * trace)
    if low is None:
        return None
    solved = cho_solve(factor, y, check_finite=False)
    sums = 2 * (m + 4) * UNIT
    total = 0.0
    for one, z in zip(y.T, solved.T, strict=True):
        size = up(float(np.linalg.norm(z)), m)
        rounding = sums * (float(np.linalg.norm(one)) + trace * size)
        rest = up(float(np.linalg.norm(one - kernel @ z)), m) + rounding + spectral * size
        inner = float(one @ z) + sums * float(np.abs(one) @ np.abs(z))
        total += max(0.0, inner) + size * rest + rest * rest / low
    return up(total, y.shape[1] + 4)


def _smallest_eigenvalue(kernel: Floats, factor: tuple[Floats, bool], shift: float) -> float | None:
    """Return a proved lower bound of Theta's smallest eigenvalue: a shift with a Cholesky factorization, minus the
    possible rounding.

    The shift is estimated by inverse iteration, which ends above the eigenvalue, and lowered until the factorization succeeds.
    """
    near = np.cos(np.arange(len(kernel), dtype=np.float64))
    for _ in range(INVERSE_STEPS):
        near /= np.linalg.norm(near)
        near = cho_solve(factor, near, check_finite=False)
    guess = 0.9 / float(np.linalg.norm(near))
    for _ in range(SHIFTS):
        if guess <= 1.5 * shift:
            return None
        shifted = kernel.copy()
        shifted.flat[:: len(kernel) + 1] -= guess
        try:
            cho_factor(shifted, lower=True, overwrite_a=True, check_finite=False)
        except LinAlgError:
            guess *= 0.8
            continue
        return guess - shift
    return None


def _distinct(x: Floats, labels: np.ndarray) -> np.ndarray | Unproved:
    """Return the first positions of distinct inputs, or no bound if a repeated input has two labels."""
    _, first, place = np.unique(x, axis=0, return_index=True, return_inverse=True)
    if not np.array_equal(labels[first][place.reshape(-1)], labels):
        return Unproved("an input is repeated with different labels: no function interpolates it")
    return np.sort(first)


def _judged(log_norm: float, log_trace: float, outputs: int, m: int, price: Price) -> KernelBound:
    k = grid_above(log_norm)
    paid = confidence(price.delta, price.bits + price.normalization_bits + log2_weight(k), m)
    factor = 2.0 if outputs == 1 else 4.0
    log_spread = log_product([0.5 * log_trace, -math.log(m)])
    penalty = log_product([math.log(factor), k * LOG_STEP, log_spread])
    log_value = logsumexp([penalty, log_up(paid, 1)])
    complexity = log_product([log_norm, log_spread])
    return KernelBound(log_value, log_norm, log_trace, complexity, paid, price.bits, price.normalization_bits)
