"""The spectrum of a kernel matrix, and how fast gradient descent with this kernel fits the labels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from boundcalc.graphon.ntk_maps import Floats
from boundcalc.norms.rounding import scaled

TIMES = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
"""Steps at which the residual is reported."""

LARGEST_SPEED = 1e300
"""Value that replaces larger products of learning rate and eigenvalue."""

TOP = 5


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigenvalues and numbers derived from them.

    Attributes:
        eigenvalues: eigenvalues in descending order, (m,); those below rounding are unchanged, but 0 if negative.
        alpha: exponent in lambda_k ~ k^-alpha, by least squares in logarithms over eigenvalues above rounding; None
            if fewer than two.
        effective_rank: trace / lambda_1; None for a kernel that is 0.
        gap: lambda_1 / lambda_2; None if lambda_2 is below rounding.
        top5_energy: sum of the five largest divided by the trace; None for a kernel that is 0.
        condition: lambda_1 / lambda_m; None if lambda_m is below rounding.
    """

    eigenvalues: Floats
    alpha: float | None
    effective_rank: float | None
    gap: float | None
    top5_energy: float | None
    condition: float | None


@dataclass(frozen=True, eq=False)
class Residual:
    """The squared residual of gradient flow from f = 0, relative to its start.

    Attributes:
        eta: learning rate; None if float64 cannot hold it.
        times: numbers of steps t.
        shares: sum_k (v_k . y)^2 exp(-2 eta lambda_k t) / |y|^2 for each t, summed over outputs.
        rate: y^T Theta y / |y|^2, half the initial decay rate per unit of learning rate; None if float64 cannot hold it.
    """

    eta: float | None
    times: tuple[float, ...]
    shares: tuple[float, ...]
    rate: float | None


def decompose(kernel: Floats) -> tuple[Floats, Floats]:
    """Return the eigenvalues of a symmetric matrix in descending order, (m,), and the eigenvectors as columns, (m, m)."""
    values, vectors = eigh(kernel, driver="evd", check_finite=False)
    return values[::-1], vectors[:, ::-1]


def spectrum(eigenvalues: Floats) -> Spectrum:
    """Return the statistics of a kernel's eigenvalues.

    Args:
        eigenvalues: eigenvalues in descending order, (m,).
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
    """Return one-hot labels, (m, C), or for a single output labels -1 and 1, (m, 1)."""
    if outputs == 1:
        return (2.0 * labels - 1.0)[:, None]
    return np.eye(outputs)[labels]


def residual(
    eigenvalues: Floats, vectors: Floats, wanted: Floats, eta: float | None = None, exponent: int = 0
) -> Residual | None:
    """Return the residual under gradient flow ``df/dt = -eta Theta (f - y)`` from f = 0.

    Args:
        eigenvalues: eigenvalues in descending order, (m,).
        vectors: eigenvectors as columns, (m, m).
        wanted: targets y, (m, C).
        eta: learning rate; None for 1 / lambda_1.
        exponent: the kernel is 2^exponent times the kernel with these eigenvalues.

    Returns:
        The curve; None if the kernel is 0.
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
    """Return eta lambda_k; products that overflow become `LARGEST_SPEED`, since beyond it nothing is left after one step."""
    mantissa, own = math.frexp(eta)
    with np.errstate(over="ignore", under="ignore"):
        return np.minimum(np.ldexp(mantissa * values, own + exponent), LARGEST_SPEED)
