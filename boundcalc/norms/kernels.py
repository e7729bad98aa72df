"""Upper bounds of norms of a layer's kernel: each weight counts once, whatever the number of positions of the kernel.

Weights are scaled to size 1 by a power of two before they are squared, so that no square underflows or overflows.
"""

from __future__ import annotations

import math

import torch

from boundcalc.network.chain import ToeplitzLayer
from boundcalc.network.ops import Affine
from boundcalc.norms.rounding import UpperSize, exponent_of, slack, times_power
from boundcalc.norms.toeplitz import BLOCK, pool_rows


def two_one(weight: torch.Tensor) -> UpperSize:
    """Return ||K||_{2,1}: the l2 norms along input channels, summed over output channels and kernel positions.

    Args:
        weight: (out, in / groups, kernel height, kernel width) float64.

    Example:
        >>> round(two_one(torch.tensor([[3.0, 4.0], [0.0, 1.0]], dtype=torch.float64)[:, :, None, None]).value, 9)
        6.0
    """
    return _summed(weight, (1,))


def filters(weight: torch.Tensor) -> UpperSize:
    """Return the sum over output channels of the filter's l2 norm; `weight` as in `two_one`."""
    return _summed(weight, (1, 2, 3))


def frobenius(weight: torch.Tensor) -> UpperSize:
    """Return ||K||_F; `weight` as in `two_one`."""
    return _summed(weight, (0, 1, 2, 3))


def repeats(layer: Affine) -> float:
    """Return the norm of the map from a channel to the values that one tap reads; it is above 1 only with circular padding.

    Circular padding beyond the kernel's width computes an output several times; the norm is the square root of this number.
    """
    if not layer.circular:
        return 1.0
    axes = layer.window.height, layer.window.width
    counts = [int(torch.bincount(axis.positions()[:, 0] % axis.size).max()) for axis in axes]
    return math.sqrt(math.prod(counts)) * (1 + slack(2))


def pooling(link: ToeplitzLayer) -> float:
    """Return an upper bound of the spectral norm of the average poolings before a layer; 1 if there are none.

    ||P||_2 <= sqrt(largest row sum times largest column sum), axis by axis; this is exact if windows do not overlap.
    """
    norm = 1.0
    for axis in ("rows_h", "rows_w"):
        rows = pool_rows(link.pools, axis)
        if rows is not None:
            sizes = float(rows.abs().sum(1).max()), float(rows.abs().sum(0).max())
            norm *= math.sqrt(math.prod(sizes)) * (1 + slack(rows.numel()))
    return norm


def _summed(weight: torch.Tensor, dims: tuple[int, ...]) -> UpperSize:
    exponent, rows = exponent_of(weight), max(1, BLOCK // max(1, weight[:1].numel()))
    parts = [times_power(part, -exponent).square().sum(dims) for part in weight.split(rows)]
    sums = torch.stack(parts).sum() if 0 in dims else torch.cat(parts)
    return UpperSize(float(sums.sqrt().sum()) * (1 + slack(weight.numel())), exponent)
