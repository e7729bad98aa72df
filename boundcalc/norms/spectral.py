"""Certified upper bounds of spectral norms of layers, with a lower bound of the majorant that they use.

A layer with one output position is the matrix of its weights. Any other convolution is a submatrix of a circulant one, whose norm
is the largest singular value of its symbol over the frequencies (:mod:`boundcalc.norms.spectral_symbol`): the circulant majorant.
A certificate is needed at every frequency (:mod:`boundcalc.norms.spectral_certificate`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped,unused-ignore]

from boundcalc.network.chain import ToeplitzLayer
from boundcalc.network.ops import Affine
from boundcalc.norms.rounding import UNIT
from boundcalc.norms.spectral_certificate import Peak, certified_peak
from boundcalc.norms.spectral_symbol import Sampling, sampling, symbol_of
from boundcalc.norms.toeplitz import pool_rows


@dataclass(frozen=True)
class SpectralNorm:
    """Upper and lower bounds of a spectral norm.

    Attributes:
        upper: upper bound of the layer's norm; infinite if a weight is not finite or the norm overflows.
        lower: lower bound of the norm of the majorant. The layer's own norm may be smaller, because the majorant is a circulant
            operator on the enlarged image, or ||A|| ||P|| for a layer A after an average pooling P.
    """

    upper: float
    lower: float

    def times(self, other: SpectralNorm) -> SpectralNorm:
        """Return the product of two norms."""
        return SpectralNorm(
            self.upper * other.upper * (1 + 4 * UNIT), self.lower * other.lower * (1 - 4 * UNIT)
        )


ONE = SpectralNorm(1.0, 1.0)

NONE = Peak(0.0, 0.0, -1, np.empty(0))

SINGLE = Sampling(1, 1, 0, 1.0)
"""The one frequency of an axis along which nothing moves."""

MODERATE = 64
"""Powers of two up to which the largest weight may lie from 1 without being brought there: squares that underflow then
lose less than 2^-900 of the rounding that is allowed for."""

SLACK = 1.005
"""A strided bound that exceeds part of the unstrided majorant by no more than this is within 1 % of that majorant."""


def spectral_norm(link: ToeplitzLayer) -> float:
    """Return the upper bound of :func:`spectral_interval` for ||A^l||_2."""
    return spectral_interval(link).upper


def spectral_interval(link: ToeplitzLayer) -> SpectralNorm:
    """Return an upper bound of ||A^l||_2 for a link of the chain, and a lower bound of the majorant that it uses.

    Pooling enters as a factor, ||A P|| <= ||A|| ||P||.

    Args:
        link: a layer and the average poolings before it.

    Returns:
        The upper bound is within 1 % of the circulant majorant's norm, for any stride, padding, dilation and groups.

    Source:
        Sedghi, Gupta & Long 2019, The singular values of convolutional layers (the circulant operator).
    """
    import scipy.linalg  # noqa: F401  # only libraries that are loaded already are limited

    with threadpool_limits(limits=1, user_api="blas"):
        return layer_norm(link.layer).times(pool_norm(link))


def pool_norm(link: ToeplitzLayer) -> SpectralNorm:
    """Return the spectral norm of the average poolings before a layer; 1 if there are none."""
    norm = ONE
    for axis in ("rows_h", "rows_w"):
        rows = pool_rows(link.pools, axis)
        if rows is not None:
            norm = norm.times(matrix_norm(rows))
    return norm


def matrix_norm(matrix: torch.Tensor) -> SpectralNorm:
    """Return an interval that contains the largest singular value of one matrix (rows, columns) float64."""
    return _measured(matrix.numpy()[None, :, :, None, None], SINGLE, SINGLE)[0]


def layer_norm(layer: Affine) -> SpectralNorm:
    """Return an interval that contains the norm of a layer's majorant, without its poolings."""
    out, width, high, wide = layer.weight.shape
    kernel = layer.weight.numpy().reshape(layer.groups, out // layer.groups, width, high, wide)
    if layer.window.out == (1, 1) and not layer.circular:
        rows, columns = (axis.taps()[0].numpy() for axis in (layer.window.height, layer.window.width))
        read = kernel if rows.all() and columns.all() else kernel[:, :, :, rows][..., columns]
        return _measured(read.reshape(layer.groups, out // layer.groups, -1, 1, 1), SINGLE, SINGLE)[0]
    everywhere = _samplings(layer, (1, 1))
    strided = _samplings(layer, layer.window.stride)
    norm, peak = _measured(kernel, *strided)
    if strided != everywhere and norm.upper > SLACK * _part(kernel, peak, everywhere):
        norm = min(norm, _measured(kernel, *everywhere)[0], key=lambda found: found.upper)
    return norm.times(_repetition(layer))


def _samplings(layer: Affine, strides: tuple[int, int]) -> tuple[Sampling, Sampling]:
    axes = layer.window.height, layer.window.width
    height, width = (sampling(*pair) for pair in zip(axes, (layer.circular,) * 2, strides, strict=True))
    return height, width


def _measured(kernel: np.ndarray, height: Sampling, width: Sampling) -> tuple[SpectralNorm, Peak]:
    """Return an interval that contains the largest singular value of the symbol of a kernel (groups, out, in, height, width)."""
    largest = max(float(kernel.max(initial=0.0)), -float(kernel.min(initial=0.0)))
    if not math.isfinite(largest):
        return SpectralNorm(math.inf, 0.0), NONE
    if largest == 0.0:
        return SpectralNorm(0.0, 0.0), NONE
    exponent = math.frexp(largest)[1]
    if abs(exponent) <= MODERATE:  # large kernels need no copy
        exponent = 0
    else:
        half = exponent // 2
        kernel = kernel * 2.0**-half * 2.0 ** (half - exponent)
    symbol = symbol_of(kernel, height, width)
    peak = certified_peak(symbol.batches(), symbol.error)
    upper = math.sqrt(peak.upper) * symbol.factor * (1 + 4 * UNIT)
    lower = math.sqrt(peak.lower) / symbol.factor * (1 - 4 * UNIT)
    return SpectralNorm(_scaled(upper, exponent, math.inf), _scaled(lower, exponent, 0.0)), peak


def _scaled(value: float, exponent: int, towards: float) -> float:
    """Return value * 2^exponent, rounded up or towards 0."""
    try:
        return math.nextafter(math.ldexp(value, exponent), towards)
    except OverflowError:
        return math.nextafter(math.inf, towards)


def _part(kernel: np.ndarray, peak: Peak, everywhere: tuple[Sampling, Sampling]) -> float:
    """Return a lower bound of the unstrided majorant's norm from the combination of outputs that is largest for the strided one."""
    groups, out = kernel.shape[:2]
    if len(peak.vector) != out or peak.member < 0:
        return 0.0
    parts = np.stack([peak.vector.real, peak.vector.imag], axis=1)
    seen = np.einsum("oc,oiab->ciab", np.linalg.qr(parts)[0], kernel[peak.member % groups])
    return _measured(seen[None], *everywhere)[0].lower


def _repetition(layer: Affine) -> SpectralNorm:
    """Return the square root of the number of times that a circular layer computes the same output."""
    if not layer.circular:
        return ONE
    axes = layer.window.height, layer.window.width
    counts = [int(torch.bincount(axis.positions()[:, 0] % axis.size).max()) for axis in axes]
    root = math.sqrt(math.prod(counts))
    return SpectralNorm(root * (1 + 2 * UNIT), root * (1 - 2 * UNIT))
