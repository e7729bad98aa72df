"""Row norms of a layer's Toeplitz matrix in closed form: the matrix itself is never built.

Rows (one per output channel and position) differ only by which taps fall inside the image, so it is enough to look at each
pattern of taps once and count how many positions share it. Stride, dilation, groups and zero padding are exact. Average
pooling before the layer is multiplied in: exact for the l2 norms, and for l1 norms too unless pooling windows overlap,
where the l1 norm is an upper bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from boundcalc.errors import NotCovered
from boundcalc.network.chain import Link
from boundcalc.network.geometry import Axis
from boundcalc.network.ops import AvgPool
from boundcalc.norms.rounding import slack

TINY = 1e-290
"""Smallest squared norm of a row that is not zero: squares of smaller weights would vanish."""


@dataclass(frozen=True)
class Rows:
    """Norms of all rows of A^l, one entry for each channel and pattern of taps.

    Attributes:
        squares: squared l2 norms, (out, patterns) float64, from above.
        absolute: l1 norms, (out, patterns) float64, from above.
        counts: positions that share a pattern, (patterns,) float64.
    """

    squares: torch.Tensor
    absolute: torch.Tensor
    counts: torch.Tensor

    @property
    def positions(self) -> int:
        """Number of output positions."""
        return int(self.counts.sum())

    def frobenius_squared(self) -> float:
        """Return ||A||_F^2, from above."""
        total = float((self.squares.sum(0) * self.counts).sum())
        return total * (1 + slack(self.squares.numel()))

    def l1_inf(self, extra: torch.Tensor | float = 0.0) -> float:
        """Return the largest row l1 norm after adding `extra` (out,) to the rows of each channel, from above."""
        return float((self.absolute.amax(1) + extra).max()) * (1 + slack(2))

    def two_one(self, extra: torch.Tensor | None = None) -> float:
        """Return the sum of row l2 norms, from above; `extra` (out,) adds to the squared norm of each channel's rows."""
        squares = self.squares if extra is None else self.squares + extra[:, None]
        return float((squares.sqrt().sum(0) * self.counts).sum()) * (1 + slack(squares.numel()))


@dataclass(frozen=True)
class _Taps:
    """Distinct patterns along one axis.

    Attributes:
        gram: (patterns, kernel, kernel) inner products of the input rows that the taps read.
        absolute: (patterns, kernel) l1 norms of these input rows.
        counts: (patterns,) outputs that share the pattern.
    """

    gram: torch.Tensor
    absolute: torch.Tensor
    counts: torch.Tensor


def _axis_taps(axis: Axis, rows: torch.Tensor | None, circular: bool) -> _Taps:
    positions, inside = axis.positions(), axis.taps()
    if circular:
        positions, inside = positions % axis.size, torch.ones_like(inside)
    readout = torch.eye(axis.size, dtype=torch.float64) if rows is None else rows
    if rows is None and not circular:
        patterns, counts = torch.unique(inside, dim=0, return_counts=True)
        absolute = patterns.double()
        return _Taps(torch.diag_embed(absolute), absolute, counts.double())
    read = readout[positions.clamp(0, axis.size - 1)] * inside[..., None]
    gram = read @ read.transpose(1, 2)
    absolute = read.abs().sum(2)
    both, counts = torch.unique(torch.cat([gram.flatten(1), absolute], 1), dim=0, return_counts=True)
    kernel = axis.kernel
    return _Taps(both[:, : kernel**2].reshape(-1, kernel, kernel), both[:, kernel**2 :], counts.double())


def pool_rows(pools: tuple[AvgPool, ...], axis: str) -> torch.Tensor | None:
    """Return the matrix of all average poolings along one axis (``"rows_h"`` or ``"rows_w"``), or None without any."""
    product: torch.Tensor | None = None
    for pool in pools:
        rows: torch.Tensor = getattr(pool, axis)
        product = rows if product is None else rows @ product
    return product


def _squares(weight: torch.Tensor, high: _Taps, wide: _Taps) -> torch.Tensor:
    diagonal = all(
        bool((t.gram == torch.diag_embed(t.gram.diagonal(dim1=1, dim2=2))).all()) for t in (high, wide)
    )
    if diagonal:
        grams = [t.gram.diagonal(dim1=1, dim2=2) for t in (high, wide)]
        energy = weight.square().sum(1)
        return torch.einsum("oab,pa,qb->opq", energy, *grams)
    pairs = torch.einsum("ocab,pad->ocdbp", weight, high.gram)
    exact = torch.einsum("ocdbp,qbe,ocde->opq", pairs, wide.gram, weight)
    size = torch.einsum("ocab,pad->ocdbp", weight.abs(), high.gram.abs())
    magnitude = torch.einsum("ocdbp,qbe,ocde->opq", size, wide.gram.abs(), weight.abs())
    return exact + magnitude * slack(weight[0].numel() * 4)


def rows_of(link: Link, weight: torch.Tensor) -> Rows:
    """Return the row norms of a link of the chain with a given kernel.

    Args:
        link: geometry and the poolings before the layer.
        weight: (out, in / groups, kernel height, kernel width) float64, e.g. the layer's own or a difference of two.

    Raises:
        NotCovered: circular padding whose taps wrap onto each other.
    """
    layer = link.layer
    axes = layer.window.height, layer.window.width
    if layer.circular and any(axis.reach > axis.size for axis in axes):
        raise NotCovered("a circular kernel wider than its image", layer.name)
    high = _axis_taps(axes[0], pool_rows(link.pools, "rows_h"), layer.circular)
    wide = _axis_taps(axes[1], pool_rows(link.pools, "rows_w"), layer.circular)
    grow = 1 + slack(weight[0].numel() + 4 * sum(axis.size for axis in axes) + 4)
    absolute = torch.einsum("oab,pa,qb->opq", weight.abs().sum(1), high.absolute, wide.absolute) * grow
    squares = _squares(weight, high, wide).clamp(min=0).nan_to_num(nan=math.inf, posinf=math.inf) * grow
    squares = torch.where(absolute > 0, squares.clamp(min=TINY), squares)
    counts = torch.outer(high.counts, wide.counts)
    return Rows(squares.flatten(1), absolute.flatten(1), counts.flatten())
