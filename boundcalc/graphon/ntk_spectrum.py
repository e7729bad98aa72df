"""The spectrum of a kernel matrix, and how fast gradient descent with it fits the labels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from boundcalc.graphon.ntk_maps import Floats
from boundcalc.norms.rounding import scaled

TIMES = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
"""Steps at which the residual is reported."""

FAST = 1e300
"""What stands for larger products of learning rate and eigenvalue."""

TOP = 5


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigenvalues and what is read from them.

    Attributes:
        eigenvalues: (m,) falling; those below rounding are as computed, 0 where negative.
        alpha: of lambda_k ~ k^-alpha, least squares in logarithms over the eigenvalues above rounding; None below two of them.
        effective_rank: trace / lambda_1; None for a kernel that is 0.
        gap: lambda_1 / lambda_2; None where lambda_2 is below rounding.
        top5_energy: the five largest, as a share of the trace; None for a kernel that is 0.
        condition: lambda_1 / lambda_m; None where lambda_m is below rounding.
    """

    eigenvalues: Floats
    alpha: float | None
    effective_rank: float | None
    gap: float | None
    top5_energy: float | None
    condition: float | None


@dataclass(frozen=True, eq=False)
class Residual:
    """The squared residual of gradient flow from f = 0, as a share of its start.

    Attributes:
        eta: the learning rate; None where float64 does not hold it.
        times: steps.
        shares: sum_k (v_k . y)^2 exp(-2 eta lambda_k t) / |y|^2, summed over outputs.
        rate: y^T Theta y / |y|^2, half the decay rate at the start, per unit of learning rate; None where float64 does not hold it.
    """

    eta: float | None
    times: tuple[float, ...]
    shares: tuple[float, ...]
    rate: float | None


def decompose(kernel: Floats) -> tuple[Floats, Floats]:
    """Return the eigenvalues, falling, (m,), and eigenvectors as columns, (m, m), of a symmetric matrix."""
    values, vectors = eigh(kernel, driver="evd", check_finite=False)
    return values[::-1], vectors[:, ::-1]


def spectrum(eigenvalues: Floats) -> Spectrum:
    """Return the metrics of a kernel's eigenvalues.

    Args:
        eigenvalues: (m,) falling.
    """
    values = np.maximum(eigenvalues, 0.0)
    trace, first, m = float(values.sum()), float(values[0]), len(values)
    if first == 0.0:
        return Spectrum(values, None, None, None, None, None)
    above = values > 8 * m * np.finfo(float).eps * first
    known = int(above.sum())
    alpha = None
    if known > 1:
        k = np.log(np.arange(1, known + 1))
        alpha = -float(np.polyfit(k, np.log(values[:known]), 1)[0])
    return Spectrum(
        values,
        alpha,
        trace / first,
        float(first / values[1]) if known > 1 else None,
        float(values[:TOP].sum()) / trace,
        float(first / values[-1]) if known == m else None,
    )


def targets(labels: np.ndarray, outputs: int) -> Floats:
    """Return one-hot labels, (m, C), or -1 and 1 for a single output, (m, 1)."""
    if outputs == 1:
        return (2.0 * labels - 1.0)[:, None]
    return np.eye(outputs)[labels]


def residual(
    eigenvalues: Floats, vectors: Floats, wanted: Floats, eta: float | None = None, exponent: int = 0
) -> Residual | None:
    """Return the residual's decay under gradient flow ``df/dt = -eta Theta (f - y)`` from f = 0.

    Args:
        eigenvalues: (m,) falling.
        vectors: (m, m), as columns.
        wanted: (m, C) y.
        eta: learning rate; None for 1 / lambda_1.
        exponent: of the power of two by which the kernel is larger than what `eigenvalues` are of.

    Returns:
        The curve; None where the kernel is 0.
    """
    if eigenvalues[0] <= 0:
        return None
    values = np.maximum(eigenvalues, 0.0)
    energy = np.square(vectors.T @ wanted).sum(axis=1)
    energy /= math.fsum(energy)
    if eta is None:
        step, speeds = scaled(1.0 / float(values[0]), -exponent), values / float(values[0])
    else:
        step, speeds = eta, _speeds(values, eta, exponent)
    with np.errstate(under="ignore"):
        shares = tuple(float(energy @ np.exp(-2.0 * time * speeds)) for time in TIMES)
        rate = scaled(float(energy @ values), exponent)
    return Residual(step, TIMES, shares, rate)


def _speeds(values: Floats, eta: float, exponent: int) -> Floats:
    """Return eta lambda_k, those that overflow as `FAST`: beyond it nothing is left after one step."""
    mantissa, own = math.frexp(eta)
    with np.errstate(over="ignore", under="ignore"):
        return np.minimum(np.ldexp(mantissa * values, own + exponent), FAST)
